-- A chat server that is killed with -9 and started again, in an app of three processes over a
-- broker: it has its channels and members back, those who are still connected get its pushes, and
-- those who left meanwhile are taken out.
-- It measures nothing: another one may run beside it.
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local net = require "spec.support.net"

local STORE = [[
  app:configure("all", "chat", function()
    app:set("channelConfig", {
      autoLeave = true, removeEmpty = true, pushTimeout = 500,
      store = require("pomelua.channel_store").sqlite { file = "data/channels.db" },
    })
  end)
]]

describe("a chat server with the channel store that is killed", function()
  local app, one

  before_each(function()
    one = broker.start()
    app = fault.start({ urls = { one.url } }, { settings = STORE })
  end)
  after_each(function()
    app:finish { "was lost", "superseded", "is not there" }
    broker.closeAll()
    net.closeAll()
  end)

  local function members(boss)
    return boss:run("chat", [[
      local channel = app:get("channelService"):getChannel("lobby", false)
      local list = channel and channel:getMembers() or {}
      table.sort(list)
      return table.concat(list, " ")
    ]], nil, { to = "chat-1" })
  end

  -- Asks until the check says true.
  local function wait(check)
    local last = net.ms() + 20000
    while not check() do
      assert(net.ms() < last, "it has not come in time")
      net.wait(function() end, 5)
    end
  end

  local function push(boss, n)
    boss:run("chat", [[
      app:get("channelService"):getChannel("lobby", false):pushMessage("onSay", { n = args })
      return true
    ]], n, { to = "chat-1" })
  end

  it("has its channels and members back, and pushes reach the sessions that are there", function()
    local boss = app:client("connector-1")
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob" })
    local eve = app:client("connector-2", { uid = "eve" })
    boss:run("chat", [[
      local channel = app:get("channelService"):getChannel("lobby", true)
      channel:add("ann", "connector-1") channel:add("bob", "connector-2")
      channel:add("eve", "connector-2")
      return true
    ]], nil, { to = "chat-1" })
    push(boss, 1)
    for _, client in ipairs { ann, bob, eve } do
      assert.equal(1, assert(client:push()).msg.n)
    end
    app:part("chat-1"):kill()
    app:again("chat-1", true)
    fault.asker(app, "connector-1", { to = "chat-1" }):served(3000)
    assert.equal("ann bob eve", members(boss))
    push(boss, 2)
    for _, client in ipairs { ann, bob, eve } do
      assert.equal(2, assert(client:push()).msg.n)
    end
    -- Who leaves meanwhile is no member any more, at the latest after the first push.
    app:part("chat-1"):kill()
    eve:close()
    app:again("chat-1", true)
    fault.asker(app, "connector-1", { to = "chat-1" }):served(3000)
    push(boss, 3)
    for _, client in ipairs { ann, bob } do
      assert.equal(3, assert(client:push()).msg.n)
    end
    wait(function() return members(boss) == "ann bob" end)
    -- The end of a session is heard of as before.
    bob:close()
    wait(function() return members(boss) == "ann" end)
  end)
end)
