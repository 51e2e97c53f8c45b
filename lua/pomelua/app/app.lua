-- app: the object that app.lua and the scripts see. It only asks the server.
local errors = require "pomelua.base.errors"
local json_file = require "pomelua.base.json_file"
local lifecycle = require "pomelua.app.lifecycle"
local unsupported = require "pomelua.app.unsupported"
local near = require "pomelua.base.near"
local settings = require "pomelua.app.settings"
local script_timers = require "pomelua.run.script_timers"
local units = require "pomelua.run.unit"

---@class pomelua.App
---@field settings table what set has put there
---@field event pomelua.Event bind_session, unbind_session, close_session, start_server, start_all
---@field rpc table app.rpc.<type>.<remote>.<method>(routeParam, ..., cb)
---@field call table app.call.<type>.<remote>.<method>(routeParam, ...): waits for the answer
---@field env string
---@field serverId string
---@field serverType string
---@field curServer pomelua.ServerInfo this server's entry of servers.json
local methods = {}
local mt = { __name = "pomelua.app", __index = methods }

local app = {}

function app.new(server)
  return setmetatable({
    _server = server,
    settings = {
      env = server.env, base = server.base, serverId = server.id, serverType = server.type,
      curServer = server.info,
    },
    event = server.event,
    rpc = server.rpc.proxy,
    call = server.rpc.call,
    env = server.env,
    serverId = server.id, serverType = server.type, curServer = server.info,
  }, mt)
end

-- Whether two settings have equal values. Functions are not compared; a table that holds itself is
-- compared once.
local function same(a, b, seen)
  if type(a) ~= type(b) then return false end
  if type(a) ~= "table" then return rawequal(a, b) or type(a) == "function" end
  seen = seen or {}
  if rawequal(a, b) or seen[a] then return true end
  seen[a] = true
  for key, value in next, a do
    if not same(value, rawget(b, key), seen) then return false end
  end
  for key in next, b do
    if rawget(a, key) == nil then return false end
  end
  return true
end

-- Settings that a reload sets take effect when it is in force. When app.lua runs again it changes
-- no setting: its values would replace the ones that the game has set meanwhile.
local function set_prepared(self, key, value, attach)
  local server, gen = self._server, units.prepared()
  local unit = units.loading()
  if not unit or unit.path ~= server.base .. "/app.lua" then
    gen.settings[key] = { value, attach }
  elseif key:find("Config$") and not same(value, self.settings[key]) then
    server:warn("app.lua: " .. key .. " has changed: it takes effect when the server starts again")
  end
end

---Sets a value that scripts, or the framework, read later. set(key) alone is get.
---@param key string
---@param value any
---@param attach boolean|nil whether app[key] gives it, too
---@return pomelua.App self
function methods:set(key, ...)
  if type(key) ~= "string" then
    error("app:set(key, value): the key must be a string, got " .. type(key), 2)
  end
  local n = select("#", ...)
  if n == 0 then return self.settings[key] end
  local value, attach = ...
  if attach and methods[key] ~= nil then error("app:set: app." .. key .. " is taken", 2) end
  if units.prepared() then
    set_prepared(self, key, value, attach)
    return self
  end
  local server = self._server
  local state = server.life.state
  if settings.is_group(key) and state ~= "new" and state ~= "starting" then
    server:warn(("app:set(%q): no effect now, it is read when the server starts"):format(key))
  elseif settings.is_group(key) then
    local lost = settings.lost(self.settings[key], value)
    if lost then
      server:notice(("app:set(%q) again: it takes the place of the whole group, so that these "
        .. "have their defaults again: %s"):format(key, lost))
    end
  end
  self.settings[key] = value
  if attach then rawset(self, key, value) end
  return self
end

---@param key string also "servers" (entries by id), "curServer", "serverId", "serverType",
---"channelService", "sessionService" (frontends), "backendSessionService"
---@return any
---@overload fun(self: pomelua.App, key: "channelService"): pomelua.ChannelService
---@overload fun(self: pomelua.App, key: "sessionService"): pomelua.SessionService
---@overload fun(self: pomelua.App, key: "backendSessionService"): pomelua.BackendSessionService
function methods:get(key)
  local gen = units.prepared()
  if key == "servers" and self.settings.servers == nil then return self._server.by_id end
  local given = gen and gen.settings[key]
  if given then return given[1] end
  return self.settings[key]
end

---@param key string
---@return pomelua.App self
function methods:enable(key) return self:set(key, true) end

---@param key string
---@return pomelua.App self
function methods:disable(key) return self:set(key, false) end

---@param key string
---@return boolean
function methods:enabled(key) return self.settings[key] and true or false end

---@param key string
---@return boolean
function methods:disabled(key) return not self.settings[key] end

local function has(list, word)
  if list == nil then return true end
  for one in list:gmatch("[^|]+") do
    one = one:match("^%s*(.-)%s*$")
    if one == word or one == "all" then return true end
  end
  return false
end

local ENVIRONMENTS = { "development", "production" }

-- A word that is nearly an environment or a type, or stands in the other's place.
local function warn_words(server, env, stype)
  local types = server.by_type
  local function warn(word, text)
    server:notice(("app:configure: %q %s"):format(word, text))
  end
  for word in (env or ""):gmatch("[^|]+") do
    word = word:match("^%s*(.-)%s*$")
    local meant = word ~= "all" and word ~= server.env
      and (near.to(word, ENVIRONMENTS, 2) or near.to(word, { server.env }, 2))
    if word:find("[,%s]") then
      warn(word, "is not an environment: write | between several")
    elseif types[word] and word ~= server.env then
      warn(word, "is a server type; the environment comes first")
    elseif meant and word ~= "development" and word ~= "production" then
      warn(word, ("is not an environment of this app; did you mean %s?"):format(meant))
    end
  end
  for word in (stype or ""):gmatch("[^|]+") do
    word = word:match("^%s*(.-)%s*$")
    if word:find("[,%s]") then
      warn(word, "is not a server type: write | between several")
    elseif word ~= "all" and not types[word] and near.to(word, types) then
      warn(word, "is no server type" .. near.hint(word, types))
    end
  end
