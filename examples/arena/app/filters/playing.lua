--- A filter of the area servers: only players who are in the arena get through, and the handler
--- finds their ship at the session.
local arena = require "app.arena"

return function(_, session)
  local ship = arena.ship_of(session.uid)
  if not ship then return nil, { code = 403, message = "Enter the arena first." } end
  session.ship = ship
end
