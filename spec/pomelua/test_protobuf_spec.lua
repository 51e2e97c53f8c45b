-- Protobuf in the test kit: clients of a frontend read and write it (lua/pomelua/test/sessions.lua,
-- test/records.lua).
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{"development": {"connector": [{"id": "connector-1", "host": "127.0.0.1",
  "clientPort": 0, "frontend": true}]}}]]
local HANDLER = [[
return function(app)
  local Handler = {}
  function Handler:say(msg, _, next)
    app:get("channelService"):broadcast("connector", "onSay", msg.push or { n = 1 },
      function(err) next(nil, { text = msg.text, error = err and err.message, more = 1 }) end)
  end
  function Handler:send(msg, session)
    local ok, err = session:send("onSay", { n = msg.n })
    return { text = ok and "sent", error = err and err.message }
  end
  return Handler
end
]]
local SAY = "connector.talk.say"

describe("protobuf in the test kit", function()
  local base, server

  before_each(function()
    base = tree.new {
      ["app.lua"] = [[local app = require("pomelua").createApp()
        app:set("connectorConfig", { useProtobuf = true })
        app:start()]],
      ["config/servers.json"] = CONFIG,
      ["config/serverProtos.json"] = [[{ "onSay": { "required uInt32 n": 1 },
        "connector.talk.say": { "optional string text": 1, "optional string error": 2,
          "optional uInt32 code": 3 } }]],
      ["config/clientProtos.json"] = [[{ "connector.talk.say": { "required string text": 1,
        "message Push": { "optional uInt32 n": 1, "optional string s": 2 },
        "optional Push push": 2 } }]],
      ["app/servers/connector/handler/talk.lua"] = HANDLER,
    }
    server = test.server { base = base, type = "connector", id = "connector-1" }
  end)
  after_each(function() tree.remove(base) end)

  it("clients get what their definitions leave of a message", function()
    assert.same({ text = "hi" }, (server:request(SAY, { text = "hi" }, {})))
    assert.pushed(server, "onSay", { msg = { n = 1 } })
    assert.same({ text = "hi" },
      (server:request(SAY, { text = "hi", push = { n = 2, s = "not defined" } }, {})))
    assert.pushed(server, "onSay", { msg = { n = 2 } })
  end)

  it("a message that does not fit is the spec's error, or the pusher's", function()
    assert.error_matches(function() server:request(SAY, { push = { n = 1 } }, {}) end,
      "the message does not fit its definition: text: .*clientProtos, \"connector.talk.say\"")
    local answer = server:request(SAY, { text = "hi", push = { s = "x" } }, {})
    assert.matches('^msg%.n: .*serverProtos, "onSay"', answer.error)
  end)

  it("a push to one session is checked and encoded as others are", function()
    assert.same({ text = "sent" }, (server:request("connector.talk.send", { n = 5 }, {})))
    assert.pushed(server, "onSay", { msg = { n = 5 } })
    local answer = server:request("connector.talk.send", { n = -5 }, {})
    assert.matches('^msg%.n: .*serverProtos, "onSay"', answer.error)
  end)

  it("bytes that are no message of the definition end the connection", function()
    assert.error_matches(function() server:request(SAY, "\8", {}) end, "these bytes")
    assert.equal(1, server.node:counts().badProtobuf)
  end)

  it("clients that are connected keep their definitions when others come", function()
    local old, new = { uid = "ann" }, { uid = "bob" }
    server:request(SAY, { text = "hi" }, old)
    tree.write(base, "config/serverProtos.json", [[{ "onSay": { "required uInt32 n": 7 } }]])
    assert(server:reload())
    server:request(SAY, { text = "hi", push = { n = 3 } }, new)
    assert.pushed(server, "onSay", { to = { "bob", "ann" }, msg = { n = 3 } })
  end)
end)
