-- test.cluster: the chat for real, inside of this process, and clients of both kinds.
-- Tests test/cluster.lua.
local certs = require "spec.support.certs"
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

  it("stops a script that never ends, and its server goes on", function()
    local base = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("serverConfig", { budget = 100 })
        app:start()]],
      ["config/servers.json"] = [[{"development": {"connector": [
        {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
      ["app/servers/connector/handler/h.lua"] = [[
        return {
          spins = function() while true do end end,
          goes = function() return { code = 200 } end,
        }]],
    }
    local small = test.cluster { base = base }
    local one = small:client()
    assert.answers(one, { code = 500 }, "connector.h.spins", {})
    assert.answers(one, { code = 200 }, "connector.h.goes", {})
    local said
    for _, line in ipairs(small:log()) do
      said = said or line.text:match("h%.lua:%d+: handler [^\n]*")
    end
    assert.matches("over its budget of 100 ms", said)
    assert.equal(0, small:stop())
    tree.remove(base)
  end)

  it("speaks TLS when the game does", function()
    local base = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("connectorConfig", { ssl = { cert = "a.crt", key = "a.key", required = true } })
        app:start()]],
      ["config/servers.json"] = [[{"development": {"connector": [
        {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
    }
    certs.make(base, "a")
    local sealed = test.cluster { base = base }
    sealed:client { tls = { ca = base .. "/a.crt" } }:close()
    assert.has_error(function() sealed:client() end)
    sealed:stop()
    tree.remove(base)
  end)

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

describe("a cluster whose port was taken meanwhile", function()
  it("starts on another one", function()
    local core = require "pomelua.core"
    local base = tree.new {
      ["app.lua"] = "require('pomelua').createApp():start()",
      ["config/servers.json"] =
        '{"connector": [{"id": "connector-1", "clientPort": 3010, "frontend": true}]}',
    }
    local first = test.cluster { base = base }
    local free_ports = core.free_ports
    core.free_ports = function(n)
      core.free_ports = free_ports
      local list = free_ports(n)
      for i = 1, n do list[i] = first.ports["connector-1"] end
      return list
    end
    local ok, second = pcall(test.cluster, { base = base })
    core.free_ports = free_ports
    first:stop()
    tree.remove(base)
    assert(ok, second)
    assert.not_equal(first.ports["connector-1"], second.ports["connector-1"])
    second:stop()
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

describe("a cluster", function()
  it("tells each server of those that are there, as a program does at its start", function()
    local base = tree.new {
      ["config/servers.json"] = [[{ "development": {
        "room": [{ "id": "room-2" }, { "id": "room-1" }],
        "gate": [{ "id": "gate-1", "frontend": true, "clientPort": 1 }] } }]],
      ["app.lua"] = [[
local app = require("pomelua").createApp()
app.event:on("add_servers", function(list)
  local ids = {}
  for i, entry in ipairs(list) do ids[i] = entry.id end
  print("came " .. table.concat(ids, " "))
end)
app:start()
]],
    }
    local cluster_of_two_types = test.cluster { base = base }
    local heard = {}
    local function all_heard()
      heard = {}
      for _, line in ipairs(cluster_of_two_types:log()) do
        if line.text:find("^came ") then heard[#heard + 1] = line.server .. " " .. line.text end
      end
      return #heard == 3
    end
    local one = cluster_of_two_types:client()
    for _ = 1, 500 do
      if all_heard() then break end
      one:request("gate.h.none", {}) -- time for the servers
    end
    table.sort(heard)
    assert.same({
      "gate-1 came gate-1 room-2 room-1", "room-1 came gate-1 room-2 room-1",
      "room-2 came gate-1 room-2 room-1",
    }, heard)
    cluster_of_two_types:stop()
    tree.remove(base)
  end)
end)
