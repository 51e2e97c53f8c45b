-- generation: one load of an app's code. It has a number, the texts it was made of
-- and the units that were loaded from them: a unit is one file, run once. A message
-- that arrives gets the server's present generation and stays with it to its end,
-- also for what it requires later.
--
-- Units that a reload does not have to load again pass to the next generation. Timers, listeners
-- and route functions that a unit makes while it loads belong to it and end with it (run/unit).
-- While its generation is being prepared they are held back: they come into force with it, or
-- never.
local current = require "pomelua.base.current"
local dropped = require "pomelua.live.dropped"
local environment = require "pomelua.run.environment"
local errors = require "pomelua.base.errors"
local sources = require "pomelua.live.sources"
local syntax = require "pomelua.live.syntax"
local task = require "pomelua.run.task"
local units = require "pomelua.run.unit"
local where = require "pomelua.base.where"

---@class pomelua.Generation
---@field number number
---@field state string "prepared", "active", "over"
---@field units table<string, pomelua.Unit> by path
local generation = {}

local UNIT = {} -- the key of an environment under which its unit stands

---@param server table
---@param number number
---@param texts table<string, string>|nil by path; nil: read when the first file is loaded
---@return pomelua.Generation
function generation.new(server, number, texts)
  return {
    number = number, server = server, state = "prepared", sources = texts,
    units = {}, found = {}, contexts = {}, held = {}, settings = {}, fresh = {},
  }
end

---The part of a server that belongs to the files of live/.
---@param server pomelua.Server
function generation.init(server)
  ---@class pomelua.Live
  server.live = {
    last = 1, -- the number of the last generation that came into force
    states = {}, -- [name of a file] = its table that outlives reloads
    config = {}, -- [path] = true for a file beside the code that is read again, too
    own_remotes = {}, -- [service] = a remote of the framework, by its methods' names
    reloads = {}, -- those that wait for their turn
    running = nil, -- the reload that runs
    preparing = nil, -- the generation that it loads
    unwritten = {}, -- [path] = true for a file that is empty and may be written soon
    watcher = nil, -- see live/watcher
    on_loaded = nil, -- fn(server, unit): a file of the active generation was loaded
    on_state = nil, -- fn(server): a file has a state that it had not before
    each_owner = {}, -- functions that call fn(owner) for all that waits: see live/census
  }
  server.generation = generation.new(server, 1)
  server.generation.state = "active"
end

-- Finding ---------------------------------------------------------------------------

---The texts that a generation is made of.
---@param gen pomelua.Generation
---@return table<string, string>|nil texts by path
---@return string|nil message
function generation.texts(gen)
  if not gen.sources then
    local texts, message = sources.read(gen.server, {})
    if not texts then return nil, message end
    gen.sources = texts
  end
  return gen.sources
end

local function text_of(gen, path)
  assert(generation.texts(gen))
  local text = gen.sources[path]
  if text then return text end
  local message
  text, message = sources.file(gen.server, path)
  if message then error(message, 0) end
  gen.sources[path] = text
  return text
end

---The file that `require(name)` means: nil when it is not the app's.
---@param gen pomelua.Generation
---@param name string
---@return string|nil path
function generation.find(gen, name)
  local path = gen.found[name]
  if path == nil then
    path = false
    if name ~= "pomelua" and name:sub(1, 8) ~= "pomelua." then
      -- "./app/util" is the same file, and the same module.
      local stem = gen.server.base .. ("/" .. name:gsub("%.", "/")):gsub("//+", "/")
      for _, one in ipairs { stem .. ".lua", stem .. "/init.lua" } do
        if not path and text_of(gen, one) then path = one end
      end
    end
    gen.found[name] = path
  end
  return path or nil
end

-- Loading ---------------------------------------------------------------------------

