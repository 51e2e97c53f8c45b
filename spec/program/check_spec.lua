-- `pomelua check`: faults of every kind are named, with file and line, and nothing is started.
-- Tests cli/check.lua, cli/checks.lua, app/trial.lua and live/closed_doors.lua.
local checks = require "pomelua.cli.checks"
local cjson = require "cjson"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local GOOD = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("trail", { 1, 2 })
app:set("connectorConfig", { heartbeat = 30 })
app:route("chat", function(session) return session:get("chat") end)
app:start()
]],
  ["config/servers.json"] = [[
{
  "development": {
    "connector": [{ "id": "connector-1", "clientPort": 3010, "frontend": true, "zone": "eu" }],
    "chat": [{ "id": "chat-1" }]
  }
}
]],
  ["config/web.json"] = '{ "port": 3000 }',
  ["config/data/items.json"] = '[{ "id": 1 }]',
  ["web/index.html"] = "<p>",
  ["app/servers/connector/handler/entryHandler.lua"] =
    "return { enter = function() return {} end }\n",
  ["app/servers/chat/handler/chatHandler.lua"] = [[
return function(app)
  local Handler = {}
  function Handler:send() return { code = 200, at = app:getServerId() } end
  return Handler
end
]],
  ["app/servers/chat/remote/chatRemote.lua"] = "return { add = function() end }\n",
  ["spec/chat_spec.lua"] = "describe('chat', function() end)\n",
}

