-- The traps that old clients set (protocol 0), byte for byte as they see them.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local entry = "connector.entryHandler."

describe("towards old clients", function()
  local server

  setup(function() server = talk.start { config = "heartbeat = 30" } end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop { "can not find server info" } end)

  local function connect(transport) return pomelo.connect(server.port, transport) end

  local function member(transport, uid)
    local client = connect(transport)
    assert(client:request(entry .. "join", { uid = uid }))
    return client
  end

  it("each frame has one package, however many pushes leave together (protocol 0.1)", function()
    local client = member("ws", "one")
    local n = 300
    client:notify(entry .. "shout", { n = n })
    for i = 1, n do
      local frame = assert(client.conn:receiveFrame())
      while frame.payload:byte(1) == pomelo.HEARTBEAT do
        frame = assert(client.conn:receiveFrame())
      end
      assert.are.equal(2, frame.op)
      assert.is_true(frame.fin)
      local type, a, b, c = frame.payload:byte(1, 4)
      assert.are.equal(pomelo.DATA, type)
      assert.are.equal(#frame.payload - 4, a * 65536 + b * 256 + c)
      assert.are.equal(i, pomelo.parse(frame.payload:sub(5)).msg.i)
    end
  end)

  it("so have the answers to one frame of many requests (protocol 0.1, protocol 0.2)", function()
    local client = connect "ws"
    local bytes = {}
    for i = 1, 50 do
      bytes[i] = pomelo.package(pomelo.DATA, pomelo.message {
        type = pomelo.REQUEST, id = i, route = entry .. "empty",
      })
    end
    client:bytes(table.concat(bytes))
    for i = 1, 50 do assert.are.equal(i, assert(client:nextMessage()).id) end
  end)

  for _, transport in ipairs(pomelo.transports) do
    it("no message has the gzip bit or another that is not known, over " .. transport, function()
      local client = member(transport, "bits " .. transport)
      assert(client:request(entry .. "shout", { n = 1, pad = 20000 }))
      for _, m in ipairs {
        assert(client:push()),
        select(2, assert(client:request(entry .. "echo", { pad = ("x"):rep(30000) }))),
        select(2, assert(client:request("no.such.route"))),
      } do
        assert.is_false(m.gzip)
        assert.are.equal(0, m.spare)
      end
      -- Also to a client that sets it.
      client:data { type = pomelo.REQUEST, id = 9, route = entry .. "empty", gzip = true }
      assert.is_false(assert(client:nextMessage()).gzip)
    end)

    it("no message has an empty body: nothing is {} (protocol 0.4), over " .. transport, function()
      local client = connect(transport)
      for _, method in ipairs { "empty", "answersNothing", "answersFalse", "answersEmpty" } do
        local _, m = assert(client:request(entry .. method))
        assert.are.equal("{}", m.body, method)
      end
      client:notify(entry .. "all", {})
      assert.are.equal("{}", assert(client:push()).body)
    end)

    it("a response has its request's id and no route (protocol 0.9), over " .. transport,
      function()
        local client = connect(transport)
        for _, id in ipairs { 1, 127, 128, 16383, 16384, 2147483647 } do
          client:data { type = pomelo.REQUEST, id = id, route = entry .. "empty" }
          local m = assert(client:nextMessage())
          assert.are.same({ pomelo.RESPONSE, id, nil, "{}" }, { m.type, m.id, m.route, m.body })
        end
      end)

    it("a request with the id 0 is a notify, not answered (protocol 0.9), over " .. transport,
      function()
        local client = member(transport, "zero " .. transport)
        client:data { type = pomelo.REQUEST, id = 0, route = entry .. "shout", body = '{"n":1}' }
        client:data { type = pomelo.REQUEST, id = 0, route = "no.such.route" }
        client:data { type = pomelo.REQUEST, id = 0, route = "chat.chatHandler.echo" }
        assert.are.equal("onShout", assert(client:push()).route)
        client:data { type = pomelo.REQUEST, id = 7, route = "chat.chatHandler.echo" }
        assert.are.equal(7, assert(client:nextMessage()).id)
      end)

    it("a heartbeat comes at once after the ACK (protocol 0.11), over " .. transport, function()
      local client = assert(pomelo.open(server.port, transport))
      client:handshake()
      client:ack()
      assert.are.same({ type = pomelo.HEARTBEAT, body = "" }, assert(client:next()))
    end)

    it("a KICK's body is JSON (protocol 0.8), over " .. transport, function()
      for _, reason in ipairs { "x", "", '"', "\240\159\152\128" } do
        local client = connect(transport)
        client:notify(entry .. "kick", { reason = reason })
        local body = assert(client:kicked())
        assert.are.equal(reason, cjson.decode(body).reason)
      end
    end)

    it("an emoji leaves as two escapes (protocol 0.13), over " .. transport, function()
      local client = member(transport, "emoji " .. transport)
      local _, m = assert(client:request(entry .. "text"))
      assert.are.equal([[{"text":"a\ud83d\ude00x}"}]], m.body)
      client:notify(entry .. "shout", { text = "\240\159\152\128" })
      local push = assert(client:push())
      assert.is_truthy(push.body:find([["text":"\ud83d\ude00"]], 1, true))
      -- The BMP's own characters stay as they are.
      _, m = assert(client:request(entry .. "echo", { "\228\189\160\195\164" }))
      assert.is_truthy(m.body:find("\228\189\160\195\164", 1, true))
    end)

    it("CESU-8 of old clients is understood (protocol 0.13), over " .. transport, function()
      local client = connect(transport)
      local _, m = assert(client:request(entry .. "echo",
        '["\237\160\189\237\184\128","a\237\160\189\237\184\128b"]'))
      assert.are.same({ "\240\159\152\128", "a\240\159\152\128b" }, m.msg.msg)
      assert.is_nil(m.body:find("\237\160", 1, true))
      -- On its way to another server too.
      _, m = assert(client:request("chat.chatHandler.echo", '["\237\160\189\237\184\128"]'))
      assert.are.same({ "\240\159\152\128" }, m.msg.msg)
    end)

    it("a backend's answer is as clean as a frontend's, over " .. transport, function()
      local client = connect(transport)
      local _, m = assert(client:request("chat.chatHandler.echo", '["\240\159\152\128"]'))
      assert.is_truthy(m.body:find([["\ud83d\ude00"]], 1, true))
      assert.are.same({ pomelo.RESPONSE, false, 0 }, { m.type, m.gzip, m.spare })
    end)
  end

  it("the handshake has whole groups or none (protocol 0.6, protocol 0.7)", function()
    local client = assert(pomelo.open(server.port, "ws"))
    assert.are.equal('{"code":200,"sys":{"heartbeat":30}}', assert(client:handshake(
      '{"sys":{"type":"lua","version":"0.3.5"}}')))
    -- Empty ones, for a client that has those of another server.
    client = assert(pomelo.open(server.port, "ws"))
    assert.are.equal('{"code":200,"sys":{"heartbeat":30,"dict":{},"routeToCode":{},'
      .. '"codeToRoute":{},"dictVersion":0,"protos":{"server":{},"client":{},"version":0}}}',
      assert(client:handshake(
        '{"sys":{"type":"lua","version":"0.3.5","dictVersion":"a","protoVersion":"b"}}')))
  end)

  it("a client that answers heartbeats at once makes no ping-pong (protocol 0.15)", function()
    local client = connect "ws"
    for _ = 1, 2 do
      assert.are.equal(pomelo.HEARTBEAT, assert(client:next()).type)
      client:heartbeat()
    end
    assert(client:request(entry .. "empty"))
    assert.are.equal(2, client.beats)
    net.wait(function() end, 100)
    assert(client:request(entry .. "empty"))
    assert.are.equal(2, client.beats)
  end)
end)
