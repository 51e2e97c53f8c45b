-- server: one server, put together on a node of C. The program makes one for each Lua state (boot);
-- the test kit makes several in one state.
local announced = require "pomelua.app.announced"
local app = require "pomelua.app.app"
local backend_session_service = require "pomelua.session.backend_service"
local banned = require "pomelua.session.banned"
local core = require "pomelua.core"
local certificates = require "pomelua.app.certificates"
local census = require "pomelua.live.census"
local crons = require "pomelua.app.crons"
local channel = require "pomelua.channel.service"
local client_facts = require "pomelua.message.client_facts"
local components = require "pomelua.app.components"
local connection_service = require "pomelua.session.connection_service"
local current = require "pomelua.base.current"
local entries = require "pomelua.app.entries"
local environment = require "pomelua.run.environment"
local event = require "pomelua.run.event"
local filters = require "pomelua.message.filters"
local handshake = require "pomelua.message.handshake"
local http_routes = require "pomelua.app.http_routes"
local frontend_remote = require "pomelua.session.frontend_remote"
local door = require "pomelua.session.door"
local data = require "pomelua.run.data"
local databases = require "pomelua.app.databases"
local figures = require "pomelua.store.figures"
local generation = require "pomelua.live.generation"
local waiting = require "pomelua.run.waiting"
local json = require "pomelua.base.json"
local kept = require "pomelua.live.kept"
local lifecycle = require "pomelua.app.lifecycle"
local log = require "pomelua.base.log"
local logs = require "pomelua.app.logs"
local logins = require "pomelua.session.logins"
local modules = require "pomelua.ops.modules"
local presence = require "pomelua.channel.presence"
local protos = require "pomelua.live.protos"
local quiet = require "pomelua.run.quiet"
local registry = require "pomelua.live.registry"
local reload = require "pomelua.live.reload"
local router = require "pomelua.message.router"
local rpc_call = require "pomelua.message.rpc_call"
local script_timers = require "pomelua.run.script_timers"
local session = require "pomelua.session.session"
local session_service = require "pomelua.session.service"
local setting_files = require "pomelua.run.setting_files"
local setting_places = require "pomelua.app.setting_places"
local settings = require "pomelua.app.settings"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local tokens = require "pomelua.session.tokens"
local users = require "pomelua.session.users"
local watched = require "pomelua.session.watched"
local wish = require "pomelua.run.wish"

---A part of a server belongs to the file that makes it; others may read it.
---@class pomelua.Server
---@field node userdata|table C's side, or the test kit's
---@field base string the app's folder
---@field env string "development", "production", …
---@field id string
---@field type string
---@field frontend boolean
---@field info pomelua.ServerInfo its entry of servers.json
---@field by_type table<string, pomelua.ServerInfo[]> the servers of the app
---@field by_id table<string, pomelua.ServerInfo>
---@field from_config table<string, pomelua.ServerInfo> the servers that were known at the start
---@field known_ids table<string, boolean> the servers of its type that it has ever heard of
---@field seen_up table what up has found, until the directory changes
---@field started_at number the node's time
---@field wall fun(): number seconds since 1970
---@field virtual boolean whether its scripts see the time of the node, which stands still
---@field port number|nil that it listens on
---@field checked table the settings of app.lua: see app/settings
---@field bad_bodies number bodies of clients that were not JSON
---@field handshake_fields table<string, function> message/handshake
---@field handshake_texts table the same
---@field handshake_protos table the same
---@field dictionary userdata|nil the route dictionary of a frontend: app/dictionary
---@field decode_body fun(body: string): any, boolean
---@field globals table see run/environment
---@field generation pomelua.Generation the one in force; set by live/swap
---@field life pomelua.Life app/lifecycle
---@field live pomelua.Live live/generation
---@field kept table live/kept
---@field protos table live/protos
---@field quiet table run/quiet
---@field tasks pomelua.Tasks run/task
---@field waiting table run/waiting
---@field timers table<number, pomelua.Timer> run/timers
---@field script_timers table run/script_timers
---@field data table run/data
---@field door table session/door
---@field setting_files table run/setting_files
---@field closers table<number, function[]> session/session
---@field auth pomelua.Tokens session/tokens
---@field event pomelua.Event
---@field registry pomelua.Registry
---@field router pomelua.Router
---@field admin_modules table ops/modules
---@field components table app/components
---@field certificates table app/certificates
---@field databases table app/databases
---@field logs table app/logs
---@field http table app/http_routes
---@field rpc table message/rpc_call
---@field channels table channel/service
---@field filters table message/filters
---@field plans table|nil the ways of messages through filters; nil: there are none
---@field rpc_plan table|nil the same for calls
---@field later table channel/later
---@field presence pomelua.Presence channel/presence
---@field restored table channel/store
---@field store table|nil channel/store
---@field users pomelua.Users session/users
---@field logins pomelua.Logins session/logins
---@field watched pomelua.Watched session/watched
---@field http_out table|nil store/http
---@field http_stub function|nil answers its requests in the test kit: test/http
---@field app pomelua.App
local methods = {}
local mt = { __name = "pomelua.server", __index = methods }

