-- JSON text to tables and back.
-- Tests base/json.lua, which json.lua gives to games.
local json = require "pomelua.base.json"

describe("json.decode", function()
  it("reads values", function()
    assert.same({ a = { 1, "x", true, false } }, json.decode('{"a":[1,"x",true,false]}'))
    assert.equal(5, json.decode("5"))
    assert.is_false(json.decode("false"))
    assert.equal("x", json.decode('"x"'))
    assert.equal(json.null, json.decode("null"))
  end)

  it("leaves null members out and keeps null elements", function()
    local text = '{"a":null,"b":[null,1,{"c":null}],"d":null}'
    assert.same({ b = { json.null, 1, {} } }, json.decode(text))
    assert.same({ a = "null" }, json.decode('{"a":"null"}'))
  end)

  it("clears many null members", function()
    local members = {}
    for i = 1, 1000 do members[i] = ('"k%d":%s'):format(i, i % 2 == 0 and "null" or "1") end
    local value, n = json.decode("{" .. table.concat(members, ",") .. "}"), 0
    for _, v in pairs(value) do
      assert.equal(1, v)
      n = n + 1
    end
    assert.equal(500, n)
  end)

  it("goes 32 levels deep", function()
    assert.is_table(json.decode(("["):rep(32) .. ("]"):rep(32)))
    local value, message = json.decode(("["):rep(33) .. ("]"):rep(33))
    assert.is_nil(value)
    assert.is_string(message)
    assert.is_nil((json.decode(("["):rep(60000))))
  end)

  it("reads surrogate escapes and CESU-8 as one character", function()
    assert.equal("😀", json.decode([["\ud83d\ude00"]]))
    assert.equal("😀", json.decode('"\237\160\189\237\184\128"'))
  end)

  it("refuses what RFC 8259 does not have, with a message", function()
    for _, text in ipairs {
      "", " ", "{", "nul", "TRUE", "NaN", "Infinity", "'a'", "[1,]", '{"a":1,}', "{a:1}", "[1 2]",
      "-", "01", "-01", "+1", ".5", "-.5", "1.", "1.e1", "0x10", "1e", "1e999", "[1]x", "[1]\0",
      '"\t"', '"a\0"', [["\x"]], [["\u12"]], [["\ud8"]], [["\ud83dx]], "\239\187\191{}", "\255",
      "[1]//", "\f1", "[1e999]", "[]]", "[[]", "[],", "[\0]",
    } do
      local value, message = json.decode(text)
      assert.is_nil(value, text)
      assert.is_string(message)
    end
  end)

  it("reads ill-formed text with U+FFFD in its place", function()
    local ufffd = "\239\191\189"
    for _, text in ipairs {
      '"\255"', [["\ud800"]], [["\udc00"]], '"\237\160\189"', '"\233"', '"\226\130"',
    } do
      assert.equal(ufffd, json.decode(text))
    end
    assert.same({ [ufffd] = "a" .. ufffd .. "b" }, json.decode('{"\255":"a\\uDFFFb"}'))
    assert.equal("😀" .. ufffd, json.decode([["\ud83d\ude00\ud83d"]]))
  end)

  it("writes [] again as [], wherever it stood, and {} as {}", function()
    for _, text in ipairs {
      "[]", "{}", "[[]]", "[[],{}]", '{"a":[]}', '{"a":{}}', "[{},[[]],{}]", '[null,[],[null]]',
      '{"a":{"b":[[],1,"[]"]}}',
    } do
      assert.equal(text, json.encode((json.decode(text))))
    end
    assert.equal("[]", json.encode((json.decode("[ \n ]"))))
    assert.equal("[[]]", json.encode((json.decode("[\t[\r]]"))))
  end)

  it("makes an object again of an empty array that gets a string key", function()
    local value = json.decode('{"list":[],"map":[],"odd":[]}')
    assert.same({ list = {}, map = {}, odd = {} }, value)
    assert.equal(0, #value.list)
    table.insert(value.list, "x")
    value.map.hp = 5
    value.odd[0] = true
    assert.same({ list = { "x" }, map = { hp = 5 }, odd = { ["0"] = true } },
      json.decode(json.encode(value)))
    value.list[1] = nil
    assert.equal("[]", json.encode(value.list))
    assert.is_true(json.is_array(value.list))
    assert.is_false(json.is_array(value.map))
  end)

  it("keeps its settings from other users of lua-cjson", function()
    local cjson = require "cjson"
    cjson.decode_max_depth(2)
    cjson.decode_invalid_numbers(true)
    assert.same({ { { 1 } } }, json.decode("[[[1]]]"))
    assert.is_nil((json.decode("[NaN]")))
    cjson.decode_max_depth(1000)
  end)
end)

describe("json.decode_body", function()
  it("makes an empty table of what is not JSON, and says so", function()
    local value, ok = json.decode_body("{oops")
    assert.same({}, value)
    assert.is_false(ok)
    value, ok = json.decode_body("")
    assert.same({}, value)
    assert.is_false(ok)
  end)

  it("makes an empty table of null", function()
    local value, ok = json.decode_body("null")
    assert.same({}, value)
    assert.is_true(ok)
  end)

  it("hands scalars and arrays on as they are", function()
    assert.equal(5, (json.decode_body("5")))
    local value, ok = json.decode_body("false")
    assert.is_false(value)
    assert.is_true(ok)
    assert.same({ 1, json.null }, (json.decode_body("[1,null]")))
  end)
end)

describe("pomelua.json", function()
  local pomelua = require "pomelua"

  it("is what a spec or a tool requires by that name, too", function()
    assert.equal(json, require "pomelua.json")
  end)

  it("reads and writes as bodies are read and written", function()
    assert.equal('{"a":[]}', pomelua.json.encode { a = pomelua.array() })
    assert.equal('{"a":[]}', pomelua.json.encode(pomelua.json.decode '{"a":[],"b":null}'))
    assert.equal(pomelua.null, pomelua.json.decode "null")
    assert.is_false(pomelua.json.decode "false")
    assert.equal("null", pomelua.json.encode(nil))
  end)

  it("returns nil and an error", function()
    local text, err = pomelua.json.encode { f = print }
    assert.same({ "nil", "value.f: a function", "ENCODE" },
      { tostring(text), err.message, err.code })
    local value
    value, err = pomelua.json.decode "{"
    assert.same({ "nil", "DECODE" }, { tostring(value), err.code })
    assert.is_string(err.message)
    assert.has_error(function() pomelua.json.decode(5) end,
      "pomelua.json.decode(text): text must be a string, got a number")
  end)
end)

describe("json.array", function()
  it("writes [] when empty", function()
    assert.equal('{"list":[]}', json.encode({ list = json.array() }))
    assert.equal("[1]", json.encode(json.array({ 1 })))
  end)
end)
