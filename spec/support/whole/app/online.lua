-- `pomelua online`: how many are here.
local pomelua = require "pomelua"

return function(_, app)
  return {
    moduleId = "online",
    monitorHandler = function(_, agent, msg, cb)
      pomelua.sleep(1)
      cb(nil, { id = agent.id, asked = msg[1], sessions = app:getCounters().sessions,
        clock = app.components.clock.version })
    end,
  }
end
