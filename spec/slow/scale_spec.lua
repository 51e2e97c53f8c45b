-- What the table of docs/cluster.md (How far it goes) says, in small: a request and a push, over a
-- real broker. cluster_sixty_spec has the directory.
local app = require "spec.support.app"
local broker = require "spec.support.broker"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local probe = require "spec.support.probe"

-- What docs/cluster.md says, in bytes, beside the bodies: a request with its answer, and a push to
-- a frontend.
local REQUEST, PUSH = 300, 200

describe("what goes over the bus", function()
  local one, game, client, front

  setup(function()
    one = broker.start()
    -- No heartbeat disturbs the count.
    game = parts.new(probe.files(), { urls = { one.url }, heartbeat = 60, timeout = 120 })
    front = probe.of(game:start("connector-1"))
    game:start("connector-2")
    game:start("chat-1")
    client = front:client("connector-1", { uid = "ann" })
    assert(net.wait(function()
      return client:run("chat", "return { n = #app:getServersByType('connector') }").n == 2
    end, app.patience))
  end)
  teardown(function()
    if game then game:close() end
    broker.closeAll()
    net.closeAll()
  end)

  -- Messages and bytes on the bus for each of n times.
  local function cost(n, fn)
    local from = one:facts "varz"
    for _ = 1, n do fn() end
    local to = one:facts "varz"
    return (to.in_msgs - from.in_msgs) / n, (to.in_bytes - from.in_bytes) / n
  end

  it("for a request that another process answers", function()
    local lua = "return { a = 1 }"
    local messages, bytes = cost(100, function() client:run("chat", lua) end)
    print(("a request and its answer: %.2f messages, %.0f bytes"):format(messages, bytes))
    assert.is_true(messages <= 2.1, messages)
    assert.is_true(bytes <= REQUEST + #lua + 20, bytes)
  end)

  it("for a push to a room on two frontends", function()
    client:run("chat", [[
      local room = app:get("channelService"):getChannel("room", true)
      for i = 1, 100 do
        room:add("uid-" .. i, i % 2 == 0 and "connector-1" or "connector-2")
      end
      room:add("ann", "connector-1")
      keep.room = room
      return {}
    ]])
    local messages, bytes = cost(100, function()
      client:run("chat", 'keep.room:pushMessage("onNews", { text = "hello" }) return {}')
    end)
    print(("a push in a request: %.2f messages, %.0f bytes"):format(messages, bytes))
    assert.is_true(messages <= 4.1, messages)
    assert.is_true(bytes <= REQUEST + 2 * PUSH + 200, bytes)
  end)
end)
