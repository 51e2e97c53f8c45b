-- handshake: answers a client's HANDSHAKE (protocol 3): the app's
-- checkClient and handshake functions decide, the heartbeat is announced.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local request = require "pomelua.message.request"
local session = require "pomelua.session.session"
local task = require "pomelua.run.task"

local handshake = {}

local truthy = request.truthy

local OLD_CLIENT, USE_ERROR = 501, 500

local function refuse(server, sid, code)
  server.node:handshake(sid, code, '{"code":' .. code .. "}")
end

-- Empty definitions for a client that has kept the definitions of another server, for example of a
-- Pomelo at the same address: with these it could not read the pushes of this server. Clients take
-- each group whole or not at all. A client without definitions sends version 0.
local NO_DICT = '"dict":{},"routeToCode":{},"codeToRoute":{},"dictVersion":0'
local NO_PROTOS = '"protos":{"server":{},"client":{},"version":0}'

local function text_for(beat, no_dict, no_protos)
  local fields = {}
  if beat then fields[#fields + 1] = '"heartbeat":' .. beat end
  if no_dict then fields[#fields + 1] = NO_DICT end
  if no_protos then fields[#fields + 1] = NO_PROTOS end
  return '{"code":200,"sys":{' .. table.concat(fields, ",") .. "}"
end

-- The order of keys is Pomelo's. The answer is built once for each of the four cases.
local function text_of(checked, sys)
  local no_dict, no_protos = truthy(sys.dictVersion), truthy(sys.protoVersion)
  local case = (no_dict and 1 or 0) + (no_protos and 2 or 0)
  local texts = checked.accepted
  if not texts then
    texts = {}
    checked.accepted = texts
  end
  local text = texts[case]
  if not text then
    text = text_for(checked.heartbeat, no_dict, no_protos)
    texts[case] = text
  end
  return text
end

local function accept(server, sid, text, resp)
  if not truthy(resp) then return server.node:handshake(sid, 200, text .. "}") end
  local user, message = core.encode(resp, "user")
  if not user then
    server:error("handshake: the answer cannot be sent: " .. tostring(message))
    return refuse(server, sid, USE_ERROR)
  end
  server.node:handshake(sid, 200, text .. ',"user":' .. user .. "}")
end

local function run(server, sid, msg, owner)
  local checked = server.checked
  local sys = owner.sys
  local text = text_of(checked, sys) -- before the app may change the message
  if checked.check_client and not checked.check_client(sys.type, sys.version) then
    owner.done = true
    return refuse(server, sid, OLD_CLIENT)
  end
  if not checked.handshake then return accept(server, sid, text) end
  local function answer(err, resp)
    if owner.done then return end
    owner.done = true
    if truthy(err) then
      server:info_line("handshake: " .. errors.text(err), "handshakes refused")
      return refuse(server, sid, USE_ERROR)
    end
    accept(server, sid, text, resp)
  end
  local resp, err = checked.handshake(msg, function(e, r) answer(e, r) end,
    session.new(server, sid))
  if resp ~= nil or err ~= nil then answer(err, resp) end
end

---entries.handshake
function handshake.asked(server, sid, body)
  if server.event:has("close_session") then server.node:watchClosed(sid) end
  local msg = server.decode_body(body)
  if type(msg) ~= "table" or not truthy(msg.sys) then return refuse(server, sid, USE_ERROR) end
  local checked = server.checked
  local sys = type(msg.sys) == "table" and msg.sys or {}
  if not checked.check_client and not checked.handshake then
    return accept(server, sid, text_of(checked, sys))
  end
  local owner = { name = "handshake", client = true, done = false,
    generation = server.generation, sys = sys }
  function owner:failed()
    if self.done then return end
    self.done = true
    refuse(server, sid, USE_ERROR)
  end
  task.run(server, owner, run, server, sid, msg, owner)
end

return handshake
