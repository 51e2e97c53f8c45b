-- migration: a module's function `migrate(state, from)` brings the state of its file, which an
-- earlier load of the file has left, into a new form.
local errors = require "pomelua.base.errors"
local generation = require "pomelua.live.generation"

local migration = {}

-- The contents of a table and of all that are in it, so that they can be put back.
local function snapshot(root)
  local copies, queue = {}, { root }
  while #queue > 0 do
    local one = table.remove(queue)
    if not copies[one] then
      local copy = {}
      copies[one] = copy
      for key, value in next, one do
        copy[key] = value
        if type(value) == "table" then queue[#queue + 1] = value end
        if type(key) == "table" then queue[#queue + 1] = key end
      end
    end
  end
  return copies
end

local function restore(copies)
  for one, copy in pairs(copies) do
    for key in next, one do
      if rawget(copy, key) == nil then rawset(one, key, nil) end
    end
    for key, value in next, copy do rawset(one, key, value) end
  end
end

-- Calls fn in a coroutine of its own, where no call can wait: the old code must not run meanwhile.
local function call_alone(fn, ...)
  local co = coroutine.create(fn)
  local ok, message = coroutine.resume(co, ...)
  if not ok then return nil, errors.text(message) end
  if coroutine.status(co) ~= "dead" then return nil, "migrate must not wait" end
  return true
end

---Calls migrate of a unit's module, if it has one. An error in it changes nothing.
---@param server pomelua.Server
---@param unit pomelua.Unit
---@param from number the generation whose code has left the state
---@return function|nil undo puts the state back as it was; nil: nothing was called, or it failed
---@return string|nil message
function migration.run(server, unit, from)
  local module = type(unit.value) == "table" and unit.value or unit.raw
  local fn = type(module) == "table" and rawget(module, "migrate")
  if type(fn) ~= "function" then return nil end
  local state = generation.state_of(server, unit.path)
  local saved = snapshot(state)
  local ok, message = call_alone(fn, state, from)
  if ok then return function() restore(saved) end end
  restore(saved)
  return nil, generation.located(unit.name, "migrate: " .. message)
end

return migration
