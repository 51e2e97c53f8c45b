-- lag: how late a server's loop is, measured by a timer that runs while somebody wants to know.
local timers = require "pomelua.run.timers"

local lag = {}

local EVERY = 100 -- ms between two looks
local WEIGHT = 3 -- a look counts for a third, what was before for the rest

local COMES_UP = { new = true, starting = true, loaded = true }

-- A start holds the loop up by itself, and no client waits for it: a look that was due before the
-- server was up does not count.
local function look(server, meter)
  local late = meter.counts and math.max(0, server.node:now() - meter.due) or 0
  meter.counts = not COMES_UP[server.life.state]
  meter.ms = ((WEIGHT - 1) * meter.ms + late) / WEIGHT
  meter.due = server.node:now() + EVERY
  timers.start(server, EVERY, meter)
end

---Somebody wants to know it from here on.
---@param server pomelua.Server
function lag.begin(server)
  local meter = server.filters.meter
  if not meter then
    meter = {
      users = 0, ms = 0, due = server.node:now() + EVERY, fire = look,
      counts = not COMES_UP[server.life.state],
    }
    server.filters.meter = meter
    timers.start(server, EVERY, meter)
  end
  meter.users = meter.users + 1
end

---And does not any more.
---@param server pomelua.Server
function lag.finish(server)
  local meter = server.filters.meter
  meter.users = meter.users - 1
  if meter.users > 0 then return end
  timers.stop(server, meter)
  server.filters.meter = nil
end

---@param server pomelua.Server
---@return number ms by which timers are late, as a moving mean
function lag.now(server) return server.filters.meter and server.filters.meter.ms or 0 end

return lag
