-- lifecycle: how a server comes up and goes down, and the app's part in it,
-- app/servers/<type>/lifecycle.lua (protocol 19):
--
--   app:start() → handlers and remotes are loaded → beforeStartup(app, cb) → components start
--     → (all servers are loaded) components' afterStart → listen → afterStartup(app, cb)
--     → event start_server
--     → (all servers are up) afterStartAll(app) → event start_all
--   stop → event drain → clients are told to connect elsewhere → no more messages of theirs
--     → open requests are answered → event stop_server → connections end → what was begun ends
--     → beforeShutdown(app, cb, cancelShutDownTimer) → components stop → kept states are saved
--
-- Each step has a deadline (see app/step), those of a stop that of the whole stop
-- (core/host/ladder), which asks for the steps of a stop one by one.
local certificates = require "pomelua.app.certificates"
local components = require "pomelua.app.components"
local channel_store = require "pomelua.channel.store"
local crons = require "pomelua.app.crons"
local current = require "pomelua.base.current"
local dictionary = require "pomelua.app.dictionary"
local door = require "pomelua.session.door"
local errors = require "pomelua.base.errors"
local http_routes = require "pomelua.app.http_routes"
local kept = require "pomelua.live.kept"
local loader = require "pomelua.live.loader"
local logins = require "pomelua.session.logins"
local protos = require "pomelua.live.protos"
local quiet = require "pomelua.run.quiet"
local setting_places = require "pomelua.app.setting_places"
local settings = require "pomelua.app.settings"
local step = require "pomelua.app.step"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local tokens = require "pomelua.session.tokens"
local watcher = require "pomelua.live.watcher"

local lifecycle = {}

---The part of a server that belongs to this file.
---@param server pomelua.Server
function lifecycle.init(server)
  ---@class pomelua.Life
  server.life = {
    state = "new", -- "new", "starting", "loaded", "started", "stopping" or "failed"
    failure = nil, -- why it has failed, in a line
    first = false, -- no operator tells the servers of each other: the test kit's cluster
    on_started = nil, -- the callback of app:start
    told = {}, -- event → the work of its listeners, once they have been called (drain, stop_server)
    shutting_down = nil, -- {done=, over=}, once beforeShutdown has been called
  }
end

local POLL_MS = 5

-- When one of these steps fails the program ends, and its last line gives the reason.
local fatal = { beforeStartup = true, afterStartup = true }

---Runs one step; done(err) is called once.
function lifecycle.run(server, name, done)
  local fn = server.registry:hook(name)
  if type(fn) ~= "function" then return done(nil) end
  local stops = name == "beforeShutdown"
  local function cancel()
    if stops then server.node:patient() end
  end
  step.run(server, {
    name = "lifecycle " .. name, short = name, fn = fn, self = server.registry.set.hooks,
    args = { n = 1, server.app, after = { cancel } }, fatal = fatal[name],
    ms = not stops and server.checked.start_ms or nil,
  }, done)
end

-- wrong: the files of the app are, so that another start is no cure.
local function fail(server, err, wrong)
  server.life.state = "failed"
  local text = errors.text(err):match("^[^\n]*")
  server.life.failure = text
  server.node:failed(text, wrong)
  if server.life.on_started then server.life.on_started(errors.of(err)) end
end
lifecycle.fail = fail

---The server cannot start, because the files of the app are wrong.
---@param server pomelua.Server
---@param err any
function lifecycle.refuse(server, err) fail(server, err, true) end

-- A frontend on a free port is mostly meant for clients on this machine.
local function warn_open(server)
  local any = (server.info.clientPort or 0) == 0
  if server.frontend and any and not server.checked.distinct_host then
    server:notice('clientPort 0 takes a free port of every address of this machine; say app:set('
      .. '"connectorConfig", { distinctHost = true }) to listen on "host" alone')
  end
end

local function prepared(server)
  local checked, message = settings.read(server.app.settings, server.info)
  if not checked then return nil, message end
  local ok, wrong = pcall(server.node.configure, server.node, checked.numbers)
  if not ok then return nil, wrong end
  for route, cost in next, checked.route_costs do server.node:routeCost(route, cost) end
  local weight = checked.by_weight and server:wrong_weight()
  if weight then return nil, weight end
  server:use_settings(checked)
  for _, text in ipairs(checked.warnings) do server:notice(setting_places.named(server, text)) end
  warn_open(server)
  if server.frontend then
    ok, message = door.use(server, checked.door)
    if not ok then return nil, message end
  end
  ok, message = tokens.use(server, checked.auth)
  if not ok then return nil, message end
  ok, message = dictionary.use(server)
  if not ok then return nil, message end
  local set
  ok, wrong = protos.use(server, checked)
  if not ok then return nil, wrong end
  set, message = loader.load(server.generation)
  if not set then return nil, message end
  for _, text in ipairs(set.warnings) do server:notice(text) end
  return set
end

---What comes before anything of the game's is started: settings are checked and take effect, and
---the files of the server's type are loaded. It runs in a task: factories may wait.
---@param server pomelua.Server
---@return table|nil set for the registry
---@return string|nil message why the server cannot start, in a line
function lifecycle.prepare(server)
  local set, message = prepared(server)
  return set, message and setting_places.named(server, message)
end

