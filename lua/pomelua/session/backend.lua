-- backend: a session as a script of another server sees it. It has the methods of a session on its
-- frontend; a method that changes the session calls the frontend (frontend_remote).
local errors = require "pomelua.base.errors"
local callback = require "pomelua.run.callback"
local session = require "pomelua.session.session"
local text_of = require("pomelua.base.text").of

---@class pomelua.BackendSession: pomelua.Session
---@field incarnation number|nil which life of its frontend it belongs to
local methods = {}
local mt = { __name = "pomelua.backendSession", __index = session.index_of(methods) }

methods.get = session.methods.get
methods.set = session.methods.set
methods.remove = session.methods.remove

---@return table {id, frontendId, uid, settings, incarnation} plain data
function methods:export()
  return {
    id = self.id, frontendId = self.frontendId, uid = self.uid, settings = self.settings,
    incarnation = self.incarnation,
  }
end

local backend_session = {}

---@param uid string|number|nil
---@param settings_json string|nil
---@param incarnation number|nil of the frontend
function backend_session.new(server, frontend_id, sid, uid, settings_json, incarnation)
  return setmetatable({
    id = sid, frontendId = frontend_id, uid = uid, _json = settings_json, _server = server,
    incarnation = incarnation,
  }, mt)
end

---From plain data: what export gives.
function backend_session.from(server, exported)
  local settings = exported.settings
  return setmetatable({
    id = exported.id, frontendId = exported.frontendId, uid = exported.uid, _server = server,
    incarnation = exported.incarnation,
    settings = session.with_text_keys(type(settings) == "table" and settings or {}),
  }, mt)
end

-- The frontend has been restarted, or is gone. The session has ended with it, even if the frontend
-- has given the same id to another client since.
local function ended(self)
  local incarnation = self.incarnation
  if incarnation == nil then return nil end
  local now = self._server.node:incarnation(self.frontendId)
  if now == incarnation then return nil end
  return errors.new(("session does not exist, sid: %s: server %s %s"):format(
    text_of(self.id), self.frontendId, now and "was restarted since" or "is gone"), "NOENT")
end

-- What cannot be sent is named as the game has it, and as on a frontend.
local function in_settings(err, argument, name)
  if not (err and err.code == "ENCODE") then return err end
  local rest = errors.text(err):match("^argument " .. argument .. "(.*)$")
  return rest and errors.new(name .. rest, "ENCODE") or err
end

-- Calls the frontend's own remote; after(err) comes before the callback and may give another error.
local function ask(self, method, cb, after, n, a, b, c)
  local server, what = self._server, "session:" .. method
  return callback.ask(server, what, cb, function(done)
    local gone = ended(self)
    if gone then return server.rpc.refuse(what, done, gone) end
    server.rpc.system(self.frontendId, method, function(err)
      done(after and after(err) or err)
    end, n, a, b, c)
  end)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:bind(uid, cb)
  cb = callback.check_uid("session:bind(uid, cb)", uid, cb)
  return ask(self, "bind", cb, function(err)
    if not err then self.uid = uid end
  end, 2, self.id, uid)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(uid, cb)
  cb = callback.check_uid("session:unbind(uid, cb)", uid, cb)
  return ask(self, "unbind", cb, function(err)
    if not err then self.uid = nil end
  end, 2, self.id, uid)
end

---@param key string
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:push(key, cb)
  cb = callback.check("session:push(key, cb)", cb)
  key = session.check_key("session:push(key, cb)", key)
  return ask(self, "push", cb, function(err) return in_settings(err, 3, "settings." .. key) end, 3,
    self.id, key, self.settings[key])
end

---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:pushAll(cb)
  cb = callback.check("session:pushAll(cb)", cb)
  return ask(self, "pushAll", cb, function(err)
    return in_settings(err, 2, "settings")
  end, 3, self.id, self.settings, session.removed(self))
end

---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kick(reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  return ask(self, "kickBySid", cb, nil, 2, self.id, reason)
end

---Pushes to the client of this session only, bound or not, and waits for nobody. That the session
---has ended on its frontend is not told; that the frontend is not there, or was restarted, is.
---@param route string
---@param msg any JSON
---@param opts {delivery: string|nil, key: string|number|nil}|nil see pomelua.PushOptions
---@param cb nil raises: nobody is waited for
---@return true|nil ok
---@return pomelua.Error|nil err
---@overload fun(self: pomelua.Session, msg: table, opts?: table): true|nil, pomelua.Error|nil
function methods:send(route, msg, opts, cb)
  local server, what = self._server, "session:send"
  local ok, err = session.sent(server, what,
    server.node:send(what, self.frontendId, self.incarnation, self.id, route, msg, opts, cb))
  if ok then return true end
  return nil, err.code == "NOENT" and ended(self) or err
end

---Where its client is connected from; behind a proxy that trustedProxies has not, the proxy's.
---@param cb nil|fun(err: pomelua.Error|nil, address: table|nil) left out: waits for the frontend
---@return {ip: string, port: number}|nil address nothing with a callback
---@return pomelua.Error|nil err
function methods:address(cb)
  cb = callback.check("session:address(cb)", cb)
  local server = self._server
  return callback.ask(server, "session:address", cb, function(done)
    local gone = ended(self)
    if gone then return server.rpc.refuse("session:address", done, gone) end
    server.rpc.system(self.frontendId, "address", done, 1, self.id)
  end)
end

for _, name in ipairs { "on", "once", "off" } do
  methods[name] = function()
    errors.raise("session:" .. name .. ": a session's end is seen on its frontend only")
  end
end

errors.guard(methods, "session")

return backend_session
