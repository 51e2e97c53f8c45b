-- Calls without a callback wait where they can, and return true or nil, err (run/callback.lua).
local json = require "pomelua.base.json"
local pomelua = require "pomelua"
local task = require "pomelua.run.task"
local world = require "spec.support.world"

-- The same on a frontend and on another server.
for _, place in ipairs { "frontend", "backend" } do
  describe("without a callback, on a " .. place .. ", a session's", function()
    local w, front, here, sid, route

    local function ask(fn)
      local handlers = { h = { m = function(_, _, session) return { fn(session) } end } }
      for _, id in ipairs(place == "frontend" and { "connector-1" } or { "chat-1", "chat-2" }) do
        w:load(id, { handlers = handlers })
      end
      local text = w:ask("connector-1", sid, route, {})
      return text and json.decode(text)
    end

    before_each(function()
      w = world.usual()
      front = w:load("connector-1", {})
      sid = front.node:openSession()
      route = place == "frontend" and "connector.h.m" or "chat.h.m"
      here = w.servers[place == "frontend" and "connector-1" or "chat-1"]
    end)
    after_each(function() w:close() end)

    it("push, pushAll and bind name what cannot be sent, wherever it is", function()
      assert.same({ "settings.hp: NaN", "settings.rid.f: a function", "settings.hp: NaN",
        "bind: a uid is a string or a number, got an empty string" }, ask(function(s)
        s:set("hp", 0 / 0)
        local _, first = s:push("hp")
        local _, all = s:pushAll()
        s:set("rid", { f = print })
        local _, second = s:push("rid")
        local _, third = s:bind("")
        return first.message, second.message, all.message, third.message
      end))
    end)

    it("bind, push, pushAll and unbind return true when they are done", function()
      assert.same({ true, "ann", true, true, true }, ask(function(s)
        local bound = s:bind("ann")
        local uid = s.uid
        s:set("rid", "lobby")
        s:set("hp", 5)
        return bound, uid, s:push("rid"), s:pushAll(), s:unbind("ann")
      end))
      local uid, settings = front.node:session(sid)
      assert.is_nil(uid)
      assert.same({ rid = "lobby", hp = 5 }, json.decode(settings))
    end)

    it("errors are the second value, and no line of the log", function()
      assert.same({ "nil", "BOUND", "session has already bind with ann" }, ask(function(s)
        s:bind("ann")
        local ok, err = s:bind("bob")
        return tostring(ok), err.code, tostring(err)
      end))
      local id = here.id
      assert.is_false(w:logged(id, "warn", "bind with ann"))
    end)

    it("kick returns true, and the session is gone", function()
      local kicked
      ask(function(s) kicked = s:kick("bye") end)
      assert.is_true(kicked)
      assert.is_false((select(3, front.node:session(sid))))
    end)

    it("calls with a callback return nothing", function()
      assert.same({ 0, 0, 0 }, ask(function(s)
        local function none() end
        return select("#", s:bind("ann", none)), select("#", s:push("k", none)),
          select("#", s:pushAll(none))
      end))
    end)

    it("calls go out where nothing can wait, and an error is a warning", function()
      local n = {}
      ask(function(s)
        coroutine.wrap(function() n[1] = select("#", s:bind("ann")) end)()
        n[2] = select("#", task.at_once(function() return s:bind("bob") end))
      end)
      w:settle()
      assert.equal(0, n[1])
      assert.equal(3, n[2])
      assert.equal("ann", (front.node:session(sid)))
      assert.is_true(w:logged(here.id, "warn", "session:bind: session has already bind with ann"))
      assert.is_true(ask(function(s) return s:unbind("ann") end)[1])
    end)
  end)
end

