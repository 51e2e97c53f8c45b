-- handshake: answers a client's HANDSHAKE (reference section 3): the app's
-- checkClient and handshake functions decide, the heartbeat is announced.
local core = require "pomelua.core"
local errors = require "pomelua.errors"
local request = require "pomelua.request"
local session = require "pomelua.session"
local task = require "pomelua.task"

local handshake = {}

local truthy = request.truthy

local OLD_CLIENT, USE_ERROR = 501, 500

local function refuse(server, sid, code)
  server.node:handshake(sid, code, '{"code":' .. code .. "}")
end

-- Built by hand: the order of keys is Pomelo's. What every client gets is built once.
local function accept(server, sid, resp)
  local checked = server.checked
  local text = checked.accepted
  if not text then
    local beat = checked.heartbeat
    text = '{"code":200,"sys":' .. (beat and '{"heartbeat":' .. beat .. "}" or "{}")
    checked.accepted = text
  end
  if not truthy(resp) then return server.node:handshake(sid, 200, text .. "}") end
  local user, message = core.encode(resp, "user")
  if not user then
    server:error("handshake: the answer cannot be sent: " .. tostring(message),
      "handshakes that cannot be answered")
    return refuse(server, sid, USE_ERROR)
  end
  server.node:handshake(sid, 200, text .. ',"user":' .. user .. "}")
end

local function run(server, sid, msg, owner)
  local checked = server.checked
  local sys = type(msg.sys) == "table" and msg.sys or {}
  if checked.check_client and not checked.check_client(sys.type, sys.version) then
    owner.done = true
    return refuse(server, sid, OLD_CLIENT)
  end
  if not checked.handshake then return accept(server, sid, nil) end
  local function answer(err, resp)
    if owner.done then return end
    owner.done = true
    if truthy(err) then
      server:info_line("handshake: " .. errors.text(err), "handshakes refused")
      return refuse(server, sid, USE_ERROR)
    end
    accept(server, sid, resp)
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
  if not checked.check_client and not checked.handshake then return accept(server, sid, nil) end
  local owner = { name = "handshake", client = true, done = false, generation = server.generation }
  function owner:failed()
    if self.done then return end
    self.done = true
    refuse(server, sid, USE_ERROR)
  end
  task.run(server, owner, run, server, sid, msg, owner)
end

return handshake
