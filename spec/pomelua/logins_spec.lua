-- Users on several frontends, on virtual nodes. Tests session/logins.lua, session/users.lua,
-- app/user_methods.lua and what of session/frontend and session/frontend_remote they use.
local json = require "pomelua.base.json"
local world = require "spec.support.world"

local function entries(n)
  local list = {}
  for i = 1, n do
    list[i] = { id = "connector-" .. i, serverType = "connector", frontend = true,
      clientPort = 3000 + i }
  end
  list[n + 1] = { id = "chat-1", serverType = "chat" }
  return list
end

local w, fronts

-- The frontends of a world, whose clocks show the same time; `policy` of all of them.
local function start(n, policy, more)
  w, fronts = world.new(entries(n)), {}
  for i = 1, n do
    local sessions = { singleSession = policy }
    for key, value in pairs(more or {}) do sessions[key] = value end
    fronts[i] = w:load("connector-" .. i, { settings = { sessionConfig = sessions } })
    fronts[i].wall = function() return 1000 end
  end
  w:load("chat-1", { settings = { sessionConfig = more or {} } })
  w:settle()
end

-- One more session of a frontend, bound to a uid. Nothing crosses to other servers before w:settle.
local function login(i, uid)
  local sid = fronts[i].node:openSession()
  local err
  fronts[i].app:get("sessionService"):bind(sid, uid, function(e) err = e end)
  assert(not err, tostring(err))
  return sid
end