local server = {}

local WEIGHT_MAX = 1000000

-- How often a server is chosen by routerType "wrr". nil: what the entry has under this name is no
-- such number, but something of the game's own.
local function weight_of(entry)
  local weight = tonumber(entry.weight == nil and 1 or entry.weight)
  return weight and weight >= 0 and weight <= WEIGHT_MAX and weight % 1 == 0 and weight or nil
end

---The servers of the app, also those that do not run here.
---@param servers table[] entries of servers.json with their serverType
function methods:index(servers)
  local known, before = {}, self.by_type
  self.by_type, self.by_id, self.seen_up = {}, {}, {}
  for stype in pairs(before) do self.by_type[stype] = {} end
  for _, entry in ipairs(servers) do
    local stype = entry.serverType
    self.by_type[stype] = self.by_type[stype] or {}
    table.insert(self.by_type[stype], entry)
    self.by_id[entry.id] = entry
    if stype == self.type then self.known_ids[entry.id] = true end
    known[#known + 1] = {
      id = entry.id, type = stype, frontend = entry.frontend and true or false,
      weight = weight_of(entry) or 1,
    }
  end
  self.node:setServers(known)
  logins.look(self)
end

---The servers of a type that are there and do not stop, in the order of servers.json, those that
---were added by id behind them. The same table until a server comes, goes or stops.
---@param stype string
---@return pomelua.ServerInfo[]|nil entries nil: there has never been such a type
function methods:up(stype)
  if not self.by_type[stype] then return nil end
  local version = self.node:directoryVersion()
  if self.seen_up.version ~= version then self.seen_up = { version = version, lists = {} } end
  local list = self.seen_up.lists[stype]
  if not list then
    list = {}
    for _, id in ipairs(self.node:servers(stype)) do list[#list + 1] = self.by_id[id] end
    self.seen_up.lists[stype] = list
  end
  return list
end

---What keeps proxyConfig.routerType = "wrr" from being used, or nil.
---@return string|nil text
function methods:wrong_weight()
  for _, id in ipairs(tables.sorted_keys(self.by_id)) do
    local entry = self.by_id[id]
    if not weight_of(entry) then
      return ('config/servers.json: weight of %s: routerType "wrr" wants a whole number from 0 to '
        .. "%d, got %s"):format(id, WEIGHT_MAX, tables.shown(entry.weight))
    end
  end
end

---What this server has counted since its start: of C's side, and of its scripts'.
---@return table<string, number>
function methods:counters()
  local counts = self.node:counts()
  counts.badBodies = self.bad_bodies
  local out = self.http_out and self.http_out.counts or {}
  for _, some in ipairs { self.auth.counts, self.users.counts, self.logins.counts,
    self.http.counts, self.kept.counts, out } do
    for name, count in pairs(some) do counts[name] = count end
  end
  figures.count(self, counts)
  return counts
end

---Makes a server and lets C call it.
---@param node table
---@param options table base, env: the app's folder and environment; info: the server's
---entry of servers.json with its serverType; servers: all entries (info alone when
---left out); known: ids of its type's servers, also of those that are down; shared:
---whether this state holds other servers, too; virtual: its scripts see the time of the
---node, which stands still; time: what its clock shows first then, seconds since 1970
---@return pomelua.Server
function server.new(node, options)
  local info = options.info
  local self = setmetatable({
    node = node, base = options.base or ".", env = options.env or "development",
    info = info, id = info.id, type = info.serverType, frontend = info.frontend and true or false,
    by_type = {}, by_id = {}, known_ids = {}, seen_up = {},
    started_at = node:now(), virtual = options.virtual or false,
    bad_bodies = 0, decode_body = json.decode_body, globals = environment.globals(),
  }, mt)
  for _, part in ipairs { lifecycle, components, generation, kept, protos, quiet, task, waiting,
    timers, script_timers, data, setting_files, door, session, tokens, users, logins, watched,
    banned, wish, channel, modules, crons, http_routes, logs, handshake, filters, setting_places,
    certificates, databases } do
    part.init(self)
  end
  self.wall = core.time
  if self.virtual then
    self.wall = environment.virtual_time(self.globals, function() return node:now() end,
      options.time)
  end
  node:setGeneration(1)
  current.only = current.only == nil and not options.shared and self or false
  self:use_settings(assert(settings.read({}, info)))
  self:index(options.servers or { info })
  for _, id in ipairs(options.known or {}) do self.known_ids[id] = true end
  self.from_config = self.by_id
  self.event = event.new(self)
  self.registry = registry.new()
  handshake.follow(self)
  announced.follow(self)
  self.router = router.new(self)
  rpc_call.install(self)
  self.app = app.new(self)
  self.app:set("channelService", channel.new(self), true)
  self.app:set("databases", databases.proxy(self))
  self.app:set("backendSessionService", backend_session_service.new(self), true)
  self.app:set("localSessionService", self.app.backendSessionService, true)
  if self.frontend then
    self.app:set("sessionService", session_service.new(self), true)
    self.app:set("connectionService", connection_service.new(self), true)
    self.live.own_remotes[frontend_remote.SERVICE] = frontend_remote.new(self)
  end
  self.live.own_remotes[presence.SERVICE] = presence.remote(self)
  self.live.each_owner = {
    task.each_owner, timers.each_owner, rpc_call.each_owner, channel.each_owner,
    wish.each_owner,
  }
  entries.install(self)
  return self
end

---Settings that settings.read has checked take effect.
function methods:use_settings(checked)
  self.checked = checked
  self.node:keepHeads(client_facts.wanted(checked.handshake))
  self.tasks.await_ms = checked.await_ms
  self.waiting.most = checked.max_in_flight
  filters.changed(self)
  channel.configure(self)
end

---The owner for tasks that belong to no request. One per name and generation.
---@param name string
---@return table
function methods:context(name)
  local contexts = self.generation.contexts
  local context = contexts[name]
  if not context then
    context = { name = name, generation = self.generation }
    contexts[name] = context
  end
  return context
end

---Loads the files that have changed and puts them into force, between two messages.
---@param options table|nil modules=, force=, dry=, cb=: see reload.start
function methods:reload(options) reload.start(self, options) end

---What code is in force, and how much of the old still runs.
---@return table {generation=, calls= of old generations, by={[generation number]=calls}}
function methods:generations()
  local running = census.running(self)
  return { generation = self.generation.number, calls = running.calls, by = running.by }
end

---Whether a text is Lua. It may wait.
---@param path string for the message
---@param text string
---@return boolean|nil ok
---@return string|nil message file, line and reason
function methods:check_syntax(path, text)
  local name = generation.short(self, path)
  local refused
  local status, signal, message = task.await(function(cb)
    refused = not self.node:check(name, text, function(...) cb(nil, ...) end)
    if refused then cb(nil, 0, 0, "") end
  end)
  if not refused then
    if not status then return nil, name .. ": its check did not end" end
    if signal ~= 0 then
      return nil, ("%s: LuaJIT's parser does not survive it (signal %d)"):format(name, signal)
    end
    if status ~= 0 then return nil, message ~= "" and message or name .. ": cannot be parsed" end
    return true
  end
  -- A virtual node has no processes.
  local chunk
  chunk, message = load(text, "@" .. name, "t")
  if not chunk then return nil, message end
  return true
end

-- Called for each new listener of app.event. C reports the end of a session only when it is
-- watched: a listener of close_session makes C watch the sessions that are already open.
function methods:listened(name)
  if name == "replace_servers" then
    self:notice("app.event: replace_servers is never emitted, since there is no master that could "
      .. "be lost; add_servers and remove_servers tell of every change")
  end
  if name ~= "close_session" or not self.frontend then return end
  for _, sid in ipairs(self.node:sids()) do self.node:watchClosed(sid) end
end

---Calls fn in a task, as C would; for the test kit and boot.
---@param name string
---@param fn function
function methods:run(name, fn, a, b)
  task.run(self, self:context(name), fn, a, b)
end

---A category of this server's log; see app/logs.
---@return number|false number
---@return number level
function methods:log_category(name, level)
  local number = self.logs.numbers[name]
  if number ~= nil then return number, self.logs.levels[name] end
  return logs.category(self, name, level)
end

-- Log lines of the framework. `kind` is given for lines that a client can cause: see log.some.
function methods:debug(text, kind) log.some(self, "debug", kind, text) end
function methods:info_line(text, kind) log.some(self, "info", kind, text) end
function methods:warn(text, kind) log.some(self, "warn", kind, text) end
function methods:error(text, kind) log.some(self, "error", kind, text) end

---A warning of the start: what several servers say alike becomes one line of the log.
---@param text string
function methods:notice(text)
  if not self.node:notice((text:gsub("\n", "; "))) then self:warn(text) end
end

return server
