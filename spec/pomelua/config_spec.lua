-- What config/ and the settings of app.lua may hold, and what is refused.
-- Tests config/servers.lua, app/settings.lua, app/pomelo_settings.lua, app/setting_kinds.lua,
-- app/rate_setting.lua and base/json_file.lua.
local config = require "pomelua.config.servers"
local json = require "pomelua.base.json"
local pomelua = require "pomelua"
local settings = require "pomelua.app.settings"
local tree = require "spec.support.tree"

describe("servers.json", function()
  local base
  after_each(function() if base then tree.remove(base) end end)

  local function read(value, env)
    local text = type(value) == "string" and value or assert(json.encode(value))
    base = tree.new { ["config/servers.json"] = text }
    return config.servers(base, env or "development")
  end

  local front = { id = "c-1", host = "127.0.0.1", clientPort = 3010, frontend = true }

  it("may have environments or not", function()
    assert.same({ "c-1" }, { assert(read { connector = { front } })[1].id })
    tree.remove(base)
    local list = assert(read { production = { chat = { { id = "x" } } },
      development = { connector = { front } } })
    assert.equal("c-1", list[1].id)
    assert.equal("connector", list[1].serverType)
  end)

  it("lies in the environment's folder when it is not in config", function()
    base = tree.new { ["config/production/servers.json"] = '{"chat":[{"id":"x"}]}' }
    assert.equal("x", assert(config.servers(base, "production"))[1].id)
  end)

  it("keeps fields that are the app's own", function()
    assert.equal("east", assert(read { chat = { { id = "x", region = "east" } } })[1].region)
  end)

  it("counts clusterCount out, over all entries of a type", function()
    local list = assert(read { chat = {
      { clusterCount = 2, host = "h", port = "3050++" }, { clusterCount = 1, port = 4000 },
    } })
    local seen = {}
    for _, entry in ipairs(list) do seen[#seen + 1] = entry.id .. ":" .. entry.port end
    assert.same({
      "cluster-server-chat-0:3050", "cluster-server-chat-1:3051", "cluster-server-chat-2:4000",
    }, seen)
  end)

  it("takes numbers and flags that are written as strings", function()
    local entry = assert(read { connector = {
      { id = "c", clientPort = "3010", frontend = "true", ["max-connections"] = "5" },
    } })[1]
    assert.same({ 3010, true, 5 }, { entry.clientPort, entry.frontend, entry["max-connections"] })
  end)

  local function fails(value, text, env)
    local list, message = read(value, env)
    assert.is_nil(list)
    assert.truthy(message:find(text, 1, true), message)
    assert.is_nil(message:find("\n"))
  end

  for what, row in pairs {
    ["an environment that is not there"] = { { production = { chat = { { id = "x" } } } },
      'config/servers.json: no environment "development" (there are: production)' },
    ["an environment that is nearly there"] = { { developement = { chat = { { id = "x" } } } },
      'no environment "development" (there are: developement; did you mean developement?)' },
    ["an id of 64 letters"] = { { chat = { { id = ("x"):rep(64) } } },
      "config/servers.json: chat[0].id: must be at most 63 letters long, has 64" },
    ["a comment"] = { '{\n// the rooms\n"chat": []}',
      "config/servers.json:2: JSON has no comments; take this one out" },
    ["a comment behind a value"] = { '{"chat": [\n{"id": "x"} /* one */]}',
      "config/servers.json:2: JSON has no comments" },
    ["a comment of a shell"] = { '# servers\n{}', "config/servers.json:1: JSON has no comments" },
    ["a comma too many"] = { '{"chat": [\n{"id": "x"},\n]}',
      "config/servers.json:3: the comma before ] must go" },
    ["single quotes"] = { "{\n'chat': []}",
      "config/servers.json:2: strings stand in double quotes" },
    ["names without quotes"] = { "{\nchat: []}",
      'config/servers.json:2: names stand in double quotes in JSON: "chat"' },
    ["UTF-16"] = { "\255\254{\0}\0", "config/servers.json: this is UTF-16 or UTF-32; save" },
    ["UTF-16 the other way round"] = { "\254\255\0{\0}", "config/servers.json: this is UTF-16" },
    ["UTF-16 without a mark"] = { "{\0}\0", "config/servers.json: this is UTF-16" },
    ["Latin-1"] = { '{"chat": [\n{"id": "caf\233"}]}',
      "config/servers.json:2: bytes that are not UTF-8; save the file as UTF-8" },
    ["nothing in it"] = { " \n", "config/servers.json: the file is empty" },
    ["bad JSON"] = { '{\n"chat": [\n{]\n}', "config/servers.json:3: " },
    ["a string that is not ended"] = { '{\n"chat": [\n{"id": "a\\"b\n}]}',
      "config/servers.json:3: this string has no end on its line; a line break in it is \\n" },
    ["a string with a line break of Windows"] = { '{"chat": [\r\n{"id": "a\r\n"}]}',
      "config/servers.json:2: this string has no end on its line" },
    ["a control character in a string"] = { '{"chat": [\n\t{"id": "a\27[2J"}]}',
      "config/servers.json:2: a control character; in a string it is \\u001b" },
    ["a control character between values"] = { '{"chat": [\n\f{"id": "a"}]}',
      "config/servers.json:2: a control character" },
    ["a number that no double holds"] = { '{"chat": [\n{"id": "a", "n": 1e999}]}',
      "config/servers.json: not JSON" },
    ["no list of servers"] = { { development = { chat = { id = "x" } } },
      "config/servers.json: development.chat: must be a list of servers" },
    ["a list beside environments"] = {
      { development = { chat = { { id = "x" } } }, chat = { { id = "y" } } },
      "config/servers.json: chat: must not be beside environments" },
    ["a server in the place of a list"] = { { chat = { id = "x" } },
      "config/servers.json: chat: must be a list of servers" },
    ["a type twice"] = { '{"chat": [{"id": "x"}],\n"chat": [{"id": "y"}]}',
      'config/servers.json:2: "chat" occurs twice in this object' },
    ["a key twice"] = { '{"chat": [{"id": "x", "n\\"": 1, "port": 1,\n"port": 2}]}',
      'config/servers.json:2: "port" occurs twice in this object' },
    ["an id in capitals"] = { { chat = { { ID = "x" } } }, 'got nil (there is "ID")' },
    ["a client port in another case"] = { { c = { { id = "x", frontend = true, clientport = 1 } } },
      'needs the port for its clients (there is "clientport")' },
    ["no id"] = { { chat = { { host = "h" } } }, "chat[0].id: must be a name" },
    ["one id twice"] = { { chat = { { id = "x" } }, gate = { { id = "x" } } },
      'config/servers.json: gate[0].id: "x" is also chat[0].id' },
    ["a port out of range"] = { { chat = { { id = "x", port = 70000 } } },
      "chat[0].port: must be a port, 0 to 65535, got 70000" },
    ["a port that is a word"] = { { chat = { { id = "x", port = "p" } } }, 'got "p"' },
    ["a frontend without its port"] = { { c = { { id = "x", frontend = true } } },
      "c[0].clientPort: missing" },
    ["one client port twice"] = { { c = { front,
      { id = "c-2", host = "127.0.0.1", clientPort = 3010, frontend = true } } },
      "c[1].clientPort: 3010 is also c[0].clientPort" },
    ["a bad max-connections"] = { { c = { { id = "x", ["max-connections"] = 0 } } },
      "c[0].max-connections: must be a whole number from 1, got 0" },
    ["a bad clusterCount"] = { { c = { { clusterCount = "many" } } },
      "c[0].clusterCount: must be" },
    ["words before ++"] = { { c = { { clusterCount = 2, port = "a++" } } }, "c[0].port: a number" },
    ["a bad frontend"] = { { c = { { id = "x", frontend = "maybe" } } }, "c[0].frontend: must be" },
    ["no server"] = { { development = {} }, "there is no server" },
    ["a list"] = { "[1]", "config/servers.json: must be an object" },
  } do
    it("is refused with " .. what, function() fails(row[1], row[2]) end)
  end

  it("may begin with a byte order mark", function()
    assert.equal("x", assert(read('\239\187\191{"chat": [{"id": "x"}]}'))[1].id)
  end)

  it("may have ids of 63 letters, and letters of all languages", function()
    assert.equal(63, #assert(read { chat = { { id = ("x"):rep(63) } } })[1].id)
    tree.remove(base)
    assert.equal("kö-1", assert(read { chat = { { id = "kö-1" } } })[1].id)
  end)

  local function warned(files, value)
    files["config/servers.json"] = assert(json.encode(value))
    base = tree.new(files)
    local list, message, warnings = config.servers(base, "development")
    assert(list, message)
    return warnings
  end

  it("warns of keys that are nearly known ones, and of no others", function()
    local handler = { ["app/servers/chat/handler/a.lua"] = "" }
    assert.same({
      "config/servers.json: chat[0].frontent: no such key; did you mean frontend?",
      "config/servers.json: chat[1].clientport: no such key; did you mean clientPort?",
      "config/servers.json: chat[1].maxConnections: no such key; did you mean max-connections?",
    }, warned(handler, { chat = {
      { id = "a", frontent = true, region = "east", level = 3, args = "x", cpu = 1 },
      { id = "b", clientport = 3010, maxConnections = 5 },
    } }))
  end)

  it("may have the same text in two objects, and comments", function()
    assert.equal(2, #assert(read('{"chat": [{"_": 1, "_": 2, "id": "x", "a": "id"},'
      .. ' {"id": "y", "port": 1, "id2": {"id": 3, "port": 4}}]}')))
  end)

  it("warns of a client port on which nobody listens", function()
    local handler = { ["app/servers/chat/handler/a.lua"] = "" }
    assert.same({ 'config/servers.json: chat[0].clientPort: it is not used: only a server '
      .. 'with "frontend": true takes clients' }, warned(handler, { chat = {
      { id = "a", clientPort = 3010 }, { id = "b", clientPort = 3011, frontend = false },
    } }))
  end)

  it("warns of a port for WebSocket alone", function()
    assert.same({ "config/servers.json: chat[0].wsPort: it is not used: clientPort takes TCP and "
      .. "WebSocket" }, warned({ ["app/servers/chat/handler/a.lua"] = "" },
      { chat = { { id = "a", clientPort = 3010, frontend = true, wsPort = 3050 } } }))
  end)

  it("is missed by a name that is nearly it", function()
    base = tree.new { ["config/server.json"] = "{}" }
    local _, message = config.servers(base, "development")
    assert.truthy(message:find("did you mean config/server.json?", 1, true), message)
  end)

  it("does not warn of a type whose server answers HTTP", function()
    assert.same({}, warned({ ["config/web.json"] = '{ "port": 3001, "server": "web-1" }' },
      { web = { { id = "web-1" } } }))
    assert.same({}, warned({
      ["config/web.json"] = '{ "development": { "port": 3001, "server": "web-1" } }',
    }, { web = { { id = "web-1" } } }))
  end)

  it("warns of a type without a folder", function()
    assert.same({ "config/servers.json: chatt: there is no folder app/servers/chatt, so these "
      .. "servers have no handlers and no remotes; did you mean chat?",
      "config/servers.json: master: there is no folder app/servers/master, so these servers have"
      .. " no handlers and no remotes" },
      warned({ ["app/servers/chat/handler/a.lua"] = "" },
        { chatt = { { id = "a" }, { id = "b" } }, chat = { { id = "c" } },
          master = { { id = "m" } } }))
  end)

  it("must be there", function()
    base = tree.new {}
    local _, message = config.servers(base, "development")
    assert.truthy(message:find("config/servers.json: there is no such file", 1, true))
  end)
end)

