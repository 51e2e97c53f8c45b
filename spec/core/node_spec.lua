-- A node as the Lua half sees it (bind/l_node.c, bind/l_member.c, core/node): what it is, its
-- settings, its reports to the program, and what C keeps an eye on.
local core = require "pomelua.core"
local nodes = require "spec.support.nodes"
local push = require "spec.support.push"

local request, notify = nodes.request, nodes.notify

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

  it("is not changed by the list of servers that it has already", function()
    local function list(id, weight)
      return {
        { id = "chat-1", type = "chat" }, { id = id, type = "chat", weight = weight },
        { id = "front-1", type = "connector", frontend = true },
      }
    end
    node:setServers(list("chat-2", 2))
    local version = node:directoryVersion()
    node:setServers(list("chat-2", 2))
    assert.equal(version, node:directoryVersion())
    for _, other in ipairs { list("chat-3", 2), list("chat-3", 1), list("chat-2"), {} } do
      node:setServers(other)
      assert.not_equal(version, node:directoryVersion())
      version = node:directoryVersion()
    end
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
    local sid = node:openSession()
    assert.is_true(node:handshake(sid, 200, "{}"))
    local ok
    ok, message, name = node:handshake(sid + 1, 200, "{}")
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
    push.get(n, "hall", true):add("ann", "chat-1")
    push.channel(n, push.get(n, "hall"), "onX", {}, nil, 1000)
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
