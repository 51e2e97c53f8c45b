-- The chat over sockets: somebody whose line is lost misses nothing, and nobody sees it.
local client = require "pomelua.client"
local test = require "pomelua.test"

describe("the chat", function()
  local cluster

  setup(function() cluster = test.cluster { base = "examples/chat" } end)
  teardown(function() cluster:stop() end)

  local function enter(name, transport)
    local gate = cluster:client { type = "gate" }
    local entry = assert(gate:request("gate.gateHandler.queryEntry", { uid = name }))
    gate:close()
    local one = cluster:client { port = entry.port, transport = transport, resume = true }
    assert(one:request("connector.entryHandler.enter", { username = name, rid = transport }))
    return one
  end

  for _, transport in ipairs { "ws", "tcp" } do
    it("gives who is cut over " .. transport .. " every line once, in order", function()
      local ann, bob = enter("ann", transport), enter("bob", transport)
      assert(ann:expect("onAdd", { user = "bob" }))
      local function say(one, text)
        assert(one:request("chat.chatHandler.send", { content = text, target = "*" }))
      end
      say(ann, "before")
      assert(bob:expect("onChat", { msg = "before" }))
      bob:cut()
      bob:stall() -- it does not come back yet
      for n = 1, 20 do say(ann, "line " .. n) end
      bob:resume()
      for n = 1, 20 do assert.equal("line " .. n, assert(bob:expect("onChat")).msg) end
      assert.equal(1, bob.resumed)
      say(bob, "after")
      assert.equal("after", assert(bob:expect("onChat")).msg)
      assert.same({}, bob:pushed())
      for _, push in ipairs(ann:pushed()) do assert.equal("onChat", push.route) end -- no onLeave
      bob:close()
      assert(ann:expect("onLeave", { user = "bob" }))
      ann:close()
      client.wait(0)
    end)
  end
end)
