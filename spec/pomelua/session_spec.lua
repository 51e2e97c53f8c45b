-- Tests session/session.lua, session/frontend.lua, session/service.lua, session/backend.lua,
-- session/backend_service.lua and session/frontend_remote.lua.
local pomelua = require "pomelua"
local world = require "spec.support.world"

-- The same surface on a frontend and on another server.
for _, place in ipairs { "frontend", "backend" } do
  describe("a session on a " .. place, function()
    local w, front, sid, route

    local function handler(fn)
      if place == "frontend" then
        w:load("connector-1", { handlers = { h = { m = fn } } })
        route = "connector.h.m"
      else
        w:load("connector-1", {})
        for _, id in ipairs { "chat-1", "chat-2" } do
          w:load(id, { handlers = { h = { m = fn } } })
        end
        route = "chat.h.m"
      end
    end

    local function ask(fn)
      handler(function(_, msg, session)
        return { fn(session, msg) }
      end)
      return require("pomelua.base.json").decode(w:ask("connector-1", sid, route, {}))
    end

    before_each(function()
      w = world.usual()
      front = w.servers["connector-1"]
      sid = front.node:openSession()
    end)
    after_each(function() w:close() end)

    it("has id, frontendId, uid and settings", function()
      assert.same({ sid, "connector-1", "nil", 0 }, ask(function(s)
        local n = 0
        for _ in pairs(s.settings) do n = n + 1 end
        return s.id, s.frontendId, tostring(s.uid), n
      end))
    end)

    it("is bound, seen by later messages with the uid as it was given", function()
      assert.same({ true, 7 }, ask(function(s) return pomelua.await(s.bind, s, 7), s.uid end))
      assert.same({ 7, "number" }, ask(function(s) return s.uid, type(s.uid) end))
      assert.same({ sid }, front.node:sidsOf("7"))
    end)

    it("takes numbers as keys: they are their text, as in JSON", function()
      assert.same({ "a", "a", "c" }, ask(function(s)
        s:set(7, "a")
        s:set { [1e15] = "c" }
        pomelua.await(s.push, s, 7)
        pomelua.await(s.pushAll, s)
        return s:get(7), s:get("7"), s:get(1e15)
      end))
      assert.same({ "a", "c", true }, ask(function(s)
        local before = { s:get("7"), s:get("1000000000000000"), true }
        s:set(7, nil)
        pomelua.await(s.push, s, 7)
        return unpack(before)
      end))
      assert.same({ "nil", "nil" }, ask(function(s)
        s.settings[8] = "x"
        local got = { tostring(s:get(7)), tostring(s:get("7")) }
        pomelua.await(s.pushAll, s)
        return unpack(got)
      end))
      assert.same({ "x" }, ask(function(s) return s:get(8) end))
    end)

    it("keeps an empty array in its settings an array", function()
      ask(function(s, msg)
        s:set("list", require("pomelua.base.json").decode("[]"))
        s:set("deep", { require("pomelua.base.json").decode("[]") })
        return pomelua.await(s.pushAll, s), msg
      end)
      local _, settings = front.node:session(sid)
      assert.matches('"list":%[%]', settings)
      assert.matches('"deep":%[%[%]%]', settings)
      ask(function(s) return pomelua.await(s.push, s, "list") end)
      _, settings = front.node:session(sid)
      assert.matches('"list":%[%]', settings)
    end)

    it("says why it cannot be bound", function()
      ask(function(s) return pomelua.await(s.bind, s, "u") end)
      assert.same({ true }, ask(function(s) return pomelua.await(s.bind, s, "u") end))
      assert.same({ "session has already bind with u" }, ask(function(s)
        local _, err = pomelua.await(s.bind, s, "v")
        return err.message
      end))
      assert.same({ "session has not bind with u" }, ask(function(s)
        local _, err = pomelua.await(s.unbind, s, "v")
        return tostring(err)
      end))
      assert.same({ true, "nil" }, ask(function(s)
        return pomelua.await(s.unbind, s, "u"), tostring(s.uid)
      end))
    end)

    it("keeps what is pushed and forgets what is not", function()
      ask(function(s)
        s:set("a", { 1, 2 })
        s:set { b = "x", c = true }
        s:set("d", 4)
        return pomelua.await(s.push, s, "a"), pomelua.await(s.push, s, "b")
      end)
      assert.same({ 2, "x", "nil", "nil" }, ask(function(s)
        return #s:get("a"), s:get("b"), tostring(s:get("c")), tostring(s:get("d"))
      end))
    end)

    it("keeps everything with pushAll, and takes out what was set to nil", function()
      ask(function(s)
        s:set { a = 1, b = 2 }
        return pomelua.await(s.pushAll, s)
      end)
      ask(function(s)
        s:set("a", nil)
        s:set("c", 3)
        return pomelua.await(s.pushAll, s)
      end)
      assert.same({ "nil", 2, 3 }, ask(function(s)
        return tostring(s:get("a")), s:get("b"), s:get("c")
      end))
      ask(function(s)
        s:set("b", nil)
        return pomelua.await(s.push, s, "b")
      end)
      assert.same({ "nil", 3 }, ask(function(s) return tostring(s:get("b")), s:get("c") end))
    end)

    it("gives each message settings of its own, tables in them too", function()
      ask(function(s)
        s:set { list = { 1 }, n = 1 }
        return pomelua.await(s.pushAll, s)
      end)
      assert.same({ 1, 2, 5, 5 }, ask(function(s)
        local before = s:get("n")
        table.insert(s:get("list"), 2)
        s:set("n", 5)
        return before, #s:get("list"), s:get("n"), s.settings.n
      end))
      assert.same({ 1, 1, 1 }, ask(function(s) return s:get("n"), #s:get("list"), s.settings.n end))
    end)

    it("says which setting is no JSON", function()
      local answer = ask(function(s)
        s:set("f", print)
        local _, err = pomelua.await(s.push, s, "f")
        return err.message
      end)
      assert.truthy(answer[1]:find(": a function", 1, true), answer[1])
    end)

    it("says that its settings must be a table", function()
      local answer = ask(function(s)
        rawset(s, "settings", "vip")
        local ok, err = pomelua.await(s.pushAll, s)
        return tostring(ok), err.message, err.code
      end)
      assert.same({ "nil", "settings must be a table, got string", "INVAL" }, answer)
      assert.same({ 0 }, ask(function(s)
        local n = 0
        for _ in pairs(s.settings) do n = n + 1 end
        return n
      end))
    end)

    it("exports its parts", function()
      local answer = ask(function(s) return s:export() end)
      assert.same({ id = sid, frontendId = "connector-1", settings = {},
        incarnation = answer[1].incarnation }, answer[1])
      assert.equal("number", type(answer[1].incarnation))
    end)

    it("is kicked with a reason", function()
      handler(function(_, _, s) s:kick("bye") end)
      w:say("connector-1", sid, 1, route, {})
      local kick
      for _, one in ipairs(w:got("connector-1")) do
        if one.kind == "kick" then kick = one.text end
      end
      assert.equal("bye", kick)
    end)

    it("that has ended is said to be so", function()
      local answer
      handler(function(_, _, s)
        pomelua.sleep(10)
        local _, err = pomelua.await(s.bind, s, "u")
        answer = err.message
      end)
      w:say("connector-1", sid, 1, route, {})
      front.node:closeSession(sid)
      w:advance(10)
      assert.equal("session does not exist, sid: " .. ("%.0f"):format(sid), answer)
    end)
  end)
end

describe("the end of a session", function()
  local w, one, sid

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
    sid = one.node:openSession()
  end)
  after_each(function() w:close() end)

  it("calls closed listeners once, with uid and settings still there", function()
    local seen = {}
    local function closed(s, reason) seen[#seen + 1] = { s.uid, s:get("a"), reason } end
    w:load("connector-1", { handlers = { h = { m = function(_, _, s)
      s:bind("u")
      s:set("a", 1)
      s:pushAll()
      s:on("closed", closed)
      s:on("closed", closed)
      return {}
    end } } })
    w:ask("connector-1", sid, "connector.h.m")
    one.node:kick(sid, "over")
    w:settle()
    assert.same({ { "u", 1, "over" } }, seen)
  end)

  it("is the event close_session, also for sessions that were there before", function()
    local seen = {}
    one.event:on("close_session", function(s) seen[#seen + 1] = s.id end)
    one.node:kick(sid)
    w:settle()
    assert.same({ sid }, seen)
  end)
end)

describe("singleSession", function()
  local w, one, a, b

  local function start(policy)
    w = world.single()
    one = w:load("connector-1", { settings = { sessionConfig = { singleSession = policy } } })
    a, b = one.node:openSession(), one.node:openSession()
  end
  after_each(function() w:close() end)

  local function bind(sid)
    local result
    one.app:get("sessionService"):bind(sid, "u", function(err) result = err or true end)
    return result
  end

  for _, policy in ipairs { true, "refuse" } do
    it(tostring(policy) .. " refuses the second", function()
      start(policy)
      assert.is_true(bind(a))
      assert.is_true(bind(a))
      assert.equal("singleSession is enabled, and session has already bind with uid: u",
        tostring(bind(b)))
    end)
  end

  it("kick-old kicks the first", function()
    start "kick-old"
    bind(a)
    assert.is_true(bind(b))
    w:settle()
    assert.same({ b }, one.node:sidsOf("u"))
  end)

  it("is off by default", function()
    start(nil)
    bind(a)
    assert.is_true(bind(b))
    assert.same({ a, b }, one.node:sidsOf("u"))
  end)
end)

describe("sessionService", function()
  local w, one, service, a, b

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
    service = one.app:get("sessionService")
    a, b = one.node:openSession(), one.node:openSession()
    service:bind(a, "u")
  end)
  after_each(function() w:close() end)

  it("finds sessions", function()
    assert.equal("u", service:get(a).uid)
    assert.is_nil(service:get(12345))
    assert.equal(a, service:getByUid("u")[1].id)
    assert.is_nil(service:getByUid("v"))
    assert.equal(2, service:getSessionsCount())
    local all, bound = {}, {}
    service:forEachSession(function(s) all[#all + 1] = s.id end)
    service:forEachBindedSession(function(s) bound[#bound + 1] = s.id end)
    assert.same({ { a, b }, { a } }, { all, bound })
    assert.equal("string", type(service:getClientAddressBySessionId(a).ip))
  end)

  it("sets at once", function()
    service:get(a):set("x", 1)
    service:import(a, "y", 2)
    service:importAll(a, { z = 3 })
    assert.same({ x = 1, y = 2, z = 3 }, service:get(a).settings)
    local err
    service:import(999, "y", 2, function(e) err = e end)
    assert.equal("session does not exist, sid: 999", err.message)
  end)

  it("says what is no key, no table and no callback, at the line of the game", function()
    for text, call in pairs {
      ["sessionService:import(sid, key, value, cb): the key must be a string, got nil"] =
        function() service:import(a, nil, 1) end,
      ["sessionService:import(sid, key, value, cb): the callback must be a function, got string"] =
        function() service:import(a, "k", 1, "cb") end,
      ["sessionService:importAll(sid, settings, cb): settings must be a table, got 5"] =
        function() service:importAll(a, 5) end,
      ["sessionService:importAll(sid, settings, cb): the key must be a string, got boolean"] =
        function() service:importAll(a, { [true] = 1 }) end,
      ["sessionService:importAll(sid, settings, cb): the callback must be a function, got number"] =
        function() service:importAll(a, {}, 7) end,
      ["session:set(key, value): the key must be a string, got nil"] =
        function() service:get(a):set(nil, 1) end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches("session_spec.lua:%d+: ", err)
      assert.matches(text, err, 1, true)
    end
    service:get(a):set(0 / 0, "a key as text")
    assert.equal("a key as text", service:get(a):get("nan") or service:get(a):get("-nan"))
  end)

  for _, reason in ipairs { 5, true, {}, print } do
    local what = type(reason)
    it("closes without a KICK when the reason is a " .. what, function()
      local live = service:get(a)
      live:closed(reason)
      w:settle()
      assert.is_nil(service:get(a))
      for _, item in ipairs(w:got("connector-1")) do
        assert.is_nil(item.kind == "kick" and item.text or nil)
      end
    end)
  end

  it("kicks by uid and by session", function()
    local done = 0
    service:kick("u", function(err) done = done + (err and 0 or 1) end)
    service:kick("nobody", "why", function(err) done = done + (err and 0 or 1) end)
    service:kickBySessionId(b, "over")
    w:settle()
    assert.equal(2, done)
    local kicks = {}
    for _, item in ipairs(w:got("connector-1")) do
      if item.kind == "kick" then kicks[#kicks + 1] = item.text end
    end
    table.sort(kicks)
    assert.same({ "kick", "over" }, kicks)
  end)
end)

describe("a session's closed listeners", function()
  it("are each told once, unless they were taken away", function()
    local w = world.single()
    local front = w:load("connector-1", {})
    local told = {}
    local function one() told[#told + 1] = "one" end
    local function two() told[#told + 1] = "two" end
    local function session() return front.app:get("sessionService"):get(front.node:sids()[1]) end
    local sid = front.node:openSession()
    session():on("closed", one)
    session():once("closed", two)
    session():once("closed", two)
    session():off("closed", one)
    front.node:closeSession(sid)
    w:settle()
    assert.same({ "two" }, told)
    sid = front.node:openSession()
    session():on("closed", one)
    session():on("closed", two)
    session():off("closed")
    session():on("closed", one)
    front.node:closeSession(sid)
    w:settle()
    assert.same({ "two", "one" }, told)
    sid = front.node:openSession()
    assert.has_error(function() session():once("open", one) end,
      'session:once: there is no event open, only "closed"')
    assert.error_matches(function() session():on("bind", print) end,
      'session:on: there is no event bind, only "closed"; app.event has bind_session')
    assert.has_error(function() session():off("closed", 5) end,
      'session:off("closed", fn): fn must be a function, got number')
    front.node:closeSession(sid)
    w:close()
  end)
end)

describe("backendSessionService", function()
  local w, service, a

  before_each(function()
    w = world.usual()
    local front = w:load("connector-1", {})
    a = front.node:openSession()
    front.app:get("sessionService"):bind(a, "u")
    front.app:get("sessionService"):import(a, "k", "v")
    service = w.servers["chat-1"].app:get("backendSessionService")
  end)
  after_each(function() w:close() end)

  local function await(method, ...)
    local args, result = { ... }, nil
    w:run("chat-1", function()
      result = { pomelua.await(service[method], service, unpack(args)) }
    end)
    return unpack(result)
  end

  it("finds sessions of a frontend", function()
    assert.equal("v", await("get", "connector-1", a):get("k"))
    assert.is_nil((await("get", "connector-1", 4711)))
    assert.equal(a, await("getByUid", "connector-1", "u")[1].id)
    assert.is_nil((await("getByUid", "connector-1", "nobody")))
    local _, err = await("get", "connector-9", a)
    assert.equal("NOENT", err.code)
  end)

  it("kicks", function()
    assert.is_true(await("kickByUid", "connector-1", "u", "bye"))
    assert.is_nil((await("get", "connector-1", a)))
  end)

  it("makes one of plain data", function()
    assert.equal(5, service:create({ id = 5, frontendId = "connector-1" }).id)
    assert.has_error(function() service:create({}) end, "opts should not be empty.")
  end)
end)
