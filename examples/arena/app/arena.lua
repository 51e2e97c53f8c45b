--- The arena: one world, the players in it, and what they are told. Its data is the file's state,
--- so a reload of this file, of the world or of the rules changes the game and keeps its players;
--- and it is kept, so that a restart does, too.
local pomelua = require "pomelua"
local gems = require "app.gems"
local ledger = require "app.ledger"
local robot = require "app.robot"
local rules = require "app.rules"
local world = require "app.world"

local arena = {}

local state = pomelua.state()
state.__keep = true
state.world = state.world or world.new()
state.players = state.players or {} -- uid -> ship
state.away = state.away or {} -- uid -> since when a player's connection is lost

-- What may be lost: the next update says it again. A player whose line is slow gets the newest.
local NEWEST = { delivery = "latest" }

local function channel(app)
  return app:get("channelService"):getChannel("arena", true)
end

local function tell(app, route, msg, options)
  channel(app):pushMessage(route, msg, options)
end

local function whole(value) return math.floor(value + 0.5) end

-- Ships and stars as clients see them: whole numbers, which protobuf writes in one or two bytes.
-- Pomelo's own clients know no booleans in protobuf: 1 is yes, 0 is no.
local function introduce(ship)
  return { id = ship.id, name = ship.name, robot = ship.robot }
end

local function star_of(star)
  return { id = star.id, x = whole(star.x), y = whole(star.y), golden = star.golden and 1 or 0 }
end

local function flight_of(ship)
  return {
    id = ship.id, x = whole(ship.x), y = whole(ship.y), heading = ship.heading,
    score = ship.score, dash = ship.dash > 0 and 1 or 0, dizzy = ship.dizzy > 0 and 1 or 0,
  }
end

local function list_of(map, fn)
  local list = pomelua.array {}
  for _, one in pairs(map) do list[#list + 1] = fn(one) end
  return list
end

local function count(map)
  local n = 0
  for _ in pairs(map) do n = n + 1 end
  return n
end

local function add(app, name, is_robot)
  local ship = world.add_ship(state.world, name, is_robot)
  tell(app, "onJoin", introduce(ship))
  return ship
end

local function remove(app, ship)
  world.remove_ship(state.world, ship.id)
  tell(app, "onLeave", { id = ship.id })
end

-- Robots fly the ships that players leave empty.
local function crew(app)
  local robots = {}
  for _, ship in pairs(state.world.ships) do
    if ship.robot then robots[#robots + 1] = ship end
  end
  local wanted = math.max(0, rules.ships - count(state.players))
  for i = #robots + 1, wanted do add(app, robot.name(i), true) end
  for i = wanted + 1, #robots do remove(app, robots[i]) end
end

--- Seconds until the round ends: rounds begin with the even minutes of the clock.
function arena.left_of_round()
  return rules.round - os.time() % rules.round
end

--- A player comes, or comes back: to the ship that was left, when it was not long ago. Answers all
--- that the page needs to draw the arena.
---@param app pomelua.App
---@param uid string also the player's name
---@param sid string the frontend that the player is on
---@return table
function arena.enter(app, uid, sid)
  local ship = state.players[uid] or add(app, uid, false)
  state.players[uid], state.away[uid] = ship, nil
  channel(app):add(uid, sid)
  crew(app)
  return {
    id = ship.id, left = arena.left_of_round(), width = rules.width, height = rules.height,
    step = rules.step, radius = rules.ship.radius, rest = rules.dash.rest,
    ships = list_of(state.world.ships, introduce), stars = list_of(state.world.stars, star_of),
  }
end

--- A player's connection is lost. The ship waits for a while with its stars.
function arena.left(uid)
  local ship = state.players[uid]
  if not ship then return end
  state.away[uid] = os.time()
  world.steer(ship, 0, 0)
end

-- Players who stay away are gone, and their stars with them.
local function clear(app)
  for uid, since in pairs(state.away) do
    if channel(app):getMember(uid) then
      state.away[uid] = nil
    elseif os.time() - since >= rules.away then
      local ship = state.players[uid]
      state.players[uid], state.away[uid] = nil, nil
      remove(app, ship)
      crew(app)
    end
  end
end

--- What a new version of this file, or a new process, makes of the state. After a restart nobody
--- knows who is still there: the channel tells, or the players come back.
function arena.migrate(kept, from)
  if from > 0 then return end
  for uid in pairs(kept.players) do kept.away[uid] = os.time() end
end

---@param uid string|nil
---@return arena.Ship|nil
function arena.ship_of(uid)
  return state.players[uid]
end

local function tell_stars(app, added, taken)
  if #added > 0 or #taken > 0 then tell(app, "onStars", { added = added, taken = taken }) end
end

--- New stars; the golden ones of a shower are worth more.
---@param number integer
---@param golden boolean
function arena.shine(app, number, golden)
  local added = pomelua.array {}
  for i = 1, number do added[i] = star_of(world.add_star(state.world, golden)) end
  tell_stars(app, added, pomelua.array {})
end

--- One step of the game. Nothing happens while nobody plays.
function arena.step(app)
  if next(state.players) == nil then return end
  if next(state.away) then clear(app) end
  local w = state.world
  for _, ship in pairs(w.ships) do
    if ship.robot then robot.steer(w, ship) end
  end
  local taken = pomelua.array {}
  for _, event in ipairs(world.step(w, rules.step)) do
    if event.kind == "taken" then
      taken[#taken + 1] = { id = event.star.id, ship = event.ship.id }
      if event.star.golden and not event.ship.robot then
        ledger.add(app, { kind = "gem", gem = gems.any(), owner = event.ship.name })
      end
    else
      tell(app, "onBump", { by = event.by.id, on = event.on.id, stars = event.stars })
    end
  end
  tell_stars(app, pomelua.array {}, taken)
  local missing = rules.star.number - count(w.stars)
  if missing > 0 then arena.shine(app, math.min(missing, 4), false) end
  tell(app, "onWorld", { step = w.steps, ships = list_of(w.ships, flight_of) }, NEWEST)
end

-- What the round was for the players, for the ladder.
local function results(winner)
  local list = {}
  for uid, ship in pairs(state.players) do
    list[#list + 1] = { player = uid, stars = ship.score, won = ship == winner }
  end
  return list
end

--- Ends the round and begins the next.
---@return string|nil winner
---@return integer score
function arena.finish(app)
  local list = results(world.leader(state.world))
  local winner, score = world.finish(state.world)
  if #list > 0 then ledger.add(app, { kind = "round", results = list }) end
  tell(app, "onRound", {
    winner = winner and winner.name or "", score = score, left = rules.round,
  })
  return winner and winner.name, score
end

return arena
