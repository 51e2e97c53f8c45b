-- settings: what app:set("connectorConfig", {...}) and its like may hold, checked
-- once when the app starts, and handed to the C core. A wrong type or value is an
-- error that names key and value; a setting that this version does not have is a warning.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local settings = {}

local DAY_MS = 86400000
local LONG = 9 -- letters of a name that is not nearly another by chance

-- Name, range and default of what a node can be told.
local of_node = core.settings()

-- A whole number that a node is told under this name.
local function number(name)
  local setting = of_node[name]
  return { kind = "number", node_key = name, least = setting.least, most = setting.most,
    default = setting.default }
end

-- The same in seconds: a fraction is cut off.
local function seconds(name)
  local rule = number(name)
  rule.cut = true
  return rule
end

-- Milliseconds that the Lua half waits, with its default.
local function wait(default)
  return { kind = "number", least = 1, most = DAY_MS, default = default }
end

local anything = { kind = "any" }
local function of(kind) return { kind = kind } end
local function later(text) return { kind = "later", text = text } end

local known = {
  connectorConfig = {
    connector = { kind = "connector" },
    heartbeat = seconds "heartbeat",             -- 0: none
    timeout = seconds "timeout",                 -- 0: 2 x heartbeat
    keepAlive = seconds "keepAlive",             -- 0: off
    maxPackageSize = number "packageAfter",      -- bytes
    maxHandshakeSize = number "packageBefore",   -- bytes
    handshakeTimeout = number "handshakeTimeout", -- milliseconds
    queueSoft = number "queueSoft",              -- bytes
    queueTime = number "queueTime",              -- milliseconds
    queueHard = number "queueHard",              -- bytes
    ioUring = { kind = "boolean", node_key = "ioUring" }, -- false: never
    handshake = of "function",
    checkClient = of "function",
    distinctHost = of "boolean",
    setNoDelay = anything, -- always on
    closeMethod = anything, -- what is queued is always written first
    disconnectOnTimeout = anything, -- always
    useDict = later "this version sends routes in full",
    useProtobuf = later "this version sends bodies as JSON only",
    useCrypto = later "this version does not check signatures",
    useAsyncCoder = later "this version has no coders of its own",
    encode = later "this version has no coders of its own",
    decode = later "this version has no coders of its own",
    ssl = later "this version listens without TLS",
    useHostFilter = later "this version accepts every address",
    blacklistFun = later "this version accepts every address",
  },
  sessionConfig = {
    singleSession = { kind = "singleSession" },
  },
  serverConfig = {
    timeout = number "handlerTimeout",        -- milliseconds, for a handler
    forwardTimeout = number "forwardTimeout", -- for a message at another server
    awaitTimeout = wait(30000),
    maxInFlight = number "maxInFlight",       -- messages per session
    console = of "boolean", -- whether `pomelua console` may run Lua here
    memorySoft = number "memorySoft",         -- MiB of Lua memory: requests are refused
    memoryHard = number "memoryHard",         -- MiB: the process ends
    stopTimeout = number "stopTimeout",       -- milliseconds, for a stop in order
    stopGrace = number "stopGrace",           -- of them, for requests that are open
    budget = number "budget",                 -- milliseconds that a script may compute; 0: any
    reload = of "boolean",                        -- watch files; true in development
    reloadHandlers = later "serverConfig.reload is the switch, for all that reloads",
    enableForwardLog = later "this version writes no forward log",
  },
  proxyConfig = {
    timeout = wait(5000),
    maxCalls = number "maxCalls",
    routerType = later "this version routes by app:route or by uid",
    failMode = later "this version does not repeat calls",
    bufferMsg = anything, -- calls of one turn always travel together
    interval = anything,
  },
  remoteConfig = {
    reloadRemotes = later "serverConfig.reload is the switch, for all that reloads",
    bufferMsg = anything,
    interval = anything,
  },
  channelConfig = {
    pushTimeout = wait(3000),
    broadcastFilter = of "function",
    store = later "this version keeps channels in memory only",
    prefix = anything, -- names keys of the store
  },
  pushSchedulerConfig = {
    scheduler = later "this version has one way to push",
    selector = later "this version has one way to push",
  },
}

