-- Channels and the three kinds of push (core/bind/l_channel, core/node/push): what
-- reaches clients of this server, what goes to others, and what comes back.
local core = require "pomelua.core"

local function push_of(item)
  local m = assert(core.read_message(item.bytes or item.body))
  assert.equal(3, m.type)
  return m.route, m.body
end

describe("channels", function()
  local node

  before_each(function() node = core.node { id = "chat-1", type = "chat" } end)
  after_each(function() node:close() end)

  it("exist once per name", function()
    assert.is_nil(node:channel("hall"))
    assert.is_nil(node:channel("hall", false))
    local hall = node:channel("hall", true)
    assert.equal("hall", hall.name)
    assert.is_true(hall == node:channel("hall", true))
    assert.is_true(hall == node:channel("hall"))
    assert.is_false(hall == node:channel("yard", true))
    assert.equal(2, node:channelCount())
    assert.equal(2, node:counts().channels)
    assert.matches("^Channel hall", tostring(hall))
  end)

  it("have any bytes as a name", function()
    for _, name in ipairs { "", "\0", "a\0b", "\255\254", ("n"):rep(65535) } do
      local c = node:channel(name, true)
      assert.equal(name, c.name)
      assert.is_true(c == node:channel(name))
    end
    assert.error(function() node:channel(("n"):rep(65536), true) end)
    assert.is_nil(node:channel(("n"):rep(65536)))
    assert.equal(5, node:channelCount())
  end)

  it("keep == when a handle was collected and made anew", function()
    node:channel("hall", true):add("ann", "f1")
    collectgarbage()
    collectgarbage()
    local again = node:channel("hall")
    assert.equal(1, again:getUserAmount())
    assert.is_true(again == node:channel("hall"))
  end)

  it("of two nodes are two", function()
    local other = core.node { id = "chat-2", type = "chat" }
    local a, b = node:channel("hall", true), other:channel("hall", true)
    assert.is_false(a == b)
    a:add("ann", "f1")
    assert.equal(0, b:getUserAmount())
    assert.error_matches(function() node:pushChannel(b, "onX", {}, nil, 0) end, "of this node")
    other:close()
    -- A handle may outlive its node.
    assert.equal("hall", b.name)
    assert.is_false(b:add("ann", "f1"))
    assert.equal(0, b:getUserAmount())
    b:destroy()
    assert.error(function() other:channel("hall", true) end)
    assert.error(function() other:close() end)
  end)

  it("list members by frontend, in the order of joining", function()
    local c = node:channel("hall", true)
    for _, m in ipairs { { "a", "f1" }, { 7, "f2" }, { "b", "f1" }, { "c", "f2" }, { 0, "f1" } } do
      assert.is_true(c:add(m[1], m[2]))
    end
    assert.same({ "a", "b", 0, 7, "c" }, c:getMembers())
    assert.same({ uid = 7, sid = "f2" }, c:getMember("7"))
    assert.is_nil((c:getMember("nobody")))
    assert.is_nil((c:getMember(nil)))
    assert.equal(5, c:getUserAmount())
  end)

  it("take a member once, and let it leave", function()
    local c = node:channel("hall", true)
    assert.is_true(c:add("ann", "f1"))
    assert.is_true(c:add("ann", "f1"))
    assert.equal(1, c:getUserAmount())
    assert.is_true(c:add("ann", "f2"))
    assert.equal(2, c:getUserAmount())
    assert.same({ uid = "ann", sid = "f2" }, c:getMember("ann"))
    assert.is_false(c:leave("ann", "f3"))
    assert.is_true(c:leave("ann", "f2"))
    assert.is_false(c:leave("ann", "f2"))
    assert.same({ uid = "ann", sid = "f1" }, c:getMember("ann"))
    c:add(0, "f1")
    assert.is_true(c:leave("0", "f1"))
    assert.is_false(c:leave(nil, "f1"))
    assert.is_false(c:leave("ann", nil))
    assert.same({ "ann" }, c:getMembers())
  end)

  it("answer false without a frontend, and raise on wrong types", function()
    local c = node:channel("hall", true)
    assert.is_false(c:add("ann"))
    assert.is_false(c:add("ann", false))
    assert.is_false(c:add("ann", ""))
    assert.is_false(c:add("", "f1"))
    assert.equal(0, c:getUserAmount())
    for _, bad in ipairs { {}, true, 0 / 0, 1 / 0, ("u"):rep(4097) } do
      assert.error(function() c:add(bad, "f1") end)
      assert.error(function() c:leave(bad, "f1") end)
      assert.error(function() c:getMember(bad) end)
    end
    assert.error(function() c:add(nil, "f1") end)
    for _, bad in ipairs { {}, true, 7, ("s"):rep(64), "f\0" } do
      assert.error(function() c:add("ann", bad) end)
      assert.error(function() c:leave("ann", bad) end)
    end
    local methods = { "add", "leave", "getMembers", "getMember", "getUserAmount", "destroy" }
    for _, method in ipairs(methods) do
      assert.error(function() c[method]() end)
      assert.error(function() c[method]({}, "a", "b") end)
      assert.error(function() c[method](node, "a", "b") end)
    end
    assert.is_nil(c.nothing)
    assert.is_nil(c[1])
    assert.error(function() c.name = "x" end)
    assert.is_false(getmetatable(c))
  end)

  it("find methods that Lua has added", function()
    function core.channel_methods.spec_only(self, x) return self.name .. x end
    assert.equal("hall!", node:channel("hall", true):spec_only("!"))
    core.channel_methods.spec_only = nil
    assert.is_nil(node:channel("hall").spec_only)
  end)

  it("once destroyed never touch a successor of the same name", function()
    local old = node:channel("hall", true)
    old:add("ann", "f1")
    old:destroy()
    assert.equal(0, node:channelCount())
    assert.is_nil(node:channel("hall"))
    local new = node:channel("hall", true)
    assert.is_false(old == new)
    new:add("bob", "f1")
    old:destroy()
    assert.equal("hall", old.name)
    assert.is_false(old:add("ann", "f1"))
    assert.is_false(old:leave("bob", "f1"))
    assert.same({}, old:getMembers())
    assert.is_nil((old:getMember("bob")))
    assert.equal(0, old:getUserAmount())
    local ok, message, name = node:pushChannel(old, "onX", {}, nil, 100)
    assert.is_nil(ok)
    assert.equal("channel is not running now", message)
    assert.equal("CLOSED", name)
    assert.same({ "bob" }, new:getMembers())
    assert.is_true(new == node:channel("hall"))
  end)
end)

