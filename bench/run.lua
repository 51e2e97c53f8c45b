-- The benchmark of the whole server: runs ours, the floor (the least that a server can do,
-- core/tools/floor.c) and, when npm brings it, Pomelo 2.2.7 with the same small app, one
-- after the other and over again, in one go, and writes build/bench/: table.md,
-- results.json and plots. Ratios of figures taken in one run count, single figures do not.
--
-- Use: luajit bench/run.lua BUILD. QUICK=1 takes about a minute; REPEATS=N.
package.path = "bench/?.lua;" .. package.path
local cjson = require "cjson"
local plot = require "plot"
local stats = require "stats"

local build = arg[1] or "build"
local out = build .. "/bench"
local quick = os.getenv("QUICK") and os.getenv("QUICK") ~= "" and os.getenv("QUICK") ~= "0"
local repeats = tonumber(os.getenv("REPEATS")) or (quick and 1 or 3)
-- How often a row and what it is compared with are measured in a round; a long row: less often.
local times = quick and 2 or 9
local times_long = math.ceil(times / 3)

local function say(...) io.stderr:write(string.format(...), "\n") end

local function read(path)
  local f = io.open(path, "rb")
  if not f then return "" end
  local text = f:read("*a")
  f:close()
  return text
end

local function write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

local function shell(command)
  local p = assert(io.popen(command))
  local text = p:read("*a")
  p:close()
  return (text:gsub("%s+$", ""))
end

local function sleep(s) os.execute("sleep " .. s) end

-- --- processes -------------------------------------------------------------------

local started = {} -- pid: true, all that this run started and that may still run

local function spawn(command, log)
  local pid = tonumber(shell(("%s >%s 2>&1 & echo $!"):format(command, log)))
  started[pid] = true
  return pid
end

local function is_alive(pid) return os.execute("kill -0 " .. pid .. " 2>/dev/null") == 0 end

local function finish(pid)
  if not started[pid] then return end
  os.execute("kill " .. pid .. " 2>/dev/null")
  for _ = 1, 100 do
    if not is_alive(pid) then break end
    sleep(0.05)
  end
  if is_alive(pid) then os.execute("kill -9 " .. pid) end
  started[pid] = nil
end

local function wait_for(what, seconds, test)
  for _ = 1, seconds * 20 do
    local value = test()
    if value then return value end
    sleep(0.05)
  end
  error(what .. " did not happen within " .. seconds .. " s", 0)
end

-- --- the three servers -----------------------------------------------------------

local servers = {}

function servers.ours(options)
  local log = out .. "/ours.log"
  os.execute(("rm -rf %s/app && cp -r bench/app %s/app"):format(out, out))
  local path = out .. "/app/config/servers.json"
  write(path, (read(path):gsub('"clientPort": %d+', '"clientPort": 0')))
  local pid = spawn(("%s exec %s/pomelua start %s/app"):format(options or "", build, out), log)
  wait_for("the start of pomelua (" .. log .. ")", 20, function()
    return read(log):find("\nready") or read(log):find("^ready")
  end)
  local port = tonumber(read(log):match("listening on %S-:(%d+)"))
  return { port = port, pids = tostring(pid), kill = { pid }, log = log }
end

function servers.floor(rooms, ring)
  local log = out .. (ring and "/floor-ring.log" or "/floor.log")
  os.remove(log)
  local pid = spawn(("exec %s/floor 0 %d %s"):format(build, rooms or 1000, ring or ""), log)
  local port = wait_for("the start of floor", 5, function()
    return tonumber(read(log):match("listening on %S-:(%d+)"))
      or not is_alive(pid) and error("floor did not start: " .. read(log), 0)
  end)
  return { port = port, pids = tostring(pid), kill = { pid }, log = log }
end

local function free_port()
  local server = servers.floor()
  finish(server.kill[1])
  return server.port
end

