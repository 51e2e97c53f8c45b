-- service: all sessions of this frontend, app:get("sessionService")
-- (protocol 12.2).
local errors = require "pomelua.base.errors"
local callback = require "pomelua.run.callback"
local frontend = require "pomelua.session.frontend"
local session = require "pomelua.session.session"
local tables = require "pomelua.base.tables"

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
  local keys = type(key) == "table" and key or { [session.key_of(key)] = value }
  return callback.finish(self._server, "session:set",
    nil, frontend.import(self._server, self.id, keys, value == nil and { key } or nil))
end

---Ends the session. Its client gets a KICK package when the reason is a text.
---@param reason any
function live_methods:closed(reason)
  frontend.kick(self._server, self.id, type(reason) == "string" and reason or nil)
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
  cb = callback.check_uid("sessionService:bind(sid, uid, cb)", uid, cb)
  return callback.finish(self._server, "sessionService:bind", cb,
    frontend.bind(self._server, sid, uid))
end

---@param sid number
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(sid, uid, cb)
  cb = callback.check_uid("sessionService:unbind(sid, uid, cb)", uid, cb)
  return callback.finish(self._server, "sessionService:unbind", cb,
    frontend.unbind(self._server, sid, uid))
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
    frontend.kick(self._server, sid, reason)
  end
  return callback.finish(self._server, "sessionService:kick", cb)
end

---The same for one session.
---@param sid number
---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kickBySessionId(sid, reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  frontend.kick(self._server, sid, reason)
  return callback.finish(self._server, "sessionService:kickBySessionId", cb)
end

---@param sid number
---@param key string
---@param value any JSON; nil takes the key out
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:import(sid, key, value, cb)
  key = session.check_key("sessionService:import(sid, key, value, cb)", key)
  cb = callback.check("sessionService:import(sid, key, value, cb)", cb)
  return callback.finish(self._server, "sessionService:import", cb,
    frontend.import(self._server, sid, { [key] = value }, value == nil and { key } or nil))
end

---@param sid number
---@param settings table
---@param cb fun(err: pomelua.Error|nil)|nil
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:importAll(sid, settings, cb)
  local what = "sessionService:importAll(sid, settings, cb)"
  if type(settings) ~= "table" then
    errors.raise(what .. ": settings must be a table, got " .. tables.shown(settings))
  end
  for key in next, settings do session.check_key(what, key) end
  cb = callback.check(what, cb)
  return callback.finish(self._server, "sessionService:importAll", cb,
    frontend.import(self._server, sid, settings))
end

---Pushes to one session of this frontend (session:send).
---@param sid number
---@param route string
---@param msg any JSON
---@param opts table|nil see session:send
---@param cb nil as of session:send
---@return boolean sent false when there is no such session
---@return pomelua.Error|nil err
function methods:sendMessage(sid, route, msg, opts, cb)
  local server, what = self._server, "sessionService:sendMessage"
  local ok, err = session.sent(server, what,
    server.node:send(what, server.id, nil, sid, route, msg, opts, cb))
  return ok or false, err
end

---Pushes to every session of a uid on this frontend.
---@param uid string|number
---@param route string
---@param msg any JSON
---@param opts table|nil see session:send
---@param cb nil as of session:send
---@return boolean sent false when nobody of that uid is here
---@return pomelua.Error|nil err
function methods:sendMessageByUid(uid, route, msg, opts, cb)
  local server, what = self._server, "sessionService:sendMessageByUid"
  local sent, err = false, nil
  for _, sid in ipairs(server.node:sidsOf(uid)) do
    local ok, why = session.sent(server, what,
      server.node:send(what, server.id, nil, sid, route, msg, opts, cb))
    sent, err = ok or sent, err or why
  end
  return sent, not sent and err or nil
end

---@param sid number
---@return table|nil {ip = string, port = number}
function methods:getClientAddressBySessionId(sid)
  return (frontend.address(self._server, sid))
end

local function check_each(name, fn)
  if type(fn) ~= "function" then
    errors.raise(("sessionService:%s(fn): fn must be a function, got %s"):format(name, type(fn)))
  end
end

---@param fn fun(session: pomelua.Session)
function methods:forEachSession(fn)
  check_each("forEachSession", fn)
  for _, sid in ipairs(self._server.node:sids()) do
    local one = live(self._server, sid)
    if one then fn(one) end
  end
end

---The same for those with a uid.
---@param fn fun(session: pomelua.Session)
function methods:forEachBindedSession(fn)
  check_each("forEachBindedSession", fn)
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
