-- A stop in order: what clients, calls and ended sessions began ends, on every server, and
-- what had to be cut is named. Tests host/ladder.c, host/steps.c, host/servers.c, host/msg.c,
-- host/member.c and node/quiet.c.
-- Tests run/quiet.lua.
local cjson = require "cjson"
local core = require "pomelua.core"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true })
end)
app:set("serverConfig", { %s })
%s
app:start()
]]

local SERVERS = [[{"development": {
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}],
  "save": [{"id": "save-1", "host": "127.0.0.1"}]
}}]]

local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  function Handler:echo(msg) return { code = 200 } end
  function Handler:wait(msg)
    pomelua.sleep(msg.ms)
    return { code = 200 }
  end
  %s
  return Handler
end
]]

local SAVE = [[
local pomelua = require "pomelua"
return function(app)
  local Remote, saved = {}, 0
  function Remote:save(text, cb)
    pomelua.sleep(300)
    saved = saved + 1
    pomelua.log.info("saved %d", saved)
    cb(nil, saved)
  end
  return Remote
end
]]

local folders, connections = {}, {}

-- settings: of serverConfig; app: more of app.lua; methods: of the handlers
local function files(given)
  given = given or {}
  local handler = HANDLER:format(given.methods or "")
  local all = {
    ["app.lua"] = APP:format(given.settings or "drainTime = 100", given.app or ""),
    ["config/servers.json"] = SERVERS,
    ["app/servers/connector/handler/entryHandler.lua"] = handler,
    ["app/servers/chat/handler/chatHandler.lua"] = handler,
    ["app/servers/save/remote/saveRemote.lua"] = SAVE,
  }
  for path, text in pairs(given.files or {}) do all[path] = text end
  return all
end

