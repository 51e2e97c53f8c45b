-- components: parts of a game that start before its clients come and stop after they have gone
-- (protocol 19): app:load. A component is a table with any of
--
--   name              text, for messages, app.components and app:load's look for duplicates
--   start(cb)         all of them in the order of app:load, each when the one before has ended
--   afterStart(cb)    the same, when every server of the program has started its components
--   stop(force, cb)   in the reverse order; force: whether the server ends
--
-- or a factory(app, opts) that returns one. What a factory makes (timers, listeners) belongs to
-- its component and ends with it. A file that is reloaded loads its components anew: those that are
-- as before stay, others are stopped and their successors started, one after the other, when the
-- new code is in force.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local step = require "pomelua.app.step"
local generation = require "pomelua.live.generation"
local task = require "pomelua.run.task"
local units = require "pomelua.run.unit"

local components = {}

---@class pomelua.Component
---@field name string|nil
---@field start (fun(self: pomelua.Component, cb: fun(err: any))|nil)
---@field afterStart (fun(self: pomelua.Component, cb: fun(err: any))|nil)
---@field stop (fun(self: pomelua.Component, force: boolean, cb: fun(err: any))|nil)

---The part of a server that belongs to this file.
---@param server pomelua.Server
function components.init(server)
  server.components = {
    list = {}, -- records in the order of app:load
    by_name = {}, -- [name] = the component, for scripts: app.components
    phase = "open", -- "open": they are started later; "running"; "over"
    waiting = {}, -- records that a reload has put into force, and that are not started yet
    orphans = {}, -- [record] = true: its file has been reloaded or is gone
    busy = false, -- whether a task stops and starts what a reload has changed
  }
end

local function label(record)
  if record.name then return ("component %q"):format(record.name) end
  return "component of " .. record.place
end

-- Where a component is written.
local function place_of(given)
  local fn = type(given) == "function" and given or errors.field(given, "start")
    or errors.field(given, "afterStart") or errors.field(given, "stop")
  local info = type(fn) == "function" and debug.getinfo(fn, "S")
  return info and info.what ~= "C" and ("%s:%d"):format(info.short_src, info.linedefined) or "app"
end

-- One step of one component.
local function run(server, record, name, args, ms, done, fatal)
  local fn = errors.field(record.component, name)
  if fn == nil then return done(nil) end
  local info = debug.getinfo(fn, "S")
  local what = label(record) .. ": " .. name
  step.run(server, {
    name = what, short = name, fn = fn, self = record.component, args = args, ms = ms,
    fatal = fatal,
  }, function(err)
    if not err then return done(nil) end
    done(errors.new(("%s (%s:%d): %s"):format(what, info.short_src, info.linedefined,
      err.message:match("^[^\n]*")), err.code))
  end)
end

