-- settings: what app:set("connectorConfig", {...}) and its like may hold, checked
-- once when the app starts, and handed to the C core. A wrong type or value, a key that a group
-- does not have and a key of Pomelo's that Pomelua declines are errors: they name the key and say
-- what to use. What Pomelua always does, and what changes nothing for clients, is accepted.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local kinds = require "pomelua.app.setting_kinds"
local near = require "pomelua.base.near"
local pomelo_settings = require "pomelua.app.pomelo_settings"
local rate_setting = require "pomelua.app.rate_setting"
local resume_setting = require "pomelua.app.resume_setting"
local setting_pairs = require "pomelua.app.setting_pairs"
local ssl_setting = require "pomelua.app.ssl_setting"
local tables = require "pomelua.base.tables"
local token_keys = require "pomelua.base.token_keys"

local check, truthy = kinds.check, kinds.truthy
local absent, declined = pomelo_settings.absent, pomelo_settings.declined

---connectors, push_schedulers: pomelua.connectors and pomelua.pushSchedulers.
local settings = { connectors = kinds.connectors, push_schedulers = kinds.push_schedulers }

local DAY_MS = 86400000
local HANDSHAKE_WITH_TOKEN = 16384 -- bytes: maxHandshakeSize, when auth is set and it is not
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

-- Another whole number that the Lua half reads.
local function range(least, most, default)
  return { kind = "number", least = least, most = most, default = default }
end

local anything = { kind = "any" }
local function of(kind) return { kind = kind } end

-- A key of Pomelo's that is declined: the text says why, or what to use instead.
local function refused(text) return { kind = "refused", text = text } end

local OWN_CODERS = "Pomelua encodes and decodes messages itself, in C; a filter (app:before, "
  .. "app:after) sees and changes every message and answer"
local RELOAD = "write serverConfig = { reload = true }: it watches handlers, remotes and all other "
  .. "scripts; in the environment development it is on"
