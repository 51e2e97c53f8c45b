-- Pushes to clients that read too slowly, and pushes to one session, over real sockets.

local cjson = require "cjson"
local probe = require "spec.support.probe"

local COUNT = "return node:counts()"

describe("a push to a client that is behind", function()
  local app, boss, fast, slow

  -- Those that do not read stay for as long as a busy machine needs.
  setup(function()
    app = probe.start 'app:set("connectorConfig", { distinctHost = true, queueTime = 120000 })'
  end)
  teardown(function() app:finish() end)

  before_each(function()
    boss = app:client("connector-2")
    fast = app:client("connector-1", { uid = "fast" })
    slow = {}
    for i, ws in ipairs { false, true } do
      slow[i] = app:client("connector-1", { uid = "slow-" .. i, ws = ws })
      slow[i].conn.tcp:recv_buffer_size(4096)
      slow[i].conn:pause()
    end
    boss:run("chat", [[
      keep.room = app:get("channelService"):createChannel("room")
      for _, uid in ipairs { "fast", "slow-1", "slow-2" } do keep.room:add(uid, "connector-1") end
      return 1
    ]])
  end)
  after_each(function()
    boss:run("chat", "keep.room:destroy() return 1")
    app:clear()
  end)

  -- Pushes n updates of 1 KiB, a turn apart, and waits until the fast client has all of them.
  local function push(n, opts)
    local before = fast:run("connector", COUNT)
    boss:run("chat", [[
      for i = 1, args.n do
        keep.room:pushMessage("onMove", { n = i, fill = ("x"):rep(1000) }, args.opts)
        pomelua.sleep(1)
      end
      return 1
    ]], { n = n, opts = opts })
    local last = 0
    while last < n do last = cjson.decode(assert(fast:push()).body).n end
    local after, grown = fast:run("connector", COUNT), {}
    for name, value in pairs(after) do grown[name] = value - (before[name] or 0) end
    grown.latestWaiting = after.latestWaiting
    return grown
  end

  -- The numbers of the updates that a slow client gets once it reads, up to `last`.
  local function read(client, last)
    local list = {}
    client.conn:resume()
    repeat
      list[#list + 1] = cjson.decode(assert(client:push()).body).n
    until list[#list] >= last
    for i = 2, #list do assert.is_true(list[i] > list[i - 1]) end
    return list
  end

  it("that is latest waits alone, and the client stays", function()
    local grown = push(300, { delivery = "latest" })
    assert.equal(2, grown.latestWaiting)
    assert.equal(0, grown.closedSlow)
    assert.is_true(grown.pushesReplaced >= 2 * 250, grown.pushesReplaced)
    for _, client in ipairs(slow) do
      local got = read(client, 300)
      assert.is_true(#got <= 50, #got) -- what was on its way, and the newest
      assert.equal(300, got[#got])
      assert.equal("here", client:run("connector", "return 'here'"))
    end
    assert.equal(0, fast:run("connector", COUNT).latestWaiting)
  end)

  it("that is dropped is not sent later", function()
    local grown = push(300, { delivery = "drop" })
    assert.equal(0, grown.closedSlow)
    assert.is_true(grown.pushesDropped >= 2 * 250, grown.pushesDropped)
    boss:run("chat", [[ keep.room:pushMessage("onMove", { n = 1000 }) return 1 ]])
    local got = 0
    for _, client in ipairs(slow) do got = got + #read(client, 1000) - 1 end
    assert.equal(600, got + grown.pushesDropped)
  end)
end)

describe("session:send", function()
  local app

  setup(function() app = probe.start() end)
  teardown(function() app:finish() end)
  after_each(function() app:clear() end)

  for where, stype in pairs { ["its frontend"] = "connector", ["another server"] = "chat" } do
    it("from " .. where .. " reaches one connection, bound or not", function()
      local one, other = app:client("connector-1"), app:client("connector-1")
      assert.is_true(one:run(stype, [[ return (session:send("onX", { m = 1 })) ]]))
      assert.equal("onX", assert(one:push()).route)
      one:run(stype, "session:bind('ann', tell)")
      other:run(stype, "session:bind('ann', tell)")
      assert.is_true(other:run(stype, [[ return (session:send("onY", { m = 2 })) ]]))
      assert.equal("onY", assert(other:push()).route)
      one:run(stype, [[ session:send("onZ", { m = 3 }) return 1 ]])
      assert.equal("onZ", assert(one:push()).route)
    end)
  end
end)
