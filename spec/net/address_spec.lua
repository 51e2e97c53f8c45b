-- Who is at the other end: limits of one address, proxies that tell it, lists, origins, and what
-- the handshake function is told. All over real sockets: clients come from 127.0.0.<n>.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local entry = "connector.entryHandler."

-- Entries of the handler: the client's address, and lists that are set.
local code = [[
app:set("doors", function(msg)
  local service = app:get("connectionService")
  if msg.deny then service:setDeny(msg.deny) end
  if msg.allow ~= nil then service:setAllow(msg.allow or nil) end
end)
]]
local door_handler = [[
return function(app)
  local Handler = {}
  function Handler:address(_, session) return { address = session:address() } end
  function Handler:set(msg)
    app:get("doors")(msg)
    return { code = 200 }
  end
  return Handler
end
]]

local function start(config)
  return talk.start { config = config, code = code,
    files = { ["app/servers/connector/handler/doorHandler.lua"] = door_handler } }
end

-- A server waits for clients that are there.
local function stop(server)
  pomelo.closeAll()
  server:stop()
end

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local TCP4 = "PROXY TCP4 1.2.3.4 127.0.0.1 5555 443\r\n"

local upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
  .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

-- A client whose first bytes are these; nil, message when it is refused.
local function open_from(server, from, first, headers)
  local conn, err = net.connect(server.port, nil, from)
  if not conn then return nil, err end
  if first then conn:send(first) end
  local client = pomelo.on(conn, headers ~= nil)
  if headers then
    conn:send(upgrade .. headers .. "\r\n")
    local head
    head, err = conn:receiveUntil("\r\n\r\n")
    if not head then return nil, err end
    local status = head:match("^HTTP/1.1 (%d+) ")
    if status ~= "101" then return nil, status end
  end
  return client
end

local function enter(client, hello)
  local body, err = client:handshake(hello)
  if not body then return nil, err end
  client.hello = cjson.decode(body)
  client:ack()
  return client
end

local function address_of(client)
  return assert(client:request("connector.doorHandler.address")).address
end

describe("the limits of one address:", function()
  local server, watcher

  setup(function()
    server = start [[perAddress = { connections = 4, handshakes = 2, perSecond = 1000000,
      loopback = true }]]
    watcher = enter(open_from(server, "127.0.0.99"))
  end)
  teardown(function() stop(server) end)

  local function count(name) return assert(watcher:request(entry .. "counts"))[name] end

  it("so many connections, and others come in", function()
    local list = {}
    for i = 1, 4 do list[i] = assert(enter(open_from(server, "127.0.0.2"))) end
    local before = count "addressConnections"
    local more = open_from(server, "127.0.0.2")
    assert.is_nil(more and enter(more))
    assert.equal(before + 1, count "addressConnections")
    assert.truthy(enter(open_from(server, "127.0.0.3")))
    list[1].conn:close()
    assert.truthy(net.wait(function()
      local one = open_from(server, "127.0.0.2")
      return one and enter(one)
    end))
  end)

  it("so many that have not finished the handshake", function()
    local a = open_from(server, "127.0.0.4")
    local b = open_from(server, "127.0.0.4")
    assert(a:handshake()) -- answered, and no ACK yet
    local before = count "addressHandshakes"
    local more = open_from(server, "127.0.0.4")
    assert.is_nil(more and enter(more))
    assert.equal(before + 1, count "addressHandshakes")
    a:ack()
    assert(a:request(entry .. "echo"))
    assert.truthy(enter(open_from(server, "127.0.0.4")))
    b.conn:close()
  end)

  it("the log has one line for an address", function()
    for _ = 1, 20 do open_from(server, "127.0.0.5") end
    local line = assert(server.process:waitErr("[^\n]*refused a client of 127.0.0.5: [^\n]*"))
    assert.matches("perAddress.handshakes connections of the address have not finished", line)
    local _, lines = server.process.err:gsub("refused a client of 127%.0%.0%.5", "")
    assert.equal(1, lines)
  end)
end)

describe("connections of one address a second", function()
  it("are as many as perAddress.perSecond says", function()
    local server = start "perAddress = { perSecond = 5, loopback = true }"
    local good = 0
    for _ = 1, 30 do
      local client = open_from(server, "127.0.0.2")
      if client and enter(client) then good = good + 1 end
    end
    assert.is_true(good >= 5 and good < 30, tostring(good))
    local watcher = enter(open_from(server, "127.0.0.3"))
    assert.equal(30 - good, assert(watcher:request(entry .. "counts")).addressPerSecond)
    stop(server)
  end)
end)

