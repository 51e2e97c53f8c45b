local key_value = require "pomelua.cli.key_value"

describe("KEY=VALUE", function()
  it("is a text, true or false, and after := any value", function()
    local all = {}
    for _, word in ipairs { "zone=007", "open=true", "shut=false", "note=a=b", "empty=",
      "weight:=3", 'tags:=["a"]' } do
      assert.is_nil(key_value.read(all, word))
    end
    assert.same({ zone = "007", open = true, shut = false, note = "a=b", empty = "", weight = 3,
      tags = { "a" } }, all)
  end)

  it("says what is wrong", function()
    local all = { a = "1" }
    assert.equal('"abc" is not KEY=VALUE', key_value.read(all, "abc"))
    assert.equal("a is given twice", key_value.read(all, "a=2"))
    assert.matches("^b:={: ", key_value.read(all, "b:={"))
    assert.same({ a = "1" }, all)
  end)
end)