function servers.pomelo()
  local dir = out .. "/pomelo"
  local path = dir .. "/config/servers.json"
  local ports = { ["3050"] = free_port(), ["4050"] = free_port(), ["6050"] = free_port() }
  local config = read("bench/pomelo/config/servers.json")
  write(path, (config:gsub("%d%d%d%d", ports)))
  write(dir .. "/config/master.json", (read("bench/pomelo/config/master.json")
    :gsub("%d%d%d%d", free_port())))
  local log = dir .. "/pomelo.log"
  local master = spawn(("cd %s && exec node app.js env=production"):format(dir), "pomelo.log")
  local port, kill = ports["3050"], { master }
  local probe = ("%s/load --port %d --clients 1 --mode idle --stay 0 --seconds 2 --quiet"
    .. " >/dev/null 2>&1"):format(build, port)
  local ok, why = pcall(wait_for, "the start of Pomelo (" .. log .. ")", 30, function()
    return os.execute(probe) == 0
  end)
  local children = shell(("cat /proc/%d/task/%d/children 2>/dev/null"):format(master, master))
  for child in children:gmatch("%d+") do
    kill[#kill + 1] = tonumber(child)
    started[tonumber(child)] = true
  end
  if not ok then
    for _, pid in ipairs(kill) do finish(pid) end
    error(why, 0)
  end
  -- The master does no work for clients, so it is not counted.
  return { port = port, pids = table.concat(kill, ",", 2), kill = kill, log = log }
end

local function stop(server)
  for _, pid in ipairs(server.kill) do finish(pid) end
end

local function has_pomelo()
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

-- --- runs of the generator ---------------------------------------------------------

local failures = {}

local function load_command(server, options)
  return ("%s/load --port %d --pid %s --quiet --json %s"):format(build, server.port, server.pids,
    options)
end

-- The objects the generator printed, by what they are about, and what it complained of.
local function parsed(text)
  local found, said = {}, {}
  for line in text:gmatch("[^\n]+") do
    if line:sub(1, 1) == "{" then
      local o = cjson.decode(line)
      found[o.what] = o
    else
      said[#said + 1] = line
    end
  end
  return found, table.concat(said, "; ")
end

local function run(name, server, options)
  local text, status = shell(load_command(server, options) .. " 2>&1; echo $?"):match("^(.-)(%d+)$")
  local found, said = parsed(text)
  if status ~= "0" then
    failures[#failures + 1] = ("%s: status %s: %s"):format(name, status, said)
    say("  FAILED load %s: %s", options, failures[#failures])
    for what, o in pairs(found) do
      say("    %s: %d of %d, errors %d, kicks %d, lost %d", what, o.done, o.want, o.errors, o.kicks,
        o.dead)
    end
  end
  return found
end

-- --- what is measured ------------------------------------------------------------------

local open_files = tonumber(shell("ulimit -Hn")) or 1024
local most = math.min(50000, open_files - 1000)
if quick then most = math.min(most, 5000) end
local scale = quick and 0.3 or 1
local function count(n) return math.max(1, math.floor(n * scale)) end

local fan = "--clients %d --rooms %d --in-flight %d --count %d"
local fan8, fan1 = fan:format(1000, 1, 8, count(400)), fan:format(1000, 1, 1, count(100))
local fan_all = fan:format(most, 1, 1, quick and 3 or 12)
local rooms10 = fan:format(1000, 10, 8, count(3000))
local rooms100 = fan:format(1000, 100, 8, count(20000))
local echo = ("--mode echo --clients 100 --count %d"):format(count(80000))
local to_chat = " --route chat.chatHandler.echo"
local some = "--clients 1000 --mode idle --stay 0"
local all = "--clients " .. most .. " --mode idle --stay 0"

-- What is measured: name; the line of the generator's that counts; which server with which
-- options; what it is compared with, measured in turn with it: which server, options; the
-- target of the ratio. pomelo: the options for Pomelo. long: fewer times per round.
local rows = {
  { "fan-out, 8 in flight", "fan", "ours", fan8, "floor", fan8, 1.1,
    pomelo = fan:format(1000, 1, 8, count(40)) },
  { "fan-out, 1 in flight", "fan", "ours", fan1, "floor", fan1, 0.75,
    pomelo = fan:format(1000, 1, 1, count(40)) },
  { "fan-out, 1 in flight, io_uring off", "fan", "off", fan1, "floor", fan1, 1.1 },
  { "the floor itself with io_uring, 1 in flight", "fan", "ring", fan1, "floor", fan1 },
  { "raw TCP, 8 in flight", "fan", "ours", "--tcp " .. fan8, "ours", fan8, 1 },
  { "raw TCP, 1 in flight", "fan", "ours", "--tcp " .. fan1, "ours", fan1, 1 },
  { "10 rooms of 100", "fan", "ours", rooms10, "floor", rooms10, 1.25 },
  { "100 rooms of 10", "fan", "ours", rooms100, "floor", rooms100, 1.6 },
  { "request to Lua", "echo", "ours", echo, "floor", echo, 4,
    pomelo = ("--mode echo --clients 100 --count %d"):format(count(20000)) },
  { "request forwarded", "echo", "ours", echo .. to_chat, "floor", echo, 7,
    pomelo = ("--mode echo --clients 100 --count %d"):format(count(10000)) .. to_chat },
  { "connect, enter; 1,000", "connect", "ours", some, "floor", some, 2, pomelo = some },
  { ("connect, enter; %d"):format(most), "connect", "ours", all, "floor", all, 2, long = true },
  { ("broadcast to %d, 1 in flight"):format(most), "fan", "ours", fan_all, "ours", fan1, 1.1,
    long = true },
  { "the same, beside the floor's", "fan", "ours", fan_all, "floor", fan_all, long = true },
}

local by_name, names = {}, {} -- names: of the rows of ours, by options
for _, row in ipairs(rows) do
  row.name, row.kind, row.server, row.options, row.other, row.other_options, row.target =
    unpack(row, 1, 7)
  row.ours, row.compared, row.of_pomelo, row.generator, row.busy = {}, {}, {}, {}, {}
  by_name[row.name] = row
  if row.server == "ours" then names[row.options] = row.name end
end

local figures = {} -- those that are no ratios: name, value, unit, target

local function figure(name, unit, target, value)
  local f = by_name[name]
  if not f then
    f = { name = name, unit = unit, target = target, values = {}, is_figure = true }
    by_name[name] = f
    figures[#figures + 1] = f
  end
  if value then f.values[#f.values + 1] = value end
end

local latency = {} -- name: the latest quantiles

local function us(list)
  if #list == 0 then return "" end
  return ("%.2f"):format(stats.median(list))
end

-- One run for a row; adds to list what a delivery, request or connect cost the server.
local function measure(row, name, server, options, list)
  local got = run(name, server, options)[row.kind]
  if not got then return nil end
  list[#list + 1] = got.server_us
  latency[name] = got.quantiles
  return got
end

local function measure_row(row, running)
  local rooms = tonumber(row.options:match("%-%-rooms (%d+)")) or 1
  local floor = row.other == "floor" and servers.floor(rooms) or nil
  local ring = row.server == "ring" and servers.floor(rooms, "ring") or nil
  local here = { ours = running.ours, off = running.off, floor = floor, ring = ring }
  local function ours()
    local got = measure(row, row.name, here[row.server], row.options, row.ours)
    if not got then return end
    table.insert(row.generator, got.client_us)
    table.insert(row.busy, got.client_us * got.rate / 1e6)
  end
  local function other()
    measure(row, row.other .. ": " .. row.name, here[row.other], row.other_options, row.compared)
  end
  for i = 1, row.long and times_long or times do
    local first, second = ours, other
    if i % 2 == 0 then first, second = other, ours end -- neither always follows the other
    first()
    second()
  end
  if floor then stop(floor) end
  if ring then stop(ring) end
  if running.pomelo and row.pomelo then
    measure(row, "Pomelo: " .. row.name, running.pomelo, row.pomelo, row.of_pomelo)
  end
  local line = ("  %s: %s us; %s %s us"):format(row.name, us(row.ours), row.other, us(row.compared))
  say("%s%s", line, #row.of_pomelo > 0 and ("; Pomelo %s us"):format(us(row.of_pomelo)) or "")
end

-- Pomelo, or nil when it does not start: a port that was free may be taken meanwhile.
local function some_pomelo()
  for _ = 1, 3 do
    local ok, server = pcall(servers.pomelo)
    if ok then return server end
    say("bench: %s", server)
  end
  say("bench: this round is without Pomelo")
end

local function measure_rows(with_pomelo)
  local running = {
    ours = servers.ours(), off = servers.ours("POMELUA_IO_URING=off"),
    pomelo = with_pomelo and some_pomelo() or nil,
  }
  for _, row in ipairs(rows) do measure_row(row, running) end
  for _, server in pairs(running) do stop(server) end
end

-- A line that a measuring handler wrote into the log.
local function asked(server, route, message, pattern)
  run("measureHandler", server, ("--mode echo --clients 1 --count 1 --enter '' --route %s"
    .. " --message '%s'"):format(route, message))
  return { read(server.log):match(".*" .. pattern) }
end

local function rss_of(server)
  return tonumber(read("/proc/" .. server.pids .. "/statm"):match("%d+ (%d+)")) * 4096
end

local function lua_memory(server)
  local pattern = "measured memory connector%-1 ([%d%.]+) KiB.-measured memory chat%-1 ([%d%.]+)"
  local got = asked(server, "connector.measureHandler.memory", "{}", pattern)
  return ((tonumber(got[1]) or 0) + (tonumber(got[2]) or 0)) * 1024
end

local memory = {} -- points of the plot

-- Growth of RSS by idle clients, 10 s after the last one, less what Lua keeps.
local function measure_memory(clients, settle)
  local server = servers.ours()
  run("warm", server, "--clients 10 --mode idle --stay 0")
  local lua_before, before = lua_memory(server), rss_of(server)
  local pid = spawn(load_command(server, ("--clients %d --mode idle --stay 600"):format(clients)),
    out .. "/idle.log")
  wait_for("the connects", 120, function() return read(out .. "/idle.log"):find("\n") end)
  sleep(settle)
  local rss = rss_of(server) - before
  local lua = lua_memory(server) - lua_before
  finish(pid)
  stop(server)
  say("  %d idle clients: %.0f bytes each, of them Lua's %.0f", clients, rss / clients,
    lua / clients)
  memory[#memory + 1] = { clients, rss / clients, (rss - lua) / clients }
  return (rss - lua) / clients
end

local function measure_push()
  local server = servers.ours()
  local pid = spawn(load_command(server, "--clients 1000 --mode idle --stay 600"),
    out .. "/idle.log")
  wait_for("the connects", 60, function() return read(out .. "/idle.log"):find("\n") end)
  for _, members in ipairs { 10, 1000 } do
    local got = asked(server, "connector.measureHandler.push",
      ('{"members":%d,"times":21}'):format(members),
      ("measured push here %d ([%%d%%.]+) us.-measured push there %d ([%%d%%.]+) us")
        :format(members, members))
    local here, there = tonumber(got[1]), tonumber(got[2])
    if members == 1000 then
      figure("pushMessage, 1,000 local members, without writes", "us", 30, here)
    end
    figure(("pushMessage, %d members on another server"):format(members), "us", nil, there)
  end
  finish(pid)
  stop(server)
end

-- 1,000 users in one room, each speaking every 1 to 10 s, heartbeats at 3 s.
local function measure_room()
  local server = servers.ours("BENCH_HEARTBEAT=3")
  local seconds = quick and 5 or 15
  local got = run("1,000 talkers", server, ("--clients 1000 --senders 1000 --rate 182"
    .. " --in-flight 100 --duration %d"):format(seconds)).fan
  stop(server)
  if not got then return end
  latency["1,000 talkers"] = got.quantiles
  figure("1,000 talkers, 182 messages/s, heartbeats at 3 s: p99", "ms", 100, got.p99)
  figure("the same: deliveries a second", "", 0.98 * 182000, got.rate)
  by_name["the same: deliveries a second"].at_least = true
  say("  1,000 talkers: %.0f deliveries/s, p99 %.1f ms, %d heartbeats answered, %d kicks",
    got.rate, got.p99, got.beats, got.kicks)
end

-- Latency of requests of a second process while a room is flooded.
local function probed(name, server, flood)
  local pid = spawn(load_command(server, flood .. " --duration 20"), out .. "/flood.log")
  wait_for("the connects", 60, function() return read(out .. "/flood.log"):find("\n") end)
  sleep(0.5)
  local got = run("probe: " .. name, server, ("--mode echo --enter '' --clients 10 --rate 200"
    .. " --duration %d --route connector.entryHandler.echo"):format(quick and 3 or 6)).echo
  finish(pid)
  stop(server)
  latency["probe: " .. name] = got and got.quantiles
  return got and got.p99
end

-- spaced: pushes to the room that one thread can do in a second when nothing is coalesced,
-- times 1,000.
local function measure_probe(spaced)
  local flood = "--clients 1000 --in-flight 8"
  local ours = probed("ours", servers.ours(), flood)
  local floor = probed("floor", servers.floor(1), flood)
  local half = ("--clients 1000 --in-flight 100 --rate %d"):format(spaced / 2000)
  local at_half = probed("half", servers.ours(), half)
  if not (ours and floor and at_half) then return end
  figure("request during a flood, p99: ratio to the floor's", "x", 2, ours / floor)
  figure("the same: ours", "ms", nil, ours)
  figure("request at half load, p99", "ms", 20, at_half)
  say("  probe: ours %.1f ms, floor %.1f ms, at half load %.1f ms", ours, floor, at_half)
end

-- --- plots -------------------------------------------------------------------------------

local sweeps = { members = {}, in_flight = {} }

local function sweep()
  local ours = servers.ours()
  for _, n in ipairs(quick and { 10, 100, 1000 } or { 10, 30, 100, 300, 1000, 3000 }) do
    local options = fan:format(n, 1, 8, count(400000 / n))
    local floor = servers.floor(1)
    local a, b = run("sweep", ours, options).fan, run("sweep", floor, options).fan
    stop(floor)
    if a and b then table.insert(sweeps.members, { n, a.server_us, b.server_us }) end
  end
  for _, n in ipairs { 1, 2, 4, 8, 16, 32 } do
    local options = fan:format(1000, 1, n, count(100 + n * 50))
    local floor = servers.floor(1)
    local a, b = run("sweep", ours, options).fan, run("sweep", floor, options).fan
    stop(floor)
    if a and b then table.insert(sweeps.in_flight, { n, a.server_us, b.server_us }) end
  end
  stop(ours)
end

local function columns(points, x, y)
  local list = {}
  for i, p in ipairs(points) do list[i] = { p[x], p[y] } end
  return list
end

local function quantiles(name)
  local list = {}
  for i, ms in ipairs(latency[name] or {}) do list[i] = { math.max(ms, 0.01), i - 1 } end
  return list
end

local function plots()
  local both = function(points)
    return { { "Pomelua", columns(points, 1, 2) }, { "floor", columns(points, 1, 3) } }
  end
  plot.write(out .. "/members.svg", {
    title = "Server CPU per delivery, 8 in flight", x = "members of the room (log)",
    y = "microseconds", log_x = true, series = both(sweeps.members),
  })
  plot.write(out .. "/in-flight.svg", {
    title = "Server CPU per delivery, 1,000 members", x = "requests in flight (log)",
    y = "microseconds", log_x = true, series = both(sweeps.in_flight),
  })
  plot.write(out .. "/latency.svg", {
    title = "Latency", x = "milliseconds (log)", y = "% at most", log_x = true,
    series = {
      { "push, 8 in flight", quantiles "fan-out, 8 in flight" },
      { "the floor's", quantiles "floor: fan-out, 8 in flight" },
      { "request in a flood", quantiles "probe: ours" },
      { "1,000 talkers", quantiles "1,000 talkers" },
    },
  })
  table.sort(memory, function(a, b) return a[1] < b[1] end)
  plot.write(out .. "/memory.svg", {
    title = "Memory per idle connection", x = "connections", y = "bytes",
    series = { { "all", columns(memory, 1, 2) }, { "without Lua's", columns(memory, 1, 3) } },
  })
end

-- --- the table ------------------------------------------------------------------------------

local function machine()
  return {
    cpu = shell("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"),
    cores = tonumber(shell("nproc")),
    kernel = shell("uname -sr"),
    open_files = open_files,
    load = shell("cut -d' ' -f1-3 /proc/loadavg"),
    compiler = shell("gcc --version | head -1"),
    commit = shell("git rev-parse --short HEAD 2>/dev/null"),
    quick = quick or false,
    repeats = repeats,
    connections = most,
  }
end

-- The ratios of what was measured in turn.
local function ratios(row)
  local list = {}
  for i, value in ipairs(row.ours) do
    local other = row.compared[i]
    if other and other > 0 then list[#list + 1] = value / other end
  end
  return list
end

-- low, high: where the median lies, with the chance that stats.interval gives.
local function verdict(value, target, at_least, low, high)
  if not target then return "" end
  if not value then return "not measured" end
  if at_least then value, target, low = -value, -target, -high end
  if value <= target then return "met" end
  return low <= target and "within the spread" or "**not met**"
end

local function table_text(facts)
  local lines = {
    "| row | ours, us | compared with, us | ratio | spread | target | | generator, us (busy) "
      .. "| Pomelo 2.2.7, us |",
    "|---|---|---|---|---|---|---|---|---|",
  }
  local results = {}
  for _, row in ipairs(rows) do
    local list = ratios(row)
    local ratio, low, high = stats.median(list), stats.interval(list)
    local met = verdict(ratio, row.target, false, low, high)
    local with = row.other == "floor" and "floor" or "ours: " .. names[row.other_options]
    lines[#lines + 1] = ("| %s | %s | %s (%s) | %s | %s | %s | %s | %s (%.0f %%) | %s |"):format(
      row.name, us(row.ours), us(row.compared), with, ratio and ("%.2f"):format(ratio) or "",
      ratio and ("%.2f to %.2f"):format(low, high) or "",
      row.target and ("%.2f"):format(row.target) or "", met, us(row.generator),
      100 * (stats.median(row.busy) or 0), us(row.of_pomelo))
    results[#results + 1] = {
      name = row.name, options = row.options, ours = row.ours, compared = row.compared,
      ratio = ratio, low = low, high = high, target = row.target, met = met == "met",
      pomelo = row.of_pomelo, generator = row.generator,
    }
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "| figure | ours | spread | target | |"
  lines[#lines + 1] = "|---|---|---|---|---|"
  for _, f in ipairs(figures) do
    local value, low, high = stats.median(f.values), stats.interval(f.values)
    local met = verdict(value, f.target, f.at_least, low, high)
    lines[#lines + 1] = ("| %s | %s %s | %s | %s | %s |"):format(f.name,
      value and ("%.5g"):format(value) or "", f.unit,
      value and ("%.5g to %.5g"):format(low, high) or "",
      f.target and (f.at_least and "at least " or "") .. ("%.6g"):format(f.target) or "", met)
    results[#results + 1] = {
      name = f.name, unit = f.unit, values = f.values, median = value, low = low, high = high,
      target = f.target, met = met == "met",
    }
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("%s, %d cores, %s; %s;\nopen files: %d, so at most %d connections;"
    .. " medians of %d rounds, in each of which a row and\nwhat it is compared with were"
    .. " measured in turn %d times (%d when long);\nCPU time of all threads of the servers per"
    .. " delivery, request or connect; the spread is where\nthe median lies with a chance of"
    .. " 95 %%, or, of fewer than six values, all of them.")
    :format(facts.cpu, facts.cores, facts.kernel, facts.compiler, open_files, most, repeats, times,
      times_long)
  for _, text in ipairs(failures) do lines[#lines + 1] = "\nFailed: " .. text end
  return table.concat(lines, "\n") .. "\n", results
end

local function main()
  os.execute("mkdir -p " .. out)
  local with_pomelo, why = has_pomelo()
  if not with_pomelo then say("bench: without Pomelo: %s", why) end
  if most < 50000 then
    say("bench: the limit of open files is %d: %d connections instead of 50000", open_files, most)
  end
  local facts = machine()
  for i = 1, repeats do
    say("round %d of %d", i, repeats)
    measure_rows(with_pomelo)
    figure(("memory of ours per idle connection, %d of them"):format(most), "bytes", 1024,
      measure_memory(most, quick and 3 or 10))
    measure_push()
    measure_room()
    measure_probe(1e6 / (stats.median(by_name["fan-out, 1 in flight"].ours) or 10))
  end
  if not quick then
    for _, n in ipairs { 1000, 3000, 8000 } do measure_memory(math.min(n, most), 2) end
  end
  sweep()
  plots()
  local text, results = table_text(facts)
  write(out .. "/table.md", text)
  write(out .. "/results.json", cjson.encode {
    machine = facts, rows = results, sweeps = sweeps, memory = memory, latency = latency,
    failures = failures,
  })
  print(text)
  say("bench: written to %s: table.md, results.json, *.svg", out)
end

local ok, err = xpcall(main, debug.traceback)
for pid in pairs(started) do finish(pid) end
if not ok then
  say("bench: %s", err)
  os.exit(1)
end
os.exit(#failures == 0 and 0 or 1)
