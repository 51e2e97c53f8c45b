-- All servers of a game are restarted one after the other, under load: no request and no push is
-- lost. See spec/support/rolling.lua for what counts as a loss.
-- It measures nothing: another one may run beside it.
local broker = require "spec.support.broker"
local net = require "spec.support.net"
local rolling = require "spec.support.rolling"
local tree = require "spec.support.tree"

local BOTS = 15

describe("a rolling restart of all servers", function()
  local game

  after_each(function()
    broker.closeAll()
    net.closeAll()
    tree.remove(game.dir)
  end)

  it("of one process, by pomelua restart, loses nothing", function()
    game = rolling.new()
    rolling.in_one(game, BOTS)
  end)

  it("each a process of its own, by SIGTERM, loses nothing", function()
    game = rolling.new()
    rolling.in_many(game, BOTS)
  end)

  it("of the chat example, each a process of its own, loses nothing", function()
    game = rolling.chat()
    rolling.in_many(game, BOTS)
  end)
end)
