-- Uids and keys as text (base/text).
local text = require "pomelua.base.text"

describe("the text of a uid", function()
  it("is the same for a number and its digits, without an exponent", function()
    for value, expected in pairs {
      [7] = "7", ["7"] = "7", [0] = "0", [-3] = "-3", [1e15] = "1000000000000000",
      [2 ^ 53 - 1] = "9007199254740991", [0.5] = "0.5", ann = "ann",
    } do
      assert.equal(expected, text.of(value))
    end
  end)

  it("never raises", function()
    local mean = setmetatable({}, { __tostring = function() error "no" end })
    assert.equal("(a table whose __tostring fails)", text.of(mean))
    assert.equal("nil", text.of(nil))
  end)
end)
