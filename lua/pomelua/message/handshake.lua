-- handshake: answers a client's HANDSHAKE (protocol 3): the app's
-- checkClient and handshake functions decide; the heartbeat, the dictionary and the definitions
-- are announced.
local client_facts = require "pomelua.message.client_facts"
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local request = require "pomelua.message.request"
local resume = require "pomelua.session.resume"
local session = require "pomelua.session.session"
local task = require "pomelua.run.task"
local tokens = require "pomelua.session.tokens"

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

-- The groups of fields in sys, in Pomelo's order of keys.
local ORDER = { "heartbeat", "dict", "protos" }

local fields = {}

function fields.heartbeat(server)
  local beat = server.checked.heartbeat
  return beat and '"heartbeat":' .. beat or ""
end

function fields.dict(_, sys) return truthy(sys.dictVersion) and NO_DICT or "" end

-- A client that has kept these definitions is not sent them again. Those of another server, or of
-- another version, would be the wrong ones.
function fields.protos(server, sys)
  local protos = server.checked.use_protobuf and server.registry.set.protos
  if not protos then return truthy(sys.protoVersion) and NO_PROTOS or "" end
  local ctype = sys.type
  local form = { protos = true,
    cesu8 = type(ctype) == "string" and ctype:sub(1, 2) == "js", -- protocol 0.13
    jsonResponses = server.checked.json_responses[ctype] }
  local own = server.handshake_protos
  if own.protos ~= protos then
    local brief = '"useProto":true'
    own = { protos = protos, version = protos:version(), brief = brief,
      whole = '"protos":' .. protos:json() .. "," .. brief }
    server.handshake_protos = own
  end
  if own.version ~= "" and sys.protoVersion == own.version then return own.brief, form end
  return own.whole, form
end

---The part of a server that belongs to this file.
---@param server pomelua.Server
function handshake.init(server)
  -- [group] = fn(server, sys) gives the members that a client gets which says `sys` of itself, as
  -- JSON text, one of few, "" for none; and nil, or a table of what the client has then, of
  -- node:setForm. A file whose fields go with a handshake puts its own function here.
  server.handshake_fields = { heartbeat = fields.heartbeat, dict = fields.dict,
    protos = fields.protos }
  server.handshake_texts = {} -- whole texts, in tables by the text of each group
  server.handshake_protos = {} -- the members for the definitions that were announced last
end

---Each set that comes into force has the definitions that clients get from then on, and that this
---server's scripts are checked by.
---@param server pomelua.Server
function handshake.follow(server)
  server.registry:on_swap(function(set)
    server.handshake_texts = {}
    server.node:setProtos(set.protos)
  end)
end

-- What a client says of itself: the app may change the message.
local function said(sys)
  if type(sys) ~= "table" then return {} end
  return { type = sys.type, version = sys.version, dictVersion = sys.dictVersion,
    protoVersion = sys.protoVersion }
end

