-- The three servers that are measured: ours, the floor and Pomelo 2.2.7, each with the same
-- small app. A server is {port=, pids= those whose time counts, kill= those to end, log=}.
local process = require "process"

local read, spawn, wait_for = process.read, process.spawn, process.wait_for

local servers = {}

---@param build string folder of the programs
---@param out string folder that the copies of the apps and the logs go to
function servers.new(build, out)
  local start = {}

  ---@param environment string|nil variables, as a shell takes them
  function start.ours(environment)
    local log = out .. "/ours.log"
    os.execute(("rm -rf %s/app && cp -r bench/app %s/app"):format(out, out))
    local path = out .. "/app/config/servers.json"
    process.write(path, (read(path):gsub('"clientPort": %d+', '"clientPort": 0')))
    local pid = spawn(("%s exec %s/pomelua start %s/app"):format(environment or "", build, out),
      log)
    wait_for("the start of pomelua (" .. log .. ")", 20, function()
      return read(log):find("\nready") or read(log):find("^ready")
    end)
    local port = tonumber(read(log):match("listening on %S-:(%d+)"))
    return { port = port, pids = tostring(pid), kill = { pid }, log = log }
  end

  ---@param rooms number|nil 1000 when left out
  ---@param ring string|nil "ring": sends through io_uring
  function start.floor(rooms, ring)
    local log = out .. (ring and "/floor-ring.log" or "/floor.log")
    local pid = spawn(("exec %s/floor 0 %d %s"):format(build, rooms or 1000, ring or ""), log)
    local port = wait_for("the start of floor", 5, function()
      return tonumber(read(log):match("listening on %S-:(%d+)"))
        or not process.is_alive(pid) and error("floor did not start: " .. read(log), 0)
    end)
    return { port = port, pids = tostring(pid), kill = { pid }, log = log }
  end

  local function free_port()
    local server = start.floor()
    servers.stop(server)
    return server.port
  end

  ---@return boolean|nil whether Pomelo is there, or npm could bring it
  ---@return string|nil why not
  function start.has_pomelo()
    if os.getenv("POMELO") == "0" then return false, "POMELO=0" end
    local dir = out .. "/pomelo"
    os.execute(("mkdir -p %s && cp -r bench/pomelo/. %s"):format(dir, dir))
    if read(dir .. "/node_modules/pomelo/package.json"):find('"2.2.7"') then return true end
    if os.execute("command -v npm >/dev/null") ~= 0 then return false, "there is no npm" end
    local rc = os.execute(("cd %s && timeout 120 npm install --silent --no-audit --no-fund"
      .. " >npm.log 2>&1"):format(dir))
    if rc ~= 0 then return false, "npm could not install it: see " .. dir .. "/npm.log" end
    return true
  end

  -- Raises when it does not start: a port that was free may be taken meanwhile.
  function start.pomelo()
    local dir = out .. "/pomelo"
    local ports = { ["3050"] = free_port(), ["4050"] = free_port(), ["6050"] = free_port() }
    local config = read("bench/pomelo/config/servers.json")
    process.write(dir .. "/config/servers.json", (config:gsub("%d%d%d%d", ports)))
    process.write(dir .. "/config/master.json", (read("bench/pomelo/config/master.json")
      :gsub("%d%d%d%d", free_port())))
    local log = dir .. "/pomelo.log"
    local master = spawn(("exec env -C %s node app.js env=production"):format(dir), log)
    local port = ports["3050"]
    local probe = ("%s/load --port %d --clients 1 --mode idle --stay 0 --seconds 2 --quiet"
      .. " >/dev/null 2>&1"):format(build, port)
    local ok, why = pcall(wait_for, "the start of Pomelo (" .. log .. ")", 30, function()
      return os.execute(probe) == 0
    end)
    local children = process.adopt_children(master)
    -- The master does no work for clients, so it is not counted.
    local server = {
      port = port, pids = table.concat(children, ","), kill = { master, unpack(children) },
      log = log,
    }
    if ok then return server end
    servers.stop(server)
    error(why, 0)
  end

  return start
end

function servers.stop(server)
  for _, pid in ipairs(server.kill) do process.finish(pid) end
end

return servers
