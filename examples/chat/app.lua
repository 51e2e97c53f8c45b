local pomelua = require "pomelua"
local dispatcher = require "app.util.dispatcher"

local app = pomelua.createApp()
app:set("name", "chat")

-- With CHAT_SECRET, a text of 32 bytes or more, only who has a token comes to a connector. The gate
-- makes them; it lets everybody in.
local secret = os.getenv "CHAT_SECRET"
local keys = secret and { { alg = "HS256", key = secret } }

-- resume: who loses the line and comes back within half a minute has missed nothing, and nobody has
-- seen it. distinctHost: the client port listens on "host" of servers.json, not on all addresses.
app:configure("production|development", "gate", function()
  app:set("connectorConfig", {
    distinctHost = true, auth = keys and { keys = keys, required = false },
  })
end)

app:configure("production|development", "connector", function()
  app:set("connectorConfig", {
    heartbeat = 3, distinctHost = true, resume = true, auth = keys and { keys = keys },
  })
  app:set("sessionConfig", { singleSession = "refuse" })
end)

app:configure("production|development", function()
  -- One chat server pushes to a room, so that its messages come in the same order to everybody;
  -- when that server is taken out, the name of the room chooses another one.
  app:route("chat", function(session)
    local server = dispatcher.pick(session:get("rid") or "", app:getServersByType("chat"))
    return server and server.id
  end)
end)

app:start()
