--- Calls of the connectors: app.rpc.area.arenaRemote.<method>.
local arena = require "app.arena"

---@param app pomelua.App
return function(app)
  local Remote = {}

  --- Lets a player in. Answers what the page draws.
  function Remote:enter(uid, sid) return arena.enter(app, uid, sid) end

  return Remote
end
