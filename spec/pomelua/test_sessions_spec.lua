-- The sessions of the test kit are those of a running program: the same calls, made in servers
-- that run and in the kit, give the same.
-- Tests test/sessions.lua and test/frontends.lua.
local pomelua_json = require "pomelua.base.json"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local HANDLER = [[
local pomelua = require "pomelua"
local function one(value)
  if type(value) == "table" and rawget(value, "message") then
    return "error " .. tostring(value.code) .. ": " .. tostring(value)
  elseif type(value) == "table" and value._server then
    return one(value:export())
  elseif type(value) == "table" and type(value[1]) == "table" and value[1].frontendId then
    local list = {}
    for i = 1, #value do list[i] = one(value[i]) end
    return table.concat(list, " and ")
  elseif type(value) == "table" then
    return value.incarnation and pomelua.pretty { value.id, value.frontendId, value.uid or "none",
      value.settings, type(value.incarnation) } or pomelua.pretty(value)
  elseif type(value) == "string" then
    return ("%q"):format(value)
  end
  return tostring(value)
end
local function show(...)
  local list = {}
  for i = 1, select("#", ...) do list[i] = one((select(i, ...))) end
  return table.concat(list, ", ")
end
return function(app)
  local Handler = {}
  function Handler:run(msg, session)
    local fn = assert(loadstring(msg.text, "=run"))
    local all, here = app:get("backendSessionService"), app:get("sessionService")
    return { got = show(setfenv(fn, setmetatable({
      app = app, session = session, pomelua = pomelua, show = show, id = session.id,
      front = session.frontendId, all = all, here = here, other = msg.other,
      keep = app:get("keep"),
      called = function(f, ...)
        return pomelua.await(function(cb, ...)
          local args = { ... }
          local n = select("#", ...)
          args[n + 1] = function(...) cb(nil, show(...)) end
          f(unpack(args, 1, n + 1))
        end, ...)
      end,
    }, { __index = _G }))()) }
  end
  return Handler
end
]]
HANDLER = HANDLER:gsub("local function one%(value%)", "local one\nfunction one(value)", 1)

local APP = [[
local app = require("pomelua").createApp()
app:set("keep", {})
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true })
end)
app:start()
]]

