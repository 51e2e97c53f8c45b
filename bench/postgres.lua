-- What the benchmark measures of databases: a request that makes one query, beside a plain request
-- and beside the same query made by a small C program on the same library, in turn in one run; and
-- the requests of others while the database stands still. A machine without the database's server
-- leaves it out.
local beyond = require "beyond"
local cjson = require "cjson"
local process = require "process"
local stats = require "stats"

local postgres = {}

local STATEMENT = "select gold from players where id = $1::int"

-- All processes of a PostgreSQL: each connection has one.
local function family(pid)
  return pid .. " " .. process.shell(("cat /proc/%d/task/%d/children 2>/dev/null"):format(pid, pid))
end

---Starts a PostgreSQL.
---@param out string folder for its files
---@param port number a free one
---@return table|nil server pid, url, conninfo; nil: there is none on this machine
function postgres.start(out, port)
  local log = out .. "/postgres.log"
  local pid = process.spawn(("exec bench/postgres.sh %s/postgres %d"):format(out, port), log)
  local ready = process.wait_for("the start of PostgreSQL", 60, function()
    return process.read(log):find("ready to accept connections") and "ready"
      or not process.is_alive(pid) and "none"
  end)
  if ready == "none" then return nil end
  return {
    pid = pid, url = ("postgres://bench@127.0.0.1:%d/bench"):format(port),
    conninfo = ("host=127.0.0.1 port=%d user=bench dbname=bench"):format(port),
  }
end

-- us of the bare client and its quantiles.
local function bare(build, pg, connections, count)
  local text = process.shell(("%s/pg-floor '%s' %d %d '%s' 2>&1"):format(build, pg.conninfo,
    connections, count, STATEMENT))
  if text:sub(1, 1) ~= "{" then error(text, 0) end
  return cjson.decode(text)
end

-- Requests with a query beside plain ones and the bare client, in turn; `clients` of them at once.
local function measure_requests(figure, tools, pg, server, clients)
  local count = tools.quick and 4000 or 20000
  local options = ("--in-flight 1 --clients %d"):format(clients)
  local name = ("request with one PostgreSQL query, %d in flight"):format(clients)
  local ratios = {}
  for _ = 1, tools.quick and 2 or 5 do
    local ours, plain, more = beyond.measure(tools, server, options, count,
      "request with a query", [[postgresHandler.read --message '{"id":7}']])
    local floor = bare(tools.build, pg, math.min(clients, 4), count)
    if not more then return end
    ratios[#ratios + 1] = more / floor.us
    figure(name .. ": processor time beyond a plain request's, ratio to a bare client", "x", 1.5,
      ratios[#ratios])
    for what, got in pairs { ["the request"] = ours, ["as many plain ones"] = plain } do
      figure(("%s: %s"):format(name, what), "us", nil, got.server_us)
      figure(("%s: %s, p50"):format(name, what), "ms", nil, got.p50)
      figure(("%s: %s, p99"):format(name, what), "ms", nil, got.p99)
    end
    figure(name .. ": the bare client", "us", nil, floor.us)
    figure(name .. ": the bare client, p50", "ms", nil, floor.p50 / 1000)
    figure(name .. ": the bare client, p99", "ms", nil, floor.p99 / 1000)
  end
  tools.say("  %s: %.2f of a bare client", name, stats.median(ratios))
end

-- 2,000 requests a second that ask no database, while 200 of another client's wait for one that
-- stands still.
local function measure_frozen(figure, tools, pg, server)
  local seconds = tools.quick and 3 or 10
  local options = ("--mode echo --enter '' --clients 20 --rate 2000 --duration %d"
    .. " --route connector.entryHandler.echo"):format(seconds)
  local asking = ("--mode echo --enter '' --clients 50 --rate 200 --duration %d --route "
    .. [[connector.postgresHandler.read --message '{"id":7}']]):format(seconds + 1)
  local before = tools.run("before it stands still", server, options).echo
  os.execute("kill -STOP " .. family(pg.pid))
  local others = tools.others(server, asking)
  local during = tools.run("while it stands still", server, options).echo
  process.finish(others)
  os.execute("kill -CONT " .. family(pg.pid))
  if not (before and during) then return end
  local name = ("2,000 requests a second while a database stands still for %d s"):format(seconds)
  figure(name .. ": p99, ratio to before", "x", 1.1, during.p99 / before.p99)
  figure(name .. ": p99", "ms", nil, during.p99)
  figure(name .. ": p99 before", "ms", nil, before.p99)
end

---Measures what is wanted; hands each figure to `figure(name, unit, target, value)`.
---@param wanted fun(name: string): boolean
---@param figure function
---@param tools table build, out, quick; run(name, server, options) -> what the generator measured;
---others(server, options) -> pid; start: as of servers; stop(server); say(form, ...)
function postgres.measure(wanted, figure, tools)
  if not wanted "request with one PostgreSQL query" then return end
  local pg = postgres.start(tools.out, tools.start.free_port())
  if not pg then
    tools.say("bench: there is no PostgreSQL: nothing of it is measured")
    return
  end
  local server = tools.start.ours("BENCH_POSTGRES=" .. pg.url)
  for _, clients in ipairs { 1, 4, 64 } do
    measure_requests(figure, tools, pg, server, clients)
  end
  measure_frozen(figure, tools, pg, server)
  tools.stop(server)
  process.finish(pg.pid)
end

return postgres
