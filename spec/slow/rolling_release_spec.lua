-- The same as rolling_spec.lua, and the servers that are started anew have another release: it adds
-- a route and a field of protobuf, so that dictionaries and definitions differ for a while.
-- It measures nothing: another one may run beside it.
local broker = require "spec.support.broker"
local net = require "spec.support.net"
local rolling = require "spec.support.rolling"
local tree = require "spec.support.tree"

local BOTS = 15

describe("a rolling restart to another release", function()
  local game

  after_each(function()
    broker.closeAll()
    net.closeAll()
    tree.remove(game.dir)
  end)

  it("loses nothing, and then clients have the new route and the new field", function()
    game = rolling.new()
    local seen = rolling.in_many(game, BOTS, 2)
    assert.are.equal(BOTS, seen.waves)
    assert.is_true(seen.mood > 100)
  end)
end)
