-- app: the object that app.lua and the scripts see. It only asks the server.
local errors = require "pomelua.base.errors"
local ban_methods = require "pomelua.app.ban_methods"
local components = require "pomelua.app.components"
local crons = require "pomelua.app.crons"
local filter_methods = require "pomelua.app.filter_methods"
local filters = require "pomelua.message.filters"
local http_routes = require "pomelua.app.http_routes"
local json_file = require "pomelua.base.json_file"
local lifecycle = require "pomelua.app.lifecycle"
local unsupported = require "pomelua.app.unsupported"
local modules = require "pomelua.ops.modules"
local near = require "pomelua.base.near"
local server_info = require "pomelua.app.server_info"
local plugins = require "pomelua.app.plugins"
local setting_places = require "pomelua.app.setting_places"
local settings = require "pomelua.app.settings"
local script_timers = require "pomelua.run.script_timers"
local units = require "pomelua.run.unit"
local user_methods = require "pomelua.app.user_methods"
local where = require "pomelua.base.where"

---@class pomelua.App
---@field settings table what set has put there
---@field event pomelua.Event bind_session, unbind_session, close_session, session_lost,
---session_resumed, start_server, start_all, drain, stop_server
---@field rpc table app.rpc.<type>.<remote>.<method>(routeParam, ..., cb)
---@field components table<string, pomelua.Component> by name: those of app:load
---@field sysrpc table app.sysrpc.<frontend type>.sessionRemote.<method>(routeParam, ..., cb)
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
    components = server.components.by_name,
    rpc = server.rpc.proxy,
    call = server.rpc.call,
    sysrpc = server.rpc.system_proxy,
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
    errors.raise("app:set(key, value): the key must be a string, got " .. type(key))
  end
  local n = select("#", ...)
  if n == 0 then return self.settings[key] end
  local value, attach = ...
  if attach and methods[key] ~= nil then errors.raise("app:set: app." .. key .. " is taken") end
  if filters.is_handler(key) then
    filters.set_handler(self._server, key, value, function(fn) self.settings[key] = fn end)
    return self
  end
  if units.prepared() then
    set_prepared(self, key, value, attach)
    return self
  end
  local server = self._server
  local state = server.life.state
  if state == "new" or state == "starting" then setting_places.note(server, key) end
  if settings.is_group(key) and state ~= "new" and state ~= "starting" then
    server:warn(("app:set(%q): no effect now, it is read when the server starts"):format(key),
      "settings without an effect")
  elseif settings.is_group(key) then
    local lost = settings.lost(self.settings[key], value)
    if lost then
      server:notice(where.told(("app:set(%q) again: it takes the place of the whole group, so that "
        .. "these have their defaults again: %s"):format(key, lost)))
    end
  end
  local handler = type(value) == "function" and filters.nearly_handler(key)
  if handler then
    server:notice(where.told(("app:set(%q, f): it is a value of the app's own, which nothing calls"
      .. "; did you mean %s?"):format(key, handler)))
  end
  self.settings[key] = value
  if attach then rawset(self, key, value) end
  return self
end

---@param key string also "servers" (entries by id), "curServer", "serverId", "serverType",
---"channelService", "sessionService" and "connectionService" (frontends), "backendSessionService",
---"databases" (those of config/databases.json by name)
---@return any
---@overload fun(self: pomelua.App, key: "channelService"): pomelua.ChannelService
---@overload fun(self: pomelua.App, key: "sessionService"): pomelua.SessionService
---@overload fun(self: pomelua.App, key: "connectionService"): pomelua.ConnectionService
---@overload fun(self: pomelua.App, key: "databases"): table<string, pomelua.Database>
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
    server:notice(where.told(("app:configure: %q %s"):format(word, text)))
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
    errors.raise("app:configure([env], [type], fn): env and type are strings, fn is a function")
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
    errors.raise("app:start(cb): the callback must be a function, got " .. type(cb))
  end
  if units.prepared() then return end -- app.lua runs again, the server does not start
  if server.life.state ~= "new" then
    local message = "application has already start."
    if cb then cb(errors.new(message)) else server:warn(message) end
    return
  end
  lifecycle.begin(server, cb)
end

---Adds a component: a part of the game that starts before the clients come, and stops after they
---have gone. A second one of the same name is ignored, with a warning.
---@param name string|nil may be left out: then it is the component's own field `name`
---@param component pomelua.Component|fun(app: pomelua.App, opts: any): pomelua.Component
---@param opts any for the factory
---@return pomelua.App self
function methods:load(name, component, opts)
  if type(name) ~= "string" and name ~= nil then name, component, opts = nil, name, component end
  components.load(self._server, name, component, opts)
  return self
end

---Adds what a module brings along: components, and listeners of app.event.
---@param plugin {components: table|nil, events: table|function|nil}
---@param opts table|nil for the components, by their names
---@return pomelua.App self
function methods:use(plugin, opts)
  plugins.use(self._server, plugin, opts)
  return self
end

---Adds a command for the operator: `pomelua ID` on the running program asks each server that has
---it, and prints the answers.
---@param id string|nil may be left out: then it is the module's field `moduleId`
---@param module table|fun(opts: any, app: pomelua.App): table with monitorHandler(agent, msg, cb)
---or clientHandler(agent, msg, cb)
---@param opts any for a module that is a function; { app = app } when left out
---@return pomelua.App self
function methods:registerAdmin(id, module, opts)
  if type(id) ~= "string" and id ~= nil then id, module, opts = nil, id, module end
  modules.register(self._server, id, module, opts)
  return self
