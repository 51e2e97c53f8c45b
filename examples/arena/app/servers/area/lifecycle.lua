--- What the ledger still has to write is written when the server is up, and before it stops.
local ledger = require "app.ledger"

local lifecycle = {}

function lifecycle.afterStartup(app, cb)
  ledger.write(app)
  cb()
end

function lifecycle.beforeShutdown(app, shutDown)
  ledger.write(app)
  shutDown()
end

return lifecycle
