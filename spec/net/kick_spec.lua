-- KICK and the end of a session (protocol 6), over both transports.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local kicker = [[
return function(app)
  local Handler = {}

  function Handler:none(_, session) session:kick() end
  function Handler:bytes(_, session) session:kick("a\255b\0") end
  function Handler:null(msg, session) session:kick(msg.nothing) end
  function Handler:standard(_, session) session:kick(function() end) end
  function Handler:twice(_, session)
    session:kick("first")
    session:kick("second")
  end
  function Handler:afterwards(_, session, next)
    session:kick("out")
    next(nil, { code = 200 })
  end
  function Handler:byUid(msg)
    app:get("sessionService"):kick(msg.uid, msg.reason, function() end)
    return { code = 200 }
  end
  function Handler:bySid(msg)
    app:get("sessionService"):kickBySessionId(app:get("last").id, msg.reason, function() end)
    return { code = 200 }
  end

  -- Much is under way to the client when it is kicked.
  function Handler:flood(msg, session)
    local room = app:get("channelService"):getChannel("flood" .. session.id, true)
    room:add(session.uid, app:getServerId())
    for i = 1, msg.n do room:pushMessage("onFlood", { i = i, pad = ("x"):rep(1000) }) end
    session:kick("out")
  end

  return Handler
end
]]

local chat_kicker = [[
return function(app)
  local Handler = {}
  function Handler:kick(msg, session) session:kick(msg.reason) end
  function Handler:none(_, session) session:kick() end
  function Handler:byUid(msg, session)
    app:get("backendSessionService"):kickByUid(session.frontendId, msg.uid, "from chat",
      function() end)
    return { code = 200 }
  end
  return Handler
end
]]

local options = {
  config = [[handshake = function(msg, cb, session)
    app:set("last", session)
    local tag = type(msg.user) == "table" and msg.user.tag
    if tag then app:get("watch")(session, tag) end
    cb(nil)
  end]],
  files = {
    ["app/servers/connector/handler/kickHandler.lua"] = kicker,
    ["app/servers/chat/handler/kickHandler.lua"] = chat_kicker,
  },
}

local here, there = "connector.kickHandler.", "chat.kickHandler."
local tags = 0

