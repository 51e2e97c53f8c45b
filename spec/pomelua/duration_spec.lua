-- base/duration: times as people write them.
local duration = require "pomelua.base.duration"

describe("a duration", function()
  it("is read in seconds, minutes, hours, days and weeks", function()
    for text, seconds in pairs {
      ["90s"] = 90, ["15m"] = 900, ["24h"] = 86400, ["7d"] = 604800, ["2w"] = 1209600,
      ["1h30m"] = 5400, ["45"] = 45, [60] = 60,
    } do
      assert.are.equal(seconds, duration.seconds(text))
    end
  end)

  it("is refused with what it should be", function()
    for _, text in ipairs { "", "h", "24x", "1.5h", "-5m", "24h ", "1h30", "0x10", "nan", 0 / 0 } do
      local seconds, message = duration.seconds(text)
      assert.is_nil(seconds)
      assert.matches("must be a time as 90s, 15m, 24h, 7d or 2w", message, 1, true)
    end
    for _, text in ipairs { "0", "0s", -1, "9999999999w", math.huge } do
      assert.is_nil(duration.seconds(text))
    end
  end)

  it("is shown in its two largest units", function()
    assert.are.equal("1 d 4 h", duration.text(100800 + 59))
    assert.are.equal("59 s", duration.text(59.9))
    assert.are.equal("1 m 1 s", duration.text(61))
    assert.are.equal("2 h", duration.text(7201))
    assert.are.equal("0 s", duration.text(-4))
  end)
end)
