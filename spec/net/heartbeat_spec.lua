-- Heartbeats as a client sees them (protocol 5, protocol 0.10, protocol 0.11, protocol 0.15),
-- over both transports. The shortest time that can be configured is a second.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"
local uv = require "luv"

local beat = { type = pomelo.HEARTBEAT, body = "" }
local echo, counts = "connector.entryHandler.echo", "connector.entryHandler.counts"

-- Lets time pass: it is what these specs are about.
local function pass(ms)
  local over = false
  local timer = uv.new_timer()
  timer:start(ms, 0, function() over = true end)
  net.wait(function() return over end, ms + 1000)
  timer:close()
end

local function now()
  uv.update_time()
  return uv.now()
end

local HELD = 300 -- ms that this process may be held up by others, where a second counts

-- A spec of clients that must act in time: done again when this process was held up meanwhile.
local function in_time(fn)
  return function()
    for try = 1, 5 do
      local last, longest, ticks = now(), 0, uv.new_timer()
      ticks:start(20, 20, function()
        local at = now()
        last, longest = at, math.max(longest, at - last)
      end)
      local ok, err = pcall(fn)
      ticks:close()
      if ok then return end
      -- The server alone may have been held up, too: that is seen by nobody, but not five times.
      if try == 5 or try == 3 and math.max(longest, now() - last) < HELD then error(err, 0) end
      pomelo.closeAll()
    end
  end
end

