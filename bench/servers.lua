-- The servers that are measured: ours, the floor and Pomelo 2.2.7, each with the same small app,
-- and nginx, which ends TLS in front of ours. A server is {port=, pids= those whose time counts,
-- kill= those to end, log=, options= of the generator}.
local process = require "process"

local read, spawn, wait_for = process.read, process.spawn, process.wait_for

local servers = {}

-- That of docs/tls-proxy.md, with room for all clients.
local NGINX = [[
daemon off;
error_log @dir/error.log;
pid @dir/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 18000; }
http {
  access_log off;
  client_body_temp_path @dir/body;
  proxy_temp_path @dir/proxy;
  fastcgi_temp_path @dir/fastcgi;
  uwsgi_temp_path @dir/uwsgi;
  scgi_temp_path @dir/scgi;
  server {
    listen 127.0.0.1:@port ssl backlog=4096;
    ssl_certificate @certificate/bench.crt;
    ssl_certificate_key @certificate/bench.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://127.0.0.1:@behind;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
      proxy_read_timeout 300s;
      proxy_send_timeout 300s;
      proxy_buffering off;
    }
  }
}
]]

---@param build string folder of the programs
---@param out string folder that the copies of the apps and the logs go to
function servers.new(build, out)
  local start = {}

  local function app_with_two_frontends(dir)
    local path = dir .. "/config/servers.json"
    os.execute(("rm -rf %s && cp -r bench/app %s"):format(dir, dir))
    process.write(path, (read(path):gsub("{[^{}]*frontend[^{}]*}", function(entry)
      local one = entry:gsub('"clientPort": %d+', '"clientPort": 0')
      return one .. ", " .. one:gsub("connector%-1", "connector-2"):gsub('"port": %d+', '"port": 0')
    end)))
  end

  local function ready(log)
    wait_for("the start of pomelua (" .. log .. ")", 20, function()
      return read(log):find("\nready") or read(log):find("^ready")
    end)
    return tonumber(read(log):match("listening on %S-:(%d+)"))
  end

  ---@param environment string|nil variables, as a shell takes them
  function start.ours(environment)
    local log = out .. "/ours.log"
    os.execute(("rm -rf %s/app && cp -r bench/app %s/app"):format(out, out))
    local path = out .. "/app/config/servers.json"
    process.write(path, (read(path):gsub('"clientPort": %d+', '"clientPort": 0')))
    local pid = spawn(("%s exec %s/pomelua start %s/app"):format(environment or "", build, out),
      log)
    local function with(name, options) return (environment or ""):find(name) and options end
    return {
      port = ready(log), pids = tostring(pid), kill = { pid }, log = log,
      options = with("BENCH_TLS=", "--tls --insecure") or with("BENCH_RESUME=", "--resume") or nil,
    }
  end

  ---An app with two frontends: in one process, or each server in one of its own, on a bus. Of
  ---these, the time of the frontends counts.
  ---@param url string|nil of a broker
  function start.two_frontends(url)
    local dir, pids, ports = out .. (url and "/apart" or "/together"), {}, {}
    app_with_two_frontends(dir)
    for i, id in ipairs(url and { "connector-1", "connector-2", "chat-1" } or { "all" }) do
      local log = ("%s/%s.log"):format(dir, id)
      pids[i] = spawn(("exec %s/pomelua start %s %s"):format(build, dir,
        url and ("--bus %s --only %s"):format(url, id) or ""), log)
      ports[i] = ready(log)
    end
    local log = read(dir .. "/all.log")
    local second = ports[2] or tonumber(log:match("listening on .-listening on %S-:(%d+)"))
    for _, port in ipairs { ports[1], second } do -- until they have met the backend
      local probe = ("%s/load --port %d --clients 1 --mode idle --stay 0 --seconds 2 --quiet"
        .. " >/dev/null 2>&1"):format(build, port)
      wait_for("a frontend on the bus", 20, function() return os.execute(probe) == 0 end)
    end
    return {
      port = ports[1], pids = url and pids[1] .. "," .. pids[2] or tostring(pids[1]), kill = pids,
      log = dir .. "/all.log", options = "--second-port " .. second,
    }
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

  ---@return number port that was free a moment ago
  function start.free_port()
    local server = start.floor()
    servers.stop(server)
    return server.port
  end

  ---A certificate of our own, for both that end TLS.
  ---@return string|nil folder absolute; nil when there is no openssl
  function start.certificate()
    local folder = process.shell("pwd") .. "/" .. out
    if out:sub(1, 1) == "/" then folder = out end
    local made = os.execute(("cd '%s' && openssl req -x509 -newkey ec -pkeyopt"
      .. " ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -addext"
      .. " subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout bench.key -out bench.crt"
      .. " 2>/dev/null"):format(folder))
    return made == 0 and folder or nil
  end

  ---nginx, which ends TLS and passes WebSockets on to a server of ours: the time of both counts.
  ---@param behind table the server of ours
  ---@param certificate string folder of the certificate
  ---@return table|nil server nil: there is no nginx
  function start.nginx(behind, certificate)
    local command = process.shell("PATH=$PATH:/usr/sbin command -v nginx")
    if command == "" then return nil end
    local dir = certificate .. "/nginx"
    os.execute(("rm -rf '%s' && mkdir -p '%s/logs'"):format(dir, dir))
    local port = start.free_port()
    process.write(dir .. "/nginx.conf", NGINX:gsub("@(%l+)", {
      dir = dir, certificate = certificate, port = port, behind = behind.port,
    }))
    local log = dir .. "/nginx.log"
    local master = spawn(("exec %s -p '%s' -c nginx.conf"):format(command, dir), log)
    local probe = ("%s/load --port %d --tls --insecure --clients 1 --mode idle --stay 0 --seconds 2"
      .. " --quiet >/dev/null 2>&1"):format(build, port)
    wait_for("the start of nginx (" .. log .. ")", 20, function() return os.execute(probe) == 0 end)
    local workers = process.adopt_children(master)
    return {
      port = port, pids = behind.pids .. "," .. master .. "," .. table.concat(workers, ","),
      kill = { master }, log = log, options = "--tls --insecure",
    }
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
    local ports = { ["3050"] = start.free_port(), ["4050"] = start.free_port(),
      ["6050"] = start.free_port() }
    local config = read("bench/pomelo/config/servers.json")
    process.write(dir .. "/config/servers.json", (config:gsub("%d%d%d%d", ports)))
    process.write(dir .. "/config/master.json", (read("bench/pomelo/config/master.json")
      :gsub("%d%d%d%d", start.free_port())))
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
