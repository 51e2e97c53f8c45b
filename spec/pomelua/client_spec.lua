-- The scripted client against a real server of a small app.
-- Tests client/init.lua.
local client = require "pomelua.client"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local files = {
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", { heartbeat = 1, distinctHost = true,
  handshake = function(msg, cb)
    if type(msg.user) == "table" and msg.user.bad then cb("no") else cb(nil) end
  end })
app:start()
]],
  ["config/servers.json"] =
    '{"connector": [{"id": "connector-1", "clientPort": 3010, "frontend": true}]}',
  ["app/servers/connector/handler/h.lua"] = [[
return function(app)
  local Handler = {}
  local channels = app:get("channelService")
  function Handler:echo(msg) return { text = msg.text } end
  function Handler:never() end
  function Handler:kick(_, session) session:kick("enough") end
  function Handler:all(msg) channels:broadcast("connector", "onAll", { text = msg.text }) end
  return Handler
end
]],
}

for _, transport in ipairs { "ws", "tcp" } do
  describe("a client over " .. transport, function()
    local base, cluster

    setup(function()
      base = tree.new(files)
      cluster = test.cluster { base = base }
    end)
    teardown(function()
      cluster:close()
      tree.remove(base)
    end)

    local function connect() return cluster:client { transport = transport } end

    it("gets the answers to its requests, short and long", function()
      local one = connect()
      for _, n in ipairs { 1, 100, 200, 60000 } do
        local text = ("x"):rep(n)
        assert.equal(text, assert(one:request("connector.h.echo", { text = text })).text)
      end
      one:close()
    end)

    it("says when no answer comes", function()
      local one = connect()
      local _, message, name = one:request("connector.h.never", {}, 30)
      assert.matches("no answer to connector.h.never within 30 ms", message, 1, true)
      assert.equal("TIMEOUT", name)
      one:close()
      assert.equal("CLOSED", (select(3, one:request("connector.h.echo", {}))))
    end)

    it("keeps pushes until they are taken", function()
      local one = connect()
      one:notify("connector.h.all", { text = "a" })
      one:notify("connector.h.all", { text = "b" })
      assert.same({ text = "b" }, one:expect("onAll", { text = "b" }))
      assert.pushed(one, "onAll", { msg = { text = "a" } })
      assert.same({ { route = "onAll", msg = { text = "a" } } }, one:pushed())
      one:close()
    end)

    it("is told why it is kicked", function()
      local one = connect()
      one:notify("connector.h.kick", {})
      assert.same({ reason = "enough" }, one:kicked())
      assert.is_string(one:closed())
    end)

    it("lives as long as its heartbeats are answered, and no longer", function()
      local one, other = connect(), connect()
      other:stall()
      client.wait(3500)
      assert.answers(one, { text = "still here" }, "connector.h.echo", { text = "still here" })
      other:resume()
      assert.is_string(other:closed(1000))
      one:close()
    end)

    it("is refused by the handshake", function()
      local _, message, name = client.connect {
        port = cluster.ports["connector-1"], transport = transport, user = { bad = true },
      }
      assert.matches("the handshake was refused", message)
      assert.equal("REFUSED", name)
    end)
  end)
end

it("refuses a host that is no text or holds a NUL", function()
  for _, host in ipairs { "127.0.0.1\0x", 5, {} } do
    local ok, message = pcall(function() client.connect { host = host, port = 1 } end)
    assert.is_false(ok)
    assert.matches("client_spec.lua:%d+: client.connect: host is a name", message)
  end
end)

it("says that nobody listens", function()
  assert.is_nil((client.connect { port = require("spec.support.ports").one() }))
end)
