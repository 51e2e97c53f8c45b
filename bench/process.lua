-- Processes of the benchmark, and the files that they and it write.
local process = {}

local started = {} -- pid: true, all that this run started and that may still run

---The whole file; "" when there is none.
function process.read(path)
  local f = io.open(path, "rb")
  if not f then return "" end
  local text = f:read("*a")
  f:close()
  return text
end

function process.write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

---What a command prints, without blanks at its end.
function process.shell(command)
  local p = assert(io.popen(command))
  local text = p:read("*a")
  p:close()
  return (text:gsub("%s+$", ""))
end

function process.sleep(s) os.execute("sleep " .. s) end

---Starts a command that goes on while this runs. The log of an earlier one is not taken for
---its own.
---@return number pid
function process.spawn(command, log)
  os.remove(log)
  local pid = tonumber(process.shell(("%s >%s 2>&1 & echo $!"):format(command, log)))
  started[pid] = true
  return pid
end

---The children of a process are to be ended with this run, too.
---@return number[] pids
function process.adopt_children(pid)
  local pids = {}
  local list = process.shell(("cat /proc/%d/task/%d/children 2>/dev/null"):format(pid, pid))
  for child in list:gmatch("%d+") do
    pids[#pids + 1] = tonumber(child)
    started[tonumber(child)] = true
  end
  return pids
end

---Whether it still runs: one that has ended may be listed until somebody asks for its status.
function process.is_alive(pid)
  local state = process.read("/proc/" .. pid .. "/stat"):match(".*%) (%a)")
  return state ~= nil and state ~= "Z"
end

---Ends a process of this run, by force after five seconds.
function process.finish(pid)
  if not started[pid] then return end
  os.execute("kill " .. pid .. " 2>/dev/null")
  for _ = 1, 100 do
    if not process.is_alive(pid) then break end
    process.sleep(0.05)
  end
  if process.is_alive(pid) then os.execute("kill -9 " .. pid) end
  started[pid] = nil
end

function process.finish_all()
  for pid in pairs(started) do process.finish(pid) end
end

---Waits until test gives a value, and returns that; raises when it does not in time.
function process.wait_for(what, seconds, test)
  for _ = 1, seconds * 20 do
    local value = test()
    if value then return value end
    process.sleep(0.05)
  end
  error(what .. " did not happen within " .. seconds .. " s", 0)
end

return process
