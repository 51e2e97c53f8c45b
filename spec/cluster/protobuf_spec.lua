-- Protobuf between clients and a server behind their frontend, as in a rolling upgrade: the chat
-- server has other definitions than the connector. Between servers there is JSON only: the pusher
-- checks by its own definitions, the frontend transcodes by those that the client holds.
local cjson = require "cjson"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local SAY, PUSH, SPY = "chat.saying.say", "chat.saying.push", "chat.saying.bodies"

-- say answers and push pushes what the message says; both tell what they were given.
local HANDLER = [[
return function(app)
  local Handler, bodies = {}, {}
  local decode = app._server.decode_body
  app._server.decode_body = function(body)
    bodies[#bodies + 1] = body
    return decode(body)
  end
  local function result(msg) return require("pomelua").json.decode(msg.json) end
  function Handler:say(msg) return result(msg) end
  function Handler:push(msg, _, next)
    app:get("channelService"):pushMessageByUids(msg.route, result(msg),
      { { uid = msg.uid, sid = "connector-1" } },
      function(err) next(nil, { error = err and err.message or "none" }) end)
  end
  function Handler:bodies() return { bodies = bodies } end
  return Handler
end
]]

local OLD = cjson.encode {
  onX = { ["required uInt32 a"] = 1 },
  [SAY] = { ["required uInt32 a"] = 1, ["optional uInt32 code"] = 2 },
}
local NEW = cjson.encode {
  onX = { ["optional uInt32 a"] = 1, ["optional string b"] = 2, ["repeated uInt32 list"] = 3 },
  onY = { ["required uInt32 a"] = 1, ["repeated uInt32 list"] = 2 },
  [SAY] = { ["optional uInt32 a"] = 1, ["optional string b"] = 2 },
}
local CLIENT = cjson.encode { [SAY] = { ["required string json"] = 1 } }

describe("protobuf with a server of other definitions", function()
  local server, client, plain

  setup(function()
    server = talk.start {
      config = "useProtobuf = true,",
      code = [[app:configure(nil, "chat", function()
        app:set("protobufConfig", { serverProtos = "config/new.json" })
      end)]],
      files = {
        ["config/serverProtos.json"] = OLD, ["config/new.json"] = NEW,
        ["config/clientProtos.json"] = CLIENT,
        ["app/servers/chat/handler/saying.lua"] = HANDLER,
      },
    }
    client = pomelo.connect(server.port, "ws")
    plain = pomelo.connect(server.port, "tcp")
    assert(client:request("connector.entryHandler.join", { uid = "ann" }))
  end)
  teardown(function()
    pomelo.closeAll()
    server:stop { "serverProtos" }
  end)

  local function say(msg)
    local json = cjson.encode(msg)
    client.id = client.id + 1
    client:data { type = pomelo.REQUEST, id = client.id, route = SAY,
      body = "\10" .. string.char(#json) .. json }
    local _, m = client:answer(client.id)
    return m.body
  end

  local function push(route, msg)
    return assert(client:request(PUSH, { uid = "ann", route = route, json = cjson.encode(msg) }))
      .error
  end

  local function counts() return assert(plain:request("connector.entryHandler.counts")) end

  it("its handlers get JSON, whatever the client sends", function()
    assert.equal("\8\5", say { a = 5 })
    local bodies = assert(client:request(SPY)).bodies
    assert.same({ json = '{"a":5}' }, cjson.decode(bodies[#bodies - 1]))
  end)

  it("its pushes and answers are as the client's definitions have them", function()
    assert.equal("none", push("onX", { a = 7, b = "new" }))
    assert.equal("\8\7", assert(client:push()).body)
    assert.equal("\8\7", say { a = 7, b = "new" })
  end)

  it("a push that its definitions allow and the frontend's do not is counted and not sent",
    function()
      local before = counts().protoFails
      assert.equal("none", push("onX", { b = "new" }))
      assert.equal("none", push("onX", { a = 8 }))
      assert.equal("\8\8", assert(client:push()).body)
      assert.equal(before + 1, counts().protoFails)
      assert(server.process:waitErr('serverProtos%["onX"%]'))
    end)

  it("such an answer becomes {code = 500}", function()
    local before = counts().protoFails
    assert.equal("\16\244\3", say { b = "new" })
    assert.equal(before + 1, counts().protoFails)
  end)

  it("what its own definitions do not allow is its error, with the path", function()
    assert.matches('^msg%.a: .*serverProtos, "onX"', push("onX", { a = "one" }))
    assert.matches("^msg%.list%[2%]: ", push("onX", { a = 1, list = { 1, -1 } }))
    assert.matches('^msg%.a: .*"onY"', push("onY", {}))
    assert.equal("\16\244\3", say { a = "one" })
    assert(server.process:waitErr("chat%.saying%.say: the answer cannot be sent: msg%.a: "))
  end)

  it("a list without entries is one, also in JSON, and one that is left out stays out", function()
    assert.equal("none", push("onY", { a = 1, list = {} }))
    assert.matches('"list":[]', assert(client:push()).body, 1, true)
    assert.equal("none", push("onY", { a = 1 }))
    assert.equal('{"a":1}', assert(client:push()).body)
  end)
end)
