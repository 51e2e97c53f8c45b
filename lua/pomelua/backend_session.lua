-- backend_session: a session as a script of another server sees it. The same
-- surface as on its frontend; what changes the session is a call to the frontend's
-- sys remote (sys_remote).
local errors = require "pomelua.errors"
local session = require "pomelua.session"

---@class pomelua.BackendSession: pomelua.Session
local methods = {}
local mt = { __name = "pomelua.backendSession", __index = session.index_of(methods) }

methods.get = session.methods.get
methods.set = session.methods.set
methods.export = session.methods.export

local backend_session = {}

---@param uid string|number|nil
---@param settings_json string|nil
function backend_session.new(server, frontend_id, sid, uid, settings_json)
  return setmetatable({
    id = sid, frontendId = frontend_id, uid = uid, _json = settings_json, _server = server,
  }, mt)
end

---From plain data: what export gives.
function backend_session.from(server, exported)
  local settings = exported.settings
  return setmetatable({
    id = exported.id, frontendId = exported.frontendId, uid = exported.uid, _server = server,
    settings = session.with_text_keys(type(settings) == "table" and settings or {}),
  }, mt)
end

-- Calls the frontend's sys remote; after() comes before the callback.
local function ask(self, method, cb, after, n, a, b, c)
  local server = self._server
  return session.ask(server, "session:" .. method, cb, function(done)
    server.rpc.system(self.frontendId, method, function(err)
      if after and not err then after() end
      done(err)
    end, n, a, b, c)
  end)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:bind(uid, cb)
  cb = session.check_callback("session:bind(uid, cb)", cb)
  return ask(self, "bind", cb, function() self.uid = uid end, 2, self.id, uid)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(uid, cb)
  cb = session.check_callback("session:unbind(uid, cb)", cb)
  return ask(self, "unbind", cb, function() self.uid = nil end, 2, self.id, uid)
end

---@param key string
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:push(key, cb)
  cb = session.check_callback("session:push(key, cb)", cb)
  key = session.check_key("session:push(key, cb)", key)
  return ask(self, "push", cb, nil, 3, self.id, key, self.settings[key])
end

---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:pushAll(cb)
  cb = session.check_callback("session:pushAll(cb)", cb)
  return ask(self, "pushAll", cb, nil, 3, self.id, self.settings, session.removed(self))
end

---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits for the frontend
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kick(reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  return ask(self, "kickBySid", cb, nil, 2, self.id, reason)
end

for _, name in ipairs { "on", "once", "off" } do
  methods[name] = function()
    error("session:" .. name .. ": a session's end is seen on its frontend only", 2)
  end
end

errors.guard(methods, "session")

return backend_session
