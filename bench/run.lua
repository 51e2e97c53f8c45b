-- The benchmark of the whole server: runs ours, the floor (the least that a server can do,
-- core/tools/floor.c) and, when npm brings it, Pomelo 2.2.7 with the same small app, one
-- after the other and over again, in one go, and writes build/bench/: table.md,
-- results.json and plots. Ratios of figures taken in one run count, single figures do not.
--
-- Use: luajit bench/run.lua BUILD. QUICK=1 takes about a minute; REPEATS=N; ROWS=TEXT measures only
-- the rows whose name holds the text.
package.path = "bench/?.lua;" .. package.path
local bus = require "bus"
local cjson = require "cjson"
local database = require "database"
local machine = require "machine"
local postgres = require "postgres"
local process = require "process"
local redis = require "redis"
local report = require "report"
local servers = require "servers"
local stats = require "stats"

local read, shell, spawn, wait_for = process.read, process.shell, process.spawn, process.wait_for
local finish, sleep, stop, us = process.finish, process.sleep, servers.stop, report.us

local build = arg[1] or "build"
local out = build .. "/bench"
local quick = os.getenv("QUICK") and os.getenv("QUICK") ~= "" and os.getenv("QUICK") ~= "0"
local repeats = tonumber(os.getenv("REPEATS")) or (quick and 1 or 3)
-- How often a row and what it is compared with are measured in a round; a long row: less often.
local times = quick and 2 or 9
local times_long = math.ceil(times / 3)

local function say(...) io.stderr:write(string.format(...), "\n") end

local start = servers.new(build, out)

-- --- runs of the generator ---------------------------------------------------------

local failures = {}

local function load_command(server, options)
  return ("%s/load --port %d --pid %s --quiet --json %s %s"):format(build, server.port,
    server.pids, server.options or "", options)
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

-- Clients that stay connected while something else is measured: the pid, once they are there.
local function others(server, options)
  local log = out .. "/others.log"
  local pid = spawn(load_command(server, options), log)
  wait_for("the connects", 120, function() return read(log):find("\n") end)
  return pid
end

-- --- what is measured ------------------------------------------------------------------

local open_files = tonumber(shell("ulimit -Hn")) or 1024
local most = math.min(50000, open_files - 1000)
if quick then most = math.min(most, 5000) end
local scale = quick and 0.3 or 1
local function count(n) return math.max(1, math.floor(n * scale)) end

local fan = "--clients %d --rooms %d --in-flight %d --count %d"
local fan8, fan1 = fan:format(1000, 1, 8, count(400)), fan:format(1000, 1, 1, count(100))
local fan_many = fan:format(math.min(10000, most), 1, 1, quick and 10 or 40)
local fan_all = fan:format(most, 1, 1, quick and 3 or 12)
local rooms10 = fan:format(1000, 10, 8, count(3000))
local rooms100 = fan:format(1000, 100, 8, count(20000))
local echo = ("--mode echo --clients 100 --count %d"):format(count(80000))
local to_chat = " --route chat.chatHandler.echo"
local to_database = " --route connector.databaseHandler.read"
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
  { "routes as numbers, beside whole ones", "fan", "dictionary", fan8, "ours", fan8, 1 },
  { "protobuf, beside JSON", "fan", "protobuf", fan8, "ours", fan8, 1.05 },
  { "resume on, 8 in flight, beside off", "fan", "resume", fan8, "ours", fan8, 1.05 },
  { "resume on, 10 rooms of 100, beside off", "fan", "resume", rooms10, "ours", rooms10, 1.05 },
  { "cluster channel, 8 in flight, beside a local one", "fan", "cluster", fan8, "ours", fan8, 1.1 },
  { "cluster channel of 10,000, beside a local one", "fan", "cluster", fan_many, "ours", fan_many,
    1.1 },
  { "two frontends, a process each, beside one process", "fan", "apart", fan8, "together", fan8,
    1.1 },
  { "two frontends, a process each, 1 in flight", "fan", "apart", fan1, "together", fan1, 1.1 },
  { "10 rooms of 100", "fan", "ours", rooms10, "floor", rooms10, 1.25 },
  { "100 rooms of 10", "fan", "ours", rooms100, "floor", rooms100, 1.6 },
  { "request to Lua", "echo", "ours", echo, "floor", echo, 4,
    pomelo = ("--mode echo --clients 100 --count %d"):format(count(20000)) },
  { "wss, 8 in flight, beside ws", "fan", "tls", fan8, "ours", fan8 },
  { "wss, 1 in flight, beside ws", "fan", "tls", fan1, "ours", fan1 },
  { "wss, request to Lua, beside ws", "echo", "tls", echo, "ours", echo },
  { "wss, 8 in flight, beside nginx", "fan", "tls", fan8, "nginx", fan8, 1 },
  { "wss, 1 in flight, beside nginx", "fan", "tls", fan1, "nginx", fan1, 1 },
  { "wss, request to Lua, beside nginx", "echo", "tls", echo, "nginx", echo, 1 },
  { "wss, connect, enter; 1,000, beside nginx", "connect", "tls", some, "nginx", some, 1 },
  { "request through a before and an after filter", "echo", "filters", echo, "ours", echo, 1.15 },
  { "request with one SQLite read, beside a plain one", "echo", "ours", echo .. to_database, "ours",
    echo },
  { "request forwarded", "echo", "ours", echo .. to_chat, "floor", echo, 7,
    pomelo = ("--mode echo --clients 100 --count %d"):format(count(10000)) .. to_chat },
  { "connect, enter; 1,000", "connect", "ours", some, "floor", some, 2, pomelo = some },
  { ("connect, enter; %d"):format(most), "connect", "ours", all, "floor", all, 2, long = true },
  { ("broadcast to %d, 1 in flight"):format(most), "fan", "ours", fan_all, "ours", fan1, 1.1,
    long = true },
  { "the same, beside the floor's", "fan", "ours", fan_all, "floor", fan_all, long = true },
}

