-- What only virtual nodes can do (bind/l_virtual.c, bind/virtual_client.c, bind/virtual_bus.c):
-- they stand for a server in specs, so what goes in and out must be what a real one sends and
-- gets.
local core = require "pomelua.core"
local push = require "spec.support.push"

describe("a virtual node", function()
  local node

  before_each(function()
    node = core.node { id = "f1", type = "connector", frontend = true }
    node:peer("chat-1", true)
  end)
  after_each(function() node:close() end)

  it("gives out what was sent once, in order", function()
    local a, b = node:openSession(), node:openSession()
    node:bind(a, "a")
    node:bind(b, "b")
    push.uids(node, "on1", 1, { { uid = "b", sid = "f1" }, { uid = "a", sid = "f1" } }, nil, 0)
    node:kick(a, "bye\0bye")
    push.uids(node, "on2", 2, { { uid = "a", sid = "f1" }, { uid = "b", sid = "f1" } }, nil, 0)
    local sent = node:sent()
    local list = {}
    for i, item in ipairs(sent) do list[i] = { item.sid, item.kind } end
    assert.same({ { b, "data" }, { a, "data" }, { a, "kick" }, { b, "data" } }, list)
    assert.equal("on2", core.read_message(sent[4].bytes).route)
    assert.same({}, node:sent())
  end)

  it("delivers a push as it left another", function()
    local chat = core.node { id = "chat-1", type = "chat" }
    chat:peer("f1", true)
    local sid = node:openSession()
    node:bind(sid, "ann")
    local told
    chat:entries { pushed = function(_, message, fails) told = { message or "good", fails } end }
    push.uids(chat, "onX", { a = 1 }, { { uid = "ann", sid = "f1" }, { uid = 7, sid = "f1" } },
      { "zoe" }, 500)
    local item = chat:outbox()[1]
    assert.same({ "zoe" }, item.except)
    item.from = "chat-1"
    node:deliver(item)
    assert.equal('{"a":1}', core.read_message(node:sent()[1].bytes).body)
    local answer = node:outbox()[1]
    assert.same({ 7 }, answer.uids)
    assert.is_nil(answer.body)
    answer.from = "f1"
    chat:deliver(answer)
    chat:settle()
    assert.same({ "good", { 7 } }, told)
    chat:close()
  end)

  it("delivers what it is given, and refuses what is no record", function()
    local function bad(given)
      assert.error(function() node:deliver(given) end)
    end
    bad {}
    bad { kind = "call" }
    bad { kind = "letter", from = "chat-1" }
    bad { kind = "call", from = {} }
    for _, value in ipairs { -1, 0 / 0, 1 / 0, 2 ^ 54, "x", {} } do
      bad { kind = "call", from = "chat-1", call = value }
      bad { kind = "call", from = "chat-1", ms = value }
      bad { kind = "forward", from = "chat-1", msgId = value }
      bad { kind = "answer", from = "chat-1", status = value }
    end
    bad { kind = "forward", from = "chat-1", uid = {} }
    bad { kind = "push", from = "chat-1", uids = { {} } }
    bad { kind = "push", from = "chat-1", except = "x", uids = { "a" } }
    bad { kind = "push", from = "chat-1", body = ("x"):rep(16777216) }
    assert.error(function() node:deliver() end)
    assert.is_true(node:deliver { kind = "push", from = "chat-1", uids = { "a" } })
    assert.is_true(node:deliver { kind = "broadcast", from = "chat-1" })
    assert.is_true(node:deliver { kind = "answer", from = "chat-1", call = 12345, body = "x" })
    assert.same({}, node:outbox())
  end)

  it("ignores clients that are gone, and data that is none", function()
    local sid = node:openSession()
    assert.is_true(node:closeSession(sid))
    assert.is_false(node:closeSession(sid))
    assert.equal("NOENT", select(3, node:clientData(sid, "")))
    assert.error(function() node:clientData(sid) end)
    assert.error(function() node:closeSession(sid, {}) end)
  end)

  it("keeps its log apart from others'", function()
    local other = core.node { id = "f2", type = "connector", frontend = true }
    other:log("info", "other's")
    node:log("warn", "own")
    local lines = node:lines()
    assert.same({ level = "warn", text = "own" }, lines[#lines])
    lines[1] = nil
    assert.is_true(#node:lines() >= 1)
    other:close()
  end)

  it("may be left open by who made it in a coroutine", function()
    local n = coroutine.wrap(function()
      local made = core.node { id = "f3", type = "connector", frontend = true }
      made:entries { timer = function() made:log("info", "fired") end }
      return made
    end)()
    for _ = 1, 3 do collectgarbage() end
    n:timer(1)
    n:log("info", "x")
    n:advance(1)
    assert.equal("fired", n:lines()[2].text)
    n:close()
  end)

  it("is one of many", function()
    local nodes = {}
    for i = 1, 200 do
      nodes[i] = core.node { id = "n" .. i, type = "t", frontend = i % 2 == 0 }
      nodes[i]:timer(1000)
      nodes[i]:openSession()
      push.get(nodes[i], "hall", true):add(i, "f1")
    end
    for i = 1, 200 do
      assert.equal("n" .. i, nodes[i]:id())
      assert.same({ i }, push.get(nodes[i], "hall"):getMembers())
      nodes[i]:close()
    end
  end)
end)