-- Settings that Pomelo reads and this version does not.
local absent = {
  errorHandler = "this version has no error handlers; an error of a handler answers "
    .. "{\"code\":500} and stands in the log",
  globalErrorHandler = "this version has no error handlers",
  rpcErrorHandler = "this version has no error handlers; a call's callback gets its error",
  systemMonitor = "this version has no monitor; see pomelua list --json",
  rpcDebugLog = "this version writes no log of calls",
  filters = "this version has no filters", globalFilters = "this version has no filters",
  dictionaryConfig = "this version sends routes in full",
  protobufConfig = "this version sends bodies as JSON only",
  decodeIO_protobufConfig = "this version sends bodies as JSON only",
  schedulerConfig = "this version has one way to push",
  pushScheduler = "this version has one way to push",
  masterConfig = "this version has no master", monitorConfig = "this version has no monitor",
  connectionConfig = "this version counts connections by itself; see pomelua list",
  cronConfig = "this version has no crons", rpcServer = "this version has one way to call",
  rpcClient = "this version has one way to call",
  backendSessionConfig = "this version has no settings of backend sessions",
  localSessionConfig = "this version has no settings of backend sessions",
  rpcFilters = "this version has no filters",
}

local function truthy(value)
  return value ~= nil and value ~= false and value ~= 0 and value ~= "" and value ~= "false"
end

-- One value: the text of what is wrong with it, or nil.
local check = {}

function check.number(rule, value)
  if type(value) ~= "number" or value % 1 ~= 0 and not (rule.cut and value * 0 == 0) then
    return "must be a whole number, got " .. tables.shown(value)
  end
  if value < rule.least or value > rule.most then
    return ("must be a whole number from %.0f to %.0f, got %s"):format(rule.least, rule.most, value)
  end
end

check["function"] = function(_, value)
  if type(value) ~= "function" then return "must be a function, got " .. tables.shown(value) end
end

function check.boolean(_, value)
  if type(value) ~= "boolean" then return "must be true or false, got " .. tables.shown(value) end
end

function check.singleSession(_, value)
  if type(value) ~= "boolean" and value ~= "refuse" and value ~= "kick-old" then
    return "must be true, false, \"refuse\" or \"kick-old\", got " .. tables.shown(value)
  end
end

function check.connector(_, value)
  if value ~= settings.hybridconnector and value ~= "hybridconnector" then
    return "must be pomelua.connectors.hybridconnector, got " .. tables.shown(value)
  end
end

function check.any() end
function check.later() end

---What pomelua.connectors.hybridconnector is.
settings.hybridconnector = setmetatable({ name = "hybridconnector" }, { __newindex = function()
  error("pomelua.connectors.hybridconnector cannot be changed", 2)
end })

-- The keys that a group itself holds, without those that its metatable would add: only these have
-- been checked.
local function raw(given)
  local own = {}
  for key, value in next, given or own do own[key] = value end
  return own
end

-- Where a setting that its group does not have is known, as the end of a sentence.
local function elsewhere(key, rules)
  for group, others in pairs(known) do
    if others ~= rules and others[key] and others[key].kind ~= "any" then
      return ("; it belongs to %s"):format(group)
    end
  end
  return near.hint(key, rules)
end

-- The value of a setting: the given one, or its default.
local function value_of(values, group, key)
  local given = rawget(values[group] or {}, key)
  if given == nil then return known[group][key].default end
  return given
end

-- Each pair has an order: {group, key, other key, text}; given: checked when the first is set.
local PAIRS = {
  { "connectorConfig", "queueSoft", "queueHard", "so that it is never reached" },
  { "serverConfig", "memorySoft", "memoryHard",
    "so that the process ends before requests are refused" },
  { "serverConfig", "stopGrace", "stopTimeout", "which is the whole of a stop", given = true },
}

