-- swap: a new generation comes into force between two messages: states migrate, the old units end,
-- what the new ones have made begins.
local errors = require "pomelua.base.errors"
local kept = require "pomelua.live.kept"
local migration = require "pomelua.live.migration"

local swap = {}

-- LuaJIT does not free the machine code of old functions. Once in so many generations all machine
-- code is freed, and code that runs often is compiled again.
local FLUSH = 8

---Each unit that has `migrate` gets the state of the unit that it replaces. Either all of them
---do, or no state has changed.
---@param old pomelua.Generation
---@param gen pomelua.Generation
---@return boolean|nil ok
---@return string|nil message
function swap.migrate(server, old, gen)
  local undo = {}
  for _, unit in ipairs(gen.fresh) do
    local before = old.units[unit.path]
    local from = before and before.generation or kept.is_offered(server, unit) and kept.EARLIER
    local put_back, message
    if from then put_back, message = migration.run(server, unit, from) end
    if message then
      for i = #undo, 1, -1 do undo[i]() end
      return nil, message
    end
    undo[#undo + 1] = put_back
  end
  for _, unit in ipairs(gen.fresh) do kept.taken(server, unit) end
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