-- Everything up to "loaded", in a task of its own.
local function load(server)
  local set, message = lifecycle.prepare(server)
  if not set then return lifecycle.refuse(server, message) end
  local ok, wrong = certificates.start(server)
  if not ok then return fail(server, setting_places.named(server, wrong)) end
  ok, message = kept.offer(server)
  if not ok then return fail(server, message) end
  server.registry:swap(set)
  channel_store.restore(server)
  lifecycle.run(server, "beforeStartup", function(err)
    if err then return fail(server, "beforeStartup: " .. err.message) end
    components.start(server, function(failed)
      if failed then return fail(server, failed) end
      server.life.state = "loaded"
      server.node:loaded()
    end)
  end)
end

---app:start: begins when app.lua has returned, so that what it sets afterwards counts.
---@param cb function|nil cb(err) when the server is up
function lifecycle.begin(server, cb)
  server.life.state = "starting"
  server.life.on_started = cb
  task.defer(server, {
    name = "start", level = "debug",
    failed = function(_, err) fail(server, err) end,
  }, load, server)
end

local function listen(server)
  if not server.frontend then return nil end
  -- nil: all addresses, of both families where there are two
  local host = server.checked.distinct_host and server.info.host or nil
  local port, message = server.node:listen { host = host, port = server.info.clientPort or 0 }
  if not port then return nil, message end
  server.port = port
  local shown = host and host:find(":", 1, true) and "[" .. host .. "]" or host or "*"
  return ("%s listening on %s:%d"):format(server.id, shown, port)
end

---A server that is loaded comes up; done(err) is called once, unless it is asked to stop.
---@param server pomelua.Server
---@param listens fun(): string|nil, string|nil gives the line about it, and what is wrong
---@param done fun(err: pomelua.Error|nil)
function lifecycle.up(server, listens, done)
  components.after_start(server, function(err)
    if server.life.state ~= "loaded" then return end
    if err then return done(err) end
    local line, message = listens()
    if message then return done(errors.new(message)) end
    lifecycle.run(server, "afterStartup", function(wrong)
      if server.life.state ~= "loaded" then return end
      if wrong then return done(errors.new("afterStartup: " .. wrong.message, wrong.code)) end
      server.life.state = "started"
      logins.look(server)
      crons.start(server)
      http_routes.start(server)
      kept.start(server)
      door.start(server, server.frontend and server.checked.blacklist_fun or nil)
      server.node:listening(line) -- the program may be ready with it: all that it has is there
      server.event:emit("start_server", server.id)
      done(nil)
    end)
  end)
end

---entries.start
function lifecycle.start(server)
  if server.life.state ~= "loaded" then return end -- asked to stop meanwhile
  lifecycle.up(server, function() return listen(server) end, function(err)
    if err then return fail(server, err) end
    watcher.start(server)
    if server.life.on_started then
      task.run(server, server:context("callback of app:start"), function()
        server.life.on_started(nil)
      end)
    end
  end)
end

-- What ops/members tells the servers of a program.
local function tell_of_all(server)
  local list = {}
  for _, stype in ipairs(tables.sorted_keys(server.by_type)) do
    for _, entry in ipairs(server.by_type[stype]) do list[#list + 1] = entry end
  end
  server.event:emit("add_servers", list)
end

---entries.started
function lifecycle.started(server)
  if server.life.first then tell_of_all(server) end
  lifecycle.run(server, "afterStartAll", function(err)
    if err then server:error("afterStartAll: " .. err.message) end
    server.event:emit("start_all")
  end)
end

-- A work that a stop waits for, however long it goes on; see run/quiet.
local function work(name) return { name = name, stays = true } end

-- Calls done when every task of a work has ended.
local function when_over(server, one, done)
  if not quiet.goes_on(server, one) then return done() end
  timers.start(server, POLL_MS, { fire = function() when_over(server, one, done) end })
end

local stop_steps = {}

-- No new clients, and no new messages of clients.
function stop_steps.closing(server, done)
  server.life.state, server.quiet.stopping = "stopping", true
  watcher.stop(server)
  crons.stop(server)
  door.stop(server)
  done()
end

-- Listeners are called once, even when the program is stopped while this server is being stopped.
local function tell(server, event, done)
  local told = server.life.told
  if not told[event] then
    told[event] = work("listener of " .. event)
    local outer = current.work
    current.work = told[event]
    server.event:emit(event, server.id)
    current.work = outer
  end
  when_over(server, told[event], done)
end

-- Nothing is refused yet: what listeners push reaches the clients.
function stop_steps.draining(server, done) tell(server, "drain", done) end

function stop_steps.telling(server, done) tell(server, "stop_server", done) end

-- beforeShutdown runs once, even when the program is stopped while this server is being stopped.
function stop_steps.shutdown(server, done)
  local going = server.life.shutting_down
  if going and going.over then return done() end
  if going then
    going.done = done
    return
  end
  going = { done = done }
  server.life.shutting_down = going
  local outer = current.work
  current.work = work "beforeShutdown"
  lifecycle.run(server, "beforeShutdown", function(err)
    if err then server:error("beforeShutdown: " .. err.message) end
    components.stop(server, function()
      kept.stop(server, function()
        going.over = true
        going.done()
      end)
    end)
  end)
  current.work = outer
end

---entries.stop
---@param phase string "draining", "closing", "telling" or "shutdown"
---@param number number for node:stopped, when the step is done
function lifecycle.stop(server, phase, number)
  stop_steps[phase](server, function() server.node:stopped(number) end)
end

---All steps of a stop, one after the other; for the test kit.
---@param server pomelua.Server
---@param done fun()
function lifecycle.stop_all(server, done)
  stop_steps.draining(server, function()
    stop_steps.closing(server, function()
      stop_steps.telling(server, function() stop_steps.shutdown(server, done) end)
    end)
  end)
end

return lifecycle
