-- Raw TCP and WebSocket on one port, told by the first byte (protocol 7), and
-- how packages may be cut.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local CONT, TEXT, BINARY, PING = 0, 1, 2, 9
local ok200 = '{"code":200,"sys":{}}'
local echo = "connector.entryHandler.echo"

describe("a client port", function()
  local server

  setup(function() server = talk.start() end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  local function open(transport) return assert(pomelo.open(server.port, transport)) end
  local function connect(transport) return pomelo.connect(server.port, transport) end

  local function request(id, body)
    return pomelo.package(pomelo.DATA, pomelo.message {
      type = pomelo.REQUEST, id = id, route = echo, body = body,
    })
  end

  local whole = pomelo.package(pomelo.HANDSHAKE, pomelo.hello) .. pomelo.package(pomelo.ACK)
    .. request(1, '{"n":1}') .. request(2, '{"n":2}')

  -- The answers to `whole`.
  local function answered(client)
    assert.are.same({ type = pomelo.HANDSHAKE, body = ok200 }, assert(client:next()))
    for i = 1, 2 do assert.are.same({ n = i }, assert(client:answer(i)).msg) end
  end

  for _, transport in ipairs(pomelo.transports) do
    it("takes packages byte by byte over " .. transport, function()
      local client = open(transport)
      client:drip(whole)
      answered(client)
    end)

    it("takes packages cut anywhere over " .. transport, function()
      local bytes = transport == "ws" and net.frame(BINARY, whole) or whole
      for at = 1, #bytes - 1, 3 do
        local client = open(transport)
        client.conn:send(bytes:sub(1, at))
        client.conn:send(bytes:sub(at + 1))
        answered(client)
        client:close()
      end
    end)

    it("takes a package of 64 KiB in small pieces over " .. transport, function()
      local client = connect(transport)
      local bytes = request(3, '{"x":"' .. ("y"):rep(65000) .. '"}')
      if client.ws then bytes = net.frame(BINARY, bytes) end
      for at = 1, #bytes, 1000 do client.conn:send(bytes:sub(at, at + 999)) end
      assert.are.equal(65000, #assert(client:answer(3)).msg.x)
    end)
  end

  it("knows a raw client by the first byte alone, 1 to 5", function()
    local client = open "tcp"
    client.conn:send "\1"
    client.conn:send(pomelo.package(pomelo.HANDSHAKE, pomelo.hello):sub(2))
    assert.are.equal(ok200, assert(client:next()).body)
    for type = 2, 4 do -- ignored in that state, which is an answer too
      client = open "tcp"
      client:package(type)
      assert.are.equal(ok200, assert(client:handshake()))
    end
  end)

  it("knows HTTP by the first byte alone, a capital letter", function()
    local conn = assert(net.connect(server.port))
    for c in ("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
      :gmatch "." do conn:send(c) end
    assert.is_truthy(assert(conn:receiveUntil("\r\n\r\n")):find("^HTTP/1.1 101 "))
    conn:close()
  end)

  it("closes at once for any other first byte, TLS among them, and counts it", function()
    local watcher = connect "ws"
    local function closed()
      return assert(watcher:request("connector.entryHandler.counts")).closedProtocol
    end
    local before, n = closed(), 0
    for byte = 0, 255 do
      local c = string.char(byte)
      if not (byte >= 1 and byte <= 5) and not c:find("%u") then
        local conn = assert(net.connect(server.port))
        conn:send(c .. "\3\1\2\0\1\0")
        assert.is_true(conn:waitClosed(), "byte " .. byte)
        assert.are.equal("", conn:pending())
        conn:close()
        n = n + 1
      end
    end
    assert.are.equal(before + n, closed())
  end)

  it("answers plain HTTP with 426 and a sentence, whatever is asked for", function()
    for _, method in ipairs { "GET", "POST", "PUT", "DELETE", "OPTIONS", "X" } do
      local conn = assert(net.connect(server.port))
      conn:send(method .. " /any/path?q HTTP/1.1\r\nHost: h\r\n\r\n")
      assert.is_true(conn:waitClosed())
      local head, body = conn:pending():match("^(.-\r\n\r\n)(.*)$")
      assert.is_truthy(head:find("^HTTP/1.1 426 Upgrade Required\r\n"))
      assert.is_truthy(head:find("\r\nConnection: close\r\n", 1, true))
      assert.are.equal(#body, tonumber(head:match("\r\nContent%-Length: (%d+)\r\n")))
      assert.is_truthy(body:find("^%u.* .*%.\n$"), body)
      conn:close()
    end
  end)

  it("closes after what is no HTTP at all", function()
    for _, text in ipairs { "HELLO\n\n", "GET\r\n\r\n", "A\0B" } do
      local conn = assert(net.connect(server.port))
      conn:send(text)
      assert.is_true(conn:waitClosed())
      assert.is_truthy(conn:pending():find("^HTTP/1.1 400 "))
      conn:close()
    end
  end)

  it("takes WebSocket versions 8 and 13, any path and Origin, and no extension", function()
    for _, version in ipairs { 8, 13 } do
      local conn = assert(net.connect(server.port))
      conn:send("GET /socket.io/1?x=y HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
        .. "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .. "Sec-WebSocket-Origin: http://a\r\nOrigin: http://b\r\n"
        .. "Sec-WebSocket-Protocol: one, two\r\n"
        .. "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        .. "Sec-WebSocket-Version: " .. version .. "\r\n\r\n")
      local head = assert(conn:receiveUntil("\r\n\r\n"))
      assert.is_truthy(head:find("^HTTP/1.1 101 "))
      assert.is_truthy(head:find("\r\nSec-WebSocket-Protocol: one\r\n", 1, true))
      assert.is_nil(head:lower():find("extensions", 1, true))
      conn:sendFrame(BINARY, pomelo.package(pomelo.HANDSHAKE, pomelo.hello))
      local frame = assert(conn:receiveFrame())
      assert.are.equal(pomelo.package(pomelo.HANDSHAKE, ok200), frame.payload)
      conn:close()
    end
  end)

  it("refuses other versions and a missing key with 400", function()
    local key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for _, lines in ipairs {
      key .. "Sec-WebSocket-Version: 7\r\n", key, "Sec-WebSocket-Version: 13\r\n",
    } do
      local conn = assert(net.connect(server.port))
      conn:send("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        .. lines .. "\r\n")
      assert.is_true(conn:waitClosed())
      assert.is_truthy(conn:pending():find("^HTTP/1.1 400 "))
      conn:close()
    end
  end)

  describe("over WebSocket", function()
    it("takes text frames as it takes binary ones, and answers in binary", function()
      local client = open "ws"
      client.conn:sendFrame(TEXT, pomelo.package(pomelo.HANDSHAKE, pomelo.hello))
      assert.are.equal(ok200, assert(client:next()).body)
      client.conn:sendFrame(TEXT, pomelo.package(pomelo.ACK))
      client.conn:sendFrame(TEXT, request(1, '{"t":"\195\164"}'))
      assert.are.same({ t = "\195\164" }, assert(client:answer(1)).msg)
    end)

    it("an empty text frame is ignored", function()
      local client = connect "ws"
      client.conn:sendFrame(TEXT, "")
      client.conn:sendFrame(TEXT, "", { fin = false })
      client.conn:sendFrame(CONT, "")
      assert(client:request(echo))
    end)

    it("an empty binary frame closes", function()
      local client = connect "ws"
      client.conn:sendFrame(BINARY, "")
      assert.are.same({}, assert(client:rest()))
      assert.are.equal(1002, client.close_code)
      client = connect "ws"
      client.conn:sendFrame(BINARY, "", { fin = false })
      client.conn:sendFrame(CONT, "")
      assert.are.same({}, assert(client:rest()))
    end)

    it("a frame may hold several packages", function()
      local client = open "ws"
      client.conn:sendFrame(BINARY, whole)
      answered(client)
    end)

    it("a package may come in several frames of one message", function()
      local client = connect "ws"
      local bytes = request(1, '{"n":1}') .. request(2, '{"n":2}')
      for at = 1, #bytes do
        client.conn:sendFrame(at == 1 and BINARY or CONT, bytes:sub(at, at),
          { fin = at == #bytes })
        if at % 5 == 0 then client.conn:sendFrame(CONT, "", { fin = false }) end
      end
      for i = 1, 2 do assert.are.same({ n = i }, assert(client:answer(i)).msg) end
    end)

    it("a message may be cut into frames at any byte", function()
      local client = connect "ws"
      local bytes = request(1, '{"n":1}') .. request(2, '{"n":"\195\164"}')
      for _, op in ipairs { BINARY, TEXT } do
        for at = 1, #bytes - 1 do
          for stop = at, math.min(at + 1, #bytes - 1) do -- two frames, and three
            client.conn:sendFrame(op, bytes:sub(1, at), { fin = false })
            if stop > at then
              client.conn:sendFrame(CONT, bytes:sub(at + 1, stop), { fin = false })
            end
            client.conn:sendFrame(CONT, bytes:sub(stop + 1))
            assert.are.same({ n = 1 }, assert(client:answer(1)).msg)
            assert.are.same({ n = "\195\164" }, assert(client:answer(2)).msg)
          end
        end
      end
    end)

    it("packages are dispatched as they come, before the message is whole", function()
      local client = connect "ws"
      client.conn:sendFrame(BINARY, request(1, '{"n":1}'), { fin = false })
      assert.are.same({ n = 1 }, assert(client:answer(1)).msg)
      client.conn:sendFrame(CONT, request(2, '{"n":2}'))
      assert.are.same({ n = 2 }, assert(client:answer(2)).msg)
    end)

    it("a package does not go on in another message", function()
      local client = connect "ws"
      local bytes = request(1, "{}")
      client.conn:sendFrame(BINARY, bytes:sub(1, 8))
      client.conn:sendFrame(BINARY, bytes:sub(9))
      assert.are.same({}, assert(client:rest()))
      assert.are.equal(1002, client.close_code)
    end)

    it("a ping is answered between the pieces of a package", function()
      local client = connect "ws"
      local bytes = request(1, "{}")
      client.conn:sendFrame(BINARY, bytes:sub(1, 8), { fin = false })
      client.conn:sendFrame(PING, "are you there")
      assert.are.same({ type = "pong", body = "are you there" }, assert(client:next()))
      client.conn:sendFrame(CONT, bytes:sub(9))
      assert.are.same({}, assert(client:answer(1)).msg)
    end)

    it("an unmasked frame closes", function()
      local client = connect "ws"
      client.conn:sendFrame(BINARY, request(1, "{}"), { key = false })
      assert.are.same({}, assert(client:rest()))
      assert.are.equal(1002, client.close_code)
    end)
  end)

  -- As on Node, where a socket whose peer has ended is ended after what was written.
  it("sends a client that has ended its side what is done, then ends; and serves on", function()
    local watcher, client = connect "ws", connect "tcp"
    client.conn:send(request(1, '{"n":1}') .. request(2, '{"n":2}'))
    client.conn:shutdown()
    for i = 1, 2 do assert.are.same({ n = i }, assert(client:answer(i)).msg) end
    assert.are.same({}, assert(client:rest()))
    -- What another server answers later finds the client gone.
    client = connect "tcp"
    client:ask("chat.chatHandler.echo", {})
    client.conn:shutdown()
    assert.is_truthy(client:rest())
    assert.is_truthy(net.wait(function()
      return assert(watcher:request("connector.entryHandler.counts")).connections == 1
    end))
  end)

  it("serves both transports at once, and nobody is left", function()
    local clients = {}
    for i = 1, 20 do clients[i] = connect(i % 2 == 0 and "ws" or "tcp") end
    for i, client in ipairs(clients) do
      assert.are.same({ i = i }, assert(client:request(echo, { i = i })).msg)
    end
    for i = 2, 20 do clients[i]:close() end
    assert.is_truthy(net.wait(function()
      return assert(clients[1]:request("connector.entryHandler.counts")).connections == 1
    end))
    clients[1]:close()
  end)
end)