local only = os.getenv("ROWS")
local function wanted(name) return not only or name:find(only, 1, true) ~= nil end

for i = #rows, 1, -1 do
  if not wanted(rows[i][1]) then table.remove(rows, i) end
end

-- Measured: ours, compared, of_pomelo: us per delivery, request or connect; ratios: of ours to
-- what was compared in turn with it; generator: its us; busy: the share of its time.
local by_name = {}
for _, row in ipairs(rows) do
  row.name, row.kind, row.server, row.options, row.other, row.other_options, row.target =
    unpack(row, 1, 7)
  row.ours, row.compared, row.ratios, row.of_pomelo = {}, {}, {}, {}
  row.generator, row.busy = {}, {}
  by_name[row.name] = row
end

local figures = {} -- those that are no ratios: name, value, unit, target

local function figure(name, unit, target, value)
  local f = by_name[name]
  if not f then
    f = { name = name, unit = unit, target = target, values = {} }
    by_name[name] = f
    figures[#figures + 1] = f
  end
  if value then f.values[#f.values + 1] = value end
end

local latency = {} -- name: the latest quantiles

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
  local floor = row.other == "floor" and start.floor(rooms) or nil
  local ring = row.server == "ring" and start.floor(rooms, "ring") or nil
  local here = { ours = running.ours, off = running.off, dictionary = running.dictionary,
    protobuf = running.protobuf, filters = running.filters, tls = running.tls,
    nginx = running.nginx, floor = floor, ring = ring, cluster = running.cluster,
    apart = running.apart, together = running.together, resume = running.resume }
  if not here[row.server] or not here[row.other] then return end
  local function ours()
    local got = measure(row, row.name, here[row.server], row.options, row.ours)
    if not got then return nil end
    table.insert(row.generator, got.client_us)
    table.insert(row.busy, got.client_us * got.rate / 1e6)
    return got
  end
  local function other()
    return measure(row, row.other .. ": " .. row.name, here[row.other], row.other_options,
      row.compared)
  end
  for i = 1, row.long and times_long or times do
    local a, b
    if i % 2 == 1 then a = ours() end
    b = other()
    if i % 2 == 0 then a = ours() end -- neither always follows the other
    if a and b and b.server_us > 0 then table.insert(row.ratios, a.server_us / b.server_us) end
    if a and b and row.other == "ours" and row.options == row.other_options
      and row.server ~= "tls" then
      figure("bytes a delivery: " .. row.name, "x", 1, a.bytes / b.bytes)
    end
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
    local ok, server = pcall(start.pomelo)
    if ok then return server end
    say("bench: %s", server)
  end
  say("bench: this round is without Pomelo")
end

local certificate -- its folder; nil: nothing is measured with TLS

local function measure_rows(with_pomelo)
  local running = {
    ours = start.ours(), off = start.ours("POMELUA_IO_URING=off"),
    dictionary = start.ours("BENCH_FORM=dictionary"), protobuf = start.ours("BENCH_FORM=protobuf"),
    resume = start.ours("BENCH_RESUME=1"),
    filters = start.ours("BENCH_FILTERS=1"), cluster = start.ours("BENCH_SCOPE=cluster"),
    tls = certificate and start.ours("BENCH_TLS=" .. certificate) or nil,
    pomelo = with_pomelo and some_pomelo() or nil,
  }
  running.nginx = certificate and start.nginx(running.ours, certificate) or nil
  local broker, url = bus.broker(out)
  if broker then
    running.apart, running.together = start.two_frontends(url), start.two_frontends()
  end
  if not running.nginx then say("bench: there is no nginx: its rows are left out") end
  for _, row in ipairs(rows) do measure_row(row, running) end
  -- First: it stands in front of another one.
  if running.nginx then stop(running.nginx) end
  running.nginx = nil
  for _, server in pairs(running) do stop(server) end
  if broker then finish(broker) end
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
local function measure_memory(clients, settle, environment)
  local server = start.ours(environment)
  run("warm", server, "--clients 10 --mode idle --stay 0")
  local lua_before, before = lua_memory(server), rss_of(server)
  local pid = others(server, ("--clients %d --mode idle --stay 600"):format(clients))
  sleep(settle)
  local rss = rss_of(server) - before
  local lua = lua_memory(server) - lua_before
  finish(pid)
  stop(server)
  say("  %d idle clients: %.0f bytes each, of them Lua's %.0f", clients, rss / clients,
    lua / clients)
  if not environment then
    memory[#memory + 1] = { clients, rss / clients, (rss - lua) / clients }
  end
  return (rss - lua) / clients
end

local function measure_push()
  local server = start.ours()
  local pid = others(server, "--clients 1000 --mode idle --stay 600")
  local function ask(members)
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
  for _ = 1, times do
    ask(10)
    ask(1000)
  end
  finish(pid)
  stop(server)
end

-- 1,000 users in one room, each speaking every 1 to 10 s, heartbeats at 3 s.
local function measure_room()
  local server = start.ours("BENCH_HEARTBEAT=3")
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

-- 20 `latest` pushes of 1 KiB a second to 1,000 clients, of whom `slow` read slowly: what the
-- generator measured, and the most such pushes that waited in the server at one time.
local function latest(server, slow)
  local waiting = 0
  local pid = others(server, ("--clients 1000 --rate 20 --in-flight 100 --size 950 --latest"
    .. " --route chat.chatHandler.move --slow %d --duration %d"):format(slow, quick and 4 or 10))
  while process.is_alive(pid) do
    local got = asked(server, "connector.measureHandler.latest", "{}", "latest (%d+) waiting")
    waiting = math.max(waiting, tonumber(got[1]) or 0)
    sleep(0.1)
  end
  local found, said = parsed(read(out .. "/others.log"))
  local got = found.fan
  if said ~= "" or not got or got.dead > 0 then
    failures[#failures + 1] = ("latest, %d slow: %s"):format(slow, said)
  end
  return got, waiting
end

local function measure_latest()
  local server = start.ours()
  for i = 1, quick and 1 or 3 do
    local without, with, waiting
    if i % 2 == 1 then without = latest(server, 0) end
    with, waiting = latest(server, 50)
    if i % 2 == 0 then without = latest(server, 0) end
    if without and with then
      figure("latest, 50 of 1,000 clients slow: pushes that wait in the server at one time", "", 50,
        waiting)
      figure("the same: how many updates a slow client is behind the newest", "", 8,
        with.on_way - 1)
      figure("the same: p99 of the others, ratio to without slow clients", "x", 1.1,
        with.p99 / without.p99)
      latency["latest, all fast"] = without.quantiles
      latency["latest, 50 slow"] = with.quantiles
      say("  latest: p99 %.1f ms, with 50 slow clients %.1f ms; %d wait, %d on their way",
        without.p99, with.p99, waiting, with.on_way)
    end
  end
  stop(server)
end

-- Latency of requests of a second process while a room is flooded.
local function probed(name, server, flood)
  local pid = others(server, flood .. " --duration 20")
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
  local ours = probed("ours", start.ours(), flood)
  local floor = probed("floor", start.floor(1), flood)
  local half = ("--clients 1000 --in-flight 100 --rate %d"):format(spaced / 2000)
  local at_half = probed("half", start.ours(), half)
  if not (ours and floor and at_half) then return end
  figure("request during a flood, p99: ratio to the floor's", "x", 2, ours / floor)
  figure("the same: ours", "ms", nil, ours)
  figure("request at half load, p99", "ms", 20, at_half)
  say("  probe: ours %.1f ms, floor %.1f ms, at half load %.1f ms", ours, floor, at_half)
end

-- --- sweeps for the plots ---------------------------------------------------------------

local sweeps = { members = {}, in_flight = {} }

local function sweep()
  local ours = start.ours()
  local function point(points, n, options)
    local floor = start.floor(1)
    local a, b = run("sweep", ours, options).fan, run("sweep", floor, options).fan
    stop(floor)
    if a and b then table.insert(points, { n, a.server_us, b.server_us }) end
  end
  for _, n in ipairs(quick and { 10, 100, 1000 } or { 10, 30, 100, 300, 1000, 3000 }) do
    point(sweeps.members, n, fan:format(n, 1, 8, count(400000 / n)))
  end
  for _, n in ipairs { 1, 2, 4, 8, 16, 32 } do
    point(sweeps.in_flight, n, fan:format(1000, 1, n, count(100 + n * 50)))
  end
  stop(ours)
end

-- What is measured once in each round.
local function measure_round(with_pomelo)
  measure_rows(with_pomelo)
  local secure = math.min(10000, most)
  local name = ("memory of ours per idle wss connection, %d of them"):format(secure)
  if certificate and wanted(name) then
    figure(name, "bytes", 18 * 1024,
      measure_memory(secure, quick and 3 or 10, "BENCH_TLS=" .. certificate))
  end
  name = ("memory of ours per idle connection, %d of them"):format(most)
  if wanted(name) then
    figure(name, "bytes", 1024, measure_memory(most, quick and 3 or 10))
  end
  if wanted("call between two processes") then
    local left_out = bus.measure(figure, build, out, quick)
    if left_out then say("bench: nothing of the bus is measured: %s", left_out) end
  end
  if wanted("one SQLite read in a request") then
    database.measure(figure, run, start.ours(), { build = build, out = out, quick = quick })
  end
  local tools = { build = build, out = out, quick = quick, run = run, others = others,
    start = start, stop = stop, say = say }
  postgres.measure(wanted, figure, tools)
  redis.measure(wanted, figure, tools)
  if wanted("latest, 50 of 1,000 clients slow") then measure_latest() end
  if only then return end
  measure_push()
  measure_room()
  measure_probe(1e6 / (stats.median(by_name["fan-out, 1 in flight"].ours) or 10))
end

local function main()
  os.execute("mkdir -p " .. out)
  local with_pomelo, why = start.has_pomelo()
  if not with_pomelo then say("bench: without Pomelo: %s", why) end
  if most < 50000 then
    say("bench: the limit of open files is %d: %d connections instead of 50000", open_files, most)
  end
  local facts = machine {
    open_files = open_files, quick = quick or false, repeats = repeats, times = times,
    times_long = times_long, connections = most,
  }
  certificate = start.certificate()
  if not certificate then say("bench: there is no openssl: nothing is measured with TLS") end
  for i = 1, repeats do
    say("round %d of %d", i, repeats)
    measure_round(with_pomelo)
  end
  if not quick and not only then
    for _, n in ipairs { 1000, 3000, 8000 } do measure_memory(math.min(n, most), 2) end
  end
  if not only then sweep() end
  local measured = {
    rows = rows, figures = figures, facts = facts, failures = failures, sweeps = sweeps,
    memory = memory, latency = latency,
  }
  report.plots(out, measured)
  local text, results = report.table(measured)
  process.write(out .. "/table.md", text)
  process.write(out .. "/results.json", cjson.encode {
    machine = facts, rows = results, sweeps = sweeps, memory = memory, latency = latency,
    failures = failures,
  })
  print(text)
  say("bench: written to %s: table.md, results.json, *.svg", out)
end

local ok, err = xpcall(main, debug.traceback)
process.finish_all()
if not ok then
  say("bench: %s", err)
  os.exit(1)
end
os.exit(#failures == 0 and 0 or 1)
