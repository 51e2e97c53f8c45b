-- What the benchmark measures of databases: a request with one read of SQLite beside a plain one,
-- one in flight and 64, and what the same read costs a program that uses libsqlite3 alone
-- (core/tools/sqlite_read.c).
local process = require "process"
local servers = require "servers"

local database = {}

local ECHO = "--mode echo --in-flight 1 --clients %d --count %d%s"
local READ = " --route connector.databaseHandler.read"

---@param figure function hands on a figure: name, unit, target, value
---@param run function runs the generator: name, server, options
---@param server table ours, which ends afterwards
---@param opts {build: string, out: string, quick: boolean} folders of the programs and for the file
function database.measure(figure, run, server, opts)
  local reads, count = opts.quick and 20000 or 100000, opts.quick and 2000 or 10000
  os.execute(("rm -f %s/sqlite-read.db*"):format(opts.out))
  local text = process.shell(("%s/sqlite-read %s/sqlite-read.db %d 2>&1"):format(opts.build,
    opts.out, reads))
  local function bare(pattern)
    return tonumber(text:match(pattern)) or error("sqlite-read: " .. text, 0)
  end
  -- Both, neither always after the other.
  local function both(i, clients, times)
    local plain, read
    local function ask_plain()
      plain = run("a request", server, ECHO:format(clients, times, "")).echo
    end
    if i % 2 == 1 then ask_plain() end
    read = run("a request with one SQLite read", server, ECHO:format(clients, times, READ)).echo
    if i % 2 == 0 then ask_plain() end
    return plain, read
  end
  for i = 1, opts.quick and 1 or 5 do
    local plain, read = both(i, 1, count)
    if plain and read then
      figure("one SQLite read in a request, one in flight: p50 above a plain one", "us", 25,
        (read.p50 - plain.p50) * 1000)
      figure("the same: server CPU above a plain one", "us", nil, read.server_us - plain.server_us)
      figure("the same: p99 of the request", "us", nil, read.p99 * 1000)
    end
    plain, read = both(i, 64, count * 8)
    if plain and read then
      local yardstick = plain.server_us + bare("cpu ([%d%.]+)")
      figure("one SQLite read in a request, 64 in flight: CPU, ratio to a plain one and the read "
        .. "by libsqlite3 alone", "x", 1.5, read.server_us / yardstick)
    end
  end
  servers.stop(server)
  figure("the same read by libsqlite3 alone, p50", "us", nil, bare("p50 ([%d%.]+)"))
  figure("the same read by libsqlite3 alone, p99", "us", nil, bare("p99 ([%d%.]+)"))
  figure("the same read by libsqlite3 alone, CPU", "us", nil, bare("cpu ([%d%.]+)"))
end

return database
