-- Pushes to members of a channel, to users and to everyone, over three frontends.

local pomelo = require "spec.support.pomelo"
local both = require "spec.support.both"
local once_of = require "spec.support.once_of"
local probe = require "spec.support.probe"

local SETTINGS = [[
  app:set("channelConfig", { pushTimeout = 1000 })
  app:configure("all", "gate", function()
    app:set("channelConfig", { broadcastFilter = function(session, bytes, param)
      assert(bytes:find("onAll", 1, true), bytes)
      if param == "raise" then error("no luck in the filter") end
      return param == nil or session.uid ~= nil and session:get("team") == param.team
    end })
  end)
]]

local EMOJI = "\240\159\152\128"

-- What was sent to a frontend before arrives before this does. In one process it has arrived when
-- the client who asked for a push has its answer; over the bus these go to different processes.
local ARRIVED = [[
  for _, id in ipairs { "connector-1", "connector-2", "connector-3", "gate-1" } do
    local stype = id:match("^%a+")
    pomelua.await(app.rpc[stype].probe.run.toServer, id, "cb()")
  end
  return true
]]

both.describe("a push", function(start, over)
  local app, boss, members

  setup(function() app = start(SETTINGS) end)
  teardown(function() app:finish { "no luck in the filter" } end)

  -- Two members on each of the three frontends, one of them by WebSocket; the boss,
  -- who is not bound, speaks to chat-1.
  before_each(function()
    boss = app:client()
    members = {}
    for k = 1, 3 do
      for i = 1, 2 do
        members[#members + 1] = app:client("connector-" .. k,
          { uid = ("m-%d-%d"):format(k, i), ws = i == 2 })
      end
    end
    boss:run("chat", [[
      keep.service = app:get("channelService")
      keep.room = keep.service:createChannel("room")
      for k = 1, 3 do
        for i = 1, 2 do keep.room:add(("m-%d-%d"):format(k, i), "connector-" .. k) end
      end
      return 1
    ]])
  end)
  after_each(function()
    boss:run("chat", "keep.room:destroy() return 1")
    app:clear()
  end)

  local function run(text, args) return boss:run("chat", text, args) end

  local function arrive() if over == "bus" then boss:run("chat", ARRIVED) end end
  -- As client:pushed().
  local function pushed(client)
    arrive()
    return client:pushed()
  end

  -- What each member has got; each asks its frontend first, which the pushes passed.
  local function got()
    local list = {}
    arrive()
    for i, member in ipairs(members) do list[i] = (member:pushed()) end
    return list
  end
  local function all(text) return { text, text, text, text, text, text } end

  describe("to a channel", function()
    it("reaches every member once", function()
      assert.are.same({ "nil", "[]" }, run "keep.room:pushMessage('onChat', { n = 1 }, tell)")
      for _, member in ipairs(members) do
        local routes, list = pushed(member)
        assert.are.equal("onChat", routes)
        assert.are.equal('{"n":1}', list[1].body)
        assert.are.equal(pomelo.PUSH, list[1].type)
        assert.is_false(list[1].gzip)
      end
    end)

    it("arrives in order, also large and small ones", function()
      run [[
        for i = 1, 100 do
          keep.room:pushMessage("on" .. i, { i = i, pad = ("x"):rep(i % 10 == 0 and 20000 or 1) })
        end
        keep.room:pushMessage("end", { 1 }, tell)
      ]]
      local expected = {}
      for i = 1, 100 do expected[i] = "on" .. i end
      expected[101] = "end"
      assert.are.same(all(table.concat(expected, " ")), got())
    end)

    it("is one record to each frontend", function()
      assert.are.same({ "1", "3", "0" }, run [[
        local before = node:counts()
        keep.room:pushMessage("onChat", { 1 })
        local after = node:counts()
        return show(after.pushes - before.pushes, after.pushRecords - before.pushRecords,
          after.rpcCalls - before.rpcCalls)
      ]])
      assert.are.same({ "1", "3", "3" }, run [[
        local before = node:counts()
        keep.room:pushMessage("onChat", { 2 }, function()
          local after = node:counts()
          next(nil, show(after.pushes - before.pushes, after.pushRecords - before.pushRecords,
            after.rpcCalls - before.rpcCalls))
        end)
      ]])
      assert.are.same(all "onChat onChat", got())
    end)

    it("is one record to a frontend of many members", function()
      assert.are.same({ "1" }, run [[
        local crowd = keep.service:createChannel("crowd")
        for i = 1, 500 do crowd:add("c" .. i, "connector-2") end
        local before = node:counts().pushRecords
        crowd:pushMessage("onChat", { 1 })
        crowd:destroy()
        return show(node:counts().pushRecords - before)
      ]])
    end)

    it("has no acknowledgement without a callback", function()
      local waiting = run [[
        for i = 1, 20 do keep.room:pushMessage("onChat", { i }) end
        return show(node:counts().rpcWaiting, node:counts().rpcCalls)
      ]]
      assert.are.equal("0", waiting[1])
      local calls = run "return show(node:counts().rpcWaiting, node:counts().rpcCalls)"
      assert.are.same(waiting, calls)
      assert.are.same(all(("onChat "):rep(20):sub(1, -2)), got())
    end)

    it("is one system call per connection and turn, however many pushes there are", function()
      -- Members of the frontend that pushes, and of another one that is pushed to.
      local here = app:client("connector-3")
      assert.are.same({ "2", "100" }, here:run(nil, [[
        local room = app:get("channelService"):createChannel("here")
        for i = 1, 2 do room:add("m-3-" .. i, "connector-3") end
        pomelua.sleep(5)
        local before = node:counts()
        for i = 1, 50 do room:pushMessage("onChat", { i }) end
        pomelua.sleep(5)
        local after = node:counts()
        room:destroy()
        return show(after.writes - before.writes, after.deliveries - before.deliveries)
      ]]))
      -- What comes over a bus while others have the processor may take more turns than one.
      once_of(3, function()
        local before = here:run(nil, "pomelua.sleep(5) return node:counts().writes")
        run [[
          for i = 1, 50 do keep.room:pushMessage("onChat", { i }) end
          keep.room:pushMessage("onChat", { 51 }, tell)
        ]]
        local after = here:run(nil, "pomelua.sleep(5) return node:counts().writes")
        got()
        assert.are.equal(2 + 1, after - before) -- two members, and the answer to `before`
      end)
    end)

    it("leaves out opts.except", function()
      assert.are.same({ "nil", "[]" }, run [[
        keep.room:pushMessage("onChat", { 1 }, { except = { "m-1-1", "m-3-2", "nobody" } }, tell)
      ]])
      assert.are.same({ "", "onChat", "onChat", "onChat", "onChat", "" }, got())
    end)

    it("tells which members have no session, and reaches the others", function()
      assert.are.same({ "nil", '["gone",7]' }, run [[
        keep.room:add("gone", "connector-1")
        keep.room:add(7, "connector-3")
        keep.room:pushMessage("onChat", { 1 }, function(err, fails)
          table.sort(fails, function(a, b) return tostring(a) > tostring(b) end)
          tell(err, fails)
        end)
      ]])
      assert.are.same(all "onChat", got())
      assert.are.same({ "nil", '["gone"]' }, run [[
        keep.room:pushMessage("onChat", { 1 }, { except = { "7" } }, tell)
      ]])
    end)

    it("tells no longer of a member that came back", function()
      members[1]:close()
      local fails
      repeat fails = run("keep.room:pushMessage('onChat', { 1 }, tell)")[2] until fails ~= "[]"
      assert.are.equal('["m-1-1"]', fails)
      members[1] = app:client("connector-1", { uid = "m-1-1" })
      assert.are.same({ "nil", "[]" }, run "keep.room:pushMessage('onBack', { 1 }, tell)")
      assert.are.equal("onBack", (pushed(members[1])))
    end)

    it("tells at once of members whose frontend is not there", function()
      assert.are.same({ "nil", '["a","b"]', "true" }, run [[
        keep.room:add("a", "connector-9")
        keep.room:add("b", "connector-9")
        local start = node:now()
        keep.room:pushMessage("onChat", { 1 }, function(err, fails)
          tell(err, fails, node:now() - start < 900)
        end)
      ]])
      assert.are.same(all "onChat", got())
    end)

    it("tells after channelConfig.pushTimeout of members whose frontend does not answer", function()
      local busy, file = app:client("connector-3"), os.tmpname()
      finally(function() os.remove(file) end)
      os.remove(file)
      -- The frontend is at its work, which the file says, until the push is over, which removes it.
      busy:askRun(nil, [[
        local function there()
          local one = io.open(args)
          return one and one:close()
        end
        io.open(args, "w"):close()
        while there() do end
        return 1
      ]], file)
      assert.are.same({ "nil", '["m-3-1","m-3-2"]', "true" }, run([[
        local function there()
          local one = io.open(args)
          return one and one:close()
        end
        while not there() do pomelua.sleep(5) end
        local start = node:now()
        keep.room:pushMessage("onChat", { 1 }, function(err, fails)
          os.remove(args)
          tell(err, fails, node:now() - start >= 990)
        end)
      ]], file))
      assert.are.same(all "onChat", got())
    end)

    it("calls back an error when no frontend could be reached", function()
      assert.are.same({ "error nil: all uids push message fail", '["a","b"]' }, run [[
        local far = keep.service:createChannel("far")
        far:add("a", "connector-8")
        far:add("b", "connector-9")
        far:pushMessage("onChat", { 1 }, tell)
        far:destroy()
      ]])
    end)

    it("to nobody is no error", function()
      assert.are.same({ "nil", "[]" }, run [[
        local void = keep.service:createChannel("void")
        void:pushMessage("onChat", { 1 }, tell)
        void:destroy()
      ]])
    end)

    it("may be written with the route in the message, which stays there", function()
      run "keep.room:pushMessage({ route = 'onChat', a = 1 }, tell)"
      run "keep.room:pushMessage({ route = 'onChat', a = 2 }, { except = { 'm-1-1' } }, tell)"
      run "keep.room:pushMessage({ route = 'onChat', a = 3 }) return 1"
      run "keep.room:pushMessage('onChat', { a = 4 }, nil, tell)"
      run "keep.room:pushMessage('onChat', { a = 5 }, {}) return 1"
      local routes, list = pushed(members[1])
      assert.are.equal("onChat onChat onChat onChat", routes)
      assert.are.same({ route = "onChat", a = 1 }, list[1].msg)
      assert.are.same({ route = "onChat", a = 3 }, list[2].msg)
      assert.are.same({ a = 4 }, list[3].msg)
    end)

    it("calls back an error for what cannot be sent, and sends nothing", function()
      for text, message in pairs {
        ["keep.room:pushMessage('onChat', nil, tell)"] = "can not send empty message.",
        ["keep.room:pushMessage('onChat', '', tell)"] = "can not send empty message.",
        ["keep.room:pushMessage('onChat', false, tell)"] = "can not send empty message.",
        ["keep.room:pushMessage({ a = 1 }, tell)"] = "the route must be a string",
        ["keep.room:pushMessage('onChat', { a = { 1, print } }, tell)"] = "msg.a[2]: a function",
        ["keep.room:pushMessage('onChat', { x = ('x'):rep(2 ^ 24) }, tell)"] = "16 MiB",
        ["keep.room:pushMessage(('r'):rep(256), { 1 }, tell)"] = "route maxlength is overflow",
        ["keep.room:pushMessage('onChat', { 1 }, 'opts', tell)"] = "opts must be a table",
      } do
        local answer = run(text)
        assert.is_truthy(answer[1]:find("^error "), text .. ": " .. answer[1])
        assert.is_truthy(answer[1]:find(message, 1, true), text .. ": " .. answer[1])
      end
      assert.are.same(all "", got())
    end)

    it("calls back an error for a destroyed channel, stale handle or not", function()
      assert.are.same({ "error CLOSED: channel is not running now" }, run [[
        local old = keep.service:createChannel("old")
        old:add("m-1-1", "connector-1")
        old:destroy()
        old:pushMessage("onOld", { 1 }, tell)
      ]])
      assert.are.same({ "false", "false", "0", "1", '"new"', "false", "true" }, run [[
        local old = keep.service:createChannel("new")
        keep.service:destroyChannel("new")
        local new = keep.service:createChannel("new")
        new:add("m-1-1", "connector-1")
        old:destroy()
        old:pushMessage("onOld", { 1 })
        return show(old:add("a", "connector-1"), old:leave("m-1-1", "connector-1"),
          old:getUserAmount(), new:getUserAmount(), new.name, old == new,
          new == keep.service:getChannel("new"))
      ]])
      assert.are.same(all "", got())
    end)

    it("carries emoji as escapes that every client reads", function()
      run("keep.room:pushMessage('onChat', { text = args }, tell)", EMOJI .. "x")
      local _, list = pushed(members[2])
      assert.are.equal([[{"text":"\ud83d\ude00x"}]], list[1].body)
      assert.are.equal(EMOJI .. "x", list[1].msg.text)
    end)

    it("goes to every session of a member", function()
      local second = app:client("connector-1", { uid = "m-1-1" })
      local elsewhere = app:client("connector-2", { uid = "m-1-1" })
      run "keep.room:pushMessage('onChat', { 1 }, tell)"
      assert.are.same(all "onChat", got())
      assert.are.equal("onChat", (pushed(second)))
      assert.are.equal("", (pushed(elsewhere))) -- not the frontend it joined with
    end)
  end)

  describe("'s channel", function()
    it("has members, each once", function()
      assert.are.same({ "true", "true", "true", "3", '["1",7,"b"]', '{"connector-2":"b"}' }, run [[
        local c = keep.service:createChannel("members")
        local added = {
          c:add("1", "connector-1"), c:add("b", "connector-2"), c:add(7, "connector-1"),
        }
        c:add("b", "connector-2")
        c:add("7", "connector-1")
        local b = c:getMember("b")
        local result = show(added[1], added[2], added[3], c:getUserAmount(), c:getMembers(),
          { [b.sid] = b.uid })
        c:destroy()
        return result
      ]])
      assert.are.same({ "[]" }, run [[
        local c = keep.service:createChannel("nobody")
        local result = show(c:getMembers())
        c:destroy()
        return result
      ]])
    end)

    it("loses members once", function()
      assert.are.same({ "true", "false", "false", "1", "nil", "true", "0" }, run [[
        local c = keep.service:createChannel("leavers")
        c:add("a", "connector-1")
        c:add(3, "connector-2")
        local result = show(c:leave("a", "connector-1"), c:leave("a", "connector-1"),
          c:leave("z", "connector-1"), c:getUserAmount(), c:getMember("a"),
          c:leave("3", "connector-2"), c:getUserAmount())
        c:destroy()
        return result
      ]])
    end)

    it("is the same for the same name, and gone once destroyed", function()
      assert.are.same({ "true", "true", "true", "nil", "nil" }, run [[
        local a = keep.service:createChannel("same")
        local result = show(a == keep.service:createChannel("same"),
          a == keep.service:getChannel("same"), a == keep.service:getChannel("same", true),
          keep.service:getChannel("other"))
        a:destroy()
        result[5] = keep.service:getChannel("same") and "there" or "nil"
        return result
      ]])
    end)

    it("takes no member without a frontend", function()
      assert.are.same({ "false", "false" },
        run "return show(keep.room:add('a', nil), keep.room:add('a', ''))")
      assert.are.same({ "6" }, run "return show(keep.room:getUserAmount())")
    end)
  end)

  describe("to some users", function()
    it("reaches them, one record to a frontend", function()
      assert.are.same({ "nil", "[]", "2" }, run [[
        local before = node:counts().pushRecords
        keep.service:pushMessageByUids("onYou", { 1 }, {
          { uid = "m-1-1", sid = "connector-1" }, { uid = "m-3-1", sid = "connector-3" },
          { uid = "m-1-2", sid = "connector-1" },
        }, function(err, fails) tell(err, fails, node:counts().pushRecords - before) end)
      ]])
      assert.are.same({ "onYou", "onYou", "", "", "onYou", "" }, got())
    end)

    it("leaves out opts.except", function()
      run [[
        keep.service:pushMessageByUids({ route = "onYou" }, {
          { uid = "m-1-1", sid = "connector-1" }, { uid = "m-3-1", sid = "connector-3" },
        }, { except = { "m-3-1" } }, tell)
      ]]
      assert.are.same({ "onYou", "", "", "", "", "" }, got())
    end)

    it("tells which of them have no session, or no frontend", function()
      assert.are.same({ "nil", '["a","b"]' }, run [[
        keep.service:pushMessageByUids("onYou", { 1 }, {
          { uid = "m-1-1", sid = "connector-1" }, { uid = "a", sid = "connector-1" },
          { uid = "b", sid = "connector-9" },
        }, function(err, fails) table.sort(fails) tell(err, fails) end)
      ]])
      assert.are.same({ "error nil: all uids push message fail", '["b"]' }, run [[
        keep.service:pushMessageByUids("onYou", { 1 }, { { uid = "b", sid = "connector-9" } }, tell)
      ]])
    end)

    it("calls back an error without uids, and leaves out entries that are not whole", function()
      for _, uids in ipairs { "{}", "nil", "5" } do
        local answer = run("keep.service:pushMessageByUids('onYou', { 1 }, " .. uids .. ", tell)")
        assert.is_truthy(answer[1]:find(": uids should not be empty", 1, true), answer[1])
      end
      assert.are.same({ "nil", "[]" }, run [[
        keep.service:pushMessageByUids("onYou", { 1 }, { { uid = "m-1-1" }, { sid = "x" }, 5 },
          tell)
      ]])
      assert.are.same({ "nil", "[]" }, run [[
        keep.service:pushMessageByUids("onYou", { 1 },
          { { uid = "m-1-1" }, { uid = "m-1-2", sid = "connector-1" } }, nil, tell)
      ]])
      assert.are.same({ "", "onYou", "", "", "", "" }, got())
    end)
  end)

  describe("to everyone", function()
    it("reaches every session of the type once, bound or not", function()
      assert.are.same({ "nil" }, run [[
        keep.service:broadcast("connector", "onAll", { 1 }, function(err) tell(err) end)
      ]])
      assert.are.same(all "onAll", got())
      assert.are.equal("onAll", (pushed(boss)))
      run [[ keep.service:broadcast("connector", { route = "onAll" }, {}, tell) ]]
      run [[ keep.service:broadcast("connector", "onAll", { 1 }) return 1 ]]
      assert.are.same(all "onAll onAll", got())
    end)

    it("is one record to each frontend", function()
      assert.are.same({ "3" }, run [[
        local before = node:counts().pushRecords
        keep.service:broadcast("connector", "onAll", { 1 })
        return show(node:counts().pushRecords - before)
      ]])
    end)

    it("reaches with opts.binded those with a uid, each session once", function()
      local second = app:client("connector-1", { uid = "m-1-1" })
      run [[ keep.service:broadcast("connector", "onAll", { 1 }, { binded = true }, tell) ]]
      assert.are.same(all "onAll", got())
      assert.are.equal("onAll", (pushed(second)))
      assert.are.equal("", (pushed(boss)))
    end)

    it("leaves out opts.except", function()
      run [[
        keep.service:broadcast("connector", "onAll", { 1 }, { except = { "m-2-1", "m-2-2" } }, tell)
      ]]
      assert.are.same({ "onAll", "onAll", "", "", "onAll", "onAll" }, got())
      assert.are.equal("onAll", (pushed(boss)))
    end)

    it("asks the frontend's broadcastFilter for each session", function()
      local gate = {}
      for i = 1, 4 do
        gate[i] = app:client("gate-1", i > 1 and { uid = "g" .. i } or nil)
        gate[i]:run(nil, "session:set('team', args) session:push('team', tell)", i % 2)
      end
      run [[
        keep.service:broadcast("gate", "onAll", { 1 }, { filterParam = { team = 0 } }, tell)
      ]]
      local function told()
        local list = {}
        for i = 1, 4 do list[i] = (pushed(gate[i])) end
        return list
      end
      assert.are.same({ "", "onAll", "", "onAll" }, told())
      run [[
        keep.service:broadcast("gate", "onAll", { 1 },
          { filterParam = { team = 1 }, binded = true }, tell)
      ]]
      assert.are.same({ "", "", "onAll", "" }, told())
      run [[ keep.service:broadcast("gate", "onAll", { 1 }, { filterParam = "raise" }, tell) ]]
      assert.are.same({ "", "", "", "" }, told())
      assert(app:logged("no luck in the filter"))
      assert.are.same(all "", got()) -- another type
    end)

    it("does not reach a client that has not acknowledged the handshake", function()
      local early = assert(pomelo.open(app.ports["connector-1"], "tcp"))
      assert(early:handshake())
      run [[ keep.service:broadcast("connector", "onAll", { 1 }, tell) ]]
      early:ack()
      local id = early:ask("connector.probe.run", { lua = "return 1" })
      assert.are.equal(1, (early:answer(id)))
      assert.are.equal(0, #early.pushes)
      early:close()
    end)

    it("to a type without servers is no error; one that nobody got is", function()
      assert.are.same({ "nil", "[]" },
        run [[ keep.service:broadcast("nowhere", "onAll", { 1 }, tell) ]])
      assert.is_truthy(run([[ keep.service:broadcast("room", "onAll", { 1 }, tell) ]])[1]
        :find(": broadcast fails", 1, true))
      assert.is_truthy(run([[ keep.service:broadcast("connector", "onAll", nil, tell) ]])[1]
        :find(": can not send empty message.", 1, true))
    end)
  end)

  it("leaves nothing behind", function()
    assert.are.same({ "0", "0" }, run [[
      local pushes = 0
      for _ in pairs(app._server.channels.pushes) do pushes = pushes + 1 end
      return show(pushes, node:counts().rpcWaiting)
    ]])
  end)
end)

describe("a push to a frontend that is not running", function()
  it("fails at once, and the others get it", function()
    local app = probe.start(nil, nil, { args = { "--only", "connector-1,connector-2,chat-1" } })
    local member = app:client("connector-1", { uid = "a" })
    local boss = app:client("connector-2")
    assert.are.same({ "nil", '["b"]' }, boss:run("chat", [[
      local room = app:get("channelService"):createChannel("room")
      room:add("a", "connector-1")
      room:add("b", "connector-3")
      room:pushMessage("onChat", { 1 }, tell)
    ]]))
    assert.are.equal("onChat", (member:pushed()))
    assert.are.same({ "nil" }, boss:run("chat", [[
      app:get("channelService"):broadcast("connector", "onAll", { 1 }, function(err) tell(err) end)
    ]]))
    assert.are.equal("onAll", (member:pushed()))
    local got = boss:run("chat",
      "app:get('channelService'):broadcast('gate', 'onAll', { 1 }, tell)")
    assert.is_truthy(got[1]:find(": broadcast fails", 1, true), got[1])
    app:finish()
  end)
end)
