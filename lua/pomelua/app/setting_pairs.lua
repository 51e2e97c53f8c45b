-- setting_pairs: settings that are right alone and do not go together, each with the text of a
-- warning.
local kinds = require "pomelua.app.setting_kinds"

local setting_pairs = {}

-- Each pair has an order: {group, key, other key, text}; given: checked when the first is set.
local PAIRS = {
  { "connectorConfig", "queueSoft", "queueHard", "so that it is never reached" },
  { "serverConfig", "memorySoft", "memoryHard",
    "so that the process ends before requests are refused" },
  { "httpConfig", "connectionsPerHost", "connections", "so that it is never reached" },
  { "serverConfig", "stopGrace", "stopTimeout", "which is the whole of a stop", given = true },
}

-- What of a stop is left for telling clients to move, besides the grace of open requests.
local function warn_drain(values, value_of, warn)
  local drain = rawget(values.serverConfig or {}, "drainTime")
  local stop = value_of(values, "serverConfig", "stopTimeout")
  local grace = math.min(stop, value_of(values, "serverConfig", "stopGrace"))
  if not drain or drain <= stop - grace then return end
  warn(("serverConfig.drainTime (%.0f) and stopGrace (%.0f) are together larger than stopTimeout "
    .. "(%.0f), which is the whole of a stop: clients are told to move within %.0f ms")
    :format(drain, grace, stop, stop - grace))
end

---Warns of values that are allowed alone and do not go together.
---@param values table app.settings
---@param value_of fun(values: table, group: string, key: string): any the value, or its default
---@param warnings string[] gets the texts
function setting_pairs.warn(values, value_of, warnings)
  local function warn(text) warnings[#warnings + 1] = text end
  for _, row in ipairs(PAIRS) do
    local group, low, high, text = unpack(row)
    local least, most = value_of(values, group, low), value_of(values, group, high)
    if least > most and not (row.given and rawget(values[group] or {}, low) == nil) then
      warn(("%s.%s (%.0f) is larger than %s (%.0f), %s")
        :format(group, low, least, high, most, text))
    end
  end
  warn_drain(values, value_of, warn)
  local proxy = values.proxyConfig or {}
  if rawget(proxy, "hashFieldIndex") and kinds.router_types[rawget(proxy, "routerType")] ~= 4 then
    warn('proxyConfig.hashFieldIndex: it does nothing without routerType = "hash"')
  end
  local connector = values.connectorConfig or {}
  if rawget(connector, "blacklistFun") and not rawget(connector, "useHostFilter") then
    warn("connectorConfig.blacklistFun: it does nothing without useHostFilter = true")
  end
  local heartbeat = rawget(connector, "heartbeat") or 0
  local timeout = rawget(connector, "timeout") or 0
  if timeout > 0 and heartbeat < 1 then
    warn("connectorConfig.timeout: it does nothing without connectorConfig.heartbeat")
  elseif timeout > 0 and timeout <= heartbeat then
    warn(("connectorConfig.timeout (%s s) is not longer than heartbeat (%s s): clients that are "
      .. "silent between two heartbeats are closed"):format(timeout, heartbeat))
  end
end

return setting_pairs
