-- dropped: the data that a reload of a file throws away: values that the game has put, since the
-- file was loaded, into the table of the module or into tables and numbers that are locals of the
-- file. Data in pomelua.state() is kept.
local dropped = {}

-- What is remembered of a module: so many tables, none with more keys than that.
local TABLES, KEYS = 200, 2000

-- A table of the game's own data: no object of the framework's or of a class, no state that
-- stays, no other module.
local function is_data(gen, unit, t)
  if type(t) ~= "table" or getmetatable(t) ~= nil or t == unit.env then return false end
  local server = gen.server
  for _, state in pairs(server.live.states) do
    if state == t then return false end
  end
  for _, other in pairs(gen.units) do
    if other ~= unit and (other.raw == t or other.value == t or other.env == t) then
      return false
    end
  end
  return t ~= server.globals.base and t ~= server.globals.values and t ~= package.loaded
end

-- Remembered tables are weak: an object that the game has let go can be collected.
local weak = { __mode = "kv" }

-- found: list of {name, ref = {table}, copy, count}, and numbers {name, fn, index, value}. count:
-- keys whose value is no function.
local function note(gen, unit, found, name, t)
  if found.seen[t] or #found >= TABLES or not is_data(gen, unit, t) then return end
  found.seen[t] = true
  local copy, count, keys = setmetatable({}, weak), 0, 0
  for key, value in next, t do
    keys = keys + 1
    if keys > KEYS then return end
    copy[key] = value
    if type(value) ~= "function" then count = count + 1 end
  end
  found[#found + 1] = {
    name = name, ref = setmetatable({ t }, weak), copy = copy, count = count,
  }
  for key, value in next, t do
    if type(value) == "table" then
      note(gen, unit, found, type(key) == "string" and name .. "." .. key or name, value)
    end
  end
end

local function note_function(gen, unit, found, fn)
  if found.seen[fn] then return end
  found.seen[fn] = true
  for i = 1, 60 do
    local name, value = debug.getupvalue(fn, i)
    if not name then return end
    if type(value) == "number" then
      found.numbers[#found.numbers + 1] = { name = name, fn = fn, index = i, value = value }
    elseif type(value) == "table" then
      note(gen, unit, found, name, value)
    elseif type(value) == "function" and debug.getinfo(value, "S").source == "@" .. unit.name then
      note_function(gen, unit, found, value)
    end
  end
end

---Remembers what a unit holds now that it has been loaded.
---@param gen pomelua.Generation
---@param unit pomelua.Unit
function dropped.remember(gen, unit)
  local found = { seen = {}, numbers = {} }
  local modules = { unit.raw }
  if unit.value ~= unit.raw then modules[#modules + 1] = unit.value or nil end
  for _, module in ipairs(modules) do
    if type(module) == "table" then
      note(gen, unit, found, "its table", module)
      for _, fn in next, module do
        if type(fn) == "function" then note_function(gen, unit, found, fn) end
      end
    end
  end
  found.seen = nil
  unit.held = found
end

-- Functions do not count: a module that replaces one of its own is not data.
local function has_changed(one)
  local t, count = one.ref[1], 0
  if t == nil then return true end -- another one has its place
  for key, value in next, t do
    if type(value) ~= "function" then
      if not rawequal(one.copy[key], value) then return true end
      count = count + 1
    end
  end
  return count ~= one.count
end

---What is lost with a unit: a sentence, or nil.
---@param unit pomelua.Unit
---@return string|nil
function dropped.lost(unit)
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, one in ipairs(unit.held or {}) do
    if has_changed(one) then add(one.name) end
  end
  for _, one in ipairs(unit.held and unit.held.numbers or {}) do
    local _, value = debug.getupvalue(one.fn, one.index)
    if value ~= one.value then add(one.name) end
  end
  if #names == 0 then return nil end
  return ("%s: data that the game has put into %s since it was loaded is lost with this reload; "
    .. "pomelua.state() gives a table that survives"):format(unit.name,
    table.concat(names, ", ", 1, math.min(#names, 5)))
end

return dropped
