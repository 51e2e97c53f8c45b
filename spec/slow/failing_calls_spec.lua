-- System calls that fail or do half of what they were asked for (tools/preload/fail_calls.c): what
-- a kernel under load does rarely, it does here all the time.
-- It measures nothing: another one may run beside it.

local app = require "spec.support.app"
local game = require "spec.support.game"
local harms = require "spec.support.harm"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"

local ROUNDS = tonumber(os.getenv("POMELUA_ROUNDS")) or 100

describe("under system calls that fail", function()
  local harm

  after_each(function()
    net.closeAll()
    harm:close()
  end)

  local function start(what, one_in, opts)
    harm = harms.new("fail_calls", { FAULT_WHAT = what, FAULT_ONE_IN = tostring(one_in) })
    opts.env = harm.env
    local g = game.start(opts)
    harm:switch(true)
    return g
  end

  local function finish(g, patterns)
    harm:switch(false)
    g:finish(patterns)
    assert.is_true(harm:count() > ROUNDS / 5, harm:count() .. " calls were harmed")
  end

  -- These are no errors: nothing may be lost, doubled or mixed.
  for _, case in ipairs {
    { "short reads and writes", "s", 2 }, { "EAGAIN and EINTR", "ei", 4 },
    { "a busy ring", "u", 3 }, { "all of these", "seiu", 5 },
  } do
    for _, ring in ipairs { true, false } do
      if ring or case[2] ~= "u" then
        it(("every push and every answer arrives: %s, ioUring %s"):format(case[1], tostring(ring)),
          function()
            local g = start(case[2], case[3], { members = 6, ioUring = ring })
            for i = 1, ROUNDS do g:round(i % 40 * (i % 7 == 0 and 1500 or 20)) end
            finish(g)
          end)
      end
    end
  end

  -- These end connections: the server must go on, and be as good as new afterwards.
  for _, case in ipairs {
    { "ECONNRESET", "r" }, { "ENOBUFS", "b" }, { "no memory for the ring", "m" },
    { "ECONNABORTED and EMFILE", "a" }, { "all of these", "rbmaseiu" },
  } do
    it("the server goes on, and is whole afterwards: " .. case[1], function()
      local g = start(case[2], 10, { members = 8 })
      local port = g.server.ports["connector-1"]
      local answers, ends = 0, 0
      for i = 1, ROUNDS do
        local ok, client = pcall(pomelo.connect, port, i % 2 == 0 and "ws" or "tcp")
        local got = ok and client:request("chat.chatHandler.twice", { n = i }, 500)
        if got then
          assert.same({ 200, 2 * i }, { got.code, got.n })
          answers = answers + 1
        else
          ends = ends + 1
        end
        if ok then
          -- A push to many at once, of whom some will have been cut off.
          client:notify("chat.chatHandler.say", { n = i, size = 50 })
          client:close()
        end
      end
      assert.is_true(answers > 0, ends .. " ends")
      assert.is_nil(g.server.process.code)
      harm:switch(false)
      g.said = ROUNDS
      g.members = { g:enter("late", "ws"), g:enter("later", "tcp") }
      for _ = 1, 20 do g:round(100) end
      g:finish { "accept", app.CUT }
      assert.is_true(harm:count() > ROUNDS / 20, harm:count() .. " calls were harmed")
    end)
  end
end)
