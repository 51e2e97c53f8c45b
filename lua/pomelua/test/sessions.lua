-- test.sessions: the clients of a virtual server. On a frontend they are real
-- sessions of its node. On a backend the spec's tables are the frontend's truth
-- (test.frontends), and what handlers ask of it (bind, push, kick) is done to them.
local core = require "pomelua.core"
local frontends = require "pomelua.test.frontends"
local json = require "pomelua.base.json"
local real_session = require "pomelua.session.session"

local methods = {}
local mt = { __index = methods }

local sessions = {}

function sessions.new(server)
  local gone = setmetatable({}, { __mode = "k" })
  return setmetatable({
    server = server, last_id = 0, by_table = setmetatable({}, { __mode = "k" }), by_sid = {},
    waiting = {}, last_msg = 0, gone = gone, frontends = frontends.new(server, gone),
  }, mt)
end

local function check(session)
  if session == nil then return {} end
  if type(session) ~= "table" then
    error("a session is a table {uid=, frontendId=, settings={}}, got a " .. type(session), 4)
  end
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

local function open(self, session)
  local node = self.server.node
  local sid = assert(node:openSession())
  self.by_table[session] = sid
  self.by_sid[sid] = session
  session.id, session.frontendId = sid, self.server.inner.id
  if session.uid ~= nil then assert(node:bind(sid, session.uid)) end
  if session.settings and next(session.settings) then
    node:setSettings(sid, assert(core.encode(session.settings)))
  end
  return sid
end

---A message of a frontend's client. The client connects with its first one.
---@return table waiting done, value
function methods:client_sends(session, route, body, msg_type)
  session = check(session)
  local sid = self.by_table[session] or open(self, session)
  local waiting = { done = false, session = session, sid = sid }
  local id
  if msg_type == 0 then
    self.last_msg = self.last_msg + 1
    id = self.last_msg
    self.waiting[sid .. " " .. id] = waiting
  end
  local bytes = assert(core.write_message { type = msg_type, id = id, route = route, body = body })
  local ok, message = self.server.node:clientData(sid, bytes)
  if not ok then error(message, 3) end
  self.server:settle()
  refresh(self, session, sid)
  return waiting
end

---The request that an answer belongs to.
function methods:answered(sid, id)
  local key = sid .. " " .. id
  local waiting = self.waiting[key]
  self.waiting[key] = nil
  if waiting then refresh(self, waiting.session, sid) end
  return waiting
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
  self.by_table[session] = nil
  self.by_sid[sid] = nil
end

return sessions
