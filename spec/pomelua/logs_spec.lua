-- Categories of the log, and config/log.json: which lines go where.
-- Tests config/log.lua and app/logs.lua.
local app = require "spec.support.app"
local cjson = require "cjson"
local config = require "pomelua.config.log"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local read = require("spec.support.files").read
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local uv = require "luv"

local WHERE = { base = "/game", env = "production", id = "chat-1", type = "chat" }

local function rules_of(text)
  local rules, faults, warnings = config.read("config/log.json", text, cjson.decode(text))
  local lines = {}
  for _, one in ipairs(faults) do lines[#lines + 1] = config.told(one) end
  return rules, lines, warnings
end

local function way(text, category)
  local rules, faults = rules_of(text)
  assert.same({}, faults)
  return config.way(rules, category, WHERE)
end

describe("config/log.json", function()
  local CLASSIC = [[{
    "appenders": [
      {"type": "console"},
      {"type": "file", "filename": "logs/all-${opts:serverId}.log"},
      {"type": "file", "filename": "${opts:base}/logs/pay.log", "category": "pay"},
      {"type": "dateFile", "filename": "/var/log/${opts:serverType}-${opts:env}.log",
        "category": ["pay", "pomelo"]}
    ],
    "levels": {"[all]": "WARN", "pay": "DEBUG"},
    "replaceConsole": true
  }]]

  it("sends a category to its appenders and to those of all", function()
    assert.same({ level = "debug", console = true, files = { "/game/logs/all-chat-1.log",
      "/game/logs/pay.log", "/var/log/chat-production.log" } }, way(CLASSIC, "pay"))
    assert.same({ level = "warn", console = true, files = { "/game/logs/all-chat-1.log" } },
      way(CLASSIC, "other"))
  end)

  it("calls the server's own lines pomelo", function()
    assert.same({ level = "warn", console = true, files = { "/game/logs/all-chat-1.log",
      "/var/log/chat-production.log" } }, way(CLASSIC, ""))
  end)

  it("may have categories as later versions of log4js have them", function()
    local text = [[{
      "appenders": {"out": {"type": "stdout"}, "pay": {"type": "file", "filename": "pay.log"}},
      "categories": {"default": {"appenders": ["out"], "level": "error"},
        "pay": {"appenders": ["pay"], "level": "trace"}}
    }]]
    assert.same({ level = "debug", console = false, files = { "/game/pay.log" } }, way(text, "pay"))
    assert.same({ level = "error", console = true, files = {} }, way(text, "other"))
    assert.same({ level = "error", console = true, files = {} }, way(text, ""))
  end)

  it("without appenders, or none at all, is standard error", function()
    assert.same({ level = "info", console = true, files = {} }, way('{"levels": {}}', "pay"))
    assert.same({ level = "info", console = true, files = {} },
      config.way(config.plain(), "pay", WHERE))
  end)

  it("without an appender for the server's own lines has them on standard error, and says so",
    function()
      for _, text in ipairs {
        '{"appenders": []}',
        '{"appenders": [{"type": "file", "filename": "pay.log", "category": "pay"}]}',
        '{"appenders": {"pay": {"type": "file", "filename": "pay.log"}},'
          .. '"categories": {"pay": {"appenders": ["pay"], "level": "info"}}}',
      } do
        local _, _, warnings = rules_of(text)
        assert.matches("no appender takes the server's own lines", table.concat(warnings, "\n"))
        assert.same({ level = "info", console = true, files = {} }, way(text, ""))
      end
      assert.same({}, (select(3, rules_of '{"appenders": [{"type": "console"}]}')))
    end)

  it("knows its categories, and not those of Pomelo", function()
    local rules, _, warnings = rules_of [[{
      "appenders": [{"type": "file", "filename": "x", "category": "crash-log", "maxLogSize": 1},
        {"type": "file", "filename": "y", "category": "b", "backups": 5},
        {"type": "smtp", "host": "x"}],
      "levels": {"a": "info", "rpc-debug": "ERROR", "[all]": "OFF"}, "lineDebug": false,
      "json": true, "queue": 65536
    }]]
    assert.same({ "a", "b" }, config.categories(rules))
    assert.equal("silent", rules.level)
    assert.is_true(rules.json)
    assert.equal(65536, rules.queue)
    assert.same({ "config/log.json: these do nothing here: appenders of the type smtp, backups, "
      .. "lineDebug, maxLogSize, the category crash-log; logrotate and SIGUSR1 take the place of "
      .. "rotation" }, warnings)
  end)

  for text, message in pairs {
    ["[1]"] = "config/log.json:1: must be an object, got a table",
    ['{"appenders": 5}'] = ":1: appenders: must be an array or an object, got 5",
    ['{"appenders": [\n5]}'] = ":2: appenders[0]: must be an object, got 5",
    ['{"appenders": [\n{}]}'] = ':2: appenders[0].type: must be "console" or "file", got nil',
    ['{"appenders": [\n{"type": "file"}]}'] = ":2: appenders[0].filename: must be the path",
    ['{"appenders": [{"type": "file", "filename": "${opts:serverid}"}]}'] =
      "appenders[0].filename: ${opts:serverid} is not known; there are ${opts:base}",
    ['{"appenders": [{"type": "console", "category": 5}]}'] =
      "appenders[0].category: must be a text or an array of texts, got 5",
    ['{"appender": []}'] = ":1: appender: no such key; did you mean appenders?",
    ['{"levels": []}'] = false,
    ['{"levels": 5}'] = "levels: must be an object of levels by category, got 5",
    ['{"levels": {"pay": "DEBUGG"}}'] = "levels.pay: must be DEBUG, INFO, WARN, ERROR or OFF, got "
      .. '"DEBUGG"; did you mean debug?',
    ['{"categories": {"a": 5}}'] = "categories.a: must be an object with an array appenders",
    ['{"appenders": {"out": {"type": "console"}}, "categories": {"a": {"appenders": ["uot"]}}}'] =
      'categories.a.appenders[0]: there is no appender "uot"; did you mean out?',
    ['{"appenders": [{"type": "console"}, {"type": "console"}],'
      .. ' "categories": {"a": {"appenders": ["out"]}}}'] =
      'categories.a.appenders[0]: there is no appender "out"',
    ['{"appenders": [{"type": "fill", "filename": "a"}]}'] =
      'appenders[0].type: there is no type "fill"; did you mean file?',
    ['{"appenders": [{"type": "file", "filename": "${opts:serverInfo}"}]}'] =
      "appenders[0].filename: ${opts:serverInfo} is not known",
    ['{"appenders": [{"type": "console",\n"categry": "pay"}]}'] =
      ":2: appenders[0].categry: no such key; did you mean category?",
    ['{"appenders": {"out": {"type": "console"}}, "categories": {\n"a": {"appenders": ["out"],\n'
      .. '"leveel": "info"}}}'] = ":3: categories.a.leveel: no such key; did you mean level?",
    ['{"json": 1}'] = "json: must be true or false, got 1",
    ['{"queue": 5}'] = "queue: must be a whole number of bytes from 65536 to 1073741824, got 5",
  } do
    it("is wrong: " .. text:gsub("\n", " "), function()
      local _, faults = rules_of(text)
      if not message then return assert.same({}, faults) end
      assert.truthy(faults[1] and faults[1]:find(message, 1, true), faults[1])
    end)
  end

  it("is looked for under Pomelo's name, and in the environment's folder", function()
    for _, name in ipairs { "log.json", "production/log.json", "log4js.json",
      "production/log4js.json" } do
      local base = tree.new { ["config/" .. name] = '{"levels": {"[all]": "ERROR"}}' }
      assert.equal("error", config.load(base, "production").level)
      tree.write(base, "config/" .. name, "{\n,}")
      local faults = config.check(base, "production")
      assert.matches("^config/" .. name:gsub("%p", "%%%0") .. ":2: ", config.told(faults[1]))
      tree.remove(base)
    end
  end)
end)

describe("pomelua.log.category", function()
  local base, server

  local function start(code)
    base = tree.new {
      ["config/servers.json"] = '{"chat": [{"id": "chat-1"}]}',
      ["app.lua"] = 'local pomelua = require "pomelua"\nlocal app = pomelua.createApp()\n' .. code
        .. "\napp:start()\n",
    }
    server = test.server { base = base, type = "chat" }
  end

  after_each(function()
    test.closeAll()
    tree.remove(base)
  end)

  local function said()
    local list = {}
    for _, line in ipairs(server:log()) do
      if line.text:find("^%[") then list[#list + 1] = line.level .. " " .. line.text end
    end
    return list
  end

  it("writes lines that name it, with a dot or a colon, and %j", function()
    start [[
      local pay = pomelua.log.category("pay")
      assert(pay == pomelua.log.category("pay") and pay.name == "pay")
      pay.info("paid %d %j", 5, { a = 1 })
      pay:warn("no %s", "money")
      pay.debug("100%")
    ]]
    assert.same({ 'info [pay] paid 5 {"a":1}', "warn [pay] no money", "debug [pay] 100%" }, said())
  end)

  it("has a level of its own", function()
    start [[
      local quiet = pomelua.log.category("quiet", "warn")
      quiet.info("not written: %s", setmetatable({}, { __tostring = error }))
      quiet.error("written")
    ]]
    assert.same({ "error [quiet] written" }, said())
  end)

  it("goes on without a number of its own when there are too many", function()
    start [[for i = 1, 258 do pomelua.log.category("c" .. i).info("line") end]]
    assert.equal(258, #said())
    local told = 0
    for _, line in ipairs(server:log()) do
      if line.text == "there are 256 categories already" then told = told + 1 end
    end
    assert.equal(2, told)
  end)

  for call, message in pairs {
    ["()"] = "name must be a text of 1 to 64 bytes", ["('')"] = "name must be a text",
    ["(('x'):rep(65))"] = "name must be a text", ["('a', 'loud')"] = "level must be \"debug\"",
  } do
    it("refuses " .. call, function()
      local ok, text = pcall(start, "pomelua.log.category" .. call)
      assert.is_false(ok)
      assert.truthy(text:find("app.lua:3: pomelua.log.category", 1, true), text)
      assert.truthy(text:find(message, 1, true), text)
    end)
  end
end)

describe("the log files of a program", function()
  local server

  local FILES = {
    ["config/servers.json"] = [[{
      "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
      "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}]],
    ["config/log.json"] = [[{
      "appenders": [{"type": "console"}, {"type": "file", "filename": "logs/${opts:serverId}.log"},
        {"type": "file", "filename": "logs/pay.log", "category": "pay"}],
      "levels": {"pay": "DEBUG", "quiet": "ERROR"}
    }]],
    ["app.lua"] = [[
      local pomelua = require "pomelua"
      local app = pomelua.createApp()
      app:set("connectorConfig", { distinctHost = true })
      local pay = pomelua.log.category("pay")
      pay.debug("begin")
      pomelua.log.category("quiet").warn("below its level")
      pomelua.log.debug("below the level")
      app:start()
    ]],
    ["app/servers/connector/handler/h.lua"] = [[
      local pay = require("pomelua").log.category("pay")
      return { pay = function(_, msg) pay.info("paid %d", msg.n) return { code = 200 } end }
    ]],
  }

  local function file(name) return read(server.dir .. "/logs/" .. name) or "" end

  local function wait(name, text)
    local tick = uv.new_timer() -- a file that grows wakes nobody
    tick:start(10, 10, function() end)
    local found = net.wait(function()
      return file(name):find(text, 1, true) ~= nil
    end, app.patience)
    tick:close()
    assert(found, name .. " does not get " .. text .. ": " .. file(name))
  end

  after_each(function()
    pomelo.closeAll()
    if server then server:stop { ".*" } end
    server = nil
  end)

  it("have the lines of their categories and servers, and are opened anew on SIGUSR1", function()
    server = app.start(FILES)
    local client = pomelo.connect(server.ports["connector-1"])
    client:request("connector.h.pay", { n = 5 })
    wait("pay.log", "connector-1 [pay] paid 5")
    assert.matches("chat-1 [pay] begin", file("pay.log"), 1, true)
    wait("connector-1.log", "[pay] paid 5")
    assert.not_matches("chat-1", file("connector-1.log"), 1, true)
    assert.not_matches("below", file("chat-1.log") .. file("pay.log"), 1, true)
    assert(os.rename(server.dir .. "/logs/pay.log", server.dir .. "/logs/pay.old"))
    server.process:kill("sigusr1")
    wait("pomelua.log", "SIGUSR1: 4 log files opened anew")
    client:request("connector.h.pay", { n = 6 })
    wait("pay.log", "[pay] paid 6")
    assert.not_matches("paid 6", file("pay.old"), 1, true)
    assert(net.wait(function() return server.process.err:find("[pay] paid 6", 1, true) end))
  end)

  it("are JSON, one object a line, when the log is", function()
    server = app.start(FILES, { args = { "--log-json" } })
    wait("pay.log", "begin")
    local line = cjson.decode(file("pay.log"):match("^[^\n]+"))
    assert.equal("pay", line.category)
    assert.equal("debug", line.level)
    assert.equal("begin", line.msg)
  end)

  local function fails(text, ...)
    local files = {}
    for path, content in pairs(FILES) do files[path] = content end
    files["config/log.json"] = text
    local dir = tree.new(files)
    local process = net.spawn(net.built("pomelua"), { "start", dir, ... })
    local status = process:waitExit(app.patience)
    net.closeAll()
    tree.remove(dir)
    return status, process.err
  end

  for what, row in pairs {
    ["that is wrong"] = { '{\n"levels": {"pay": 5}}', "config/log.json:2: levels.pay: must be",
      78 },
    ["with a file that cannot be opened"] = { '{"appenders": [{"type": "file", "filename": '
      .. '"/dev/null/x.log"}]}', "/dev/null/x.log: Not a directory", 1 },
    ["with a category's file that cannot be opened"] = { '{"appenders": [{"type": "file", '
      .. '"filename": "/dev/null/x.log", "category": "pay"}]}', 'config/log.json: the log category '
      .. '"pay": /dev/null/x.log: Not a directory', 78 },
  } do
    it("end the start of a file " .. what, function()
      local status, text = fails(row[1])
      assert.equal(row[3], status)
      assert.matches(row[2], text, 1, true)
    end)
  end
end)
