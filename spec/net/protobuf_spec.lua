-- Protobuf between a frontend and its clients, over both transports. What goes over the wire is
-- given in bytes here, so that what is accepted does not come from the code under test.
-- Tests message/handshake.lua, client/protos.lua and node/transcode.
local cjson = require "cjson"
local client_module = require "pomelua.client"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"
local tree = require "spec.support.tree"

local ECHO, CHAT = "connector.entryHandler.echo", "chat.chatHandler.echo"
local SERVER = [[{
  "onShout": { "required uInt32 i": 1, "optional string text": 2, "repeated uInt32 list": 3 },
  "onAll": { "optional uInt32 a": 1, "repeated string list": 2 },
  "connector.entryHandler.echo": { "required uInt32 code": 1, "message Msg": {
    "optional uInt32 a": 1, "optional string s": 2 }, "optional Msg msg": 2 },
  "chat.chatHandler.echo": { "required uInt32 code": 1, "message Msg": {
    "optional uInt32 a": 1, "optional string s": 2 }, "optional Msg msg": 2 },
  "connector.entryHandler.never": { "optional uInt32 x": 1 },
  "connector.entryHandler.fails": { "required uInt32 x": 1, "optional uInt32 code": 2 }
}]]
local CLIENT = [[{
  "connector.entryHandler.echo": { "optional uInt32 a": 1, "optional string s": 2 },
  "chat.chatHandler.echo": { "optional uInt32 a": 1, "optional string s": 2 }
}]]
local FILES = {
  ["config/serverProtos.json"] = SERVER, ["config/clientProtos.json"] = CLIENT,
}
local EMOJI = "\240\159\152\128"
local CESU8 = "\237\160\189\237\184\128"

