-- In which line of a JSON file a key stands.
local json_lines = require "pomelua.base.json_lines"

local TEXT = [[
{
  "development": {
    "chat": [
      { "id": "a\"b{", "tags": [1, [2,
        3], "x,]"] },
      {
        "id": "chat-2", "n": -1.5e3, "ok": true, "no": null
      }
    ], "area": {}
  },
  "production": { "a.b": [],
    "last": [] }
}
]]

describe("the line of a key", function()
  for path, line in pairs {
    ["development"] = 2, ["development.chat"] = 3, ["development.chat[0]"] = 4,
    ["development.chat[0].id"] = 4, ["development.chat[0].tags[1][1]"] = 5,
    ["development.chat[0].tags[2]"] = 5, ["development.chat[1].id"] = 7,
    ["development.chat[1].no"] = 7, ["development.area"] = 9, ["production.a.b"] = 11,
    ["production.last"] = 12,
  } do
    it("is found: " .. path, function() assert.equal(line, json_lines.find(TEXT, path)) end)
  end

  it("is that of what it would be in, when it is not there", function()
    assert.equal(6, json_lines.find(TEXT, "development.chat[1].clientPort"))
    assert.equal(3, json_lines.find(TEXT, "development.chat[9].id"))
    assert.is_nil(json_lines.find(TEXT, "staging.chat[0]"))
  end)

  it("is not known in what is no JSON", function()
    for _, text in ipairs { "", "{", '{"a"', "[1,", '{"a": "b', "x" } do
      assert.is_nil(json_lines.find(text, "a.b"))
    end
    assert.equal(1, json_lines.find('[{"a":1}]', "[0].a"))
  end)
end)