describe("a frontend with trustedProxies", function()
  local server

  setup(function()
    server = start [[trustedProxies = { "127.0.0.1", "10.0.0.0/8" }, deny = { "6.0.0.0/8" },
      perAddress = { connections = 2, loopback = true }]]
  end)
  teardown(function() stop(server) end)

  it("believes a PROXY header of version 1, from these only", function()
    local client = enter(open_from(server, "127.0.0.1", TCP4))
    assert.same({ ip = "1.2.3.4", port = 5555 }, address_of(client))
    local stranger = open_from(server, "127.0.0.2", TCP4)
    assert.is_nil(enter(stranger))
    assert.truthy(server.process:waitErr(
      "127.0.0.2:%d+ sent the header of a proxy, and trustedProxies does not have its address"))
  end)

  it("believes a PROXY header of version 2", function()
    local client = enter(open_from(server, "127.0.0.1", SIGNATURE .. "\x21\x21\0\x28"
      .. "\x20\1\x0d\xb8" .. ("\0"):rep(11) .. "\1" .. ("\0"):rep(16) .. "\x12\x34\1\xbb"
      .. "\4\0\1\0"))
    assert.same({ ip = "2001:db8::1", port = 0x1234 }, address_of(client))
  end)

  it("serves the proxy itself, with a header and without", function()
    for _, first in ipairs { "", SIGNATURE .. "\x20\0\0\0", "PROXY UNKNOWN\r\n" } do
      local client = enter(open_from(server, "127.0.0.1", first))
      assert.equal("127.0.0.1", address_of(client).ip)
    end
    local client = enter(open_from(server, "127.0.0.1", nil, ""))
    assert.equal("127.0.0.1", address_of(client).ip)
  end)

  it("believes X-Forwarded-For, from these only", function()
    local forwarded = "X-Forwarded-For: 9.9.9.9, 1.2.3.5\r\nX-Forwarded-For: 10.0.0.7\r\n"
    local client = enter(open_from(server, "127.0.0.1", nil, forwarded))
    assert.same({ ip = "1.2.3.5", port = 0 }, address_of(client))
    client = enter(open_from(server, "127.0.0.2", nil, forwarded))
    assert.equal("127.0.0.2", address_of(client).ip)
  end)

  it("has limits and lists for the client, not for the proxy", function()
    local function of(ip) return open_from(server, "127.0.0.1", (TCP4:gsub("1%.2%.3%.4", ip))) end
    for _ = 1, 2 do assert(enter(of "1.2.3.9")) end
    assert.is_nil(enter(of "1.2.3.9"))
    local _, status = open_from(server, "127.0.0.1", nil, "X-Forwarded-For: 1.2.3.9\r\n")
    assert.equal("429", status)
    assert.is_nil(enter(of "6.6.6.6"))
    _, status = open_from(server, "127.0.0.1", nil, "X-Forwarded-For: 6.6.6.6\r\n")
    assert.equal("403", status)
  end)
end)

describe("lists of addresses", function()
  local server

  setup(function() server = start 'deny = { "127.0.0.8/30" }' end)
  teardown(function() stop(server) end)

  it("say who comes in", function()
    local client = open_from(server, "127.0.0.9")
    assert.is_nil(client and enter(client))
    assert.truthy(enter(open_from(server, "127.0.0.12")))
  end)

  it("are set at run time, and end sessions", function()
    local admin = enter(open_from(server, "127.0.0.1"))
    local one = enter(open_from(server, "127.0.0.20"))
    assert(one:request(entry .. "watch", { tag = "denied" }))
    assert(admin:request("connector.doorHandler.set", { deny = { "127.0.0.20" } }))
    assert.same({}, assert(one:rest()))
    assert.same({ kind = "string", reason = "address" },
      assert(admin:request(entry .. "ended", { tag = "denied" })))
    assert.truthy(enter(open_from(server, "127.0.0.9"))) -- no more denied
    assert(admin:request("connector.doorHandler.set", { deny = {}, allow = { "127.0.0.1" } }))
    local client = open_from(server, "127.0.0.9")
    assert.is_nil(client and enter(client))
    assert(admin:request("connector.doorHandler.set", { allow = false }))
  end)
end)

describe("connectorConfig.origins", function()
  it("are those of pages that may connect", function()
    local server = start [[origins = { "https://game.example", "https://*.game.example" },
      handshake = function(msg, cb, session, client) cb(nil, { client = client }) end]]
    for origin, good in pairs {
      ["https://game.example"] = true, ["https://www.game.example"] = true,
      ["https://evil.example"] = false, ["null"] = false, ["http://game.example"] = false,
    } do
      local client, status = open_from(server, nil, nil, "Origin: " .. origin .. "\r\n")
      if good then assert.truthy(client, origin) else assert.equal("403", status) end
    end
    local native = enter(open_from(server, nil, nil,
      'Cookie: id=7; b="c"\r\nX-A: 1\r\nx-a: 2\r\n'))
    local told = native.hello.user.client
    assert.equal("127.0.0.1", told.ip)
    assert.is_false(told.tls)
    assert.same({ id = "7", b = "c" }, told.cookies)
    assert.equal("1, 2", told.headers["x-a"])
    assert.equal(3, assert(native:request(entry .. "counts")).originsRefused)
    local plain = enter(open_from(server))
    assert.same({}, plain.hello.user.client.headers)
    stop(server)
  end)
end)
