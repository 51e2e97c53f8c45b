-- Medians of small lists, and how sure they are.
local stats = {}

local function sorted(list)
  local copy = { unpack(list) }
  table.sort(copy)
  return copy
end

---@return number|nil
function stats.median(list)
  local v, n = sorted(list), #list
  if n == 0 then return nil end
  if n % 2 == 1 then return v[(n + 1) / 2] end
  return (v[n / 2] + v[n / 2 + 1]) / 2
end

-- Between which values the median of all that could be measured lies with a chance of at least
-- 95 %, whatever the distribution (the interval of the sign test: the chance that k or fewer
-- of n values lie on one side is that of coins). Fewer than six values cannot say it: then all.
---@return number|nil low
---@return number|nil high
function stats.interval(list)
  local v, n = sorted(list), #list
  local k, chance, below = 0, 0.5 ^ n, 0
  while below + chance <= 0.025 do
    below = below + chance
    k = k + 1
    chance = chance * (n - k + 1) / k
  end
  k = math.max(k, 1)
  return v[k], v[n + 1 - k]
end

return stats