-- Who has sessions of a uid: "1:2" is two on the first frontend.
local function where(uid)
  local list = {}
  for i, front in ipairs(fronts) do
    local n = #front.node:sidsOf(uid)
    if n > 0 then list[#list + 1] = i .. ":" .. n end
  end
  return table.concat(list, " ")
end

-- Records of a server to another that are on their way, and do not arrive until they are let go.
local function hold(from, to)
  local node, held, shut = w.servers[from].node, {}, true
  local outbox = node.outbox
  local proxy = setmetatable({}, { __index = function(_, name)
    return function(_, ...) return node[name](node, ...) end
  end })
  function proxy.outbox()
    local list = {}
    for _, item in ipairs(outbox(node)) do
      if shut and item.to == to then held[#held + 1] = item else list[#list + 1] = item end
    end
    if not shut then
      for i, item in ipairs(held) do table.insert(list, i, item) end
      held = {}
    end
    return list
  end
  w.servers[from].node = proxy
  return {
    free = function() shut = false end,
    lose = function() shut, held = false, {} end,
    count = function() return #held end,
  }
end

-- A server that comes back into sight is the one that it was, as over a network that was cut; it
-- is another one when this is not done.
local function same_lives()
  for _, front in ipairs(fronts) do
    local node = front.node
    front.node = setmetatable({
      incarnation = function(_, id) return node:alive(id) and 7 or nil end,
    }, { __index = function(_, name)
      return function(_, ...) return node[name](node, ...) end
    end })
  end
end

after_each(function() w:close() end)

describe("singleSession = \"kick-old\" on several frontends", function()
  it("ends the older session on another frontend, and the login does not wait", function()
    start(3, "kick-old")
    local old = login(1, "ann")
    w:settle()
    w:got "connector-1"
    local new = login(2, "ann") -- bound, though nothing has crossed yet
    assert.equal("1:1 2:1", where "ann")
    w:settle()
    assert.equal("2:1", where "ann")
    assert.same({ new }, fronts[2].node:sidsOf("ann"))
    local got = w:got "connector-1"
    assert.equal(old, got[1].sid)
    assert.equal("kick", got[1].text)
    assert.equal(1, fronts[1]:counters().sessionsReplaced)
  end)

  it("knows 7 and \"7\" as one user", function()
    start(2, "kick-old")
    login(1, 7)
    w:settle()
    login(2, "7")
    w:settle()
    assert.equal("2:1", where(7))
  end)

  it("keeps exactly one of logins at the same time, the same one in every order", function()
    for round = 1, 6 do
      start(3, "kick-old")
      local first = login(1, "met") -- so that the frontends have met
      w:settle()
      fronts[1].node:kick(first)
      w:settle()
      for k = 0, 2 do login((round + k) % 3 + 1, "ann") end
      w:settle()
      -- All had heard of the order of the first login and gave the next: equal ones, so that the
      -- greatest id has it.
      assert.equal("3:1", where "ann")
      if round < 6 then w:close() end
    end
  end)

  it("goes by what is known and not by clocks", function()
    start(2, "kick-old")
    fronts[1].wall = function() return 9000 end -- an hour and more ahead
    login(1, "ann")
    w:settle()
    login(2, "ann")
    w:settle()
    assert.equal("2:1", where "ann")
    login(1, "ann")
    w:settle()
    assert.equal("1:1", where "ann")
    login(2, "bob") -- nobody has told of bob before
    w:settle()
    login(1, "bob")
    w:settle()
    assert.equal("1:1", where "bob")
  end)

  it("keeps one of many logins in turn, each later than the one before", function()
    start(3, "kick-old")
    for i = 1, 30 do
      login(i % 3 + 1, "ann")
      if i % 4 == 0 then w:settle() end
      login((i + 1) % 3 + 1, "bob " .. i % 5)
    end
    w:settle()
    assert.equal(1, select(2, where("ann"):gsub(":1", "")))
    for i = 0, 4 do assert.equal(1, select(2, where("bob " .. i):gsub(":1", ""))) end
    local last = login(2, "ann")
    w:settle()
    assert.same({ last }, fronts[2].node:sidsOf("ann"))
    assert.equal("2:1", where "ann")
  end)

  it("lets no late close and no late unbind remove the new session", function()
    start(2, "kick-old")
    local old = login(1, "ann")
    w:settle()
    local held = hold("connector-2", "connector-1")
    local new = login(2, "ann")
    w:settle()
    local err
    fronts[1].app:get("sessionService"):unbind(old, "ann", function(e) err = e end)
    assert.is_nil(err)
    held.free()
    w:settle()
    assert.same({ new }, fronts[2].node:sidsOf("ann"))
    assert.is_truthy(fronts[1].app:get("sessionService"):get(old)) -- it had no uid any more
    fronts[1].node:closeSession(old)
    w:settle()
    assert.same({ new }, fronts[2].node:sidsOf("ann"))
    assert.equal("2:1", where "ann")
  end)

  it("tells of binds that come while an answer is awaited in one call", function()
    start(2, "kick-old")
    login(1, "first")
    w:settle()
    for i = 1, 600 do login(1, "user " .. i) end
    local held = hold("connector-1", "connector-2")
    w:settle()
    assert.equal(1, held.count())
    held.free()
    w:settle()
    for i = 1, 600 do login(2, "user " .. i) end
    w:settle()
    for i = 1, 600 do assert.equal("2:1", where("user " .. i)) end
  end)

  it("does not hold a login up for a frontend that is frozen, and reaches it when it wakes",
    function()
      start(3, "kick-old")
      local old = login(1, "ann")
      login(1, "bob")
      w:settle()
      local held = hold("connector-2", "connector-1")
      login(2, "ann")
      w:settle()
      for i = 1, 5 do
        login(2, "cid")
        login(3, "cid")
        w:advance(1000)
        assert.equal("3:1", where "cid", i)
      end
      assert.equal("1:1 2:1", where "ann")
      assert.is_true(fronts[2]:counters().loginsUntold > 0)
      login(2, "bob")
      w:settle()
      assert.equal("1:1 2:1", where "bob")
      held.free() -- what was sent meanwhile arrives, late
      w:advance(1000)
      assert.equal("2:1", where "ann")
      assert.equal("2:1", where "bob")
      assert.is_nil(fronts[1].app:get("sessionService"):get(old))
    end)

  it("tells again what was lost on the way", function()
    start(2, "kick-old")
    login(1, "ann")
    login(1, "bob")
    w:settle()
    local held = hold("connector-2", "connector-1")
    login(2, "ann")
    w:advance(2500)
    login(2, "bob")
    w:settle()
    held.lose()
    w:advance(1000)
    w:advance(1000)
    assert.equal("2:1", where "ann")
    assert.equal("2:1", where "bob")
  end)

  for _, same in ipairs { true, false } do
    local what = same and "that were apart" or "begun anew"
    it("has one session of a uid left when two groups meet, " .. what, function()
      start(4, "kick-old")
      if same then same_lives() end
      login(1, "met")
      login(3, "met too")
      w:settle()
      local function between(up)
        for _, a in ipairs { 1, 2 } do
          for _, b in ipairs { 3, 4 } do
            fronts[a].node:peer("connector-" .. b, up)
            fronts[b].node:peer("connector-" .. a, up)
          end
        end
        w:settle()
      end
      between(false)
      for i = 1, 20 do
        login(i % 2 + 1, "user " .. i)
        login(i % 2 + 3, "user " .. i)
      end
      w:advance(5000)
      assert.equal("2:1 4:1", where "user 1")
      between(true)
      w:advance(1000)
      for i = 1, 20 do
        local _, n = where("user " .. i):gsub(":1", "")
        assert.equal(1, n, where("user " .. i))
      end
    end)
  end

  for _, pair in ipairs { { 1, 2 }, { 2, 1 } } do
    local one, other = unpack(pair)
    it(("tells of binds that were made while connector-%d alone took connector-%d for gone")
      :format(one, other), function()
      start(2, "kick-old")
      same_lives()
      login(other, "ann")
      w:settle()
      fronts[one].node:peer(fronts[other].id, false)
      w:settle()
      login(one, "ann")
      w:advance(3000)
      assert.equal("1:1 2:1", where "ann")
      fronts[one].node:peer(fronts[other].id, true)
      w:advance(1000)
      assert.equal(one .. ":1", where "ann")
    end)
  end

  it("touches no session of a frontend that was restarted meanwhile", function()
    start(2, "kick-old")
    login(1, "ann")
    w:settle()
    local held = hold("connector-2", "connector-1")
    login(2, "ann")
    w:settle()
    assert.equal(1, held.count())
    fronts[2].node:peer("connector-1", false) -- the first frontend begins anew
    w:settle()
    fronts[2].node:peer("connector-1", true)
    held.lose()
    w:advance(3000)
    assert.equal("2:1", where("ann"):match "2:1")
    local bob = login(1, "bob")
    w:advance(3000)
    assert.same({ bob }, fronts[1].node:sidsOf("bob"))
  end)

  it("leaves sessions alone whose frontend wants several", function()
    start(2, "kick-old")
    w:close()
    w, fronts = world.new(entries(2)), {}
    for i = 1, 2 do
      fronts[i] = w:load("connector-" .. i, { settings = {
        sessionConfig = { singleSession = i == 1 and "kick-old" or false },
      } })
    end
    w:settle()
    login(1, "ann")
    login(2, "ann")
    w:settle()
    assert.equal("1:1 2:1", where "ann") -- nobody asked for one when the second came
    login(1, "ann")
    w:settle()
    assert.equal("1:1", where "ann")
  end)

  it("costs no call where it is off", function()
    start(2, nil)
    login(1, "ann")
    fronts[1].node:settle()
    assert.same({}, fronts[1].node:outbox())
    w:settle()
    login(2, "ann")
    w:settle()
    assert.equal("1:1 2:1", where "ann")
  end)
end)

-- Logins, kicks and ends of connections in any order, while records are late, are lost, and servers
-- lose sight of each other. After it all is quiet, each user has one session at most, exactly one
-- when one of its logins was the last that happened to it, and that is the one of the latest bind.
describe("kick-old, whatever happens,", function()
  local lines, random

  -- A generator of its own, so that each round is the same everywhere.
  local function seed(n)
    local state = n
    random = function(most)
      state = (state * 1103515245 + 12345) % 2147483648
      return math.floor(state / 65536) % most + 1
    end
  end

  -- Takes what servers have sent into lines, one for each pair.
  local function collect()
    for _, one in ipairs(w.order) do
      one.node:settle()
      for _, item in ipairs(one.node:outbox()) do
        item.from, item.ms = one.id, 60000
        local key = one.id .. ">" .. item.to
        lines[key] = lines[key] or {}
        table.insert(lines[key], item)
      end
    end
  end

  local function deliver(key)
    local item = table.remove(lines[key], 1)
    if not lines[key][1] then lines[key] = nil end
    local to = w.servers[item.to]
    if to.node:alive(item.from) then to.node:deliver(item) end
    to.node:settle()
  end

  local function some_key()
    local keys = {}
    for key in pairs(lines) do keys[#keys + 1] = key end
    table.sort(keys)
    return keys[1] and keys[random(#keys)]
  end

  local function pass(ms)
    for _, one in ipairs(w.order) do one.node:advance(ms) end
    collect()
  end

  -- Whether a sees b: each of two has a sight of its own.
  local function sight(a, b, up)
    if fronts[a].node:alive(fronts[b].id) == up then return end
    lines[fronts[a].id .. ">" .. fronts[b].id] = nil
    lines[fronts[b].id .. ">" .. fronts[a].id] = nil
    fronts[a].node:peer(fronts[b].id, up)
  end

  local function quiet()
    for a = 1, #fronts do
      for b = 1, #fronts do
        if a ~= b then sight(a, b, true) end
      end
    end
    for _ = 1, 12 do
      repeat
        collect()
        local key = some_key()
        if key then deliver(key) end
      until not key
      pass(500)
    end
  end

  local function step(last)
    local what = random(20)
    local uid = "user " .. random(4)
    if what <= 6 then
      last[uid] = login(random(#fronts), uid)
    elseif what <= 14 then
      local key = some_key()
      if key then deliver(key) end
    elseif what == 15 then
      local key = some_key()
      if key then table.remove(lines[key], 1) end
      if key and not lines[key][1] then lines[key] = nil end
    elseif what == 16 and #fronts > 1 then
      local a = random(#fronts)
      local b, up = a % #fronts + 1, random(2) == 1
      sight(a, b, up)
      if random(2) == 1 then sight(b, a, up) end
    elseif what == 17 then
      local front = fronts[random(#fronts)]
      local sids = front.node:sidsOf(uid)
      if sids[1] then
        front.node:closeSession(sids[1])
        last[uid] = false -- whether another is left depends on who had heard of which
      end
    elseif what == 18 then
      for _, front in ipairs(fronts) do -- the clocks of the machines differ
        local ahead = random(3000) / 1000
        front.wall = function() return 1000 + ahead end
      end
    else
      pass(random(900))
    end
    collect()
  end

  for round = 1, 40 do
    it("leaves one session of each user, round " .. round, function()
      seed(round)
      start(2 + round % 3, "kick-old", { frontendTimeout = 800 })
      if round % 2 == 0 then same_lives() end
      lines = {}
      local last = {}
      for _ = 1, 200 do step(last) end
      quiet()
      for i = 1, 4 do
        local uid = "user " .. i
        local _, n = where(uid):gsub(":1", "")
        assert.is_true(last[uid] and n == 1 or not last[uid] and n <= 1, where(uid))
        -- Who comes now has heard of all that was, and stays.
        local k = random(#fronts)
        local sid = login(k, uid)
        quiet()
        assert.equal(k .. ":1", where(uid))
        assert.same({ sid }, fronts[k].node:sidsOf(uid))
      end
    end)
  end
end)

describe("app:locate and app:kick", function()
  for _, id in ipairs { "connector-1", "chat-1" } do
    describe("on " .. id, function()
      local got

      local function call(name, ...)
        got = nil
        local app = w.servers[id].app
        local args = { ... }
        args[#args + 1] = function(...) got = { n = select("#", ...), ... } end
        app[name](app, unpack(args))
      end

      it("find the sessions of a user on every frontend", function()
        start(3)
        local a, b = login(1, "ann"), login(1, "ann")
        local c = login(3, "ann")
        login(2, "bob")
        call("locate", "ann")
        assert.is_nil(got)
        w:settle()
        assert.is_nil(got[1])
        assert.same({}, got[3])
        local places = got[2]
        table.sort(places, function(x, y) return x.frontendId < y.frontendId end)
        assert.equal(2, #places)
        assert.same({ a, b }, places[1].sids)
        assert.equal("connector-1", places[1].frontendId)
        assert.equal("connector", places[1].frontendType)
        assert.equal(w.servers[id].node:incarnation("connector-1"), places[1].incarnation)
        assert.is_true(math.abs(places[1].boundAt - os.time()) < 100)
        assert.same({ c }, places[2].sids)
        call("locate", "nobody")
        w:settle()
        assert.same({ n = 3, nil, {}, {} }, got)
      end)

      it("end them, say how many, and tell the clients why", function()
        start(3)
        login(1, 7)
        login(1, "7")
        login(3, 7)
        local bob = login(2, "bob")
        w:settle()
        w:got "connector-3"
        call("kick", 7, "bye")
        w:settle()
        assert.same({ n = 3, nil, 3, {} }, got)
        assert.equal("", where(7))
        assert.equal("bye", w:got("connector-3")[1].text)
        call("kick", "bob")
        w:settle()
        assert.same({ n = 3, nil, 1, {} }, got)
        assert.equal("kick", w:got("connector-2")[1].text)
        assert.is_nil(fronts[2].app:get("sessionService"):get(bob))
        call("kick", "nobody")
        w:settle()
        assert.same({ n = 3, nil, 0, {} }, got)
      end)

      it("wait without a callback", function()
        start(2)
        login(2, "ann")
        local results
        w:run(id, function()
          local places, silent = w.servers[id].app:locate("ann")
          local ended, none = w.servers[id].app:kick("ann")
          results = { #places, places[1].frontendId, #silent, ended, #none }
        end)
        assert.same({ 1, "connector-2", 0, 1, 0 }, results)
      end)

      it("name a frontend that does not answer within frontendTimeout", function()
        start(3, nil, { frontendTimeout = 700 })
        login(2, "ann")
        login(3, "ann")
        local held = hold(id, "connector-2")
        call("kick", "ann")
        w:settle()
        assert.is_nil(got)
        w:advance(690)
        assert.is_nil(got)
        w:advance(20)
        assert.same({ n = 3, nil, 1, { "connector-2" } }, got)
        assert.equal(1, w.servers[id]:counters().frontendsSilent)
        assert.is_true(w:logged(id, "warn", "connector-2 was asked about ann"))
        assert.equal("2:1", where "ann")
        held.free()
        w:settle()
        assert.equal("", where "ann")
      end)

      it("do not ask a frontend that is gone", function()
        start(2)
        login(1, "ann")
        if id == "connector-1" then
          fronts[1].node:peer("connector-2", false)
        else
          w.servers["chat-1"].node:peer("connector-2", false)
        end
        call("locate", "ann")
        w:settle()
        assert.equal(1, #got[2])
        assert.same({}, got[3])
      end)

      it("give what a session object is made of", function()
        start(2)
        local sid = login(2, "ann")
        local ok
        w:run(id, function()
          local app = w.servers[id].app
          local place = app:locate("ann")[1]
          local one = app:get("backendSessionService"):create {
            id = place.sids[1], frontendId = place.frontendId, incarnation = place.incarnation,
          }
          one:set("room", "red")
          ok = one:push("room")
        end)
        assert.is_true(ok)
        local _, settings = fronts[2].node:session(sid)
        assert.same({ room = "red" }, json.decode(settings))
      end)

      it("raise at the line of the game for what is no uid, reason or callback", function()
        start(1)
        local app = w.servers[id].app
        for text, call_it in pairs {
          ["app:kick(uid, reason, cb): a uid is a string or a number, got an empty string"] =
            function() app:kick("") end,
          ["app:locate(uid, cb): a uid is a string or a number, got nil"] =
            function() app:locate() end,
          ["app:kick(uid, reason, cb): the reason is a text, got 7"] =
            function() app:kick("ann", 7) end,
          ["app:locate(uid, cb): the callback must be a function, got string"] =
            function() app:locate("ann", "x") end,
        } do
          local ok, err = pcall(call_it)
          assert.is_false(ok)
          assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
          assert.is_truthy(tostring(err):find("logins_spec.lua", 1, true), tostring(err))
        end
      end)
    end)
  end
end)
