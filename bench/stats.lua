-- Medians and ranges of small lists.
local stats = {}

---@return number|nil
function stats.median(list)
  local sorted = {}
  for i, v in ipairs(list) do sorted[i] = v end
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return nil end
  if n % 2 == 1 then return sorted[(n + 1) / 2] end
  return (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

---@return number|nil lowest
---@return number|nil highest
function stats.range(list)
  if #list == 0 then return nil, nil end
  return math.min(unpack(list)), math.max(unpack(list))
end

return stats
