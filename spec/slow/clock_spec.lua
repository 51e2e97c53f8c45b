-- A wall clock that is set while players are connected (tools/preload/clock_jump.c): time limits,
-- heartbeats and timers follow the monotonic clock, so nobody is lost and nothing comes early.
-- It measures nothing: another one may run beside it.

local game = require "spec.support.game"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local YEAR = 365 * 24 * 3600

describe("a wall clock that jumps", function()
  it("loses no client, closes nothing early and delays no answer", function()
    local dir = tree.new {}
    local jump = dir .. "/jump"
    local g = game.start { members = 4, env = {
      LD_PRELOAD = net.built("preload/clock_jump.so"), FAULT_JUMP = jump,
    } }
    for _, seconds in ipairs { 0, 3600, -3600, YEAR, -YEAR, 20 * YEAR, 0 } do
      local file = assert(io.open(jump, "w"))
      file:write(seconds)
      file:close()
      for _ = 1, 30 do g:round(20) end
      g.members[1]:request("connector.entryHandler.note", {})
    end
    g:finish()
    local jumped
    for year in g.server.process.err:gmatch("%f[^\n%z](%d%d%d%d)%-") do
      jumped = jumped or tonumber(year) > os.date("*t").year + 1
    end
    tree.remove(dir)
    assert.is_true(jumped, "no line of the log has the jumped clock")
  end)
end)
