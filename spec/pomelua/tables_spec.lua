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

describe("a list", function()
  it("has the keys 1 to n and no others", function()
    assert.is_true(tables.is_list {})
    assert.is_true(tables.is_list { "a", "b" })
    assert.is_false(tables.is_list { "a", nil, "b" })
    assert.is_false(tables.is_list { "a", b = "b" })
    assert.is_false(tables.is_list { [0.5] = "a" })
  end)

  it("is copied, however long it is", function()
    local list = {}
    for i = 1, 20000 do list[i] = i end
    local copy = tables.copy(list)
    assert.same(list, copy)
    assert.are_not.equal(list, copy)
  end)
end)

describe("a value in an error's message", function()
  for text, value in pairs { ['"seven"'] = "seven", ['"a\\nb"'] = "a\nb", ['"7"'] = "7", ["7"] = 7,
    ["false"] = false, ["a table"] = {}, ["a function"] = print, null = core.null } do
    it("is " .. text, function() assert.equal(text, tables.shown(value)) end)
  end

  it("is named by its type alone when it may be a secret", function()
    for text, value in pairs { ["a string"] = "s3cret", ["a number"] = 7, ["a table"] = {},
      null = core.null } do
      assert.equal(text, tables.kind(value))
    end
    assert.equal("nil", tables.kind(nil))
  end)

  it("is a key that is shown, unless it may be a secret", function()
    for _, name in ipairs { "players", "a-b", "", "größe", "chat.h.send", "/health", 7 } do
      assert.equal(tostring(name), tables.word(name))
    end
    for _, name in ipairs { "redis://:s3cret@db", "redis://db", "me:s3cret@db", "password=s3cret",
      "a\nb", ("x"):rep(65) } do
      assert.equal("(a name that is not shown: it may be a secret)", tables.word(name))
    end
  end)

  it("is nil when there is none", function() assert.equal("nil", tables.shown(nil)) end)

  it("gives all of a table as one text, in an order that does not change", function()
    local a, b = {}, {}
    for i = 1, 50 do
      a["k" .. i] = i
      b["k" .. 51 - i] = 51 - i
    end
    a.list, b.list = { "10.0.0.0/8", true }, { "10.0.0.0/8", true }
    assert.equal(tables.identity(a), tables.identity(b))
    b.list[2] = false
    assert.not_equal(tables.identity(a), tables.identity(b))
    assert.not_equal(tables.identity { a = "1,b=2" }, tables.identity { a = 1, b = 2 })
  end)
end)
