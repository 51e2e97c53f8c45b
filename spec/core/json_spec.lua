-- The JSON writer (core/script/json) against its rules and against lua-cjson.
local cjson = require "cjson"
local core = require "pomelua.core"

local encode, null = core.encode, core.null

local function array(t) return setmetatable(t, core.array_mt) end

local function refuses(value, message, root)
  local text, err, name = encode(value, root)
  assert.is_nil(text)
  assert.equal(message, err)
  assert.equal("ENCODE", name)
end

describe("core.encode", function()
  it("writes scalars", function()
    assert.equal("true", encode(true))
    assert.equal("false", encode(false))
    assert.equal("null", encode(nil))
    assert.equal("null", encode(null))
    assert.equal(cjson.null, null)
    assert.equal('"text"', encode("text"))
    assert.equal('""', encode(""))
    assert.equal("7", encode(7))
  end)

  it("writes integers exactly up to 2^53", function()
    assert.equal("9007199254740992", encode(2 ^ 53))
    assert.equal("-9007199254740992", encode(-2 ^ 53))
    assert.equal("9007199254740991", encode(2 ^ 53 - 1))
    assert.equal("123456789012345", encode(123456789012345))
    assert.equal("100000000000000", encode(1e14))
    assert.equal("0", encode(-0.0))
    assert.equal("-1", encode(-1))
  end)

  it("writes other numbers as the shortest text that reads back", function()
    assert.equal("0.1", encode(0.1))
    assert.equal("-0.25", encode(-0.25))
    assert.equal("123456.789", encode(123456.789))
    assert.equal("0.3333333333333333", encode(1 / 3))
    assert.equal("0.30000000000000004", encode(0.1 + 0.2))
    assert.equal("3.141592653589793", encode(math.pi))
    assert.equal("1e+20", encode(1e20))
    assert.equal("1e-07", encode(1e-7))
    local rest = { 5e-324, 2 ^ -1022, 1.7976931348623157e308, 2 ^ 53 + 2, 1e9 + 0.5, 0.0001 }
    for _, d in ipairs(rest) do
      assert.equal(d, tonumber((encode(d))))
      assert.equal(-d, tonumber((encode(-d))))
    end
  end)

  it("refuses numbers that JSON does not have", function()
    refuses(0 / 0, "msg: NaN")
    refuses({ a = { 1, 1 / 0 } }, "msg.a[2]: inf")
    refuses({ -1 / 0 }, "msg[1]: -inf")
  end)

  it("is not misled by the locale", function()
    local before = os.setlocale(nil)
    for _, name in ipairs { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8" } do
      if os.setlocale(name) then break end
    end
    local text = encode({ 1 / 3, 0.5 })
    os.setlocale(before)
    assert.equal("[0.3333333333333333,0.5]", text)
  end)

  it("escapes what must be escaped and nothing else", function()
    assert.equal([["\"\\/"]], encode('"\\/'))
    assert.equal([["\b\f\n\r\t"]], encode("\b\f\n\r\t"))
    assert.equal([["\u0000\u0001\u001f ]] .. '\127"', encode("\0\1\31 \127"))
    local long = ("x"):rep(1000)
    assert.equal('"' .. long .. [[\n]] .. long .. '"', encode(long .. "\n" .. long))
    for at = 0, 20 do
      local before, after = ("a"):rep(at), ("b"):rep(20 - at)
      assert.equal('"' .. before .. [[\"]] .. after .. '"', encode(before .. '"' .. after))
      assert.equal('"' .. before .. [[\\]] .. after .. '"', encode(before .. "\\" .. after))
      assert.equal('"' .. before .. [[\u001f]] .. after .. '"', encode(before .. "\31" .. after))
      assert.equal('"' .. before .. "é" .. after .. '"', encode(before .. "é" .. after))
    end
  end)

  it("writes characters outside the BMP as two escapes, for old browser clients", function()
    assert.equal([["a\ud83d\ude00b"]], encode("a😀b"))
    assert.equal([["\ud800\udc00\udbff\udfff"]], encode("\240\144\128\128\244\143\191\191"))
    assert.equal('"äöü 你好 \239\191\191"', encode("äöü 你好 \239\191\191"))
    assert.equal([[{"😀":1}]], (encode({ ["😀"] = 1 }):gsub([[\ud83d\ude00]], "😀")))
  end)

  it("writes U+FFFD for what is not UTF-8, in values and keys", function()
    local ufffd = "\239\191\189"
    local wrong = { "\255", "a\128", "\237\160\128", "\195", "x\233\"\n", "\226\130" }
    for _, s in ipairs(wrong) do
      local read = cjson.decode((assert(encode({ text = s, [s] = 1 }))))
      local want = s:gsub("[\128-\255]+", ufffd)
      assert.same({ text = want, [want] = 1 }, read)
    end
    assert.equal('"' .. ufffd:rep(2) .. '"', encode("\192\128")) -- overlong
    assert.equal('"' .. ufffd:rep(4) .. '"', encode("\244\144\128\128"))
    assert.equal([["\ud83d\ude00"]], encode("\237\160\189\237\184\128"))
    assert.equal('["a","' .. ufffd .. '","b"]', encode({ "a", "\255", "b" }))
  end)

  it("writes tables with the keys 1..n as arrays", function()
    assert.equal("[1,2,3]", encode({ 1, 2, 3 }))
    assert.equal('["a","b"]', encode({ [2] = "b", [1] = "a" }))
    local backwards = {}
    for i = 40, 1, -1 do backwards[i] = i end
    assert.same(cjson.decode(encode(backwards)), backwards)
    assert.equal("[null,1]", encode({ null, 1 }))
    assert.equal("[[],{}]", encode({ array {}, {} }))
  end)

  it("writes marked tables as arrays, empty and with holes", function()
    assert.equal("[]", encode(array {}))
    assert.equal("[1]", encode(array { 1 }))
    assert.equal("[1,null,3]", encode(array { 1, nil, 3 }))
    assert.equal("[null,null,1]", encode(array { [3] = 1 }))
    assert.equal("[1]", encode(array { 1, n = 1 }))
  end)

  it("writes a table that came as [] as [] until something is put into it", function()
    local function empty(t) return setmetatable(t or {}, core.empty_array_mt) end
    assert.equal("[]", encode(empty()))
    assert.equal('{"a":[],"b":[[]]}', encode({ a = empty(), b = { empty() } })
      :gsub('^{"b":%[%[%]%],"a":%[%]}$', '{"a":[],"b":[[]]}'))
    assert.equal("[1,2]", encode(empty { 1, 2 }))
    assert.equal('{"n":1}', encode(empty { n = 1 }))
    assert.equal('{"7":1}', encode(empty { [7] = 1 }))
    refuses({ list = empty { [true] = 1 } }, "msg.list: a key that is a boolean")
  end)

  it("writes other tables as objects", function()
    assert.equal("{}", encode({}))
    assert.equal('{"a":{"b":[1]}}', encode({ a = { b = { 1 } } }))
    assert.equal('{"1000000000000001":1}', encode({ [1000000000000001] = 1 }))
    assert.equal('{"0":"zero"}', encode({ [0] = "zero" }))
    assert.equal('{"5":1}', encode({ [5] = 1 }))
    assert.equal('{"1.5":1}', encode({ [1.5] = 1 }))
    assert.equal('{"-3":1}', encode({ [-3] = 1 }))
    assert.same({ ["1"] = 1, ["2"] = 2, x = 3 }, cjson.decode(encode({ 1, 2, x = 3 })))
    assert.same({ ["1"] = "a", ["3"] = "c" }, cjson.decode(encode({ "a", [3] = "c" })))
  end)

  it("refuses a key that would be there twice", function()
    refuses({ [7] = 1, ["7"] = 2 }, 'msg["7"]: the key is there as a number too')
    refuses({ x = { [0.5] = 1, ["0.5"] = 2 } }, 'msg.x["0.5"]: the key is there as a number too')
    assert.is_string(encode({ [7] = 1, ["07"] = 2, ["7.0"] = 3, ["0x7"] = 4, ["7 "] = 5 }))
  end)

  it("refuses other keys", function()
    refuses({ [true] = 1 }, "msg: a key that is a boolean")
    refuses({ a = { [{}] = 1 } }, "msg.a: a key that is a table")
    refuses({ [print] = 1 }, "msg: a key that is a function")
    refuses({ [1 / 0] = 1 }, "msg: a key that is infinite")
  end)

  it("names the path of what it refuses", function()
    refuses({ items = { 1, 2, { owner = print } } }, "msg.items[3].owner: a function")
    refuses({ ["odd key"] = print }, 'msg["odd key"]: a function')
    refuses({ [""] = print }, 'msg[""]: a function')
    refuses({ ['a"\n'] = print }, 'msg["a\\"?"]: a function')
    refuses({ [9] = print }, "msg[9]: a function")
    refuses(coroutine.create(print), "msg: a thread")
    refuses({ io.stdout }, "msg[1]: a userdata")
    refuses({ n = 1LL }, "msg.n: a cdata")
    refuses({ f = print }, "answer.f: a function", "answer")
    local _, err = encode({ [("k"):rep(5000)] = print })
    assert.equal('msg["' .. ("k"):rep(64) .. '..."]: a function', err)
  end)

  it("goes 32 levels deep, and a cycle no further", function()
    local deep = {}
    for _ = 1, 31 do deep = { deep } end
    assert.equal(("["):rep(31) .. "{}" .. ("]"):rep(31), encode(deep))
    refuses({ deep }, "msg" .. ("[1]"):rep(32) .. ": deeper than 32")
    local cycle = {}
    cycle.me = cycle
    refuses(cycle, "msg" .. (".me"):rep(32) .. ": deeper than 32")
  end)

  it("ends when tables are shared level by level", function()
    local t = { ("x"):rep(4000) }
    for _ = 1, 30 do t = { t, t } end
    local text, err = encode(t)
    assert.is_nil(text)
    assert.matches(": too large$", err)
  end)

  it("calls no metamethod", function()
    local asked = 0
    local function count() asked = asked + 1 end
    local mt = { __index = count, __pairs = count, __len = count, __tostring = count, __eq = count }
    assert.equal('{"a":1}', encode(setmetatable({ a = 1 }, mt)))
    assert.equal("[1,2]", encode(setmetatable({ 1, 2 }, mt)))
    assert.equal(0, asked)
  end)

  describe("and toJSON:", function()
    it("writes what it returns, called with the table and its key", function()
      local got = {}
      local function toJSON(self, key)
        got[#got + 1] = { self, key }
        return self.short
      end
      local a, b = { short = "A", toJSON = toJSON }, { short = { 1 }, toJSON = toJSON, f = print }
      assert.equal('["x","A"]', encode({ "x", a }))
      assert.equal('{"b":[1]}', encode({ b = b }))
      assert.equal('"A"', encode(a))
      assert.same({ { a, 2 }, { b, "b" }, { a } }, got)
    end)

    it("finds it behind __index, of tables of tables, read raw", function()
      local base = { toJSON = function(self) return { hp = self.hp } end }
      base.__index = base
      local derived = setmetatable({}, base)
      derived.__index = derived
      assert.equal('[{"hp":5}]', encode({ setmetatable({ hp = 5, owner = print }, derived) }))
      assert.equal('{"hp":1}', encode(setmetatable({ hp = 1 }, { __index = function()
        return base.toJSON
      end })))
      local loop = {}
      loop.__index = loop
      assert.equal('{"a":1}', encode(setmetatable({ a = 1 }, setmetatable(loop, loop))))
    end)

    it("asks what it returns for none again", function()
      local class = {}
      class.__index = class
      function class.toJSON(self) return self end
      assert.equal('{"a":1}', encode(setmetatable({ a = 1 }, class)))
      local own = { toJSON = function(self) return self end }
      refuses({ x = own }, "msg.x.toJSON: a function")
    end)

    it("asks the outermost one alone, and each once", function()
      local calls = 0
      local function counted(t)
        t.toJSON = function(self)
          calls = calls + 1
          return { kept = self.kept }
        end
        return t
      end
      local deep = {}
      for _ = 1, 20 do deep = counted { deep, kept = 1, back = deep } end
      deep.back = deep
      assert.equal('{"kept":1}', encode(deep))
      assert.equal(1, calls)
      local nested = counted { kept = counted { kept = counted { kept = 3 } } }
      calls = 0
      assert.equal('{"kept":{"kept":{"kept":3}}}', encode(nested))
      assert.equal(3, calls)
    end)

    it("says where it raised, and is bounded", function()
      local function bad(message) return { toJSON = function() error(message, 0) end } end
      refuses({ items = { 1, bad "broken" } }, "msg.items[2]: toJSON: broken")
      refuses(bad(setmetatable({}, { __tostring = function() return "odd" end })),
        "msg: toJSON: odd")
      local endless = {}
      function endless.toJSON() return { endless } end
      refuses(endless, "msg" .. ("[1]"):rep(32) .. ": deeper than 32")
      local again = {}
      function again.toJSON() return (assert(encode(again))) end
      local text, err = encode(again)
      assert.is_nil(text)
      assert.matches("toJSON", err)
      assert.equal("true", (encode({ toJSON = function() return true end })))
    end)

    it("leaves a member out when it returns nothing, as JSON.stringify does", function()
      local nothing = { toJSON = function() end }
      assert.equal("{}", encode({ a = nothing }))
      assert.equal("{}", encode({ a = nothing, b = nothing, [3] = nothing }))
      assert.equal('{"b":1}', encode({ a = nothing, b = 1 }))
      assert.equal('{"o":{}}', encode({ o = { a = nothing }, p = nothing }))
      assert.equal("[null,1]", encode({ nothing, 1 }))
      assert.equal('{"a":[null]}', encode({ a = { nothing } }))
      assert.equal("null", encode(nothing))
      assert.equal('{"a":null}', encode({ a = { toJSON = function() return core.null end } }))
      local class = { toJSON = function(self) return self.kept end }
      class.__index = class
      assert.equal('{"b":2}', encode({
        a = setmetatable({}, class), b = setmetatable({ kept = 2 }, class),
      }))
    end)

    it("is data when it is no function", function()
      assert.equal('{"toJSON":1}', encode({ toJSON = 1 }))
    end)
  end)

  it("leaves the keys of the table as they are", function()
    local t = { [10] = 1, [20] = 2, a = 3 }
    encode(t)
    local kinds = {}
    for k in pairs(t) do kinds[type(k)] = (kinds[type(k)] or 0) + 1 end
    assert.same({ number = 2, string = 1 }, kinds)
  end)
end)

describe("core.clean", function()
  it("gives valid text back and says whether there is a null", function()
    local text = '{"a":"null"}'
    local same, has_null = core.clean(text)
    assert.equal(text, same)
    assert.is_false(has_null)
    same, has_null = core.clean("[null]")
    assert.equal("[null]", same)
    assert.is_true(has_null)
  end)

  it("turns CESU-8 pairs into UTF-8", function()
    assert.equal('{"a":"x😀y"}', (core.clean('{"a":"x\237\160\189\237\184\128y"}')))
  end)

  it("writes U+FFFD for what is ill-formed", function()
    local ufffd = "\239\191\189"
    for text, want in pairs {
      ['"\255"'] = '"' .. ufffd .. '"',
      ['"\237\160\189"'] = '"' .. ufffd .. '"',
      ['"\237\184\128\237\160\189"'] = '"' .. ufffd .. ufffd .. '"',
      ['"\233","x"'] = '"' .. ufffd .. '","x"',
      [ [["\ud83d"]] ] = [["\ufffd"]],
      [ [["\uDC00\uD83D\uDE00\uD83Dx"]] ] = [["\ufffd\uD83D\uDE00\ufffdx"]],
      [ [["\ud83d\ud83d\ude00\\ud83d"]] ] = [["\ufffd\ud83d\ude00\\ud83d"]],
      [ [["\ud83d\n\ud83"]] ] = [["\ufffd\n\ud83"]],
    } do
      assert.equal(want, (core.clean(text)))
    end
  end)

  it("marks empty arrays, outside of strings only", function()
    local text, has_null, has_empty = core.clean('{"a":[],"b":[ \n\t\r],"c":"[]","d":[[]]}')
    assert.equal('{"a":[1e999],"b":[1e999],"c":"[]","d":[[1e999]]}', text)
    assert.is_false(has_null)
    assert.is_true(has_empty)
    text, has_null, has_empty = core.clean('{"a":[null],"b":"\\"[]"}')
    assert.equal('{"a":[null],"b":"\\"[]"}', text)
    assert.is_true(has_null)
    assert.is_false(has_empty)
    assert.equal("[", (core.clean("[")))
    assert.equal("[1e999]]", (core.clean("[]]")))
  end)

  it("refuses what lua-cjson would take and JSON does not have", function()
    for _, s in ipairs {
      "1.", "-.5", "[1.]", "0.e1", "1e999", "-1e999", '"a\nb"', '"a\0b"', "[1]\0", '"\1"', '"open',
      '"\\',
    } do
      assert.is_nil((core.clean(s)), s)
    end
  end)
end)

-- Random values that JSON, Lua and lua-cjson all treat alike.
local pick = math.random
local pieces = {
  "a", "Zoë", "你", "😀", '"', "\\", "/", "\n", "\0", "\31", "\127", " ", "0", "1.5", "null",
  "\239\191\189",
}

local function random_string()
  local t = {}
  for i = 1, pick(0, 12) do t[i] = pieces[pick(#pieces)] end
  return table.concat(t)
end

local function random_number()
  local kind = pick(5)
  if kind == 1 then return pick(-1000, 1000) end
  if kind == 2 then return math.floor((pick() - 0.5) * 2 ^ 54) end
  if kind == 3 then return pick(-1e6, 1e6) / 10 ^ pick(0, 7) end
  if kind == 4 then return (pick() - 0.5) * 10 ^ pick(-300, 300) end
  return (pick() - 0.5) * 2
end

local function random_value(depth)
  local kind = pick(depth > 4 and 4 or 7)
  if kind == 1 then return random_string() end
  if kind == 2 then return random_number() end
  if kind == 3 then return pick(2) == 1 end
  if kind == 4 then return null end
  local t = {}
  if kind == 5 then
    for i = 1, pick(1, 8) do t[i] = random_value(depth + 1) end
  else
    for _ = 1, pick(0, 6) do t[random_string()] = random_value(depth + 1) end
  end
  return t
end

describe("core.encode and lua-cjson", function()
  it("agree on random values", function()
    local seed = tonumber(os.getenv("POMELUA_SEED")) or os.time()
    math.randomseed(seed)
    for i = 1, 4000 do
      local value = random_value(1)
      local text = assert(encode(value))
      local back = cjson.decode(text)
      local again = core.clean(text)
      if text ~= again or not pcall(assert.same, value, back) then
        error(("POMELUA_SEED=%d: value %d: %s"):format(seed, i, text))
      end
      local theirs = cjson.decode(encode(cjson.decode(cjson.encode(value))))
      if not pcall(assert.same, cjson.decode(cjson.encode(value)), theirs) then
        error(("POMELUA_SEED=%d: value %d: %s"):format(seed, i, cjson.encode(value)))
      end
    end
    print(("json: 4000 random values, POMELUA_SEED=%d"):format(seed))
  end)
end)