local TRANSPORT = pomelo_settings.TRANSPORT

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
    tlsHandshakes = number "tlsHandshakes",      -- under way at a time
    tlsPerSecond = number "tlsPerSecond",        -- begin in a second
    packageTime = number "packageTime",          -- milliseconds; 0: for ever
    clientMemory = number "clientMemory",        -- MiB
    rate = { -- false: none
      kind = "rate",
      keys = {
        messages = number "rateMessages", -- of a session in a second
        burst = number "rateBurst",       -- at once; twice `messages`
        bytes = number "rateBytes",       -- of a session in a second
      },
    },
    resume = { kind = "resume", keys = resume_setting.keys(number) }, -- true: with the defaults
    ioUring = { kind = "boolean", node_key = "ioUring" }, -- false: never
    auth = { kind = "auth", node_key = "auth" }, -- who comes in needs a token
    handshake = of "function",
    perAddress = { kind = "limits", keys = { -- of the connections of one address; false: none
      connections = number "addressConnections", -- at once
      perSecond = number "addressPerSecond",
      handshakes = number "addressHandshakes",   -- that have not finished theirs
      loopback = { kind = "boolean", node_key = "addressLoopback" }, -- those of this machine, too
    } },
    trustedProxies = of "networks",
    allow = of "networksOrPath", -- none but these
    deny = of "networksOrPath",
    origins = of "origins", -- of pages in browsers
    useHostFilter = of "boolean", -- blacklistFun is asked
    blacklistFun = of "function",
    checkClient = of "function",
    distinctHost = of "boolean",
    setNoDelay = anything, -- always on
    closeMethod = anything, -- what is queued is always written first
    disconnectOnTimeout = { kind = "always", why = "a client that is silent for timeout seconds is "
      .. "closed; a long timeout keeps it" },
    useDict = of "boolean", -- routes become numbers
    useProtobuf = of "boolean", -- also false on a backend: it does not check what it pushes
    jsonResponses = of "types", -- clients that read responses as JSON only: protocol 0.5
    useCrypto = refused("Pomelua does not check signatures: the client itself sends the key, so "
      .. "that they prove nothing; TLS protects the connection (docs/tls.md)"),
    useAsyncCoder = refused(OWN_CODERS),
    encode = refused(OWN_CODERS),
    decode = refused(OWN_CODERS),
    ssl = of "ssl", -- files of certificates
  },
  dictionaryConfig = {
    dict = of "path", -- in the place of config/dictionary.json
  },
  sessionConfig = {
    singleSession = { kind = "singleSession" },
    frontendTimeout = wait(2000), -- milliseconds, for what all frontends are asked
  },
  serverConfig = {
    timeout = number "handlerTimeout",        -- milliseconds, for a handler
    forwardTimeout = number "forwardTimeout", -- for a message at another server
    awaitTimeout = wait(30000),
    maxInFlight = number "maxInFlight",       -- messages per session
    console = of "boolean", -- whether `pomelua console` may run Lua here
    memorySoft = number "memorySoft",         -- MiB of Lua memory: requests are refused
    memoryHard = number "memoryHard",         -- MiB: the process ends
    startTimeout = wait(30000),   -- milliseconds, for each step of a start
    stopTimeout = number "stopTimeout",       -- milliseconds, for a stop in order
    stopGrace = number "stopGrace",           -- of them, for requests that are open
    stuck = number "stuck", -- seconds; standing still for longer stops the watchdog; 0: never
    drainTime = number "drainTime",           -- of them, over which clients are told to move
    startBudget = number "startBudget", -- the same while the server starts, behind app.lua
    budget = number "budget",                 -- milliseconds that a script may compute; 0: any
    reload = of "boolean",                        -- watch files; true in development
    reloadHandlers = refused(RELOAD),
    enableForwardLog = of "boolean", -- a line of the log for each request of a handler
  },
  proxyConfig = {
    timeout = wait(5000),
    maxCalls = number "maxCalls",
    routerType = { kind = "routerType", node_key = "routerType" },
    hashFieldIndex = { kind = "number", least = 0, most = 249 }, -- of the arguments, from 0
    failMode = { kind = "failMode" },
    router = refused("app:route(type, fn) chooses the servers of a type"),
    enableRpcLog = refused(pomelo_settings.RPC_LOG), rpcDebugLog = refused(pomelo_settings.RPC_LOG),
    bufferMsg = anything, interval = anything, cacheMsg = anything, -- one turn's travel together
    keepalive = anything, -- servers of one program cannot lose each other
    pendingSize = refused("no call waits for a server that is not there; maxCalls bounds the "
      .. "calls that wait for an answer"),
    mailboxFactory = refused(TRANSPORT),
  },
  remoteConfig = {
    reloadRemotes = refused(RELOAD),
    bufferMsg = anything, interval = anything, cacheMsg = anything,
    rpcDebugLog = refused(pomelo_settings.RPC_LOG),
    acceptorFactory = refused(TRANSPORT),
  },
  channelConfig = {
    pushTimeout = number "pushTimeout",    -- milliseconds
    broadcastFilter = of "function",
    autoLeave = of "boolean",   -- members leave with the last session of their uid
    removeEmpty = of "boolean", -- a channel whose last member has left is destroyed
    onJoin = of "function",     -- (channel, uid, sid)
    onLeave = of "function",    -- (channel, uid, sid, reason)
    store = of "store",
    prefix = of "prefix", -- of the keys of the store
    clusterNameSize = number "clusterNameSize",     -- bytes of a cluster channel's name
    clusterChannels = number "clusterChannels",     -- that have members at this frontend
    clusterPerSession = number "clusterPerSession", -- that one session is in
  },
  passwordConfig = { -- of pomelua.password
    cost = number "passwordCost",             -- of a hash: each more doubles it
    threads = number "passwordThreads",
    maxWaiting = number "passwordMaxWaiting", -- for a thread
    timeout = number "passwordTimeout",       -- milliseconds
  },
  stateConfig = { -- of state.__keep
    saveInterval = { kind = "number", least = 100, most = DAY_MS, default = 5000 }, -- milliseconds
    maxSize = { kind = "number", least = 1024, most = 67108864, default = 1048576 }, -- of a file
  },
  protobufConfig = { -- paths, from the app's folder
    serverProtos = of "path",
    clientProtos = of "path",
  },
  httpConfig = { -- of http.request
    timeout = range(1, 600000, 4000),            -- milliseconds, of a request
    connectTimeout = range(1, 600000, 2000),     -- milliseconds, until a connection is there
    waiting = range(1, 65536, 1024),             -- requests under way; more are refused
    connections = range(1, 4096, 64),            -- at once
    connectionsPerHost = range(1, 4096, 8),
    idle = range(1, DAY_MS, 60000),              -- milliseconds without a request: they are closed
    maxBody = range(1, 16777216, 1048576),       -- bytes of an answer's body
    maxHeaders = range(1024, 1048576, 65536),    -- bytes of an answer's headers
    allowPrivate = of "networks",                -- that requests may reach
    caFile = of "path",                          -- certificates to trust beside the system's
  },
  pushSchedulerConfig = {
    scheduler = { kind = "scheduler" },
    flushInterval = anything, -- what is pushed in one turn is always written together
    selector = refused("there is one way to push, so that there is nothing to select: messages of "
      .. "one turn are written together, at its end"),
  },
}
known.schedulerConfig = known.pushSchedulerConfig -- Pomelo reads both names