for _, transport in ipairs(pomelo.transports) do
  describe("over " .. transport, function()
    local server

    setup(function() server = talk.start(options) end)
    after_each(pomelo.closeAll)
    teardown(function() server:stop() end)

    local function connect(hello) return pomelo.connect(server.port, transport, hello) end

    local function tagged()
      tags = tags + 1
      local tag = "tag " .. tags
      return ('{"sys":{},"user":{"tag":"%s"}}'):format(tag), tag
    end

    -- What a listener for `closed` was told.
    local function told(tag)
      local msg = assert(connect():request("connector.entryHandler.ended", { tag = tag }))
      return msg.kind == "nil" and "nothing" or msg.reason
    end

    -- The KICK comes, then the end, and nothing else.
    local function out(client, body)
      assert.are.equal(body, assert(client:kicked()))
      assert.are.same({}, assert(client:rest()))
      assert.is_nil(client.conn.error)
      if client.ws then assert.are.equal(1000, client.close_code) end
    end

    describe("a kick", function()
      it("is exactly these bytes", function()
        local client = connect()
        client:notify("connector.entryHandler.kick", { reason = "kick" })
        local want = "\5\0\0\17" .. '{"reason":"kick"}'
        assert.are.equal(client.ws and "\130\21" .. want or want,
          assert(client.conn:receive(#want + (client.ws and 2 or 0))))
      end)

      it("has its reason whole: NULs too, and U+FFFD for what is not UTF-8", function()
        local client = connect()
        client:notify("connector.entryHandler.kick", { reason = "a\0b" })
        out(client, '{"reason":"a\\u0000b"}')
        client = connect()
        client:notify("connector.kickHandler.bytes", {})
        out(client, '{"reason":"a\239\191\189b\\u0000"}')
      end)

      it("is delivered before the close", function()
        for _ = 1, 20 do
          local client = connect()
          client:notify("connector.entryHandler.kick", { reason = "out" })
          out(client, '{"reason":"out"}')
        end
      end)

      it("comes after everything that was sent before, however much", function()
        local client = connect()
        assert(client:request("connector.entryHandler.join", { uid = "flood" .. transport }))
        client:notify(here .. "flood", { n = 1500 })
        for i = 1, 1500 do assert.are.equal(i, assert(client:push()).msg.i) end
        out(client, '{"reason":"out"}')
      end)

      it("carries any reason as JSON", function()
        for reason, body in pairs {
          [""] = '{"reason":""}',
          ['a"b\\c'] = [[{"reason":"a\"b\\c"}]],
          ["\1\n\t"] = [[{"reason":"\u0001\n\t"}]],
          ["\195\164"] = '{"reason":"\195\164"}',
          ["\240\159\152\128"] = [[{"reason":"\ud83d\ude00"}]],
        } do
          local client = connect()
          client:notify("connector.entryHandler.kick", { reason = reason })
          out(client, body)
        end
      end)

      it("with a long reason is whole", function()
        local client = connect()
        client:notify("connector.entryHandler.kick", { reason = ("r"):rep(50000) })
        assert.are.equal(("r"):rep(50000), cjson.decode((assert(client:kicked()))).reason)
      end)

      it("without a reason is a close alone", function()
        for _, method in ipairs { here .. "none", here .. "null", there .. "none" } do
          local client = connect()
          client:notify(method)
          assert.are.same({}, assert(client:rest()))
        end
      end)

      it("with nothing but a callback has the reason kick", function()
        local client = connect()
        client:notify(here .. "standard")
        out(client, '{"reason":"kick"}')
      end)

      it("comes once", function()
        local client = connect()
        client:notify(here .. "twice")
        out(client, '{"reason":"first"}')
      end)

      it("is the last thing that is sent", function()
        local client = connect()
        client:ask(here .. "afterwards")
        out(client, '{"reason":"out"}')
      end)

      it("comes from a backend too", function()
        local client = connect()
        client:notify(there .. "kick", { reason = "bad" })
        out(client, '{"reason":"bad"}')
      end)

      it("by uid reaches every session of the user, and no other", function()
        local uid = "many " .. transport
        local clients = {}
        for i = 1, 3 do
          clients[i] = connect()
          assert(clients[i]:request("connector.entryHandler.join", { uid = uid }))
        end
        local other = connect()
        assert(other:request("connector.entryHandler.join", { uid = "other " .. transport }))
        assert(other:request(here .. "byUid", { uid = uid, reason = "all of you" }))
        for _, client in ipairs(clients) do out(client, '{"reason":"all of you"}') end
        assert(other:request("connector.entryHandler.echo"))
        local third = connect()
        assert(third:request(there .. "byUid", { uid = "other " .. transport }))
        out(other, '{"reason":"from chat"}')
      end)

      it("is not sent to a client that has not said ACK", function()
        local working = connect()
        local client = assert(pomelo.open(server.port, transport))
        assert(client:handshake())
        assert(working:request(here .. "bySid", { reason = "early" }))
        assert.are.same({}, assert(client:rest()))
      end)
    end)

    describe("the method constructor", function()
      it("is an attack: a kick, and no answer", function()
        for _, route in ipairs {
          "connector.entryHandler.constructor", "connector.nothing.constructor",
          "chat.chatHandler.constructor", "nothing.at.constructor",
        } do
          local client = connect()
          client:ask(route)
          out(client, '{"reason":"attack"}')
          client = connect()
          client:notify(route)
          out(client, '{"reason":"attack"}')
        end
      end)
    end)

    describe("a listener for closed is told", function()
      it("the reason of a kick", function()
        local hello, tag = tagged()
        local client = connect(hello)
        client:notify("connector.entryHandler.kick", { reason = "why not" })
        out(client, '{"reason":"why not"}')
        assert.are.equal("why not", told(tag))
      end)

      it("nothing when there was no reason", function()
        local hello, tag = tagged()
        local client = connect(hello)
        client:notify(here .. "none")
        assert.are.same({}, assert(client:rest()))
        assert.are.equal("nothing", told(tag))
      end)

      it("attack", function()
        local hello, tag = tagged()
        connect(hello):notify("connector.entryHandler.constructor")
        assert.are.equal("attack", told(tag))
      end)

      it("once, though there are two kicks", function()
        local hello, tag = tagged()
        connect(hello):notify(here .. "twice")
        assert.are.equal("first", told(tag))
      end)

      it("protocol, toobig and handshake when those were the end", function()
        local hello, tag = tagged()
        connect(hello):package(9)
        assert.are.equal("protocol", told(tag))

        hello, tag = tagged()
        connect(hello):bytes(pomelo.package(pomelo.DATA, "", 65537))
        assert.are.equal("toobig", told(tag))
      end)

      if transport == "ws" then
        it("the code of a client's close frame; 1005 without one, 1006 without a frame", function()
          for _, code in ipairs { 1000, 1001, 3000, 4999 } do
            local hello, tag = tagged()
            connect(hello):leave(code)
            assert.are.equal(code, told(tag))
          end
          local hello, tag = tagged()
          connect(hello):leave()
          assert.are.equal(1005, told(tag))
          hello, tag = tagged()
          connect(hello):close()
          assert.are.equal(1006, told(tag))
          hello, tag = tagged()
          local client = connect(hello)
          client.conn:reset()
          assert.are.equal(1006, told(tag))
        end)
      else
        it("false when the client closed, true when that was an error", function()
          local hello, tag = tagged()
          connect(hello):close()
          assert.are.equal(false, told(tag))
          hello, tag = tagged()
          local client = connect(hello)
          -- A reset right behind data that is still to be read is seen as a plain end.
          assert(client:request("connector.entryHandler.echo"))
          client.conn:reset()
          assert.are.equal(true, told(tag))
        end)

        it("false when the client will send no more, and what is queued is sent", function()
          local hello, tag = tagged()
          local client = connect(hello)
          local id = client:ask("connector.entryHandler.echo")
          client.conn:shutdown()
          assert(client:answer(id))
          assert.are.same({}, assert(client:rest()))
          assert.are.equal(false, told(tag))
        end)
      end
    end)

    it("a kicked client that does not close is cut off after two seconds", function()
      local watcher = connect()
      local client = connect()
      local function connections()
        return assert(watcher:request("connector.entryHandler.counts")).connections
      end
      local before = connections()
      client:notify("connector.entryHandler.kick", { reason = "go" })
      assert.are.equal('{"reason":"go"}', assert(client:kicked()))
      assert.are.equal(before, connections())
      assert.is_truthy(net.wait(function() return connections() < before end))
    end)

    it("who is there when the server stops gets no KICK, and comes back later", function()
      local client, waiting = connect(), assert(pomelo.open(server.port, transport))
      assert(waiting:handshake())
      server:terminate()
      for _, left in ipairs { client, waiting } do
        assert.are.same({}, assert(left:rest()))
        assert.is_nil(left.conn.error)
        if left.ws then assert.are.equal(1001, left.close_code) end
      end
      client:close()
      waiting:close()
      server:stop()
    end)
  end)
end
