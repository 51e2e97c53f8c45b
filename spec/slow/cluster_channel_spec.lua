-- Members of cluster channels when servers are restarted or killed, and when the broker is, in one
-- process and in several (spec/cluster/cluster_channel_spec.lua has what cluster channels do).
-- It measures nothing: another one may run beside it.
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
  teardown(function() app:finish { "it is not there" } end)
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

  -- Over the bus its process is killed.
  local function restart(id)
    if over == "bus" then return app:again(id) end
    local from = #app.process.out
    local tool = net.spawn(net.built("pomelua"), { "restart", id, "-d", app.dir })
    assert.equal(0, tool:waitExit(appSupport.patience), tool.out .. tool.err)
    if not id:find("^connector") then return end
    app.ports[id] = tonumber(net.wait(function()
      return app.process.out:sub(from + 1):match(" listening on [^\n]-:(%d+)\n")
    end, appSupport.patience))
  end

  it("keeps its members when the servers that made it and pushed to it are restarted", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob" })
    at("room-1", "return show(room:add('ann', 'connector-1'), room:add('bob', 'connector-2'))")
    for _, id in ipairs { "room-1", "room-2" } do restart(id) end
    assert.equal("ann bob", members "room-1")
    assert.same({ "nil", "[]" }, at("room-2", "room:pushMessage('onX', { 1 }, tell)"))
    assert.equal("onX", (ann:pushed()))
    assert.equal("onX", (bob:pushed()))
  end)

  it("loses exactly the members of a frontend that is restarted", function()
    local ann = app:client("connector-1", { uid = "ann" })
    app:client("connector-2", { uid = "bob" })
    at("room-1", "return show(room:add('ann', 'connector-1'), room:add('bob', 'connector-2'))")
    at("room-2", "room:pushMessage('onX', { 1 }, tell)")
    restart("connector-2")
    assert.equal("ann", members "room-1")
    local new = app:client("connector-2", { uid = "bob" })
    assert.same({ "nil", "[]" }, at("room-2", "room:pushMessage('onY', { 1 }, tell)"))
    assert.equal("onX onY", (ann:pushed()))
    assert.equal("", (new:pushed()))
    at("room-2", "return show(room:add('bob', 'connector-2'))")
    at("room-1", "room:pushMessage('onZ', { 1 }, tell)")
    assert.equal("onZ", (new:pushed()))
  end)

  if over ~= "bus" then return end

  it("is as it was when the broker is there again", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob" })
    at("room-1", "return show(room:add('ann', 'connector-1'), room:add('bob', 'connector-2'))")
    local function here(text) return boss:run(nil, ROOM .. text) end -- gate-1, beside connector-1
    assert.same({ "2" }, here "return show(room:getUserAmount())")
    app.broker:kill()
    assert(net.wait(function()
      return here "local list, err = room:getMembers() return { err and err.code or '' }"[1]
        == "NOENT" or nil
    end, appSupport.patience))
    here "room:pushMessage('onAlone', { 1 }) return show(true)"
    assert.equal("onAlone", (ann:pushed()))
    app.broker:restart()
    assert(net.wait(function()
      return here "return show(room:getUserAmount())"[1] == "2"
        and at("room-1", "return show(1)")[1] and at("room-2", "return show(1)")[1] or nil
    end, appSupport.patience))
    assert.same({ "nil", "[]" }, at("room-2", "room:pushMessage('onBack', { 1 }, tell)"))
    assert.equal("onBack", (ann:pushed()))
    assert.equal("onBack", (bob:pushed()))
  end)
end)
