-- Allocations of the scripts that fail (tools/preload/fail_alloc.c): an error in one call of the
-- game, and nothing else.
-- It measures nothing: another one may run beside it.

local app = require "spec.support.app"
local game = require "spec.support.game"
local harms = require "spec.support.harm"
local net = require "spec.support.net"

local ROUNDS = tonumber(os.getenv("POMELUA_ROUNDS")) or 1000

describe("under allocations that fail in scripts", function()
  local harm

  after_each(function()
    net.closeAll()
    harm:close()
  end)

  it("a request gets its answer or 500, and the server is whole afterwards", function()
    harm = harms.new("fail_alloc", { FAULT_ONE_IN = "5", FAULT_LEAST = "400" })
    local g = game.start { members = 2, env = harm.env,
      -- A handler's task that fails midway leaves its request to the deadline.
      first = 'jit.off()', code = 'app:set("serverConfig", { timeout = 200 })',
    }
    local client = g.members[1]
    harm:switch(true)
    local good, bad = 0, 0
    for i = 1, ROUNDS do
      local route = (i % 2 == 0 and "connector.entryHandler" or "chat.chatHandler") .. ".twice"
      local msg = client:request(route, { n = i, pad = ("p"):rep(i % 900) }, app.patience)
      assert(msg, g.server.process.err:sub(-2000))
      if msg.code == 200 then
        assert.equal(2 * i, msg.n)
        good = good + 1
      else
        assert.equal(500, msg.code)
        bad = bad + 1
      end
    end
    harm:switch(false)
    assert.is_true(good > 0 and bad > 0, ("%d answered, %d refused"):format(good, bad))
    g.members = { g:enter("late", "ws"), g:enter("later", "tcp") }
    for _ = 1, 20 do g:round(100) end
    g:finish { "not enough memory", "no answer within", " more: " }
  end)
end)
