-- A server that is restarted while others still owe it something: what they owe reaches nobody
-- else, and everybody forgets what the one before had open.
local appSupport = require "spec.support.app"
local both = require "spec.support.both"
local net = require "spec.support.net"

-- Waits in a handler until another client lets everybody go on.
local HOLD = [[
  keep.held = keep.held or {}
  pomelua.await(function(cb) table.insert(keep.held, cb) end)
]]
local LET_GO = [[
  local held = keep.held or {}
  keep.held = {}
  for _, cb in ipairs(held) do cb(nil, true) end
  return #held
]]
local HELD = "while #(keep.held or {}) < args do pomelua.sleep(1) end return true"

-- Over the bus it is killed, so that it can tell nobody.
local PARTS = {
  { "connector-1" }, { "connector-2", "connector-3", "gate-1" },
  { "chat-1" }, { "chat-2", "chat-3", "room-2" }, { "room-1" },
}

both.describe("a server that is restarted", function(start, over)
  local app, other

  before_each(function()
    app = start([[
      app:set("serverConfig", { stopGrace = 200, stopTimeout = 2000, drainTime = 0 })
    ]], nil, PARTS)
    other = app:client("gate-1")
  end)

  after_each(function()
    app:finish { "no answer from server", "restarted", "not stopped", "had to be cut" }
  end)

  -- cut: whether requests are open for which the server cannot wait: the tool says so.
  local function restart(id, cut)
    if over == "bus" then return app:again(id) end
    local from = #app.process.out
    local tool = net.spawn(net.built("pomelua"), { "restart", id, "-d", app.dir })
    local code = tool:waitExit(appSupport.patience)
    assert.are.equal(cut and 1 or 0, code, tool.out .. tool.err)
    local said = tool.out .. tool.err
    if cut then assert.matches("had to be cut: " .. id .. ": chat.probe.run", said, 1, true) end
    assert.is_nil(said:find("does not answer", 1, true))
    if not id:find("^connector") then return end
    local port = net.wait(function()
      return app.process.out:sub(from + 1):match(" listening on [^\n]-:(%d+)\n")
    end, appSupport.patience)
    app.ports[id] = tonumber(port)
  end

  it("leaves no answer, login, setting or kick to who connects after it", function()
    local before = {}
    for i = 1, 4 do before[i] = app:client("connector-1") end
    before[1]:askRun("chat", HOLD .. "return { owner = 'before' }")
    before[2]:askRun("chat", "keep.stored = session:export()" .. HOLD .. [[
      session:bind("ann", function(err) keep.bind = err end)
      session:set("admin", true)
      session:pushAll(function(err) keep.push = err end)
    ]])
    before[3]:askRun("chat", HOLD .. "session:kick('go away', function(err) keep.kick = err end)")
    before[4]:askRun("chat", HOLD .. "next(nil, { owner = 'before' })")
    assert.is_true(other:run("chat", HELD, 4))
    restart("connector-1", true)
    local after, asked = {}, {}
    for i = 1, 4 do
      after[i] = app:client("connector-1")
      asked[i] = after[i]:askRun("chat", HOLD .. "return { owner = args, id = session.id }", i)
    end
    assert.is_true(other:run("chat", HELD, 8))
    assert.are.equal(8, other:run("chat", LET_GO))
    local ids = {}
    for i = 1, 4 do
      local answer = assert(after[i]:nextMessage())
      assert.are.equal(asked[i], answer.id)
      assert.are.equal(i, answer.msg.owner)
      assert.is_nil(ids[answer.msg.id])
      ids[answer.msg.id] = true
      assert.are.same({ "nil", "nil" },
        after[i]:run(nil, "return show(session.uid, session:get('admin'))"))
    end
    for _, text in ipairs(other:run("chat", [[
      while not (keep.bind and keep.push and keep.kick) do pomelua.sleep(1) end
      return show(keep.bind, keep.push, keep.kick)
    ]])) do
      assert.matches("^error NOENT: session does not exist, sid: %d+: server connector%-1 was "
        .. "restarted since$", text)
    end
    -- What was stored of one is refused, whatever it is asked for.
    local stored = other:run("chat", [[
      local session = app:get("backendSessionService"):create(keep.stored)
      session:bind("ann", tell)
    ]])
    assert.matches("^error NOENT: .* restarted since$", stored[1])
    assert.are.same({ "nil" },
      after[1]:run(nil, "return show(app:get('sessionService'):getByUid('ann'))"))
  end)

  it("answers what it owed with an error, once, and then anew", function()
    local clients, asked = {}, {}
    for i = 1, 3 do
      clients[i] = app:client("connector-1")
      asked[i] = clients[i]:askRun("chat", HOLD .. "return { n = args }", i)
    end
    assert.is_true(other:run("chat", HELD, 3))
    local id = other:run("chat", "return app:getServerId()")
    restart(id, true)
    for i = 1, 3 do
      local answer = assert(clients[i]:nextMessage())
      assert.are.equal(asked[i], answer.id)
      assert.are.equal(500, answer.msg.code)
      assert.are.same({ n = i + 10 }, clients[i]:run("chat", "return { n = args }", i + 10))
    end
  end)

  it("ends the calls that others make to it, and takes no answers for its predecessor", function()
    local id = other:run("chat", "return app:getServerId()")
    app:client("gate-1"):askRun("chat", [[
      app.rpc.room.probe.run.toServer("room-1", "keep.owed = cb", function() keep.got = true end)
    ]])
    other:run("room", "while not keep.owed do pomelua.sleep(1) end return true", nil,
      { to = "room-1" })
    restart(id, true)
    assert.are.same({ "true" }, other:run("chat", [[
      app.rpc.room.probe.run.toServer("room-1", "keep.owed('stale') cb(true)",
        function(...) next(nil, show(...)) end)
    ]]))
    assert.are.same({ "nil" }, other:run("chat", "return show(keep.got)"))
  end)

  it("has none of the members of channels that it had", function()
    local one, two = app:client("connector-1", { uid = "ann" }), app:client("connector-2")
    two:bind("bob")
    other:run("chat", [[
      local channel = app:get("channelService"):getChannel("room", true)
      channel:add("ann", "connector-1")
      channel:add("bob", "connector-2")
      return true
    ]])
    one:close()
    restart("connector-1")
    assert.are.same({ '["bob"]', "1" }, other:run("chat", [[
      local channel = app:get("channelService"):getChannel("room", false)
      while channel:getUserAmount() > 1 do pomelua.sleep(1) end
      return show(channel:getMembers(), channel:getUserAmount())
    ]]))
  end)
end)