describe("a push", function()
  local node, front, ended, channel

  before_each(function()
    ended = {}
    node = core.node { id = "chat-1", type = "chat" }
    front = core.node { id = "f1", type = "connector", frontend = true }
    node:entries {
      pushed = function(id, message, fails) ended[#ended + 1] = { id, message or "", fails } end,
    }
    for _, id in ipairs { "f1", "f2", "f3" } do node:peer(id, true) end
    front:peer("chat-1", true)
    channel = node:channel("hall", true)
  end)

  after_each(function()
    node:close()
    front:close()
  end)

  local function client(uid)
    local sid = front:openSession()
    if uid then front:bind(sid, uid) end
    return sid
  end

  -- What node sends to front, and front's answers.
  local function cross(kept)
    for _, item in ipairs(node:outbox()) do
      if kept then kept[#kept + 1] = item end
      if item.to == "f1" then
        item.from = "chat-1"
        front:deliver(item)
      end
    end
    for _, item in ipairs(front:outbox()) do
      item.from = "f1"
      node:deliver(item)
    end
    node:settle()
  end

  local function receivers()
    local list = {}
    for _, item in ipairs(front:sent()) do
      assert.equal("data", item.kind)
      list[#list + 1] = item.sid
    end
    table.sort(list)
    return list
  end

  it("goes once to each frontend, with its members", function()
    for i = 1, 9 do channel:add("u" .. i, "f" .. (i - 1) % 3 + 1) end
    assert.is_true(node:pushChannel(channel, "onChat", { text = "hi" }, nil, 0))
    local out = node:outbox()
    assert.equal(3, #out)
    for i, item in ipairs(out) do
      assert.equal("push", item.kind)
      assert.equal("f" .. i, item.to)
      assert.is_nil(item.call)
      assert.same({ "u" .. i, "u" .. i + 3, "u" .. i + 6 }, item.uids)
      assert.same({}, item.except)
      local route, body = push_of(item)
      assert.equal("onChat", route)
      assert.equal('{"text":"hi"}', body)
    end
    node:settle()
    node:advance(60000)
    assert.same({}, ended)
    assert.same({}, node:outbox())
  end)

  it("goes to all sessions of a uid, and to nobody else", function()
    local a, b = client("ann"), client("ann")
    client("bob")
    client()
    channel:add("ann", "f1")
    node:pushChannel(channel, "onX", "v", nil, 0)
    cross()
    assert.same({ a, b }, receivers())
  end)

  it("to a channel without members ends well", function()
    assert.is_true(node:pushChannel(channel, "onX", {}, nil, 0))
    local id = node:pushChannel(channel, "onX", {}, nil, 100)
    assert.is_number(id)
    assert.same({}, ended) -- never from inside the push
    node:settle()
    assert.same({ { id, "", {} } }, ended)
    assert.same({}, node:outbox())
  end)

  it("leaves out whom it is told to", function()
    local a, b, c = client("ann"), client(7), client("cid")
    for _, uid in ipairs { "ann", 7, "cid" } do channel:add(uid, "f1") end
    node:pushChannel(channel, "onX", {}, { "7", "nobody" }, 0)
    cross()
    assert.same({ a, c }, receivers())
    node:pushUids("onX", {}, { { uid = "ann", sid = "f1" }, { uid = 7, sid = "f1" } }, { 7 }, 0)
    cross()
    assert.same({ a }, receivers())
    node:broadcast("connector", { "f1" }, "onX", {}, false, nil, { "ann" }, 0)
    cross()
    assert.same({ b, c }, receivers())
    node:broadcast("connector", { "f1" }, "onX", {}, false, nil, {}, 0)
    cross()
    assert.equal(3, #receivers())
  end)

  it("names the uids without a session", function()
    client("ann")
    for _, uid in ipairs { "ann", "bob", 7, "cid" } do channel:add(uid, "f1") end
    local id = node:pushChannel(channel, "onX", {}, { "cid" }, 1000)
    cross()
    assert.same({ { id, "", { "bob", 7 } } }, ended)
    id = node:pushUids("onX", {}, { { uid = "ann", sid = "f1" } }, nil, 1000)
    cross()
    assert.same({ id, "", {} }, ended[2])
  end)

  it("names the uids of a frontend that is not there, at once", function()
    channel:add("ann", "gone")
    channel:add("bob", "gone")
    local id = node:pushChannel(channel, "onX", {}, { "bob" }, 1000)
    node:settle()
    assert.same({ { id, "all uids push message fail", { "ann" } } }, ended)
    assert.same({}, node:outbox())
    -- Without a callback nobody is told.
    assert.is_true(node:pushChannel(channel, "onX", {}, nil, 0))
    node:settle()
    assert.equal(1, #ended)
  end)

  it("names the uids of a frontend that does not answer, or goes, later", function()
    client("ann")
    channel:add("ann", "f1")
    channel:add("bob", "f2")
    channel:add("cid", "f3")
    channel:add("dan", "f3")
    local id = node:pushChannel(channel, "onX", {}, { "dan" }, 1000)
    cross()
    assert.same({}, ended)
    node:peer("f2", false)
    node:settle()
    assert.same({}, ended)
    node:advance(999)
    assert.same({}, ended)
    node:advance(1)
    assert.same({ { id, "", { "bob", "cid" } } }, ended)
    node:advance(60000)
    assert.equal(1, #ended)
  end)

  it("says that all have failed when nobody has answered", function()
    channel:add("bob", "f2")
    local id = node:pushChannel(channel, "onX", {}, nil, 50)
    local item = node:outbox()[1]
    assert.equal(50, item.ms)
    node:advance(50)
    assert.same({ { id, "all uids push message fail", { "bob" } } }, ended)
    node:deliver { kind = "answer", from = "f2", call = item.call }
    node:settle()
    assert.equal(1, #ended)
    assert.equal(1, node:counts().rpcLate)
    id = node:broadcast("connector", { "f2", "gone" }, "onX", {}, false, nil, nil, 50)
    node:advance(50)
    assert.same({ id, "broadcast fails", {} }, ended[2])
  end)

  it("counts an answer from the server that was asked only", function()
    channel:add("bob", "f2")
    node:pushChannel(channel, "onX", {}, nil, 50)
    local item = node:outbox()[1]
    node:deliver { kind = "answer", from = "f3", call = item.call }
    node:settle()
    assert.same({}, ended)
  end)

  it("waits a millisecond at least when an answer is wanted", function()
    channel:add("bob", "f2")
    assert.is_number(node:pushChannel(channel, "onX", {}, nil, 0.25))
    node:advance(1)
    assert.equal(1, #ended)
  end)

  it("is encoded before anything is sent", function()
    channel:add("ann", "f1")
    local function refused(name, text, ok, message, got)
      assert.is_nil(ok)
      assert.equal(name, got)
      assert.equal(text, message)
    end
    refused("ENCODE", "msg.f: a function",
      node:pushChannel(channel, "onX", { f = print }, nil, 100))
    refused("ENCODE", "msg: a function", node:pushUids("onX", print, {}, nil, 100))
    refused("ENCODE", "msg[1]: a userdata",
      node:broadcast("connector", { "f1" }, "onX", { node }, false, nil, nil, 100))
    refused("TOOBIG", "route maxlength is overflow",
      node:pushChannel(channel, ("r"):rep(256), {}, nil, 100))
    refused("TOOBIG", "the message is above 16 MiB",
      node:pushChannel(channel, "onX", ("x"):rep(16777216), nil, 100))
    node:settle()
    assert.same({}, ended)
    assert.same({}, node:outbox())
    assert.equal(0, node:counts().pushes)
  end)

  it("carries any value, nil and false too", function()
    channel:add("ann", "f1")
    for _, case in ipairs {
      { n = 1, nil, "null" }, { core.null, "null" }, { false, "false" }, { 0, "0" }, { "", '""' },
      { setmetatable({}, core.array_mt), "[]" }, { {}, "{}" },
    } do
      assert.is_true(node:pushChannel(channel, "onX", case[1], nil, 0))
      assert.equal(case[2], select(2, push_of(node:outbox()[1])))
    end
  end)

  it("by uids goes to each frontend once, duplicates included", function()
    local to = {}
    for i = 1, 6 do to[i] = { uid = i, sid = "f" .. i % 2 + 1 } end
    to[7] = { uid = 1, sid = "f2" }
    to[8] = { uid = "9", sid = "gone" }
    assert.is_true(node:pushUids("onX", {}, to, nil, 0))
    local out = node:outbox()
    assert.equal(2, #out)
    assert.equal("f2", out[1].to)
    assert.same({ 1, 3, 5, 1 }, out[1].uids)
    assert.same({ 2, 4, 6 }, out[2].uids)
    assert.is_true(node:pushUids("onX", {}, {}, nil, 0))
    for _, bad in ipairs {
      { 1 }, { { uid = 1 } }, { { sid = "f1" } }, { { uid = {}, sid = "f1" } },
      { { uid = 1, sid = 7 } },
      { { uid = 1, sid = "f1" }, { uid = ("x"):rep(4097), sid = "f1" } },
    } do
      local ok, _, name = node:pushUids("onX", {}, bad, nil, 0)
      assert.is_nil(ok)
      assert.equal("INVAL", name)
    end
    assert.same({}, node:outbox())
  end)

  it("to everybody goes to each frontend once", function()
    node:broadcast("connector", { "f1", "f2" }, "onX", { 1 }, true, '{"a":1}', { 7, "b" }, 0)
    local out = node:outbox()
    assert.equal(2, #out)
    for i, item in ipairs(out) do
      assert.equal("broadcast", item.kind)
      assert.equal("f" .. i, item.to)
      assert.is_true(item.binded)
      assert.is_true(item.filter)
      assert.equal('{"a":1}', item.param)
      assert.same({ 7, "b" }, item.except)
      assert.same({ "onX", "[1]" }, { push_of(item) })
    end
  end)

  it("to everybody reaches the bound ones, or all", function()
    local a, b = client("ann"), client()
    node:broadcast("connector", { "f1" }, "onX", {}, true, nil, nil, 0)
    cross()
    assert.same({ a }, receivers())
    local id = node:broadcast("connector", { "f1" }, "onX", {}, false, nil, nil, 100)
    cross()
    assert.same({ a, b }, receivers())
    assert.same({ { id, "", {} } }, ended)
  end)

  it("to a server's own clients needs no record", function()
    local a = client("ann")
    local told = {}
    front:entries { pushed = function(...) told[#told + 1] = { ... } end }
    local c = front:channel("hall", true)
    c:add("ann", "f1")
    c:add("bob", "f1")
    assert.is_true(front:pushChannel(c, "onX", {}, nil, 0))
    assert.same({ a }, receivers())
    local id = front:pushChannel(c, "onX", {}, nil, 100)
    assert.same({}, told)
    front:settle()
    assert.equal(id, told[1][1])
    assert.is_nil(told[1][2])
    assert.same({ "bob" }, told[1][3])
    assert.same({ a }, receivers())
    front:broadcast("connector", { "f1" }, "onX", {}, false, nil, nil, 0)
    assert.same({ a }, receivers())
    assert.same({}, front:outbox())
  end)

  it("asks the filter for each session", function()
    local seen = {}
    local a, b, c = client("ann"), client(7), client()
    front:setSettings(b, '{"x":1}')
    front:entries { filter = function(sid, uid, settings, body, param)
      seen[#seen + 1] = { sid, uid or "", settings or "", body, param or "" }
      if sid == b then error("not this one") end
      return sid ~= c
    end }
    node:broadcast("connector", { "f1" }, "onX", { 1 }, false, '{"p":1}', nil, 0)
    cross()
    assert.same({ a }, receivers())
    local body = core.write_message { type = 3, route = "onX", body = "[1]" }
    assert.same({
      { a, "ann", "", body, '{"p":1}' }, { b, 7, '{"x":1}', body, '{"p":1}' },
      { c, "", "", body, '{"p":1}' },
    }, seen)
    local text = front:lines()[#front:lines()].text
    assert.matches("filter: .*not this one", text)
    assert.matches("stack traceback", text)
  end)

  it("survives a filter that meddles", function()
    local sids, list = {}, { "f1" }
    for i = 1, 8 do sids[i] = client("u" .. i) end
    local depth = 0
    front:entries { filter = function(sid)
      list[1] = nil
      collectgarbage()
      front:closeSession(sids[1], "x")
      front:closeSession(sids[8])
      front:kick(sids[2], "y")
      front:openSession()
      assert.error(function() front:close() end)
      assert.error(function() front:settle() end)
      assert.error(function() front:advance(1) end)
      if depth < 3 then
        depth = depth + 1
        front:broadcast("connector", { "f1" }, "onIn", {}, true, nil, { "u4", "u5" }, 0)
      end
      return sid ~= sids[3]
    end }
    front:broadcast("connector", list, "onOut", {}, true, nil, { "u6" }, 0)
    front:settle()
    local got = {}
    for _, item in ipairs(front:sent()) do
      if item.kind == "data" and push_of(item) == "onOut" then got[#got + 1] = item.sid end
    end
    assert.same({ sids[4], sids[5], sids[7] }, got)
    assert.is_false((select(3, front:session(sids[1]))))
    assert.is_false((select(3, front:session(sids[8]))))
  end)

  it("ends when filters push for ever", function()
    client("ann")
    front:entries { filter = function()
      return front:broadcast("connector", { "f1" }, "onX", {}, false, nil, nil, 0)
    end }
    assert.is_true(front:broadcast("connector", { "f1" }, "onX", {}, false, nil, nil, 0))
  end)

  it("cannot be waited for inside a filter", function()
    client("ann")
    front:entries { filter = function() coroutine.yield() end }
    local co = coroutine.wrap(function()
      front:broadcast("connector", { "f1" }, "onX", {}, false, nil, nil, 0)
      return "done"
    end)
    assert.equal("done", co())
    assert.matches("yield", front:lines()[#front:lines()].text)
  end)

  it("forgets its fails when the node closes first", function()
    for i = 1, 10 do channel:add("u" .. i, "f" .. i % 3 + 1) end
    for _ = 1, 5 do node:pushChannel(channel, "onX", {}, { "u1" }, 1000) end
    node:close()
    assert.same({}, ended)
    node = core.node { id = "chat-1", type = "chat" }
  end)

  it("raises on wrong arguments, and sends nothing", function()
    channel:add("ann", "f1")
    local function bad(method, ...)
      local args, n = { ... }, select("#", ...)
      assert.error(function() node[method](node, unpack(args, 1, n)) end)
    end
    bad("pushChannel")
    bad("pushChannel", {}, "onX", {}, nil, 0)
    bad("pushChannel", channel, {}, {}, nil, 0)
    bad("pushChannel", channel, "onX", {}, nil)
    bad("pushChannel", channel, "onX", {}, nil, -1)
    bad("pushChannel", channel, "onX", {}, nil, 0 / 0)
    bad("pushChannel", channel, "onX", {}, nil, 2 ^ 32)
    bad("pushChannel", channel, "onX", {}, { {} }, 0)
    bad("pushChannel", channel, "onX", {}, { "a", true }, 0)
    bad("pushChannel", channel, "onX", {}, "ann", 0)
    bad("pushUids", "onX", {}, nil, nil, 0)
    bad("pushUids", "onX", {}, {}, 7, 0)
    bad("pushUids", nil, {}, {}, nil, 0)
    bad("broadcast", "connector", nil, "onX", {}, false, nil, nil, 0)
    bad("broadcast", "connector", { 7 }, "onX", {}, false, nil, nil, 0)
    bad("broadcast", "connector", { "f1", {} }, "onX", {}, false, nil, nil, 0)
    bad("broadcast", "connector", {}, nil, {}, false, nil, nil, 0)
    bad("broadcast", "connector", {}, "onX", {}, false, {}, nil, 0)
    bad("broadcast", "connector", {}, "onX", {}, false, nil, true, 0)
    bad("broadcast", "connector", {}, "onX", {}, false, nil, nil)
    assert.same({}, node:outbox())
  end)
end)
