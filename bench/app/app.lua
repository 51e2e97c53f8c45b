-- The small app of the benchmark: enter a room, speak to it, echo.
local pomelua = require "pomelua"

local app = pomelua.createApp()

app:configure("production|development", "connector", function()
  app:set("connectorConfig", {
    heartbeat = tonumber(os.getenv("BENCH_HEARTBEAT")) or 30, distinctHost = true,
  })
end)

app:start()
