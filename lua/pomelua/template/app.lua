-- Runs once in every server of the game.
local pomelua = require "pomelua"

local app = pomelua.createApp()

-- distinctHost: the client port listens on "host" of config/servers.json only. resume: who loses
-- the line and comes back within half a minute has missed nothing, and has not left the table.
app:configure("production|development", "connector", function()
  app:set("connectorConfig", { heartbeat = 10, distinctHost = true, resume = true })
end)

app:start()
