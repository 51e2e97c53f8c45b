-- What one client may send in a second (connectorConfig.rate), over TCP and WebSocket.
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local entry = "connector.entryHandler."
local code429 = { code = 429 }

describe("a client's rate", function()
  local server
  after_each(pomelo.closeAll)

  local function count(name)
    return assert(pomelo.connect(server.port):request(entry .. "counts"))[name]
  end

  local function tagged(transport) return talk.tagged(server, transport) end
  local function told(tag) return talk.told(server, tag) end

  -- One message a second: what is sent at once takes no second, on a busy machine either.
  describe("that is set", function()
    setup(function()
      server = talk.start { config = [[
        rate = { messages = 1, burst = 10, bytes = 66000, routes = {
          ["connector.entryHandler.empty"] = 5, ["chat.chatHandler.echo"] = 10 } } ]] }
    end)
    teardown(function() server:stop { "closed: rate" } end)

    for _, transport in ipairs(pomelo.transports) do
      it("lets a burst through; then a request is answered 429, a notify dropped, over "
        .. transport, function()
        local before = count "overRate"
        local client = tagged(transport)
        for _ = 1, 10 do assert.equal(200, assert(client:request(entry .. "echo")).code) end
        assert.same(code429, (assert(client:request(entry .. "echo"))))
        client:notify(entry .. "echo")
        assert.same(code429, (assert(client:request(entry .. "echo"))))
        assert.equal(before + 3, count "overRate")
        assert(server.process:waitErr("info  connector%-1 connector.entryHandler.echo: refused: "
          .. "its session sends more than connectorConfig.rate\n", 5000))
      end)

      it("ends who goes on, with the reason `rate`, over " .. transport, function()
        local before = count "closedRate"
        local client, tag = tagged(transport)
        for _ = 1, 40 do client:notify(entry .. "echo") end
        assert.same({}, assert(client:rest()))
        if client.ws then assert.equal(1008, client.close_code) end
        assert.equal("rate", told(tag))
        assert.equal(before + 1, count "closedRate")
      end)

      it("counts what means nothing as messages, over " .. transport, function()
        local noise = {
          function(client) return client:heartbeat() end,
          function(client) return client:ack() end,
          function(client) return client:package(pomelo.HANDSHAKE, pomelo.hello) end,
        }
        if transport == "ws" then
          noise[#noise + 1] = function(client) return client.conn:sendFrame(9, "") end
          noise[#noise + 1] = function(client) return client.conn:sendFrame(1, "") end
          noise[#noise + 1] = function(client) return client.conn:sendFrame(10, "") end
        end
        for i, send in ipairs(noise) do
          local before = count "closedRate"
          local client, tag = tagged(transport)
          for _ = 1, 10 do send(client) end
          if i ~= 4 then -- pings are answered
            assert.same(code429, (assert(client:request(entry .. "echo"))), i)
          end
          for _ = 1, 40 do send(client) end
          client:rest()
          assert.equal("rate", told(tag), i)
          assert.equal(before + 1, count "closedRate")
        end
      end)

      it("counts DATA before the ACK, over " .. transport, function()
        for _, shaken in ipairs { false, true } do
          local before = count "closedRate"
          local client = assert(pomelo.open(server.port, transport))
          if shaken then assert(client:handshake()) end
          for _ = 1, 40 do client:package(pomelo.DATA, "") end
          client:rest()
          if client.ws then assert.equal(1008, client.close_code) end
          assert.equal(before + 1, count "closedRate")
          -- what has come before counts afterwards
          client = assert(pomelo.open(server.port, transport))
          if shaken then assert(client:handshake()) end
          for _ = 1, 12 do client:package(pomelo.DATA, "") end
          if not shaken then assert(client:handshake()) end
          client:ack()
          assert.same(code429, (assert(client:request(entry .. "echo"))))
        end
      end)

      it("counts the bytes of what means nothing, over " .. transport, function()
        for _, type in ipairs { pomelo.HEARTBEAT, pomelo.ACK, pomelo.HANDSHAKE } do
          local client = tagged(transport)
          client:package(type, ("x"):rep(65000))
          assert.same(code429, (assert(client:request(entry .. "echo",
            '{"x":"' .. ("y"):rep(2000) .. '"}'))), type)
        end
      end)

      it("counts a route at its cost, its own and one of another server, over " .. transport,
        function()
          local client = tagged(transport)
          assert.same({}, assert(client:request(entry .. "empty")))
          assert.same({}, assert(client:request(entry .. "empty")))
          assert.same(code429, (assert(client:request(entry .. "empty"))))
          client = tagged(transport)
          assert.equal(200, assert(client:request("chat.chatHandler.echo")).code)
          assert.same(code429, (assert(client:request(entry .. "echo"))))
        end)

      it("counts bytes as well, over " .. transport, function()
        local client = tagged(transport)
        local body = '{"x":"' .. ("y"):rep(65000) .. '"}'
        assert.equal(65000, #assert(client:request(entry .. "echo", body)).msg.x)
        assert.same(code429, (assert(client:request(entry .. "echo", body))))
      end)

      it("is of that client alone, over " .. transport, function()
        local client, other = tagged(transport), tagged(transport)
        for _ = 1, 15 do client:notify(entry .. "echo") end
        assert.same(code429, (assert(client:request(entry .. "echo"))))
        assert.equal(200, assert(other:request(entry .. "echo")).code)
      end)
    end
  end)

  it("counts empty fragments of a WebSocket message as messages", function()
    server = talk.start { config = "rate = { messages = 1, burst = 10 }" }
    local client, tag = tagged "ws"
    for i = 1, 5 do client.conn:sendFrame(i == 1 and 1 or 0, "", { fin = false }) end
    client.conn:sendFrame(0, "", { fin = true })
    assert.equal(200, assert(client:request(entry .. "echo")).code)
    client.conn:sendFrame(1, "", { fin = false })
    for _ = 1, 40 do client.conn:sendFrame(0, "", { fin = false }) end
    client:rest()
    assert.equal(1008, client.close_code)
    assert.equal("rate", told(tag))
    server:stop { "closed: rate" }
  end)

  it("counts the body of a heartbeat that comes in time, and none without one", function()
    server = talk.start { config = "heartbeat = 60, rate = { messages = 1, burst = 10, "
      .. "bytes = 66000 }" }
    for _, transport in ipairs(pomelo.transports) do
      local client = tagged(transport)
      client:heartbeat()
      for _ = 1, 10 do assert.equal(200, assert(client:request(entry .. "echo")).code) end
      client = tagged(transport)
      client:package(pomelo.HEARTBEAT, ("x"):rep(65000))
      assert.same(code429, (assert(client:request(entry .. "echo",
        '{"x":"' .. ("y"):rep(2000) .. '"}'))))
      local tag
      client, tag = tagged(transport)
      for _ = 1, 30 do client:package(pomelo.HEARTBEAT, ("x"):rep(65000)) end
      client:rest()
      assert.equal("rate", told(tag))
    end
    server:stop { "closed: rate" }
  end)

  it("with nothing configured is 5,000 messages in a second, and 10,000 at once", function()
    server = talk.start { config = "rate = nil" }
    local client, tag = tagged("tcp")
    for _ = 1, 10000 do client:notify(entry .. "echo") end
    assert.equal(200, assert(client:request(entry .. "echo")).code)
    assert.equal(0, count "overRate")
    for _ = 1, 60000 do
      if not client:notify(entry .. "echo") then break end
    end
    assert(client:rest())
    assert.equal("rate", told(tag))
    assert.is_true(count "overRate" > 9000)
    server:stop { "closed: rate" }
  end)

  it("that is false is none", function()
    server = talk.start { config = "rate = false" }
    local client = tagged("tcp")
    for _ = 1, 30000 do client:notify(entry .. "echo") end
    assert.equal(200, assert(client:request(entry .. "echo")).code)
    assert.equal(0, count "overRate")
    server:stop()
  end)
end)
