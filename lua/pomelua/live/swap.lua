-- swap: a new generation comes into force between two messages: states migrate, the old units end,
-- what the new ones have made begins.
local errors = require "pomelua.base.errors"
local generation = require "pomelua.live.generation"

local swap = {}

-- LuaJIT does not free the machine code of old functions. Once in so many generations all machine
-- code is freed, and code that runs often is compiled again.
local FLUSH = 8

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

---Each unit that has `migrate` gets the state of the unit that it replaces. Either all of them
---do, or no state has changed.
---@param old pomelua.Generation
---@param gen pomelua.Generation
---@return boolean|nil ok
---@return string|nil message
function swap.migrate(server, old, gen)
  local saved = {}
  for _, unit in ipairs(gen.fresh) do
    local module = type(unit.value) == "table" and unit.value or unit.raw
    local fn = type(module) == "table" and rawget(module, "migrate")
    local before = old.units[unit.path]
    if type(fn) == "function" and before then
      local state = generation.state_of(server, unit.path)
      saved[#saved + 1] = snapshot(state)
      local ok, message = call_alone(fn, state, before.generation)
      if not ok then
        for i = #saved, 1, -1 do restore(saved[i]) end
        return nil, generation.located(unit.name, "migrate: " .. message)
      end
    end
  end
  return true
end

---The new generation is in force. Nothing here may fail.
---@param old pomelua.Generation
---@param gen pomelua.Generation
function swap.to(server, old, gen)
  server.live.last = gen.number
  server.registry:swap(gen.set)
  server.generation = gen
  server.node:setGeneration(gen.number)
  old.state, gen.state = "over", "active"
  for path, unit in pairs(old.units) do
    if gen.units[path] ~= unit then unit:finish() end
  end
  for _, fn in ipairs(gen.held) do
    local ok, message = pcall(fn)
    if not ok then server:error("reload: " .. errors.text(message)) end
  end
  for key, value in pairs(gen.settings) do server.app:set(key, value[1], value[2]) end
  gen.held, gen.settings, gen.fresh, gen.kept, gen.asked = nil, nil, nil, nil, nil
  if gen.number % FLUSH == 0 then jit.flush() end
end

return swap
