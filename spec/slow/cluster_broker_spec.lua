-- Faults of the broker and of the way to it, under an app in four processes. What must come of
-- each: the clients stay connected; each request is answered within its deadline, with an error
-- when it must be; pushes come in order, once or not at all; no server is gone for another one;
-- and within 3 s of the broker's return all is served as before.
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local net = require "spec.support.net"
local proxy = require "spec.support.proxy"

describe("an app whose broker", function()
  local app, one, near, far, room

  after_each(function()
    if app then app:finish { "no answer from server", "is not there" } end
    app = nil
    broker.closeAll()
    net.closeAll()
  end)

  local function begin(bus, spread, settings)
    app = fault.start(bus, { spread = spread, settings = settings })
    room = fault.room(app, "chat-1", { ann = "connector-1", bob = "connector-2" })
    near, far = fault.asker(app, "connector-1"), fault.asker(app, "connector-2")
    near:good(20)
    far:good(20)
  end

  -- Nobody has lost anything but what was on its way; lost: whether pushes may be missing.
  local function as_before(lost)
    near:served(3000)
    far:served(3000)
    local missing = room:check()
    assert(lost or missing == 0, missing .. " pushes are missing")
    fault.nobody_gone(app)
    fault.quiet(app, fault.IDS)
  end

  it("is killed and started again", function()
    one = broker.start()
    begin { urls = { one.url } }
    one:kill()
    near:lost(1000)
    far:lost(1000)
    near:bad(20)
    one:restart()
    as_before(true)
  end)

  it("is away for longer than the timeout", function()
    one = broker.start()
    begin { urls = { one.url } }
    one:kill()
    near:lost(1000)
    near:bad_for(2500) -- of a timeout of 1 s
    one:restart()
    as_before(true)
  end)

  it("stands still for longer than the ping limit, and goes on", function()
    one = broker.start()
    begin { urls = { one.url } }
    one:freeze()
    near:lost(2000)
    for _, part in ipairs(app.parts) do part:says("the connection to the broker is lost") end
    far:bad(20)
    one:thaw()
    as_before(true)
  end)

  it("stands still for longer than the timeout and shorter than the ping limit", function()
    one = broker.start()
    begin { urls = { one.url } }
    one:freeze()
    near:lost(2000)
    near:bad_for(1500)
    one:thaw()
    as_before(true)
  end)

  it("is one of three, and dies", function()
    local three = broker.cluster(3)
    begin { urls = three.urls }
    for i = 1, 3 do
      three[i]:kill()
      as_before(true)
      three[i]:restart()
      three[i]:joined()
      as_before(true)
    end
  end)

  it("is reached over a slow link by one process, which slows no other", function()
    one = broker.start()
    local slow = proxy.start(one.port, { delay = 50, rate = 131072 })
    begin({ urls = { one.url }, timeout = 5 }, {
      { "connector-1" }, { "connector-2" }, { "chat-1" },
      { "chat-2", args = { "--bus", "nats://127.0.0.1:" .. slow.port } },
    }, [[ app:set("serverConfig", { forwardTimeout = 2500, timeout = 60000 }) ]])
    local fast = fault.asker(app, "connector-1", { to = "chat-1" })
    local behind = fault.asker(app, "connector-1", { to = "chat-2" })
    local before = fast:took(50)
    -- 100 kB, which the link needs 0.8 s for.
    near.client:run("chat", [[
      local list = {}
      for i, uid in ipairs { "ann", "bob" } do
        list[i] = { uid = uid, sid = "connector-" .. i }
      end
      for _ = 1, 10 do
        app:get("channelService"):pushMessageByUids("onBig", { text = ("x"):rep(5000) }, list)
      end
      return true
    ]], nil, { to = "chat-2" })
    behind:served(8000)
    local during = fast:took(50)
    assert(during < 3 * before + 20,
      ("%.1f ms instead of %.1f ms"):format(during, before))
    as_before(false)
  end)
end)
