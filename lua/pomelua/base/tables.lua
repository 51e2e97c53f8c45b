-- tables: the keys of a table in order, and a value as an error's message names it.
local core = require "pomelua.core"

local tables = {}

local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return ta < tb end
  if ta == "number" or ta == "string" then return a < b end
  return false
end

---The keys of a table, read raw: numbers first, then texts, each in order; others in any.
---@param t table
---@return any[]
function tables.sorted_keys(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, before)
  return keys
end

---A setting's value as an error's message names it: "got a table", "got 7", 'got "seven"'.
---@param value any
---@return string
function tables.shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  if value == nil or value == core.null then return value == nil and "nil" or "null" end
  return "a " .. type(value)
end

return tables
