local pomelua = require "pomelua"

local app = pomelua.createApp()
app:set("name", "arena")

-- With a secret in this file players get a token when they come, and come back with it:
-- openssl rand -hex 32 > config/token.key
local KEY = "config/token.key"
local secret = io.open(app:getBase() .. "/" .. KEY)
if secret then secret:close() end

app:configure("production|development", "connector", function()
  app:set("connectorConfig", {
    heartbeat = 3, distinctHost = true, useDict = true, useProtobuf = true,
    auth = secret and { keys = { { alg = "HS256", file = KEY } }, required = false } or nil,
  })
  app:set("sessionConfig", { singleSession = "kick-old" })
end)

app:configure("production|development", "area", function()
  app:set("channelConfig", {
    autoLeave = true,
    onLeave = function(_, uid) require("app.arena").left(uid) end,
    store = require("pomelua.channel_store").sqlite { file = "data/channels.db" },
  })
  app:before(require "app.filters.playing")
  app:load(require "app.components.ticker")
end)

app:start()
