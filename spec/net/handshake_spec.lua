-- HANDSHAKE and its answer (protocol 3), over both transports.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local ok200 = '{"code":200,"sys":{}}'
local bare500, bare501 = '{"code":500}', '{"code":501}'

-- Decides about clients by what they say of themselves.
local choosy = [[
  checkClient = function(type, version)
    return type == "spec" and version ~= "0" and (version ~= "raise" or error("on purpose"))
  end,
  handshake = function(msg, cb, session)
    local user = msg.user or {}
    if user.wait then
      app:set("runs", (app:get("runs") or 0) + 1)
      app:setTimeout(user.wait, function() cb(nil, { late = app:get("runs") }) end)
      return
    end
    if user.raise then error("on purpose") end
    if user.give then return { given = true } end
    if user.refuse then return nil, "refused" end
    if user.never then return end
    if user.twice then cb(nil, { n = 1 }) cb(nil, { n = 2 }) return end
    if user.id then return cb(nil, { session = type(session.id) }) end
    cb(user.err, user.resp)
  end,
]]

local function hello(user, version)
  return ('{"sys":{"type":"spec","version":"%s"}%s}'):format(version or "1",
    user and ',"user":' .. user or "")
end

for _, transport in ipairs(pomelo.transports) do
  describe("the handshake over " .. transport, function()
    local server
    local errors = {}

    local function start(opts) server = talk.start(opts) end
    local function open() return assert(pomelo.open(server.port, transport)) end
    local function answer(body) return assert(open():handshake(body)) end

    -- The answer comes, then the end; nothing else.
    local function refused(body, with)
      local client = open()
      assert.are.equal(with, assert(client:handshake(body)))
      assert.are.same({}, assert(client:rest()))
    end

    after_each(pomelo.closeAll)

    describe("of an app without settings", function()
      setup(function() start { config = "handshake = false or nil" } end)
      teardown(function() server:stop() end)

      it("is answered with exactly " .. ok200, function()
        assert.are.equal(ok200, answer())
      end)

      it("asks for sys alone, whatever is in it", function()
        for _, body in ipairs {
          '{"sys":"\255"}', '{"sys":{"type":"\237\160\189"}}', '{"sys":{"type":"\\ud83d"}}',
          '{"sys":{}}', '{"sys":1}', '{"sys":"x"}', '{"sys":[]}', '{"sys":true,"user":{}}',
          '{"sys":{"type":7,"version":null}}', ' { "sys" : { } } ',
        } do assert.are.equal(ok200, answer(body), body) end
      end)

      it("is refused with 500 without a truthy sys, and then closed", function()
        for _, body in ipairs {
          "{}", '{"sys":null}', '{"sys":0}', '{"sys":""}', '{"sys":false}', '{"user":{}}', "[]",
        } do refused(body, bare500) end
      end)

      it("is refused with 500 when it is no JSON, empty, null or a scalar", function()
        for _, body in ipairs {
          "", "null", "x", "{", '{"sys":{}', '{"sys":{}}x', "7", '"sys"', "\0", '{"sys":{},}',
          '{"sys":NaN}',
        } do refused(body, bare500) end
      end)

      it("is refused with 500 when it nests deeper than 32", function()
        local function nested(n) return '{"sys":' .. ("["):rep(n) .. ("]"):rep(n) .. "}" end
        assert.are.equal(ok200, answer(nested(31)))
        refused(nested(32), bare500)
        refused(nested(1500), bare500)
      end)

      it("is answered once: later ones are ignored, before the ACK and after it", function()
        local client = open()
        assert.are.equal(ok200, assert(client:handshake()))
        client:package(pomelo.HANDSHAKE, "{}")
        client:ack()
        client:package(pomelo.HANDSHAKE, "{}")
        assert.are.same({ code = 200, msg = {} },
          (assert(client:request("connector.entryHandler.echo"))))
      end)

      local dict = '"dict":{},"routeToCode":{},"codeToRoute":{},"dictVersion":0'
      local protos = '"protos":{"server":{},"client":{},"version":0}'
      local function with(sys) return '{"sys":{"type":"spec","version":"1"' .. sys .. "}}" end
      local function accepted(sys) return '{"code":200,"sys":{' .. sys .. "}}" end

      it("replaces the protos and the dictionary that a client has of another server", function()
        local version = "w6dkVXFmfPwjy3F5FQsaIQ=="
        assert.are.equal(accepted(protos), answer(with(',"protoVersion":"' .. version .. '"')))
        assert.are.equal(accepted(protos), answer(with ',"protoVersion":17'))
        assert.are.equal(accepted(dict), answer(with(',"dictVersion":"' .. version .. '"')))
        assert.are.equal(accepted(dict .. "," .. protos),
          answer(with ',"dictVersion":"x","protoVersion":{"a":1}'))
      end)

      it("says nothing of them to a client that has none", function()
        for _, none in ipairs { "0", '""', "null", "false" } do
          assert.are.equal(ok200,
            answer(with(',"dictVersion":' .. none .. ',"protoVersion":' .. none)))
        end
      end)

      it("does not count a client until it is done, and leaves nothing behind", function()
        for _ = 1, 20 do refused("null", bare500) end
        local client = pomelo.connect(server.port, transport)
        local counts = assert(client:request("connector.entryHandler.counts"))
        assert.are.equal(0, counts.bound)
        assert.is_true(counts.closedHandshake >= 20)
      end)
    end)

    describe("of an app with a heartbeat", function()
      setup(function() start { config = "heartbeat = 3, timeout = 60" } end)
      teardown(function() server:stop() end)

      it("announces it in seconds, as configured", function()
        assert.are.equal('{"code":200,"sys":{"heartbeat":3}}', answer())
      end)
    end)

    describe("of an app that decides", function()
      setup(function()
        errors = { "on purpose", "the answer cannot be sent", "^stack traceback" }
        start { config = choosy .. "heartbeat = 3,", server = "awaitTimeout = 60000" }
      end)
      teardown(function() server:stop(errors) end)

      it("is refused with 501 when checkClient says no", function()
        refused(hello(nil, "0"), bare501)
        refused('{"sys":{"type":"other","version":"1"}}', bare501)
        refused('{"sys":1}', bare501)
      end)

      it("is refused with 500 when checkClient raises", function()
        refused(hello(nil, "raise"), bare500)
      end)

      local function accepted(user)
        return '{"code":200,"sys":{"heartbeat":3}' .. (user and ',"user":' .. user or "") .. "}"
      end

      it("is answered without user when the app has nothing to say", function()
        assert.are.equal(accepted(), answer(hello()))
        for _, nothing in ipairs { "null", "0", '""', "false" } do
          assert.are.equal(accepted(), answer(hello('{"resp":' .. nothing .. "}")))
        end
      end)

      it("reads text that is not UTF-8 with U+FFFD in its place", function()
        local mark = "\239\191\189"
        for _, bad in ipairs { "\255", "\237\160\189", "\\ud83d", "\240\159\152" } do
          assert.are.equal(accepted('"a' .. mark .. 'b"'),
            answer(hello('{"resp":"a' .. bad .. 'b"}')))
        end
      end)

      it("replaces what is another server's, whatever the app does with the message", function()
        assert.are.equal('{"code":200,"sys":{"heartbeat":3,"protos":' ..
          '{"server":{},"client":{},"version":0}},"user":{"a":1}}',
          answer '{"sys":{"type":"spec","protoVersion":"x"},"user":{"resp":{"a":1}}}')
      end)

      it("is answered with user after sys", function()
        assert.are.equal(accepted '{"a":1}', answer(hello '{"resp":{"a":1}}'))
        assert.are.equal(accepted '"x"', answer(hello '{"resp":"x"}'))
        assert.are.equal(accepted '[1,2]', answer(hello '{"resp":[1,2]}'))
      end)

      it("is answered with what the function returns", function()
        assert.are.equal(accepted '{"given":true}', answer(hello '{"give":true}'))
        refused(hello '{"refuse":true}', bare500)
      end)

      it("hands the app a session", function()
        assert.are.equal(accepted '{"session":"number"}', answer(hello '{"id":true}'))
      end)

      it("is refused with 500 and nothing else after an error", function()
        refused(hello '{"err":"no"}', bare500)
        refused(hello '{"err":{"code":7}}', bare500)
        refused(hello '{"err":"no","resp":{"a":1}}', bare500)
        refused(hello '{"raise":true}', bare500)
      end)

      it("is answered once when the app answers twice", function()
        local client = open()
        assert.are.equal(accepted '{"n":1}', assert(client:handshake(hello '{"twice":true}')))
        client:ack()
        assert.are.same({ code = 200, msg = {} },
          (assert(client:request("connector.entryHandler.echo"))))
      end)

      it("runs the app's function once for handshakes that come before the answer", function()
        local client = open()
        local body = hello '{"wait":50}'
        local package = pomelo.package(pomelo.HANDSHAKE, body)
        client:bytes(package)
        client:bytes(package)
        client:ack() -- before the answer: ignored
        local p = assert(client:next())
        assert.are.equal(pomelo.HANDSHAKE, p.type)
        local first = tonumber(p.body:match '"late":(%d+)')
        client:ack()
        assert(client:request("connector.entryHandler.echo"))
        assert.are.equal(("%s"):format(first + 1),
          assert(open():handshake(body)):match '"late":(%d+)')
      end)

      it("may be answered late, when the client is gone", function()
        local client = open()
        client:package(pomelo.HANDSHAKE, hello '{"wait":20}')
        client:close()
        assert.are.equal(accepted(), answer(hello()))
        assert.is_truthy(answer(hello '{"wait":30}'))
      end)
    end)

    describe("has limits:", function()
      setup(function()
        start {
          config = [[handshakeTimeout = 300, maxHandshakeSize = 4096, handshake = function(msg, cb)
            if not msg.user then cb(nil) end
          end]],
        }
      end)
      teardown(function() server:stop() end)

      it("4 KiB for a package before it is done, to the byte", function()
        local function sized(n)
          local body = '{"sys":{"pad":""}}'
          return (body:gsub('""', '"' .. ("x"):rep(n - #body) .. '"'))
        end
        assert.are.equal(ok200, answer(sized(4096)))
        local client = open()
        client:package(pomelo.HANDSHAKE, sized(4097))
        assert.are.same({}, assert(client:rest()))
      end)

      it("a header that says too much is enough to be closed", function()
        local client = open()
        client:bytes(pomelo.package(pomelo.HANDSHAKE, "", 4097))
        assert.are.same({}, assert(client:rest()))
        if client.ws then assert.are.equal(1009, client.close_code) end
      end)

      it("who is silent is closed in time", function()
        assert.are.same({}, assert(open():rest()))
      end)

      it("who never says ACK is closed in time", function()
        local client = open()
        assert.are.equal(ok200, assert(client:handshake()))
        assert.are.same({}, assert(client:rest()))
      end)

      it("who sends a package cut for ever is closed in time", function()
        local client = open()
        client:bytes(pomelo.package(pomelo.HANDSHAKE, '{"sys"', 100))
        if client.ws then
          client.conn:sendFrame(0, "x", { fin = false })
          assert.is_truthy(client:rest())
        else
          assert.are.same({}, assert(client:rest()))
        end
      end)

      it("who is not answered by the app is closed in time", function()
        local client = open()
        client:package(pomelo.HANDSHAKE, hello "{}")
        assert.are.same({}, assert(client:rest()))
      end)

      it("a connection without a byte is closed in time", function()
        local conn = assert(net.connect(server.port))
        assert.is_true(conn:waitClosed())
        conn:close()
        conn = assert(net.connect(server.port))
        conn:send("GET / HT")
        assert.is_true(conn:waitClosed())
        conn:close()
      end)

      it("and who is done stays", function()
        local client = pomelo.connect(server.port, transport)
        assert.is_true(assert(net.connect(server.port)):waitClosed()) -- 300 ms later
        assert(client:request("connector.entryHandler.echo"))
      end)
    end)
  end)
end