local function start(given)
  local base = tree.new(files(given))
  folders[#folders + 1] = base
  local p = net.spawn(net.built("pomelua"), { "start", base })
  assert(p:waitLine("^ready$", 20000))
  return p, tonumber(p.out:match("listening on 127%.0%.0%.1:(%d+)\n")), base
end

local function package(client)
  local head = assert(client:receive(4, 10000))
  local a, b, c = head:byte(2, 4)
  local n = (a * 256 + b) * 256 + c
  return head:byte(1), n > 0 and assert(client:receive(n)) or ""
end

local function send(client, id, route, body)
  client:send(core.write_package(4, core.write_message {
    type = id and 0 or 1, id = id or 0, route = route, body = cjson.encode(body or {}),
  }))
end

local function answer(client)
  local kind, body = package(client)
  assert.are.equal(4, kind)
  return cjson.decode(core.read_message(body).body)
end

-- A client whose first request has been answered.
local function connected(port)
  local client = assert(net.connect(port))
  client:send(core.write_package(1, '{"sys":{"type":"spec","version":"1"}}'))
  assert.are.equal(1, (package(client)))
  client:send(core.write_package(2, ""))
  send(client, 1, "connector.entryHandler.echo")
  assert.are.same({ code = 200 }, answer(client))
  connections[#connections + 1] = client
  return client
end

local function times(text, pattern)
  local n = 0
  for _ in text:gmatch(pattern) do n = n + 1 end
  return n
end

-- Stops it by SIGTERM, and clients go when they are told; how long that took, in ms.
local function stop(p, ms)
  local uv = require "luv"
  local from = uv.hrtime()
  p:kill("sigterm")
  for _, client in ipairs(connections) do
    client:waitClosed(ms or 20000)
    client:close()
  end
  local code = p:waitExit(ms or 20000)
  return code, (uv.hrtime() - from) / 1e6
end

after_each(function()
  net.closeAll()
  for _, base in ipairs(folders) do tree.remove(base) end
  folders, connections = {}, {}
end)

local function tool(base, command, id)
  local p = net.spawn(net.built("pomelua"), { command, id, "-d", base })
  local code = p:waitExit(20000)
  return code, p.out .. p.err
end

describe("a program that stops", function()
  it("has saved each of 100 players whose end calls a server that takes 300 ms", function()
    local p, port = start { methods = [[
      function Handler:enter(msg, session)
        session:on("closed", function()
          local n, err = pomelua.await(app.rpc.save.saveRemote.save, nil, "x")
          if not n then pomelua.log.error("not saved: %s", err.message) end
        end)
        return { code = 200 }
      end]] }
    local clients = {}
    for i = 1, 100 do
      clients[i] = connected(port)
      send(clients[i], 2, "connector.entryHandler.enter")
    end
    for i = 1, 100 do assert.are.same({ code = 200 }, answer(clients[i])) end
    assert.are.equal(0, (stop(p)), p.err)
    assert.are.equal(100, times(p.err, "saved %d+\n"), p.err)
    assert.are.equal(0, times(p.err, "not saved"), p.err)
  end)

  it("waits for calls that want no answer, and for what those call", function()
    local p, port = start {
      methods = [[
        function Handler:enter(msg, session)
          session:on("closed", function() app.rpc.chat.relay.on(nil, "x") end)
          return { code = 200 }
        end]],
      files = { ["app/servers/chat/remote/relay.lua"] = [[
        local pomelua = require "pomelua"
        return function(app)
          return { on = function(_, text)
            pomelua.sleep(50)
            app.rpc.save.saveRemote.save(nil, text, function() pomelua.log.info("told") end)
          end }
        end]] },
    }
    local client = connected(port)
    send(client, 2, "connector.entryHandler.enter")
    answer(client)
    assert.are.equal(0, (stop(p)), p.err)
    assert.are.equal(1, times(p.err, "saved 1\n"), p.err)
    assert.are.equal(1, times(p.err, "told\n"), p.err)
  end)

  it("answers 50 open requests, takes no client, and runs no new message", function()
    local p, port = start { settings = "drainTime = 0" }
    local clients = {}
    for i = 1, 50 do
      clients[i] = connected(port)
      send(clients[i], 2, i % 2 == 0 and "chat.chatHandler.wait" or "connector.entryHandler.wait",
        { ms = 300 })
    end
    send(clients[1], 3, "chat.chatHandler.echo")
    assert.are.same({ code = 200 }, answer(clients[1])) -- all are under way
    p:kill("sigterm")
    assert(p:waitLine("SIGTERM: stopping", nil, "err"))
    assert(net.wait(function()
      local late = net.connect(port)
      if late then late:close() end
      return not late
    end))
    for i = 1, 50 do
      send(clients[i], 4, "connector.entryHandler.echo")
      assert.are.same({ code = 200 }, answer(clients[i])) -- of the request before
      assert.is_true(clients[i]:waitClosed())
      assert.are.equal("", clients[i]:pending())
      clients[i]:close()
    end
    assert.are.equal(0, p:waitExit(), p.err)
  end)

  it("names the request that outlasts the grace, whose client gets 500, and ends with 1", function()
    local p, port = start { settings = "stopGrace = 100, stopTimeout = 1500" }
    local client = connected(port)
    send(client, 2, "chat.chatHandler.wait", { ms = 60000 })
    send(client, 3, "chat.chatHandler.echo")
    answer(client)
    local code, ms = stop(p)
    assert.are.same({ code = 500 }, answer(client))
    assert.are.equal(1, code)
    assert.is_true(ms < 30000, ms) -- not the minute of the request
    assert.is_truthy(p.err:find("had to be cut: chat%-1: chat%.chatHandler%.wait"), p.err)
  end)

  it("tells rooms' loops by stop_server, and does not wait for them", function()
    local p, port = start {
      methods = [[
        function Handler:room(msg, session, next)
          next(nil, { code = 200 })
          local over = false
          app.event:on("stop_server", function()
            over = true
            pomelua.log.info("told to stop")
          end)
          while not over or msg.stubborn do pomelua.sleep(20) end
        end
        function Handler:tick(msg)
          app:setInterval(10, function() app.rpc.chat.noop.on(nil) end)
          return { code = 200 }
        end]],
      files = {
        ["app/servers/chat/remote/noop.lua"] = "return { on = function() end }",
        ["app/servers/chat/lifecycle.lua"] = [[
          local pomelua = require "pomelua"
          return { afterStartAll = function() while true do pomelua.sleep(10) end end }]],
      },
    }
    local client = connected(port)
    for i, stubborn in ipairs { true, false } do
      send(client, 2 * i, "chat.chatHandler.room", { stubborn = stubborn })
      answer(client)
      send(client, 2 * i + 1, "connector.entryHandler.tick")
      answer(client)
    end
    assert.are.equal(0, (stop(p)), p.err) -- 1, had it waited: what is waited for in vain is cut
    assert.are.equal(2, times(p.err, "told to stop\n"), p.err)
  end)

  it("lets what drain started end, and push, before connections end", function()
    local p, port = start { app = [[
      app.event:on("drain", function(id)
        if id ~= "chat-1" then return end
        pomelua.sleep(100)
        app:get("channelService"):broadcast("connector", "onBye", { n = 1 })
        local n = pomelua.await(app.rpc.save.saveRemote.save, nil, "x")
        pomelua.log.info("drain saved %d", n)
      end)]] }
    local client = connected(port)
    assert.are.equal(0, (stop(p)), p.err)
    local kind, body = package(client)
    assert.are.equal(4, kind)
    assert.are.equal("onBye", core.read_message(body).route)
    assert.is_truthy(p.err:find("drain saved 1\n", 1, true), p.err)
  end)

  it("gives beforeShutdown the other servers, and waits for what it calls", function()
    local p = start { files = { ["app/servers/chat/lifecycle.lua"] = [[
      local pomelua = require "pomelua"
      return { beforeShutdown = function(app)
        app.rpc.save.saveRemote.save(nil, "x", function() pomelua.log.info("books closed") end)
      end }]] } }
    assert.are.equal(0, (stop(p)), p.err)
    assert.is_truthy(p.err:find("books closed\n", 1, true), p.err)
  end)

  it("waits for a beforeShutdown that has cancelled the timer, however long", function()
    local p = start { settings = "stopTimeout = 1500", files = {
      ["app/servers/chat/lifecycle.lua"] = [[
      local pomelua = require "pomelua"
      return { beforeShutdown = function(app, cb, cancelShutDownTimer)
        cancelShutDownTimer()
        pomelua.sleep(1800)
        pomelua.await(app.rpc.save.saveRemote.save, nil, "x")
        cb()
      end }]] } }
    local code, ms = stop(p)
    assert.are.equal(0, code, p.err)
    assert.is_true(ms >= 1800, ms)
    assert.is_truthy(p.err:find("saved 1\n", 1, true), p.err)
  end)

  it("names a beforeShutdown that does not end, and ends with 1", function()
    local p = start { settings = "stopTimeout = 1500", files = {
      ["app/servers/chat/lifecycle.lua"] = "return { beforeShutdown = function(app, cb) end }" } }
    assert.are.equal(1, (stop(p)))
    assert.is_truthy(p.err:find(
      "had to be cut: chat%-1: beforeShutdown, or the stop of a component\n"), p.err)
  end)

  it("names what ended sessions began and what did not end", function()
    local p, port = start { settings = "stopTimeout = 1500, awaitTimeout = 60000", methods = [[
      function Handler:enter(msg, session)
        session:on("closed", function() pomelua.sleep(60000) end)
        return { code = 200 }
      end]] }
    for _ = 1, 2 do
      local client = connected(port)
      send(client, 2, "connector.entryHandler.enter")
      answer(client)
    end
    assert.are.equal(1, (stop(p)))
    assert.is_truthy(p.err:find("cut: connector%-1: closed listener %(2 times%)\n"), p.err)
  end)

  it("while its servers start ends with 0", function()
    local base = tree.new(files { files = { ["app/servers/chat/lifecycle.lua"] = [[
      return { beforeStartup = function(app, cb) print("starting") end }]] } })
    folders[#folders + 1] = base
    local p = net.spawn(net.built("pomelua"), { "start", base })
    assert(p:waitLine("starting", 20000, "err"))
    assert.are.equal(0, (stop(p)), p.err)
  end)

  it("while a reload waits ends with 0", function()
    local p, _, base = start()
    tree.write(base, "app/servers/chat/handler/slow.lua",
      'print("loading") require("pomelua").sleep(60000) return {}')
    assert(p:waitLine("loading", 10000, "err"))
    assert.are.equal(0, (stop(p)), p.err)
  end)
end)

describe("one server that stops", function()
  it("is waited for as the program is, and others go on", function()
    local p, port, base = start { methods = [[
      function Handler:late(msg, session)
        app:setTimeout(0, function() pomelua.await(app.rpc.save.saveRemote.save, nil, "x") end)
        return { code = 200 }
      end]], files = { ["app/servers/save/lifecycle.lua"] = [[
      return { beforeShutdown = function() print("save-1 goes") end }]] } }
    local client = connected(port)
    send(client, 2, "chat.chatHandler.late")
    answer(client)
    local code, text = tool(base, "stop", "save-1")
    assert.are.equal(0, code, text)
    assert(p:waitErr("saved 1\n.*save%-1 goes"))
    send(client, 3, "chat.chatHandler.wait", { ms = 400 })
    send(client, 4, "chat.chatHandler.echo")
    answer(client)
    assert.are.equal(0, (tool(base, "restart", "chat-1")))
    assert.are.same({ code = 200 }, answer(client)) -- the request that was open
    send(client, 5, "chat.chatHandler.echo")
    assert.are.same({ code = 200 }, answer(client))
    assert.are.equal(0, (stop(p)), p.err)
  end)
end)
