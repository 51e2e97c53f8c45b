-- cli.list: what `pomelua list` prints: the servers as a table, their counters, and their pools.
local latency = require "pomelua.base.latency"

local list = {}

-- The columns: their heading, and the text of a row. Those of VERSIONS only with --versions.
local COLUMNS = {
  { "serverId", function(row) return row.id end },
  { "serverType", function(row) return tostring(row.type) end },
  { "state", function(row) return row.state end },
  { "pid", function(row) return row.pid and ("%d"):format(row.pid) end, right = true },
  { "host", function(row) return row.host end },
  { "uptime", function(_, s) return ("%d s"):format(s.uptime / 1000) end, right = true },
  { "sessions", function(_, s) return ("%d"):format(s.sessions) end, right = true },
  { "channels", function(_, s) return ("%d"):format(s.channels) end, right = true },
  { "memory", function(_, s) return ("%.1f MiB"):format(s.memory / 2 ^ 20) end, right = true },
  { "lag", function(_, s) return s.lag and ("%d ms"):format(s.lag) end, right = true },
  { "gen", function(_, s) return ("%d"):format(s.generation) end, right = true },
  { "old", function(_, s) return ("%d"):format(s.old) end, right = true },
}
local OF_PLACE = 5 -- the first columns, which a server that does not answer has, too
local VERSIONS = {
  { "dictionary", function(_, s) return s.dictionary ~= "" and s.dictionary or "-" end },
  { "protos", function(_, s) return s.protos ~= "" and s.protos or "-" end },
}


local LONGEST = 5000000 -- us: the last class of a pool's histogram that has a bound

local function count(key)
  return { key, function(_, pool) return ("%.0f"):format(pool[key]) end, right = true }
end

local function time(key)
  return { key, function(_, pool) return latency.shown(pool[key], LONGEST) end, right = true }
end

-- With --pools: a row for each pool of each server.
local POOLS = {
  { "serverId", function(row) return row.id end },
  { "pool", function(_, pool) return pool.name end },
  { "kind", function(_, pool) return pool.kind end },
  count "open", count "busy", count "waiting", count "calls", count "errors", count "timeouts",
  count "refused", time "p50", time "p99",
}

local function by_type(a, b)
  if a.type ~= b.type then return tostring(a.type) < tostring(b.type) end
  if a.id ~= b.id then return a.id < b.id end
  return tostring(a.host) .. tostring(a.pid) < tostring(b.host) .. tostring(b.pid)
end

-- The texts of a row, and what is wrong with its server.
local function cells_of(row, columns)
  local cells = {}
  for i, column in ipairs(columns) do
    if i > OF_PLACE and not row.status then break end
    cells[i] = column[2](row, row.status) or ""
  end
  return cells, not row.status and row.why or nil
end

local function print_lines(lines, columns)
  local widths = {}
  for i in ipairs(columns) do
    widths[i] = 0
    for _, line in ipairs(lines) do widths[i] = math.max(widths[i], #(line.cells[i] or "")) end
  end
  for _, line in ipairs(lines) do
    local parts = {}
    for i, text in ipairs(line.cells) do
      local space = (" "):rep(widths[i] - #text)
      parts[i] = columns[i].right and space .. text or text .. space
    end
    parts[#parts + 1] = line.why
    io.stdout:write((table.concat(parts, "  "):gsub("%s+$", "")), "\n")
  end
end

-- One line per counter that is not 0.
local function show_counters(id, counters)
  local names = {}
  for name, n in pairs(counters) do
    if n ~= 0 then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    io.stdout:write(("%-22s %-28s %.0f\n"):format(id, name, counters[name]))
  end
end

local function heads_of(columns)
  local heads = {}
  for i, column in ipairs(columns) do heads[i] = column[1] end
  return { cells = heads }
end

local function show_pools(rows)
  local lines = { heads_of(POOLS) }
  for _, row in ipairs(rows) do
    for _, pool in ipairs(row.status and row.status.pools or {}) do
      local cells = {}
      for i, column in ipairs(POOLS) do cells[i] = column[2](row, pool) end
      lines[#lines + 1] = { cells = cells }
    end
  end
  if #lines == 1 then return io.stdout:write("no pools: nothing was asked of a database yet\n") end
  print_lines(lines, POOLS)
end

-- "bus", or, of several programs, "bus web-1:4711".
local function name_of(what, program)
  return program and ("%s %s"):format(what, program) or what
end

---Prints the answers of one or several programs.
---@param replies table[]
---@param given table counters, pools, versions: options
function list.show(replies, given)
  local rows, columns = {}, {}
  for i, column in ipairs(COLUMNS) do columns[i] = column end
  for _, column in ipairs(given.versions and VERSIONS or {}) do columns[#columns + 1] = column end
  for _, reply in ipairs(replies) do
    if reply.id then rows[#rows + 1] = reply end
  end
  table.sort(rows, by_type)
  local lines = { heads_of(columns) }
  for _, row in ipairs(rows) do
    local cells, why = cells_of(row, columns)
    lines[#lines + 1] = { cells = cells, why = why }
  end
  print_lines(lines, columns)
  if given.pools then show_pools(rows) end
  if given.counters then
    for _, row in ipairs(rows) do
      show_counters(row.id, row.status and row.status.counters or {})
    end
    for _, reply in ipairs(replies) do
      if reply.web then show_counters(name_of("config/web.json", reply.program), reply.web) end
      if reply.bus then show_counters(name_of("bus", reply.program), reply.bus) end
    end
  end
  for _, reply in ipairs(replies) do
    if not reply.id and not reply.ok and reply.message then
      io.stderr:write("pomelua: ", reply.message, "\n")
    end
  end
end

return list
