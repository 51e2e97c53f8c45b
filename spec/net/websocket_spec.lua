-- RFC 6455 as a client sees it, against build/ws-echo, which is the server's own
-- connection and frame code with an echo behind it.

local net = require "spec.support.net"

local CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

describe("a WebSocket connection", function()
  local server, port, client

  setup(function()
    server = net.spawn(net.built("ws-echo"))
    port = assert(server:waitLine("^(%d+)$"))
  end)

  teardown(function() net.closeAll() end)

  before_each(function() client = net.connectWs(port) end)

  after_each(function()
    client:close()
    assert.is_nil(server.code, "the server has ended: " .. server.err)
  end)

  local function expect(op, payload)
    local frame = assert(client:receiveFrame())
    assert.are.equal(op, frame.op)
    assert.is_true(frame.payload == payload, "another payload came back")
    assert.is_true(frame.fin)
    assert.are.equal(0, frame.rsv)
    assert.is_false(frame.masked)
  end

  local function code_of(frame)
    if #frame.payload < 2 then return nil end
    return frame.payload:byte(1) * 256 + frame.payload:byte(2)
  end

  -- The close frame with that code comes, and then the end of the connection.
  local function expect_close(code)
    local frame = assert(client:receiveFrame())
    assert.are.equal(CLOSE, frame.op)
    assert.are.equal(code, code_of(frame))
    assert.is_true(client:waitClosed())
    assert.is_nil(client.error)
    assert.are.equal("", client:pending())
  end

  local function code(n, reason)
    return string.char(math.floor(n / 256), n % 256) .. (reason or "")
  end

  describe("echoes", function()
    for _, n in ipairs { 0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1048576 } do
      it(("text and binary messages of %d bytes"):format(n), function()
        local text = ("x"):rep(n)
        client:sendFrame(TEXT, text)
        expect(TEXT, text)
        local bytes = ("\0\255\128"):rep(math.floor(n / 3)) .. ("\1"):rep(n % 3)
        client:sendFrame(BINARY, bytes)
        expect(BINARY, bytes)
      end)
    end

    it("a message of 16 MiB", function()
      local big = ("0123456789abcdef"):rep(1048576)
      client:sendFrame(BINARY, big)
      expect(BINARY, big)
    end)

    it("a message of 16 MiB in 64 fragments", function()
      local part = ("y"):rep(262144)
      for i = 1, 64 do
        client:sendFrame(i == 1 and TEXT or CONT, part, { fin = i == 64 })
      end
      expect(TEXT, part:rep(64))
    end)

    it("many messages sent at once, in order", function()
      local frames = {}
      for i = 1, 2000 do frames[i] = net.frame(TEXT, tostring(i)) end
      client:send(table.concat(frames))
      for i = 1, 2000 do expect(TEXT, tostring(i)) end
    end)

    it("lengths written in a longer form than needed", function()
      for _, form in ipairs { 2, 8 } do
        client:sendFrame(BINARY, "short", { form = form })
        expect(BINARY, "short")
      end
    end)

    it("with any mask", function()
      for _, key in ipairs { "\0\0\0\0", "\255\255\255\255", "\1\2\3\4" } do
        client:sendFrame(TEXT, "masked text", { key = key })
        expect(TEXT, "masked text")
      end
    end)
  end)

  describe("does not care where the bytes are cut:", function()
    it("every split of a frame of each length form", function()
      for _, n in ipairs { 0, 5, 130 } do
        local bytes = net.frame(TEXT, ("a"):rep(n))
        for at = 1, #bytes - 1 do
          client:send(bytes:sub(1, at))
          client:send(bytes:sub(at + 1))
          expect(TEXT, ("a"):rep(n))
        end
      end
      local bytes = net.frame(BINARY, ("b"):rep(70000))
      for at = 1, 20 do
        client:send(bytes:sub(1, at))
        client:send(bytes:sub(at + 1))
        expect(BINARY, ("b"):rep(70000))
      end
    end)

    it("byte by byte", function()
      local bytes = net.frame(TEXT, "Hell\195\182", { fin = false }) .. net.frame(PING, "p")
        .. net.frame(CONT, "!")
      for i = 1, #bytes do client:send(bytes:sub(i, i)) end
      expect(PONG, "p")
      expect(TEXT, "Hell\195\182!")
    end)
  end)

  describe("puts fragments together:", function()
    it("at every byte of a text with characters of all lengths", function()
      local text = "a\195\164\226\130\172\240\159\152\128z"
      for at = 0, #text do
        client:sendFrame(TEXT, text:sub(1, at), { fin = false })
        client:sendFrame(CONT, text:sub(at + 1))
        expect(TEXT, text)
      end
    end)

    it("one byte each", function()
      local text = "\240\159\152\128fragments"
      for i = 1, #text do
        client:sendFrame(i == 1 and TEXT or CONT, text:sub(i, i), { fin = i == #text })
      end
      expect(TEXT, text)
    end)

    it("empty ones", function()
      client:sendFrame(BINARY, "", { fin = false })
      client:sendFrame(CONT, "", { fin = false })
      client:sendFrame(CONT, "middle", { fin = false })
      client:sendFrame(CONT, "")
      expect(BINARY, "middle")
      client:sendFrame(TEXT, "", { fin = false })
      client:sendFrame(CONT, "")
      expect(TEXT, "")
    end)

    it("with control frames in between", function()
      client:sendFrame(TEXT, "one ", { fin = false })
      client:sendFrame(PING, "between")
      client:sendFrame(PONG, "nobody asked")
      client:sendFrame(CONT, "two")
      expect(PONG, "between")
      expect(TEXT, "one two")
    end)
  end)

  describe("answers pings", function()
    it("with their payload, of up to 125 bytes", function()
      for _, payload in ipairs { "", "hello", "\0\255\254", ("p"):rep(125) } do
        client:sendFrame(PING, payload)
        expect(PONG, payload)
      end
    end)

    it("in order, when many come at once", function()
      local frames = {}
      for i = 1, 100 do frames[i] = net.frame(PING, tostring(i)) end
      client:send(table.concat(frames))
      for i = 1, 100 do expect(PONG, tostring(i)) end
    end)

    it("but not pongs", function()
      client:sendFrame(PONG, "x")
      client:sendFrame(PONG, "")
      client:sendFrame(TEXT, "next")
      expect(TEXT, "next")
    end)
  end)

  describe("is ended with 1002 for", function()
    for _, op in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      it("the reserved opcode " .. op, function()
        client:sendFrame(op, "x")
        expect_close(1002)
      end)
    end

    for rsv = 1, 7 do
      it("reserved bits " .. rsv, function()
        client:sendFrame(TEXT, "x", { rsv = rsv })
        expect_close(1002)
      end)
    end

    it("a reserved bit on a control frame", function()
      client:sendFrame(PING, "x", { rsv = 4 })
      expect_close(1002)
    end)

    it("a frame without a mask", function()
      client:sendFrame(TEXT, "x", { key = false })
      expect_close(1002)
    end)

    it("a continuation of nothing", function()
      client:sendFrame(CONT, "x")
      expect_close(1002)
    end)

    it("a continuation behind a whole message", function()
      client:sendFrame(TEXT, "whole")
      client:sendFrame(CONT, "x", { fin = false })
      expect(TEXT, "whole")
      expect_close(1002)
    end)

    it("a message inside of a message", function()
      client:sendFrame(TEXT, "one", { fin = false })
      client:sendFrame(TEXT, "two")
      expect_close(1002)
    end)

    it("control frames in fragments", function()
      client:sendFrame(PING, "x", { fin = false })
      expect_close(1002)
    end)

    it("control frames of more than 125 bytes", function()
      client:sendFrame(PING, ("p"):rep(126))
      expect_close(1002)
    end)

    it("control frames with an extended length", function()
      client:sendFrame(PONG, "p", { form = 2 })
      expect_close(1002)
    end)

    it("a length with its top bit set", function()
      client:send("\130\255\128\0\0\0\0\0\0\1")
      expect_close(1002)
    end)
  end)

  it("is ended with 1009 as soon as a length above the limit is announced", function()
    client:send(net.frame(BINARY, "", { length = 16777220, form = 8 }))
    expect_close(1009)
  end)

  it("is ended with 1009 when fragments add up to more than the limit", function()
    local part = ("z"):rep(8388608)
    client:sendFrame(BINARY, part, { fin = false })
    client:sendFrame(CONT, part, { fin = false })
    client:sendFrame(CONT, "z")
    expect_close(1009)
  end)

  it("hands out what came before the error", function()
    client:send(net.frame(TEXT, "good") .. net.frame(3, "bad") .. net.frame(TEXT, "never"))
    expect(TEXT, "good")
    expect_close(1002)
  end)

  describe("closes", function()
    it("with the same code", function()
      for _, n in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
        3000, 3999, 4000, 4999 } do
        client:sendFrame(CLOSE, code(n))
        expect_close(n)
        client:close()
        client = net.connectWs(port)
      end
    end)

    it("without a code when none was given", function()
      client:sendFrame(CLOSE, "")
      expect_close(nil)
    end)

    it("with a reason of up to 123 bytes", function()
      client:sendFrame(CLOSE, code(1000, ("r"):rep(123)))
      expect_close(1000)
    end)

    it("in the middle of a message", function()
      client:sendFrame(TEXT, "unfinished", { fin = false })
      client:sendFrame(CLOSE, code(1000))
      expect_close(1000)
    end)

    it("and looks at nothing that comes behind it", function()
      client:send(net.frame(CLOSE, code(1000)) .. net.frame(PING, "x") .. net.frame(3, "y")
        .. net.frame(TEXT, "z"))
      expect_close(1000)
    end)

    it("with 1002 for codes that may not be sent", function()
      for _, n in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
        client:sendFrame(CLOSE, code(n))
        expect_close(1002)
        client:close()
        client = net.connectWs(port)
      end
    end)

    it("with 1002 for a payload of one byte", function()
      client:sendFrame(CLOSE, "\3")
      expect_close(1002)
    end)

    it("with 1002 for a payload of more than 125 bytes", function()
      client:sendFrame(CLOSE, code(1000, ("r"):rep(124)))
      expect_close(1002)
    end)

    it("with 1007 for a reason that is not UTF-8", function()
      client:sendFrame(CLOSE, code(1000, "\206\186\225\189\185\237\160\128"))
      expect_close(1007)
    end)
  end)

  describe("checks that text is UTF-8:", function()
    local valid = {
      "\206\186\225\189\185\207\131\206\188\206\181",
      "\194\128", "\223\191", "\224\160\128", "\237\159\191", "\238\128\128", "\239\191\191",
      "\239\191\189", "\240\144\128\128", "\244\143\191\191", "\0", "\127",
    }
    local invalid = {
      { "a byte that continues nothing", "\128" },
      { "two of them", "\128\191" },
      { "a lead byte alone", "\195" },
      { "a lead byte before a space", "\226 " },
      { "an overlong slash of two bytes", "\192\175" },
      { "an overlong slash of three bytes", "\224\128\175" },
      { "an overlong slash of four bytes", "\240\128\128\175" },
      { "an overlong NUL", "\192\128" },
      { "the longest overlong form of two bytes", "\193\191" },
      { "the longest overlong form of three bytes", "\224\159\191" },
      { "the longest overlong form of four bytes", "\240\143\191\191" },
      { "a high surrogate", "\237\160\128" },
      { "a low surrogate", "\237\191\191" },
      { "a pair of surrogates", "\237\160\189\237\184\128" },
      { "a character above U+10FFFF", "\244\144\128\128" },
      { "a lead byte of five", "\248\136\128\128\128" },
      { "a lead byte of six", "\252\132\128\128\128\128" },
      { "FE", "\254" },
      { "FF", "\255" },
      { "a character cut at the end", "ok \240\159\152" },
    }

    it("every kind of valid character comes back", function()
      for _, text in ipairs(valid) do
        client:sendFrame(TEXT, text)
        expect(TEXT, text)
      end
    end)

    for _, case in ipairs(invalid) do
      it(case[1] .. " ends it with 1007", function()
        client:sendFrame(TEXT, case[2])
        expect_close(1007)
      end)
    end

    it("binary may be anything", function()
      for _, case in ipairs(invalid) do
        client:sendFrame(BINARY, case[2])
        expect(BINARY, case[2])
      end
    end)

    it("a character may be cut by fragments, but not by the message's end", function()
      client:sendFrame(TEXT, "\226\130", { fin = false })
      client:sendFrame(CONT, "\172")
      expect(TEXT, "\226\130\172")
      client:sendFrame(TEXT, "\226", { fin = false })
      client:sendFrame(CONT, "\130")
      expect_close(1007)
    end)

    it("it ends at the first bad byte, before the message is whole", function()
      client:sendFrame(TEXT, "\206\186\225\189\185", { fin = false })
      client:sendFrame(CONT, "\244\144\128\128", { fin = false })
      expect_close(1007)
    end)

    it("and before the frame is whole", function()
      local bytes = net.frame(TEXT, "good\244\144" .. ("x"):rep(1000))
      client:send(bytes:sub(1, 14))
      expect_close(1007)
    end)
  end)

  it("may be ended by its client without a close frame", function()
    client:sendFrame(TEXT, "half", { fin = false })
    client:shutdown()
    assert.is_true(client:waitClosed())
    local other = net.connectWs(port)
    other:sendFrame(TEXT, "served")
    assert.are.equal("served", assert(other:receiveFrame()).payload)
    other:close()
  end)
end)

describe("the opening handshake", function()
  local server, port

  setup(function()
    server = net.spawn(net.built("ws-echo"))
    port = assert(server:waitLine("^(%d+)$"))
  end)

  teardown(function() net.closeAll() end)

  local function ask(request)
    local client = assert(net.connect(port))
    client:send(request)
    local head = client:receiveUntil("\r\n\r\n")
    local status = head and head:match("^HTTP/1.1 (%d+)")
    return status, client, head
  end

  local lines = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
  local key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
  local version = "Sec-WebSocket-Version: 13\r\n"
  local start = "GET /any/path?x=1 HTTP/1.1\r\nHost: h\r\n"

  it("answers with the accept value of the RFC's example", function()
    local status, client, head = ask(start .. lines .. key .. version .. "\r\n")
    assert.are.equal("101", status)
    assert.is_truthy(head:find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1, true))
    client:close()
  end)

  it("takes versions 8 and 13, any Origin, and names in any case", function()
    for _, v in ipairs { "8", "13" } do
      local status, client = ask(start
        .. "UPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
        .. "Origin: http://evil.example\r\n" .. key .. "sec-websocket-version: " .. v .. "\r\n\r\n")
      assert.are.equal("101", status)
      client:close()
    end
  end)

  it("accepts no extension", function()
    local status, client, head = ask(start .. lines .. key .. version
      .. "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    assert.are.equal("101", status)
    assert.is_nil(head:lower():find("extensions", 1, true))
    client:close()
  end)

  it("echoes the first subprotocol offered", function()
    local status, client, head = ask(start .. lines .. key .. version
      .. "Sec-WebSocket-Protocol: pomelo, other\r\n\r\n")
    assert.are.equal("101", status)
    assert.is_truthy(head:find("Sec-WebSocket-Protocol: pomelo\r\n", 1, true))
    client:close()
  end)

  it("refuses a request without a key, and another version, and closes", function()
    local old = "Sec-WebSocket-Version: 7\r\n"
    local without = { lines .. version, lines .. key, lines .. key .. old }
    for _, headers in ipairs(without) do
      local status, client = ask(start .. headers .. "\r\n")
      assert.is_truthy(status == "400" or status == "426", status)
      assert.is_true(client:waitClosed())
      client:close()
    end
  end)

  it("answers plain HTTP with 426 and closes", function()
    local status, client = ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert.are.equal("426", status)
    assert.is_true(client:waitClosed())
    client:close()
  end)

  it("reads frames that come with the request", function()
    local client = assert(net.connect(port))
    client:send(start .. lines .. key .. version .. "\r\n" .. net.frame(1, "early"))
    assert(client:receiveUntil("\r\n\r\n"))
    assert.are.equal("early", assert(client:receiveFrame()).payload)
    client:close()
  end)
end)