local SERVERS = [[{"development": {
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 3050, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]]

-- What is done in both: by the first client, or the second where `by` says so.
local EVERYWHERE = {
  "return session:export()",
  "return session.uid, session:get('a'), session:get(7)",
  "return session:bind('')", "return session:bind(nil)", "return session:bind(true)",
  "return session:bind({})", "return session:bind(('x'):rep(5000))", "return session:unbind('ann')",
  "return session:bind(7)", "return session.uid, type(session.uid)", "return session:bind('7')",
  "return session:bind('ann')", "return session:unbind('ann')", "return session:unbind('7')",
  "return session.uid, session:unbind(7)",
  "return session:bind(1e15)", "return session.uid, session:unbind(1e15)",
  "return called(session.bind, session, 'ann')",
  "return called(session.bind, session, 'bea')", "return called(session.unbind, session, 'bea')",
  "return session.uid",
  { by = 2, "return session:bind('ann')" },
  "local places, silent = app:locate('ann') local one = places[1] return #places, #silent, "
    .. "one.frontendId == front, one.frontendType, #one.sids, one.sids[1] == id, "
    .. "type(one.incarnation), one.boundAt > 1e9",
  "return app:locate('zoe')", "return called(app.locate, app, 'zoe')", "return app:kick('zoe')",
  "return called(app.kick, app, 'zoe', 'x')", "return called(app.kick, app, 'zoe')",
  "return pcall(app.kick, app, '')", "return pcall(app.kick, app, 'ann', 7)",
  "return pcall(app.locate, app, nil)", "return pcall(app.locate, app, 'ann', 5)",
  "session:set('a', 1) return session:push('a')", "return session:get('a')",
  "session:set({ b = { 1, { c = 2 } }, [7] = 'seven' }) return session:pushAll()",
  "return session.settings", "return session:get('7'), session:get(7)",
  "session:set('a', nil) return session:push('a')", "return session.settings",
  "session:set('b', nil) return session:pushAll()", "return session.settings",
  "session:set('x', print) return session:push('x')",
  "session:set('x', print) return session:pushAll()",
  "session:set('x', 0/0) return session:push('x')",
  "return pcall(session.push, session, nil)", "return pcall(session.set, session, nil, 1)",
  "return pcall(session.bind, session, 'x', 5)", "return pcall(session.bind, 'x')",
  "return pcall(session.kick, nil)",
  "return called(session.push, session, '7')", "return called(session.pushAll, session)",
  "session:set('e', {}) return session:push('e')", "return session.settings",
  "session:set('t', 'a\\0b\\255') return session:push('t')", "return session.settings.t",
  "return all:get(front, id)", "return all:get(front, 0)", "return all:get(front, 'x')",
  "return all:get(front, nil)", "return called(all.get, all, front, 0)",
  "return called(all.get, all, front, id)", "return all:get('nowhere', id)",
  "return all:get('chat-1', id)", "return all:getByUid('chat-1', 'ann')",
  "return all:getByUid(front, 'ann')", "return all:getByUid(front, 'zoe')",
  "return called(all.getByUid, all, front, 'zoe')", "return all:getByUid(front, nil)",
  "return all:getByUid(front, 7)", "return all:getByUid(front, {})",
  "return all:kickBySid(front, 0)", "return all:kickBySid(front, 0, 'x')",
  "return all:kickByUid(front, 'zoe', 'x')", "return called(all.kickByUid, all, front, 'zoe', 'x')",
  "return all:kickBySid('nowhere', 0)", "return all:kickBySid('chat-1', 0)",
  "return pcall(all.create, all, {})", "return all:create(session:export()):bind('ann')",
  "return all:create({ id = 0, frontendId = front }):bind('ann')",
  "return all:create({ id = 0, frontendId = front }):unbind('ann')",
  "local s = all:create({ id = 0, frontendId = front, settings = { q = 1 } }) return s:push('q')",
  "local s = all:create({ id = 0, frontendId = front, settings = { q = 1 } }) return s:pushAll()",
  "return all:create({ id = 0, frontendId = front }):kick('x')",
  "return all:create({ id = id, frontendId = front, incarnation = 12345 }):push('q')",
  "return all:create({ id = id, frontendId = 'nowhere' }):bind('x')",
  "return all:create({ id = other, frontendId = front }):kick('out')",
  "return all:get(front, other)", "return all:getByUid(front, 'ann')",
  "return all:create({ id = other, frontendId = front }):bind('ann')",
  "return all:create({ id = other, frontendId = front }):push('q')",
  "return session:unbind('ann')", "return all:getByUid(front, 'ann')", "return app:locate('ann')",
}

local ON_BACKEND = {
  "return pcall(session.on, session, 'closed', print)", "return pcall(session.off, session)",
}

local ON_FRONTEND = {
  "return pcall(session.on, session, 'opened', print)",
  "return pcall(session.on, session, 'closed')",
  "return here:get(0)", "return here:get(id)", "return here:get('x')",
  "return here:getByUid('nobody')", "return here:getByUid(nil)",
  "return here:bind(0, 'ann')", "return here:unbind(0, 'ann')", "return here:bind(id, 'ann')",
  "return here:bind(id, 'bea')", "return here:unbind(id, 'bea')",
  { by = 2, "return session:bind('ann')" },
  "return here:getByUid('ann')",
  "return here:import(id, 'k', 1)", "return here:import(0, 'k', 1)",
  "return here:import(id, 'f', print)", "return here:importAll(id, { a = 1, [7] = 2 })",
  "return here:importAll(0, {})", "return session.settings", "return here:import(id, 'k', nil)",
  "return session.settings", "return here:get(id):set('w', 1)", "return session:get('w')",
  "return here:getSessionsCount()", "return here:getClientAddressBySessionId(0)",
  "return type(here:getClientAddressBySessionId(id).ip)",
  "local n = 0 here:forEachSession(function(s) n = n + 1 end) return n",
  "local n = {} here:forEachBindedSession(function(s) n[#n + 1] = s.uid end) return n",
  "return here:kick('nobody', 'x')", "return here:kickBySessionId(0, 'x')",
  "return called(here.kick, here, 'nobody', 'x')",
  [[here:get(other):on('closed', function(s, why) keep.why = show(s.id, s.uid, s.settings, why) end)
    here:kickBySessionId(other, 'out') return here:get(other)]],
  "pomelua.sleep(20) return keep.why", "return here:getByUid('ann')",
  "return here:getSessionsCount()",
  "return here:bind(other, 'ann')",
}

describe("a session of the test kit, in", function()
  local base, real, clients

  before_each(function()
    base = tree.new {
      ["app.lua"] = APP, ["config/servers.json"] = SERVERS,
      ["app/servers/connector/handler/h.lua"] = HANDLER,
      ["app/servers/chat/handler/h.lua"] = HANDLER,
    }
    real = test.cluster { base = base }
    clients = { real:client { transport = "tcp" }, real:client() }
  end)
  after_each(function() tree.remove(base) end)

  -- The same text for every sid and every life of a server.
  local function same_ids(text, ids)
    for i, id in ipairs(ids) do
      text = text:gsub("%f[%d]" .. ("%.0f"):format(id) .. "%f[%D]", "SID" .. i)
    end
    return text
  end

  local function compare(stype, steps)
    local kit = test.server { base = base, type = stype }
    local tables = { {}, {} }
    local route = stype .. ".h.run"
    local function in_kit(by, text, other)
      local answer, pending = kit:request(route, { text = text, other = other }, tables[by])
      for _ = 1, 10 do
        if pending.done then break end
        kit:tick(20)
      end
      return answer or pending.value
    end
    local ids, kit_ids = {}, {}
    for i = 1, 2 do
      ids[i] = tonumber(assert(clients[i]:request(route, { text = "return id" })).got)
      kit_ids[i] = tonumber(in_kit(i, "return id").got)
      if stype == "chat" then
        tables[i].id = 70000 + i
        kit_ids[i] = tables[i].id
        in_kit(i, "return id")
      end
    end
    local expected, came = {}, {}
    for i, step in ipairs(steps) do
      local text, by = step, 1
      if type(step) == "table" then text, by = step[1], step.by end
      local answer = assert(clients[by]:request(route, { text = text, other = ids[2] }))
      expected[i] = text .. " -> " .. same_ids(answer.got or pomelua_json.encode(answer), ids)
      answer = in_kit(by, text, kit_ids[2])
      came[i] = text .. " -> " .. same_ids(answer.got or pomelua_json.encode(answer), kit_ids)
    end
    for i = 1, #expected do assert.equal(expected[i], came[i]) end
  end

  it("a server behind a frontend, is as in a program", function()
    compare("chat", EVERYWHERE)
  end)

  it("a server behind a frontend, has the same errors of its own", function()
    compare("chat", ON_BACKEND)
  end)

  it("a frontend, tells its listeners why a client went", function()
    local kit = test.server { base = base, type = "connector" }
    for _, why in ipairs { "slow", 1001, true, false, "nil" } do
      local one = {}
      kit:request("connector.h.run", { text =
        "session:on('closed', function(_, reason) keep.why = show(reason) end)" }, one)
      if why == "nil" then kit:disconnect(one) else kit:disconnect(one, why) end
      local text = type(why) == "string" and why ~= "nil" and ("%q"):format(why) or tostring(why)
      local got = kit:request("connector.h.run", { text = "return keep.why" }).got
      assert.equal(("%q"):format(text), got)
    end
  end)

  it("a server behind a frontend, is nobody once its client has gone", function()
    local kit = test.server { base = base, type = "chat" }
    local one = { uid = "ann" }
    kit:request("chat.h.run", { text = "keep.all = session:export()" }, one)
    kit:disconnect(one)
    local answer, pending = kit:request("chat.h.run",
      { text = "return all:create(keep.all):push('a')" })
    assert.matches("NOENT: session does not exist", (answer or pending.value).got, 1, true)
    assert.error_matches(function() kit:request("chat.h.run", {}, one) end, "disconnected")
    assert.error_matches(function() kit:disconnect(one) end, "not connected")
  end)

  it("a frontend, is as in a program", function() compare("connector", EVERYWHERE) end)

  it("a frontend's sessionService, is as in a program", function()
    compare("connector", ON_FRONTEND)
  end)
end)
