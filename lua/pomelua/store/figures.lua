-- figures: what the stores of a server have open, and how their calls went: for `pomelua list
-- --pools` and app:getCounters().
local handles = require "pomelua.store.handles"
local latency = require "pomelua.base.latency"

local figures = {}

local COUNTS = { "calls", "errors", "timeouts", "refused" }
local NOW = { "open", "busy", "waiting" }

-- The figures of all stores with one name and kind, in the order of their names. One whose
-- definition has changed may still have calls under way: it is added to its successor.
local function by_name(server)
  local list, found = {}, {}
  handles.each(server, function(handle)
    local stats = handle.store and handle.store:stats()
    if stats then stats.timeouts = stats.timeouts + handle.late end
    local name = handle.name or handle.kind
    local key = name .. "/" .. handle.kind
    local sum = stats and found[key]
    if stats and not sum then
      found[key], stats.name, stats.kind = stats, name, handle.kind
      list[#list + 1] = stats
    elseif sum then
      for _, keys in ipairs { COUNTS, NOW } do
        for _, one in ipairs(keys) do sum[one] = sum[one] + stats[one] end
      end
      for class, n in ipairs(stats.took) do sum.took[class] = sum.took[class] + n end
    end
  end)
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return a.kind < b.kind
  end)
  return list
end

---The pools of a server that are open.
---@param server pomelua.Server
---@return table[] {name=, kind=, open=, busy=, waiting=, calls=, errors=, timeouts=, refused=,
---p50=, p99=}: microseconds, as of base/latency
function figures.pools(server)
  local pools = {}
  for i, stats in ipairs(by_name(server)) do
    local pool = {
      name = stats.name, kind = stats.kind,
      p50 = latency.of(stats.took, stats.bounds, 0.5),
      p99 = latency.of(stats.took, stats.bounds, 0.99),
    }
    for _, keys in ipairs { COUNTS, NOW } do
      for _, key in ipairs(keys) do pool[key] = stats[key] end
    end
    pools[i] = pool
  end
  return pools
end

-- What HTTP has counted by itself (store/http) is not counted twice.
local OF_HTTP = { open = "httpOutOpen", busy = "httpOutBusy", waiting = "httpOutWaiting" }

---Adds the same to counters: "databases.players.calls", …
---@param server pomelua.Server
---@param counts table<string, number>
function figures.count(server, counts)
  if not server.stores then return end
  for _, stats in ipairs(by_name(server)) do
    local http = stats.kind == "http"
    for _, keys in ipairs { COUNTS, NOW } do
      for _, key in ipairs(keys) do
        local name = ("databases.%s.%s"):format(stats.name, key)
        if http then name = OF_HTTP[key] end
        if name then counts[name] = (counts[name] or 0) + stats[key] end
      end
    end
  end
end

return figures
