-- Runs once in every server of the game.
local pomelua = require "pomelua"

local app = pomelua.createApp()

-- distinctHost: the client port listens on "host" of config/servers.json only.
app:configure("production|development", "connector", function()
  app:set("connectorConfig", { heartbeat = 10, distinctHost = true })
end)

app:start()
