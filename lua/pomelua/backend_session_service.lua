-- backend_session_service: sessions of any frontend, asked for by its id;
-- app:get("backendSessionService").
local backend_session = require "pomelua.backend_session"
local session = require "pomelua.session"

---@class pomelua.BackendSessionService
local methods = {}
local mt = { __name = "pomelua.backendSessionService", __index = methods }

local backend_session_service = {}

function backend_session_service.new(server)
  return setmetatable({ _server = server }, mt)
end

local function must_have(what, cb)
  if type(cb) ~= "function" then
    error("backendSessionService:" .. what .. ": the callback must be a function, got "
      .. type(cb), 3)
  end
end

---@param frontendId string
---@param sid number
---@param cb fun(err: pomelua.Error|nil, session: pomelua.BackendSession|nil)
function methods:get(frontendId, sid, cb)
  must_have("get(frontendId, sid, cb)", cb)
  local server = self._server
  server.rpc.system(frontendId, "getBackendSessionBySid", function(err, found)
    cb(err, not err and found and backend_session.from(server, found) or nil)
  end, 1, sid)
end

---@param frontendId string
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil, sessions: pomelua.BackendSession[]|nil)
function methods:getByUid(frontendId, uid, cb)
  must_have("getByUid(frontendId, uid, cb)", cb)
  local server = self._server
  server.rpc.system(frontendId, "getBackendSessionsByUid", function(err, found)
    local list
    if not err and type(found) == "table" then
      list = {}
      for i = 1, #found do list[i] = backend_session.from(server, found[i]) end
    end
    cb(err, list)
  end, 1, uid)
end

local function kick(self, method, frontend_id, whom, reason, cb)
  local server = self._server
  reason, cb = session.kick_arguments(reason, cb)
  server.rpc.system(frontend_id, method, function(err)
    session.finish(server, "backendSessionService:" .. method, cb, err)
  end, 2, whom, reason)
end

---@param frontendId string
---@param sid number
---@param reason string|function|nil may be left out: then it is "kick"
---@param cb fun(err: pomelua.Error|nil)|nil
function methods:kickBySid(frontendId, sid, reason, cb)
  kick(self, "kickBySid", frontendId, sid, reason, cb)
end

---@param frontendId string
---@param uid string|number
---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil
function methods:kickByUid(frontendId, uid, reason, cb)
  kick(self, "kickByUid", frontendId, uid, reason, cb)
end

---@param opts table {id, frontendId, uid, settings}
---@return pomelua.BackendSession
function methods:create(opts)
  if type(opts) ~= "table" or next(opts) == nil then error("opts should not be empty.", 2) end
  return backend_session.from(self._server, opts)
end

return backend_session_service
