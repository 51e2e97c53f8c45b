-- How a server comes up: the handshake, the steps of lifecycle.lua, app.
-- Tests message/handshake.lua, app/lifecycle.lua, app/app.lua, app/server.lua and
-- app/server_info.lua.
local core = require "pomelua.core"
local pomelua = require "pomelua"
local server = require "pomelua.app.server"
local tree = require "spec.support.tree"
local world = require "spec.support.world"

describe("handshake", function()
  local w, one, real, answer

  -- The node cannot be asked what it answered: the spec stands between.
  local function ask(settings, body)
    w = world.single()
    one = w:load("connector-1", { settings = settings or {} })
    answer = nil
    real = one.node
    local spy = { handshake = function(_, _, code, text)
      answer = code .. " " .. text
    end }
    one.node = setmetatable(spy, { __index = function(_, name)
      return function(_, ...) return real[name](real, ...) end
    end })
    require("pomelua.message.handshake").asked(one, real:openSession(),
      body or '{"sys":{"type":"t","version":"1"}}')
    return answer
  end

  after_each(function()
    one.node = real
    w:close()
  end)

  it("accepts, without a heartbeat when none is configured", function()
    assert.equal('200 {"code":200,"sys":{}}', ask())
  end)

  it("announces the heartbeat", function()
    assert.equal('200 {"code":200,"sys":{"heartbeat":3}}',
      ask { connectorConfig = { heartbeat = 3 } })
  end)

  for what, body in pairs {
    ["no JSON"] = "{", ["null"] = "null", ["no sys"] = "{}", ["nothing"] = "",
  } do
    it("refuses " .. what, function() assert.equal('500 {"code":500}', ask(nil, body)) end)
  end

  it("asks checkClient", function()
    local seen
    assert.equal('501 {"code":501}', ask { connectorConfig = {
      checkClient = function(kind, version) seen = { kind, version } end,
    } })
    assert.same({ "t", "1" }, seen)
  end)

  it("adds what the app's handshake gives", function()
    assert.equal('200 {"code":200,"sys":{},"user":{"a":1}}', ask { connectorConfig = {
      handshake = function(msg, cb, session)
        assert(msg.sys and session.id)
        cb(nil, { a = 1 })
      end,
    } })
  end)

  it("is refused when the app's handshake fails", function()
    assert.equal('500 {"code":500}', ask { connectorConfig = {
      handshake = function(_, cb) cb("no") end,
    } })
  end)

  it("is refused when the app's handshake raises", function()
    assert.equal('500 {"code":500}', ask { connectorConfig = {
      handshake = function() error "no" end,
    } })
  end)

  it("may take its time", function()
    assert.is_nil(ask { connectorConfig = { handshake = function(_, cb)
      pomelua.sleep(10)
      cb(nil)
    end } })
    real:advance(10)
    assert.equal('200 {"code":200,"sys":{}}', answer)
  end)
end)

