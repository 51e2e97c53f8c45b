-- tables: small helpers for tables and values that several files need.
local tables = {}

---The keys of a table in order: those of one type, or else as texts.
---@param map table
---@return any[]
function tables.sorted_keys(map)
  local list = {}
  for key in pairs(map) do list[#list + 1] = key end
  table.sort(list)
  return list
end

return tables
