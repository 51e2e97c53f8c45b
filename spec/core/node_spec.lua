-- A node as the Lua half sees it (core/bind/l_node, core/node): messages, answers,
-- forwarding (bind/l_request.c), remote calls (bind/l_rpc.c), timers (bind/l_timer.c), reports
-- to the program (bind/l_member.c), and what C keeps an eye on.
local core = require "pomelua.core"

local function request(id, route, body)
  return core.write_message { type = 0, id = id, route = route, body = body or "{}" }
end

local function notify(route, body)
  return core.write_message { type = 1, route = route, body = body or "{}" }
end

-- The data that clients got, as {sid, id, body}.
local function answers(node)
  local list = {}
  for _, item in ipairs(node:sent()) do
    if item.kind == "data" then
      local m = core.read_message(item.bytes)
      assert.equal(2, m.type)
      list[#list + 1] = { item.sid, m.id, m.body }
    else
      list[#list + 1] = item
    end
  end
  return list
end

local ERROR = '{"code":500}'

-- Entries that note every call in a list.
local function noting(node, names)
  local calls, entries = {}, {}
  for _, name in ipairs(names) do
    entries[name] = function(...) calls[#calls + 1] = { name, n = select("#", ...), ... } end
  end
  node:entries(entries)
  return calls
end

describe("a node", function()
  local node

  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
  end)
  after_each(function() node:close() end)

  it("says what it is", function()
    assert.equal("connector-1", node:id())
    assert.equal("connector", node:type())
    assert.is_true(node:isFrontend())
    local chat = core.node { id = "chat-1", type = "chat" }
    assert.is_false(chat:isFrontend())
    assert.is_true(node:alive("connector-1"))
    assert.is_false(node:alive("connector-1\0x"))
    assert.is_false(node:alive("chat-1"))
    node:peer("chat-1", true)
    assert.is_true(node:alive("chat-1"))
    assert.is_false(chat:alive("connector-1"))
    node:peer("chat-1", false)
    assert.is_false(node:alive("chat-1"))
    chat:close()
    assert.is_string(core.version)
  end)

  it("has a time that only advance moves", function()
    local now = node:now()
    node:settle()
    assert.equal(now, node:now())
    node:advance(1500)
    assert.equal(now + 1500, node:now())
  end)

  it("writes a log", function()
    node:log("debug", "a")
    node:log("info", "b\n\0c")
    node:log("warn", "%s%n")
    node:log("error", "")
    local texts = {}
    for _, l in ipairs(node:lines()) do texts[#texts + 1] = l.level .. ":" .. l.text end
    assert.same({ "debug:a", "info:b\n", "warn:%s%n", "error:" }, texts)
    assert.error(function() node:log("loud", "x") end)
    assert.error(function() node:log("info") end)
    assert.error(function() node:log("info", {}) end)
  end)

  it("is configured by numbers in their range", function()
    assert.is_true(node:configure {
      heartbeat = 3, timeout = 6, packageBefore = 4096, packageAfter = 65536,
      handshakeTimeout = 10000, maxConnections = 100, queueSoft = 1048576, queueTime = 5000,
      queueHard = 8388608, maxInFlight = 128, handlerTimeout = 10000, forwardTimeout = 11000,
      maxCalls = 65536,
    })
    assert.error_matches(function() node:configure { speed = 1 } end, "no setting 'speed'")
    assert.error_matches(function() node:configure { heartbeat = "x" } end, "must be a number")
    assert.error_matches(function() node:configure { handlerTimeout = 0 } end, "must be from 1 to")
    assert.error_matches(function() node:configure { heartbeat = 0 / 0 } end, "must be from")
    assert.error(function() node:configure { 1 } end)
    assert.error(function() node:configure() end)
  end)

  it("knows entries by their names", function()
    assert.error_matches(function() node:entries { massage = print } end, "massage")
    assert.error_matches(function() node:entries { message = 7 } end, "must be a function")
    assert.error(function() node:entries { print } end)
    assert.error(function() node:entries { [true] = print } end)
    assert.error(function() node:entries() end)
  end)

  it("checks the list of servers before it takes it", function()
    node:setServers { { id = "chat-1", type = "chat" } }
    for _, bad in ipairs {
      { 1 }, { {} }, { { id = 7, type = "chat" } }, { { id = "a", type = "b" }, { id = "c" } },
    } do
      assert.error_matches(function() node:setServers(bad) end, "servers%[%d%]")
    end
    assert.error(function() node:setServers() end)
    -- The old list stands.
    node:peer("chat-1", true)
    local sid = node:openSession()
    node:clientData(sid, notify("chat.a.b"))
    assert.equal("chat-1", node:outbox()[1].to)
  end)

  it("tells nobody of a program that is not there", function()
    node:loaded()
    node:listening("x")
    node:listening()
    node:failed("x")
    node:stopped(1)
    node:patient()
    node:shutdown(3)
    assert.error(function() node:failed() end)
    assert.error(function() node:shutdown("x") end)
    assert.error(function() node:listening({}) end)
  end)

  it("has no sockets when it is virtual", function()
    local port, message, name = node:listen { host = "127.0.0.1", port = 0 }
    assert.is_nil(port)
    assert.is_string(message)
    assert.equal("IO", name)
    assert.error(function() node:listen { host = "127.0.0.1" } end)
    assert.error(function() node:listen() end)
    local ok
    ok, message, name = node:handshake(node:openSession(), 200, "{}")
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("NOENT", name)
  end)

  it("raises when it is closed, and when it is none", function()
    local gone = core.node { id = "x", type = "x" }
    local sid = node:openSession()
    gone:close()
    assert.error_matches(function() gone:id() end, "closed")
    assert.error(function() gone:close() end)
    assert.error(function() node.id({}) end)
    assert.error(function() node.id(io.stdout) end)
    assert.error(function() node.id() end)
    assert.is_true((select(3, node:session(sid))))
    assert.is_false(getmetatable(node))
    assert.error(function() core.node() end)
    assert.error(function() core.node { id = "x" } end)
    assert.error(function() core.node { id = {}, type = "x" } end)
  end)

  it("closes with everything open", function()
    local n = core.node { id = "f1", type = "connector", frontend = true }
    n:entries { message = function() end, route = function() end, call = function() end }
    n:setServers { { id = "chat-1", type = "chat" } }
    n:peer("chat-1", true)
    n:setRouted("lobby", true)
    local sid = n:openSession()
    n:bind(sid, "ann")
    n:watchClosed(sid)
    n:setSettings(sid, "{}")
    n:clientData(sid, request(1, "connector.a.b"))
    n:clientData(sid, request(2, "chat.a.b"))
    n:clientData(sid, request(3, "lobby.a.b"))
    n:clientData(sid, notify("lobby.a.b"))
    n:call("chat-1", "a.b", 1000, 1, "x")
    n:deliver { kind = "call", from = "chat-1", call = 9, ms = 1000, route = "a.b", body = "[]" }
    n:timer(10)
    n:channel("hall", true):add("ann", "chat-1")
    n:pushChannel(n:channel("hall"), "onX", {}, nil, 1000)
    n:kick(n:openSession(), "bye")
    n:closeSession(n:openSession())
    n:log("info", "last")
    n:close()
  end)

  it("cannot be closed, or turned, from inside", function()
    local seen = {}
    node:entries { timer = function()
      seen[1] = select(2, pcall(node.close, node))
      seen[2] = select(2, pcall(node.advance, node, 1))
      seen[3] = select(2, pcall(node.settle, node))
    end }
    node:timer(1)
    node:advance(1)
    for i = 1, 3 do assert.matches("from inside", seen[i]) end
  end)
end)

describe("timers", function()
  local node, fired

  before_each(function()
    fired = {}
    node = core.node { id = "chat-1", type = "chat" }
    node:entries { timer = function(id) fired[#fired + 1] = id end }
  end)
  after_each(function() node:close() end)

  it("fire once, in order, when time has come", function()
    local late, soon, now = node:timer(30), node:timer(10), node:timer(0)
    node:settle()
    assert.same({}, fired)
    node:advance(9)
    assert.same({ now }, fired)
    node:advance(100)
    assert.same({ now, soon, late }, fired)
    assert.is_false(node:cancel(late))
    assert.equal(0, node:counts().timers)
  end)

  it("are cancelled, once", function()
    local a, b = node:timer(5), node:timer(5)
    assert.is_true(node:cancel(a))
    assert.is_false(node:cancel(a))
    assert.is_false(node:cancel(0))
    assert.is_false(node:cancel(b + 0.5))
    node:advance(10)
    assert.same({ b }, fired)
  end)

  it("may be started and cancelled inside one", function()
    local other
    node:entries { timer = function(id)
      fired[#fired + 1] = id
      if #fired == 1 then
        assert.is_true(node:cancel(other))
        assert.is_false(node:cancel(id))
        node:timer(1)
      end
    end }
    node:timer(5)
    other = node:timer(5)
    node:advance(5)
    assert.equal(1, #fired)
    node:advance(1)
    assert.equal(2, #fired)
  end)

  it("whose function raises are logged, and the rest goes on", function()
    node:entries { timer = function(id)
      fired[#fired + 1] = id
      error({ code = #fired })
    end }
    node:timer(1)
    node:timer(2)
    node:advance(5)
    assert.equal(2, #fired)
    local lines = node:lines()
    assert.equal(2, #lines)
    assert.matches("^timer: %(error object: table%)\nstack traceback", lines[1].text)
  end)

  it("raise on wrong times", function()
    for _, ms in ipairs { -1, 0 / 0, 1 / 0, 2 ^ 32 } do
      assert.error(function() node:timer(ms) end)
      assert.error(function() node:advance(ms) end)
    end
    assert.error(function() node:timer("soon") end)
    assert.error(function() node:timer() end)
    assert.error(function() node:cancel({}) end)
  end)
end)

describe("a client's message for its own server", function()
  local node, sid, calls

  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
    calls = noting(node, { "message", "route" })
    sid = node:openSession()
  end)
  after_each(function() node:close() end)

  it("reaches the scripts with its bytes", function()
    local body = "\0\255 no UTF-8, no JSON {\n"
    assert.is_true(node:clientData(sid, request(7, "connector.entry.enter", body)))
    assert.is_true(node:clientData(sid, notify("connector.entry.enter", body)))
    local req = calls[1][2]
    assert.is_number(req)
    assert.same({
      { "message", n = 8, req, sid, nil, nil, 0, 7, "connector.entry.enter", body },
      { "message", n = 8, nil, sid, nil, nil, 1, 0, "connector.entry.enter", body },
    }, calls)
    assert.same({}, node:sent())
    assert.is_true(node:bind(sid, "ann"))
    assert.is_true(node:setSettings(sid, '{"rid":1}'))
    node:clientData(sid, notify("connector.entry.enter", body))
    assert.same({ "message", n = 8, nil, sid, "ann", '{"rid":1}', 1, 0, "connector.entry.enter",
      body }, calls[3])
  end)

  it("is answered once, with its id", function()
    node:clientData(sid, request(128, "connector.a.b"))
    local req = calls[1][2]
    assert.is_true(node:answer(req, { code = 200, text = "\240\159\152\128" }))
    local list = answers(node)
    assert.equal(1, #list)
    assert.equal(128, list[1][2])
    assert.matches('"text":"\\ud83d\\ude00"', list[1][3], 1, true)
    local ok, message, name = node:answer(req, {})
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("CLOSED", name)
    for _, id in ipairs { 0, -1, 0.5, req + 0.5, 2 ^ 53, 0 / 0 } do
      assert.equal("CLOSED", select(3, node:answer(id, {})))
    end
    assert.error(function() node:answer({}, {}) end)
    assert.error(function() node:answer(req) end)
    assert.same({}, node:sent())
  end)

  it("may be answered again when an answer is no JSON", function()
    node:clientData(sid, request(1, "connector.a.b"))
    local req = calls[1][2]
    local ok, message, name = node:answer(req, { items = { 1, { owner = print } } })
    assert.is_nil(ok)
    assert.equal("msg.items[2].owner: a function", message)
    assert.equal("ENCODE", name)
    assert.equal("TOOBIG", select(3, node:answer(req, ("x"):rep(16777216))))
    assert.same({}, node:sent())
    assert.is_true(node:answer(req, nil))
    assert.same({ { sid, 1, "null" } }, answers(node))
  end)

  it("that nobody answers gets code 500 at its deadline", function()
    node:configure { handlerTimeout = 100 }
    node:clientData(sid, request(5, "connector.slow.one"))
    node:advance(99)
    assert.same({}, node:sent())
    node:advance(1)
    assert.same({ { sid, 5, ERROR } }, answers(node))
    assert.equal("CLOSED", select(3, node:answer(calls[1][2], {})))
    assert.equal(1, node:counts().handlerTimeouts)
    local line = node:lines()[1]
    assert.equal("error", line.level)
    assert.matches("connector.slow.one", line.text, 1, true)
  end)

  it("whose function raises is logged, and answered at its deadline", function()
    node:entries { message = function() error("oops") end }
    assert.is_true(node:clientData(sid, request(5, "connector.a.b")))
    assert.matches("message: .*oops\nstack traceback", node:lines()[1].text)
    node:advance(10000)
    assert.same({ { sid, 5, ERROR } }, answers(node))
  end)

  it("whose client has gone may be answered still", function()
    node:clientData(sid, request(1, "connector.a.b"))
    node:closeSession(sid)
    local again = node:openSession() -- perhaps in its place
    assert.is_true(node:answer(calls[1][2], {}))
    assert.same({}, node:sent())
    node:advance(20000)
    assert.same({}, node:sent())
    assert.is_true((select(3, node:session(again))))
  end)

  it("may close its client, and answer from inside", function()
    node:entries { message = function(req, id)
      assert(node:answer(req, { n = 1 }))
      node:closeSession(id, "x")
      node:openSession()
    end }
    node:clientData(sid, request(1, "connector.a.b"))
    assert.same({ { sid, 1, '{"n":1}' } }, answers(node))
    assert.is_false((select(3, node:session(sid))))
  end)

  it("is answered with code 500 while 128 are in flight", function()
    for i = 1, 128 do node:clientData(sid, request(i, "connector.a.b")) end
    assert.equal(128, #calls)
    node:clientData(sid, request(129, "connector.a.b"))
    node:clientData(sid, request(130, "no route"))
    assert.same({ { sid, 129, ERROR }, { sid, 130, ERROR } }, answers(node))
    node:clientData(sid, notify("connector.a.b"))
    assert.equal(129, #calls)
    local other = node:openSession()
    node:clientData(other, request(1, "connector.a.b"))
    assert.equal(130, #calls)
    node:answer(calls[1][2], {})
    node:clientData(sid, request(131, "connector.a.b"))
    assert.equal(131, #calls)
    assert.equal(2, node:counts().overInFlight)
    node:advance(10000)
    assert.equal(1 + 129, #answers(node))
    node:clientData(sid, request(132, "connector.a.b"))
    assert.equal(132, #calls)
  end)

  it("with method constructor ends its client", function()
    for _, route in ipairs { "chat.x.constructor", "connector.x.constructor" } do
      local id = node:openSession()
      assert.is_true(node:clientData(id, route:find("chat") and request(1, route) or notify(route)))
      assert.same({ { sid = id, kind = "kick", bytes = "attack" } }, node:sent())
      node:settle()
      assert.is_false((select(3, node:session(id))))
    end
    assert.same({}, calls)
  end)

  it("that is cut ends its client", function()
    for _, bytes in ipairs { "", "\0", "\0\128", "\0\1\5a", "\1\1\0", "\2", "\3\0" } do
      local ok, message, name = node:clientData(sid, bytes)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("PROTO", name)
    end
    assert.same({}, calls)
  end)

  it("with a route that is none gets code 500", function()
    local routes = { "", "a", "a.b", "a.b.c.d", ".b.c", "a..c", "a.b.", "..", "...", ".", "a.b..c" }
    for i, route in ipairs(routes) do
      node:clientData(sid, request(i, route))
      assert.same({ { sid, i, ERROR } }, answers(node), route)
      node:clientData(sid, notify(route))
    end
    -- A code that no dictionary knows.
    node:clientData(sid, core.write_message { type = 0, id = 99, code = 5, body = "{}" })
    node:clientData(sid, core.write_message { type = 1, code = 5, body = "{}" })
    assert.same({ { sid, 99, ERROR } }, answers(node))
    assert.equal(2 * #routes + 2, node:counts().badRoutes)
    assert.same({}, calls)
  end)

  it("of a type that only servers send is ignored, a push is a notify", function()
    node:clientData(sid, core.write_message { type = 2, id = 1, body = "{}" })
    for type = 4, 7 do node:clientData(sid, core.write_message { type = type, body = "x" }) end
    assert.equal(5, node:counts().ignored)
    assert.same({}, calls)
    node:clientData(sid, core.write_message { type = 3, route = "connector.a.b", body = "{}" })
    node:clientData(sid, request(0, "connector.a.b"))
    for i = 1, 2 do
      assert.same({ "message", n = 8, nil, sid, nil, nil, 1, 0, "connector.a.b", "{}" }, calls[i])
    end
    assert.same({}, node:sent())
  end)

  it("without scripts waits for its deadline, and no longer", function()
    local bare = core.node { id = "connector-2", type = "connector", frontend = true }
    local id = bare:openSession()
    bare:clientData(id, request(1, "connector.a.b"))
    bare:advance(10000)
    assert.same({ { id, 1, ERROR } }, answers(bare))
    bare:close()
  end)
end)

describe("a message that is forwarded", function()
  local front, chat, sid

  local servers = {
    { id = "connector-1", type = "connector", frontend = true },
    { id = "chat-1", type = "chat" }, { id = "chat-2", type = "chat" },
    { id = "chat-3", type = "chat" },
  }

  before_each(function()
    front = core.node { id = "connector-1", type = "connector", frontend = true }
    chat = core.node { id = "chat-1", type = "chat" }
    front:setServers(servers)
    chat:setServers(servers)
    front:peer("chat-1", true)
    chat:peer("connector-1", true)
    sid = front:openSession()
  end)
  after_each(function()
    front:close()
    chat:close()
  end)

  local function cross(from, to)
    for _, item in ipairs(from:outbox()) do
      if item.to == to:id() then
        item.from = from:id()
        to:deliver(item)
      end
    end
    to:settle()
  end

  it("carries its session and its bytes, whatever they are", function()
    local every = {}
    for i = 0, 255 do every[#every + 1] = string.char(i) end
    every = table.concat(every)
    front:bind(sid, 7)
    front:setSettings(sid, '{"rid":1}')
    front:clientData(sid, request(3, "chat.room.send", every))
    local out = front:outbox()
    assert.equal(1, #out)
    local item = out[1]
    assert.is_number(item.call)
    item.call = nil
    assert.same({
      kind = "forward", to = "chat-1", from = "connector-1", session = sid, uid = 7,
      settings = '{"rid":1}', route = "chat.room.send", msgType = 0, msgId = 3, body = every,
      ms = 11000,
    }, item)
    front:clientData(sid, notify("chat.room.send"))
    item = front:outbox()[1]
    assert.is_nil(item.call)
    assert.equal(1, item.msgType)
    assert.equal(0, item.msgId)
  end)

  it("reaches the scripts there, and its answer the client", function()
    local calls = noting(chat, { "forwarded" })
    front:clientData(sid, request(3, "chat.room.send", "\255"))
    front:clientData(sid, notify("chat.room.send", ""))
    cross(front, chat)
    local req, life = calls[1][2], chat:incarnation("connector-1")
    assert.same({
      { "forwarded", n = 10, req, "connector-1", sid, nil, nil, 0, 3, "chat.room.send", "\255",
        life },
      { "forwarded", n = 10, nil, "connector-1", sid, nil, nil, 1, 0, "chat.room.send", "", life },
    }, calls)
    assert.is_true(chat:answer(req, { ok = true }))
    assert.equal("CLOSED", select(3, chat:answer(req, {})))
    cross(chat, front)
    assert.same({ { sid, 3, '{"ok":true}' } }, answers(front))
    -- Short answers, too.
    front:clientData(sid, request(4, "chat.room.send"))
    cross(front, chat)
    chat:answer(calls[3][2], 1)
    cross(chat, front)
    assert.same({ { sid, 4, "1" } }, answers(front))
  end)

  it("goes by the uid's checksum to one that is there", function()
    local uids = { [0] = "", "1", "10001", "alice", "user*room" }
    front:peer("chat-2", true)
    front:peer("chat-3", true)
    for i = 0, #uids do
      local id = front:openSession()
      if i > 0 then front:bind(id, uids[i]) end
      front:clientData(id, notify("chat.a.b"))
      local n = ({ [0] = 0, 2, 1, 2, 2 })[i]
      assert.equal("chat-" .. n + 1, front:outbox()[1].to)
    end
    front:peer("chat-1", false)
    front:peer("chat-3", false)
    front:clientData(sid, notify("chat.a.b"))
    assert.equal("chat-2", front:outbox()[1].to)
  end)

  it("gets code 500 when there is no server for it", function()
    front:peer("chat-1", false)
    front:clientData(sid, request(1, "chat.a.b"))
    front:clientData(sid, request(2, "lobby.a.b"))
    front:clientData(sid, notify("lobby.a.b"))
    assert.same({ { sid, 1, ERROR }, { sid, 2, ERROR } }, answers(front))
    assert.equal(3, front:counts().forwardFails)
    local text = front:lines()[#front:lines()].text
    assert.matches("can not find server info for type:lobby", text, 1, true)
    -- Another frontend takes no messages.
    front:setServers { { id = "gate-1", type = "gate", frontend = true } }
    front:peer("gate-1", true)
    front:clientData(sid, request(3, "gate.a.b"))
    assert.same({ { sid, 3, ERROR } }, answers(front))
    assert.same({}, front:outbox())
  end)

  it("gets code 500 when its server goes, or does not answer", function()
    front:clientData(sid, request(1, "chat.a.b"))
    front:clientData(sid, request(2, "chat.a.b"))
    front:peer("chat-1", false)
    assert.same({ { sid, 1, ERROR }, { sid, 2, ERROR } }, answers(front))
    front:peer("chat-1", true)
    front:clientData(sid, request(3, "chat.a.b"))
    front:advance(10999)
    assert.same({}, answers(front))
    front:advance(1)
    assert.same({ { sid, 3, ERROR } }, answers(front))
    assert.matches("did not answer in time", front:lines()[#front:lines()].text)
  end)

  it("gets the handler's code 500 before its own deadline", function()
    local calls = noting(chat, { "forwarded" })
    front:clientData(sid, request(1, "chat.a.b"))
    cross(front, chat)
    chat:advance(10000)
    front:advance(10000)
    cross(chat, front)
    assert.same({ { sid, 1, ERROR } }, answers(front))
    assert.equal(0, front:counts().forwardFails)
    assert.equal("CLOSED", select(3, chat:answer(calls[1][2], {})))
  end)

  it("gets code 500 when the server refuses it", function()
    front:clientData(sid, request(1, "chat.a.b"))
    local item = front:outbox()[1]
    front:deliver { kind = "answer", from = "chat-1", call = item.call, status = 1, body = "no\7" }
    assert.same({ { sid, 1, ERROR } }, answers(front))
    local line = front:lines()[#front:lines()]
    assert.equal("error", line.level)
    assert.equal("chat.a.b: no answer from server chat-1: no\7", line.text)
    -- A frontend refuses, and so does a request that has no id.
    local refused = {}
    front:deliver { kind = "forward", from = "chat-1", call = 5, ms = 100, session = 1, msgId = 1,
      route = "connector.a.b", body = "{}" }
    refused[1] = front:outbox()[1]
    chat:deliver { kind = "forward", from = "connector-1", call = 6, ms = 100, route = "chat.a.b" }
    chat:deliver { kind = "forward", from = "connector-1", call = 7, ms = 100, route = "chat.a.b",
      msgId = 2 ^ 31 }
    refused[2], refused[3] = unpack(chat:outbox())
    for i = 1, 3 do
      assert.equal("answer", refused[i].kind)
      assert.equal(1, refused[i].status)
      assert.equal(i + 4, refused[i].call)
      assert.is_string(refused[i].body)
    end
  end)

  it("is forgotten when its client goes", function()
    front:clientData(sid, request(1, "chat.a.b"))
    local item = front:outbox()[1]
    front:closeSession(sid)
    front:openSession()
    front:deliver { kind = "answer", from = "chat-1", call = item.call, body = "\4\1{}" }
    assert.same({}, front:sent())
  end)

  it("counts against what is in flight until it is answered", function()
    front:configure { maxInFlight = 2 }
    for i = 1, 3 do front:clientData(sid, request(i, "chat.a.b")) end
    assert.same({ { sid, 3, ERROR } }, answers(front))
    local out = front:outbox()
    assert.equal(2, #out)
    front:deliver { kind = "answer", from = "chat-1", call = out[1].call, body = "\4\1{}" }
    assert.same({ { sid, 1, "{}" } }, answers(front))
    front:clientData(sid, request(4, "chat.a.b"))
    assert.equal(1, #front:outbox())
  end)

  it("is told apart from a call of the same number", function()
    chat:entries {
      forwarded = function(req) chat:answer(req, "for a client") end,
      call = function(id) chat:reply(id, 1, "for a server") end,
    }
    chat:peer("lobby-1", true)
    chat:deliver { kind = "forward", from = "connector-1", call = 5, ms = 100, msgId = 1,
      route = "chat.a.b", body = "{}" }
    chat:deliver { kind = "call", from = "lobby-1", call = 5, ms = 100, route = "a.b", body = "[]" }
    local out = chat:outbox()
    assert.equal('"for a client"', core.read_message(out[1].body).body)
    assert.equal('["for a server"]', out[2].body)
  end)

  describe("as scripts say", function()
    local calls

    before_each(function()
      calls = noting(front, { "route" })
      front:setRouted("chat", true)
    end)

    it("waits for them", function()
      front:clientData(sid, request(7, "chat.a.b", "\255"))
      local pending = calls[1][2]
      assert.same({ { "route", n = 7, pending, "chat", sid, 0, 7, "chat.a.b", "\255" } }, calls)
      assert.same({}, front:outbox())
      assert.is_true(front:forward(pending, "chat-1"))
      local item = front:outbox()[1]
      assert.equal("chat-1", item.to)
      assert.equal("\255", item.body)
      assert.equal(7, item.msgId)
      local ok, message, name = front:forward(pending, "chat-1")
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("CLOSED", name)
    end)

    it("may be answered from inside", function()
      front:entries { route = function(pending) assert(front:forward(pending, "chat-1")) end }
      front:clientData(sid, request(7, "chat.a.b"))
      assert.equal("chat-1", front:outbox()[1].to)
    end)

    it("gets code 500 for no server, or one that is not there", function()
      for i, to in ipairs { "chat-2", "nobody", "connector-1", "" } do
        front:clientData(sid, request(i, "chat.a.b"))
        local ok, message, name = front:forward(calls[i][2], to)
        assert.is_nil(ok)
        assert.matches("server '" .. to .. "' takes no messages", message, 1, true)
        assert.equal("NOENT", name)
        assert.same({ { sid, i, ERROR } }, answers(front))
      end
      front:clientData(sid, request(9, "chat.a.b"))
      assert.is_true(front:forward(calls[5][2], nil))
      assert.same({ { sid, 9, ERROR } }, answers(front))
    end)

    it("gets code 500 when they do not answer in time", function()
      front:clientData(sid, request(1, "chat.a.b"))
      front:clientData(sid, notify("chat.a.b"))
      front:advance(11000)
      assert.same({ { sid, 1, ERROR } }, answers(front))
      assert.equal("CLOSED", select(3, front:forward(calls[1][2], "chat-1")))
      assert.same({}, front:outbox())
    end)

    it("is dropped when its client goes", function()
      front:clientData(sid, request(1, "chat.a.b"))
      front:closeSession(sid)
      assert.is_true(front:forward(calls[1][2], "chat-1"))
      assert.same({}, front:outbox())
      assert.same({}, front:sent())
    end)

    it("counts against what is in flight, notifies too", function()
      front:configure { maxInFlight = 3 }
      front:clientData(sid, request(1, "chat.a.b"))
      for _ = 1, 5 do front:clientData(sid, notify("chat.a.b")) end
      assert.equal(3, #calls)
      front:clientData(sid, request(2, "chat.a.b"))
      assert.same({ { sid, 2, ERROR } }, answers(front))
      for i = 1, 3 do front:forward(calls[i][2], "chat-1") end
      assert.equal(3, #front:outbox())
      front:clientData(sid, request(3, "chat.a.b"))
      front:clientData(sid, notify("chat.a.b"))
      assert.equal(5, #calls)
    end)

    it("is for the types named, or for all", function()
      front:setRouted("chat", false)
      front:setRouted("chat", false)
      front:clientData(sid, notify("chat.a.b"))
      assert.equal(1, #front:outbox())
      front:setRouted("default", true)
      front:setRouted("default", true)
      front:clientData(sid, notify("chat.a.b"))
      front:clientData(sid, notify("any.a.b"))
      assert.equal(2, #calls)
      front:setRouted("default", false)
      front:clientData(sid, notify("chat.a.b"))
      assert.equal(2, #calls)
    end)

    it("raises on wrong arguments", function()
      assert.error(function() front:forward() end)
      assert.error(function() front:forward({}, "chat-1") end)
      assert.error(function() front:forward(1, {}) end)
      assert.error(function() front:setRouted() end)
      assert.equal("CLOSED", select(3, front:forward(0 / 0, "chat-1")))
    end)
  end)
end)

describe("a remote call", function()
  local chat, front

  before_each(function()
    chat = core.node { id = "chat-1", type = "chat" }
    front = core.node { id = "f1", type = "connector", frontend = true }
    chat:peer("f1", true)
    front:peer("chat-1", true)
  end)
  after_each(function()
    chat:close()
    front:close()
  end)

  local function cross(from, to)
    for _, item in ipairs(from:outbox()) do
      item.from = from:id()
      to:deliver(item)
    end
  end

  it("carries its values, nils in place", function()
    local calls = noting(chat, { "call" })
    local id = front:call("chat-1", "room.add", 5000, 4, "a", nil, { 1 }, nil)
    assert.is_number(id)
    cross(front, chat)
    assert.same({ "call", n = 5, calls[1][2], "f1", "room.add",
      '["a",null,[1],null]', false }, calls[1])
    assert.is_true(front:call("chat-1", "room.add", 0, 0))
    cross(front, chat)
    assert.same({ "call", n = 5, nil, "f1", "room.add", "[]", false }, calls[2])
    assert.is_true(front:callAside("chat-1", "room.add", 0, 0)) -- a stop does not wait for it
    assert.is_true(front:outbox()[1].aside)
    front:call("chat-1", "room.add", 5000, 3)
    assert.equal("[null,null,null]", front:outbox()[1].body)
    front:call("chat-1", "room.add", 5000, 1, 1, 2, 3)
    assert.equal("[1]", front:outbox()[1].body)
  end)

  it("is answered once", function()
    local calls, ends = noting(chat, { "call" }), noting(front, { "answered" })
    local a = front:call("chat-1", "r.a", 5000, 0)
    local b = front:call("chat-1", "r.b", 5000, 0)
    cross(front, chat)
    assert.is_true(chat:reply(calls[2][2], 3, 1, nil, "x"))
    assert.is_true(chat:replyError(calls[1][2], "no \0 way"))
    for _, reply in ipairs { chat.reply, chat.replyError } do
      local ok, message, name = reply(chat, calls[1][2], 0)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("CLOSED", name)
    end
    assert.same({}, ends)
    cross(chat, front)
    assert.same({
      { "answered", n = 3, b, "OK", '[1,null,"x"]' },
      { "answered", n = 3, a, "ERROR", "no \0 way" },
    }, ends)
    front:advance(60000)
    assert.equal(2, #ends)
  end)

  it("ends at its deadline, on both sides", function()
    local calls, ends = noting(chat, { "call" }), noting(front, { "answered" })
    local id = front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    front:advance(100)
    assert.same({ { "answered", n = 3, id, "TIMEOUT", "no answer in time" } }, ends)
    assert.is_true(chat:reply(calls[1][2], 0))
    cross(chat, front)
    assert.equal(1, #ends)
    assert.equal(1, front:counts().rpcLate)
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    chat:advance(100)
    assert.equal("CLOSED", select(3, chat:reply(calls[2][2], 0)))
  end)

  it("ends when its server goes", function()
    local ends = noting(front, { "answered" })
    local id = front:call("chat-1", "r.a", 100, 0)
    front:peer("chat-1", false)
    assert.same({ { "answered", n = 3, id, "NOENT", "the server is gone" } }, ends)
    front:advance(1000)
    assert.equal(1, #ends)
    local ok, message, name = front:call("chat-1", "r.a", 100, 0)
    assert.is_nil(ok)
    assert.equal("server 'chat-1' is not there", message)
    assert.equal("NOENT", name)
    assert.equal("NOENT", select(3, front:call("chat-1", "r.a", 0, 0)))
  end)

  it("may be made again where one ends", function()
    local n = 0
    front:entries { answered = function()
      n = n + 1
      if n < 3 then
        front:peer("chat-1", true)
        assert(front:call("chat-1", "r.a", 100, 0))
        front:peer("chat-1", false)
      end
    end }
    front:call("chat-1", "r.a", 100, 0)
    front:call("chat-1", "r.b", 100, 0)
    front:peer("chat-1", false)
    front:advance(1000)
    assert.equal(4, n)
  end)

  it("to oneself is a call like others", function()
    local calls = noting(front, { "call", "answered" })
    assert.is_number(front:call("f1", "r.a", 100, 1, "me"))
    cross(front, front)
    assert.equal("call", calls[1][1])
    front:reply(calls[1][2], 1, "you")
    cross(front, front)
    assert.equal('["you"]', calls[2][4])
  end)

  it("waits a millisecond at least when an answer is wanted", function()
    local ends = noting(front, { "answered" })
    assert.is_number(front:call("chat-1", "r.a", 0.25, 0))
    front:advance(1)
    assert.equal("TIMEOUT", ends[1][3])
  end)

  it("that is no JSON is not made", function()
    local ok, message, name = front:call("chat-1", "r.a", 100, 2, 1, { f = print })
    assert.is_nil(ok)
    assert.matches("%.f: a function", message)
    assert.equal("ENCODE", name)
    assert.same({}, front:outbox())
    local calls = noting(chat, { "call" })
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    assert.equal("ENCODE", select(3, chat:reply(calls[1][2], 1, print)))
    assert.is_true(chat:replyError(calls[1][2], "cannot say")) -- still open
  end)

  it("that is too big is not made, its answer may be replaced", function()
    local big = ("x"):rep(16 * 1024 * 1024)
    local ok, message, name = front:call("chat-1", "r.a", 100, 2, big, big)
    assert.is_nil(ok)
    assert.is_string(message)
    assert.is_true(name == "TOOBIG" or name == "ENCODE")
    local calls = noting(chat, { "call" })
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    assert.is_nil((chat:reply(calls[1][2], 2, big, big)))
    assert.is_nil((chat:reply(calls[1][2], 2, big, big:sub(1, -12))))
    assert.is_true(chat:replyError(calls[1][2], "too big"))
  end)

  it("is refused by a server that has no function for it", function()
    local function refused(id)
      chat:deliver { kind = "call", from = "f1", call = id, ms = 10, route = "r.a", body = "[]" }
      local records = chat:outbox()
      assert.same({ 1, "answer", id, 1, "this server could not take the call: see its log" },
        { #records, records[1].kind, records[1].call, records[1].status, records[1].body })
    end
    refused(1)
    chat:entries { call = function() error("x") end }
    refused(2)
    assert.matches("^call: .*x\nstack", chat:lines()[#chat:lines()].text)
  end)

  it("raises on wrong arguments", function()
    local function bad(method, ...)
      local args, n = { ... }, select("#", ...)
      assert.error(function() chat[method](chat, unpack(args, 1, n)) end)
    end
    bad("call")
    bad("call", {}, "r.a", 0, 0)
    bad("call", "f1", {}, 0, 0)
    bad("call", "f1", "r.a", "soon", 0)
    bad("call", "f1", "r.a", -1, 0)
    bad("call", "f1", "r.a", 0 / 0, 0)
    bad("call", "f1", "r.a", 2 ^ 32, 0)
    bad("call", "f1", "r.a", 0, -1)
    bad("call", "f1", "r.a", 0, 251)
    bad("call", "f1", "r.a", 0)
    bad("reply", {}, 0)
    bad("reply", 1)
    bad("reply", 1, 251)
    bad("replyError", 1)
    bad("replyError", 1, {})
    assert.equal("CLOSED", select(3, chat:reply(1, 0)))
    assert.equal("CLOSED", select(3, chat:replyError(0 / 0, "x")))
  end)
end)