end

---Calls a function at times of the day: app:cron("0 0 5 * * *", fn) at 5:00. What a file adds
---while it loads ends with the file. docs/crons.md tells the six fields.
---@param time string second minute hour day-of-month month day-of-week, in local time
---@param fn function may wait; a time at which it still runs is left out
---@param opts {id: string|nil, serverId: string|nil}|nil serverId: on this server of the type only
---@return string id for removeCrons
function methods:cron(time, fn, opts) return crons.call(self._server, time, fn, opts) end

---Answers HTTP requests for a path, on the server that config/web.json names. What a file adds
---while it loads ends with the file. docs/http-in.md tells the limits.
---@param method "GET"|"POST"|"PUT"|"PATCH"|"DELETE"|"HEAD"|"OPTIONS"
---@param path string "/pay"; "/players/:id" gives req.params.id
---@param fn fun(req: pomelua.HttpRequest): pomelua.HttpAnswer|nil, any may wait; nil, or an error,
---is answered with 500
---@return pomelua.App self
function methods:http(method, path, fn)
  http_routes.add(self._server, method, path, fn)
  return self
end

---Adds crons as config/crons.json has them, and emits "add_crons". Raises for a wrong one.
---@param list {id: string|number, time: string, action: string, serverId: string|nil}[]
---@return pomelua.App self
function methods:addCrons(list)
  crons.add(self._server, list)
  return self
end

---Takes crons out, wherever they are from, and emits "remove_crons".
---@param list (string|number|table)[] ids, or tables with an id
---@return number removed
function methods:removeCrons(list) return crons.remove(self._server, list) end

---The crons of this server.
---@return {id: string, time: string, action: string|nil, next: number|nil}[] by id; next: seconds
---since 1970
function methods:getCrons() return crons.list(self._server) end

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
    errors.raise("app:route(type, fn): type must be a string and fn a function, got "
      .. type(stype) .. " and " .. type(fn))
  end
  local server = self._server
  if stype ~= "default" and not server.by_type[stype] and near.to(stype, server.by_type) then
    server:notice(where.told(("app:route: %q is no server type%s")
      :format(stype, near.hint(stype, server.by_type))))
  end
  server.router:set(stype, fn)
  return self
end

-- A path of the app, from the folder of the app; one of another place stays absolute.
local function from_base(self, path)
  local base = self._server.base
  return path:sub(1, #base + 1) == base .. "/" and path:sub(#base + 2) or path
end

local function read_config(self, what, path)
  local absolute = path:sub(1, 1) == "/"
  local value, message = json_file.read(absolute and "" or self._server.base,
    (path:gsub("^/", "")))
  if message then errors.raise(what .. ": " .. (absolute and "/" or "") .. message) end
  if type(value) == "table" and value[self.env] ~= nil then value = value[self.env] end
  return value
end

---Reads a JSON file and sets it: loadConfig("items", "config/data/items.json"). A file with
---environments gives the part of this one.
---@param key string
---@param path string from the app's folder, or absolute
---@return any value what the key has now
function methods:loadConfig(key, path)
  if type(key) ~= "string" or type(path) ~= "string" then
    errors.raise("app:loadConfig(key, path): both must be strings, got " .. type(key) .. " and "
      .. type(path))
  end
  local value = read_config(self, "app:loadConfig", from_base(self, path))
  if value == nil then errors.raise("app:loadConfig: " .. path .. ": there is no such file") end
  self:set(key, value)
  return value
end

---The same for a path from the app's folder; when there is no such file,
---config/<environment>/<name of the file> is read.
---@param key string
---@param path string from the app's folder
---@param reload nil pomelua.data reads a file again when it changes
---@return any value what the key has now
function methods:loadConfigBaseApp(key, path, reload)
  if type(key) ~= "string" or type(path) ~= "string" then
    errors.raise("app:loadConfigBaseApp(key, path): both must be strings, got " .. type(key)
      .. " and " .. type(path))
  end
  if reload then
    errors.raise(("app:loadConfigBaseApp(key, path, reload): pomelua.data(%q) reads the file again "
      .. "when it changes"):format(path))
  end
  local inside = path:gsub("^/+", "")
  local value = read_config(self, "app:loadConfigBaseApp", inside)
  local other = ("config/%s/%s"):format(self.env, inside:match("[^/]*$"))
  if value == nil then value = read_config(self, "app:loadConfigBaseApp", other) end
  if value == nil then
    errors.raise(("app:loadConfigBaseApp: there is no file %s, nor %s"):format(inside, other))
  end
  self:set(key, value)
  return value
end

---@return string the app's folder
function methods:getBase() return self._server.base end

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

---Calls a remote of a given server. cb gets what the remote answers, or one error.
---@param serverId string
---@param msg table {namespace, serverType, service, method, args}
---@param opts table|nil {timeout = milliseconds}; may be left out
---@param cb function|nil
---@overload fun(self: pomelua.App, serverId: string, msg: table, cb: function|nil)
function methods:rpcInvoke(serverId, msg, opts, cb)
  self._server.rpc.invoke(serverId, msg, opts, cb)
end

server_info.add(methods)
filter_methods.add(methods)
ban_methods.add(methods)
user_methods.add(methods)
unsupported.app(methods)

errors.guard(methods, "app")

return app
