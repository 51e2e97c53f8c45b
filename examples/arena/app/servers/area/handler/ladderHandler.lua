--- Requests to area.ladderHandler.<method>.
local pomelua = require "pomelua"
local ladder = require "app.ladder"

---@param app pomelua.App
return function(app)
  local Handler = {}

  --- The best players of all rounds: { code, ladder = { { player, stars, rounds, wins }, ... } }.
  function Handler:top()
    local list, err = ladder.top(app)
    if list then return { code = 200, ladder = list } end
    pomelua.log.warn("ladder: %s", tostring(err))
    return { code = 503, message = "The ladder is away for a moment." }
  end

  return Handler
end
