-- A frontend that takes TLS alone, over real sockets: who is refused and what he is told, how many
-- handshakes one address may have under way, how a stop ends a wss connection. Tests
-- core/net/secure.c with the program.
local certs = require "spec.support.certs"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"
local tls = require "spec.support.tls"

describe("a port that requires TLS", function()
  local server

  setup(function()
    server = talk.start {
      files = certs.files(),
      config = 'ssl = { cert = "config/tls/game.crt", key = "config/tls/game.key", '
        .. "required = true }, perAddress = { handshakes = 3, loopback = true }",
    }
  end)

  teardown(function() server:stop() end)
  after_each(function() pomelo.closeAll() end)

  local function counts(client)
    return assert(client:request("connector.entryHandler.counts", {}))
  end

  it("serves Pomelo and WebSocket by TLS", function()
    for _, transport in ipairs { "tls", "wss" } do
      local client = pomelo.connect(server.port, transport)
      local answer = assert(client:request("connector.entryHandler.echo", { n = 1 }))
      assert.are.same({ code = 200, msg = { n = 1 } }, answer)
      assert.is_true(counts(client).tlsDone >= 1)
    end
  end)

  it("closes plain clients, tells those who speak HTTP, and says so once in the log", function()
    local raw = assert(net.connect(server.port))
    raw:send(pomelo.package(pomelo.HANDSHAKE, pomelo.hello))
    assert.is_true(raw:waitClosed())
    assert.are.equal("", raw:pending())
    local http = assert(net.connect(server.port))
    local head = http:upgrade()
    assert.are.equal("HTTP/1.1 400 Bad Request", head:match("^[^\r]*"))
    assert.is_true(http:waitClosed())
    assert.is_truthy(http:pending():find("plain text on a TLS port", 1, true))
    assert(server.process:waitErr("plain text on a TLS port, from 127.0.0.1:"))
    raw:close()
    http:close()
    local client = pomelo.connect(server.port, "wss")
    assert.are.equal(2, counts(client).tlsPlainText)
    local _, lines = server.process.err:gsub("plain text on a TLS port, from", "")
    assert.are.equal(1, lines)
  end)

  it("lets one address have so many handshakes under way", function()
    local player = pomelo.connect(server.port, "tls")
    assert(net.wait(function() return counts(player).connections == 1 end))
    local silent = {}
    for i = 1, 3 do
      silent[i] = assert(net.connect(server.port))
      silent[i]:send(tls.hello())
      assert(silent[i]:receive(1)) -- the server's answer
    end
    local more, why = net.connect(server.port) -- reset, perhaps before the client has looked
    if more then more:send(tls.hello()) end
    assert.is_true(more and more:waitClosed() or why == "ECONNRESET")
    assert.are.equal(3, counts(player).tlsUnderWay)
    for i = 1, 3 do silent[i]:close() end
    assert(net.wait(function() return counts(player).tlsUnderWay == 0 end))
    local again = pomelo.connect(server.port, "tls")
    assert.are.equal(200, assert(again:request("connector.entryHandler.echo", {})).code)
  end)

  it("ends a wss connection with a close frame and close_notify when it stops", function()
    local client = pomelo.connect(server.port, "wss")
    server:terminate()
    local frame = assert(client.conn:receiveFrame(10000))
    assert.are.same({ 8, "\3\233move" }, { frame.op, frame.payload })
    client.conn:sendFrame(8, "\3\233")
    assert.is_true(client.conn:waitClosed())
    assert.are.same({ eof = true, said = true },
      { eof = client.conn.eof, said = client.conn.tcp.notified })
  end)
end)
