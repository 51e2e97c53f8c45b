local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

local server, rules, world

before_each(function()
  server = test.server { base = base, type = "area", id = "area-server-1" }
  rules, world = server:require "app.rules", server:require "app.world"
end)

-- A world with ships where the spec wants them, and no stars.
local function with(...)
  local w = world.new()
  local ships = {}
  for i, place in ipairs { ... } do
    local ship = world.add_ship(w, "ship " .. i)
    ship.x, ship.y, ship.heading = place[1], place[2], 0
    ships[i] = ship
  end
  return w, unpack(ships)
end

describe("a ship", function()
  it("flies where its rudder points", function()
    local w, ship = with { 500, 500 }
    world.steer(ship, 0, 1)
    world.step(w, 100)
    assert.equal(500 + rules.ship.speed / 10, ship.y)
    assert.equal(90, ship.heading)
  end)

  it("is not faster than its speed, whatever the client says", function()
    local w, ship = with { 500, 500 }
    world.steer(ship, 300, 400)
    world.step(w, 100)
    assert.near(rules.ship.speed / 10, math.sqrt((ship.x - 500) ^ 2 + (ship.y - 500) ^ 2), 0.001)
  end)

  it("stays in the arena", function()
    local w, ship = with { 30, 30 }
    world.steer(ship, -1, -1)
    for _ = 1, 100 do world.step(w, 50) end
    assert.equal(rules.ship.radius, ship.x)
    assert.equal(rules.ship.radius, ship.y)
  end)

  it("takes the stars that it touches; golden ones are worth more", function()
    local w, ship = with { 500, 500 }
    local star, golden = world.add_star(w), world.add_star(w, true)
    star.x, star.y, golden.x, golden.y = 510, 500, 500, 510
    assert.equal(2, #world.step(w, 50))
    assert.equal(rules.star.worth + rules.star.golden, ship.score)
    assert.same({}, w.stars)
  end)

  it("rests after a dash", function()
    local w, ship = with { 500, 500 }
    assert.is_true(world.dash(ship))
    assert.is_false(world.dash(ship))
    for _ = 1, rules.dash.rest / 50 do world.step(w, 50) end
    assert.is_true(world.dash(ship))
  end)
end)

describe("a dash into another ship", function()
  it("takes a share of its stars and makes it dizzy", function()
    local w, by, on = with({ 500, 500 }, { 560, 500 })
    on.score = 10
    world.dash(by)
    local events = world.step(w, 50)
    assert.same({ kind = "bump", by = by, on = on, stars = 3 }, events[1])
    assert.equal(3, by.score)
    assert.equal(7, on.score)
    assert.is_false(world.dash(on))
  end)

  it("takes nothing from a ship without stars", function()
    local w, by = with({ 500, 500 }, { 560, 500 })
    world.dash(by)
    assert.equal(0, world.step(w, 50)[1].stars)
  end)
end)

describe("a round", function()
  it("is won by the ship with the most stars, and the next begins without any", function()
    local w, one, two = with({ 100, 100 }, { 900, 900 })
    one.score, two.score = 4, 9
    local winner, score = world.finish(w)
    assert.equal(two, winner)
    assert.equal(9, score)
    assert.equal(0, one.score + two.score)
  end)

  it("has no winner when nobody has a star", function()
    assert.is_nil(world.finish((with { 100, 100 })))
  end)
end)
