-- A server that stops while others of its type stay: its clients are told to move, and nothing that
-- anybody asked is lost. Tests node/moves.c and host/ladder.c.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local pomelo = require "spec.support.pomelo"
local uv = require "luv"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure(nil, "connector", function()
  app:set("connectorConfig", { distinctHost = true, rate = false })
end)
app:set("serverConfig", { reload = false, %s })
%s
app:start()
]]

local SERVERS = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
                {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"}]
}]]

local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  function Handler:who(msg) return { code = 200, id = app:getServerId() } end
  function Handler:wait(msg)
    pomelua.sleep(msg.ms)
    return { code = 200, id = app:getServerId() }
  end
  function Handler:enter(msg, session)
    session:bind(msg.uid)
    session:on("closed", function(_, reason) pomelua.log.info("closed: %s", reason) end)
    return { code = 200 }
  end
  function Handler:go()
    app:get("go")()
    return { code = 200 }
  end
  function Handler:call(msg)
    local id, err = pomelua.await(app.rpc.chat.slow.wait.toServer, "chat-1", msg.ms)
    return { code = err and 500 or 200, id = id }
  end
  return Handler
end
]]

local OPEN = 1000000 -- the number of a request that is open for long

local SLOW = [[
local pomelua = require "pomelua"
return function(app)
  return { wait = function(_, ms, cb)
    pomelua.sleep(ms)
    cb(nil, app:getServerId())
  end }
end
]]

