-- The route dictionary in the test kit, on a virtual frontend and in a cluster.
-- Tests app/dictionary.lua, test/sessions.lua and test/records.lua.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:set("connectorConfig", { useDict = true, distinctHost = true })
    app:start()
  ]],
  ["config/servers.json"] = [[{
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
                  {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "chat": [{"id": "chat-1"}]
  }]],
  ["config/dictionary.json"] = '["onSay"]',
  ["app/servers/connector/handler/h.lua"] = [[
    return function(app)
      local Handler = {}
      local channels = app:get("channelService")
      function Handler:enter(msg, session)
        assert(session:bind(msg.uid))
        channels:getChannel("room", true):add(msg.uid, app:getServerId())
        return { code = 200 }
      end
      function Handler:say(msg)
        local room = channels:getChannel("room", true)
        room:add("far", "connector-2")
        room:pushMessage(msg.route, { text = msg.text })
        return { code = 200 }
      end
      function Handler:_hidden() return {} end
      return Handler
    end
  ]],
  ["app/servers/chat/handler/c.lua"] = "return { ask = function() return { v = 1 } end }",
}

describe("the route dictionary in the test kit", function()
  local base

  setup(function() base = tree.new(FILES) end)
  teardown(function() tree.remove(base) end)

  it("is used by the clients of a frontend, both ways", function()
    local server = test.server { base = base, type = "connector" }
    local ann = {}
    assert.equal(1, server.inner.dictionary:code "chat.c.ask")
    assert.same({ code = 200 }, (server:request("connector.h.enter", { uid = "ann" }, ann)))
    assert.same({ code = 500 }, (server:request("connector.h._hidden", {}, ann)))
    assert.equal(0, server.node:counts().badRoutes)
    for _, route in ipairs { "onSay", "onOther" } do
      server:request("connector.h.say", { route = route, text = "hi" }, ann)
      assert.same({ { route = route, msg = { text = "hi" }, to = { "far", "ann" } } },
        server:pushed())
    end
  end)

  it("is none on a backend, and costs it nothing", function()
    local server = test.server { base = base, type = "chat" }
    assert.is_nil(server.inner.dictionary)
    assert.same({ v = 1 }, (server:request("chat.c.ask", {})))
  end)

  it("ends the start of a frontend with its message", function()
    local bad = tree.new(FILES)
    tree.write(bad, "app/servers/chat/handler/c.lua", "\nerror 'no database'")
    local ok, message = pcall(test.server, { base = bad, type = "connector" })
    tree.remove(bad)
    assert.is_false(ok)
    assert.matches("app/servers/chat/handler/c.lua:2: no database; for the route dictionary",
      message, 1, true)
  end)

  it("is used by the clients of a cluster", function()
    local cluster = test.cluster { base = base }
    local ann = cluster:client { server = "connector-1" }
    assert.equal(200, assert(ann:request("connector.h.enter", { uid = "ann" })).code)
    assert.equal(1, ann.codes["chat.c.ask"])
    assert.same({ v = 1 }, (assert(ann:request("chat.c.ask"))))
    for _, route in ipairs { "onSay", "onOther" } do
      ann:notify("connector.h.say", { route = route, text = "hi" })
      assert.same({ text = "hi" }, (assert(ann:expect(route))))
    end
    cluster:stop()
  end)
end)
