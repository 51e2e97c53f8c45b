--- A robot flies a ship when few people play: to the nearest star, and sometimes into a rich ship.
local rules = require "app.rules"
local world = require "app.world"

local robot = {}

local NAMES = { "Bolt", "Nut", "Cog", "Gear", "Spring", "Rivet", "Axle", "Piston" }

---@param n integer
function robot.name(n)
  return "~" .. NAMES[(n - 1) % #NAMES + 1]
end

local function distance(a, b)
  return math.sqrt((a.x - b.x) ^ 2 + (a.y - b.y) ^ 2)
end

local function nearest(from, list, accept)
  local best, least
  for _, one in pairs(list) do
    local far = one ~= from and accept(one) and distance(from, one)
    if far and (not least or far < least) then best, least = one, far end
  end
  return best, least
end

local function any() return true end

--- Looks around and sets the rudder.
---@param w table the world
---@param ship arena.Ship
function robot.steer(w, ship)
  local target = nearest(ship, w.stars, any)
  local prey, far = nearest(ship, w.ships, function(other)
    return other.dizzy == 0 and other.score > ship.score
  end)
  if prey and far < 8 * rules.ship.radius and math.random() < rules.robot.courage then
    ship.heading = math.floor(math.deg(math.atan2(prey.y - ship.y, prey.x - ship.x))) % 360
    world.dash(ship)
  end
  if not target then return world.steer(ship, 0, 0) end
  local length = math.max(1, distance(ship, target))
  local speed = rules.robot.speed
  world.steer(ship, speed * (target.x - ship.x) / length, speed * (target.y - ship.y) / length)
end

return robot