describe("without a callback,", function()
  local w, front, sid

  local function run(id, fn)
    local result
    w:run(id, function() result = { n = 0, fn() } end)
    return result
  end

  before_each(function()
    w = world.usual()
    front = w:load("connector-1", { settings = { proxyConfig = { timeout = 1000 } } })
    sid = front.node:openSession()
  end)
  after_each(function() w:close() end)

  it("sessionService answers at once", function()
    local service = front.app:get("sessionService")
    local before = w.servers["connector-1"].script_timers.last
    assert.same({ n = 0, true, true, true, true }, run("connector-1", function()
      return service:bind(sid, "ann"), service:import(sid, "a", 1),
        service:importAll(sid, { b = 2 }), service:unbind(sid, "ann")
    end))
    local got = run("connector-1", function() return service:bind(4711, "x") end)
    assert.is_nil(got[1])
    assert.equal("NOENT", got[2].code)
    assert.same({ n = 0, true, true }, run("connector-1", function()
      return service:kickBySessionId(sid, "bye"), service:kick("nobody")
    end))
    assert.equal(before, front.script_timers.last)
  end)

  it("backendSessionService waits for the frontend", function()
    local service = w.servers["chat-1"].app:get("backendSessionService")
    front.app:get("sessionService"):bind(sid, "ann")
    assert.same({ n = 0, "ann", 1 }, run("chat-1", function()
      return service:get("connector-1", sid).uid, #service:getByUid("connector-1", "ann")
    end))
    for _, missing in ipairs {
      function() return service:get("connector-1", 4711) end,
      function() return service:getByUid("connector-1", "nobody") end,
      function() return service:get("connector-9", sid) end,
      function() return service:kickBySid("connector-9", sid) end,
    } do
      local got = run("chat-1", missing)
      assert.is_nil(got[1])
      assert.equal("NOENT", got[2].code)
    end
    assert.same({ n = 0, true, true }, run("chat-1", function()
      return service:kickByUid("connector-1", "nobody"),
        service:kickBySid("connector-1", sid, "bye")
    end))
    assert.is_nil(front.app:get("sessionService"):get(sid))
  end)

  describe("app.call", function()
    local app

    local function remote(module)
      for _, id in ipairs { "chat-1", "chat-2" } do w:load(id, { remotes = { r = module } }) end
    end

    before_each(function() app = front.app end)

    it("returns what the remote answers, nils in place", function()
      remote { m = function(_, a, b, cb) cb(nil, b, nil, a) end, n = function() return 7 end,
        done = function(_, cb) cb() end }
      assert.same({ n = 0, 2, nil, 1 }, run("connector-1", function()
        return app.call.chat.r.m({ uid = "u" }, 1, 2)
      end))
      local both = { ["chat-1"] = {}, ["chat-2"] = {} }
      assert.same({ n = 0, 7, 7, both }, run("connector-1", function()
        return (app.call.chat.r:n({})), (app.call.chat.r.n.toServer("chat-2")),
          app.call.chat.r.done.toServer("*")
      end))
      assert.same({ n = 0, nil, nil, 5 }, run("connector-1", function()
        return app.call.chat.r.m:toServer("chat-1", 5, nil)
      end))
    end)

    it("returns nil and the error", function()
      remote { m = function() error("no good", 0) end, mute = function() end }
      local got = run("connector-1", function() return app.call.chat.r.m({}) end)
      assert.same({ "nil", "no good" }, { tostring(got[1]), got[2].message })
      got = run("connector-1", function() return app.call.chat.r.m({}, { f = print }) end)
      assert.same({ "nil", "ENCODE" }, { tostring(got[1]), got[2].code })
      got = run("connector-1", function() return app.call.chat.r.m.toServer("chat-9") end)
      assert.equal("NOENT", got[2].code)
      w:run("connector-1", function() got = { app.call.chat.r.mute({}) } end)
      w:advance(1000)
      assert.equal("TIMEOUT", got[2].code)
    end)

    it("asks the route function", function()
      remote { m = function() return "here" end }
      app:route("chat", function(_, _, _, cb) cb(nil, "chat-2") end)
      assert.same({ n = 0, "here" }, run("connector-1", function()
        return app.call.chat.r.m({})
      end))
    end)

    it("takes no callback, says so at the line of the caller", function()
      remote { m = function() end }
      w:run("connector-1", function() app.call.chat.r.m({}, 1, function() end) end)
      assert.is_true(w:logged("connector-1", "error",
        "no_callback_spec.lua:" .. debug.getinfo(1, "l").currentline - 2
        .. ": app.call.chat.r.m takes no callback"))
    end)

    it("goes out where nothing can wait, and returns nothing", function()
      local got
      remote { m = function(_, x) got = x return nil, "bad" end }
      local n
      w:run("connector-1", function()
        coroutine.wrap(function() n = select("#", app.call.chat.r.m({}, "x")) end)()
      end)
      assert.same({ "x", 0 }, { got, n })
      assert.is_true(w:logged("connector-1", "warn", "app.call.chat.r.m: bad"))
    end)
  end)

  it("nothing waits in a broadcastFilter", function()
    local n
    w:load("connector-1", { settings = { channelConfig = { broadcastFilter = function(session)
      n = select("#", session:bind("ann"))
      return true
    end } } })
    w:run("connector-1", function()
      front.app:get("channelService"):broadcast("connector", "on", {}, { filterParam = 1 },
        function() end)
    end)
    w:advance(100)
    assert.equal(0, n)
    assert.equal("ann", (front.node:session(sid)))
  end)
end)

describe("without a callback, a push", function()
  it("waits for nobody", function()
    local w = world.usual()
    local channel = w.servers["chat-1"].app:get("channelService"):createChannel("room")
    local got
    w:run("chat-1", function()
      pomelua.sleep(1)
      channel:add("ann", "connector-1")
      got = { n = select("#", channel:pushMessage("on", {})) }
    end)
    w:advance(1)
    assert.same({ n = 0 }, got)
    w:close()
  end)
end)
