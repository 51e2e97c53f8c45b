-- script_timers: the timers that scripts start with app:setTimeout, app:setInterval and
-- pomelua.every. Each has an id, which clear takes, and belongs to the request or the file that has
-- started it.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local quiet = require "pomelua.run.quiet"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local units = require "pomelua.run.unit"

local script_timers = {}

---The part of a server that belongs to this file.
function script_timers.init(server)
  server.script_timers = {
    by_id = {}, -- [id] = record
    last = 0, -- the id that was given last
  }
end

local function call(run) run() end

-- The owner of a timer's call: the request that has started the timer. A timer that a file has
-- started while it was loaded gets an owner of its own, of the generation in force.
local function owner_of(server, record)
  return record.owner or { name = record.what .. " of " .. record.unit.name,
    generation = server.generation }
end

local function forget(server, record)
  server.script_timers.by_id[record.id] = nil
  if record.unit then record.unit:forget(record) end
end

local function fire_timeout(server, record)
  forget(server, record)
  task.run_for(quiet.of_timer(server, record), server, owner_of(server, record), call, record.run)
end

local function fire_interval(server, record)
  local now = server.node:now()
  -- The next call is due one interval after this one was due, so that intervals do not drift;
  -- calls that a busy server has missed are left out.
  record.due = record.due + record.ms
  if record.due <= now then record.due = now + record.ms end
  if not timers.start(server, record.due - now, record) then
    forget(server, record)
    server:warn("setInterval: too many timers, the interval has ended", "intervals that ended")
  end
  task.run_for(quiet.of_timer(server, record), server, owner_of(server, record), call, record.run)
end

local function check(what, ms, run)
  if type(ms) ~= "number" or ms ~= ms or ms < 0 or ms > 2 ^ 31 then
    errors.raise(what .. "(ms, fn): ms must be a number of milliseconds from 0 to 2^31, got "
      .. (type(ms) == "number" and tostring(ms) or type(ms)))
  end
  if type(run) ~= "function" then
    errors.raise(what .. "(ms, fn): fn must be a function, got " .. type(run))
  end
end

local function end_timer(record, unit) script_timers.clear(unit.server, record.id) end

-- A timer of a file that is being loaded belongs to the file, and starts when the file
-- is in force.
local function add_to_unit(server, record, unit, gen)
  record.unit = unit
  if gen.state == "over" then return end
  unit:on_end(record, end_timer)
  server.script_timers.by_id[record.id] = record
  units.when_active(gen, function()
    if server.script_timers.by_id[record.id] ~= record then return end
    record.due = server.node:now() + record.ms
    if not timers.start(server, record.ms, record) then
      forget(server, record)
      error(record.what .. ": too many timers", 0)
    end
  end)
end

local function add(server, what, ms, run, fire)
  local task_now = current.task
  local own = server.script_timers
  own.last = own.last + 1
  local record = {
    id = own.last, ms = ms, run = run, fire = fire, what = what,
    due = server.node:now() + ms,
  }
  local unit, gen = units.loading()
  if unit then
    add_to_unit(server, record, unit, gen)
    return record.id
  end
  record.owner = task_now and task_now.owner or server:context(what)
  if what ~= "pomelua.every" then record.work = task.work() end -- a stop waits for no such call
  if not timers.start(server, ms, record) then errors.raise(what .. ": too many timers") end
  own.by_id[record.id] = record
  return record.id
end

---Calls run once. It belongs to the request that starts it: its error is that request's.
---@param ms number milliseconds
---@param run function
---@return number id for script_timers.clear
function script_timers.timeout(server, ms, run)
  check("setTimeout", ms, run)
  return add(server, "setTimeout", ms, run, fire_timeout)
end

---@param ms number milliseconds, at least 1
---@param run function
---@return number id
function script_timers.interval(server, ms, run)
  check("setInterval", ms, run)
  return add(server, "setInterval", math.max(ms, 1), run, fire_interval)
end

---An interval whose calls do not overlap: what falls into a call is left out.
---@param ms number milliseconds, at least 1
---@param run function may wait
---@return number id
function script_timers.every(server, ms, run)
  check("pomelua.every", ms, run)
  local last -- the task of the last call, until it has returned
  return add(server, "pomelua.every", math.max(ms, 1), function()
    -- A call that raised an error has ended, too.
    if last and coroutine.status(last.co) ~= "dead" then return end
    last = current.task
    run()
    last = nil
  end, fire_interval)
end

---@param id number|nil
---@return boolean whether it was still waiting
function script_timers.clear(server, id)
  local record = id ~= nil and server.script_timers.by_id[id]
  if not record then return false end
  forget(server, record)
  return timers.stop(server, record) or record.unit ~= nil
end

return script_timers
