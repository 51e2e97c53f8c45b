-- What a package does in each state of a connection (the table of protocol 4.1),
-- over both transports. "Ignored" is: no answer, and the connection lives on.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local ok200 = '{"code":200,"sys":{"heartbeat":30}}'
local echo, notify_route = "connector.entryHandler.echo", "connector.entryHandler.shout"

for _, transport in ipairs(pomelo.transports) do
  describe("over " .. transport, function()
    local server

    setup(function() server = talk.start { config = "heartbeat = 30" } end)
    after_each(pomelo.closeAll)
    teardown(function() server:stop() end)

    local function open() return assert(pomelo.open(server.port, transport)) end

    local function request()
      return pomelo.message {
        type = pomelo.REQUEST, id = 1, route = echo, body = '{"early":true}',
      }
    end

    local function notify()
      return pomelo.message { type = pomelo.NOTIFY, route = notify_route, body = '{"n":1}' }
    end

    -- A client in the state, with nothing left to be read.
    local into = {}

    function into.INITED() return open() end

    function into.WAIT_ACK()
      local client = open()
      assert.are.equal(ok200, assert(client:handshake()))
      return client
    end

    function into.WORKING()
      local client = into.WAIT_ACK()
      client:ack()
      assert.are.equal(pomelo.HEARTBEAT, assert(client:next()).type)
      return client
    end

    -- The connection is in the state still, and the next thing it says is the answer
    -- to what that state takes.
    local still = {}

    function still.INITED(client)
      assert.are.equal(ok200, assert(client:handshake()))
    end

    function still.WAIT_ACK(client)
      client:ack()
      assert.are.same({ type = pomelo.HEARTBEAT, body = "" }, assert(client:next()))
      still.WORKING(client)
    end

    function still.WORKING(client)
      client:data { type = pomelo.REQUEST, id = 77, route = echo }
      local p = assert(client:next())
      assert.are.equal(pomelo.DATA, p.type)
      assert.are.equal(77, pomelo.parse(p.body).id)
    end

    local states = { "INITED", "WAIT_ACK", "WORKING" }

    local ignored = {
      { "ACK", "INITED", pomelo.ACK },
      { "ACK", "WORKING", pomelo.ACK },
      { "HEARTBEAT", "INITED", pomelo.HEARTBEAT },
      { "HEARTBEAT", "WAIT_ACK", pomelo.HEARTBEAT },
      { "a request", "INITED", pomelo.DATA, request },
      { "a request", "WAIT_ACK", pomelo.DATA, request },
      { "a notify", "INITED", pomelo.DATA, notify },
      { "a notify", "WAIT_ACK", pomelo.DATA, notify },
      { "DATA that is no message", "INITED", pomelo.DATA, function() return "\255" end },
      { "DATA that is no message", "WAIT_ACK", pomelo.DATA, function() return "\255" end },
      { "HANDSHAKE", "WAIT_ACK", pomelo.HANDSHAKE, function() return pomelo.hello end },
      { "HANDSHAKE", "WORKING", pomelo.HANDSHAKE, function() return pomelo.hello end },
      { "HANDSHAKE that would be refused", "WAIT_ACK", pomelo.HANDSHAKE },
      { "HANDSHAKE that would be refused", "WORKING", pomelo.HANDSHAKE },
    }
    for _, case in ipairs(ignored) do
      local name, state, type, body = case[1], case[2], case[3], case[4]
      it(("%s is ignored in state %s"):format(name, state), function()
        local client = into[state]()
        client:package(type, body and body())
        client:package(type, body and body())
        still[state](client)
      end)
    end

    it("HANDSHAKE is processed in state INITED", function()
      assert.are.equal(ok200, assert(open():handshake()))
    end)

    it("ACK in state WAIT_ACK begins the work with one heartbeat", function()
      still.WAIT_ACK(into.WAIT_ACK())
    end)

    it("HEARTBEAT in state WORKING is answered", function()
      local client = into.WAIT_ACK()
      client:ack()
      client:next()
      client:heartbeat()
      assert.are.same({ type = pomelo.HEARTBEAT, body = "" }, assert(client:next()))
    end)

    it("DATA in state WORKING is dispatched: a request is answered", function()
      still.WORKING(into.WORKING())
    end)

    it("DATA in state WORKING is dispatched: a notify is not answered", function()
      local client = into.WORKING()
      assert(client:request("connector.entryHandler.join", { uid = "n" .. transport }))
      client:data(notify())
      assert.are.equal("onShout", assert(client:push()).route)
      still.WORKING(client)
    end)

    it("the bodies of ACK and HEARTBEAT are not looked at", function()
      local client = into.WAIT_ACK()
      client:package(pomelo.ACK, "\0\255 anything")
      assert.are.equal(pomelo.HEARTBEAT, assert(client:next()).type)
      client:package(pomelo.HEARTBEAT, '{"x":1}')
      assert.are.same({ type = pomelo.HEARTBEAT, body = "" }, assert(client:next()))
    end)

    for _, state in ipairs(states) do
      for _, type in ipairs { 5, 6, 127, 255 } do
        it(("a package of type %d closes in state %s"):format(type, state), function()
          local client = into[state]()
          client:package(type, "{}")
          assert.are.same({}, assert(client:rest()))
          if client.ws then assert.are.equal(1002, client.close_code) end
        end)
      end

      it("a package of type 0 closes in state " .. state, function()
        local client = into[state]()
        client:bytes "\0\0\0\0"
        assert.are.same({}, assert(client:rest()))
      end)

      it("nothing is dispatched after the package that closes in state " .. state, function()
        local client = into[state]()
        client:bytes(pomelo.package(pomelo.KICK, "{}")
          .. pomelo.package(pomelo.HANDSHAKE, pomelo.hello) .. pomelo.package(pomelo.ACK)
          .. pomelo.package(pomelo.DATA, request()))
        assert.are.same({}, assert(client:rest()))
      end)
    end

    it("a handshake, its ACK and a request may come at once", function()
      local client = open()
      client:bytes(pomelo.package(pomelo.HANDSHAKE, pomelo.hello) .. pomelo.package(pomelo.ACK)
        .. pomelo.package(pomelo.DATA, request()))
      assert.are.equal(ok200, assert(client:next()).body)
      assert.are.equal(pomelo.HEARTBEAT, assert(client:next()).type)
      assert.are.same({ early = true }, assert(client:answer(1)).msg)
    end)

    it("what is pushed reaches a connection in state WORKING only", function()
      local waiting, working = into.WAIT_ACK(), into.WORKING()
      assert(working:request("connector.entryHandler.all", { i = 1 }))
      assert.are.equal(1, assert(working:push()).msg.i)
      waiting:ack()
      assert(working:request("connector.entryHandler.echo"))
      waiting:data { type = pomelo.REQUEST, id = 5, route = echo }
      assert.are.equal(5, assert(waiting:nextMessage()).id)
    end)

    it("a client in state CLOSED is gone for good: the server lives on", function()
      local client = into.WORKING()
      client:notify("connector.entryHandler.kick", { reason = "out" })
      client:package(pomelo.HEARTBEAT)
      client:data(request())
      client:package(6)
      assert.are.equal('{"reason":"out"}', assert(client:kicked()))
      assert.are.same({}, assert(client:rest()))
      still.WORKING(into.WORKING())
    end)

    it("and nobody of these is left", function()
      local client = into.WORKING()
      assert.is_truthy(net.wait(function()
        return assert(client:request("connector.entryHandler.counts")).sessions == 1
      end))
      client:close()
    end)
  end)
end
