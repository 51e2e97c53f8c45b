-- Clients come and go while pushes, calls and requests are under way.

local both = require "spec.support.both"

-- Each client that is gone leaves the room; nobody is told.
local ENTER = [[
  session:bind(args, function(err)
    if err then return next(err) end
    session:on("closed", function(gone)
      app.rpc.chat.probe.run(nil, "local uid, sid = ... keep.leave(uid, sid)", gone.uid,
        gone.frontendId, nil)
    end)
    app.rpc.chat.probe.run(nil, "local uid, sid = ... keep.room:add(uid, sid) cb()", session.uid,
      session.frontendId, function(e) next(e, { code = 200 }) end)
  end)
]]

local ROOM = [[
  keep.room = app:get("channelService"):createChannel("room")
  keep.left = 0
  function keep.leave(uid, sid)
    keep.room:leave(uid, sid)
    keep.left = keep.left + 1
    print("left " .. uid)
    if keep.wake then keep.wake() end
  end
  return 1
]]

local function text(n) return ("%d"):format(n) end

-- Over the bus the frontends end before the others, as an operator has them end.
local PARTS = {
  { "connector-1", "connector-2", "connector-3", "gate-1" },
  { "chat-1", "chat-2", "chat-3", "room-1", "room-2" },
}

both.describe("clients that come and go", function(start, over)
  local app, boss

  setup(function()
    app = start("app:set('serverConfig', { drainTime = 0 })", nil, PARTS)
    boss = app:client("connector-3")
    boss:run("chat", ROOM)
  end)
  teardown(function() app:stop() end)

  local function enter(i, ws)
    local client = app:client("connector-" .. i % 3 + 1, { ws = ws })
    client:run(nil, ENTER, "user-" .. i)
    return client
  end

  it("take nothing away from those that stay, and leave nothing behind", function()
    local stay = {}
    for i = 1, 6 do stay[i] = enter(i, i % 2 == 0) end
    local pushes, went = 0, 0
    for round = 1, 15 do
      local go = {}
      for i = 1, 8 do go[i] = enter(100 * round + i, i % 2 == 0) end
      for i, client in ipairs(go) do
        boss:askRun("chat", "keep.room:pushMessage('onChat', { args, ('x'):rep(3000) }) return 1",
          round)
        pushes = pushes + 1
        -- Some go with requests open, some with bytes unread, some in order.
        client:askRun(i % 2 == 0 and "chat" or nil, "pomelua.sleep(args) return 1", i)
        if i % 3 == 0 then client:leave(1000) else client:close() end
        went = went + 1
      end
      for _ = 1, #go do assert.are.equal(1, (assert(boss:nextMessage()).msg)) end
    end
    assert.are.same({ text(went), "6" }, boss:run("chat", [[
      while keep.left < args do pomelua.await(function(cb) keep.wake = cb end) end
      keep.wake = nil
      return show(keep.left, keep.room:getUserAmount())
    ]], went))
    assert.are.same({ "nil", "[]" },
      boss:run("chat", "keep.room:pushMessage('onEnd', { 1 }, tell)"))
    for _, client in ipairs(stay) do
      local routes = client:pushed()
      assert.are.equal(("onChat "):rep(pushes) .. "onEnd", routes)
    end
    -- The handlers of the last ones may still be waiting.
    assert.are.same({ "0", "0", "6", "0", "7" }, boss:run(nil, [[
      local function sum()
        local all = { 0, 0, 0, 0, 0 }
        for i = 1, 3 do
          local list = { pomelua.await(app.rpc.connector.probe.run.toServer, "connector-" .. i, [=[
            local counts, closers, calls = node:counts(), 0, 0
            for _ in pairs(app._server.closers) do closers = closers + 1 end
            for _ in pairs(app._server.rpc.calls) do calls = calls + 1 end
            cb(nil, counts.requestsOpen, counts.rpcWaiting, closers, calls, counts.sessions)
          ]=]) }
          for k = 1, 5 do all[k] = all[k] + list[k] end
        end
        -- This very request, and the call that asks the server that it comes from.
        all[1], all[2], all[4] = all[1] - 1, all[2] - 1, all[4] - 1
        return all
      end
      local all
      for _ = 1, 1000 do
        all = sum()
        if all[1] == 0 and all[2] == 0 then break end
        pomelua.sleep(5)
      end
      return show(unpack(all))
    ]]))
  end)

  it("leave in order when the servers stop: their listeners still reach other servers", function()
    local here = {}
    for i = 1, 12 do here[i] = enter(9000 + i, i % 2 == 0) end
    local first = over == "bus" and app:part("connector-1").process or app.process
    first:kill("sigterm")
    for _, client in ipairs(here) do
      assert.are.same({}, client:rest())
    end
    for _, client in ipairs(app.clients) do client:close() end
    assert.are.equal(0, (first:waitExit()))
    app.process:kill("sigterm")
    assert.are.equal(0, (app.process:waitExit()))
    local seen = 0
    for _ in app.process.err:gmatch("chat%-1 left user%-90%d%d\n") do seen = seen + 1 end
    assert.are.equal(12, seen)
  end)
end)
