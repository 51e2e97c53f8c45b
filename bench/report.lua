-- What a benchmark has measured as a table, as data and as plots. `measured` is all of it:
--   rows: see bench/run.lua; figures: {name=, unit=, values=, target=, at_least=}
--   facts: of the machine and of the run; failures: texts
--   sweeps: members, in_flight: {{x, ours, floor}, ...}; memory: {{connections, all, ours}, ...}
--   latency: {[name] = quantiles in ms, the first of 0 %}
local plot = require "plot"
local stats = require "stats"

local report = {}

-- low, high: where the median lies, with the chance that stats.interval gives.
local function verdict(value, target, at_least, low, high)
  if not target then return "" end
  if not value then return "not measured" end
  if at_least then value, target, low = -value, -target, -high end
  if value <= target then return "met" end
  return low <= target and "within the spread" or "**not met**"
end

local function format(pattern, ...)
  return (...) and pattern:format(...) or ""
end

---What things of a row cost, as the table says it; "" when nothing was measured.
---@param list number[] microseconds
function report.us(list) return format("%.2f", stats.median(list)) end

local us = report.us

local function line(...) return "| " .. table.concat({ ... }, " | ") .. " |" end

local function row_of(row, names)
  local ratio, low, high = stats.median(row.ratios), stats.interval(row.ratios)
  local met = verdict(ratio, row.target, false, low, high)
  local same = row.other == "ours" and names[row.other_options] -- nil: that row was left out
  local with = same and "ours: " .. same or row.other
  return line(row.name, us(row.ours), ("%s (%s)"):format(us(row.compared), with),
    format("%.2f", ratio), format("%.2f to %.2f", low, high), format("%.2f", row.target), met,
    ("%s (%.0f %%)"):format(us(row.generator), 100 * (stats.median(row.busy) or 0)),
    us(row.of_pomelo)), {
    name = row.name, options = row.options, ours = row.ours, compared = row.compared,
    ratios = row.ratios, ratio = ratio, low = low, high = high, target = row.target,
    met = met == "met", pomelo = row.of_pomelo, generator = row.generator,
  }
end

local function figure_of(f)
  local value, low, high = stats.median(f.values), stats.interval(f.values)
  local met = verdict(value, f.target, f.at_least, low, high)
  return line(f.name, format("%.5g", value) .. " " .. f.unit, format("%.5g to %.5g", low, high),
    (f.target and f.at_least and "at least " or "") .. format("%.6g", f.target), met), {
    name = f.name, unit = f.unit, values = f.values, median = value, low = low, high = high,
    target = f.target, met = met == "met",
  }
end

---@return string text the table, in Markdown
---@return table[] results the same as data, with every value
function report.table(measured)
  local lines, results, names = {}, {}, {} -- names: of the rows of ours, by options
  local function add(text, result)
    lines[#lines + 1] = text
    results[#results + 1] = result
  end
  for _, row in ipairs(measured.rows) do
    if row.server == "ours" then names[row.options] = row.name end
  end
  add(line("row", "ours, us", "compared with, us", "ratio", "spread", "target", "",
    "generator, us (busy)", "Pomelo 2.2.7, us"))
  add "|---|---|---|---|---|---|---|---|---|"
  for _, row in ipairs(measured.rows) do add(row_of(row, names)) end
  add("\n" .. line("figure", "ours", "spread", "target", ""))
  add "|---|---|---|---|---|"
  for _, f in ipairs(measured.figures) do add(figure_of(f)) end
  local facts = measured.facts
  add(("\n%s, %d cores, %s; %s;\nopen files: %d, so at most %d connections;"
    .. " medians of %d rounds, in each of which a row and\nwhat it is compared with were"
    .. " measured in turn %d times (%d when long);\nCPU time of all threads of the servers per"
    .. " delivery, request or connect; the spread is where\nthe median lies with a chance of"
    .. " 95 %%, or, of fewer than six values, all of them.")
    :format(facts.cpu, facts.cores, facts.kernel, facts.compiler, facts.open_files,
      facts.connections, facts.repeats, facts.times, facts.times_long))
  for _, text in ipairs(measured.failures) do add("\nFailed: " .. text) end
  return table.concat(lines, "\n") .. "\n", results
end

local function columns(points, x, y)
  local list = {}
  for i, p in ipairs(points) do list[i] = { p[x], p[y] } end
  return list
end

---Writes members.svg, in-flight.svg, latency.svg and memory.svg.
---@param folder string
function report.plots(folder, measured)
  local function both(points)
    return { { "Pomelua", columns(points, 1, 2) }, { "floor", columns(points, 1, 3) } }
  end
  local function quantiles(label, name)
    local list = {}
    for i, ms in ipairs(measured.latency[name] or {}) do list[i] = { math.max(ms, 0.01), i - 1 } end
    return { label, list }
  end
  plot.write(folder .. "/members.svg", {
    title = "Server CPU per delivery, 8 in flight", x = "members of the room (log)",
    y = "microseconds", log_x = true, series = both(measured.sweeps.members),
  })
  plot.write(folder .. "/in-flight.svg", {
    title = "Server CPU per delivery, 1,000 members", x = "requests in flight (log)",
    y = "microseconds", log_x = true, series = both(measured.sweeps.in_flight),
  })
  plot.write(folder .. "/latency.svg", {
    title = "Latency", x = "milliseconds (log)", y = "% at most", log_x = true,
    series = {
      quantiles("push, 8 in flight", "fan-out, 8 in flight"),
      quantiles("the floor's", "floor: fan-out, 8 in flight"),
      quantiles("request in a flood", "probe: ours"),
      quantiles("1,000 talkers", "1,000 talkers"),
    },
  })
  local memory = { unpack(measured.memory) }
  table.sort(memory, function(a, b) return a[1] < b[1] end)
  plot.write(folder .. "/memory.svg", {
    title = "Memory per idle connection", x = "connections", y = "bytes",
    series = { { "all", columns(memory, 1, 2) }, { "without Lua's", columns(memory, 1, 3) } },
  })
end

return report
