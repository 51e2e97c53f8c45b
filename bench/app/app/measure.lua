-- What the benchmark asks a server about itself; the answers stand in its log.
local ffi = require "ffi"
local pomelua = require "pomelua"

ffi.cdef "typedef struct { long s, ns; } bench_time; int clock_gettime(int id, bench_time *t);"

local measure = {}

local THREAD_CPU = 3

local function cpu()
  local t = ffi.new "bench_time"
  ffi.C.clock_gettime(THREAD_CPU, t)
  return tonumber(t.s) + tonumber(t.ns) / 1e9
end

---What Lua keeps on this server.
function measure.memory(id)
  collectgarbage()
  collectgarbage()
  pomelua.log.info("measured memory %s %.1f KiB", id, collectgarbage("count"))
end

---How many `latest` pushes wait for clients of this server now.
---@param app table
function measure.latest(app)
  local counts = app:get("sessionService")._server.node:counts()
  pomelua.log.info("measured latest %d waiting, %d replaced", counts.latestWaiting,
    counts.pushesReplaced)
end

---What one push of a small message costs on this thread, the writes left out: the median
---of `times`, in microseconds.
function measure.push(what, channel, times)
  local took = {}
  for i = 1, times do
    local before = cpu()
    channel:pushMessage("onMeasure", { content = "what is said", from = "user" .. i })
    took[i] = (cpu() - before) * 1e6
  end
  table.sort(took)
  pomelua.log.info("measured push %s %.2f us", what, took[math.ceil(times / 2)])
end

return measure
