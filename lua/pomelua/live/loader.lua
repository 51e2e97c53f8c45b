-- loader: makes a set for the registry out of a generation's files, or an error. It does not put
-- the set into force.
local dropped = require "pomelua.live.dropped"
local files = require "pomelua.base.files"
local generation = require "pomelua.live.generation"
local file_kinds = require "pomelua.live.file_kinds"
local units = require "pomelua.run.unit"

local loader = {}

loader.reachable = file_kinds.reachable

-- What a file is used as: a table, or what its factory builds; false: nothing.
local function build(gen, unit, app, warnings)
  local value = unit.raw
  if unit.silent and not gen.sources[unit.path]:find("%S") then
    warnings[#warnings + 1] = unit.name .. ": the file is empty"
    unit.value = false
    return true
  elseif unit.silent then
    return nil, unit.name .. ": the file returns nothing; it must end with return and the table"
      .. " of its functions, or a function(app) that returns one"
  elseif type(value) == "function" then
    local takes = debug.getinfo(value, "u")
    local state = (takes.nparams > 1 or takes.isvararg)
      and generation.state_of(gen.server, unit.path) or nil
    local ok, built = generation.within(gen, unit, value, app, state)
    if not ok then return nil, generation.located(unit.name, built) end
    if built == nil then
      local line = debug.getinfo(value, "S").linedefined
      return nil, ("%s:%d: the file's function returns nothing; it must end with return and the"
        .. " table of its functions"):format(unit.name, line)
    end
    value = built
  end
  if not value then
    unit.value = false
    return true
  end
  if type(value) ~= "table" then
    return nil, ("%s: must return a table or a function that builds one, got a %s")
      :format(unit.name, type(value))
  end
  unit.value = value
  if value ~= unit.raw then dropped.remember(gen, unit) end -- it is the factory's, not the file's
  return true
end

-- A file that is not Lua is a unit, too.
local function read(gen, kind, path)
  local unit = gen.units[path]
  if unit then return unit end
  local name = generation.short(gen.server, path)
  local value, message = kind.read(gen.sources[path], path, gen.server, name)
  if value == nil then return nil, generation.located(name, message) end
  unit = units.new {
    path = path, name = name, server = gen.server, generation = gen.number, raw = value,
    value = value,
  }
  gen.units[path] = unit
  if gen.state == "prepared" then gen.fresh[#gen.fresh + 1] = unit end
  return unit
end

local function load(gen, kind, path, warnings)
  if kind.read then return read(gen, kind, path) end
  local unit, message = generation.load(gen, path)
  if not unit then return nil, message end
  if kind.build and unit.value == nil then
    local ok
    ok, message = build(gen, unit, gen.server.app, warnings)
    if not ok then
      if gen.state == "active" then gen.units[path] = nil end
      return nil, message
    end
  end
  return unit
end

---Loads app.lua into the server's first generation.
---@param server table
function loader.load_app(server)
  local unit, message = generation.load(server.generation, server.base .. "/app.lua")
  if not unit then error(message, 0) end
end

-- Warns of a folder without a module, which is mostly a mistake.
local function look_empty(server, kind, loaded, warnings)
  local folder = kind.folder and kind.folder(server)
  if not folder or not files.is_folder(server.base .. "/" .. folder) then return end
  for _, unit in ipairs(loaded) do
    if unit.value then return end
  end
  warnings[#warnings + 1] = folder .. ": there is no module in it"
end

---Adds the remotes of the framework, which every set has.
---@param server pomelua.Server
---@param set table
function loader.add_own(server, set)
  for service, remote in pairs(server.live.own_remotes) do
    set.services[service] = true
    for method, fn in next, remote do
      set.remotes[service .. "." .. method] = { owner = remote, fn = fn }
    end
  end
end

---Loads every kind of file of a generation: what has been loaded already is used as
---it is.
---@param gen pomelua.Generation
---@return table|nil set for registry:swap; set.warnings are texts for the log, set.hooks
---the functions of lifecycle.lua
---@return string|nil message one line
function loader.load(gen)
  local server = gen.server
  local set = {
    handlers = {}, remotes = {}, services = {}, crons = {}, schedule = {}, hooks = {},
    warnings = {}, seen = {},
  }
  local texts, message = generation.texts(gen)
  if not texts then return nil, message end
  for _, kind in ipairs(file_kinds.list) do
    local loaded = {}
    -- app.lua has run before, in the first generation of a server.
    local skip = kind.app and gen.state == "active"
    for _, path in ipairs(skip and {} or kind.files(server, texts)) do
      local unit, ok
      unit, message = load(gen, kind, path, set.warnings)
      if not unit then return nil, message end
      ok, message = kind.put(set, server, unit)
      if not ok then return nil, message end
      loaded[#loaded + 1] = unit
    end
    if kind.complete then kind.complete(set, server) end
    look_empty(server, kind, loaded, set.warnings)
  end
  loader.add_own(server, set)
  return set
end

return loader
