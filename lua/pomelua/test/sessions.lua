-- test.sessions: the clients of a virtual server. On a frontend they are real
-- sessions of its node. On a backend the spec's tables are the frontend's truth
-- (test.frontends), and what handlers ask of it (bind, push, kick) is done to them.
local bans = require "pomelua.test.bans"
local client_protos = require "pomelua.client.protos"
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local frontends = require "pomelua.test.frontends"
local json = require "pomelua.base.json"
local options = require "pomelua.test.options"
local resume = require "pomelua.test.resume"
local real_session = require "pomelua.session.session"
local tokens = require "pomelua.session.tokens"

local methods = {}
local mt = { __index = methods }

local sessions = {}

function sessions.new(server)
  local gone = setmetatable({}, { __mode = "k" })
  return setmetatable({
    server = server, last_id = 0, by_table = setmetatable({}, { __mode = "k" }), by_sid = {},
    protos_of = {}, -- [sid] = the definitions that its client was given
    shaking = {}, -- [sid] = waiting, until its handshake is answered
    lines = {}, -- [session] = pomelua.test.Line of those with resume
    coming = nil, -- the session whose client comes back now
    waiting = {}, last_msg = 0, gone = gone, frontends = frontends.new(server, gone),
  }, mt)
end

local function check(session)
  if session == nil then return {} end
  local wrong = options.wrong_session(session)
  if wrong then errors.raise(wrong) end
  return session
end

-- The first frontend of the app, for sessions that name none.
local function some_frontend(inner)
  local first
  for id, entry in pairs(inner.by_id) do
    if entry.frontend and (not first or id < first) then first = id end
  end
  return first or "frontend-1"
end

---A backend's view: the table, made whole.
function methods:given(session)
  session = check(session)
  if self.gone[session] then
    error(("this session %s: its client comes back with another table")
      :format(self.gone[session]), 5)
  end
  if not session.id then
    self.last_id = self.last_id + 1
    session.id = self.last_id
  end
  session.frontendId = session.frontendId or some_frontend(self.server.inner)
  session.settings = real_session.with_text_keys(session.settings or {})
  self.frontends:node(session.frontendId):add(session)
  self.server.node:peer(session.frontendId, true)
  return session
end

---What answers a call to a frontend's sessions, or nil and, when nothing can, why.
function methods:remote(record) return self.frontends:remote(record) end

---The table behind a session id of another server, nil when its client has gone.
function methods:of_frontend(id, sid) return self.frontends:node(id).by_sid[sid] end

---The uids that are members of a cluster channel at another frontend.
function methods:channel_members(id, name) return self.frontends:node(id):clusterMembers(name) end

---A frontend begins anew, without sessions.
---@param id string
function methods:restarted(id) self.frontends:restarted(id) end

-- Frontends -----------------------------------------------------------------------

---The table behind a session id of a frontend.
function methods:of_sid(sid) return self.by_sid[sid] end

-- What handlers have made of the session is seen in the spec's table.
local function refresh(self, session, sid)
  local uid, settings, found = self.server.node:session(sid)
  if not found then return end
  session.uid = uid
  session.settings = settings and json.decode(settings) or {}
end

