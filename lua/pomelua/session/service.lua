-- service: all sessions of this frontend, app:get("sessionService")
-- (protocol 12.2).
local errors = require "pomelua.base.errors"
local session = require "pomelua.session.session"

---@class pomelua.SessionService
local methods = {}
local mt = { __name = "pomelua.sessionService", __index = methods }

local session_service = {}

function session_service.new(server)
  return setmetatable({ _server = server }, mt)
end

-- A session of the service writes through: what it sets is set.
local live_methods = setmetatable({}, { __index = session.methods })
local live_mt = { __name = "pomelua.session", __index = session.index_of(live_methods) }

function live_methods:set(key, value)
  session.methods.set(self, key, value)
  local keys = type(key) == "table" and key or { [key] = value }
  return session.finish(self._server, "session:set",
    nil, session.import(self._server, self.id, keys, value == nil and { key } or nil))
end

---@param reason string|nil
function live_methods:closed(reason)
  session.kick(self._server, self.id, reason)
end

---@return pomelua.Session
function live_methods:toFrontendSession()
  return session.new(self._server, self.id) or self
end

local function live(server, sid)
  local found = session.new(server, sid)
  return found and setmetatable(found, live_mt)
end

---@param sid number
---@return pomelua.Session|nil
function methods:get(sid)
  return live(self._server, sid)
end

---@param uid string|number
---@return pomelua.Session[]|nil nil when nobody of that uid is here
function methods:getByUid(uid)
  local list = {}
  local server = self._server
  for _, sid in ipairs(server.node:sidsOf(uid)) do list[#list + 1] = live(server, sid) end
  return #list > 0 and list or nil
end

---@param sid number
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:bind(sid, uid, cb)
  cb = session.check_callback("sessionService:bind(sid, uid, cb)", cb)
  return session.finish(self._server, "sessionService:bind", cb,
    session.bind(self._server, sid, uid))
end

---@param sid number
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(sid, uid, cb)
  cb = session.check_callback("sessionService:unbind(sid, uid, cb)", cb)
  return session.finish(self._server, "sessionService:unbind", cb,
    session.unbind(self._server, sid, uid))
end

---Kicks every session of a uid on this frontend; without a reason and a callback
---they are closed without a KICK package.
---@param uid string|number
---@param reason string|function|nil may be left out: then it is "kick"
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kick(uid, reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  for _, sid in ipairs(self._server.node:sidsOf(uid)) do
    session.kick(self._server, sid, reason)
  end
  return session.finish(self._server, "sessionService:kick", cb)
end

---The same for one session.
---@param sid number
---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kickBySessionId(sid, reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  session.kick(self._server, sid, reason)
  return session.finish(self._server, "sessionService:kickBySessionId", cb)
end

---@param sid number
---@param key string
---@param value any JSON; nil takes the key out
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:import(sid, key, value, cb)
  return session.finish(self._server, "sessionService:import", cb, session.import(self._server, sid,
    { [key] = value }, value == nil and { key } or nil))
end

---@param sid number
---@param settings table
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:importAll(sid, settings, cb)
  return session.finish(self._server, "sessionService:importAll", cb,
    session.import(self._server, sid, settings))
end

---@param sid number
---@return table|nil {ip = string, port = number}
function methods:getClientAddressBySessionId(sid)
  local ip, port = self._server.node:address(sid)
  return ip and { ip = ip, port = port } or nil
end

---@param fn fun(session: pomelua.Session)
function methods:forEachSession(fn)
  for _, sid in ipairs(self._server.node:sids()) do
    local one = live(self._server, sid)
    if one then fn(one) end
  end
end

---The same for those with a uid.
---@param fn fun(session: pomelua.Session)
function methods:forEachBindedSession(fn)
  for _, sid in ipairs(self._server.node:sids()) do
    local one = live(self._server, sid)
    if one and one.uid ~= nil then fn(one) end
  end
end

---@return number
function methods:getSessionsCount()
  return self._server.node:counts().sessions or #self._server.node:sids()
end

errors.guard(methods, "sessionService")

return session_service
