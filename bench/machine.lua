-- The machine on which the benchmark runs.
local shell = require("process").shell

---Adds what it is to a table, and returns that.
---@param facts table
---@return table
return function(facts)
  facts.cpu = shell("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1")
  facts.cores = tonumber(shell("nproc"))
  facts.kernel = shell("uname -sr")
  facts.load = shell("cut -d' ' -f1-3 /proc/loadavg")
  facts.compiler = shell("gcc --version | head -1")
  facts.commit = shell("git rev-parse --short HEAD 2>/dev/null")
  return facts
end
