-- cli.script: what a script has outside of a server in a server's place: tasks that wait, timers,
-- and a loop that serves all clients. Its tasks run side by side: each bot in one of its own.
local app_auth = require "pomelua.cli.app_auth"
local client = require "pomelua.client"
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local data = require "pomelua.run.data"
local guards = require "pomelua.run.guards"
local quiet = require "pomelua.run.quiet"
local script_timers = require "pomelua.run.script_timers"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local where = require "pomelua.base.where"

local script = {}

local AWAIT = 30000 -- ms that a callback of pomelua.await may take
local NAME = "script" -- of what its tasks belong to
local IDLE = 60000 -- ms that nothing may happen before the loop looks again

-- The part of a node's methods that tasks and timers use -----------------------------------

local node = {}
node.__index = node

function node:now() return core.clock() end
function node:renew() end
function node:mayLog() return true end

function node:timer(ms)
  self.last = self.last + 1
  self.due[self.last] = core.clock() + ms
  return self.last
end

function node:cancel(id) self.due[id] = nil end

-- The lines of a traceback that are the script's.
local function of_script(traceback)
  return (traceback:gsub("\n%s*([^\n]*)", function(line)
    local src = line:match("^(.-):%d+: ") or line:match("<([^<>]-):%d+>")
    if src and where.is_own(src) then return "" end
  end):gsub("^" .. NAME .. ": ", ""))
end

function node:log(level, text)
  if level == "error" then
    io.stderr:write("pomelua: ", of_script(text), "\n")
  else
    io.stderr:write(level, " ", text, "\n")
  end
end

-- In a server's place ----------------------------------------------------------------------

local host_mt = {}
host_mt.__index = host_mt

function host_mt:context() return self.owner end
function host_mt:debug() end
function host_mt:info_line(text) self.node:log("info", text) end
function host_mt:warn(text) self.node:log("warn", text) end
function host_mt:notice(text) self.node:log("warn", text) end

local function new()
  local host = setmetatable({
    node = setmetatable({ last = 0, due = {} }, node), base = ".", waiters = {},
  }, host_mt)
  for _, part in ipairs { task, timers, script_timers, quiet, data } do part.init(host) end
  host.tasks.await_ms = AWAIT
  host.owner = { name = NAME, failed = function() host.failed = true end }
  return host
end

-- A task waits until check() is true.
local function wait(host, ms, check)
  local value = check and ms > 0 and check()
  if value then return value end
  local one = { due = core.clock() + ms, check = check }
  task.park(function(wake)
    one.wake = wake
    host.waiters[#host.waiters + 1] = one
  end)
  return one.value
end

-- Wakes those whose time has come, or whose check is true.
local function wake(host)
  local now, before, woken = core.clock(), host.waiters, {}
  host.waiters = {}
  for _, one in ipairs(before) do
    one.value = one.check and one.check() or nil
    if one.value or now >= one.due then
      woken[#woken + 1] = one
    else
      host.waiters[#host.waiters + 1] = one
    end
  end
  for _, one in ipairs(woken) do one.wake() end
  return #woken > 0
end

local function fire(host)
  local now, due = core.clock(), {}
  for id, at in pairs(host.node.due) do
    if at <= now then due[#due + 1] = id end
  end
  table.sort(due)
  for _, id in ipairs(due) do
    host.node.due[id] = nil
    timers.expired(host, id)
  end
  return #due > 0
end

-- How long nothing needs to be done but for the clients.
local function idle(host)
  local soonest = core.clock() + IDLE
  for _, at in pairs(host.node.due) do soonest = math.min(soonest, at) end
  for _, one in ipairs(host.waiters) do soonest = math.min(soonest, one.due) end
  return math.max(0, soonest - core.clock())
end

-- The Lua state is closed, so that what libraries keep in it is given back.
local exit = os.exit
local function leave(code) exit(code, true) end

-- The keys of the app that a script belongs to, for pomelua.token: app.lua is asked when they are
-- used first.
local function auth_of(path)
  local auth = { keys = nil }
  function auth.load()
    local list, message = app_auth.all(app_auth.folder_of(path))
    if not list then return nil, message end
    auth.keys = app_auth.signing(list)
    return auth.keys
  end
  return auth
end

---Runs a script to its end.
---@param main function
---@param args any[]
---@param path string of its file
---@return boolean ok false: an error was told on standard error
---@return any value what the script returned
function script.run(main, args, path)
  local host, done, value = new(), false, nil
  guards.protect()
  current.only = host
  host.wall, host.auth = core.time, auth_of(path)
  os.exit = leave -- luacheck: ignore
  client.scheduler = {
    can_wait = task.can_wait,
    wait = function(ms, check) return wait(host, ms, check) end,
    call = function(fn, msg) task.run(host, host.owner, fn, msg) end,
  }
  task.run(host, host.owner, function()
    value = main(unpack(args))
    done = true
  end)
  local busy = true
  while not done and not host.failed do
    client.serve(busy and 0 or idle(host))
    local fired = fire(host)
    busy = wake(host) or fired
  end
  return not host.failed, value
end

return script
