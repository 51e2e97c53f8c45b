-- Cluster channels with real servers, frontends and clients, in one process and in several over a
-- broker: members join by one server, are pushed to by others, and stay whatever happens to these.
local appSupport = require "spec.support.app"
local both = require "spec.support.both"
local net = require "spec.support.net"

-- Each frontend, and each server that pushes, has a process of its own.
local SPREAD = {
  { "connector-1", "connector-3", "gate-1" }, { "connector-2" },
  { "chat-1", "room-1" }, { "chat-2", "chat-3", "room-2" },
}

local ROOM = [[
  local room = app:get("channelService"):getChannel("room", true, { scope = "cluster" })
]]

both.describe("a cluster channel", function(start, over)
  local app, boss

  setup(function() app = start(nil, nil, SPREAD) end)
  teardown(function() app:finish() end)
  before_each(function() boss = app:client("gate-1") end)
  after_each(function()
    boss:run("room", ROOM .. "return show(room:destroy())", nil, { to = "room-1" })
    app:clear()
  end)

  -- The text runs on a server, room-1, room-2 or one of the chat servers; it sees `room`.
  local function at(id, text, args)
    if id == "chat" then return boss:run("chat", ROOM .. text, args) end
    return boss:run("room", ROOM .. text, args, { to = id })
  end

  local function members(id)
    return table.concat(at(id, [[
      local list = room:getMembers()
      table.sort(list)
      return list
    ]]), " ")
  end

  it("is joined by one server and pushed to by others, each member once", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob", ws = true })
    local cat = app:client("connector-2", { uid = "cat" })
    assert.same({ "true" }, at("room-1", "return show(room:add('ann', 'connector-1'))"))
    assert.same({ "true" }, at("room-2", "return show(room:add('bob', 'connector-2'))"))
    assert.same({ "true" }, at("chat", "return show(room:add('ann', 'connector-1'))"))
    for _, id in ipairs { "room-1", "room-2", "chat" } do
      assert.same({ "nil", "[]" }, at(id, "room:pushMessage('on' .. args, { 1 }, tell)",
        id:gsub("%W", "")))
    end
    assert.equal("onroom1 onroom2 onchat", (ann:pushed()))
    assert.equal("onroom1 onroom2 onchat", (bob:pushed()))
    assert.equal("", (cat:pushed()))
    assert.equal("ann bob", members "room-2")
    assert.same({ "2" }, at("room-1", "return show(room:getUserAmount())"))
    assert.same({ '{"uid":"bob","sid":"connector-2"}' }, at("chat", [[
      local found = room:getMember("bob")
      return { ('{"uid":"%s","sid":"%s"}'):format(found.uid, found.sid) }
    ]]))
  end)

  it("is counted by pomelua list", function()
    app:client("connector-2", { uid = "bob" })
    at("room-1", "return show(room:add('bob', 'connector-2'))")
    local args = { "list", "--counters", "-d", app.dir }
    if over == "bus" then
      args[5], args[6] = "--pid", tostring(app:part("connector-2").process.pid)
    end
    local tool = net.spawn(net.built("pomelua"), args)
    assert.equal(0, tool:waitExit(appSupport.patience), tool.err)
    assert.matches("connector%-2 +connector[^\n]+ 1 +1 +[%d.]+ MiB", tool.out) -- sessions, channels
    assert.matches("connector%-2 +clusterMembers +1\n", tool.out)
  end)

  it("takes the session of a handler, also on its own frontend", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob" })
    assert.same({ "true" }, ann:run(nil, ROOM .. "return show(room:add(session))"))
    assert.same({ "true" }, bob:run("chat", ROOM .. "return show(room:add(session))"))
    bob:run(nil, ROOM .. "room:pushMessage('onX', { 1 }, { except = { 'bob' } }, tell)")
    assert.equal("onX", (ann:pushed()))
    assert.equal("", (bob:pushed()))
    assert.same({ "true" }, ann:run("chat", ROOM .. "return show(room:leave(session))"))
    assert.equal("bob", members "chat")
  end)

  it("keeps the order of one server, with large, latest and small pushes between", function()
    local ann = app:client("connector-1", { uid = "ann" })
    at("room-1", "return show(room:add('ann', 'connector-1'))")
    at("room-2", [[
      for i = 1, 100 do
        room:pushMessage("on" .. i, { pad = ("x"):rep(i % 10 == 0 and 20000 or 1) })
      end
      room:pushMessage("end", { 1 }, { delivery = "latest", key = 1 }, tell)
    ]])
    local expected = {}
    for i = 1, 100 do expected[i] = "on" .. i end
    expected[101] = "end"
    assert.equal(table.concat(expected, " "), (ann:pushed()))
  end)

  it("is left by a client that goes, without a word of the game's", function()
    local ann = app:client("connector-1", { uid = "ann" })
    app:client("connector-1", { uid = "bob" })
    at("room-1", "return show(room:add('ann', 'connector-1'), room:add('bob', 'connector-1'))")
    ann:close()
    assert(net.wait(function() return members "room-2" == "bob" or nil end, appSupport.patience))
  end)
end)