describe("pomelua check", function()
  local base

  after_each(function()
    net.closeAll()
    if base then tree.remove(base) end
    base = nil
  end)

  -- Makes the folder of a game, with some files in the place of good ones.
  local function game(given)
    local all = {}
    for path, text in pairs(GOOD) do all[path] = text end
    for path, text in pairs(given) do all[path] = text end
    base = tree.new(all)
  end

  local function run(...)
    local p = net.spawn(net.built("pomelua"), { "check", ... })
    local code = assert(p:waitExit(20000))
    local lines = {}
    for line in p.out:gmatch("[^\n]+") do lines[#lines + 1] = line end
    return code, lines, p.err
  end

  it("finds no fault where there is none", function()
    game {}
    local code, lines, err = run(base)
    assert.same({ "0 faults, 0 warnings in 8 files" }, lines)
    assert.same({ 0, "" }, { code, err })
  end)

  it("names a fault once that a server and the route dictionary both meet", function()
    game {
      ["config/dictionary.json"] = '["onChat"]',
      ["app/servers/chat/handler/chatHandler.lua"] = "return function()\n  error 'no disk'\nend\n",
    }
    local code, lines = run(base)
    assert.equal(1, code)
    assert.equal("app/servers/chat/handler/chatHandler.lua:2: no disk", lines[1])
    assert.matches("^1 fault, ", lines[2])
  end)

  for _, name in ipairs { "chat", "arena" } do
    local folder = "examples/" .. name
    local there = io.open(folder .. "/app.lua")
    if there then
      there:close()
      it("finds no fault in " .. folder, function()
        local report = checks.run(assert(files.absolute(folder)))
        assert.same({ {}, {} }, { report.faults, report.warnings })
      end)
    end
  end

  for what, row in pairs {
    ["a comment in a JSON file"] = { ["config/servers.json"] = "{\n  // the servers\n}\n",
      "config/servers.json:2: JSON has no comments; take this one out" },
    ["a broken file that only the game reads"] = { ["config/data/items.json"] = "[1,\n2,\n]",
      "config/data/items.json:3: the comma before ] must go: nothing follows it" },
    ["a wrong time of a cron"] = {
      ["config/crons.json"] = '{"chat": [\n{"id": 1, "time": "* * * * *", "action": "c.d"}]}',
      'config/crons.json:2: chat[0].time: "* * * * *": must have six fields' },
    ["a cron whose function is not there"] = {
      ["config/crons.json"] = '{"chat": [\n{"id": 1, "time": "* * * * * *", "action": "c.d"}]}',
      'config/crons.json:2: chat[0].action: there is no cron "c.d"' },
    ["a wrong level of the log"] = {
      ["config/log.json"] = '{"levels": {\n"pay": "DEBUGG"}}',
      "config/log.json:2: levels.pay: must be DEBUG, INFO, WARN, ERROR or OFF" },
    ["a wrong id"] = {
      ["config/servers.json"] = '{ "chat": [\n { "id": "chat-1" },\n { "id": "a b" } ] }',
      'config/servers.json:3: chat[1].id: must be a name without spaces, got "a b"' },
    ["a missing key"] = {
      ["config/servers.json"] = '{ "connector": [\n { "id": "a",\n "frontend": true } ] }',
      "config/servers.json:2: connector[0].clientPort: missing; a frontend needs the port" },
    ["a fault in another environment"] = {
      ["config/servers.json"] = '{ "development": { "chat": [{ "id": "a" }] },\n'
        .. '"staging": { "chat": [{ "id": "*" }] } }',
      'config/servers.json:2: staging.chat[0].id: "*" means every server' },
    ["a wrong page server"] = { ["config/web.json"] = '{\n\n"port": 70000 }',
      "config/web.json:3: port: must be a port, 0 to 65535, got 70000" },
    ["a server of the page server that is not there"] = {
      ["config/web.json"] = '{ "port": 1,\n"server": "chat-2" }',
      'config/web.json:2: server: there is no server "chat-2" in config/servers.json; did you mean '
        .. "chat-1?" },
    ["a wrong limit of HTTP requests"] = {
      ["config/web.json"] = '{ "port": 1,\n"server": "chat-1", "http": {\n"maxBody": 0 } }',
      "config/web.json:3: http.maxBody: must be a whole number, 1 to 16777216, got 0" },
    ["a route without a server"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start", 'app:http("GET", "/a", print)\napp:start'),
      "app.lua:6: config/web.json: server: missing; app:http needs the id of a server" },
    ["a route that is none"] = {
      ["config/web.json"] = '{ "port": 1, "server": "chat-1" }',
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start", 'app:http("GET", "a", print)\napp:start'),
      'app.lua:6: app:http("GET", "a"): "a": a path begins with "/"' },
    ["a wrong bus"] = { ["config/bus.json"] = '{ "development": {\n"urls": [ "nast://a" ] } }',
      "config/bus.json:2: development.urls[0]: nast:// is no scheme of the bus" },
    ["a wrong database"] = {
      ["config/databases.json"] = '{ "development": { "players": {\n"kind": "sqlit" } } }',
      "config/databases.json:2: development.players.kind: must be mysql, postgres, redis or sq" },
    ["a wrong migration"] = {
      ["config/databases.json"] = '{ "players": { "kind": "sqlite", "file": "a.db" } }',
      ["app/migrations/players/001_a.sql"] = "create table a (b);\ncommit;\n",
      "app/migrations/players/001_a.sql:2: a migration is one transaction by itself" },
    ["a database that there is not"] = {
      ["config/databases.json"] = '{ "players": { "kind": "sqlite", "file": "a.db" } }',
      ["app/servers/chat/remote/chatRemote.lua"] = "return function(app)\n"
        .. "  local db = app:get('databases').playrs\n  return {}\nend\n",
      "app/servers/chat/remote/chatRemote.lua:2: app:get(\"databases\"): config/databases.json: "
        .. "there is no database playrs in the environment development; did you mean players?" },
    ["JavaScript in a handler"] = {
      ["app/servers/chat/handler/chatHandler.lua"] = "\nvar x = 1\n",
      "app/servers/chat/handler/chatHandler.lua:2: " },
    ["a module without its end"] = { ["app/util/a.lua"] = "return function()\n",
      "app/util/a.lua:2: 'end' expected (to close 'function' at line 1) near '<eof>'" },
    ["a setting that is nearly one"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("heartbeat = 30", "\n  heartbeat = 30,\n  hartbeat = 3"),
      "app.lua:6: connectorConfig.hartbeat: there is no such setting; did you mean heartbeat?" },
    ["a setting of another module, of the wrong type"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:route", 'require "app.limits" (app)\n%0'),
      ["app/limits.lua"] =
        'return function(app)\n  app:set("serverConfig", { timeout = "5" })\nend\n',
      'app/limits.lua:2: serverConfig.timeout: must be a whole number, got "5"' },
    ["networks of HTTP that are none"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:route",
        'app:set("httpConfig", {\n  allowPrivate = { "10.0.0.1/8" } })\n%0'),
      'app.lua:6: httpConfig.allowPrivate: ' },
    ["a setting that is declined, of one environment and type"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start",
        'app:configure("production", "chat", function()\n  app:set("proxyConfig", '
        .. '{ failMode = "failover" })\nend)\n%0'),
      ["config/servers.json"] = '{ "development": { "chat": [{ "id": "a" }] },\n'
        .. '"production": { "chat": [{ "id": "a" }] } }',
      'app.lua:7: proxyConfig.failMode: "failfast" is what there is' },
    ["a weight that is none"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start",
        'app:set("proxyConfig", { routerType = "wrr" })\n%0'),
      ["config/servers.json"] = '{ "chat": [{ "id": "a", "weight": 0.5 }] }',
      'config/servers.json:1: chat[0].weight: routerType "wrr" wants a whole number' },
    ["a cron of app.lua whose function is not there"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start", 'app:configure("all", "chat", function()\n'
        .. '  app:addCrons { { id = 1, time = "* * * * * *", action = "clean.rum" } }\nend)\n%0'),
      ["app/servers/chat/cron/clean.lua"] = "return { run = function() end }",
      'app.lua:7: app:addCrons: "1": there is no cron "clean.rum"; did you mean clean.run?' },
    ["a type of appenders that is nearly one"] = {
      ["config/log.json"] = '{"appenders": [\n{"type": "fil", "filename": "a"}]}',
      'config/log.json:2: appenders[0].type: there is no type "fil"; did you mean file?' },
    ["a method of Pomelo's that is not needed"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start", "app:configureLogger({})\n%0"),
      "app.lua:6: app:configureLogger: config/log.json, or log4js.json, is read by itself" },
    ["an error in app.lua"] = { ["app.lua"] = GOOD["app.lua"]:gsub("app:start", "app:begin"),
      "app.lua:6: attempt to call method 'begin'" },
    ["an app that does not start"] = { ["app.lua"] = GOOD["app.lua"]:gsub("app:start%(%)", ""),
      "app.lua: app:start() has not been called" },
    ["a handler that cannot be loaded"] = {
      ["app/servers/chat/handler/chatHandler.lua"] =
        "return function(app)\n  return app.x.y\nend\n",
      "app/servers/chat/handler/chatHandler.lua:2: attempt to index field 'x'" },
    ["a remote that returns nothing"] = {
      ["app/servers/chat/remote/chatRemote.lua"] = "local Remote = {}\n",
      "app/servers/chat/remote/chatRemote.lua: the file returns nothing" },
    ["a module that is not there"] = {
      ["app/servers/chat/remote/chatRemote.lua"] =
        'local a = require "app.none"\nreturn { a = a }\n',
      "app/servers/chat/remote/chatRemote.lua:1: module 'app.none' not found" },
    ["a route dictionary that nothing uses"] = {
      ["config/dictionary.json"] = '[ "onChat",\n 7 ]',
      "config/dictionary.json:2: [1]: must be a route" },
    ["a handler that the route dictionary cannot run"] = {
      ["app.lua"] = GOOD["app.lua"]:gsub("heartbeat = 30 }%)",
        'useDict = true })\napp:set("limit", 5)'),
      ["app/servers/chat/handler/chatHandler.lua"] = 'return function(app)\n'
        .. '  return { ["go" .. ("%d"):format(app:get("limit"))] = print }\nend\n',
      "app/servers/chat/handler/chatHandler.lua:2: " },
    ["a proto of an unknown type that nothing uses"] = {
      ["config/serverProtos.json"] = '{\n "onChat": {\n  "required strin msg": 1 } }',
      "config/serverProtos.json:3: " },
    ["a cron at no time"] = {
      ["config/crons.json"] = '{ "development": { "chat": [\n{ "id": 1, "time": "0 0 25 * * *",\n'
        .. '"action": "clean.run" } ] } }',
      ["app/servers/chat/cron/clean.lua"] = "return { run = function() end }",
      "config/crons.json:2: development.chat[0].time: " },
    ["a cron of a file that is not there"] = {
      ["config/crons.json"] = '{ "chat": [ { "id": 1, "time": "0 0 5 * * *",\n'
        .. '"action": "clean.run" } ] }',
      "config/crons.json:2: chat[0].action: " },
    ["a broken spec"] = { ["spec/chat_spec.lua"] = "describe(\n", "spec/chat_spec.lua:2: " },
  } do
    it("names " .. what, function()
      local meant = table.remove(row)
      game(row)
      local faults = checks.run(base).faults
      assert.equal(meant, (faults[1] or ""):sub(1, #meant))
      assert.equal(1, #faults)
    end)
  end

  it("warns of a server for HTTP requests that has no routes", function()
    local web = { ["config/web.json"] = '{ "port": 1, "server": "chat-1" }' }
    game(web)
    assert.same({ "config/web.json:1: server: chat-1 has no routes: app:http is not called there" },
      checks.run(base).warnings)
    tree.remove(base)
    web["app/servers/chat/remote/chatRemote.lua"] = 'local app = require("pomelua").createApp()\n'
      .. 'app:http("GET", "/a", print)\nreturn { add = function() end }\n'
    game(web)
    local report = checks.run(base)
    assert.same({ {}, {} }, { report.faults, report.warnings })
  end)

  it("lets scripts read files, and neither write nor reach out", function()
    game {
      ["app.lua"] = [[
local pomelua = require "pomelua"
local redis = require "redis"
local app = pomelua.createApp()
local base = app:getBase()
local file = assert(io.open(base .. "/config/web.json"))
file:close()
assert(io.open(base .. "/written", "w") == nil)
assert(os.execute("touch " .. base .. "/written") == nil)
local client = redis.connect("127.0.0.1", 6379)
app:set("db", client)
app:set("serverConfig", { timeout = client:get("timeout"), budget = 100 })
local answer, err = require("pomelua.http").request { url = "https://auth.example/" }
assert(answer == nil and err.message:find "connects to nothing")
app:setTimeout(10, function() error "it does not run" end)
app:start(function() error "it does not run" end)
]],
      ["app/servers/chat/lifecycle.lua"] = 'return { beforeStartup = function() error "no" end }',
    }
    local report = checks.run(base)
    assert.same({ {}, {} }, { report.faults, report.warnings })
    assert.is_nil(io.open(base .. "/written"))
  end)

  it("stops a script that does not end", function()
    base = tree.new { ["app.lua"] = "\nwhile true do end\n" }
    local text, message = core.scratch("pomelua.app.trial", cjson.encode {
      base = base, env = "development", id = "a", servers = { { id = "a", serverType = "chat" } },
    }, 1000, 100)
    assert.matches("app.lua:2: stopped: over its budget of 1000 ms", text or message, 1, true)
  end)

  it("takes what the game sets for itself", function()
    game {
      ["app.lua"] = GOOD["app.lua"]:gsub("app:start", [[
app:set("rooms", { max = 5 })
app:set("chatConfig", { size = 3, anything = print })
app:enable("fun")
%0]]),
      ["config/servers.json"] = '{ "chat": [{ "id": "a", "weight": "heavy", "x": [1] }] }',
      ["config/game.json"] = '{ "a": 1, "a": 2 }',
    }
    local report = checks.run(base)
    assert.same({ {}, {} }, { report.faults, report.warnings })
  end)

  it("warns of what a start would warn of, with status 0", function()
    game {
      ["app/servers/chat/lifecyle.lua"] = "return {}",
      ["app.lua"] = GOOD["app.lua"]:gsub('route%("chat"', 'route("chatt"'),
    }
    local code, lines = run(base)
    table.sort(lines, function(a, b) return a:lower() > b:lower() end)
    assert.same({
      "warning: app/servers/chat/lifecyle.lua: it is not loaded there; did you mean lifecycle.lua?",
      'warning: app.lua:5: app:route: "chatt" is no server type; did you mean chat?',
      "0 faults, 2 warnings in 9 files",
    }, lines)
    assert.equal(0, code)
  end)

  it("warns with file and line of a group of settings, an event and words that are nearly one",
    function()
      game {
        ["app.lua"] = GOOD["app.lua"]:gsub("app:start", [[
app:set("sesionConfig", { singleSession = true })
app:enable("systemMonitor")
app.event:on("bind_sesion", print)
app:configure("all", "chatt", print)
app:set("connectorConfig", {})
%0]]),
      }
      local report = checks.run(base)
      assert.same({}, report.faults)
      table.sort(report.warnings)
      assert.same({
        "app.lua:10: app:set(\"connectorConfig\") again: it takes the place of the whole group, so "
          .. "that these have their defaults again: heartbeat",
        "app.lua:6: sesionConfig: no such group of settings, it does nothing; did you mean "
          .. "sessionConfig?",
        "app.lua:7: systemMonitor: Pomelua has no monitor; see pomelua list --json",
        "app.lua:8: app.event: there is no event bind_sesion, but of scripts; did you mean "
          .. "bind_session?",
        'app.lua:9: app:configure: "chatt" is no server type; did you mean chat?',
      }, report.warnings)
    end)

  it("warns of a cost in connectorConfig.rate for a route that no handler has", function()
    game {
      ["app.lua"] = GOOD["app.lua"]:gsub("heartbeat = 30", [[
rate = { routes = {
  ["connector.entryHandler.enter"] = 2, ["connector.entryHandler.enyer"] = 3 } }]]),
    }
    local report = checks.run(base)
    assert.same({ {}, { 'app.lua: connectorConfig.rate.routes["connector.entryHandler.enyer"]: no '
      .. "handler has this route; did you mean connector.entryHandler.enter?" } },
      { report.faults, report.warnings })
  end)

  it("warns of a definition of what clients send for a route that no handler has", function()
    game {
      ["config/clientProtos.json"] = [[{
  "message Name": { "required string name": 1 },
  "connector.entryHandler.enter": { "required Name who": 1 },
  "connector.entryHandler.enyer": { "required Name who": 1 } }]],
    }
    local report = checks.run(base)
    assert.same({ {}, { "config/clientProtos.json:4: connector.entryHandler.enyer: no handler has "
      .. "this route; did you mean connector.entryHandler.enter?" } },
      { report.faults, report.warnings })
  end)

  it("warns of an environment that is nearly one that everybody has", function()
    game {
      ["config/servers.json"] = GOOD["config/servers.json"]:gsub("development", "developmnt"),
    }
    local report = checks.run(base)
    assert.same({ {}, { "config/servers.json:2: developmnt: did you mean development? The "
      .. "environment is development when --env and NODE_ENV name none" } },
      { report.faults, report.warnings })
  end)

  it("warns of SQL that is put together, and of migrations of no database", function()
    game {
      ["config/databases.json"] = '{ "players": { "kind": "sqlite", "file": "a.db" } }',
      ["app/migrations/players/001_a.sql"] = "create table a (b);\n",
      ["app/migrations/player/001_a.sql"] = "create table a (b);\n",
      ["app/store.lua"] = "return function(db, name)\n"
        .. "  return db:query(\"select b from a where c = '\" .. name .. \"'\")\nend\n",
    }
    local report = checks.run(base)
    assert.same({}, report.faults)
    assert.same({
      "app/migrations/player: config/databases.json has no database of this name; did you mean "
        .. "players?",
      "app/store.lua:2: SQL that is put together: a value may end the text that it stands in and "
        .. "go on as SQL; write $1 in its place and give the value behind the SQL",
    }, report.warnings)
    assert.equal(11, report.files)
  end)

  it("opens no database", function()
    game {
      ["config/databases.json"] = '{ "players": { "kind": "sqlite", "file": "data/a.db" } }',
      ["app/servers/chat/remote/chatRemote.lua"] = "local sqlite = require 'pomelua.sqlite'\n"
        .. "local own = sqlite.open { file = 'data/b.db' }\nreturn function(app)\n"
        .. "  local rows = app:get('databases').players:query('select 1')\n"
        .. "  return { add = function() return own, rows end }\nend\n",
    }
    local report = checks.run(base)
    assert.same({ {}, {} }, { report.faults, report.warnings })
    assert.is_false(files.exists(base .. "/data"))
  end)

  it("has status 1 when there is a fault, and prints it", function()
    game { ["app/util/a.lua"] = "return {" }
    local code, lines = run(base)
    assert.equal(1, code)
    assert.same({ "app/util/a.lua:1: unexpected symbol near '<eof>'",
      "1 fault, 0 warnings in 9 files" }, lines)
  end)

  it("looks at one environment alone when it is named", function()
    game { ["config/servers.json"] = '{ "development": { "chat": [{ "id": "a" }] },\n'
      .. '"staging": { "chat": [{ "id": "*" }] } }' }
    assert.equal(0, (run(base, "--env", "development")))
    assert.equal(1, (run(base, "--env", "staging")))
    local code, lines = run(base, "--env", "stagin")
    assert.equal(1, code)
    assert.matches('config/servers.json: no environment "stagin"', lines[1], 1, true)
  end)

  it("tells a wrong folder and a wrong command line from a fault", function()
    base = tree.new {}
    assert.same({ 1, {}, "pomelua: check: there is no folder /nowhere\n" }, { run("/nowhere") })
    assert.same({ 1, {}, ("pomelua: check: there is no app.lua in %s\n"):format(base) },
      { run(base) })
    assert.same({ 2, {}, "pomelua: check: unknown option --fix (see: pomelua check --help)\n" },
      { run("--fix") })
  end)
end)
