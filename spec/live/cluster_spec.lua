-- test.cluster: the chat for real, inside of this process, and clients of both kinds.
-- Tests test/cluster.lua.
local client = require "pomelua.client"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

describe("a cluster in a spec", function()
  local cluster

  before_each(function() cluster = test.cluster { base = "examples/chat" } end)

  local function enter(name, transport)
    local gate = cluster:client { type = "gate", transport = transport }
    local entry = assert(gate:request("gate.gateHandler.queryEntry", { uid = name }))
    gate:close()
    local one = cluster:client { port = entry.port, transport = transport }
    return one, assert(one:request("connector.entryHandler.enter", { username = name, rid = "r" }))
  end

  it("has the clients' ports, which its servers know, too", function()
    local ann, answer = enter("ann", "ws")
    assert.same({ "ann" }, answer.users)
    assert.is_number(cluster.ports["connector-server-1"])
    ann:close()
    assert.equal("closed", ann.reason)
  end)

  for _, transport in ipairs { "ws", "tcp" } do
    it("is talked to over " .. transport, function()
      local ann = enter("ann", transport)
      local bob = enter("bob", transport)
      assert.same("bob", assert(ann:expect("onAdd", { user = "bob" })).user)
      assert.answers(bob, {}, "chat.chatHandler.send",
        { content = "hello", target = "*" })
      local push = assert(ann:expect("onChat", { from = "bob" }))
      assert.equal("hello", push.msg)
      local seen
      ann:on("onLeave", function(msg) seen = msg.user end)
      bob:drop()
      assert.equal("bob", client.wait(5000, function() return seen end))
    end)
  end

  it("stays when a client stalls, answers heartbeats and says what did not come", function()
    local ann, bob = enter("ann"), enter("bob")
    bob:stall()
    assert(ann:notify("chat.chatHandler.send", { content = "x", target = "*" }))
    assert(ann:expect("onChat"))
    assert.equal(0, #bob.pushes)
    bob:resume()
    assert(bob:expect("onChat", { msg = "x" }))
    local msg, text = bob:expect("onChat", { msg = "y" }, 50)
    assert.is_nil(msg)
    assert.matches('no push onChat { msg = "y" } within 50 ms; ', text, 1, true)
    assert.is_nil(ann:kicked(10))
  end)

  it("closes its connections when it stops, and kicks nobody", function()
    local ann = enter("ann")
    local port = cluster.ports["gate-server-1"]
    assert.equal(0, cluster.core:stop())
    assert(ann:closed(1000))
    assert.is_nil(ann:kicked(0))
    assert.is_nil(client.connect { port = port })
  end)
end)

describe("an app that does not start", function()
  it("is told with the log's last lines", function()
    local base = tree.new {
      ["app.lua"] = "nonsense(",
      ["config/servers.json"] = '{"chat": [{"id": "chat-1"}]}',
    }
    local ok, err = pcall(test.cluster, { base = base })
    tree.remove(base)
    assert.is_false(ok)
    assert.matches("the servers do not start\nlog:\n.*error chat%-1 app.lua:1:", tostring(err))
  end)
end)
