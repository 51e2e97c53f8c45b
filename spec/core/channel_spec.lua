-- Channels and the three kinds of push (core/bind/l_channel, core/node/push): what
-- reaches clients of this server, what goes to others, and what comes back.
local core = require "pomelua.core"
local push = require "spec.support.push"

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
    assert.is_nil(push.get(node, "hall"))
    assert.is_nil(push.get(node, "hall", false))
    local hall = push.get(node, "hall", true)
    assert.equal("hall", hall.name)
    assert.is_true(hall == push.get(node, "hall", true))
    assert.is_true(hall == push.get(node, "hall"))
    assert.is_false(hall == push.get(node, "yard", true))
    assert.equal(2, node:counts().channels)
    assert.equal(2, node:counts().channels)
    assert.matches("^Channel hall", tostring(hall))
  end)

  it("have any bytes as a name", function()
    for _, name in ipairs { "\0", "a\0b", "\255\254", ("n"):rep(65535) } do
      local c = push.get(node, name, true)
      assert.equal(name, c.name)
      assert.is_true(c == push.get(node, name))
    end
    assert.error(function() push.get(node, ("n"):rep(65536), true) end)
    assert.is_nil(push.get(node, ("n"):rep(65536)))
    assert.equal(4, node:counts().channels)
  end)

  it("keep == when a handle was collected and made anew", function()
    push.get(node, "hall", true):add("ann", "f1")
    collectgarbage()
    collectgarbage()
    local again = push.get(node, "hall")
    assert.equal(1, again:getUserAmount())
    assert.is_true(again == push.get(node, "hall"))
  end)

  it("of two nodes are two", function()
    local other = core.node { id = "chat-2", type = "chat" }
    local a, b = push.get(node, "hall", true), push.get(other, "hall", true)
    assert.is_false(a == b)
    a:add("ann", "f1")
    assert.equal(0, b:getUserAmount())
    other:close()
    -- A handle may outlive its node.
    assert.equal("hall", b.name)
    assert.is_false(b:add("ann", "f1"))
    assert.equal(0, b:getUserAmount())
    b:destroy()
    assert.error(function() push.get(other, "hall", true) end)
    assert.error(function() other:close() end)
  end)

  it("list members by frontend, in the order of joining", function()
    local c = push.get(node, "hall", true)
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
    local c = push.get(node, "hall", true)
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
    local c = push.get(node, "hall", true)
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

  it("once destroyed never touch a successor of the same name", function()
    local old = push.get(node, "hall", true)
    old:add("ann", "f1")
    old:destroy()
    assert.equal(0, node:counts().channels)
    assert.is_nil(push.get(node, "hall"))
    local new = push.get(node, "hall", true)
    assert.is_false(old == new)
    new:add("bob", "f1")
    old:destroy()
    assert.equal("hall", old.name)
    assert.is_false(old:add("ann", "f1"))
    assert.is_false(old:leave("bob", "f1"))
    assert.same({}, old:getMembers())
    assert.is_nil((old:getMember("bob")))
    assert.equal(0, old:getUserAmount())
    local ok, message, name = push.channel(node, old, "onX", {}, nil, 100)
    assert.is_nil(ok)
    assert.equal("channel is not running now", message)
    assert.equal("CLOSED", name)
    assert.same({ "bob" }, new:getMembers())
    assert.is_true(new == push.get(node, "hall"))
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
    channel = push.get(node, "hall", true)
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
    assert.is_true(push.channel(node, channel, "onChat", { text = "hi" }, nil, 0))
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
    push.channel(node, channel, "onX", "v", nil, 0)
    cross()
    assert.same({ a, b }, receivers())
  end)

  it("to a channel without members ends well", function()
    assert.is_true(push.channel(node, channel, "onX", {}, nil, 0))
    local id = push.channel(node, channel, "onX", {}, nil, 100)
    assert.is_number(id)
    assert.same({}, ended) -- never from inside the push
    node:settle()
    assert.same({ { id, "", {} } }, ended)
    assert.same({}, node:outbox())
  end)

  it("leaves out whom it is told to", function()
    local a, b, c = client("ann"), client(7), client("cid")
    for _, uid in ipairs { "ann", 7, "cid" } do channel:add(uid, "f1") end
    push.channel(node, channel, "onX", {}, { "7", "nobody" }, 0)
    cross()
    assert.same({ a, c }, receivers())
    push.uids(node, "onX", {}, { { uid = "ann", sid = "f1" }, { uid = 7, sid = "f1" } }, { 7 }, 0)
    cross()
    assert.same({ a }, receivers())
    push.broadcast(node, { "f1" }, "onX", {}, { except = { "ann" } }, 0)
    cross()
    assert.same({ b, c }, receivers())
    push.broadcast(node, { "f1" }, "onX", {}, { except = {} }, 0)
    cross()
    assert.equal(3, #receivers())
  end)

  it("names the uids without a session", function()
    client("ann")
    for _, uid in ipairs { "ann", "bob", 7, "cid" } do channel:add(uid, "f1") end
    local id = push.channel(node, channel, "onX", {}, { "cid" }, 1000)
    cross()
    assert.same({ { id, "", { "bob", 7 } } }, ended)
    id = push.uids(node, "onX", {}, { { uid = "ann", sid = "f1" } }, nil, 1000)
    cross()
    assert.same({ id, "", {} }, ended[2])
  end)

  it("names the uids of a frontend that is not there, at once", function()
    channel:add("ann", "gone")
    channel:add("bob", "gone")
    local id = push.channel(node, channel, "onX", {}, { "bob" }, 1000)
    node:settle()
    assert.same({ { id, "all uids push message fail", { "ann" } } }, ended)
    assert.same({}, node:outbox())
    -- Without a callback nobody is told.
    assert.is_true(push.channel(node, channel, "onX", {}, nil, 0))
    node:settle()
    assert.equal(1, #ended)
  end)

  it("names the uids of a frontend that does not answer, or goes, later", function()
    client("ann")
    channel:add("ann", "f1")
    channel:add("bob", "f2")
    channel:add("cid", "f3")
    channel:add("dan", "f3")
    local id = push.channel(node, channel, "onX", {}, { "dan" }, 1000)
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
    local id = push.channel(node, channel, "onX", {}, nil, 50)
    local item = node:outbox()[1]
    assert.equal(50, item.ms)
    node:advance(50)
    assert.same({ { id, "all uids push message fail", { "bob" } } }, ended)
    node:deliver { kind = "answer", from = "f2", call = item.call }
    node:settle()
    assert.equal(1, #ended)
    assert.equal(1, node:counts().rpcLate)
    id = push.broadcast(node, { "f2", "gone" }, "onX", {}, nil, 50)
    node:advance(50)
    assert.same({ id, "broadcast fails", {} }, ended[2])
  end)

  it("counts an answer from the server that was asked only", function()
    channel:add("bob", "f2")
    push.channel(node, channel, "onX", {}, nil, 50)
    local item = node:outbox()[1]
    node:deliver { kind = "answer", from = "f3", call = item.call }
    node:settle()
    assert.same({}, ended)
  end)

  it("is encoded before anything is sent", function()
    channel:add("ann", "f1")
    local function refused(name, text, ok, message, got)
      assert.is_nil(ok)
      assert.equal(name, got)
      assert.equal(text, message)
    end
    refused("ENCODE", "msg.f: a function",
      push.channel(node, channel, "onX", { f = print }, nil, 100))
    refused("ENCODE", "msg: a function",
      push.uids(node, "onX", print, { { uid = 1, sid = "f1" } }, nil, 100))
    refused("ENCODE", "msg[1]: a userdata",
      push.broadcast(node, { "f1" }, "onX", { node }, nil, 100))
    refused("TOOBIG", "route maxlength is overflow",
      push.channel(node, channel, ("r"):rep(256), {}, nil, 100))
    refused("TOOBIG", "the message is above 16 MiB",
      push.channel(node, channel, "onX", ("x"):rep(16777216), nil, 100))
    node:settle()
    assert.same({}, ended)
    assert.same({}, node:outbox())
    assert.equal(0, node:counts().pushes)
  end)

  it("carries any value that is not nothing", function()
    channel:add("ann", "f1")
    for _, case in ipairs {
      { true, "true" }, { 1, "1" }, { "x", '"x"' }, { { core.null }, "[null]" },
      { setmetatable({}, core.array_mt), "[]" }, { {}, "{}" },
    } do
      assert.is_true(push.channel(node, channel, "onX", case[1], nil, 0))
      assert.equal(case[2], select(2, push_of(node:outbox()[1])))
    end
  end)

  it("by uids goes to each frontend once, duplicates included", function()
    local to = {}
    for i = 1, 6 do to[i] = { uid = i, sid = "f" .. i % 2 + 1 } end
    to[7] = { uid = 1, sid = "f2" }
    to[8] = { uid = "9", sid = "gone" }
    assert.is_true(push.uids(node, "onX", {}, to, nil, 0))
    local out = node:outbox()
    assert.equal(2, #out)
    assert.equal("f2", out[1].to)
    assert.same({ 1, 3, 5, 1 }, out[1].uids)
    assert.same({ 2, 4, 6 }, out[2].uids)
  end)

  it("by uids leaves out entries that name nobody, and says so", function()
    for _, bad in ipairs {
      1, { uid = 1 }, { sid = "f1" }, { uid = {}, sid = "f1" }, { uid = 1, sid = 7 },
      { uid = 1, sid = "" }, { uid = "", sid = "f1" }, { uid = 0 / 0, sid = "f1" },
      { uid = ("x"):rep(4097), sid = "f1" },
    } do
      assert.is_true(push.uids(node, "onX", {}, { bad }, nil, 100))
      assert.same({}, node:outbox())
      push.uids(node, "onX", {}, { { uid = 7, sid = "f1" }, bad }, nil, 0)
      assert.same({ 7 }, node:outbox()[1].uids)
    end
    local lines = node:lines()
    assert.matches("entry 2 has no uid or no sid, it is left out", lines[#lines].text)
  end)

  it("to everybody goes to each frontend once", function()
    push.broadcast(node, { "f1", "f2" }, "onX", { 1 },
      { binded = true, filterParam = { a = 1 }, except = { 7, "b" } }, 0)
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
    push.broadcast(node, { "f1" }, "onX", {}, { binded = true }, 0)
    cross()
    assert.same({ a }, receivers())
    local id = push.broadcast(node, { "f1" }, "onX", {}, nil, 100)
    cross()
    assert.same({ a, b }, receivers())
    assert.same({ { id, "", {} } }, ended)
  end)

  it("to a server's own clients needs no record", function()
    local a = client("ann")
    local told = {}
    front:entries { pushed = function(...) told[#told + 1] = { ... } end }
    local c = push.get(front, "hall", true)
    c:add("ann", "f1")
    c:add("bob", "f1")
    assert.is_true(push.channel(front, c, "onX", {}, nil, 0))
    assert.same({ a }, receivers())
    local id = push.channel(front, c, "onX", {}, nil, 100)
    assert.same({}, told)
    front:settle()
    assert.equal(id, told[1][1])
    assert.is_nil(told[1][2])
    assert.same({ "bob" }, told[1][3])
    assert.same({ a }, receivers())
    push.broadcast(front, { "f1" }, "onX", {}, nil, 0)
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
    push.broadcast(node, { "f1" }, "onX", { 1 }, { filterParam = { p = 1 } }, 0)
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
    local sids = {}
    for i = 1, 8 do sids[i] = client("u" .. i) end
    local depth = 0
    front:entries { filter = function(sid)
      front:setServers {}
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
        push.broadcast(front, { "f1" }, "onIn", {}, { binded = true, except = { "u4", "u5" } }, 0)
      end
      return sid ~= sids[3]
    end }
    push.broadcast(front, { "f1" }, "onOut", {}, { binded = true, except = { "u6" } }, 0)
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
      return push.broadcast(front, { "f1" }, "onX", {}, nil, 0)
    end }
    assert.is_true(push.broadcast(front, { "f1" }, "onX", {}, nil, 0))
  end)

  it("cannot be waited for inside a filter", function()
    client("ann")
    front:entries { filter = function() coroutine.yield() end }
    local co = coroutine.wrap(function()
      push.broadcast(front, { "f1" }, "onX", {}, nil, 0)
      return "done"
    end)
    assert.equal("done", co())
    assert.matches("yield", front:lines()[#front:lines()].text)
  end)

  it("forgets its fails when the node closes first", function()
    for i = 1, 10 do channel:add("u" .. i, "f" .. i % 3 + 1) end
    for _ = 1, 5 do push.channel(node, channel, "onX", {}, { "u1" }, 1000) end
    node:close()
    assert.same({}, ended)
    node = core.node { id = "chat-1", type = "chat" }
  end)

  it("raises when its callback is no function, at the line of the game", function()
    local all = node:channelService()
    channel:add("ann", "f1")
    for _, bad in ipairs { 7, "f", {}, true, node } do
      for _, call in ipairs {
        function() channel:pushMessage({ route = "onX" }, nil, bad) end,
        function() channel:pushMessage("onX", {}, nil, bad) end,
        function() all:pushMessageByUids("onX", {}, { { uid = 1, sid = "f1" } }, nil, bad) end,
        function() all:broadcast("connector", "onX", {}, nil, bad) end,
      } do
        local ok, message = pcall(call)
        assert.is_false(ok)
        assert.matches("channel_spec.lua:%d+: channel.*: the callback must be a function, got ",
          message)
      end
    end
    channel:pushMessage("onX", {}, nil, core.null)
    assert.equal(1, #node:outbox())
  end)

  it("with a wrong argument says which, and sends nothing", function()
    channel:add("ann", "f1")
    local function refused(text, ok, message, name)
      assert.is_nil(ok)
      assert.equal("INVAL", name)
      assert.equal(text, message)
    end
    local to = { { uid = "ann", sid = "f1" } }
    for _, what in ipairs { "channel:pushMessage", "channelService:pushMessageByUids",
      "channelService:broadcast" } do
      local function send(route, msg, opts)
        local got
        node:onPush(function(...) got = { select(3, ...) } end)
        if what == "channel:pushMessage" then channel:pushMessage(route, msg, opts)
        elseif what:find "Uids" then node:channelService():pushMessageByUids(route, msg, to, opts)
        else node:channelService():broadcast("connector", route, msg, opts) end
        return unpack(got, 1, 3)
      end
      for kind, route in pairs { number = 7, ["an empty one"] = "", boolean = true } do
        refused(what .. ": the route must be a string, got " .. kind, send(route, { 1 }))
      end
      refused(what .. ": the route must be a string, got nil", send(nil, { 1 }))
      for _, msg in ipairs { false, 0, "", core.null } do
        refused("can not send empty message.", send("onX", msg))
      end
      refused("can not send empty message.", send("onX", nil))
      refused(what .. ": opts must be a table, got number", send("onX", { 1 }, 7))
      refused(what .. ": opts.except must be a list of uids, got string",
        send("onX", { 1 }, { except = "ann" }))
    end
    for _, except in ipairs { { {} }, { "a", true }, { 0 / 0 }, { ("x"):rep(4097) } } do
      refused("opts.except must be a list of uids, each a string of at most 4096 bytes or a number",
        push.channel(node, channel, "onX", {}, except, 0))
    end
    refused("uids should not be empty", push.uids(node, "onX", {}, {}, nil, 0))
    refused("uids should not be empty", push.uids(node, "onX", {}, "ann", nil, 0))
    assert.same({}, node:outbox())
  end)

  it("reads fields that a metatable gives, and takes one that raises for absent", function()
    channel:add("ann", "f1")
    local given = setmetatable({}, { __index = { route = "onY", uid = "bob", sid = "f2",
      except = { "ann" } } })
    local raising = setmetatable({}, { __index = function() error "no" end })
    push.channel(node, channel, given, nil, nil, 0)
    assert.equal("onY", (push_of(node:outbox()[1])))
    push.uids(node, "onX", {}, { given, raising, { uid = "cid", sid = "f3" } }, nil, 0)
    local out = node:outbox()
    assert.same({ { "bob" }, { "cid" } }, { out[1].uids, out[2].uids })
    channel:pushMessage("onX", {}, given)
    assert.same({ "ann" }, node:outbox()[1].except)
    channel:pushMessage("onX", {}, raising)
    assert.same({}, node:outbox()[1].except)
  end)

  it("to a type without servers is a line in the log, to one without frontends an error", function()
    local all = node:channelService()
    node:setServers { { id = "f1", type = "connector", frontend = true },
      { id = "chat-1", type = "chat" } }
    local told
    node:onPush(function(...) told = { select(3, ...) } end)
    all:broadcast("conector", "onX", {}, function() end)
    assert.same({ true }, told)
    all:broadcast({}, "onX", {}, function() end)
    assert.same({ true }, told)
    all:broadcast("chat", "onX", {}, function() end)
    assert.same({ nil, "broadcast fails", "NOENT" }, { told[1], told[2], told[3] })
    local lines = node:lines()
    assert.matches("there are no servers of the type conector", lines[#lines - 1].text)
    assert.matches("there are no servers of the type %(a table%)$", lines[#lines].text)
    assert.same({}, node:outbox())
  end)
end)
