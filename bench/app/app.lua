-- The small app of the benchmark: enter a room, speak to it, echo. BENCH_FORM is "dictionary",
-- "protobuf" or nothing; BENCH_RATE is "off", or the clients' messages are counted against a rate
-- that they never reach; with BENCH_FILTERS each request passes a before and an after filter; with
-- BENCH_SCOPE=cluster the rooms are cluster channels; with BENCH_RESUME sessions outlive their
-- lines; BENCH_TLS is the folder of bench.crt and bench.key.
local pomelua = require "pomelua"

local app = pomelua.createApp()
local form = os.getenv("BENCH_FORM")
local tls = os.getenv("BENCH_TLS")

app:configure("production|development", "connector", function()
  app:set("connectorConfig", {
    heartbeat = tonumber(os.getenv("BENCH_HEARTBEAT")) or 30, distinctHost = true,
    rate = os.getenv("BENCH_RATE") ~= "off"
      and { messages = 1000000, burst = 1000000, bytes = 1073741824 },
    resume = os.getenv("BENCH_RESUME") ~= nil or nil,
    useDict = form == "dictionary", useProtobuf = form == "protobuf",
    ssl = tls and { cert = tls .. "/bench.crt", key = tls .. "/bench.key", required = true },
  })
end)

app:configure("production|development", "chat", function()
  app:set("connectorConfig", { useProtobuf = form == "protobuf" }) -- it checks what it pushes
end)

if os.getenv("BENCH_FILTERS") then
  app:before(function(_, _, next) next() end)
  app:after(function(err, _, _, _, next) next(err) end)
end

app:start()