-- The text for a client (with its end, and `text` without it), and its form. Each is put together
-- once: it may be long. It is asked
-- for when the client is answered, so that the text and the form are of one moment.
local function text_of(server, sys)
  local at, parts, form = server.handshake_texts, {}, nil
  for _, group in ipairs(ORDER) do
    local part, has = server.handshake_fields[group](server, sys)
    for key, value in pairs(has or {}) do
      form = form or {}
      form[key] = value
    end
    if part ~= "" then parts[#parts + 1] = part end
    local found = at[part]
    if not found then
      found = {}
      at[part] = found
    end
    at = found
  end
  if not at.text then
    at.text = '{"code":200,"sys":{' .. table.concat(parts, ",") .. "}"
    at.whole = at.text .. "}"
  end
  return at, form
end

-- Whether the client has this form now; it is answered when not.
local function takes_form(server, sid, form)
  if not form then return true end
  local ok, message, name = server.node:setForm(sid, form)
  if not ok and name ~= "NOENT" then
    server:error("handshake: " .. message, "handshakes that cannot be answered")
    refuse(server, sid, USE_ERROR)
  end
  return ok
end

local function cannot(server, sid, message)
  server:error("handshake: the answer cannot be sent: " .. tostring(message),
    "handshakes that cannot be answered")
  return refuse(server, sid, USE_ERROR)
end

-- Without the field of resume: there is no place for it beside an answer without names.
local function accept_plain(server, sid, text, resp)
  local user, message = core.encode(resp, "user")
  if not user then return cannot(server, sid, message) end
  server.node:handshake(sid, 200, text .. ',"user":' .. user .. "}")
end

-- The client does not go on with its session.
local function anew(server, shake)
  resume.begin_anew(server, shake.ask)
  return shake.again()
end

-- The answer for a client that wants to be able to come back, or has come back.
local function accept_resuming(server, sid, shake, text, resp)
  local ask = shake.ask
  if not resume.is_here(server, sid) then return end
  local user, message, nameless = resume.user_text(truthy(resp) and resp)
  if nameless then
    if ask.sid then return anew(server, shake) end
    server:warn("handshake: " .. message, "handshakes without resume")
    return accept_plain(server, sid, text, resp)
  end
  if not user then return cannot(server, sid, message) end
  if not ask.sid then
    user, message = resume.keep(server, sid, user)
    if not user then return cannot(server, sid, message) end
    return server.node:handshake(sid, 200, text .. ',"user":' .. user .. "}")
  end
  local back, whole = resume.take(server, sid, ask, user)
  if not back then return anew(server, shake) end
  if shake.brought then tokens.renew(server, back, shake.brought) end
  server.node:handshake(back, 200, text .. ',"user":' .. whole .. "}")
end

local function accept(server, sid, shake, resp)
  local found, form = text_of(server, shake.sys)
  if not takes_form(server, sid, form) then return end
  if shake.ask then return accept_resuming(server, sid, shake, found.text, resp) end
  if not truthy(resp) then return server.node:handshake(sid, 200, found.whole) end
  accept_plain(server, sid, found.text, resp)
end

-- Whether a client has the token that it needs; it is refused when not.
local function enters(server, sid, msg, shake)
  local ask = shake.ask
  if ask and not ask.sid then resume.begin_anew(server, ask) end
  if not server.auth.keys then return true end
  local code, answered, brought, _
  if ask and ask.sid then
    code, _, answered, brought = tokens.again(server, sid, ask.sid, msg)
    shake.brought = brought
  else
    code, _, answered = tokens.enter(server, sid, msg)
  end
  if code and not answered then refuse(server, sid, code) end
  return not code
end

local function run(server, sid, msg, owner)
  local checked, shake = server.checked, owner.shake
  local sys = shake.sys
  if checked.check_client and not checked.check_client(sys.type, sys.version) then
    owner.done = true
    return refuse(server, sid, OLD_CLIENT)
  end
  if not enters(server, sid, msg, shake) then
    owner.done = true
    return
  end
  if not checked.handshake then return accept(server, sid, shake) end
  local function done(err, resp)
    if owner.done then return end
    owner.done = true
    if truthy(err) then
      server:info_line("handshake: " .. errors.text(err), "handshakes refused")
      return refuse(server, sid, USE_ERROR)
    end
    accept(server, sid, shake, resp)
  end
  local resp, err = checked.handshake(msg, function(e, r) done(e, r) end,
    session.new(server, shake.ask and shake.ask.sid or sid), shake.facts)
  if resp ~= nil or err ~= nil then done(err, resp) end
end

-- Decides about a client. shake: what is known of its handshake: sys, ask (session/resume), the
-- token that it has brought to a session, and again(), which begins anew.
local function decide(server, sid, msg, shake)
  local checked = server.checked
  if not checked.check_client and not checked.handshake then
    return enters(server, sid, msg, shake) and accept(server, sid, shake)
  end
  local owner = { name = "handshake", client = true, done = false,
    generation = server.generation, shake = shake }
  if client_facts.wanted(checked.handshake) then
    shake.facts = shake.facts or client_facts.of(server, sid)
  end
  function owner:failed()
    if self.done then return end
    self.done = true
    refuse(server, sid, USE_ERROR)
  end
  task.run(server, owner, run, server, sid, msg, owner)
end

---entries.handshake
function handshake.asked(server, sid, body)
  if server.event:has("close_session") then server.node:watchClosed(sid) end
  local msg = server.decode_body(body)
  if type(msg) ~= "table" or not truthy(msg.sys) then return refuse(server, sid, USE_ERROR) end
  local shake = { sys = said(msg.sys), ask = resume.asked(server, msg) }
  if shake.ask then
    function shake.again()
      shake.brought = nil
      decide(server, sid, msg, shake)
    end
  end
  decide(server, sid, msg, shake)
end

return handshake
