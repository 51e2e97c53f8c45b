-- Calls beside a flood of pushes, over a real broker: pairs of servers take turns in what waits for
-- the bus, so a call between two servers does not wait for the pushes between two others of the
-- same processes.
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local net = require "spec.support.net"

-- Pushes 60,000 bytes to a frontend, 64 at a time, until it is told to stop, or all has been said:
-- half a gigabyte. None is there to get them, so no client is what is slow.
local FLOOD = [[
  keep.pushed, keep.flood = 0, true
  local body = { text = ("x"):rep(60000) }
  local service = app:get("channelService")
  app:setTimeout(0, function()
    while keep.flood and keep.pushed < 9000 do
      for _ = 1, 64 do
        service:pushMessageByUids("onFlood", body, {{ uid = "nobody", sid = "connector-1" }}, nil,
          function(err) if err then keep.refused = (keep.refused or 0) + 1 end end)
        keep.pushed = keep.pushed + 1
      end
      pomelua.sleep(1)
    end
  end)
  while keep.pushed < 256 do pomelua.sleep(1) end
  return true
]]
-- Calls one after the other, each with a number, while the flood goes on. Says how many there were,
-- and how many pushes went out meanwhile.
local CALLS = [[
  local from, wrong, n, why = keep.pushed, 0, 0
  while n < 100 or keep.pushed < from + 1000 do
    n = n + 1
    local got, err = pomelua.await(function(cb)
      app.rpc.chat.probe.run.toServer(args, "local n, cb = ... cb(nil, n)", n, cb)
    end)
    if err or got ~= n then wrong, why = wrong + 1, tostring(err or got) end
  end
  return { calls = n, wrong = wrong, why = why, pushed = keep.pushed - from,
    refused = keep.refused or 0 }
]]

describe("calls beside a flood of pushes", function()
  local app, one, client

  before_each(function()
    one = broker.start()
    app = fault.start({ urls = { one.url } }, { settings = [[
      app:set("serverConfig", { awaitTimeout = 60000 })
    ]] })
    client = app:client "connector-2"
  end)
  after_each(function()
    app:finish { "no answer from server", "is not there", "had to be cut", "queue" }
    broker.closeAll()
    net.closeAll()
  end)

  it("are answered, each within its 500 ms, and the pushes go on meanwhile", function()
    assert.is_true(client:run("chat", FLOOD, nil, { to = "chat-1" }))
    local got = client:run("chat", CALLS, "chat-2", { to = "chat-1" })
    assert.equal(0, got.wrong, got.why)
    assert(got.calls >= 100 and got.pushed >= 1000,
      got.calls .. " calls, " .. got.pushed .. " pushes")
    assert(got.refused < got.pushed, "no push went out")
    client:run("chat", "keep.flood = false return true", nil, { to = "chat-1" })
  end)
end)