-- Errors of values that are allowed alone and not together.
local function warn_together(values, warnings)
  local function warn(text) warnings[#warnings + 1] = text end
  for _, row in ipairs(PAIRS) do
    local group, low, high, text = unpack(row)
    local least, most = value_of(values, group, low), value_of(values, group, high)
    if least > most and not (row.given and rawget(values[group] or {}, low) == nil) then
      warn(("%s.%s (%.0f) is larger than %s (%.0f), %s")
        :format(group, low, least, high, most, text))
    end
  end
  local connector = values.connectorConfig or {}
  local heartbeat = rawget(connector, "heartbeat") or 0
  local timeout = rawget(connector, "timeout") or 0
  if timeout > 0 and heartbeat < 1 then
    warn("connectorConfig.timeout: it does nothing without connectorConfig.heartbeat")
  elseif timeout > 0 and timeout <= heartbeat then
    warn(("connectorConfig.timeout (%s s) is not longer than heartbeat (%s s): clients that are "
      .. "silent between two heartbeats are closed"):format(timeout, heartbeat))
  end
end

local function read_group(group, given, numbers, warnings)
  local rules = known[group]
  if type(given) ~= "table" then
    return nil, ("%s: must be a table, got %s"):format(group, tables.shown(given))
  end
  for _, key in ipairs(tables.sorted_keys(given)) do
    local value, rule = given[key], rules[key]
    if not rule then
      warnings[#warnings + 1] = ("%s.%s: no such setting, it does nothing%s")
        :format(group, type(key) == "table" and "(a table)" or errors.tostring(key),
          elsewhere(key, rules))
    else
      local wrong = check[rule.kind](rule, value)
      if wrong then return nil, ("%s.%s: %s"):format(group, key, wrong) end
      if rule.node_key then
        numbers[rule.node_key] = math.floor(value == true and 1 or value or 0)
      end
      if rule.kind == "later" and truthy(value) then
        warnings[#warnings + 1] = ("%s.%s: %s"):format(group, key, rule.text)
      end
    end
  end
  return true
end

---Calls fn with every group and setting that app:set knows, by name.
---@param fn fun(group: string, key: string, rule: table)
function settings.each(fn)
  for _, group in ipairs(tables.sorted_keys(known)) do
    for _, key in ipairs(tables.sorted_keys(known[group])) do fn(group, key, known[group][key]) end
  end
end

---Whether app:set of that key is read when the server starts, and not again.
---@param key string
---@return boolean
function settings.is_group(key) return known[key] ~= nil end

---What a group had before it was set again, and has not any more.
---@param before any
---@param now any
---@return string|nil keys
function settings.lost(before, now)
  if type(before) ~= "table" or type(now) ~= "table" then return nil end
  local keys = {}
  for _, key in ipairs(tables.sorted_keys(before)) do
    if rawget(now, key) == nil then keys[#keys + 1] = errors.tostring(key) end
  end
  return keys[1] and table.concat(keys, ", ") or nil
end

-- The setting of a group that a key of the app's own has the name of, "group.key": when only one
-- group has it, and the value is one that the setting could have.
local function setting_of(key, value)
  local found
  for group, rules in pairs(known) do
    local rule = rules[key]
    if rule and (found or rule.kind == "any") then return nil end
    if rule then found = group end
  end
  local rule = found and known[found][key]
  if rule and (rule.kind == "later" and truthy(value) or rule.kind ~= "later"
    and not check[rule.kind](rule, value)) then
    return found .. "." .. key
  end
end

-- What is set beside the groups is the app's own, unless it is Pomelo's, nearly that, or nearly
-- a group.
local function read_others(values, warnings)
  local function warn(...) warnings[#warnings + 1] = (...):format(select(2, ...)) end
  for _, key in ipairs(tables.sorted_keys(values)) do
    local value = values[key]
    local group = not known[key] and near.to(key, known, 2)
    local pomelos = not known[key] and #key >= LONG and near.to(key, absent, 2)
    local setting = setting_of(key, value)
    if absent[key] then
      if truthy(value) then warn("%s: %s", key, absent[key]) end
    elseif group then
      warn("%s: no such group of settings, it does nothing; did you mean %s?", key, group)
    elseif setting then
      warn("%s: it is a value of the app's own, which changes nothing here; the setting is %s,"
        .. " app:set(%q, { %s = ... })", key, setting, setting:match("^%w+"), key)
    elseif pomelos and truthy(value) then
      warn("%s: it is a value of the app's own, which changes nothing here; Pomelo has %s: %s",
        key, pomelos, absent[pomelos])
    end
  end
end

---Checks what an app has set.
---@param values table app.settings
---@param entry table the server's entry of servers.json
---@return table|nil checked numbers: for node:configure; warnings: texts; and by name
---what Lua reads
---@return string|nil message names key and value
function settings.read(values, entry)
  local numbers, warnings = {}, {}
  for _, group in ipairs(tables.sorted_keys(known)) do
    if values[group] ~= nil then
      local ok, message = read_group(group, values[group], numbers, warnings)
      if not ok then return nil, message end
    end
  end
  read_others(values, warnings)
  warn_together(values, warnings)
  local connector, server = raw(values.connectorConfig), raw(values.serverConfig)
  local channel = raw(values.channelConfig)
  numbers.maxConnections = entry["max-connections"]
  -- Deadlines nest: a forwarded request outlives its handler, so that the inner error is seen.
  if server.timeout and not server.forwardTimeout then
    numbers.forwardTimeout = math.floor(server.timeout) + 1000
  end
  local single = raw(values.sessionConfig).singleSession
  if single == true then single = "refuse" end
  return {
    numbers = numbers,
    warnings = warnings,
    heartbeat = (connector.heartbeat or 0) >= 1 and math.floor(connector.heartbeat) or nil,
    handshake = connector.handshake,
    check_client = connector.checkClient,
    distinct_host = connector.distinctHost or false,
    single_session = single or nil,
    await_ms = value_of(values, "serverConfig", "awaitTimeout"),
    max_in_flight = value_of(values, "serverConfig", "maxInFlight"),
    reload = server.reload,
    rpc_ms = value_of(values, "proxyConfig", "timeout"),
    push_ms = value_of(values, "channelConfig", "pushTimeout"),
    broadcast_filter = channel.broadcastFilter,
    console = server.console or false,
  }
end

return settings
