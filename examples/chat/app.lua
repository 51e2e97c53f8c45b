local pomelua = require "pomelua"
local dispatcher = require "app.util.dispatcher"

local app = pomelua.createApp()
app:set("name", "chat")

-- distinctHost: the client port listens on "host" of servers.json, not on all addresses.
app:configure("production|development", "gate", function()
  app:set("connectorConfig", { distinctHost = true })
end)

app:configure("production|development", "connector", function()
  app:set("connectorConfig", { heartbeat = 3, distinctHost = true })
end)

app:configure("production|development", function()
  -- A room lives on one chat server, so the name of the room chooses the server.
  app:route("chat", function(session)
    local server = dispatcher.pick(session:get("rid") or "", app:getServersByType("chat"))
    return server and server.id
  end)
end)

app:start()
