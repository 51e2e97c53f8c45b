-- What clients should not send (protocol 8): each row of its tables, the column
-- "Pomelua". Whatever one client sends, another that is connected all the while notices
-- nothing; what closes a connection is counted.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local echo, counts = "connector.entryHandler.echo", "connector.entryHandler.counts"
local empty = "connector.entryHandler.empty" -- answers {}

for _, transport in ipairs(pomelo.transports) do
  describe("over " .. transport, function()
    local server, bystander

    setup(function()
      server = talk.start()
      bystander = pomelo.connect(server.port, transport == "ws" and "tcp" or "ws")
    end)

    teardown(function()
      bystander:close()
      server:stop { "on purpose", "can not find server info" }
    end)

    local clients = {}

    local function connect()
      local client = pomelo.connect(server.port, transport)
      clients[#clients + 1] = client
      return client
    end

    after_each(function()
      for _, client in ipairs(clients) do client:close() end
      clients = {}
      assert.are.same({ code = 200, msg = { still = "here" } },
        (assert(bystander:request(echo, { still = "here" }))))
    end)

    local function count(name) return assert(bystander:request(counts))[name] end

    -- These bytes are the end of a client, and of no other, and are counted as such.
    local function closes(bytes, counter)
      counter = counter or "closedProtocol"
      local before, other = count(counter), connect()
      local client = connect()
      client:bytes(bytes)
      assert.are.same({}, assert(client:rest()))
      assert.are.equal(before + 1, count(counter))
      assert(other:request(echo))
    end

    local function data(bytes) return pomelo.package(pomelo.DATA, bytes) end

    -- The response to a request made of these bytes, with id 1.
    local function answer(bytes)
      local client = connect()
      client:data(bytes)
      local p = assert(client:nextPackage())
      return p.body
    end

    local function request(route, body)
      return pomelo.message { type = pomelo.REQUEST, id = 1, route = route, body = body }
    end

    local code500 = '\4\1{"code":500}'

    -- Ignored: the next answer is that to a request sent afterwards.
    local function ignored(bytes)
      local client = connect()
      client:data(bytes)
      assert.are.same({ code = 200, msg = {} }, (assert(client:request(echo))))
    end

    describe("a package", function()
      it("of a type outside 1 to 5 closes, and what comes behind it is dropped", function()
        for _, type in ipairs { 6, 32, 71, 255 } do
          closes(pomelo.package(type, "x"))
          closes(pomelo.package(type, "x") .. data(request(echo)))
        end
        closes "\0\0\0\0"
      end)

      it("of type 5 closes", function()
        closes(pomelo.package(pomelo.KICK, '{"reason":"x"}'))
      end)

      it("longer than the limit closes before its body comes", function()
        closes(pomelo.package(pomelo.DATA, "", 65537), "closedTooBig")
        closes(pomelo.package(pomelo.DATA, "", 0xffffff), "closedTooBig")
        closes(pomelo.package(pomelo.HEARTBEAT, "", 65537), "closedTooBig")
      end)
    end)

    if transport == "ws" then
      describe("a frame", function()
        it("shorter than its package says closes", function()
          closes(pomelo.package(pomelo.DATA, request(echo), 1000))
          closes "\4\0"
          closes "\3"
        end)

        it("longer than its package says is read on: whole packages count", function()
          local client = connect()
          client:bytes(data(request(echo)) .. data(request(echo)))
          assert(client:answer(1))
          assert(client:answer(1))
        end)

        it("with a rest that is no package closes after those before it", function()
          local client = connect()
          client:bytes(data(request(echo)) .. "\4\0\0")
          assert(client:answer(1))
          assert.are.same({}, assert(client:rest()))
          assert.are.equal(1002, client.close_code)
        end)
      end)
    end

    describe("a message", function()
      it("that is empty closes", function() closes(data "") end)

      it("with a cut id closes", function()
        closes(data "\0")
        closes(data "\0\255")
        closes(data "\0\128\128\128\128")
      end)

      it("with a cut route closes", function()
        closes(data "\0\1")        -- no length
        closes(data "\0\1\5abcd")  -- one short
        closes(data "\0\1\255a.b.c{}")
        closes(data "\2")
        closes(data "\2\200a.b.c")
        closes(data "\6\9x")
      end)

      it("with a cut route code closes", function()
        closes(data "\1\1")
        closes(data "\1\1\0")
        closes(data "\3\0")
      end)

      it("with an id above 2^31 - 1 closes", function()
        closes(data "\0\255\255\255\255\15\3a.b")         -- 2^32 - 1, -1 in Pomelo
        closes(data "\0\128\128\128\128\8\3a.b")          -- 2^31
        closes(data "\0\255\255\255\255\127\3a.b")
        closes(data "\0\128\128\128\128\128\0\3a.b")      -- six bytes
        closes(data("\0" .. ("\255"):rep(60) .. "\1\3a.b"))
      end)

      it("with the id 2^31 - 1 is answered", function()
        local client = connect()
        client:data("\0\255\255\255\255\7\28" .. empty .. "{}")
        assert.are.equal("\4\255\255\255\255\7{}", assert(client:nextPackage()).body)
      end)

      it("with a long form of a small id is answered in the short form", function()
        local client = connect()
        client:data("\0\129\128\128\0\28" .. empty .. "{}")
        assert.are.equal("\4\1{}", assert(client:nextPackage()).body)
      end)

      it("of type RESPONSE or of no type is ignored and counted", function()
        local before = count "ignored"
        ignored "\4\1{}"
        ignored "\5\1{}"
        for type = 4, 7 do ignored(string.char(type * 2) .. "\1\5a.b.c{}") end
        assert.are.equal(before + 6, count "ignored")
      end)

      it("of type PUSH is a notify", function()
        local client = connect()
        client:data { type = pomelo.PUSH, route = "connector.entryHandler.kick",
          body = '{"reason":"pushed"}' }
        assert.are.equal('{"reason":"pushed"}', assert(client:kicked()))
      end)

      it("with bits that mean nothing is what it is without them", function()
        local client = connect()
        client:data("\224\1\28" .. empty .. '{"a":1}')
        assert.are.equal("\4\1{}", assert(client:nextPackage()).body)
      end)
    end)

    describe("a body", function()
      -- What the handler was given, as JSON.
      local function told(body)
        return cjson.encode(pomelo.parse(answer(request(echo, body))).msg.msg)
      end

      it("that is no JSON is an empty object for the handler, and is counted", function()
        local before = count "badBodies"
        local bad = {
          "", "x", "{", '{"a":1', '{"a":1}x', '{"a":NaN}', '{"a":Infinity}', "'a'",
          "\0", "\31\139\8\0", '{"a":"x}', '{"a":"\255}', "\255", '{\255:1}',
          '"\1"', ("["):rep(100), ("["):rep(20000),
        }
        for _, body in ipairs(bad) do assert.are.equal("{}", told(body), body) end
        assert.are.equal(before + #bad, count "badBodies")
      end)

      it("that holds ill-formed text has U+FFFD in its place, and is fine", function()
        local before = count "badBodies"
        for bad, good in pairs {
          ["\255"] = "\239\191\189", ["\237\160\189"] = "\239\191\189",
          ["x\226\130y"] = "x\239\191\189y",
        } do
          assert.are.same({ a = good }, cjson.decode(told('{"a":"' .. bad .. '"}')), bad)
        end
        assert.are.equal(before, count "badBodies")
      end)

      it("that is null is an empty object, and fine", function()
        local before = count "badBodies"
        assert.are.equal("{}", told "null")
        assert.are.equal(before, count "badBodies")
      end)

      it("that is a scalar is handed over as it is", function()
        assert.are.equal("7", told "7")
        assert.are.equal("-0.5", told "-0.5")
        assert.are.equal('"x"', told '"x"')
        assert.are.equal("true", told "true")
      end)

      it("that is an array is handed over as the message", function()
        assert.are.equal("[1,2,3]", told "[1,2,3]")
        assert.are.same({ kind = "table", n = 3 },
          pomelo.parse(answer(request("connector.entryHandler.kind", "[1,2,3]"))).msg)
      end)

      it("behind the gzip bit is no JSON", function()
        local m = request(echo, "\31\139\8\0\0\0\0\0\0\3")
        assert.are.same({}, pomelo.parse(answer("\16" .. m:sub(2))).msg.msg)
      end)
    end)

    describe("a route", function()
      it("with no dot, or without three parts, is 500 for a request, nothing for a notify",
        function()
          local before, n = count "badRoutes", 0
          for _, route in ipairs {
            "", "a", "connector", "a.b", "connector.entryHandler", "a.b.c.d", ".", "..", "...",
            "connector..echo", ".entryHandler.echo", "connector.entryHandler.",
            "connector.entryHandler.echo.x", "\0", ("x"):rep(255),
          } do
            assert.are.equal(code500, answer(request(route)), route)
            ignored(pomelo.message { type = pomelo.NOTIFY, route = route })
            n = n + 2
          end
          assert.are.equal(before + n, count "badRoutes")
        end)

      it("given as a code is 500 for a request, nothing for a notify", function()
        for _, code in ipairs { 0, 1, 5, 65535 } do
          assert.are.equal(code500,
            answer(pomelo.message { type = pomelo.REQUEST, id = 1, code = code }))
          ignored(pomelo.message { type = pomelo.NOTIFY, code = code })
        end
      end)

      it("to nobody is 500 for a request, nothing for a notify", function()
        for _, route in ipairs {
          "nobody.is.there", "connector.nothing.echo", "connector.entryHandler.nothing",
          "chat.chatHandler.nothing", "chat.nothing.at", "connector.entryHandler.ECHO",
          "connector.entryHandler.\0echo", "connector.entryHandler.\255",
        } do
          assert.are.equal(code500, answer(request(route)), route)
          ignored(pomelo.message { type = pomelo.NOTIFY, route = route })
        end
      end)

      it("reaches what the handler has of its own, and nothing with a leading _", function()
        for _, stype in ipairs { "connector.entryHandler.", "chat.chatHandler." } do
          for _, name in ipairs {
            "toString", "hasOwnProperty", "__defineGetter__", "__proto__", "_hidden", "__index",
            "__newindex", "__gc", "new", "prototype", "rawget", "__route__",
          } do
            assert.are.equal(code500, answer(request(stype .. name)), name)
          end
        end
      end)

      it("to the method constructor is an attack", function()
        local client = connect()
        client:data(request("connector.entryHandler.constructor"))
        assert.are.equal('{"reason":"attack"}', assert(client:kicked()))
        assert.are.same({}, assert(client:rest()))
      end)

      it("of a handler that raises is 500, and the client stays", function()
        local client = connect()
        client:data(request("connector.entryHandler.fails"))
        assert.are.equal(code500, assert(client:nextPackage()).body)
        assert(client:request(echo))
      end)

      it("to a remote, or to what the framework has for itself, is 500", function()
        for _, route in ipairs {
          "chat.chatRemote.add", "chat.chatRemote.never", "connector._sessionRemote.bind",
          "connector._sessionRemote.kickBySid", "sys.msgRemote.forwardMessage",
          "connector.__channel.pushMessage",
        } do
          assert.are.equal(code500, answer(request(route)), route)
        end
      end)
    end)

    it("and in the end only the bystander is there", function()
      assert.is_truthy(net.wait(function() return count "connections" == 1 end))
      assert.are.equal(1, count "sessions")
      assert.are.equal(1, count "requestsOpen") -- the one that asks
    end)
  end)
end
