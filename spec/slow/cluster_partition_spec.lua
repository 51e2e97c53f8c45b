-- A network that is cut between two groups of servers, each with a broker of its own. Each group
-- serves on by itself; members of the other group's frontends leave their channels; and within 3 s
-- of the healing all is one app again. Requests have numbers.
--
-- The cut is in the connection of the brokers: neither of them hears of it, as with a cable.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local net = require "spec.support.net"
local proxy = require "spec.support.proxy"

local CLUSTER = [[
server_name: %s
cluster { name: spec, listen: "127.0.0.1:-1", no_advertise: true, routes: [ %s ] }
]]

describe("a network that is cut between two groups of servers", function()
  local app, cable, far_url, near, far

  before_each(function()
    local one = broker.start { config = CLUSTER:format("near", "") }
    local port = assert(one.process:waitErr("Listening for route connections on [^\n]-:(%d+)\n"))
    cable = proxy.start(tonumber(port), { delay = 0, rate = 100e6 })
    local two = broker.start {
      config = CLUSTER:format("far", ('"nats://127.0.0.1:%d"'):format(cable.port)),
    }
    assert(net.wait(function() return two:facts("routez").num_routes > 0 end, apps.patience))
    far_url = two.url
    app = fault.start({ urls = { one.url } }, { spread = {
      { "connector-1" }, { "chat-1" },
      { "connector-2", args = { "--bus", far_url } }, { "chat-2", args = { "--bus", far_url } },
    } })
    near, far = fault.asker(app, "connector-1"), fault.asker(app, "connector-2")
    near:good(20)
    far:good(20)
  end)

  after_each(function()
    app:finish { "no answer from server", "is not there", "was lost", "newer life",
      "no answer in time", "%d+ records? of other servers did not come" }
    broker.closeAll()
    net.closeAll()
  end)

  -- Members of a channel on a chat server that are of a frontend.
  local function members(asker, at, sid)
    return asker.client:run("chat", [[
      local channel = app:get("channelService"):getChannel("room", true)
      local n = 0
      for _, uid in ipairs(channel:getMembers()) do
        local member = channel:getMember(uid)
        if member and member.sid == args then n = n + 1 end
      end
      return { n = n }
    ]], sid, { to = at }).n
  end
  local function enter(asker, at, uid, sid)
    asker.client:run("chat", [[
      app:get("channelService"):getChannel("room", true):add(args[1], args[2])
      return true
    ]], { uid, sid }, { to = at })
  end

  local function cut()
    cable.cut()
    fault.sees(near, "chat", "chat-1")
    fault.sees(far, "chat", "chat-2")
    fault.sees(near, "connector", "connector-1")
    fault.sees(far, "connector", "connector-2")
  end
  local function mend()
    cable.mend()
    near:served(3000)
    far:served(3000)
    for _, asker in ipairs { near, far } do
      fault.sees(asker, "chat", "chat-1 chat-2", 3000)
      fault.sees(asker, "connector", "connector-1 connector-2", 3000)
    end
  end

  it("heals, and nothing is left of the cut", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob" })
    for _, at in ipairs { "chat-1", "chat-2" } do
      enter(near, at, "ann", "connector-1")
      enter(near, at, "bob", "connector-2")
    end
    cut()
    near:good(50)
    far:good(50)
    assert.equal(1, members(near, "chat-1", "connector-1"))
    assert.equal(0, members(near, "chat-1", "connector-2"))
    assert.equal(0, members(far, "chat-2", "connector-1"))
    assert.equal(1, members(far, "chat-2", "connector-2"))
    mend()
    enter(near, "chat-1", "bob", "connector-2")
    near.client:run("chat", [[
      app:get("channelService"):getChannel("room", true):pushMessage("onHealed", { n = 1 })
      return true
    ]], nil, { to = "chat-1" })
    assert.equal("onHealed", assert(ann:push()).route)
    assert.equal("onHealed", assert(bob:push()).route)
    bob:close()
    assert(net.wait(function()
      return members(near, "chat-1", "connector-2") == 0
    end, apps.patience))
    fault.quiet(app, fault.IDS)
  end)

  it("that lasts for less than the timeout makes nobody gone", function()
    cable.cut()
    local till = net.ms() + 400 -- of a timeout of 1 s
    while net.ms() < till do
      near:ask()
      far:ask()
    end
    cable.mend()
    near:served(3000)
    far:served(3000)
    fault.nobody_gone(app)
    fault.quiet(app, fault.IDS)
  end)

  it("in which a server was started a second time: the later life stays", function()
    cut()
    local second = app:add { "chat-1", args = { "--bus", far_url } }
    fault.sees(far, "chat", "chat-1 chat-2")
    fault.asker(app, "connector-2", { to = "chat-1" }):served(3000)
    local first = app:part("chat-1")
    cable.mend()
    assert.is_number((first:ends()))
    app:left(first)
    near:served(3000)
    far:served(3000)
    fault.asker(app, "connector-1", { to = "chat-1" }):served(3000)
    assert.is_nil(second.process.code)
    fault.quiet(app, fault.IDS)
  end)
end)
