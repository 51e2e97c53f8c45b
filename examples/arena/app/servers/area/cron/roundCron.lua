--- What config/crons.json starts: the end of a round, showers of golden stars, and what still has
--- to be written.
local pomelua = require "pomelua"
local arena = require "app.arena"
local ledger = require "app.ledger"

---@param app pomelua.App
return function(app)
  local Cron = {}

  function Cron:finish()
    local winner, score = arena.finish(app)
    if winner then pomelua.log.info("%s wins the round with %d stars", winner, score) end
  end

  function Cron:shower()
    arena.shine(app, 3, true)
  end

  --- Again, when the database was away.
  function Cron:write()
    ledger.write(app)
  end

  --- Once a day.
  function Cron:tidy()
    ledger.tidy(app)
  end

  return Cron
end
