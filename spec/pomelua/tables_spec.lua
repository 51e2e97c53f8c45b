local core = require "pomelua.core"
local tables = require "pomelua.base.tables"

describe("sorted keys", function()
  it("are numbers in order, then texts in order", function()
    assert.same({ 1, 2.5, 10, "a", "b" },
      tables.sorted_keys { b = 1, [10] = 1, a = 1, [2.5] = 1, [1] = 1 })
    assert.same({}, tables.sorted_keys {})
  end)

  it("of a table with keys of other types are all there", function()
    local t = { [true] = 1, [print] = 1, [{}] = 1, x = 1 }
    assert.equal(4, #tables.sorted_keys(t))
  end)

  it("are read raw", function()
    local t = setmetatable({ a = 1 }, { __pairs = error, __index = error })
    assert.same({ "a" }, tables.sorted_keys(t))
  end)
end)

describe("a value in an error's message", function()
  for text, value in pairs { ['"seven"'] = "seven", ['"7"'] = "7", ["7"] = 7, ["false"] = false,
    ["a table"] = {}, ["a function"] = print, null = core.null } do
    it("is " .. text, function() assert.equal(text, tables.shown(value)) end)
  end

  it("is nil when there is none", function() assert.equal("nil", tables.shown(nil)) end)
end)
