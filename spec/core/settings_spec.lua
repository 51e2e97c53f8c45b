-- The table of settings that a node can be told, and what app:set makes of it.
local core = require "pomelua.core"
local settings = require "pomelua.app.settings"

-- Their default is 0: a value that the system gives.
local OF_THE_SYSTEM = { maxConnections = true, clientMemory = true }

describe("the settings of a node", function()
  it("have a range, and a default in it", function()
    local count = 0
    for name, setting in pairs(core.settings()) do
      count = count + 1
      assert(setting.least < setting.most, name)
      if not OF_THE_SYSTEM[name] then
        assert(setting.default >= setting.least and setting.default <= setting.most, name)
      end
    end
    assert(count > 0)
    for name in pairs(OF_THE_SYSTEM) do assert.equal(0, core.settings()[name].default, name) end
  end)

  it("are the ranges of app:set", function()
    local most = core.settings().maxInFlight.most
    local checked = settings.read({ serverConfig = { maxInFlight = most } }, {})
    assert.equal(most, checked.numbers.maxInFlight)
    assert.equal(most, checked.max_in_flight)
    local none, message = settings.read({ serverConfig = { maxInFlight = most + 1 } }, {})
    assert.equal(nil, none)
    assert.equal(("serverConfig.maxInFlight: must be a whole number from 1 to %.0f, got %s")
      :format(most, most + 1), message)
  end)

  it("are compared with their defaults", function()
    local soft = core.settings().memorySoft.default
    local checked = settings.read({ serverConfig = { memoryHard = soft - 1 } }, {})
    assert.matches("serverConfig.memorySoft (" .. soft .. ") is larger than memoryHard",
      checked.warnings[1], 1, true)
    -- A short stop is not an order of two numbers that an app wrote.
    assert.same({}, settings.read({ serverConfig = { stopTimeout = 1000 } }, {}).warnings)
    assert.same({}, settings.read({}, {}).warnings)
  end)
end)
