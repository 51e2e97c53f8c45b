-- The route dictionary between a frontend and its clients, over both transports.
-- Tests app/dictionary.lua, message/handshake.lua and client/init.lua.
local cjson = require "cjson"
local client_module = require "pomelua.client"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"
local tree = require "spec.support.tree"

local FILES = { ["config/dictionary.json"] = '["onShout","onAll","chat.chatHandler.echo"]' }

local function hello(version)
  return ('{"sys":{"type":"spec","version":"1"%s}}'):format(
    version and (',"dictVersion":' .. version) or "")
end

describe("a server without useDict", function()
  local server
  setup(function() server = talk.start { files = FILES } end)
  teardown(function() server:stop() end)
  after_each(pomelo.closeAll)

  it("announces no dictionary, and pushes whole routes", function()
    local client = pomelo.connect(server.port, "ws")
    assert.same({}, client.hello.sys)
    assert(client:request("connector.entryHandler.join", { uid = "ann" }))
    assert(client:request("connector.entryHandler.shout"))
    assert.equal("onShout", assert(client:push()).route)
  end)
end)

for _, transport in ipairs(pomelo.transports) do
  describe("the route dictionary over " .. transport, function()
    local server, sys

    setup(function()
      server = talk.start { config = "useDict = true, heartbeat = 60,", files = FILES }
    end)
    teardown(function() server:stop() end)
    before_each(function() sys = pomelo.connect(server.port, transport).hello.sys end)
    after_each(pomelo.closeAll)

    local function ask_by_code(client, code, body)
      client.id = client.id + 1
      client:data { type = pomelo.REQUEST, id = client.id, code = code, body = body or "{}" }
      return (assert(client:answer(client.id)))
    end

    it("is announced in the handshake: all fields, in Pomelo's order", function()
      local body = assert(assert(pomelo.open(server.port, transport)):handshake(hello()))
      local at = 0
      for _, key in ipairs {
        "code", "sys", "heartbeat", "dict", "routeToCode", "codeToRoute", "dictVersion", "useDict",
      } do
        at = assert(body:find('"' .. key .. '":', at + 1, true), key)
      end
      assert.equal(sys.dict["onShout"], sys.routeToCode["onShout"])
      assert.same(sys.dict, sys.routeToCode)
      for route, code in pairs(sys.routeToCode) do
        assert.equal(route, sys.codeToRoute[tostring(code)])
      end
      assert.is_true(sys.useDict)
      assert.equal(24, #sys.dictVersion)
    end)

    it("has the functions of all types, and what config/dictionary.json adds", function()
      assert.equal(2, sys.dict["chat.chatHandler.never"])
      assert.is_number(sys.dict["connector.entryHandler.echo"])
      assert.is_number(sys.dict["connector.entryHandler._hidden"])
      assert.is_number(sys.dict.onAll)
      assert.is_nil(sys.dict["chat.chatRemote.add"])
    end)

    it("is told in full again only to a client that has another one", function()
      local short = '{"code":200,"sys":{"heartbeat":60,"useDict":true}}'
      local function answer(version)
        return assert(assert(pomelo.open(server.port, transport)):handshake(hello(version)))
      end
      assert.equal(short, answer(cjson.encode(sys.dictVersion)))
      for _, other in ipairs { '"x"', "0", "17", "null", "{}", "[]", "true" } do
        assert.matches('"dict":{', answer(other), 1, true)
      end
    end)

    it("numbers lead to handlers of this server and of others", function()
      local client = pomelo.connect(server.port, transport)
      for _, route in ipairs { "connector.entryHandler.echo", "chat.chatHandler.echo" } do
        assert.same({ code = 200, msg = { a = 1 } },
          ask_by_code(client, sys.dict[route], '{"a":1}'))
        assert.same({ code = 200, msg = { a = 1 } }, (assert(client:request(route, { a = 1 }))))
      end
      local before = ask_by_code(client, sys.dict["connector.entryHandler.counts"]).badRoutes
      client:data { type = pomelo.NOTIFY, code = sys.dict["connector.entryHandler.empty"],
        body = "{}" }
      assert.equal(before,
        ask_by_code(client, sys.dict["connector.entryHandler.counts"]).badRoutes)
    end)

    it("a number that stands for no handler is answered 500, and a notify dropped", function()
      local client = pomelo.connect(server.port, transport)
      local counts = sys.dict["connector.entryHandler.counts"]
      local before = ask_by_code(client, counts).badRoutes
      for _, code in ipairs { 0, 999, 65535, sys.dict.onAll } do
        assert.same({ code = 500 }, ask_by_code(client, code))
        client:data { type = pomelo.NOTIFY, code = code, body = "{}" }
      end
      assert.equal(before + 8, ask_by_code(client, counts).badRoutes)
    end)

    it("a function whose name begins with _ has a number and cannot be called", function()
      local client = pomelo.connect(server.port, transport)
      assert.same({ code = 500 }, ask_by_code(client, sys.dict["connector.entryHandler._hidden"]))
    end)

    it("pushes carry numbers, from this server and from others", function()
      local client = pomelo.connect(server.port, transport)
      assert(client:request("connector.entryHandler.enter", { uid = "a" .. transport }))
      assert(client:request("connector.entryHandler.join", { uid = "a" .. transport }))
      client:notify("chat.chatHandler.shout", { i = 1 })
      local push = assert(client:push())
      assert.equal(sys.dict.onShout, push.code)
      assert.equal(1, push.msg.i)
      assert(client:request("connector.entryHandler.shout", { n = 1 }))
      assert.equal(sys.dict.onShout, assert(client:push()).code)
      assert(client:request("connector.entryHandler.all", { a = 1 }))
      assert.equal(sys.dict.onAll, assert(client:push()).code)
    end)

    it("pomelua.client uses it both ways", function()
      local client = assert(client_module.connect { port = server.port, transport = transport })
      local uid = "b" .. transport
      assert.equal(200, assert(client:request("connector.entryHandler.join", { uid = uid })).code)
      assert.equal(sys.dict.onAll, client.codes.onAll)
      assert.same({ code = 200, msg = { x = 1 } },
        (assert(client:request("chat.chatHandler.echo", { x = 1 }))))
      client:notify("connector.entryHandler.shout", { n = 1, text = "hi" })
      assert.equal("hi", assert(client:expect("onShout")).text)
      client:close()
    end)
  end)
end

describe("the route dictionary and a reload:", function()
  local server
  setup(function()
    server = talk.start { config = "useDict = true,", server = "reload = false",
      files = { ["app/servers/connector/handler/newHandler.lua"] = [[
        return { old = function() return { v = 1 } end }]] } }
  end)
  teardown(function() server:stop() end)
  after_each(pomelo.closeAll)

  it("numbers stay, and a new route travels in full", function()
    local client = pomelo.connect(server.port, "ws")
    local before = client.hello.sys
    tree.write(server.dir, "app/servers/connector/handler/newHandler.lua", [[
      return { old = function() return { v = 2 } end, abc = function() return { v = 3 } end }]])
    server.process:kill "sighup"
    assert(server.process:waitErr("generation 2"))
    assert.same({ v = 3 }, (assert(client:request("connector.newHandler.abc"))))
    local code = before.dict["connector.newHandler.old"]
    client:data { type = pomelo.REQUEST, id = 1000, code = code, body = "{}" }
    assert.same({ v = 2 }, (assert(client:answer(1000))))
    local after = pomelo.connect(server.port, "ws").hello.sys
    assert.same(before.dict, after.dict)
    assert.equal(before.dictVersion, after.dictVersion)
  end)
end)
