-- What the benchmark measures of Redis: a request that makes one GET, beside a plain request and
-- beside the same GET made by a small C program on hiredis, in turn in one run. A machine without
-- redis-server leaves it out.
local beyond = require "beyond"
local cjson = require "cjson"
local process = require "process"
local stats = require "stats"

local redis = {}

local KEY = "bench"

-- A redis-server with nothing in it; nil: there is none on this machine.
local function start(out, port)
  local path = process.shell("command -v redis-server")
  if path == "" then return nil end
  local log = out .. "/redis.log"
  local pid = process.spawn(("exec %s --bind 127.0.0.1 --port %d --save '' --appendonly no"
    .. " --dir %s"):format(path, port, out), log)
  process.wait_for("the start of redis-server", 20, function()
    return process.read(log):find("Ready to accept connections")
  end)
  return { pid = pid, port = port, url = ("redis://127.0.0.1:%d"):format(port) }
end

-- us of the bare client and its quantiles. The key need not be there: nil is an answer, too.
local function bare(build, server, connections, count)
  local text = process.shell(("%s/redis-floor %d %d %d %s 2>&1"):format(build, server.port,
    connections, count, KEY))
  if text:sub(1, 1) ~= "{" then error(text, 0) end
  return cjson.decode(text)
end

local function one_round(figure, tools, server, ours, clients, count)
  local with, plain, more = beyond.measure(tools, ours,
    ("--in-flight 1 --clients %d"):format(clients), count, "request with a GET",
    ("redisHandler.read --message '{\"key\":\"%s\"}'"):format(KEY))
  local floor = bare(tools.build, server, clients, count)
  if not more then return nil end
  local ratio = more / floor.us
  local names = (" with %d in flight"):format(clients)
  figure("request with one Redis GET," .. names .. ": processor time beyond a plain request, ratio"
    .. " to a bare client", "x", 1.5, ratio)
  figure("the same GET," .. names .. ": all of it", "us", nil, with.server_us)
  figure("the same GET," .. names .. ": as many plain requests", "us", nil, plain.server_us)
  figure("the same GET," .. names .. ": the bare client", "us", nil, floor.us)
  figure("the same GET," .. names .. ": p50", "ms", nil, with.p50)
  figure("the same GET," .. names .. ": p99", "ms", nil, with.p99)
  figure("the same GET," .. names .. ": p50 of the bare client", "ms", nil, floor.p50 / 1000)
  figure("the same GET," .. names .. ": p99 of the bare client", "ms", nil, floor.p99 / 1000)
  return ratio
end

---Measures what is wanted; hands each figure to `figure(name, unit, target, value)`.
---@param wanted fun(name: string): boolean
---@param figure function
---@param tools table build, out, quick; run(name, server, options) -> what the generator measured;
---start: as of servers; stop(server); say(form, ...)
function redis.measure(wanted, figure, tools)
  if not wanted "request with one Redis GET" then return end
  local server = start(tools.out, tools.start.free_port())
  if not server then return tools.say("bench: nothing of Redis is measured: there is none") end
  local ours = tools.start.ours("BENCH_REDIS=" .. server.url)
  local count = tools.quick and 4000 or 20000
  for _, clients in ipairs { 4, 64 } do
    -- The first one compiles the handler and opens the connections.
    one_round(function() end, tools, server, ours, clients, count)
    local ratios = {}
    for _ = 1, tools.quick and 2 or 5 do
      ratios[#ratios + 1] = one_round(figure, tools, server, ours, clients, count)
    end
    tools.say("  request with one Redis GET, %d in flight: %.2f of a bare client", clients,
      stats.median(ratios) or 0)
  end
  tools.stop(ours)
  process.finish(server.pid)
end

return redis
