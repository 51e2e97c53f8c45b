-- lifecycle: how a server comes up and goes down, and the app's part in it,
-- app/servers/<type>/lifecycle.lua (protocol 19):
--
--   app:start() → handlers and remotes are loaded → beforeStartup(app, cb)
--     → (all servers are loaded) listen → afterStartup(app, cb) → event start_server
--     → (all servers are up) afterStartAll(app) → event start_all
--   stop → no more clients or messages of theirs → open requests are answered → event stop_server
--     → connections end → what was begun ends → beforeShutdown(app, cb, cancelShutDownTimer)
--
-- A step ends when it calls cb, or when it returns and either takes no cb or
-- returns something: `return nil, err` is cb(err). Each has a deadline, beforeShutdown that of
-- the whole stop (core/host/ladder), which asks for the steps of a stop one by one.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local loader = require "pomelua.live.loader"
local quiet = require "pomelua.run.quiet"
local settings = require "pomelua.app.settings"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local watcher = require "pomelua.live.watcher"

local lifecycle = {}

---The part of a server that belongs to this file.
---@param server pomelua.Server
function lifecycle.init(server)
  ---@class pomelua.Life
  server.life = {
    state = "new", -- "new", "starting", "loaded", "started", "stopping" or "failed"
    failure = nil, -- why it has failed, in a line
    on_started = nil, -- the callback of app:start
    told_stop = nil, -- the work of the listeners of stop_server, once they have been called
    shutting_down = nil, -- {done=, over=}, once beforeShutdown has been called
  }
end

local START_MS = 30000
local POLL_MS = 5

-- When one of these steps fails the program ends, and its last line gives the reason.
local fatal = { beforeStartup = true, afterStartup = true }

local steps = {
  beforeStartup = START_MS, afterStartup = START_MS, afterStartAll = START_MS,
}

-- Hooks may be written as functions or as methods; the name of the first parameter tells.
local function call(module, fn, app, cb, extra)
  if debug.getlocal(fn, 1) == "self" then return fn(module, app, cb, extra) end
  return fn(app, cb, extra)
end

local function takes_callback(fn)
  local info = debug.getinfo(fn, "u")
  local first = debug.getlocal(fn, 1) == "self" and 1 or 0
  return info.isvararg or info.nparams >= first + 2
end

---Runs one step; done(err) is called once.
function lifecycle.run(server, name, done)
  local fn = server.registry:hook(name)
  if type(fn) ~= "function" then return done(nil) end
  local ended, watch = false, nil
  local function finish(err)
    if ended then return end
    ended = true
    if watch then timers.stop(server, watch) end
    done(err and errors.of(err) or nil)
  end
  local owner = {
    name = "lifecycle " .. name, generation = server.generation,
    level = fatal[name] and "debug" or nil,
  }
  function owner.failed(_, err) finish(err) end
  local ms = steps[name]
  watch = ms and timers.start(server, ms, { fire = function()
    finish(errors.new(("%s did not end within %d ms"):format(name, ms), "TIMEOUT"))
  end })
  local function cancel()
    if name == "beforeShutdown" then server.node:patient() end
  end
  task.run(server, owner, function()
    local hooks = server.registry.set.hooks
    local first, second = call(hooks, fn, server.app, function(err) finish(err) end, cancel)
    if first == nil and second ~= nil then
      finish(second)
    elseif first ~= nil or not takes_callback(fn) then
      finish(nil)
    end
  end)
end

local function fail(server, err)
  server.life.state = "failed"
  local text = errors.text(err):match("^[^\n]*")
  server.life.failure = text
  server.node:failed(text)
  if server.life.on_started then server.life.on_started(errors.of(err)) end
end
lifecycle.fail = fail

-- A frontend on a free port is mostly meant for clients on this machine.
local function warn_open(server)
  local any = (server.info.clientPort or 0) == 0
  if server.frontend and any and not server.checked.distinct_host then
    server:notice('clientPort 0 takes a free port of every address of this machine; say app:set('
      .. '"connectorConfig", { distinctHost = true }) to listen on "host" alone')
  end
end

-- Everything up to "loaded", in a task of its own: factories may wait.
local function load(server)
  local checked, message = settings.read(server.app.settings, server.info)
  if not checked then return fail(server, message) end
  local ok, wrong = pcall(server.node.configure, server.node, checked.numbers)
  if not ok then return fail(server, wrong) end
  server:use_settings(checked)
  for _, text in ipairs(checked.warnings) do server:notice(text) end
  warn_open(server)
  local set
  set, message = loader.load(server.generation)
  if not set then return fail(server, message) end
  for _, text in ipairs(set.warnings) do server:notice(text) end
  server.registry:swap(set)
  lifecycle.run(server, "beforeStartup", function(err)
    if err then return fail(server, "beforeStartup: " .. err.message) end
    server.life.state = "loaded"
    server.node:loaded()
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
  return ("%s listening on %s:%d"):format(server.id, host or "*", port)
end

---entries.start
function lifecycle.start(server)
  if server.life.state ~= "loaded" then return end -- asked to stop meanwhile
  local line, message = listen(server)
  if message then return fail(server, message) end
  lifecycle.run(server, "afterStartup", function(err)
    if server.life.state ~= "loaded" then return end
    if err then return fail(server, "afterStartup: " .. err.message) end
    server.life.state = "started"
    server.node:listening(line)
    watcher.start(server)
    server.event:emit("start_server", server.id)
    if server.life.on_started then
      task.run(server, server:context("callback of app:start"), function()
        server.life.on_started(nil)
      end)
    end
  end)
end

---entries.started
function lifecycle.started(server)
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
  done()
end

function stop_steps.telling(server, done)
  if not server.life.told_stop then
    server.life.told_stop = work "listener of stop_server"
    local outer = current.work
    current.work = server.life.told_stop
    server.event:emit("stop_server", server.id)
    current.work = outer
  end
  when_over(server, server.life.told_stop, done)
end

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
    going.over = true
    going.done()
  end)
  current.work = outer
end

---entries.stop
---@param step string "closing", "telling" or "shutdown"
---@param number number for node:stopped, when the step is done
function lifecycle.stop(server, step, number)
  stop_steps[step](server, function() server.node:stopped(number) end)
end

return lifecycle
