local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("the area", function()
  local server, rules, sessions

  before_each(function()
    sessions = {}
    server = test.server {
      base = base, type = "area", id = "area-server-1", databases = { players = test.sqlite() },
    }
    rules = server:require "app.rules"
  end)

  -- Every player has one session for the whole spec, until it is disconnected.
  local function session(name)
    sessions[name] = sessions[name] or { uid = name, frontendId = "connector-server-1" }
    return sessions[name]
  end

  local function enter(name)
    server.sessions:given(session(name)) -- it is there before the arena hears of it
    local err, arena = server:rpc("arenaRemote.enter", name, "connector-server-1")
    return arena, err
  end

  local function go(name)
    server:disconnect(session(name))
    sessions[name] = nil
  end

  -- The last push of a route, among those since the last call.
  local function last(route)
    local found
    for _, push in ipairs(server:pushed()) do
      if push.route == route then found = push end
    end
    return found
  end

  local function flight(push, id)
    for _, ship in ipairs(push.msg.ships) do
      if ship.id == id then return ship end
    end
  end

  it("tells a player all that the page draws", function()
    local arena = enter("ann")
    assert.equal(rules.ships, #arena.ships)
    assert.equal(rules.width, arena.width)
    assert.equal(0, #arena.stars)
  end)

  it("flies empty ships by robots, as many as there are players too few", function()
    assert.equal(rules.ships, #enter("ann").ships)
    assert.equal(rules.ships, #enter("bob").ships)
  end)

  it("moves a ship as its player steers", function()
    local id = enter("ann").id
    server:tick(rules.step)
    local before = flight(last "onWorld", id)
    local right = before.x < rules.width / 2
    server:notify("area.shipHandler.steer", { x = right and 100 or -100, y = 0 }, session "ann")
    server:tick(500)
    local after = flight(last "onWorld", id)
    assert.is_true(right and after.x > before.x + 50 or after.x < before.x - 50)
  end)

  it("updates the players 20 times a second", function()
    enter("ann")
    server:pushed()
    server:tick(1000)
    local updates = 0
    for _, push in ipairs(server:pushed()) do
      if push.route == "onWorld" then updates = updates + 1 end
    end
    assert.equal(1000 / rules.step, updates)
  end)

  it("does nothing while nobody plays", function()
    server:tick(1000)
    assert.same({}, server:pushed())
  end)

  it("keeps the ship of a player whose line is broken, for a while", function()
    local id = enter("ann").id
    enter("bob")
    go "ann"
    server:tick(1000 * (rules.away - 2))
    assert.equal(id, enter("ann").id)
    server:tick(1000 * rules.away)
    assert.equal(id, enter("ann").id)
  end)

  it("forgets a player who stays away", function()
    local id = enter("ann").id
    enter("bob")
    go "ann"
    server:pushed()
    server:tick(1000 * (rules.away + 1))
    assert.same({ id = id }, last("onLeave").msg)
    assert.not_equal(id, enter("ann").id)
  end)

  it("keeps its players and their stars over a restart", function()
    local id = enter("ann").id
    server:require("app.arena").ship_of("ann").score = 7
    server:restart()
    assert.equal(7, server:require("app.arena").ship_of("ann").score)
    assert.equal(id, enter("ann").id)
    server:tick(1000 * (rules.away + 1))
    assert.equal(id, enter("ann").id)
  end)

  it("has no ship for somebody who has not entered", function()
    local answer = server:request("area.shipHandler.steer", { x = 0, y = 0 }, session "eve")
    assert.equal(403, answer.code)
  end)

  it("drops golden stars three times a minute, by a cron", function()
    enter("ann")
    server:tick(60000)
    local golden = 0
    for _, push in ipairs(server:pushed()) do
      for _, star in ipairs(push.route == "onStars" and push.msg.added or {}) do
        if star.golden == 1 then golden = golden + 1 end
      end
    end
    assert.equal(9, golden)
  end)

  it("ends a round every two minutes, by a cron", function()
    enter("ann")
    server:pushed()
    server:tick(120000)
    local round = last "onRound"
    assert.equal(rules.round, round.msg.left)
  end)
end)
