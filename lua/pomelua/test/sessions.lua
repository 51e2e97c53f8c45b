-- test.sessions: the clients of a virtual server. On a frontend they are real
-- sessions of its node. On a backend the spec's tables are the frontend's truth,
-- and what handlers ask of it (bind, push, kick) is done to them.
local core = require "pomelua.core"
local json = require "pomelua.json"
local session_half = require "pomelua.session"
local sys_remote = require "pomelua.sys_remote"

local methods = {}
local mt = { __index = methods }

local sessions = {}

function sessions.new(server)
  return setmetatable({
    server = server, last_id = 0, by_table = setmetatable({}, { __mode = "k" }), by_sid = {},
    waiting = {}, last_msg = 0, kicked = setmetatable({}, { __mode = "k" }),
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
local function some_frontend(half)
  local first
  for id, entry in pairs(half.by_id) do
    if entry.frontend and (not first or id < first) then first = id end
  end
  return first or "frontend-1"
end

---A backend's view: the table, made whole.
function methods:given(session)
  session = check(session)
  if self.kicked[session] then
    error("this session has been kicked: its client comes back with another table", 5)
  end
  if not session.id then
    self.last_id = self.last_id + 1
    session.id = self.last_id
  end
  session.frontendId = session.frontendId or some_frontend(self.server.half)
  session.settings = session_half.with_text_keys(session.settings or {})
  self.by_sid[session.frontendId .. " " .. session.id] = session
  self.server.node:peer(session.frontendId, true)
  return session
end

local function same_uid(a, b)
  return a ~= nil and b ~= nil and tostring(a) == tostring(b)
end

-- The frontend's system remotes, done to the spec's tables.
local remotes = {}

function remotes.bind(session, uid, cb)
  if session.uid ~= nil and not same_uid(session.uid, uid) then
    return cb({ message = "session has already bind with " .. tostring(session.uid) })
  end
  session.uid = uid
  cb(nil)
end

function remotes.unbind(session, uid, cb)
  if not same_uid(session.uid, uid) then
    return cb({ message = "session has not bind with " .. tostring(session.uid) })
  end
  session.uid = nil
  cb(nil)
end

function remotes.push(session, key, value, cb)
  session.settings[key] = value
  cb(nil)
end

function remotes.pushAll(session, settings, removed, cb)
  if type(removed) == "table" then
    for _, key in ipairs(removed) do session.settings[key] = nil end
  end
  for key, value in pairs(settings or {}) do session.settings[key] = value end
  cb(nil)
end

local function exported(session)
  return {
    id = session.id, frontendId = session.frontendId,
    uid = session.uid, settings = session.settings,
  }
end

function remotes.getBackendSessionBySid(session, cb) cb(nil, exported(session)) end

-- Gone at once, as on a frontend: nobody finds it any more.
local function kick(self, session, reason)
  self.by_sid[session.frontendId .. " " .. session.id] = nil
  self.kicked[session] = true
  table.insert(self.server.kicks, { uid = session.uid, sid = session.id, reason = reason })
end

---What answers a call to a frontend's sessions, or nil when the call is another.
function methods:remote(record)
  local service, method = record.route:match("^([^.]+)%.(.+)$")
  if service ~= sys_remote.SERVICE then return nil end
  if method == "getBackendSessionsByUid" or method == "kickByUid" then
    return function(uid, ...)
      local args = { ... }
      local cb, list = args[#args], {}
      for _, session in pairs(self.by_sid) do
        if same_uid(session.uid, uid) and session.frontendId == record.to then
          list[#list + 1] = exported(session)
          if method == "kickByUid" then
            kick(self, session, args[1] ~= cb and args[1] or nil)
          end
        end
      end
      cb(nil, method ~= "kickByUid" and #list > 0 and list or nil)
    end
  end
  return function(sid, ...)
    local args = { ... }
    local n = select("#", ...)
    local cb = args[n]
    local session = self.by_sid[record.to .. " " .. tostring(sid)]
    if not session then
      if method == "kickBySid" or method == "getBackendSessionBySid" then return cb(nil) end
      return cb({ message = "session does not exist, sid: " .. tostring(sid), code = "NOENT" })
    end
    if method == "kickBySid" then
      kick(self, session, n > 1 and args[1] or nil)
      return cb(nil)
    end
    remotes[method](session, ...)
  end
end

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
  session.id, session.frontendId = sid, self.server.half.id
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

function methods:disconnect(session, reason)
  local sid = self.by_table[session]
  if not sid then error("this session is not connected", 3) end
  self.server.node:closeSession(sid, reason)
  self.by_table[session] = nil
  self.by_sid[sid] = nil
end

return sessions
