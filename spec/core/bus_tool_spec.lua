-- core.bus, a tool's own way to a bus, where no broker answers. Tests bind/l_bus_tool.c;
-- spec/slow/cluster_operator_spec asks real programs.
local core = require "pomelua.core"

local function options(changes)
  local all = {
    urls = { "nats://127.0.0.1:1" }, cluster = "spec", heartbeat = 100, timeout = 300,
  }
  for key, value in pairs(changes or {}) do all[key] = value end
  return all
end

describe("a tool's bus", function()
  it("is not there when no broker answers, and says why", function()
    local bus = assert(core.bus(options()))
    local ok, message, code = bus:wait(5000)
    assert.is_nil(ok)
    assert.equal("TIMEOUT", code)
    assert.matches("nats://127.0.0.1:1", message, 1, true)
    local lines, why, name = bus:ask(nil, "{}", 100)
    assert.same({ nil, message, "NOENT" }, { lines, why, name })
    bus:pause(1)
    bus:close()
    bus:close()
    assert.has_error(function() bus:wait(1) end, "the bus is closed")
  end)

  it("is none without proper options", function()
    for key, value in pairs { urls = "x", heartbeat = "often", timeout = 0, cluster = 7 } do
      assert.is_false((pcall(core.bus, options { [key] = value })), key)
    end
    for key, value in pairs { cluster = "", urls = { "http://127.0.0.1" },
      creds = "/nowhere.creds" } do
      local bus, message = core.bus(options { [key] = value })
      local why = message
      if bus then why = select(2, bus:wait(5000)) end
      assert.is_string(why, key)
    end
  end)
end)
