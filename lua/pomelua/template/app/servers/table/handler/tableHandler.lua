-- Requests to table.tableHandler.<method>.
local rules = require "app.rules"

---@param app pomelua.App
return function(app)
  local Handler = {}

  --- Rolls the dice. Everybody at the table gets onRoll {name, points, score}.
  function Handler:roll(_, session)
    local channel = app:get("channelService"):getChannel("table", false)
    if not channel or not channel:getMember(session.uid) then
      return { code = 403, message = "sit down first" }
    end
    local points = math.random(rules.sides)
    local score = rules.score(points)
    channel:pushMessage("onRoll", { name = session.uid, points = points, score = score })
    return { code = 200, points = points, score = score }
  end

  return Handler
end
