-- How long calls have taken, of a histogram. Tests base/latency.lua.
local latency = require "pomelua.base.latency"

describe("a histogram of calls", function()
  local BOUNDS = { 100, 1000, 5000000 }

  it("gives the bound of the class in which a share of them ends", function()
    local took = { 50, 48, 1, 1 }
    assert.equal(100, latency.of(took, BOUNDS, 0.5))
    assert.equal(1000, latency.of(took, BOUNDS, 0.51))
    assert.equal(5000000, latency.of(took, BOUNDS, 0.99))
    assert.equal(latency.OVER, latency.of(took, BOUNDS, 1))
  end)

  it("says nothing without calls, and enough with one", function()
    assert.is_nil(latency.of({ 0, 0, 0, 0 }, BOUNDS, 0.5))
    assert.equal(1000, latency.of({ 0, 1, 0, 0 }, BOUNDS, 0.01))
    assert.equal(1000, latency.of({ 0, 1, 0, 0 }, BOUNDS, 0.99))
  end)

  it("is shown in the unit that fits", function()
    for us, text in pairs { [100] = "100 us", [2500] = "2.5 ms", [1000000] = "1 s",
      [latency.OVER] = "> 5 s" } do
      assert.equal(text, latency.shown(us, 5000000))
    end
    assert.equal("-", latency.shown(nil, 5000000))
  end)
end)
