-- Sessions, on their frontend and seen from other servers.

local both = require "spec.support.both"

-- connector: several sessions per uid. gate: as the `it` below needs it, one.
local SETTINGS = [[
  app:configure("all", "gate", function()
    app:set("sessionConfig", { singleSession = "refuse" })
  end)
  app:set("ends", {})
  app.event:on("close_session", function(session)
    local ends = app:get("ends")
    ends.sessions = (ends.sessions or 0) + 1
  end)
]]

local KICK_OLD = [[ app:set("sessionConfig", { singleSession = "kick-old" }) ]]

-- Watches the session; `ended` of the same server waits for what became of it.
local WATCH = [[
  session:on("closed", function(gone, reason)
    keep.ended = show(gone.id, gone.uid, gone:get("room"), reason, session.id)
    if keep.waiting then keep.waiting() end
  end)
  return session.id
]]
local ENDED = [[
  if not keep.ended then pomelua.await(function(cb) keep.waiting = cb end) end
  local ended = keep.ended
  keep.ended, keep.waiting = nil, nil
  return ended
]]

both.describe("a session", function(start)
  local app, client

  setup(function() app = start(SETTINGS) end)
  teardown(function() app:finish { "had to be cut", "no answer within 10000 ms" } end)
  before_each(function() client = app:client() end)
  after_each(function() app:clear() end)

  for where, stype in pairs { ["its frontend"] = "connector", ["another server"] = "chat" } do
    describe("seen from " .. where, function()
      local function run(text, args) return client:run(stype, text, args) end

      it("has its id, its frontend's id, no uid and no settings at first", function()
        local got = run [[
          return { session.id, session.frontendId, show(session.uid), session.settings }
        ]]
        assert.are.equal("number", type(got[1]))
        assert.are.equal("connector-1", got[2])
        assert.are.same({ "nil" }, got[3])
        assert.is_nil(next(got[4]))
      end)

      it("has the address of its client", function()
        local got = run "return session:address()"
        assert.are.equal("127.0.0.1", got.ip)
        assert.is_true(got.port > 1023)
      end)

      it("is bound to a uid, and unbound", function()
        assert.are.same({ "nil" }, run "session:bind('ann', tell)")
        for _, other in ipairs { "connector", "chat", "room" } do
          assert.are.equal("ann", client:run(other, "return session.uid", nil, { to = "room-2" }))
        end
        assert.are.same({ "nil" }, run "session:unbind('ann', tell)")
        assert.are.same({ "nil" }, run "return show(session.uid)")
        assert.are.same({ "nil" }, run "session:bind('bea', tell)")
        assert.are.equal("bea", client:run("room", "return session.uid", nil, { to = "room-1" }))
      end)

      it("knows its new uid when bind calls back, or is awaited", function()
        assert.are.same({ '"ann"' }, run [[
          session:bind("ann", function() next(nil, show(session.uid)) end)
        ]])
        assert.are.same({ "nil" }, run [[
          pomelua.await(session.unbind, session, "ann")
          return show(session.uid)
        ]])
      end)

      it("is bound once; to the same uid again is no error", function()
        run "session:bind('ann', tell)"
        assert.are.same({ "nil" }, run "session:bind('ann', tell)")
        local got = run "session:bind('bea', tell)"
        assert.is_truthy(got[1]:find(": session has already bind with ann", 1, true), got[1])
        got = run "session:unbind('bea', tell)"
        assert.is_truthy(got[1]:find(": session has not bind with ann", 1, true), got[1])
        assert.are.equal("ann", client:run("connector", "return session.uid"))
      end)

      it("takes numbers and texts as uids, of which 7 and '7' are the same user", function()
        assert.are.same({ "nil" }, run "session:bind(7, tell)")
        for _, other in ipairs { "connector", "chat" } do
          assert.are.same({ '"number"', "7" },
            client:run(other, "return show(type(session.uid), session.uid)"))
        end
        assert.are.same({ "nil" }, run "session:bind('7', tell)")
        local second = app:client(nil, { uid = "7" })
        assert.are.equal("7", second:run("chat", "return session.uid"))
        assert.are.equal(2, client:run("connector",
          "return #app:get('sessionService'):getByUid(args)", "7"))
        assert.are.equal(2, client:run("connector",
          "return #app:get('sessionService'):getByUid(args)", 7))
        assert.are.same({ "nil" }, run "session:unbind('7', tell)")
      end)

      it("takes no other values as uids", function()
        for _, value in ipairs { "nil", "true", "{}", "''" } do
          local got = run("session:bind(" .. value .. ", tell)")
          assert.is_truthy(got[1]:find("^error "), value .. ": " .. got[1])
        end
        assert.are.same({ "nil" }, run "return show(session.uid)")
      end)

      it("keeps what is pushed, and forgets what is only set", function()
        run [[session:set("room", "lobby") session:set("x", 1) session:push("room", tell)]]
        for _, other in ipairs { "connector", "chat" } do
          assert.are.same({ '"lobby"', "nil" },
            client:run(other, "return show(session:get('room'), session:get('x'))"))
        end
        run [[
          session:set({ x = { 1, { y = "\240\159\152\128" } }, z = false })
          session:pushAll(tell)
        ]]
        for _, other in ipairs { "connector", "chat" } do
          assert.are.same({ '"lobby"', [=[[1,{"y":"\ud83d\ude00"}]]=], "false" }, client:run(other,
            "return show(session:get('room'), session:get('x'), session:get('z'))"))
        end
      end)

      it("loses a key that is set to nil and pushed", function()
        run [[session:set({ a = 1, b = 2, c = 3 }) session:pushAll(tell)]]
        run [[session:set("a", nil) session:push("a", tell)]]
        run [[session:set("b", nil) session:pushAll(tell)]]
        assert.are.same({ "nil", "nil", "3" }, run
          "return show(session:get('a'), session:get('b'), session:get('c'))")
      end)

      it("has one writer per key, not per session", function()
        run [[session:set({ a = 1, b = 1 }) session:pushAll(tell)]]
        client:run("connector", [[session:set("a", 2) session:push("a", tell)]])
        client:run("chat", [[session:set("b", 2) session:push("b", tell)]])
        assert.are.same({ "2", "2" }, run "return show(session:get('a'), session:get('b'))")
      end)

      it("refuses settings that are no JSON", function()
        local got = run "session:set('f', print) session:push('f', tell)"
        assert.is_truthy(got[1]:find("^error ENCODE: .*a function"), got[1])
      end)

      it("is exported as plain data", function()
        run [[session:bind("ann") session:set("room", 5) session:pushAll(tell)]]
        local got = run "return session:export()"
        assert.are.same({ frontendId = "connector-1", uid = "ann", settings = { room = 5 },
          id = got.id, incarnation = got.incarnation }, got)
        assert.are.equal("number", type(got.incarnation))
      end)

      it("is kicked with a reason", function()
        client:askRun(stype, "session:kick('too loud')")
        assert.are.equal('{"reason":"too loud"}', client:kicked())
        assert.are.same({}, client:rest())
      end)

      it("is kicked with the reason `kick` when only a callback is given", function()
        client:askRun(stype, "session:kick(function() end)")
        assert.are.equal('{"reason":"kick"}', client:kicked())
      end)

      it("is closed without a KICK package when no reason is given", function()
        client:askRun(stype, "session:kick()")
        assert.are.same({}, client:rest())
      end)

      it("answers what it was asked before it is kicked", function()
        client:askRun(stype, "next(nil, { last = 'word' }) session:kick('bye')")
        assert.are.same({ last = "word" }, assert(client:nextMessage()).msg)
        assert.are.equal('{"reason":"bye"}', client:kicked())
      end)

      it("is gone at once when it is kicked: the next login has the uid to itself", function()
        local old = app:client("connector-1", { uid = "ann" })
        old:run(nil, [[
          session:set("room", "lobby") session:pushAll(tell)
        ]])
        old:run(nil, WATCH)
        assert.are.same({ "nil", "nil", "1" }, run [[
          local backend, err = app:get("backendSessionService"), nil
          pomelua.await(backend.kickByUid, backend, "connector-1", "ann", "other login")
          local left = pomelua.await(backend.getByUid, backend, "connector-1", "ann")
          session:bind("ann", function(e)
            err = e
            backend:getByUid("connector-1", "ann", function(_, list)
              next(nil, show(left ~= true and left or nil, err, #list))
            end)
          end)
        ]])
        assert.are.equal('{"reason":"other login"}', old:kicked())
        local ended = client:run(nil, ENDED)
        assert.are.same({ '"ann"', '"lobby"', '"other login"' }, { ended[2], ended[3], ended[4] })
        assert.are.equal("ann", run "return session.uid")
      end)

      it("answers with errors when it has ended", function()
        local other = app:client()
        client:askRun(stype, "keep.gone = session session:kick('bye')")
        assert(client:kicked())
        assert(client:rest())
        client = other
        for _, call in ipairs {
          "bind(keep.gone, 'x', tell)", "unbind(keep.gone, 'x', tell)", "pushAll(keep.gone, tell)",
          "push(keep.gone, 'x', tell)",
        } do
          local got = run("keep.gone." .. call)
          assert.is_truthy(got[1]:find("^error NOENT: session does not exist, sid: %d+$"), got[1])
        end
        assert.are.same({ "nil" }, run "keep.gone:kick('x', tell)")
      end)
    end)
  end

  it("is not reused", function()
    local seen = {}
    for _ = 1, 20 do
      local one = app:client()
      local id = one:run(nil, "return session.id")
      assert.is_nil(seen[id])
      seen[id] = true
      one:close()
    end
  end)

  describe("that ends tells its closed listeners why:", function()
    local function watched(opts)
      local one = app:client(nil, opts)
      one:run(nil, "session:set('room', 'lobby') session:push('room', tell)")
      return one, one:run(nil, WATCH)
    end
    local function ended() return client:run(nil, ENDED) end

    it("the reason of a kick, with uid and settings as they were", function()
      local one, id = watched { uid = "ann" }
      one:askRun("chat", "session:kick('too loud')")
      id = ("%d"):format(id)
      assert.are.same({ id, '"ann"', '"lobby"', '"too loud"', id }, ended())
    end)

    it("nil for one that is closed without a reason", function()
      local one = watched()
      one:askRun(nil, "session:kick()")
      assert.are.equal("nil", ended()[4])
    end)

    it("the close code of a WebSocket", function()
      local one = watched { ws = true }
      one:leave(4001)
      assert.are.equal("4001", ended()[4])
      one = watched { ws = true }
      one:close()
      assert.are.equal("1006", ended()[4])
    end)

    it("false for a TCP client that went away", function()
      local one = watched()
      one:close()
      assert.are.equal("false", ended()[4])
    end)

    it("what was wrong with the client's bytes", function()
      local one = watched()
      one:bytes("\9\0\0\0")
      assert.are.equal('"protocol"', ended()[4])
    end)

    it("the session is out of all tables then", function()
      local one = app:client(nil, { uid = "ann" })
      one:run(nil, [[
        session:on("closed", function(gone)
          local service = app:get("sessionService")
          keep.ended = show(service:get(gone.id), service:getByUid("ann"))
          if keep.waiting then keep.waiting() end
        end)
        return 1
      ]])
      one:close()
      assert.are.same({ "nil", "nil" }, ended())
    end)

    it("a function that registers on each message is called once", function()
      local one = app:client()
      one:run(nil, [[
        keep.times = 0
        keep.count = function()
          keep.times = keep.times + 1
          if keep.waiting then keep.waiting() end
          keep.ended = show(keep.times)
        end
        return 1
      ]])
      for _ = 1, 3 do one:run(nil, "session:on('closed', keep.count) return 1") end
      one:close()
      assert.are.same({ "1" }, ended())
    end)

    it("the event close_session comes for every session", function()
      local before = client:run(nil, "return app:get('ends').sessions or 0")
      app:client():close()
      client:run(nil, [[
        while app:get("ends").sessions == args do pomelua.sleep(1) end
        return true
      ]], before)
    end)
  end)

  describe("of a uid that has several", function()
    local ann

    before_each(function()
      ann = {}
      for i = 1, 3 do ann[i] = app:client("connector-1", { uid = "ann" }) end
    end)

    it("is one of the sessions of that uid", function()
      assert.are.equal(3, client:run(nil, "return #app:get('sessionService'):getByUid('ann')"))
      assert.are.same({ "3", '"ann"' }, client:run("chat", [[
        app:get("backendSessionService"):getByUid("connector-1", "ann", function(err, list)
          next(err, show(#list, list[1].uid))
        end)
      ]]))
    end)

    it("gets each push, and is kicked with the others", function()
      client:run("chat", [[
        app:get("channelService"):pushMessageByUids("onHello", { a = 1 },
          { { uid = "ann", sid = "connector-1" } })
        app:get("backendSessionService"):kickByUid("connector-1", "ann", "bye", tell)
      ]])
      for i = 1, 3 do
        assert.are.equal("onHello", assert(ann[i]:push()).route)
        assert.are.equal('{"reason":"bye"}', ann[i]:kicked())
      end
      assert.are.same({ "nil" },
        client:run(nil, "return show(app:get('sessionService'):getByUid('ann'))"))
    end)

    it("leaves the others alone when it is unbound or kicked itself", function()
      ann[1]:run(nil, "session:unbind('ann', tell)")
      local id = ann[2]:run(nil, "return session.id")
      client:run("chat",
        "app:get('backendSessionService'):kickBySid('connector-1', args, 'you', tell)", id)
      assert.are.equal('{"reason":"you"}', ann[2]:kicked())
      assert.are.equal(1, client:run(nil, "return #app:get('sessionService'):getByUid('ann')"))
      assert.are.equal(true, ann[1]:run(nil, "return true"))
      assert.are.equal("ann", ann[3]:run(nil, "return session.uid"))
    end)

    it("is kicked on its frontend by uid and by session id", function()
      local id = ann[2]:run(nil, "return session.id")
      client:run(nil, "app:get('sessionService'):kickBySessionId(args, 'one', tell)", id)
      assert.are.equal('{"reason":"one"}', ann[2]:kicked())
      client:run(nil, "app:get('sessionService'):kick('ann', tell)")
      assert.are.equal('{"reason":"kick"}', ann[1]:kicked())
      assert.are.equal('{"reason":"kick"}', ann[3]:kicked())
      assert.are.same({ "nil" }, client:run(nil, "app:get('sessionService'):kick('nobody', tell)"))
    end)
  end)

  describe("asked for by its frontend and id", function()
    it("is found, changed and gone", function()
      local one = app:client("connector-2", { uid = "dora" })
      local id = one:run(nil, "session:set('room', 1) session:push('room') return session.id")
      assert.are.same({ "nil", '"connector-2"', '"dora"', "1" }, client:run("chat", [[
        app:get("backendSessionService"):get("connector-2", args, function(err, found)
          keep.dora = found
          next(nil, show(err, found.frontendId, found.uid, found:get("room")))
        end)
      ]], id))
      assert.are.same({ "nil" },
        client:run("chat", "keep.dora:set('room', 2) keep.dora:pushAll(tell)"))
      assert.are.equal(2, one:run(nil, "return session:get('room')"))
      assert.are.same({ "nil", "nil" }, client:run("chat",
        "app:get('backendSessionService'):get('connector-2', 99999, tell)"))
      assert.are.same({ "nil", "nil" }, client:run("chat",
        "app:get('backendSessionService'):getByUid('connector-2', 'nobody', tell)"))
      local got = client:run("chat", "app:get('backendSessionService'):get('connector-9', 1, tell)")
      assert.is_truthy(got[1]:find("^error NOENT: "), got[1])
    end)
  end)

  it("of the sessionService is counted, visited and has an address", function()
    local two = app:client("connector-2", { uid = "eve" })
    app:client("connector-2")
    assert.are.same({ "2", "2", "1", '"127.0.0.1"', "true" }, two:run(nil, [[
      local service, all, bound = app:get("sessionService"), 0, 0
      service:forEachSession(function() all = all + 1 end)
      service:forEachBindedSession(function(one) assert(one.uid == "eve") bound = bound + 1 end)
      local address = service:getClientAddressBySessionId(session.id)
      return show(service:getSessionsCount(), all, bound, address.ip, address.port > 0)
    ]]))
  end)

  it("is refused a uid that has one already with singleSession", function()
    local first = app:client("gate-1", { uid = "fay" })
    local second = app:client("gate-1")
    local got = second:run(nil, "session:bind('fay', tell)")
    assert.is_truthy(got[1]:find(": singleSession is enabled, and session has already bind with "
      .. "uid: fay", 1, true), got[1])
    assert.are.equal("fay", first:run(nil, "return session.uid"))
    first:close()
    second:run(nil, [[
      while app:get("sessionService"):getByUid("fay") do pomelua.sleep(1) end
      session:bind("fay", tell)
    ]])
    assert.are.equal("fay", second:run(nil, "return session.uid"))
  end)
end)

both.describe("singleSession = \"kick-old\"", function(start)
  it("kicks the session that had the uid", function()
    local app = start(KICK_OLD)
    local first = app:client("connector-1", { uid = 7 })
    local second = app:client("connector-1")
    assert.are.same({ "nil" }, second:run("chat", "session:bind('7', tell)"))
    assert.are.equal('{"reason":"kick"}', first:kicked())
    assert.are.same({}, first:rest())
    assert.are.equal("7", second:run(nil, "return session.uid"))
    assert.are.equal(1, second:run(nil, "return #app:get('sessionService'):getByUid(7)"))
    app:finish()
  end)
end)
