-- What the benchmark measures of the bus between processes: a call between two of them beside a
-- request and its reply over libnats alone, in turn in one run of bus-rtt (core/tools/bus_rtt.c),
-- over a nats-server that is started here. A machine without one leaves it out.
local process = require "process"

local bus = {}

-- Debian's place is not in every user's PATH.
local function server_path()
  local path = process.shell("PATH=$PATH:/usr/sbin command -v nats-server")
  return path ~= "" and path or nil
end

---Starts a nats-server on a free port of 127.0.0.1.
---@param out string folder for its log
---@return number|nil pid nil: this machine has none
---@return string|nil url
function bus.broker(out)
  local path = server_path()
  if not path then return nil end
  local log = out .. "/nats-server.log"
  local pid = process.spawn(path .. " -a 127.0.0.1 -p -1", log)
  local port = process.wait_for("the start of nats-server", 20, function()
    local text = process.read(log)
    return text:find("Server is ready") and text:match("client connections on [^\n]-:(%d+)\n")
  end)
  return pid, "nats://127.0.0.1:" .. port
end

---Measures calls; hands each figure to `figure(name, unit, target, value)`.
---@param figure function
---@param build string folder of the programs
---@param out string folder for the broker's log
---@param quick boolean
---@return string|nil why nothing was measured
function bus.measure(figure, build, out, quick)
  local pid, url = bus.broker(out)
  if not pid then return "there is no nats-server" end
  for _ = 1, quick and 1 or 3 do
    local calls = quick and 2000 or 10000
    local text = process.shell(("%s/bus-rtt %s %d 2>&1"):format(build, url, calls))
    local function one(pattern) return tonumber(text:match(pattern)) end
    local ratio = one("ratio%s+([%d%.]+)")
    if not ratio then
      process.finish(pid)
      return "bus-rtt: " .. text
    end
    figure("call between two processes, p50: ratio to libnats alone", "x", 2, ratio)
    figure("the same: ours", "us", nil, one("bus%s+%d+ calls%s+p50 (%d+)"))
    figure("the same: p99 of ours", "us", nil, one("bus%s.-p99 (%d+)"))
    figure("the same: bytes on the bus of a call, with 64 of its own", "bytes", nil,
      one("bytes%s+(%d+) a call"))
  end
  process.finish(pid)
end

return bus
