-- Faults of processes under an app in four of them: killed, standing still, started twice. What
-- must come of each: requests for others are served all the time; those for the one that is gone
-- are answered with an error within the timeout; members of a frontend that is gone leave their
-- channels; and within 3 s of its return the server is served as before. Requests and pushes have
-- numbers.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local net = require "spec.support.net"

local HOLD = [[
  keep.held = (keep.held or 0) + 1
  pomelua.await(function() end)
]]
local HELD = "while (keep.held or 0) < args do pomelua.sleep(1) end return true"
describe("an app of which a process", function()
  local app, one, asker, far

  before_each(function()
    one = broker.start()
    app = fault.start { urls = { one.url } }
    asker = fault.asker(app, "connector-1")
    far = fault.asker(app, "connector-2")
    asker:good(10)
    far:good(10)
  end)

  after_each(function()
    app:finish { "no answer from server", "is not there", "was lost", "chat%.probe%.run",
      "superseded", "had to be cut" }
    broker.closeAll()
    net.closeAll()
  end)

  it("with a backend is killed while requests and calls wait for it", function()
    local waiting, asked = {}, {}
    for i = 1, 3 do
      waiting[i] = app:client(i == 2 and "connector-2" or "connector-1")
      asked[i] = waiting[i]:askRun("chat", HOLD, nil, { to = "chat-1" })
    end
    local caller = app:client("connector-2")
    local call = caller:askRun(nil,
      [[app.rpc.chat.probe.run.toServer("chat-1", "keep.held = keep.held + 1", tell)]])
    assert.is_true(app:client("connector-1"):run("chat", HELD, 4, { to = "chat-1" }))
    local begun = net.ms()
    app:part("chat-1"):kill()
    for i = 1, 3 do
      local answer, message = waiting[i]:answer(asked[i])
      assert(answer, message)
      assert.equal(500, answer.code)
    end
    local answer = assert(caller:answer(call))
    assert.matches("^error", answer[1])
    assert(net.ms() - begun < 9000, "it took " .. net.ms() - begun .. " ms") -- not that of a call
    local other = fault.asker(app, "connector-1", { to = "chat-2" })
    other:good(20)
    fault.sees(asker, "chat", "chat-2")
    fault.sees(far, "chat", "chat-2")
    asker:good(10)
    fault.quiet(app, { "connector-1", "connector-2", "chat-2" })
    app:again("chat-1", true)
    fault.asker(app, "connector-1", { to = "chat-1" }):served(3000)
    fault.asker(app, "connector-2", { to = "chat-1" }):served(3000)
    fault.quiet(app, fault.IDS)
  end)

  it("with a frontend of 1,000 members is killed: they leave their channels", function()
    local room = fault.room(app, "chat-1", { ann = "connector-1", bob = "connector-1" })
    local boss = app:client("connector-1")
    for i = 1, 1000 do app:client("connector-2", { uid = "user-" .. i, ws = i % 2 == 0 }) end
    local function amount()
      return boss:run("chat", [[
        local channel = app:get("channelService"):getChannel("numbers", false)
        return { n = channel:getUserAmount() }
      ]], nil, { to = "chat-1" }).n
    end
    boss:run("chat", [[
      keep.left = 0
      local channel = app:get("channelService"):getChannel("numbers", false)
      for i = 1, 1000 do channel:add("user-" .. i, "connector-2") end
      app:get("channelService"):getChannel("theirs", true):add("user-1", "connector-2")
      return true
    ]], nil, { to = "chat-1" })
    assert.equal(1002, amount())
    app:part("connector-2"):kill()
    assert(net.wait(function() return amount() == 2 end, apps.patience),
      "there are still " .. amount() .. " members")
    assert.equal(0, room:check())
    assert.equal("none", boss:run("chat", [[
      return app:get("channelService"):getChannel("theirs", false) and "there" or "none"
    ]], nil, { to = "chat-1" }))
    fault.quiet(app, { "connector-1", "chat-1", "chat-2" })
    app:again("connector-2", true)
    fault.asker(app, "connector-2"):served(3000)
    fault.quiet(app, fault.IDS)
    assert.equal(2, amount())
  end)

  it("with a backend stands still for longer than the timeout, and wakes", function()
    app:part("chat-1"):freeze()
    local meant = fault.asker(app, "connector-1", { to = "chat-1" })
    meant:bad(3)
    fault.sees(asker, "chat", "chat-2")
    fault.sees(far, "chat", "chat-2")
    asker:good(20)
    app:part("chat-1"):thaw()
    meant:served(3000)
    fault.asker(app, "connector-2", { to = "chat-1" }):served(3000)
    fault.sees(asker, "chat", "chat-1 chat-2")
    asker:good(20)
    fault.quiet(app, fault.IDS)
  end)

  it("with a frontend stands still for longer than the timeout, and wakes", function()
    local room = fault.room(app, "chat-1", { ann = "connector-1", bob = "connector-1" })
    local client = app:client("connector-2", { uid = "eve" })
    local boss = app:client("connector-1")
    local function theirs()
      return boss:run("chat", [[
        local channel = app:get("channelService"):getChannel("theirs", false)
        return { n = channel and channel:getUserAmount() or 0 }
      ]], nil, { to = "chat-1" }).n
    end
    local ENTER = [[
      app:get("channelService"):getChannel("theirs", true):add("eve", "connector-2")
      return true
    ]]
    boss:run("chat", ENTER, nil, { to = "chat-1" })
    assert.equal(1, theirs())
    app:part("connector-2"):freeze()
    assert(net.wait(function() return theirs() == 0 end, apps.patience))
    assert.equal(0, room:check())
    app:part("connector-2"):thaw()
    -- Its client is still there, bound, served and no member until it enters again.
    assert.equal("eve", client:run(nil, "return session.uid"))
    fault.sees(far, "chat", "chat-1 chat-2")
    fault.asker(app, "connector-2"):served(3000)
    client:run("chat", ENTER, nil, { to = "chat-1" })
    assert.equal(1, theirs())
    client:run("chat", [[
      app:get("channelService"):getChannel("theirs", true):pushMessage("onHello", { n = 1 })
      return true
    ]], nil, { to = "chat-1" })
    assert.equal("onHello", assert(client:push()).route)
    client:close()
    assert(net.wait(function() return theirs() == 0 end, apps.patience))
    fault.quiet(app, fault.IDS)
  end)

  it("with an id that another one has is refused while that one lives", function()
    local second = app.game:launch("chat-1")
    local status, err = second:ends()
    assert.equal(1, status)
    assert.matches("chat-1", err, 1, true)
    asker:good(20)
    fault.nobody_gone(app)
    fault.quiet(app, fault.IDS)
  end)

  it("takes an id over when its server stands still; that one ends when it wakes", function()
    local old = app:part("chat-1")
    old:freeze()
    local new = app:again("chat-1", true)
    local meant = fault.asker(app, "connector-1", { to = "chat-1" })
    meant:served(3000)
    fault.asker(app, "connector-2", { to = "chat-1" }):served(3000)
    old:thaw()
    local status = old:ends()
    assert.is_number(status)
    meant:good(20)
    asker:good(20)
    assert.is_nil(new.process.code)
    fault.quiet(app, fault.IDS)
  end)
end)
