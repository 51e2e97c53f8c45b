--- The world: ships that fly, stars that lie about, and what happens in a step. It knows no client
--- and no server; what happens is told by the list of events that a step returns.
local rules = require "app.rules"

local world = {}

---@class arena.Ship
---@field id integer
---@field name string
---@field robot boolean
---@field x number
---@field y number
---@field dx number the rudder: a direction, at most 1 long
---@field dy number
---@field heading integer degrees
---@field score integer
---@field dash number ms that the dash still lasts
---@field rest number ms until it can dash again
---@field dizzy number ms until it can steer again

---@return table
function world.new()
  return { ships = {}, stars = {}, last_ship = 0, last_star = 0, steps = 0 }
end

local function somewhere()
  local edge = rules.ship.radius * 2
  return math.random(edge, rules.width - edge), math.random(edge, rules.height - edge)
end

---@return arena.Ship
function world.add_ship(w, name, robot)
  local x, y = somewhere()
  w.last_ship = w.last_ship + 1
  local ship = {
    id = w.last_ship, name = name, robot = robot or false, x = x, y = y, dx = 0, dy = 0,
    heading = math.random(0, 359), score = 0, dash = 0, rest = 0, dizzy = 0,
  }
  w.ships[ship.id] = ship
  return ship
end

function world.remove_ship(w, id)
  w.ships[id] = nil
end

---@param golden boolean
---@return table star
function world.add_star(w, golden)
  local x, y = somewhere()
  w.last_star = w.last_star + 1
  local star = { id = w.last_star, x = x, y = y, golden = golden or false }
  w.stars[star.id] = star
  return star
end

--- Sets the rudder of a ship. A vector that is longer than 1 is cut to that length.
function world.steer(ship, dx, dy)
  local length = math.sqrt(dx * dx + dy * dy)
  if length > 1 then dx, dy = dx / length, dy / length end
  ship.dx, ship.dy = dx, dy
end

--- Starts a dash, unless the ship is dizzy or has just dashed. Whether it did.
function world.dash(ship)
  if ship.rest > 0 or ship.dizzy > 0 then return false end
  ship.dash, ship.rest = rules.dash.time, rules.dash.rest
  return true
end

local function within(value, least, most)
  return math.max(least, math.min(most, value))
end

local function fly(ship, ms)
  local speed = rules.ship.speed
  local dx, dy = ship.dx, ship.dy
  if ship.dash > 0 then
    local angle = math.rad(ship.heading)
    speed, dx, dy = rules.dash.speed, math.cos(angle), math.sin(angle)
  elseif ship.dizzy > 0 then
    speed = speed / 4
  end
  if dx ~= 0 or dy ~= 0 then
    ship.heading = math.floor(math.deg(math.atan2(dy, dx)) + 0.5) % 360
  end
  local radius = rules.ship.radius
  ship.x = within(ship.x + dx * speed * ms / 1000, radius, rules.width - radius)
  ship.y = within(ship.y + dy * speed * ms / 1000, radius, rules.height - radius)
  ship.dash = math.max(0, ship.dash - ms)
  ship.rest = math.max(0, ship.rest - ms)
  ship.dizzy = math.max(0, ship.dizzy - ms)
end

local function near(a, b, distance)
  local x, y = a.x - b.x, a.y - b.y
  return x * x + y * y <= distance * distance
end

local function collect(w, ship, events)
  for id, star in pairs(w.stars) do
    if near(ship, star, rules.ship.radius + rules.star.radius) then
      w.stars[id] = nil
      ship.score = ship.score + (star.golden and rules.star.golden or rules.star.worth)
      events[#events + 1] = { kind = "taken", star = star, ship = ship }
    end
  end
end

-- A ship that dashes into another takes a share of its stars.
local function bump(by, on, events)
  if by.dash <= 0 or on.dizzy > 0 or not near(by, on, 2 * rules.ship.radius) then return end
  local most = math.max(rules.bump.least, math.floor(on.score * rules.bump.share))
  local stars = math.min(on.score, most)
  on.score, by.score = on.score - stars, by.score + stars
  on.dizzy, by.dash = rules.bump.dizzy, 0
  events[#events + 1] = { kind = "bump", by = by, on = on, stars = stars }
end

--- Moves everything on. Returns what has happened, in order: { kind = "taken", star, ship },
--- { kind = "bump", by, on, stars }.
---@param ms number
---@return table[] events
function world.step(w, ms)
  local events = {}
  w.steps = w.steps + 1
  for _, ship in pairs(w.ships) do fly(ship, ms) end
  for _, ship in pairs(w.ships) do
    collect(w, ship, events)
    for _, other in pairs(w.ships) do
      if other ~= ship then bump(ship, other, events) end
    end
  end
  return events
end

--- Who has the most stars.
---@return arena.Ship|nil leader nil when nobody has a star
function world.leader(w)
  local best
  for _, ship in pairs(w.ships) do
    if ship.score > (best and best.score or 0) then best = ship end
  end
  return best
end

--- Ends a round: who had the most stars, and all begin again without any.
---@return arena.Ship|nil winner nil when nobody has a star
---@return integer score
function world.finish(w)
  local winner = world.leader(w)
  local score = winner and winner.score or 0
  for _, ship in pairs(w.ships) do ship.score = 0 end
  return winner, score
end

return world
