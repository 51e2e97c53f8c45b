-- Who is connected: session:address(), connectionService, the events of sessions.
-- Tests session/connection_service.lua.
local world = require "spec.support.world"
local test = require "pomelua.test"

describe("a session's", function()
  local w, front, back, sid

  before_each(function()
    w = world.usual()
    front = w:load("connector-1", {})
    back = w:load("chat-1", {})
    sid = front.node:openSession()
  end)
  after_each(function() w:close() end)

  local function on_backend(fn)
    w:run("chat-1", function()
      local exported = front.app.sessionService:get(sid):export()
      exported.incarnation = nil -- the nodes of a spec do not know each other's
      fn(back.app.backendSessionService:create(exported))
    end)
  end

  it("address is known on its frontend", function()
    local one = front.app.sessionService:get(sid)
    local cb
    one:address(function(...) cb = { ... } end)
    assert.same({ ip = "127.0.0.1", port = 1 }, one:address())
    assert.same({ nil, { ip = "127.0.0.1", port = 1 } }, cb)
    front.node:kick(sid)
    w:settle()
    local address, err = one:address()
    assert.is_nil(address)
    assert.equal("NOENT", err.code)
  end)

  it("address is known on other servers", function()
    local got, cb, gone
    on_backend(function(one)
      got = one:address()
      one:address(function(...) cb = { ... } end)
    end)
    assert.same({ ip = "127.0.0.1", port = 1 }, got)
    assert.same({ nil, { ip = "127.0.0.1", port = 1 } }, cb)
    on_backend(function(one)
      front.node:kick(sid)
      gone = { one:address() }
    end)
    assert.equal("NOENT", gone[2].code)
  end)

  it("keys are removed from its copy, and from the session by push", function()
    front.app.sessionService:importAll(sid, { a = 1, b = 2 })
    on_backend(function(one)
      one:remove("a")
      one:pushAll()
    end)
    assert.same({ b = 2 }, front.app.sessionService:get(sid).settings)
    front.app.sessionService:get(sid):remove("b")
    assert.same({}, front.app.sessionService:get(sid).settings)
    assert.error_matches(function() front.app.sessionService:get(sid):remove({}) end,
      "session:remove%(key%): the key must be a string")
  end)

  it("bind and unbind are events of its frontend, from wherever they are asked for", function()
    local seen = {}
    for _, name in ipairs { "bind_session", "unbind_session", "close_session" } do
      front.event:on(name, function(one)
        seen[#seen + 1] = ("%s %s %s"):format(name, one.id == sid, tostring(one.uid))
      end)
    end
    on_backend(function(one)
      one:bind("ann")
      one:bind("ann") -- changes nothing
      one:unbind("ann")
    end)
    front.app.sessionService:bind(sid, "bob")
    front.node:kick(sid)
    w:settle()
    assert.same({ "bind_session true ann", "unbind_session true nil", "bind_session true bob",
      "close_session true bob" }, seen)
  end)
end)

describe("connectionService", function()
  it("tells who is connected, and since when", function()
    local w = world.usual()
    local front = w:load("connector-1", {})
    local service = front.app:get("connectionService")
    assert.same({ serverId = "connector-1", totalConnCount = 0, loginedCount = 0,
      loginedList = {} }, service:getStatisticsInfo())
    local a = front.node:openSession()
    front.node:openSession()
    local before = os.time() * 1000
    front.app.sessionService:bind(a, 7)
    local info = service:getStatisticsInfo()
    assert.same({ 2, 1 }, { info.totalConnCount, info.loginedCount })
    local one = info.loginedList[1]
    assert.same({ 7, "127.0.0.1:1" }, { one.uid, one.address })
    -- os.time may be some milliseconds behind, and so a second at the end of one.
    assert.is_true(one.loginTime >= before and one.loginTime <= os.time() * 1000 + 1000)
    assert.is_nil(w.servers["chat-1"].app:get("connectionService"))
    assert.error_matches(function() service.getStatisticsInfo() end, "with a colon")
    front.app.sessionService:unbind(a, 7)
    assert.equal(0, service:getStatisticsInfo().loginedCount)
    w:close()
  end)
end)

describe("the test kit's sessions", function()
  it("have an address, too", function()
    local tree = require "spec.support.tree"
    local base = tree.new {
      ["app.lua"] = 'require("pomelua").createApp():start()',
      ["config/servers.json"] = [[{"development": {
        "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0,
          "frontend": true}],
        "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]],
      ["app/servers/chat/handler/h.lua"] = [[
        return { where = function(_, _, session) return session:address() end }]],
    }
    local server = test.server { base = base, type = "chat" }
    assert.answers(server, { ip = "127.0.0.1", port = 1 }, "chat.h.where", {}, {})
    server:close()
    tree.remove(base)
  end)
end)
