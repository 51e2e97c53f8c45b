--- Notifications to area.shipHandler.<method>. The filter app/filters/playing has found the ship.
local world = require "app.world"

local Handler = {}

--- Sets the rudder: { x, y, dash }; x and y are hundredths of full speed, dash is 1 or left out.
function Handler:steer(msg, session)
  local x, y = msg.x, msg.y
  if type(x) ~= "number" or type(y) ~= "number" then return nil, { code = 400 } end
  world.steer(session.ship, x / 100, y / 100)
  if msg.dash == 1 then world.dash(session.ship) end
end

return Handler