-- The HTTP request that a client with these headers would have sent, nil without them.
local function head_of(headers)
  if headers == nil then return nil end
  local lines = { "GET / HTTP/1.1" }
  for name, value in pairs(headers) do
    if type(name) ~= "string" or type(value) ~= "string"
      or (name .. value):find("[\r\n]") or name:find(":", 1, true) or name == "" then
      error("headers of a session are names and texts in one line", 5)
    end
    lines[#lines + 1] = name .. ": " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- What a client says of its user at the handshake. Who has a uid in the spec needs no token.
local function enter(self, session, sid)
  local inner = self.server.inner
  if not inner.auth.keys or session.uid ~= nil and session.user == nil then return end
  local code, why = tokens.enter(inner, sid, { user = session.user })
  if not code then return end
  self:forget(session, sid)
  self.server.node:closeSession(sid)
  return code, why
end

-- shakes: it sends a handshake itself, which has its token.
local function open(self, session, shakes)
  local node = self.server.node
  local inner = self.server.inner
  local from = session.address or {}
  local reason = bans.of(inner, session.uid, from.ip)
  if reason then error("this client is banned, and does not connect: " .. reason, 5) end
  local sid = assert(node:openSession(from.ip, from.port, head_of(session.headers)))
  local protos = inner.checked.use_protobuf and inner.registry.set.protos or nil
  if inner.dictionary or protos then
    assert(node:setForm(sid, { dict = inner.dictionary ~= nil, protos = protos ~= nil }))
  end
  self.protos_of[sid] = protos
  self.by_table[session] = sid
  self.by_sid[sid] = session
  session.id, session.frontendId = sid, self.server.inner.id
  local code, why
  if not shakes then code, why = enter(self, session, sid) end
  if code then return nil, code, why end
  local bound, claims = node:session(sid)
  if session.uid ~= nil and bound == nil then assert(node:bind(sid, session.uid)) end
  if session.settings and next(session.settings) then
    local settings = real_session.decode_settings(claims)
    for key, value in pairs(session.settings) do settings[key] = value end
    node:setSettings(sid, assert(core.encode(settings)))
  end
  refresh(self, session, sid)
  return sid
end

---A client connects: what its first message does otherwise.
---@return number|nil sid
---@return number|nil code of the handshake, when it was refused
---@return string|nil why
function methods:connect(session)
  session = check(session)
  if self.by_table[session] then error("this session is connected", 3) end
  if session.resume then return resume.connect(self, session) end
  return open(self, session)
end

-- The same for a client that is not there yet: an error at the line of the spec.
local function let_in(self, session)
  local sid, code, why = open(self, session)
  if sid then return sid end
  error(("the handshake of this client is refused with the code %d: %s"):format(code, why), 5)
end

---A message of a frontend's client. The client connects with its first one.
---@param raw boolean whether the body is bytes that are sent as they are
---@return table waiting done, value
function methods:client_sends(session, route, body, msg_type, raw)
  session = check(session)
  local sid = self.by_table[session] or let_in(self, session)
  local waiting = { done = false, session = session, sid = sid, route = route }
  if not raw then
    local wrong
    body, wrong = self:writes(sid, route, body)
    if not body then
      error(("the message does not fit its definition: %s (clientProtos, %q)"):format(wrong, route),
        4)
    end
  end
  local id
  if msg_type == 0 then
    self.last_msg = self.last_msg + 1
    id = self.last_msg
    self.waiting[sid .. " " .. id] = waiting
  end
  local dictionary = self.server.inner.dictionary
  local code = dictionary and dictionary:code(route)
  local bytes = assert(core.write_message {
    type = msg_type, id = id, route = not code and route or nil, code = code, body = body,
  })
  local ok, message = self.server.node:clientData(sid, bytes)
  if not ok then error(message, 3) end
  self.server:settle()
  refresh(self, session, sid)
  return waiting
end

---A frontend's client sends its handshake; it connects by that.
---@param session table|nil
---@param msg table
---@return table waiting done, value
function methods:shakes(session, msg)
  session = check(session)
  if self.by_table[session] then error("this client has connected already", 3) end
  local sid = open(self, session, true)
  local waiting = { done = false, session = session, sid = sid }
  self.shaking[sid] = waiting
  assert(self.server.node:clientHandshake(sid, assert(core.encode(msg))))
  self.server:settle()
  refresh(self, session, waiting.sid)
  return waiting
end

---The answer to it.
function methods:answered_handshake(sid, text)
  local waiting = self.shaking[sid]
  if not waiting and self.coming then waiting = resume.moved(self, sid) end
  self.shaking[sid] = nil
  if not waiting then return end
  waiting.done, waiting.value = true, json.decode(text)
  if waiting.value.code ~= 200 then self:forget(waiting.session, sid) end
end

---The request that an answer belongs to.
function methods:answered(sid, id)
  local key = sid .. " " .. id
  local waiting = self.waiting[key]
  self.waiting[key] = nil
  if waiting then refresh(self, waiting.session, sid) end
  return waiting
end

---The bytes of a client's message, by its definitions.
---@param sid number
---@param route string
---@param text string JSON
---@return string|nil bytes
---@return string|nil message
function methods:writes(sid, route, text)
  local set = self.protos_of[sid]
  if not set or not set:has("client", route) then return text end
  return set:encode("client", route, text, true)
end

---What a client reads in a body that it got, by its definitions.
---@param sid number
---@param route string
---@param body string
---@return string text JSON
function methods:reads(sid, route, body)
  return assert(client_protos.text(self.protos_of[sid], route, body))
end

---A client goes.
---@param reason string|number|boolean|nil as a listener of "closed" gets it
function methods:disconnect(session, reason)
  if not self.server.inner.frontend then
    if not session.id or self.gone[session] then
      error("this session is not connected", 3)
    end
    return self.frontends:node(session.frontendId):forget(session, "has been disconnected")
  end
  local sid = self.by_table[session]
  if not sid then error("this session is not connected", 3) end
  self.server.node:closeSession(sid, reason)
  self:forget(session, sid)
end

---A session has ended.
function methods:forget(session, sid)
  self.by_table[session] = nil
  self.by_sid[sid] = nil
  self.protos_of[sid] = nil
end

return sessions
