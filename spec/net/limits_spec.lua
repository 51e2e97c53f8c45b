-- The limits that are always on, each at its default where that is quick to reach, and
-- at a small setting otherwise: what happens there, the counter, and the reason that a
-- listener for `closed` is told.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local entry = "connector.entryHandler."
local code500 = { code = 500 }

-- A body of n bytes that is JSON.
local function sized(n) return '{"x":"' .. ("y"):rep(n - 8) .. '"}' end

describe("limits:", function()
  local server

  local function start(opts) server = talk.start(opts) end

  after_each(pomelo.closeAll)

  local function count(name)
    local watcher = pomelo.connect(server.port, "ws")
    return assert(watcher:request(entry .. "counts"))[name]
  end

  local function tagged(transport) return talk.tagged(server, transport) end
  local function told(tag) return talk.told(server, tag) end

  describe("with nothing configured,", function()
    setup(function() start { server = "stopTimeout = 500, stopGrace = 100" } end)
    teardown(function() server:stop { "had to be cut" } end)

    for _, transport in ipairs(pomelo.transports) do
      it("a package of 4 KiB is taken before the handshake is done, no more, over " .. transport,
        function()
          local client = assert(pomelo.open(server.port, transport))
          assert(client:handshake('{"sys":{"x":"' .. ("y"):rep(4096 - 16) .. '"}}'))
          local before = count "closedTooBig"
          client = assert(pomelo.open(server.port, transport))
          client:package(pomelo.HANDSHAKE, sized(4097))
          assert.are.same({}, assert(client:rest()))
          assert.are.equal(before + 1, count "closedTooBig")
        end)

      it("and until the ACK: toobig, over " .. transport, function()
        local tag = "before " .. transport
        local client = assert(pomelo.open(server.port, transport))
        assert(client:handshake(('{"sys":{},"user":{"tag":"%s"}}'):format(tag)))
        client:package(pomelo.DATA, sized(4097))
        assert.are.same({}, assert(client:rest()))
        assert.are.equal("toobig", told(tag))
      end)

      it("a package of 64 KiB is taken after it, no more: toobig, over " .. transport, function()
        local client, tag = tagged(transport)
        local head = 2 + 1 + #(entry .. "echo")
        local id = client:ask(entry .. "echo", sized(65536 - head))
        assert.are.equal(65536 - head - 8, #assert(client:answer(id)).msg.x)
        local before = count "closedTooBig"
        client:ask(entry .. "echo", sized(65537 - head))
        assert.are.same({}, assert(client:rest()))
        if client.ws then assert.are.equal(1009, client.close_code) end
        assert.are.equal("toobig", told(tag))
        assert.are.equal(before + 1, count "closedTooBig")
      end)

      it("128 requests are in flight, one more is answered with 500 at once, over " .. transport,
        function()
          local client = tagged(transport)
          local before = count "overInFlight"
          for _ = 1, 128 do client:ask(entry .. "never") end
          for _ = 1, 3 do assert.are.same(code500, (assert(client:request(entry .. "empty")))) end
          assert.are.equal(before + 3, count "overInFlight")
          assert(server.process:waitErr("info  connector%-1 connector.entryHandler.empty: refused: "
            .. "serverConfig.maxInFlight %(128%) messages of its session are in flight", 5000))
        end)

      it("128 handlers wait for one client, more notifies of it are dropped, over " .. transport,
        function()
          local client = tagged(transport)
          local before = count "overInFlight"
          for _ = 1, 1000 do client:notify(entry .. "nap", '{"ms":60000}') end
          assert.are.same(code500, (assert(client:request(entry .. "empty"))))
          assert.are.equal(before + 1000 - 128 + 1, count "overInFlight")
          assert.are.same({}, assert(tagged(transport):request(entry .. "empty")))
        end)

      it("JSON nests 32 deep, deeper is no JSON, over " .. transport, function()
        local client = tagged(transport)
        local function nested(n) return ("["):rep(n) .. ("]"):rep(n) end
        local before = count "badBodies"
        assert.are.equal("table", assert(client:request(entry .. "kind", nested(32))).kind)
        assert.are.equal(1, assert(client:request(entry .. "kind", nested(32))).n)
        assert.are.equal(before, count "badBodies")
        assert.are.equal(0, assert(client:request(entry .. "kind", nested(33))).n)
        assert.are.equal(0, assert(client:request(entry .. "kind", nested(30000))).n)
        assert.are.equal(before + 2, count "badBodies")
      end)

      it("8 MiB queued to a client that does not read close it at once: slow, over " .. transport,
        function()
          local client, tag = tagged(transport)
          assert(client:request(entry .. "join", { uid = tag }))
          client.conn:pause()
          local other = tagged(transport)
          local before = count "closedSlow"
          -- The systems between take some MiB before anything is queued here.
          for _ = 1, 15 do
            assert(other:request(entry .. "shout", { n = 20, pad = 60000 }))
          end
          assert.are.equal("slow", told(tag))
          assert.are.equal(before + 1, count "closedSlow")
        end)
    end
  end)

  describe("made as large as it can be,", function()
    setup(function() start { config = "maxPackageSize = 16777215" } end)
    teardown(function() server:stop() end)

    it("the largest package is taken, in one WebSocket frame too", function()
      for _, transport in ipairs(pomelo.transports) do
        local client = tagged(transport)
        local head = 2 + 1 + #(entry .. "kind")
        local id = client:ask(entry .. "kind", sized(16777215 - head))
        assert.are.equal("table", assert(client:answer(id, 20000)).kind)
        client:close()
      end
    end)
  end)

  describe("made small,", function()
    setup(function()
      start {
        config = [[handshakeTimeout = 1000, maxHandshakeSize = 200, maxPackageSize = 1000,
          queueSoft = 200000, queueTime = 1000, queueHard = 100000000, packageTime = 1000,]],
        server = "maxInFlight = 3, timeout = 60000, stopTimeout = 500, stopGrace = 100",
        proxy = "maxCalls = 5, timeout = 60000",
      }
    end)
    teardown(function()
      server:stop { "chat.chatHandler.echo: too many messages wait", "had to be cut" }
    end)

    it("packages are as long as they may be, and no longer", function()
      for _, transport in ipairs(pomelo.transports) do
        local client = assert(pomelo.open(server.port, transport))
        client:package(pomelo.HANDSHAKE, sized(201))
        assert.are.same({}, assert(client:rest()))
        local tag
        client, tag = tagged(transport)
        local head = 2 + 1 + #(entry .. "echo")
        assert(client:request(entry .. "echo", sized(1000 - head)))
        client:ask(entry .. "echo", sized(1001 - head))
        assert.are.same({}, assert(client:rest()))
        assert.are.equal("toobig", told(tag))
      end
    end)

    it("a handshake that is not finished in time ends: handshake", function()
      local before = count "closedHandshake"
      for _, transport in ipairs(pomelo.transports) do
        local tag = "slowly " .. transport
        local client = assert(pomelo.open(server.port, transport))
        assert(client:handshake(('{"sys":{},"user":{"tag":"%s"}}'):format(tag)))
        assert.are.same({}, assert(client:rest()))
        assert.are.equal("handshake", told(tag))
      end
      assert.are.equal(before + 2, count "closedHandshake")
    end)

    it("requests in flight make room again when they are answered", function()
      for _, transport in ipairs(pomelo.transports) do
        local client = tagged(transport)
        for _ = 1, 10 do
          for _ = 1, 2 do assert(client:request(entry .. "empty")) end
        end
        for _ = 1, 3 do client:ask(entry .. "never") end
        assert.are.same(code500, (assert(client:request(entry .. "empty"))))
        client:notify(entry .. "kick", { reason = "notifies are no requests" })
        assert.are.equal('{"reason":"notifies are no requests"}', assert(client:kicked()))
      end
    end)

    it("requests to other servers are in flight too, and a session's are its own", function()
      local client, other = tagged "ws", tagged "tcp"
      for _ = 1, 3 do client:ask("chat.chatHandler.never") end
      assert.are.same(code500, (assert(client:request("chat.chatHandler.echo"))))
      assert.are.same({ code = 200, msg = {} }, (assert(other:request("chat.chatHandler.echo"))))
    end)

    it("rpc calls that wait are as many as they may be; more fail at once", function()
      local client = tagged "ws"
      local before = count "rpcRefused"
      local answer = assert(client:request(entry .. "calls", { n = 8 }))
      assert.is_true(answer.failed >= 3, answer.failed .. " failed")
      assert.is_string(answer.text)
      assert.are.equal(before + answer.failed, count "rpcRefused")
      -- A message for another server needs one, too: it is answered, with 500.
      assert.are.same(code500, (assert(client:request("chat.chatHandler.echo"))))
      assert.are.same({ code = 200, msg = {} }, (assert(client:request(entry .. "echo"))))
    end)

    it("a queue above the soft limit is borne for a time, then: slow; others are served",
      function()
        local before = count "closedSlow"
        for _, transport in ipairs(pomelo.transports) do
          local client, tag = tagged(transport)
          assert(client:request(entry .. "join", { uid = tag }))
          client.conn:pause()
          local reader, rtag = tagged(transport)
          assert(reader:request(entry .. "join", { uid = rtag }))
          for _ = 1, 30 do
            assert(reader:request(entry .. "shout", { n = 5, pad = 60000 }))
          end
          for i = 1, 150 do
            assert.are.equal((i - 1) % 5 + 1, assert(reader:push()).msg.i)
          end
          assert.are.equal("slow", told(tag))
          reader:close()
        end
        assert.are.equal(before + 2, count "closedSlow")
      end)

    it("a client for whom little waits, and who takes nothing of it: slow", function()
      local before = count "closedSlow"
      for _, transport in ipairs(pomelo.transports) do
        local client, tag = tagged(transport)
        assert(client:request(entry .. "join", { uid = tag }))
        client.conn.tcp:recv_buffer_size(4096)
        client.conn:pause()
        local other = tagged "tcp"
        repeat
          assert(other:request(entry .. "shout", { n = 1, pad = 60000 }))
        until assert(other:request(entry .. "counts")).clientBytes > 0
        assert.are.equal("slow", told(tag))
      end
      assert.are.equal(before + 2, count "closedSlow")
    end)

    it("a package that was begun, and does not come to its end: package", function()
      local before = count "closedPackage"
      local clients, names = {}, {}
      for _, transport in ipairs(pomelo.transports) do
        for _, begun in ipairs { "\4", "\4\0\0\9", "\4\0\0\9half", "\130" } do
          local client, tag = tagged(transport)
          clients[#clients + 1], names[#names + 1] = client, tag
          if not client.ws then begun = begun:gsub("\130", "\3\0") -- the head of a package
          elseif begun ~= "\130" then begun = net.frame(2, begun, { fin = false }) end
          client.conn:send(begun)
        end
      end
      for i, client in ipairs(clients) do
        assert.are.equal("package", told(names[i]))
        assert.are.same({}, assert(client:rest()))
        if client.ws then assert.are.equal(1008, client.close_code) end
      end
      assert.are.equal(before + 8, count "closedPackage")
    end)

    it("a client that reads again in time stays", function()
      local client, tag = tagged "tcp"
      assert(client:request(entry .. "join", { uid = tag }))
      client.conn:pause()
      local other = tagged "ws"
      for _ = 1, 10 do assert(other:request(entry .. "shout", { n = 10, pad = 60000 })) end
      client.conn:resume()
      for i = 1, 100 do assert.are.equal((i - 1) % 10 + 1, assert(client:push()).msg.i) end
      assert(client:request(entry .. "empty"))
    end)
  end)

  describe("of the memory of all clients:", function()
    setup(function() start { config = "clientMemory = 4, queueHard = 100000000" } end)
    teardown(function() server:stop() end)

    it("the client that holds most of it goes: memory; the others stay and are served", function()
      local greedy, tag = tagged "tcp"
      local modest = tagged "ws"
      greedy.conn:pause()
      modest.conn:pause()
      local big = sized(60000)
      for _ = 1, 5 do modest:ask(entry .. "echo", big) end
      for _ = 1, 300 do greedy:ask(entry .. "echo", big) end
      assert.are.equal("memory", told(tag))
      assert.are.equal(1, count "closedMemory")
      modest.conn:resume()
      for id = 1, 5 do assert(modest:answer(id)) end
      assert(modest:request(entry .. "echo", big))
      assert.is_true(count "clientBytes" < 4194304)
    end)
  end)

  describe("of connections:", function()
    setup(function() start { max = 4 } end)
    teardown(function() server:stop() end)

    it("the surplus is closed without a word and counted, and no slot leaks", function()
      local watcher, held = pomelo.connect(server.port), {}
      for i = 1, 3 do held[i] = pomelo.connect(server.port, i == 1 and "ws" or "tcp") end
      for _ = 1, 50 do
        local conn = assert(net.connect(server.port))
        assert.is_true(conn:waitClosed())
        assert.are.equal("", conn:pending())
        conn:close()
      end
      local counts = assert(watcher:request(entry .. "counts"))
      assert.are.equal(50, counts.refused)
      assert.are.equal(4, counts.connections)
      for i = 1, 3 do
        held[i]:close()
        assert.is_truthy(net.wait(function()
          return assert(watcher:request(entry .. "counts")).connections == 3
        end))
        held[i] = pomelo.connect(server.port, "ws")
        assert(held[i]:request(entry .. "empty"))
      end
      -- Those that come and go leave nothing either.
      held[1]:close()
      for _ = 1, 30 do
        assert.is_truthy(net.wait(function()
          return assert(watcher:request(entry .. "counts")).connections == 3
        end))
        pomelo.connect(server.port, "tcp"):close()
      end
    end)
  end)

  describe("that are settings out of range", function()
    it("keep the program from starting, with a line that names them", function()
      for _, case in ipairs {
        { "handshakeTimeout = 0", "connectorConfig.handshakeTimeout" },
        { "maxPackageSize = 17 * 1024 * 1024", "connectorConfig.maxPackageSize" },
        { "queueSoft = 'much'", "connectorConfig.queueSoft" },
        { "queueHard = 0 / 0", "connectorConfig.queueHard" },
        { "heartbeat = -1", "connectorConfig.heartbeat" },
        { "keepAlive = 40000", "connectorConfig.keepAlive" },
        { "clientMemory = 0", "connectorConfig.clientMemory" },
        { "packageTime = -1", "connectorConfig.packageTime" },
      } do
        local ok, message = pcall(talk.start, { config = case[1] })
        assert.is_false(ok)
        assert.is_truthy(tostring(message):find(case[2], 1, true), tostring(message))
      end
    end)
  end)
end)
