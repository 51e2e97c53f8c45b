local path = package.path
package.path = "bench/?.lua;" .. path
local report = require "report"
package.path = path

local function row(name, ratios, target, more)
  local r = {
    name = name, options = "--" .. name, server = "ours", other = "floor", ours = { 3, 1, 2 },
    compared = { 4 }, ratios = ratios, target = target, generator = { 0.5 }, busy = { 0.25 },
    of_pomelo = {},
  }
  for k, v in pairs(more or {}) do r[k] = v end
  return r
end

local function measured(rows, figures, failures)
  return {
    rows = rows, figures = figures or {}, failures = failures or {}, latency = {}, memory = {},
    sweeps = { members = {}, in_flight = {} },
    facts = {
      cpu = "a processor", cores = 2, kernel = "Linux 6.1", compiler = "gcc 12", open_files = 100,
      connections = 90, repeats = 1, times = 9, times_long = 3,
    },
  }
end

local function line_of(text, name)
  return (text:match("| " .. name .. " |[^\n]+"))
end

describe("the report of the benchmark", function()
  it("has a line for each row: medians, the ratio of neighbours, and how sure it is", function()
    local text, results = report.table(measured { row("fan-out", { 1, 1.2, 0.9 }, 1.1) })
    assert.equal("| fan-out | 2.00 | 4.00 (floor) | 1.00 | 0.90 to 1.20 | 1.10 | met "
      .. "| 0.50 (25 %) |  |", line_of(text, "fan%-out"))
    assert.equal(1, #results)
    assert.is_true(results[1].met)
    assert.same({ 1, 1.2, 0.9 }, results[1].ratios)
  end)

  it("says whether a target is met, or may be, or was not measured", function()
    local text, results = report.table(measured {
      row("sure", { 1.5, 1.3, 1.4 }, 1.1), row("unsure", { 1.0, 1.2, 1.2 }, 1.1),
      row("lost", {}, 1.1, { ours = {}, compared = {} }), row("free", { 5 }),
    })
    assert.matches("| 1.10 | %*%*not met%*%* |", line_of(text, "sure"))
    assert.matches("| 1.10 | within the spread |", line_of(text, "unsure"))
    assert.matches("|  |  %(floor%) |  |  | 1.10 | not measured |", line_of(text, "lost"))
    assert.matches("| 5.00 to 5.00 |  |  |", line_of(text, "free"))
    assert.same({ false, false, false, false },
      { results[1].met, results[2].met, results[3].met, results[4].met })
  end)

  it("names the row of ours that another is compared with", function()
    local text = report.table(measured {
      row("websocket", { 1 }),
      row("tcp", { 1 }, 1, { other = "ours", other_options = "--websocket" }),
    })
    assert.matches("| 4.00 %(ours: websocket%) |", line_of(text, "tcp"))
  end)

  it("has figures, whose target may be a least one", function()
    local text, results = report.table(measured({}, {
      { name = "bytes", unit = "bytes", values = { 900, 800 }, target = 1024 },
      { name = "rate", unit = "/s", values = { 90, 110 }, target = 105, at_least = true },
      { name = "low", unit = "/s", values = { 90 }, target = 105, at_least = true },
      { name = "none", unit = "us", values = {}, target = 1 },
    }))
    assert.equal("| bytes | 850 bytes | 800 to 900 | 1024 | met |", line_of(text, "bytes"))
    assert.equal("| rate | 100 /s | 90 to 110 | at least 105 | within the spread |",
      line_of(text, "rate"))
    assert.matches("at least 105 | %*%*not met%*%* |", line_of(text, "low"))
    assert.equal("| none |  us |  | 1 | not measured |", line_of(text, "none"))
    assert.equal(4, #results)
  end)

  it("says on what machine it was, and what failed", function()
    local text = report.table(measured({}, {}, { "fan-out: status 1: two are missing" }))
    assert.matches("\na processor, 2 cores, Linux 6.1; gcc 12;\n", text)
    assert.matches("at most 90 connections;", text, 1, true)
    assert.matches("\nFailed: fan-out: status 1: two are missing\n", text, 1, true)
  end)

  it("has four plots, also when nothing was measured", function()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    local some = measured {}
    some.sweeps.members = { { 10, 1, 2 }, { 1000, 0.5, 0.6 } }
    some.memory = { { 2000, 900, 800 }, { 1000, 1000, 850 } }
    some.latency["probe: ours"] = { 0, 1, 2, 3 }
    for _, what in ipairs { some, measured {} } do
      report.plots(folder, what)
      for _, name in ipairs { "members", "in-flight", "latency", "memory" } do
        local f = assert(io.open(folder .. "/" .. name .. ".svg"))
        local text = f:read("*a")
        f:close()
        assert.matches("^<svg .*</svg>%s*$", text)
        assert.is_nil(text:find("nan", 1, true) or text:find("inf", 1, true))
      end
    end
    os.execute("rm -r " .. folder)
  end)
end)