describe("a server that is taken out", function()
  local server

  local function start(settings, code)
    server = app.start {
      ["app.lua"] = APP:format(settings, code or ""),
      ["config/servers.json"] = SERVERS,
      ["app/servers/connector/handler/entry.lua"] = HANDLER,
      ["app/servers/chat/handler/entry.lua"] = HANDLER,
      ["app/servers/chat/remote/slow.lua"] = SLOW,
    }
  end

  after_each(function()
    pomelo.closeAll()
    server:stop()
  end)

  local function stop(id)
    return net.spawn(net.built("pomelua"), { "stop", id, "-d", server.dir })
  end

  local function ended(tool)
    assert.are.equal(0, tool:waitExit(app.patience), tool.out .. tool.err)
  end

  local function connect(id, transport)
    local client = pomelo.connect(server.ports[id], transport)
    assert.are.equal(200, client:request("connector.entry.who", {}).code)
    return client
  end

  -- How many messages it counted behind the close, as it says at its end.
  local function counted(id)
    local requests = server.process:waitErr(
      id .. " +%d+ clients were told to move; requests behind the close: (%d+)", app.patience)
    return tonumber(requests)
  end

  it("tells its clients to move, without a KICK, and leaves those of others alone", function()
    start "drainTime = 100"
    local ws, tcp, other = connect("connector-1", "ws"), connect "connector-1",
      connect "connector-2"
    assert.are.equal(200, ws:request("connector.entry.enter", { uid = "ann" }).code)
    local tool = stop "connector-1"
    for _, client in ipairs { ws, tcp } do assert.are.same({}, assert(client:rest())) end
    assert.are.equal(1001, ws.close_code)
    assert.are.equal("move", ws.close_reason)
    assert.is_nil(tcp.conn.error)
    ws:close()
    tcp:close()
    ended(tool)
    assert.are.equal(200, other:request("connector.entry.who", {}).code)
    assert(server.process:waitErr("closed: shutdown\n"))
    assert.are.equal(0, counted "connector%-1")
  end)

  it("has emitted drain before, while nothing is refused", function()
    start("drainTime = 100", [[
      local left
      app.event:on("drain", function(id)
        pomelua.log.info("drain %s", id)
        app:get("channelService"):broadcast("connector", "onBye", { id = id })
        if id == "connector-1" then pomelua.await(function(cb) left = cb end) end
      end)
      app:set("go", function() left(nil, true) end)
    ]])
    local ann = connect "connector-1"
    local tool = stop "connector-1"
    assert.are.same({ id = "connector-1" }, assert(ann:nextMessage(app.patience)).msg)
    local bob = connect "connector-1" -- new clients come in
    assert.are.equal(200, bob:request("chat.entry.who", {}).code)
    assert.are.equal(200, ann:request("connector.entry.who", {}).code)
    assert.are.equal(200, bob:request("connector.entry.go", {}).code)
    for _, client in ipairs { ann, bob } do
      assert.are.same({}, assert(client:rest(app.patience)))
      client:close()
    end
    ended(tool)
    assert.is_nil(server.process.err:find("drain connector-2", 1, true))
  end)

  it("hears kicks and commands of the game until it ends", function()
    start("drainTime = 100", [[
      local left
      app:registerAdmin("who", function()
        return { monitorHandler = function(_, _, cb) cb(nil, app:getServerId()) end }
      end)
      app.event:on("drain", function(id)
        pomelua.log.info("drain %s", id)
        if id == "connector-1" then pomelua.await(function(cb) left = cb end) end
      end)
      app:set("go", function() left(nil, true) end)
    ]])
    local function pomelua(...)
      local tool = net.spawn(net.built("pomelua"), { ... })
      assert.are.equal(0, tool:waitExit(app.patience), tool.out .. tool.err)
      return tool.out
    end
    local ann, bob = connect "connector-1", connect "connector-1"
    assert.are.equal(200, ann:request("connector.entry.enter", { uid = "ann" }).code)
    local tool = stop "connector-1"
    assert(server.process:waitErr("drain connector%-1\n", app.patience))
    assert.are.equal('the uid "ann": 1 session ended\n', pomelua("kick", "ann", "-d", server.dir))
    assert(ann:kicked())
    assert.matches("connector%-1.*connector%-1", pomelua("who", "-d", server.dir))
    assert.are.equal(200, bob:request("connector.entry.go", {}).code)
    assert.are.same({}, assert(bob:rest(app.patience)))
    bob:close()
    ended(tool)
  end)

  it("tells them one after the other over drainTime", function()
    -- At 0, 150, 300 and 450 ms, for who is not held up before the first.
    once_of(3, function()
      pomelo.closeAll()
      server:stop() -- that of the run before
      start "drainTime = 600"
      local clients, at = {}, {}
      for i = 1, 4 do clients[i] = connect("connector-1", i % 2 == 0 and "ws" or "tcp") end
      local tool = stop "connector-1"
      for i, client in ipairs(clients) do
        assert.are.same({}, assert(client:rest(app.patience)))
        at[i] = uv.hrtime() / 1e6
        client:close()
      end
      ended(tool)
      assert.is_true(at[4] - at[1] > 300, at[4] - at[1])
    end)
  end)

  it("answers what was asked first, and runs nothing behind it", function()
    start "drainTime = 0"
    local client = connect "connector-1"
    client:data { type = 0, id = 7, route = "connector.entry.wait", body = '{"ms":1500}' }
    client:data { type = 0, id = 8, route = "chat.entry.wait", body = '{"ms":1500}' }
    assert.are.equal(200, client:request("connector.entry.who", {}).code)
    local tool = stop "connector-1"
    assert.is_truthy(net.wait(function()
      local late = net.connect(server.ports["connector-1"])
      if late then late:close() end
      return not late
    end, app.patience))
    for id = 20, 24 do client:data { type = 0, id = id, route = "chat.entry.who", body = "{}" } end
    local codes = {} -- of two servers: in any order
    for _ = 1, 2 do
      local answer = assert(client:nextMessage(app.patience))
      codes[answer.id] = answer.msg.code
    end
    assert.are.same({ [7] = 200, [8] = 200 }, codes)
    assert.are.same({}, assert(client:rest(app.patience)))
    client:data { type = 0, id = 30, route = "chat.entry.who", body = "{}" } -- behind the end
    assert.are.equal(6, net.wait(function()
      client:close()
      return counted "connector%-1"
    end, app.patience))
    ended(tool)
  end)

  it("that is a backend finishes what it has, and gets nothing new", function()
    start "drainTime = 100"
    local clients = {}
    for i = 1, 6 do clients[i] = connect(i % 2 == 0 and "connector-1" or "connector-2") end
    local open = { "chat.entry.wait", "connector.entry.call" }
    for i, client in ipairs(clients) do
      client:data { type = 0, id = OPEN, route = open[i % 2 + 1], body = '{"ms":500}' }
      assert.are.equal(200, client:request("chat.entry.who", {}).code)
    end
    local tool = stop "chat-1"
    local seen, answers, last = {}, 0
    repeat
      last = tool.code -- a whole round comes after the end: all that was open is answered before
      for _, client in ipairs(clients) do
        local id = client:ask "chat.entry.who"
        local answer
        repeat
          answer = assert(client:nextMessage(app.patience))
          assert.are.equal(200, answer.msg.code, cjson.encode(answer.msg))
          if answer.id == OPEN then answers = answers + 1 end
        until answer.id == id
        seen[#seen + 1] = answer.msg.id
      end
    until last
    ended(tool)
    assert.are.equal(6, answers)
    assert.are.equal("chat-2", seen[#seen])
  end)
end)