local function short(server, path)
  local base = server.base .. "/"
  return path:sub(1, #base) == base and path:sub(#base + 1) or path
end
generation.short = short

local load_unit

local function circle(unit, from)
  local names, at = {}, current.task.unit
  while at do
    table.insert(names, 1, at.name)
    if at == unit then break end
    at = at.loader
  end
  names[#names + 1] = unit.name
  error(("%s requires in a circle: %s"):format(from.name, table.concat(names, " -> ")), 0)
end

-- Waits until another task has loaded the unit: a file may wait while it is loaded.
local function wait_for(unit, from)
  local t = current.task
  if unit.task == t then circle(unit, from) end
  task.wait_in(unit.waiters)
end

-- A module that is not the app's.
local function elsewhere(name)
  local ok, value = pcall(require, name)
  if ok then return value end
  if type(value) == "string" and value:find("^module '[^\n]*' not found:") then
    local stem = name:gsub("%.", "/")
    error(("module '%s' not found: there is no %s.lua and no %s/init.lua in the app,"
      .. " and none on package.path"):format(name, stem, stem), 3)
  end
  error(value, 0)
end

---`require` for the scripts of a server.
---@param server table
---@param from pomelua.Unit the unit that requires; its requires and names are filled
---@return function
function generation.require_of(server, from)
  return function(name)
    if type(name) ~= "string" then
      error("require(name): name must be a string, got " .. type(name), 2)
    end
    local gen = units.of_task(server)
    local path = generation.find(gen, name)
    if from.names[name] == nil then from.names[name] = path or false end
    if not path then
      local value = elsewhere(name) -- no tail call: its errors name the line of the caller
      return value
    end
    from.requires[path] = true
    local unit = gen.units[path]
    if unit and unit.task then
      wait_for(unit, from)
      unit = gen.units[path]
    end
    unit = unit or load_unit(gen, path, name)
    return unit.raw
  end
end

---Runs fn(...) as a part of a unit's loading: what it makes belongs to the unit.
---@param gen pomelua.Generation
---@param unit pomelua.Unit
---@return boolean ok
---@return any ... what it returned, or what it raised
function generation.within(gen, unit, fn, ...)
  local t = current.task
  if not t then error("a file can only be loaded inside a task", 0) end
  local outer_unit, outer_gen = t.unit, t.loading
  t.unit, t.loading = unit, gen
  local ok, a, b = pcall(fn, ...)
  t.unit, t.loading = outer_unit, outer_gen
  return ok, a, b
end

-- The message of an error with the file's name, and the line when Lua knows it.
local function located(name, err)
  local text = errors.text(err)
  local src, message = text:match("^([^\n]-):%d+: (.*)$")
  if src and where.is_own(src) and not message:find("^attempt to") then text = message end
  if text:find(name, 1, true) or text:find("^[%w%p]+%.lua:%d+: ") then return text end
  return name .. ": " .. text
end
generation.located = located

function load_unit(gen, path, name)
  local server, t = gen.server, current.task
  local text = text_of(gen, path)
  if not text then error(short(server, path) .. ": there is no such file", 0) end
  local unit = units.new {
    path = path, name = short(server, path), server = server, generation = gen.number,
    task = t, loader = t and t.unit,
  }
  local vendor = ("/" .. unit.name):find("/vendor/", 1, true)
  unit.env = environment[vendor and "vendor" or "new"](server.globals,
    generation.require_of(server, unit))
  rawset(unit.env, UNIT, unit)
  -- Named as inside of the app: Lua cuts long names, which full paths are.
  local chunk, message = load(text, "@" .. unit.name, "t", unit.env)
  if not chunk then error(syntax.explain(message, text), 0) end
  gen.units[path] = unit
  if gen.state == "prepared" then gen.fresh[#gen.fresh + 1] = unit end
  local ok, value = generation.within(gen, unit, chunk, name, path)
  if ok then
    unit.raw, unit.silent = value == nil and true or value, value == nil
    if gen.state == "active" then ok, value = pcall(server.live.on_loaded, server, unit) end
  end
  unit.task, unit.loader = nil, nil
  task.wake_all(server, unit.waiters)
  if not ok then
    gen.units[path] = nil
    unit:finish()
    error(type(value) == "string" and located(unit.name, value) or value, 0)
  end
  dropped.remember(gen, unit)
  return unit
end

---Loads a file into a generation, if that has not been done.
---@param gen pomelua.Generation
---@param path string
---@return pomelua.Unit|nil
---@return string|nil message names the file
function generation.load(gen, path)
  local unit = gen.units[path]
  if unit then return unit end
  local ok, result = pcall(load_unit, gen, path, path)
  if not ok then return nil, located(short(gen.server, path), result) end
  return result
end

-- State -----------------------------------------------------------------------------

---The table of a file that outlives its reloads.
---@param server table
---@param path string
---@return table
function generation.state_of(server, path)
  local name = short(server, path)
  local state = server.live.states[name]
  if not state then
    state = {}
    server.live.states[name] = state
    server.live.on_state(server)
  end
  local gen = units.prepared()
  if gen and not gen.kept then gen.kept = {} end
  if gen and not gen.kept[name] then
    local copy = {}
    for key, value in pairs(state) do copy[key] = value end
    gen.kept[name] = copy
  end
  return state
end

---The unit that an environment belongs to.
---@param env table
---@return pomelua.Unit|nil
function generation.unit_of(env)
  return rawget(env, UNIT)
end

-- The end ---------------------------------------------------------------------------

---A generation that was only prepared is given up: everything is as before.
---@param gen pomelua.Generation
---@param waited boolean|nil whether other code ran meanwhile: then states stay
function generation.give_up(gen, waited)
  gen.state = "over"
  for _, unit in ipairs(gen.fresh) do unit:finish() end
  for name, copy in pairs(not waited and gen.kept or {}) do
    local state = gen.server.live.states[name]
    for key in pairs(state) do
      if copy[key] == nil then rawset(state, key, nil) end
    end
    for key, value in pairs(copy) do rawset(state, key, value) end
  end
  gen.held = {}
end

return generation