local function hello(sys)
  local text = { '"type":"spec"' }
  for key, value in pairs(sys or {}) do
    text[#text + 1] = cjson.encode(key) .. ":" .. cjson.encode(value)
  end
  return '{"sys":{' .. table.concat(text, ",") .. "}}"
end

-- The fields of a message, whose values are varints or texts, in the order of their bytes: the
-- members of a Lua table have none.
local function sorted(bytes)
  local list, at = {}, 1
  local function varint()
    local n, factor = 0, 1
    repeat
      local b = bytes:byte(at)
      n, factor, at = n + b % 128 * factor, factor * 128, at + 1
    until b < 128
    return n
  end
  while at <= #bytes do
    local from, wire = at, varint() % 8
    local n = varint()
    local text = bytes:sub(from, at - 1)
    if wire == 2 then
      local inner = bytes:sub(at, at + n - 1)
      text = text .. inner
      at = at + n
    end
    list[#list + 1] = text
  end
  table.sort(list)
  return table.concat(list)
end

local function assert_fields(expected, bytes) assert.equal(sorted(expected), sorted(bytes)) end

-- Asks with bytes and waits for the bytes of the answer.
local function ask(client, route, body)
  client.id = client.id + 1
  client:data { type = pomelo.REQUEST, id = client.id, route = route, body = body or "" }
  local _, m = client:answer(client.id)
  return type(m) == "table" and m.body or error(m, 2)
end

describe("a server without useProtobuf", function()
  local server
  setup(function() server = talk.start { files = FILES } end)
  teardown(function() server:stop() end)
  after_each(pomelo.closeAll)

  it("announces no definitions and speaks JSON", function()
    local client = pomelo.connect(server.port, "ws")
    assert.same({}, client.hello.sys)
    assert.same({ code = 200, msg = { a = 1 } }, (assert(client:request(ECHO, { a = 1 }))))
    assert.same({ code = 200, msg = { a = 1 } }, (assert(client:request(CHAT, { a = 1 }))))
  end)

  it("takes wrong definitions away from a client that has kept some", function()
    local client = pomelo.connect(server.port, "ws", hello { protoVersion = "old" })
    assert.same({ protos = { server = {}, client = {}, version = 0 } }, client.hello.sys)
  end)
end)

for _, transport in ipairs(pomelo.transports) do
  describe("protobuf over " .. transport, function()
    local server, sys

    setup(function()
      server = talk.start { files = FILES, config =
        'useProtobuf = true, heartbeat = 60, jsonResponses = { "json-only" },' }
    end)
    teardown(function()
      server:stop { "on purpose", "cannot be sent", "cannot be told", "fit" }
    end)
    before_each(function() sys = pomelo.connect(server.port, transport).hello.sys end)
    after_each(pomelo.closeAll)

    local function connect(more)
      return pomelo.connect(server.port, transport, hello(more))
    end

    it("is announced in the handshake: all fields, in Pomelo's order", function()
      local body = assert(assert(pomelo.open(server.port, transport)):handshake(hello()))
      local at = 0
      for _, key in ipairs { "code", "sys", "heartbeat", "protos", "server", "client", "version",
        "useProto" } do
        at = assert(body:find('"' .. key .. '":', at + 1, true), key)
      end
      assert.is_true(sys.useProto)
      assert.same({ option = "required", type = "uInt32", tag = 1 }, sys.protos.server.onShout.i)
      assert.equal("text", sys.protos.server.onShout.__tags["2"])
      assert.is_table(sys.protos.client[ECHO])
      assert.equal(24, #sys.protos.version)
    end)

    it("is told in full again only to a client that has other definitions", function()
      local function answer(version)
        local client = assert(pomelo.open(server.port, transport))
        return assert(client:handshake(
          ('{"sys":{"type":"spec","protoVersion":%s}}'):format(version)))
      end
      assert.equal('{"code":200,"sys":{"heartbeat":60,"useProto":true}}',
        answer(cjson.encode(sys.protos.version)))
      for _, other in ipairs { '"x"', '""', "0", "17", "null", "{}", "[]", "true" } do
        assert.matches('"protos":{"server":{"onShout":', answer(other), 1, true)
      end
    end)

    it("requests and responses, of this server and of another, are protobuf", function()
      local client = connect { protoVersion = sys.protos.version }
      for _, route in ipairs { ECHO, CHAT } do
        assert_fields("\8\200\1\18\3\8\172\2", ask(client, route, "\8\172\2"))
        assert_fields("\8\200\1\18\3\18\1x", ask(client, route, "\18\1x"))
        assert_fields("\8\200\1\18\0", ask(client, route, ""))
      end
    end)

    it("a route without a definition stays JSON", function()
      local client = connect()
      assert.same({ kind = "table", n = 0 }, (client:request("connector.entryHandler.kind", {})))
    end)

    it("pushes are protobuf, from this server and from others", function()
      local client = connect()
      local uid = "a" .. transport
      assert(client:request("connector.entryHandler.enter", { uid = uid }))
      assert(client:request("connector.entryHandler.join", { uid = uid }))
      assert(client:request("connector.entryHandler.shout", { text = "x" }))
      assert_fields("\8\1\18\1x", assert(client:push()).body)
      client:notify("chat.chatHandler.shout", { i = 300 })
      assert.equal("\8\172\2", assert(client:push()).body)
      assert(client:request("connector.entryHandler.all", { a = 7, list = {} }))
      assert.equal("\8\7", assert(client:push()).body)
      assert(client:request("connector.entryHandler.all", { list = { "a", "" } }))
      assert.equal("\18\1a\18\0", assert(client:push()).body)
    end)

    it("what does not fit is not sent, and the log says why", function()
      local client = connect()
      assert(client:request("connector.entryHandler.join", { uid = "c" .. transport }))
      assert(client:request("connector.entryHandler.shout", { text = { 1 } }))
      assert(server.process:waitErr("msg.text: .*serverProtos"))
      assert(client:request("connector.entryHandler.all", {})) -- it would be empty: protocol 0.4
      assert(server.process:waitErr("onAll"))
      assert(client:request("connector.entryHandler.shout", { text = "x" }))
      assert_fields("\8\1\18\1x", assert(client:push()).body)
    end)

    it("an error of a handler is {code = 500}, whatever else the definition requires", function()
      assert.equal("\16\244\3", ask(connect(), "connector.entryHandler.fails", "{}"))
    end)

    it("bytes that are no message of the definition end the connection", function()
      for _, route in ipairs { ECHO, CHAT } do
        for _, body in ipairs { "\8", "\18\5a", "\10\1a", "{}" } do
          local client = connect()
          client:data { type = pomelo.REQUEST, id = 1, route = route, body = body }
          assert.same({}, (assert(client:rest())))
          if transport == "ws" then assert.equal(1002, client.close_code) end
        end
      end
      local counts = assert(connect():request("connector.entryHandler.counts", {}))
      assert.is_true(counts.badProtobuf >= 8 and counts.closedProtocol >= 8)
    end)

    it("characters beyond the BMP are written as the client reads them", function()
      local modern, old = connect(), connect { type = "js-websocket" }
      for client, form in pairs { [modern] = EMOJI, [old] = CESU8 } do
        for _, sent in ipairs { EMOJI, CESU8 } do
          local n = #form
          assert_fields("\8\200\1\18" .. string.char(n + 2) .. "\18" .. string.char(n) .. form,
            ask(client, ECHO, "\18" .. string.char(#sent) .. sent))
        end
      end
    end)

    it("pomelua.client reads and writes it", function()
      local client = assert(client_module.connect { port = server.port, transport = transport })
      assert.same({ code = 200, msg = { a = 7, s = EMOJI } },
        (assert(client:request(ECHO, { a = 7, s = EMOJI }))))
      assert.same({ code = 200, msg = { a = 7 } }, (assert(client:request(CHAT, { a = 7 }))))
      assert.same({ code = 500 }, (assert(client:request("connector.entryHandler.fails"))))
      assert.error_matches(function() client:request(ECHO, { a = "one" }) end,
        "does not fit its definition: a: ")
      assert(client:request("connector.entryHandler.join", { uid = "e" .. transport }))
      client:notify("connector.entryHandler.shout", { text = "x", n = 1 })
      assert.same({ i = 1, text = "x" }, (assert(client:expect("onShout"))))
      client:close()
    end)

    it("responses are JSON for the types of clients that jsonResponses names", function()
      local client = connect { type = "json-only" }
      for _, route in ipairs { ECHO, CHAT } do
        assert.same({ code = 200, msg = { a = 7 } },
          cjson.decode(ask(client, route, "\8\7")))
      end
      assert(client:request("connector.entryHandler.join", { uid = "d" .. transport }))
      assert(client:request("connector.entryHandler.shout", { text = "x" }))
      assert_fields("\8\1\18\1x", assert(client:push()).body)
    end)
  end)
end

describe("definitions that change", function()
  local server, old

  setup(function()
    local files = {
      -- Answers the handshake of a client that says "late".
      ["app/servers/connector/handler/late.lua"] = [[
        local pomelua = require "pomelua"
        return function(app)
          return {
            held = function() repeat pomelua.sleep(1) until app:get("late") return {} end,
            go = function() app:get("late")(nil) return {} end,
          }
        end]],
    }
    for path, text in pairs(FILES) do files[path] = text end
    server = talk.start { files = files, server = "reload = false",
      config = [[useProtobuf = true, handshake = function(msg, cb)
        if msg.user == "late" then app:set("late", cb) else cb(nil) end
      end,]] }
    old = pomelo.connect(server.port, "ws")
  end)
  teardown(function()
    pomelo.closeAll()
    server:stop()
  end)

  it("are what new clients get; those who are there keep theirs", function()
    tree.write(server.dir, "config/serverProtos.json",
      (SERVER:gsub('"required uInt32 i": 1', '"required uInt32 i": 9')))
    tree.write(server.dir, "config/clientProtos.json", (CLIENT:gsub(": 1", ": 4")))
    server.process:kill "sighup"
    assert(server.process:waitErr("connector%-1 [^\n]*generation 2"))
    local new = pomelo.connect(server.port, "ws",
      hello { protoVersion = old.hello.sys.protos.version })
    assert.not_equal(old.hello.sys.protos.version, new.hello.sys.protos.version)
    assert_fields("\8\200\1\18\2\8\7", ask(old, ECHO, "\8\7"))
    assert_fields("\8\200\1\18\2\8\7", ask(new, ECHO, "\32\7"))
    assert(old:request("connector.entryHandler.join", { uid = "old" }))
    assert(new:request("connector.entryHandler.join", { uid = "new" }))
    assert(new:request("connector.entryHandler.shout", { text = "x" }))
    assert_fields("\8\1\18\1x", assert(old:push()).body)
    assert_fields("\72\1\18\1x", assert(new:push()).body)
  end)

  it("close the client that cannot read a push: code 1001, and it may come back", function()
    tree.write(server.dir, "config/serverProtos.json",
      (SERVER:gsub('"optional string text": 2', '"repeated string text": 2')))
    server.process:kill "sighup"
    assert(server.process:waitErr("connector%-1 [^\n]*generation 3"))
    local new = pomelo.connect(server.port, "ws")
    assert(new:request("connector.entryHandler.join", { uid = "newer" }))
    assert(new:request("connector.entryHandler.shout", { text = { "x" } }))
    assert_fields("\8\1\18\1x", assert(new:push()).body)
    assert.same({}, (assert(old:rest())))
    assert.equal(1001, old.close_code)
    assert.is_true(assert(new:request("connector.entryHandler.counts", {})).closedProtos >= 1)
  end)

  it("are those of the moment at which a handshake is answered", function()
    local new = pomelo.connect(server.port, "ws")
    local late = assert(pomelo.open(server.port, "ws"))
    late:package(pomelo.HANDSHAKE, '{"sys":{"type":"spec"},"user":"late"}')
    assert(new:request("connector.late.held"))
    tree.write(server.dir, "config/clientProtos.json", (CLIENT:gsub(": 1", ": 6")))
    server.process:kill "sighup"
    assert(server.process:waitErr("connector%-1 [^\n]*generation 4"))
    assert(new:request("connector.late.go"))
    local sys = cjson.decode(assert(late:next()).body).sys
    assert.equal(6, sys.protos.client[ECHO].a.tag)
    late:ack()
    assert_fields("\8\200\1\18\2\8\7", ask(late, ECHO, "\48\7"))
  end)
end)