-- Time passes for both transports at once.
describe("over TCP and WebSocket,", function()
  local server

  after_each(pomelo.closeAll)
  local function connect(transport, hello)
    return pomelo.connect(server.port, transport, hello)
  end

  local function both()
    return { connect "tcp", connect "ws" }
  end

  local function each(clients, fn)
    for _, client in ipairs(clients) do fn(client) end
  end

  -- Waits for the ends; each comes between `least` and `most` ms after `from`.
  local function ended(clients, from, least, most)
    each(clients, function(client)
      assert.are.same({}, assert(client:rest()))
      if client.ws then assert.are.equal(1000, client.close_code) end
      local ms = now() - from
      assert.is_true(ms >= least and ms < most, ms .. " ms")
    end)
  end

  describe("a heartbeat of 30 s:", function()
    setup(function() server = talk.start { config = "heartbeat = 30" } end)
    teardown(function() server:stop() end)

    it("one comes at once after the ACK, and no second one", function()
      each(both(), function(client)
        assert.are.same(beat, assert(client:next()))
        assert(client:request(echo))
        assert.are.equal(1, client.beats)
      end)
    end)

    it("a client's is answered at once", function()
      each(both(), function(client)
        client:next()
        client:heartbeat()
        assert.are.same(beat, assert(client:next()))
      end)
    end)

    it("at most one a second is answered; the others are counted", in_time(function()
      each(both(), function(client)
        client:next()
        local before = assert(client:request(counts)).heartbeatsUnanswered
        for _ = 1, 10 do client:heartbeat() end
        local after = assert(client:request(counts)).heartbeatsUnanswered
        assert.are.equal(2, client.beats)
        assert.are.equal(9, after - before)
        client:bytes(pomelo.package(pomelo.HEARTBEAT):rep(100))
        assert.are.equal(before + 109, assert(client:request(counts)).heartbeatsUnanswered)
        assert.are.equal(2, client.beats)
      end)
    end))

    it("and a second later one is answered again, also one that comes a little early", function()
      local clients = both()
      each(clients, function(client) client:next() end)
      for _, ms in ipairs { 1000, 900, 900 } do
        each(clients, function(client)
          client:heartbeat()
          assert.are.same(beat, assert(client:next()))
        end)
        pass(ms)
      end
    end)

    it("each client has its own second", function()
      for _ = 1, 3 do
        each(both(), function(client)
          client:next()
          client:heartbeat()
          assert.are.same(beat, assert(client:next()))
        end)
      end
    end)
  end)

  describe("a timeout of 1 s:", function()
    setup(function() server = talk.start { config = "heartbeat = 3, timeout = 1" } end)
    teardown(function() server:stop() end)

    it("silence is the end, without a KICK, and listeners hear why", in_time(function()
      local watcher = connect "ws"
      local before = assert(watcher:request(counts)).closedHeartbeat
      local clients = {}
      for i, transport in ipairs(pomelo.transports) do
        clients[i] = connect(transport, ('{"sys":{},"user":{"tag":"%s"}}'):format(transport))
        watcher:ask("connector.entryHandler.ended", { tag = transport })
      end
      local from = now()
      while now() - from < 900 do
        watcher:heartbeat()
        pass(200)
      end
      ended(clients, from, 950, 4500)
      for _ = 1, 2 do
        local m = assert(watcher:nextMessage())
        assert.are.same({ kind = "string", reason = "heartbeat" }, m.msg)
      end
      assert.are.equal(before + 2, assert(watcher:request(counts)).closedHeartbeat)
    end))

    it("data keeps a client alive that sends no heartbeat", in_time(function()
      local clients = both()
      for _ = 1, 5 do
        pass(300)
        each(clients, function(client) assert(client:request(echo)) end)
      end
      each(clients, function(client) assert.are.equal(1, client.beats) end)
    end))

    it("so does any byte, of a package that is not whole yet", in_time(function()
      local clients = both()
      local function bytes(client)
        local package = pomelo.package(pomelo.DATA, pomelo.message {
          type = pomelo.REQUEST, id = 9, route = echo, body = "[]",
        })
        return client.ws and net.frame(2, package) or package
      end
      for i = 1, 4 do
        each(clients, function(client) client.conn:send(bytes(client):sub(i, i)) end)
        pass(400)
      end
      each(clients, function(client)
        client.conn:send(bytes(client):sub(5))
        assert.are.same({}, assert(client:answer(9)).msg)
      end)
    end))

    it("the time begins anew with what comes", in_time(function()
      local clients = both()
      pass(700)
      each(clients, function(client) client:heartbeat() end)
      ended(clients, now(), 950, 4500)
    end))

    it("a server that was busy does not blame its clients", in_time(function()
      local clients, other = both(), connect "tcp"
      local busy = pomelo.package(pomelo.DATA, pomelo.message {
        type = pomelo.REQUEST, id = 1, route = "connector.entryHandler.busy", body = '{"ms":500}',
      })
      other:bytes(busy:rep(3)) -- one turn: 1.5 s
      pass(300)
      each(clients, function(client) client:heartbeat() end)
      -- It is processor time, of which others may want their part.
      for _ = 1, 3 do assert(other:answer(1, 20000)) end
      each(clients, function(client)
        assert.are.same({ code = 200, msg = {} }, (assert(client:request(echo))))
      end)
    end))
  end)

  describe("a timeout of 1 s, the program held for longer:", function()
    setup(function() server = talk.start { config = "heartbeat = 3, timeout = 1" } end)
    teardown(function() server:stop() end)

    it("what clients sent meanwhile is read, answered, and a sign of life", function()
      local clients, asked = both(), {}
      server.process:freeze()
      pass(500)
      each(clients, function(client)
        client:heartbeat()
        asked[client] = client:ask(echo, {})
      end)
      pass(2000)
      server.process:kill("sigcont")
      each(clients, function(client)
        assert.are.same({ code = 200, msg = {} }, (assert(client:answer(asked[client]))))
        assert(client:request(echo))
      end)
      assert.are.equal(0, assert(clients[1]:request(counts)).closedHeartbeat)
    end)
  end)

  describe("a heartbeat of 1 s and no timeout:", function()
    setup(function() server = talk.start { config = "heartbeat = 1" } end)
    teardown(function() server:stop() end)

    it("the end comes after twice the heartbeat", in_time(function()
      ended(both(), now(), 1950, 4500)
    end))
  end)

  describe("no heartbeat configured:", function()
    setup(function() server = talk.start { config = "timeout = 1" } end)
    teardown(function() server:stop() end)

    it("none is sent, those of clients are swallowed, and nobody is timed out", function()
      local clients = both()
      each(clients, function(client) client:heartbeat() end)
      pass(1500)
      each(clients, function(client)
        client:heartbeat()
        client:heartbeat()
        assert(client:request(echo))
        assert.are.equal(0, client.beats)
        assert.are.equal(0, assert(client:request(counts)).heartbeatsUnanswered)
      end)
    end)
  end)

  describe("no heartbeat configured, keepAlive 1 s:", function()
    setup(function() server = talk.start { config = "keepAlive = 1" } end)
    teardown(function() server:stop() end)

    it("a silent WebSocket gets a ping a second, TCP nothing; both stay without an answer",
      function()
        local ws, tcp = connect "ws", connect "tcp"
        for _ = 1, 2 do
          local frame = assert(ws.conn:receiveFrame())
          assert.are.same({ 9, "" }, { frame.op, frame.payload })
        end
        assert.is_true(assert(tcp:request(counts)).pings >= 2)
        each({ ws, tcp }, function(client) assert(client:request(echo)) end)
      end)
  end)
end)