-- One after the other; each(record, next_one).
local function in_turn(list, from, to, by, each, done)
  local i = from - by
  local function next_one()
    i = i + by
    if by > 0 and i > (to or #list) or by < 0 and i < to then return done() end
    each(list[i], next_one)
  end
  next_one()
end

-- --- loading --------------------------------------------------------------------------------

local STEPS = { "start", "afterStart", "stop" }

local function check(component, what)
  if type(component) ~= "table" then
    return ("%s: a component is a table with start, afterStart or stop, or a function that "
      .. "returns one; got a %s"):format(what, type(component))
  end
  for _, name in ipairs(STEPS) do
    local fn = errors.field(component, name)
    if fn ~= nil and type(fn) ~= "function" then
      return ("%s: %s must be a function, got a %s"):format(what, name, type(fn))
    end
  end
end

-- Whether two values that app:load was given are equal: functions of app.lua itself are new with
-- each load and equal when their code is.
local function same(a, b, depth)
  if rawequal(a, b) then return true end
  if type(a) ~= type(b) then return false end
  if type(a) == "function" then
    local one, other = debug.getinfo(a, "S"), debug.getinfo(b, "S")
    return one.source == "@app.lua" and other.source == one.source
      and string.dump(a, true) == string.dump(b, true)
  end
  if type(a) ~= "table" or depth > 8 or getmetatable(a) ~= getmetatable(b) then return false end
  for key, value in next, a do
    if not same(value, rawget(b, key), depth + 1) then return false end
  end
  for key in next, b do
    if rawget(a, key) == nil then return false end
  end
  return true
end

local function remove(list, record)
  for i, one in ipairs(list) do
    if one == record then return table.remove(list, i) end
  end
end

local function put(server, record)
  local own = server.components
  own.list[#own.list + 1] = record
  if record.name then own.by_name[record.name] = record.component end
end

local function drop(server, record)
  local own = server.components
  remove(own.list, record)
  if record.name and own.by_name[record.name] == record.component then
    own.by_name[record.name] = nil
  end
  record.unit:finish()
end

local change -- see below

-- The file that has loaded a component ends: it is reloaded, or gone, or was never in force.
local function orphaned(record)
  local server = record.server
  if record.prepared then return record.unit:finish() end
  if record.loader ~= nil then
    record.loader = nil
    server.components.orphans[record] = true
    change(server)
  end
end

local function belong(record, unit)
  record.loader = unit
  if unit then unit:on_end(record, orphaned) end
end

-- The record that a reloaded file means when it loads this again.
local function kept(server, gen, name, given, opts)
  for _, one in ipairs(server.components.list) do
    if one.kept_by ~= gen and one.name_given == name and same(one.given, given, 0)
      and same(one.opts, opts, 0) then
      return one
    end
  end
end

local function taken(server, gen, name)
  for _, one in ipairs(gen and gen.components or {}) do
    if one.name == name then return true end
  end
  for _, one in ipairs(server.components.list) do
    local stays = not gen or not one.loader or gen.units[one.loader.path] == one.loader
    if one.name == name and stays then return true end
  end
  return false
end

-- Calls the factory. What it makes belongs to the component, as to a file of its own.
local function build(server, record)
  if not current.task then return record.given(server.app, record.opts) end
  local _, gen = units.loading()
  local ok, component = generation.within(gen or server.generation, record.unit, record.given,
    server.app, record.opts)
  if not ok then error(component, 0) end
  return component
end

local function name_of(given)
  local name = type(given) == "table" and errors.field(given, "name")
  return type(name) == "string" and name or nil
end

local function ignore(server, name)
  server:notice(("app:load: there is a component %q already, this one is ignored"):format(name))
end

-- A file that is being reloaded has loaded it.
local function prepare(server, gen, unit, record)
  record.prepared = true
  belong(record, unit)
  units.when_active(gen, function()
    record.prepared = nil
    put(server, record)
    table.insert(server.components.waiting, record)
    change(server)
  end)
end

-- The same component stays, and belongs to the new load of its file from now on.
local function keep(server, gen, unit, one)
  one.kept_by = gen
  units.when_active(gen, function()
    server.components.orphans[one] = nil
    remove(server.components.list, one)
    table.insert(server.components.list, one)
    belong(one, unit)
  end)
end

---app:load. Raises when it is no component, or when the components have been started.
---@param server pomelua.Server
---@param name string|nil
---@param given table|function
---@param opts any
function components.load(server, name, given, opts)
  local own = server.components
  local gen, unit = units.prepared(), units.loading()
  if type(given) ~= "function" then
    local wrong = check(given, "app:load")
    if wrong then errors.raise(wrong) end
  end
  if own.phase ~= "open" and not gen then
    errors.raise("app:load: the components of this server have been started; load this one in "
      .. "app.lua, or in beforeStartup of lifecycle.lua")
  end
  local wanted = name or name_of(given)
  gen = gen and unit and gen or nil
  if gen then gen.components = gen.components or {} end
  if wanted and taken(server, gen, wanted) then return ignore(server, wanted) end
  local one = gen and kept(server, gen, name, given, opts)
  if one then
    table.insert(gen.components, one)
    return keep(server, gen, unit, one)
  end
  local record = {
    server = server, name = wanted, name_given = name, given = given, opts = opts,
    place = place_of(given), component = given,
  }
  record.unit = units.new {
    path = server.base .. "/component", name = label(record), server = server,
    generation = server.generation.number,
  }
  if type(given) == "function" then
    record.component = build(server, record)
    local wrong = check(record.component, ("app:load: the function at %s"):format(record.place))
    if wrong then errors.raise(wrong) end
    record.name = wanted or name_of(record.component)
    if not wanted and record.name and taken(server, gen, record.name) then
      record.unit:finish()
      return ignore(server, record.name)
    end
  end
  if not gen then
    belong(record, unit)
    return put(server, record)
  end
  table.insert(gen.components, record)
  prepare(server, gen, unit, record)
end

-- --- up and down ------------------------------------------------------------------------------

---Starts them all; the first error ends that.
---@param server pomelua.Server
---@param done fun(err: pomelua.Error|nil)
function components.start(server, done)
  local own = server.components
  local ms = server.checked.start_ms
  in_turn(own.list, 1, nil, 1, function(record, next_one)
    record.started = true -- also one that fails half-way is stopped
    run(server, record, "start", { n = 0 }, ms, function(err)
      if err then return done(err) end
      next_one()
    end, true)
  end, function()
    own.phase = "running"
    done(nil)
  end)
end

---@param server pomelua.Server
---@param done fun(err: pomelua.Error|nil)
function components.after_start(server, done)
  local ms = server.checked.start_ms
  in_turn(server.components.list, 1, nil, 1, function(record, next_one)
    run(server, record, "afterStart", { n = 0 }, ms, function(err)
      if err then return done(err) end
      next_one()
    end, true)
  end, function() done(nil) end)
end

-- A stop in order waits for it, however long it goes on; see run/quiet.
local function stop_one(server, record, force, done)
  if not record.started then
    drop(server, record)
    return done()
  end
  record.started = false
  local outer = current.work
  current.work = { name = "stop of " .. label(record), stays = true }
  run(server, record, "stop", { n = 1, force }, server.checked.stop_ms, function(err)
    if err then server:error(err.message) end
    drop(server, record)
    done()
  end)
  current.work = outer
end

---Stops them in the reverse order of app:load. An error is a line of the log, and the others are
---stopped all the same.
---@param server pomelua.Server
---@param done fun()
function components.stop(server, done)
  local own = server.components
  if own.phase == "over" then return done() end
  own.phase = "over"
  local list = {}
  for i, record in ipairs(own.list) do list[i] = record end
  in_turn(list, #list, 1, -1, function(record, next_one)
    stop_one(server, record, true, next_one)
  end, done)
end

-- --- reloads ----------------------------------------------------------------------------------

-- A new component, of which errors are lines of the log: the server goes on.
local function start_one(server, record, done)
  record.started = true
  local ms = server.checked.start_ms
  run(server, record, "start", { n = 0 }, ms, function(err)
    if err then
      server:error(err.message)
      return done()
    end
    run(server, record, "afterStart", { n = 0 }, ms, function(wrong)
      if wrong then server:error(wrong.message) end
      done()
    end)
  end)
end

local function orphans_of(server)
  local list = {}
  for _, record in ipairs(server.components.list) do
    if server.components.orphans[record] then list[#list + 1] = record end
  end
  server.components.orphans = {}
  return list
end

-- Stops what is old and starts what is new, until nothing is left to do.
local function work_off(server)
  local own = server.components
  local old, new = orphans_of(server), own.waiting
  own.waiting = {}
  if #old + #new == 0 or own.phase == "over" then
    own.busy = false
    return
  end
  in_turn(old, #old, 1, -1, function(record, next_one)
    stop_one(server, record, false, next_one)
  end, function()
    in_turn(new, 1, #new, 1, function(record, next_one)
      if own.phase == "over" then return next_one() end
      start_one(server, record, next_one)
    end, function() work_off(server) end)
  end)
end

function change(server)
  local own = server.components
  if own.busy or own.phase ~= "running" then return end
  own.busy = true
  -- When the swap is over: what a reload keeps is an orphan only meanwhile.
  task.defer(server, server:context("components"), work_off, server)
end

return components