-- The keys that a group itself holds, without those that its metatable would add: only these have
-- been checked.
local function raw(given)
  local own = {}
  for key, value in next, given or own do own[key] = value end
  return own
end

-- Where a setting that its group does not have is known, as the end of a sentence.
local function elsewhere(key, rules)
  for _, group in ipairs(tables.sorted_keys(known)) do
    local others = known[group]
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

local function read_group(group, given, numbers, warnings)
  local rules = known[group]
  if type(given) ~= "table" then
    return nil, ("%s: must be a table, got %s"):format(group, tables.shown(given))
  end
  for _, key in ipairs(tables.sorted_keys(given)) do
    local value, rule = given[key], rules[key]
    if type(key) == "number" then
      return nil, ("%s: must be a table of settings by name, got a list%s"):format(group,
        rules.selector and "; " .. rules.selector.text or "")
    elseif not rule then
      return nil, ("%s.%s: there is no such setting%s")
        :format(group, type(key) == "table" and "(a table)" or errors.tostring(key),
          elsewhere(key, rules))
    end
    local wrong = check[rule.kind](rule, value)
    if wrong then return nil, ("%s.%s: %s"):format(group, key, wrong) end
    for name, inner in pairs(rule.kind == "limits" and rule.keys or {}) do
      local one = value and rawget(value, name)
      if value == false then one = 0 end
      if one ~= nil then numbers[inner.node_key] = one == true and 1 or one or 0 end
    end
    if rule.kind == "rate" then rate_setting.numbers(value, numbers) end
    if rule.kind == "resume" then resume_setting.numbers(rule, value, numbers) end
    if rule.node_key then
      numbers[rule.node_key] = kinds.node_number(rule, value)
    end
    if rule.kind == "scheduler" and (value == "buffer"
      or rawequal(value, settings.push_schedulers.buffer)) then
      warnings[#warnings + 1] = group .. ".scheduler: buffer does the same as direct: messages of "
        .. "one turn are written together in any case, and nothing waits for an interval"
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
  if not rule then return nil end
  local fits
  if rule.text then fits = truthy(value) else fits = not check[rule.kind](rule, value) end
  return fits and found .. "." .. key or nil
end

-- What is set beside the groups is the app's own, unless it is Pomelo's, nearly that, or nearly
-- a group. Gives the text of what is wrong, or nil.
local function read_others(values, warnings)
  local function warn(...) warnings[#warnings + 1] = (...):format(select(2, ...)) end
  for _, key in ipairs(tables.sorted_keys(values)) do
    local value = values[key]
    local group = not known[key] and near.to(key, known, 2)
    local pomelos = not known[key] and #key >= LONG and near.to(key, absent, 2)
    local setting = setting_of(key, value)
    local handler = type(value) == "function" and near.to(key, pomelo_settings.HANDLERS, 2)
    if declined[key] and truthy(value) then return ("%s: %s"):format(key, declined[key]) end
    if absent[key] then
      if truthy(value) then warn("%s: %s", key, absent[key]) end
    elseif group then
      warn("%s: no such group of settings, it does nothing; did you mean %s?", key, group)
    elseif handler then
      warn("%s: no error handler has this name, it is not called; did you mean %s?", key, handler)
    elseif setting then
      warn("%s: it is a value of the app's own, which changes nothing here; the setting is %s,"
        .. " app:set(%q, { %s = ... })", key, setting, setting:match("^%w+"), key)
    elseif pomelos and truthy(value) then
      warn("%s: it is a value of the app's own, which changes nothing here; Pomelo has %s: %s",
        key, pomelos, absent[pomelos])
    end
  end
end

-- httpConfig, with its defaults.
local function read_http(given)
  local http = { allowPrivate = given.allowPrivate or {}, caFile = given.caFile }
  for key, rule in pairs(known.httpConfig) do
    if rule.default then http[key] = given[key] or rule.default end
  end
  return http
end

local function set_of(list)
  local set = {}
  for _, one in next, list or {} do set[one] = true end
  return set
end

-- Numbers of the node that follow from other settings.
local function derive(numbers, values, entry)
  local connector, server = raw(values.connectorConfig), raw(values.serverConfig)
  numbers.maxConnections = entry["max-connections"]
  -- Deadlines nest: a forwarded request outlives its handler, so that the inner error is seen.
  if server.timeout and not server.forwardTimeout then
    numbers.forwardTimeout = math.floor(server.timeout) + 1000
  end
  if connector.auth and not connector.maxHandshakeSize then
    numbers.packageBefore = HANDSHAKE_WITH_TOKEN
  end
  if server.stopTimeout and not server.drainTime then -- a short stop has a short drain
    numbers.drainTime = math.min(of_node.drainTime.default, math.floor(server.stopTimeout / 2))
  end
end

-- The settings that the Lua half reads, by the names that it uses.
local function read_lua_half(numbers, values)
  local connector, server = raw(values.connectorConfig), raw(values.serverConfig)
  local channel, proxy = raw(values.channelConfig), raw(values.proxyConfig)
  local single = raw(values.sessionConfig).singleSession
  if single == true then single = "refuse" end
  return {
    heartbeat = (connector.heartbeat or 0) >= 1 and math.floor(connector.heartbeat) or nil,
    auth = token_keys.rules(connector.auth),
    handshake = connector.handshake,
    resume = numbers.resumeGrace and { grace = numbers.resumeGrace } or nil,
    door = { allow = connector.allow, deny = connector.deny, trusted = connector.trustedProxies,
      origins = connector.origins },
    blacklist_fun = connector.useHostFilter and connector.blacklistFun or nil,
    json_responses = set_of(connector.jsonResponses),
    check_client = connector.checkClient,
    ssl = ssl_setting.read(connector.ssl),
    route_costs = connector.rate and raw(connector.rate).routes or {},
    distinct_host = connector.distinctHost or false,
    single_session = single or nil,
    frontend_ms = value_of(values, "sessionConfig", "frontendTimeout"),
    use_protobuf = connector.useProtobuf,
    proto_paths = {
      server = raw(values.protobufConfig).serverProtos,
      client = raw(values.protobufConfig).clientProtos,
    },
    state_ms = value_of(values, "stateConfig", "saveInterval"),
    state_size = value_of(values, "stateConfig", "maxSize"),
    start_ms = value_of(values, "serverConfig", "startTimeout"),
    stop_ms = value_of(values, "serverConfig", "stopTimeout"),
    await_ms = value_of(values, "serverConfig", "awaitTimeout"),
    max_in_flight = value_of(values, "serverConfig", "maxInFlight"),
    reload = server.reload,
    by_weight = proxy.routerType == "wrr",
    by_hash = kinds.router_types[proxy.routerType] == kinds.router_types.hash,
    hash_field = proxy.hashFieldIndex,
    use_dict = connector.useDict or false,
    dict_path = raw(values.dictionaryConfig).dict,
    budget_ms = value_of(values, "serverConfig", "budget"),
    start_budget_ms = value_of(values, "serverConfig", "startBudget"),
    memory_mib = value_of(values, "serverConfig", "memoryHard"),
    rpc_ms = value_of(values, "proxyConfig", "timeout"),
    broadcast_filter = channel.broadcastFilter,
    auto_leave = channel.autoLeave or false,
    remove_empty = channel.removeEmpty or false,
    on_join = channel.onJoin,
    on_leave = channel.onLeave,
    store = channel.store,
    store_prefix = channel.prefix or "channels",
    console = server.console or false,
    forward_log = server.enableForwardLog or false,
    http = read_http(raw(values.httpConfig)),
  }
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
  local wrong = read_others(values, warnings)
  if wrong then return nil, wrong end
  setting_pairs.warn(values, value_of, warnings)
  wrong = resume_setting.beside(numbers, value_of(values, "connectorConfig", "queueHard"))
  if wrong then return nil, wrong end
  derive(numbers, values, entry)
  local checked = read_lua_half(numbers, values)
  checked.numbers, checked.warnings = numbers, warnings
  return checked
end

return settings
