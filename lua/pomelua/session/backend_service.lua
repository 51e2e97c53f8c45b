-- backend_service: sessions of any frontend, asked for by its id;
-- app:get("backendSessionService") (protocol 12.4).
local errors = require "pomelua.base.errors"
local callback = require "pomelua.run.callback"
local backend_session = require "pomelua.session.backend"
local session = require "pomelua.session.session"
local text_of = require("pomelua.base.text").of

---@class pomelua.BackendSessionService
local methods = {}
local mt = { __name = "pomelua.backendSessionService", __index = methods }

local backend_session_service = {}

function backend_session_service.new(server)
  return setmetatable({ _server = server }, mt)
end

local KINDS = { sid = { number = true }, uid = { string = true, number = true } }

-- Checks a session's id, or a uid. Raises at the line of the game.
local function check_names(what, frontend_id, name, whom)
  local text
  if type(frontend_id) ~= "string" then
    text = "frontendId must be a string, got " .. type(frontend_id)
  elseif not KINDS[name][type(whom)] then
    text = ("%s must be %s, got %s"):format(name, name == "sid" and "a number"
      or "a string or a number", type(whom))
  end
  if text then
    errors.raise(("backendSessionService:%s(frontendId, %s, ...): %s"):format(what, name, text))
  end
end

-- Asks a frontend. found(value) makes the result out of its answer, nil when there is no such
-- session: a caller that waits then gets an error, a callback gets nil as its second value.
local function find(self, what, frontend_id, method, whom, cb, found)
  local server = self._server
  return callback.ask(server, "backendSessionService:" .. what, cb, function(done)
    server.rpc.system(frontend_id, method, function(err, value)
      local made
      if not err and type(value) == "table" then made = found(value) end
      if not err and made == nil and not cb then
        local name = type(whom) == "table" and "a table" or text_of(whom)
        err = errors.new(("there is no session of %s on %s"):format(name, tostring(frontend_id)),
          "NOENT")
      end
      done(err, made)
    end, 1, whom)
  end)
end

---@param frontendId string
---@param sid number
---@param cb nil|fun(err: pomelua.Error|nil, session: pomelua.BackendSession|nil) left out: waits
---@return pomelua.BackendSession|nil session nothing with a callback
---@return pomelua.Error|nil err "NOENT" when there is none
function methods:get(frontendId, sid, cb)
  cb = callback.check("backendSessionService:get(frontendId, sid, cb)", cb)
  check_names("get", frontendId, "sid", sid)
  local server = self._server
  return find(self, "get", frontendId, "getBackendSessionBySid", sid, cb, function(one)
    return backend_session.from(server, one)
  end)
end

---@param frontendId string
---@param uid string|number
---@param cb nil|fun(err: pomelua.Error|nil, sessions: pomelua.BackendSession[]|nil) or waits
---@return pomelua.BackendSession[]|nil sessions nothing with a callback
---@return pomelua.Error|nil err "NOENT" when there is none
function methods:getByUid(frontendId, uid, cb)
  cb = callback.check("backendSessionService:getByUid(frontendId, uid, cb)", cb)
  check_names("getByUid", frontendId, "uid", uid)
  local server = self._server
  return find(self, "getByUid", frontendId, "getBackendSessionsByUid", uid, cb, function(some)
    local list = {}
    for i = 1, #some do list[i] = backend_session.from(server, some[i]) end
    return list
  end)
end

local function kick(self, method, frontend_id, whom, reason, cb)
  check_names(method, frontend_id, method == "kickBySid" and "sid" or "uid", whom)
  local server = self._server
  reason, cb = session.kick_arguments(reason, cb)
  return callback.ask(server, "backendSessionService:" .. method, cb, function(done)
    server.rpc.system(frontend_id, method, function(err) done(err) end, 2, whom, reason)
  end)
end

---@param frontendId string
---@param sid number
---@param reason string|function|nil may be left out: then it is "kick"
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kickBySid(frontendId, sid, reason, cb)
  return kick(self, "kickBySid", frontendId, sid, reason, cb)
end

---@param frontendId string
---@param uid string|number
---@param reason string|function|nil
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kickByUid(frontendId, uid, reason, cb)
  return kick(self, "kickByUid", frontendId, uid, reason, cb)
end

---@param opts table {id, frontendId, uid, settings}
---@return pomelua.BackendSession
function methods:create(opts)
  if type(opts) ~= "table" or next(opts) == nil then errors.raise("opts should not be empty.") end
  return backend_session.from(self._server, opts)
end

errors.guard(methods, "backendSessionService")

return backend_session_service