describe("settings", function()
  it("become the node's numbers", function()
    local read = assert(settings.read({
      connectorConfig = { heartbeat = 3, timeout = 7, maxPackageSize = 1000 },
      serverConfig = { timeout = 2000 },
    }, { ["max-connections"] = 9 }))
    assert.same({
      heartbeat = 3, timeout = 7, packageAfter = 1000, handlerTimeout = 2000,
      forwardTimeout = 3000, maxConnections = 9,
    }, read.numbers)
    assert.same({}, read.warnings)
  end)

  for key, row in pairs {
    ["connectorConfig.heartbeat"] = { { connectorConfig = { heartbeat = "3" } },
      'must be a whole number, got "3"' },
    ["connectorConfig.handshake"] = { { connectorConfig = { handshake = 1 } },
      "must be a function" },
    ["connectorConfig.connector"] = { { connectorConfig = { connector = "sio" } },
      'must be pomelua.connectors.hybridconnector, got "sio"' },
    ["connectorConfig.jsonResponses"] = { { connectorConfig = { jsonResponses = "c" } },
      'must be a list of strings, got "c"' },
    ["sessionConfig.singleSession"] = { { sessionConfig = { singleSession = "kick" } },
      'got "kick"' },
    ["proxyConfig.timeout"] = { { proxyConfig = { timeout = 0 } }, "from 1 to 86400000, got 0" },
    ["serverConfig"] = { { serverConfig = 5 }, "must be a table, got 5" },
  } do
    it("name the key when " .. key .. " is wrong", function()
      local read, message = settings.read(row[1], {})
      assert.is_nil(read)
      assert.equal(1, message:find(key .. ": ", 1, true))
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end

  for key, row in pairs {
    ["connectorConfig.hartbeat"] = { 3, "there is no such setting; did you mean heartbeat?" },
    ["connectorConfig.maxInFlight"] = { 5, "there is no such setting; it belongs to serverConfig" },
    ["connectorConfig.useCrypto"] = { true, "docs/tls.md" },
    ["connectorConfig.useAsyncCoder"] = { true, "a filter (app:before, app:after)" },
    ["connectorConfig.encode"] = { print, "a filter (app:before, app:after)" },
    ["connectorConfig.decode"] = { print, "a filter (app:before, app:after)" },
    ["connectorConfig.ssl"] = { {}, "cert must be the path of a file" },
    ["connectorConfig.deny"] = { { "10.0.0.1/8" }, "the network is '10.0.0.0/8'" },
    ["connectorConfig.allow"] = { 5, "must be a list of addresses and networks, got 5" },
    ["connectorConfig.trustedProxies"] = { { "proxy" }, "'proxy' is neither an address nor" },
    ["connectorConfig.origins"] = { { "game.example" }, "'game.example' is no origin: write" },
    ["connectorConfig.connector"] = { "mqttconnector",
      "a client of socket.io, MQTT or UDP takes pomelo-jsclient-websocket" },
    ["connectorConfig.disconnectOnTimeout"] = { false, "is always true in Pomelua, got false: a" },
    ["serverConfig.reloadHandlers"] = { true, "write serverConfig = { reload = true }" },
    ["remoteConfig.reloadRemotes"] = { true, "write serverConfig = { reload = true }" },
    ["remoteConfig.acceptorFactory"] = { print, "one transport" },
    ["proxyConfig.mailboxFactory"] = { {}, "one transport" },
    ["proxyConfig.pendingSize"] = { 10, "maxCalls bounds the calls" },
    ["proxyConfig.routerType"] = { "rw", 'must be "uid", "rr", "wrr", "la" or "hash"' },
    ["proxyConfig.hashFieldIndex"] = { -1, "a whole number from 0 to 249" },
    ["proxyConfig.failMode"] = { "failover", '"failfast" is what there is, got "failover"' },
    ["pushSchedulerConfig.selector"] = { print, "there is nothing to select" },
    ["schedulerConfig.scheduler"] = { { { id = "direct" } }, "there is nothing to select" },
    ["pushSchedulerConfig.scheduler"] = { print, "no schedulers of the game's own" },
  } do
    it("refuse " .. key .. " and say what to use", function()
      local group, name = key:match("^(%w+)%.(%w+)$")
      local read, message = settings.read({ [group] = { [name] = row[1] } }, {})
      assert.is_nil(read)
      assert.equal(1, message:find(key .. ": ", 1, true))
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end

  it("take a rate, whose burst is twice its messages, and none for false", function()
    local function numbers(rate)
      return assert(settings.read({ connectorConfig = { rate = rate } }, {})).numbers
    end
    assert.same({}, numbers())
    assert.same({}, numbers {})
    assert.same({ rateMessages = 0 }, numbers(false))
    assert.same({ rateMessages = 10, rateBurst = 20 }, numbers { messages = 10 })
    assert.same({ rateMessages = 900000, rateBurst = 1000000 }, numbers { messages = 900000 })
    assert.same({ rateMessages = 10, rateBurst = 15, rateBytes = 99 },
      numbers { messages = 10, burst = 15, bytes = 99 })
    local read = assert(settings.read({
      connectorConfig = { rate = { routes = { ["chat.chatHandler.send"] = 5 } } },
    }, {}))
    assert.same({ ["chat.chatHandler.send"] = 5 }, read.route_costs)
    assert.same({}, assert(settings.read({ connectorConfig = { rate = false } }, {})).route_costs)
  end)

  for text, rate in pairs {
    ["must be false or a table, got true"] = true,
    ["messagez: there is no such key; did you mean messages?"] = { messagez = 5 },
    ["messages: must be a whole number, got \"5\""] = { messages = "5" },
    ["messages: must be from 1; rate = false is no limit"] = { messages = 0 },
    ["bytes: must be a whole number from 1 to 1073741824, got 0"] = { bytes = 0 },
    ["burst (4) is smaller than messages (5)"] = { messages = 5, burst = 4 },
    ["burst (100) is smaller than messages (5000)"] = { burst = 100 },
    ["routes: must be a table"] = { routes = 5 },
    ['routes: the key "send" is no route'] = { routes = { send = 5 } },
    ["routes: the key 1 is no route"] = { routes = { "chat.chatHandler.send" } },
    ['routes: ["a.b.c"]: the cost of one message must be a whole number from 0 to 1000000, got -'] =
      { routes = { ["a.b.c"] = -1 } },
    ['routes: ["a.b.c"]: the cost 11 is above burst (10)'] =
      { messages = 5, routes = { ["a.b.c"] = 11 } },
  } do
    it("refuse a rate: " .. text, function()
      local read, message = settings.read({ connectorConfig = { rate = rate } }, {})
      assert.is_nil(read)
      assert.equal("connectorConfig.rate: ", message:sub(1, 22))
      assert.truthy(message:find(text, 1, true), message)
    end)
  end

  it("take a list of clients that read JSON, by what they say in their handshake", function()
    local read = assert(settings.read({ connectorConfig = { jsonResponses = { "c", "unity" } } },
      {}))
    assert.same({ c = true, unity = true }, read.json_responses)
    assert.same({}, assert(settings.read({}, {})).json_responses)
    local _, message = settings.read({ connectorConfig = { jsonResponses = { "c", 5 } } }, {})
    assert.equal("connectorConfig.jsonResponses: must be a list of strings, got an entry 5",
      message)
  end)

  it("take a key of Pomelo's that is off, and what Pomelua always does", function()
    assert.same({}, assert(settings.read({
      connectorConfig = { useCrypto = false, ssl = false, setNoDelay = true, closeMethod = "end",
        disconnectOnTimeout = true },
      proxyConfig = { failMode = "failfast", bufferMsg = true, interval = 30 },
      pushSchedulerConfig = { scheduler = pomelua.pushSchedulers.direct },
      schedulerConfig = { scheduler = "direct" },
    }, {})).warnings)
  end)

  it("say of the buffer scheduler that every push is buffered for a turn", function()
    for _, value in ipairs { pomelua.pushSchedulers.buffer, "buffer" } do
      local read = assert(settings.read({
        pushSchedulerConfig = { scheduler = value, flushInterval = 20 } }, {}))
      assert.same({ "pushSchedulerConfig.scheduler: buffer does the same as direct: messages of "
        .. "one turn are written together in any case, and nothing waits for an interval" },
        read.warnings)
    end
  end)

  it("name what there is when a connector or a scheduler is asked for that is not", function()
    for _, row in ipairs {
      { "connectors", "sioconnector", "there is only hybridconnector: TCP and WebSocket" },
      { "connectors", "udpconnector", "there is only hybridconnector" },
      { "pushSchedulers", "multi", "there are direct and buffer" },
    } do
      local ok, err = pcall(function() return pomelua[row[1]][row[2]] end)
      assert.is_false(ok)
      assert.matches("pomelua." .. row[1] .. "." .. row[2] .. ": " .. row[3], err, 1, true)
    end
  end)

  it("refuse a list in the place of a group, Pomelo's list of schedulers, too", function()
    for group, text in pairs {
      serverConfig = "got a list$",
      pushSchedulerConfig = "got a list; there is one way to push",
    } do
      local read, message = settings.read({ [group] = { { id = 1 } } }, {})
      assert.is_nil(read)
      assert.matches("^" .. group .. ": must be a table of settings by name, " .. text, message)
    end
  end)

  it("refuse what would take Pomelua's transport or protobuf from it", function()
    for _, key in ipairs { "rpcServer", "rpcClient", "decodeIO_protobufConfig" } do
      local read, message = settings.read({ [key] = {} }, {})
      assert.is_nil(read)
      assert.matches("^" .. key .. ": ", message)
    end
  end)

  for key, row in pairs {
    conectorConfig = { {},
      "no such group of settings, it does nothing; did you mean connectorConfig?" },
    sessionconfig = { {}, "did you mean sessionConfig?" },
    globalFilters = { {}, "say app:globalFilter(f) for each filter" },
    systemMonitor = { true, "Pomelua has no monitor" },
    systemMonitr = { true, "Pomelo has systemMonitor: Pomelua has no monitor" },
    reload = { true, "the setting is serverConfig.reload, app:set(\"serverConfig\", { reload" },
    heartbeat = { 5, "the setting is connectorConfig.heartbeat" },
    broadcastFilter = { print, "the setting is channelConfig.broadcastFilter" },
    useDict = { true, "the setting is connectorConfig.useDict" },
    errorhandler = { print, "it is not called; did you mean errorHandler?" },
    rpcErorHandler = { print, "it is not called; did you mean rpcErrorHandler?" },
  } do
    it("are warned of when they are in " .. key, function()
      local warnings = assert(settings.read({ [key] = row[1] }, {})).warnings
      assert.equal(1, #warnings)
      assert.matches("^" .. key .. ": ", warnings[1])
      assert.matches(row[2], warnings[1], 1, true)
    end)
  end

  -- Tests app/setting_pairs.lua.
  for text, group in pairs {
    ["connectorConfig.queueSoft (9000000) is larger than queueHard (8388608), so that it is never "
      .. "reached"] = { connectorConfig = { queueSoft = 9000000 } },
    ["serverConfig.memorySoft (1024) is larger than memoryHard (100), so that the process ends "
      .. "before requests are refused"] = { serverConfig = { memoryHard = 100 } },
    ["serverConfig.stopGrace (2000) is larger than stopTimeout (500), which is the whole of a stop"]
      = { serverConfig = { stopTimeout = 500, stopGrace = 2000 } },
    ["serverConfig.drainTime (9000) and stopGrace (2000) are together larger than stopTimeout "
      .. "(10000), which is the whole of a stop: clients are told to move within 8000 ms"]
      = { serverConfig = { drainTime = 9000 } },
    ['proxyConfig.hashFieldIndex: it does nothing without routerType = "hash"'] =
      { proxyConfig = { hashFieldIndex = 0, routerType = "rr" } },
    ["connectorConfig.timeout: it does nothing without connectorConfig.heartbeat"] =
      { connectorConfig = { timeout = 5 } },
    ["connectorConfig.timeout (5 s) is not longer than heartbeat (5 s): clients that are silent "
      .. "between two heartbeats are closed"] =
      { connectorConfig = { heartbeat = 5, timeout = 5 } },
  } do
    it("are warned of: " .. text, function()
      assert.same({ text }, assert(settings.read(group, {})).warnings)
    end)
  end

  it("are told when a group that is set again loses keys", function()
    assert.equal("budget, timeout", settings.lost({ timeout = 1, budget = 2, console = true },
      { console = false }))
    assert.is_nil(settings.lost({ timeout = 1 }, { timeout = 2, budget = 1 }))
    assert.is_nil(settings.lost(nil, {}))
  end)

  it("may stand beside values that are the app's own", function()
    assert.same({}, assert(settings.read({ env = "x", roomConfig = {}, gameConfig = {}, db = 1,
      userConfig = {}, systemMonitor = false, items = {}, timeout = 5, heartbeat = "never",
      reload = {}, debugLog = true, hash = true }, {})).warnings)
  end)

  it("cut a fraction of a second off, and refuse what is no number", function()
    local numbers = assert(settings.read({ connectorConfig = { heartbeat = 2.5, timeout = 7.9 } },
      {})).numbers
    assert.same({ heartbeat = 2, timeout = 7 }, numbers)
    for _, value in ipairs { 0 / 0, 1 / 0, -1 } do
      assert.is_nil((settings.read({ connectorConfig = { heartbeat = value } }, {})))
    end
    assert.is_nil((settings.read({ serverConfig = { timeout = 2.5 } }, {})))
  end)
end)