end

---Calls fn(app) for these environments and server types, at once. Both may be left
---out; "|" stands between several, "all" is every one.
---@param env string|nil
---@param stype string|nil
---@param fn function
---@return pomelua.App self
function methods:configure(env, stype, fn)
  if type(env) == "function" then
    env, stype, fn = nil, nil, env
  elseif type(stype) == "function" then
    stype, fn = nil, stype
  end
  if type(fn) ~= "function" or env ~= nil and type(env) ~= "string"
    or stype ~= nil and type(stype) ~= "string" then
    error("app:configure([env], [type], fn): env and type are strings, fn is a function", 2)
  end
  if not units.prepared() then warn_words(self._server, env, stype) end
  if has(env, self._server.env) and has(stype, self._server.type) then fn(self) end
  return self
end

---Starts this server, when app.lua has returned.
---@param cb fun(err: pomelua.Error|nil)|nil
function methods:start(cb)
  local server = self._server
  if cb ~= nil and type(cb) ~= "function" then
    error("app:start(cb): the callback must be a function, got " .. type(cb), 2)
  end
  if units.prepared() then return end -- app.lua runs again, the server does not start
  if server.life.state ~= "new" then
    local message = "application has already start."
    if cb then cb(errors.new(message)) else server:warn(message) end
    return
  end
  lifecycle.begin(server, cb)
end

---Stops the program in order, all its servers.
function methods:stop()
  local server = self._server
  if server.asked_to_stop then return server:warn("app:stop: it is stopping already") end
  server.asked_to_stop = true
  server.node:shutdown(0)
end

---Says which server of a type gets a client's message or a call.
---@param stype string a server type, or "default" for all without their own
---@param fn function fn(session, msg, app, cb) returns the server's id, or nil, err; or calls
---cb(err, id)
---@return pomelua.App self
function methods:route(stype, fn)
  if type(stype) ~= "string" or type(fn) ~= "function" then
    error("app:route(type, fn): type must be a string and fn a function, got "
      .. type(stype) .. " and " .. type(fn), 2)
  end
  local server = self._server
  if stype ~= "default" and not server.by_type[stype] and near.to(stype, server.by_type) then
    server:notice(("app:route: %q is no server type%s")
      :format(stype, near.hint(stype, server.by_type)))
  end
  server.router:set(stype, fn)
  return self
end

---Reads a JSON file and sets it: loadConfig("items", "config/data/items.json"). A file with
---environments gives the part of this one.
---@param key string
---@param path string from the app's folder, or absolute
---@return any value what the key has now
function methods:loadConfig(key, path)
  if type(key) ~= "string" or type(path) ~= "string" then
    error("app:loadConfig(key, path): both must be strings, got " .. type(key) .. " and "
      .. type(path), 2)
  end
  local base = self._server.base
  local inside = path:sub(1, #base + 1) == base .. "/" and path:sub(#base + 2) or path
  local value, message = json_file.read(inside:sub(1, 1) == "/" and "" or base,
    (inside:gsub("^/", "")))
  if value == nil then
    if message and inside:sub(1, 1) == "/" then message = "/" .. message end
    error("app:loadConfig: " .. (message or path .. ": there is no such file"), 2)
  end
  if type(value) == "table" and value[self.env] ~= nil then value = value[self.env] end
  self:set(key, value)
  return value
end

---@return string the app's folder
function methods:getBase() return self._server.base end

---@return string
function methods:getServerId() return self._server.id end

---@return string
function methods:getServerType() return self._server.type end

---@return pomelua.ServerInfo this server's entry of servers.json
function methods:getCurServer() return self._server.info end

---@return table<string, pomelua.ServerInfo> entries of servers.json by id
function methods:getServers() return self._server.by_id end

---@param stype string
---@return pomelua.ServerInfo[]|nil entries of servers.json
function methods:getServersByType(stype) return self._server.by_type[stype] end

---@param id string
---@return pomelua.ServerInfo|nil entry of servers.json
function methods:getServerById(id) return self._server.by_id[id] end

---@param info table|nil an entry of servers.json, this server's when left out
---@return boolean
function methods:isFrontend(info)
  return ((info or self._server.info).frontend and true) or false
end

---@param info table|nil
---@return boolean
function methods:isBackend(info) return not self:isFrontend(info) end

---Calls fn once. It belongs to the request that starts it.
---@param ms number milliseconds
---@param fn function
---@return number id for clearTimer
function methods:setTimeout(ms, fn) return script_timers.timeout(self._server, ms, fn) end

---Calls fn again and again until clearTimer.
---@param ms number milliseconds
---@param fn function
---@return number id for clearTimer
function methods:setInterval(ms, fn) return script_timers.interval(self._server, ms, fn) end

---@param id number
---@return boolean whether it was still waiting
function methods:clearTimer(id) return script_timers.clear(self._server, id) end

---What this server has counted since its start; docs/configuration.md tells the names.
---@return table<string, number>
function methods:getCounters() return self._server:counters() end

---Calls a remote of a given server.
---@param serverId string
---@param msg table {namespace, serverType, service, method, args}
---@param cb function|nil
function methods:rpcInvoke(serverId, msg, cb)
  self._server.rpc.invoke(serverId, msg, cb)
end

unsupported.app(methods)

errors.guard(methods, "app")

return app
