-- Users on several frontends, on real threads and sockets: one session of a user (kick-old),
-- app:locate and app:kick, with logins at the same time, a frontend that does not answer for a
-- while and one that is restarted. Over memory; over NATS it is the same code.

local appSupport = require "spec.support.app"
local files = require "spec.support.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local probe = require "spec.support.probe"

local SETTINGS = [[
  app:set("sessionConfig", { singleSession = "kick-old", frontendTimeout = 400 })
  app:set("serverConfig", { budget = 60000 })
]]

-- Stands still until somebody opens that FIFO to write: this server answers nobody meanwhile.
local FREEZE = [[
  local file = io.open(args .. "-begun", "w")
  file:close()
  io.open(args):close()
]]

-- Where a user is, as text: "connector-1:1" is one session there.
local LOCATE = [[
  local list = {}
  for _, place in ipairs((app:locate(args))) do
    list[#list + 1] = place.frontendId .. ":" .. #place.sids
  end
  table.sort(list)
  return #list > 0 and table.concat(list, " ") or "nowhere"
]]

describe("a user on several frontends", function()
  local app, other

  setup(function()
    app = probe.start(SETTINGS)
  end)
  teardown(function() app:finish { "does not answer", "did not answer", "was not told" } end)
  before_each(function() other = app:client "gate-1" end)
  after_each(function() app:clear() end)

  local function where(uid) return other:run("chat", LOCATE, uid) end

  -- Waits until a user is where the text says.
  local function await(uid, text)
    local got
    local ok = net.wait(function()
      got = where(uid)
      return got == text
    end, appSupport.patience)
    assert(ok, ("%s: %s and not %s"):format(uid, tostring(got), text))
  end

  it("has one session: the older one ends on the other frontend, with a KICK", function()
    local first = app:client("connector-1", { uid = "ann" })
    await("ann", "connector-1:1")
    local second = app:client("connector-2", { uid = "ann", ws = true })
    assert.are.equal('{"reason":"kick"}', first:kicked())
    await("ann", "connector-2:1")
    assert.are.equal("ann", second:run("chat", "return session.uid"))
    local third = app:client("connector-3")
    assert.are.same({ "nil" }, third:run("chat", "session:bind('ann', tell)")) -- from a backend
    assert.are.equal('{"reason":"kick"}', second:kicked())
    await("ann", "connector-3:1")
  end)

  it("has exactly one of logins at the same time left", function()
    for round = 1, 3 do
      local clients, uid = {}, "racer " .. round
      for i = 1, 6 do clients[i] = app:client("connector-" .. (i - 1) % 3 + 1) end
      for i, one in ipairs(clients) do
        one:askRun(i % 2 == 0 and "chat" or nil, "session:bind(args, tell)", uid)
      end
      local kicked = 0
      for _, one in ipairs(clients) do -- bound, or ended before that was told
        one.over = assert(one:nextPackage()).type == pomelo.KICK
        kicked = kicked + (one.over and 1 or 0)
      end
      local places
      net.wait(function()
        places = where(uid)
        return places:find("^connector%-%d:1$")
      end, appSupport.patience)
      assert.matches("^connector%-%d:1$", places)
      for _, one in ipairs(clients) do
        if not one.over then
          one:askRun(nil, "return session.uid")
          kicked = kicked + (assert(one:nextPackage()).type == pomelo.KICK and 1 or 0)
        end
      end
      assert.are.equal(places, where(uid)) -- it stays
      assert.are.equal(5, kicked)
    end
  end)

  it("is kicked on all frontends, from any server, with the number of sessions", function()
    local one = app:client("connector-1", { uid = "cid" })
    await("cid", "connector-1:1")
    assert.are.same({ "nil", "1", "[]" },
      other:run("chat", "app:kick('cid', 'bye', function(err, n, silent) "
        .. "tell(err, n, pomelua.array(silent)) end)"))
    assert.are.equal('{"reason":"bye"}', one:kicked())
    await("cid", "nowhere")
    assert.are.same({ 0, 0 },
      other:run("room", "local n, silent = app:kick('cid') return { n, #silent }", nil,
        { to = "room-1" }))
  end)

  it("stays in a channel by its new session when the old one ends", function()
    local join = [[
      local channel = app:get("channelService"):getChannel("hall", true)
      channel:add(session)
      return channel:getMembers()
    ]]
    local first = app:client("connector-1", { uid = "hal" })
    assert.are.same({ "hal" }, first:run("chat", join))
    local second = app:client("connector-2")
    second:run(nil, "session:bind('hal', tell)")
    second:run("chat", join)
    assert.are.equal('{"reason":"kick"}', first:kicked())
    first:rest()
    -- The user's servers are chosen by the uid, so this is the server of the channel.
    assert.is_true(second:run("chat", [[
      local channel = app:get("channelService"):getChannel("hall")
      while channel:getUserAmount() > 1 do pomelua.sleep(1) end
      return channel:getMember("hal").sid == "connector-2"
    ]]))
    assert.are.same({ "nil", "[]" }, second:run("chat", [[
      app:get("channelService"):getChannel("hall"):pushMessage("onHall", { text = "x" }, nil, tell)
    ]]))
    assert.are.equal("onHall", second:pushed())
  end)

  it("does not wait for a frontend that does not answer, and is found there later", function()
    local old = app:client("connector-3", { uid = "dan" })
    local busy = app:client("connector-3")
    await("dan", "connector-3:1")
    local thaw = app.dir .. "/thaw"
    assert(os.execute(("mkfifo '%s'"):format(thaw)) == 0)
    local function go_on() assert(io.open(thaw, "r+")):close() end
    finally(go_on)
    local frozen = busy:askRun(nil, FREEZE .. "return true", thaw)
    assert(net.wait(function() return files.exists(thaw .. "-begun") end, appSupport.patience))
    local new = app:client("connector-2", { uid = "dan" })
    assert.are.equal("dan", new:run(nil, "return session.uid"))
    local got = other:run("chat", [[
      local n, silent = app:kick('nobody')
      return { n, unpack(silent) }
    ]])
    assert.are.same({ 0, "connector-3" }, got)
    go_on()
    assert.is_truthy(busy:answer(frozen))
    assert.are.equal('{"reason":"kick"}', old:kicked())
    await("dan", "connector-2:1")
    assert.is_true(other:run(nil, "return app:getCounters().sessionsReplaced >= 0"))
  end)

  it("stays where it is when another frontend is restarted, and nobody else is touched", function()
    local eve = app:client("connector-1", { uid = "eve" })
    local fay = app:client("connector-2", { uid = "fay" })
    await("fay", "connector-2:1")
    local stored = fay:run("chat", "keep.stored = session:export() return true")
    assert.is_true(stored)
    local from = #app.process.out
    local tool = net.spawn(net.built "pomelua", { "restart", "connector-2", "-d", app.dir })
    assert.are.equal(0, tool:waitExit(appSupport.patience), tool.out .. tool.err)
    app.ports["connector-2"] = tonumber(net.wait(function()
      return app.process.out:sub(from + 1):match(" listening on [^\n]-:(%d+)\n")
    end, appSupport.patience))
    await("fay", "nowhere")
    await("eve", "connector-1:1")
    local gus = app:client("connector-2", { uid = "gus" })
    app:client("connector-2", { uid = "fay" })
    await("fay", "connector-2:1")
    await("gus", "connector-2:1")
    -- A login of the restarted frontend reaches the others, and theirs reach it.
    app:client("connector-2", { uid = "eve" })
    assert.are.equal('{"reason":"kick"}', eve:kicked())
    app:client("connector-3", { uid = "gus" })
    assert.are.equal('{"reason":"kick"}', gus:kicked())
    await("gus", "connector-3:1")
    await("fay", "connector-2:1")
  end)
end)