describe("a server", function()
  local base, one, calls

  -- A node that says what the program would be told.
  local function start(files, info, settings)
    base = tree.new(files)
    calls = {}
    local real = core.node { id = "x-1", type = "x", frontend = false }
    local function note(name)
      return function(_, text) calls[#calls + 1] = text and name .. " " .. text or name end
    end
    local node = setmetatable({
      real = real, loaded = note "loaded", failed = note "failed", listening = note "listening",
      stopped = note "stopped", patient = note "patient", shutdown = note "shutdown",
      serveHttp = function() calls[#calls + 1] = "serveHttp" end,
    }, { __index = function(self, name)
      local function method(_, ...) return real[name](real, ...) end
      rawset(self, name, method)
      return method
    end })
    one = server.new(node, { base = base, info = info or { id = "x-1", serverType = "x" },
      shared = true })
    for key, value in pairs(settings or {}) do one.app:set(key, value) end
    one:run("app.lua", function() one.app:start() end)
  end

  after_each(function()
    one.node.real:close()
    tree.remove(base)
  end)

  it("loads, starts and stops, with the app's steps between", function()
    start { ["app/servers/x/lifecycle.lua"] = [[
      local pomelua = require "pomelua"
      local L = {}
      local function note(app, what) app:set("seen", (app:get("seen") or "") .. what .. " ") end
      function L.beforeStartup(app, cb) note(app, "beforeStartup") pomelua.sleep(5) cb() end
      function L:afterStartup(app, cb) note(app, "afterStartup") cb(nil) end
      function L.afterStartAll(app) note(app, "afterStartAll") end
      function L.beforeShutdown(app, cb, cancel) note(app, "beforeShutdown") cancel() cb() end
      return L
    ]] }
    assert.same({}, calls)
    one.node:advance(5)
    assert.same({ "loaded" }, calls)
    local events = {}
    one.event:on("start_server", function(id) events[#events + 1] = id end)
    one.event:on("start_all", function() events[#events + 1] = "all" end)
    local lifecycle = require "pomelua.app.lifecycle"
    lifecycle.start(one)
    lifecycle.started(one)
    one.event:on("drain", function(id) events[#events + 1] = "drain " .. id end)
    one.event:on("stop_server", function(id) events[#events + 1] = "stop " .. id end)
    for number, step in ipairs { "draining", "closing", "telling", "shutdown" } do
      lifecycle.stop(one, step, number)
    end
    assert.same({ "loaded", "listening", "stopped 1", "stopped 2", "stopped 3", "patient",
      "stopped 4" }, calls)
    assert.same({ "x-1", "all", "drain x-1", "stop x-1" }, events)
    assert.equal("beforeStartup afterStartup afterStartAll beforeShutdown ", one.app:get("seen"))
  end)

  it("tells its HTTP routes before it says that it is up, or reloaded", function()
    local path = "app/servers/x/routes.lua"
    local text = 'require("pomelua").createApp():http("GET", "/%s", function() end)\nreturn {}'
    start { ["config/web.json"] = '{ "port": 1, "root": false, "server": "x-1" }',
      ["app/servers/x/lifecycle.lua"] = 'require "app.servers.x.routes"\nreturn {}',
      [path] = text:format "a" }
    assert.same({ "loaded" }, calls)
    require("pomelua.app.lifecycle").start(one)
    assert.same({ "loaded", "serveHttp", "listening" }, calls)
    tree.write(base, path, text:format "b")
    one:reload { cb = function(err) calls[#calls + 1] = err and err.message or "reloaded" end }
    one.node:advance(10)
    assert.same({ "loaded", "serveHttp", "listening", "serveHttp", "reloaded" }, calls)
  end)

  for what, row in pairs {
    ["a handler that does not parse"] = { { ["app/servers/x/handler/h.lua"] = "return {" },
      "h.lua:1:" },
    ["beforeStartup that calls back with an error"] = { { ["app/servers/x/lifecycle.lua"] =
      "return { beforeStartup = function(app, cb) cb('no') end }" }, "beforeStartup: no" },
    ["beforeStartup that returns nil, err"] = { { ["app/servers/x/lifecycle.lua"] =
      "return { beforeStartup = function(app, cb) return nil, 'no' end }" },
      "beforeStartup: no" },
    ["beforeStartup that raises"] = { { ["app/servers/x/lifecycle.lua"] =
      "return { beforeStartup = function() error('no', 0) end }" }, "beforeStartup: no" },
    ["a step that is no function"] = { { ["app/servers/x/lifecycle.lua"] =
      "return { afterStartup = 5 }" }, "afterStartup must be a function" },
  } do
    it("fails with one line for " .. what, function()
      start(row[1])
      assert.equal(1, #calls)
      assert.equal("failed", calls[1]:match("^%a+"))
      assert.truthy(calls[1]:find(row[2], 1, true), calls[1])
      assert.is_nil(calls[1]:find("\n"))
    end)
  end

  it("fails when beforeStartup does not end", function()
    start { ["app/servers/x/lifecycle.lua"] = "return { beforeStartup = function(app, cb) end }" }
    one.node:advance(30000)
    assert.same({ "failed beforeStartup: beforeStartup did not end within 30000 ms" }, calls)
  end)

  it("waits for beforeShutdown once, however often it is asked to stop", function()
    start { ["app/servers/x/lifecycle.lua"] =
      "return { beforeShutdown = function(app, cb) app:setTimeout(3500, cb) end }" }
    local lifecycle = require("pomelua.app.lifecycle")
    lifecycle.stop(one, "shutdown", 1)
    lifecycle.stop(one, "shutdown", 2)
    one.node:advance(3499)
    assert.same({ "loaded" }, calls)
    one.node:advance(1)
    lifecycle.stop(one, "shutdown", 3)
    assert.same({ "loaded", "stopped 2", "stopped 3" }, calls)
  end)

  for step, event in pairs { draining = "drain", telling = "stop_server" } do
    it("tells scripts of a stop by " .. event .. ", once, and waits for the listeners", function()
      start {}
      local lifecycle, task = require "pomelua.app.lifecycle", require "pomelua.run.task"
      local times = 0
      one.event:on(event, function()
        times = times + 1
        task.sleep(40)
      end)
      lifecycle.stop(one, step, 1)
      assert.same({ "loaded" }, calls)
      one.node:advance(39)
      assert.same({ "loaded" }, calls)
      one.node:advance(10)
      assert.same({ "loaded", "stopped 1" }, calls)
      lifecycle.stop(one, step, 2)
      assert.same({ "loaded", "stopped 1", "stopped 2" }, calls)
      assert.equal(1, times)
    end)
  end

  it("starts once", function()
    start {}
    local message
    one.app:start(function(err) message = err.message end)
    assert.equal("application has already start.", message)
  end)

  it("fails with the key of a wrong setting", function()
    start({}, nil, { serverConfig = { timeout = "long" } })
    assert.matches('^failed spec/pomelua/lifecycle_spec.lua:%d+: serverConfig.timeout: must be a '
      .. 'whole number, got "long"$', calls[1])
    assert.equal(1, #calls)
  end)
end)

describe("app", function()
  local w, app

  before_each(function()
    w = world.usual()
    app = w.servers["connector-1"].app
  end)
  after_each(function() w:close() end)

  it("keeps values", function()
    assert.equal(app, app:set("a", 1))
    assert.equal(1, app:get("a"))
    assert.equal(1, app:set("a"))
    app:enable("b")
    assert.is_true(app:enabled("b"))
    app:disable("b")
    assert.is_true(app:disabled("b"))
    app:set("mine", "x", true)
    assert.equal("x", app.mine)
    assert.has_error(function() app:set("get", 1, true) end, "app:set: app.get is taken")
  end)

  it("configures by environment and type", function()
    local seen = {}
    local function note(what) return function() seen[#seen + 1] = what end end
    app:configure(note "all")
    app:configure("development", note "env")
    app:configure("production|development", "connector|gate", note "both")
    app:configure("production", note "no")
    app:configure("all", "chat", note "no")
    app:configure("all", "all", note "words")
    assert.same({ "all", "env", "both", "words" }, seen)
  end)

  it("is told of words of configure and route that are nearly right", function()
    local function nothing() end
    app:configure("developement", "all", nothing)
    app:configure("production,development", nothing)
    app:configure("chat", "all", nothing)
    app:configure("all", "conector|chat", nothing)
    app:configure("staging|test", "area|master", nothing)
    app:route("chatt", nothing)
    app:route("area", nothing)
    app:route("default", nothing)
    local seen = {}
    for _, line in ipairs(w.servers["connector-1"].node:lines()) do
      local text = line.text:match("^[^:]+:%d+: (app:[cr]o.*)")
      if text then seen[#seen + 1] = text end
    end
    assert.same({
      'app:configure: "developement" is not an environment of this app; did you mean development?',
      'app:configure: "production,development" is not an environment: write | between several',
      'app:configure: "chat" is a server type; the environment comes first',
      'app:configure: "conector" is no server type; did you mean connector?',
      'app:route: "chatt" is no server type; did you mean chat?',
    }, seen)
  end)

  it("says of replace_servers that it is never emitted", function()
    app.event:on("replace_servers", function() end)
    assert.is_true(w:logged("connector-1", "warn", "add_servers and remove_servers tell of every"))
  end)

  it("knows the servers", function()
    assert.same({ "connector-1", "connector" }, { app:getServerId(), app:getServerType() })
    assert.equal(2, #app:getServersByType("chat"))
    assert.is_nil(app:getServersByType("area"))
    local chats = app:getServersByType("chat")
    assert.equal(chats, app:getServersByType("chat")) -- made once
    app._server.node:peer("chat-1", false)
    assert.equal("chat-2", app:getServersByType("chat")[1].id)
    app._server.node:peer("chat-2", false)
    assert.same({}, app:getServersByType("chat"))
    app._server.node:peer("chat-1", true)
    assert.equal("chat-1", app:getServersByType("chat")[1].id)
    assert.equal("chat", app:getServerById("chat-2").serverType)
    assert.equal("connector-1", app:getCurServer().id)
    assert.equal("chat-1", app:getServers()["chat-1"].id)
    assert.same({ "chat", "connector" }, app:getServerTypes())
    assert.equal("chat-1", app:getServersFromConfig()["chat-1"].id)
    assert.equal("chat-2", app:getServerFromConfig("chat-2").id)
    app._server:index { app:getCurServer(), { id = "chat-7", serverType = "chat" } }
    assert.is_nil(app:getServers()["chat-1"])
    assert.equal("chat", app:getServerById("chat-7").serverType)
    assert.equal("chat-1", app:getServersFromConfig()["chat-1"].id)
    app._server:index { app:getCurServer() }
    assert.same({}, app:getServersByType("chat")) -- a type that has been there
    assert.same({ "chat", "connector" }, app:getServerTypes())
    assert.is_false(app:isMaster())
    assert.is_true(app:isFrontend())
    for _, frontend in ipairs { true, "true" } do
      assert.is_true(app:isFrontend { frontend = frontend })
      assert.is_false(app:isBackend { frontend = frontend })
    end
    for _, info in ipairs { {}, { frontend = false }, { frontend = "false" } } do
      assert.is_false(app:isFrontend(info))
      assert.is_true(app:isBackend(info))
    end
    for _, ask in ipairs { app.isFrontend, app.isBackend } do
      local _, err = pcall(function() ask(app, "chat-1") end)
      assert.matches("info must be a server's entry, as app:getServerById(id)", err, 1, true)
      assert.matches('got "chat-1"', err, 1, true)
    end
    assert.is_false(app:isBackend())
    assert.is_true(w.servers["chat-1"].app:isBackend())
    assert.is_nil(w.servers["chat-1"].app:get("sessionService"))
  end)
end)
