local match = require "pomelua.base.match"

describe("a value matches", function()
  for what, row in pairs {
    ["anything when nothing is expected"] = { 5, nil, true },
    ["an equal one"] = { "a", "a", true },
    ["no other"] = { "a", "b", false },
    ["no other type"] = { "1", 1, false },
    ["a table with at least the expected fields"] = { { a = 1, b = 2 }, { a = 1 }, true },
    ["no table without an expected field"] = { { b = 2 }, { a = 1 }, false },
    ["deeply"] = { { a = { b = { c = 1, d = 2 } } }, { a = { b = { c = 1 } } }, true },
    ["not when something deep differs"] = { { a = { b = 1 } }, { a = { b = 2 } }, false },
    ["a list only when it is whole"] = { { 1, 2, 3 }, { 1, 2 }, false },
    ["a list of the same"] = { { 1, { x = 1, y = 2 } }, { 1, { x = 1 } }, true },
    ["any list when an empty table is expected"] = { { 1 }, {}, true },
    ["no table when it is none"] = { 5, { a = 1 }, false },
    ["a field that is false"] = { { a = false }, { a = false }, true },
  } do
    it(what, function() assert.equal(row[3], match(row[1], row[2])) end)
  end

  it("a function that says so", function()
    assert.is_true(match(5, function(v) return v > 4 end))
    assert.is_false(match({ n = 3 }, { n = function(v) return v > 4 end }))
  end)
end)
