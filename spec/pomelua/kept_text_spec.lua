-- Plain data as text that outlives a process, and back (base/kept_text).
local core = require "pomelua.core"
local kept_text = require "pomelua.base.kept_text"
local pomelua = require "pomelua"

local function encode(value, most, skip)
  return kept_text.encode(value, { root = "state", most = most or 1048576, skip = skip })
end

local function again(value)
  local text, message = encode(value)
  assert(text, message)
  return assert(kept_text.decode(text))
end

describe("the text of a state", function()
  it("gives back what was written", function()
    local value = {
      name = "ann", gold = 7, [7] = "seven", ["7"] = "a text", [true] = "yes", list = { 1, 2, 3 },
      deep = { { { x = 0.1 } } }, none = {}, no = false,
      bytes = "\0\255:|}{&1;", long = ("x"):rep(999),
    }
    assert.same(value, again(value))
  end)

  it("gives back each number as it was", function()
    local numbers = {
      0, -1, 0.1, 1 / 3, 2 ^ 53, -2 ^ 53, 1e308, 5e-324, math.huge, -math.huge, 1e15, 123456789012,
    }
    assert.same(numbers, again(numbers))
    local special = again { 0 / 0, -0 }
    assert.is_true(special[1] ~= special[1])
    assert.equal(-math.huge, 1 / special[2])
  end)

  it("keeps holes, null and arrays", function()
    local back = again { list = { 1, nil, 3 }, null = core.null, empty = pomelua.array {} }
    assert.same({ 1, nil, 3 }, back.list)
    assert.equal(core.null, back.null)
    assert.equal("[]", pomelua.json.encode(back.empty))
  end)

  it("gives back a table in two places as one table", function()
    local ship = { x = 1 }
    local back = again { ships = { ship }, players = { ann = ship }, ship }
    back.players.ann.x = 2
    assert.equal(2, back.ships[1].x)
    assert.equal(back[1], back.ships[1])
  end)

  it("is read at each limit up to which it is written", function()
    for _, key in ipairs { 1, "next" } do
      local value, depth = {}, 0
      local last = value
      repeat
        last[key] = {}
        local text = encode(value)
        if text then
          depth, last = depth + 1, last[key]
          assert.same(value, kept_text.decode(text))
        end
      until not text
      assert.equal(100, depth)
    end
    local numbers = {}
    for _, n in ipairs { 1e14 - 1, 1e14, 1e14 + 1, 2 ^ 53 - 1, 2 ^ 53, 2 ^ 53 + 2, 2 ^ 63, 1e308,
      1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, math.huge, 0.5 } do
      numbers[n], numbers[-n] = n, -n
    end
    numbers[2 ^ 31], numbers[0], numbers[-1] = "a", "b", "c"
    assert.same(numbers, again(numbers))
    local many = {}
    for i = 1, 20000 do many[i], many["k" .. i] = { i }, ("x"):rep(i % 40) end
    assert.same(many, again(many))
    local long = { ("x"):rep(1000000), [""] = "", [("k"):rep(99999)] = ("y"):rep(10) }
    assert.same(long, kept_text.decode((assert(encode(long, 2000000)))))
    local most = #encode { "whole" }
    assert.same({ "whole" }, kept_text.decode((assert(encode({ "whole" }, most)))))
    assert.is_nil((encode({ "whole" }, most - 1)))
  end)

  it("leaves out keys of the table itself, and no others", function()
    local text = encode({ __keep = true, x = { __keep = 1 } }, nil, { __keep = true })
    assert.same({ x = { __keep = 1 } }, kept_text.decode(text))
  end)

  it("is the same for a table that has not changed, and another for one that has", function()
    local value = { rooms = { hall = { "ann", "bob" } }, n = 1 }
    local text = encode(value)
    assert.equal(text, encode(value))
    value.rooms.hall[2] = "eve"
    assert.not_equal(text, encode(value))
  end)
end)

describe("what cannot be kept is an error with its path:", function()
  local own = newproxy(true)
  getmetatable(own).__name = "pomelua.channel"
  local circle = { rooms = { hall = {} } }
  circle.rooms.hall.up = circle.rooms
  local cases = {
    { "a function", { on = { join = print } }, "state.on.join: a function cannot be kept" },
    { "a coroutine", { coroutine.create(print) }, "state[1]: a thread cannot be kept" },
    { "an object of the framework", { rooms = { ["the hall"] = own } },
      'state.rooms["the hall"]: a channel cannot be kept' },
    { "a session", { setmetatable({}, { __name = "pomelua.backend_session" }) },
      "state[1]: a backend session cannot be kept; keep its uid" },
    { "a table with a metatable", { [7] = setmetatable({}, {}) },
      "state[7]: a table with a metatable cannot be kept; keep its data, and set the metatable "
      .. "anew" },
    { "a table that holds itself", circle,
      "state.rooms.hall.up: a table that holds itself cannot be kept" },
    { "a table as a key", { rooms = { [{}] = 1 } },
      "state.rooms: a table is a key in it, which cannot be kept" },
    { "a function as a key", { [print] = 1 },
      "state: a function is a key in it, which cannot be kept" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local text, message = encode(case[2])
      assert.is_nil(text)
      assert.equal(case[3], message)
    end)
  end

  it("tables that are nested too deep", function()
    local value = { list = {} }
    local deepest = value.list
    for _ = 1, 200 do
      deepest[1] = {}
      deepest = deepest[1]
    end
    local _, message = encode(value)
    assert.equal("state.list: tables are nested deeper than 100 in it", message)
  end)

  it("more text than there may be", function()
    local text, message = encode({ players = { ann = ("x"):rep(100) } }, 100)
    assert.is_nil(text)
    assert.equal("state.players: the text of state is longer than 100 bytes", message)
    assert.is_string((encode({ players = { ann = ("x"):rep(50) } }, 100)))
  end)

  it("a metatable is not called", function()
    local value = setmetatable({}, { __index = error, __pairs = error, __metatable = false })
    assert.is_nil((encode { value }))
  end)
end)

describe("a text that is damaged", function()
  local whole = kept_text.encode({ list = { 1, "two", { 3 } }, [5] = true, null = core.null },
    { root = "state", most = 1000 })

  it("is refused, wherever it is cut", function()
    for n = 0, #whole - 1 do
      local value, message = kept_text.decode(whole:sub(1, n))
      assert.is_nil(value)
      assert.matches("^it is no text of a kept state, at byte %d+$", message)
    end
    assert.is_nil((kept_text.decode(whole .. "T")))
  end)

  it("never raises, whatever a byte becomes", function()
    for n = 1, #whole do
      for _, byte in ipairs { "\0", "{", "}", "|", "&", "9", ";", "#", "N", "\255" } do
        local ok = pcall(kept_text.decode, whole:sub(1, n - 1) .. byte .. whole:sub(n + 1))
        assert.is_true(ok)
      end
    end
    for _, text in ipairs { "5", "{N1:a}", "{|NT}", "{|#nan;T}", "&1;", "{&2;|}", "{#1e;|}",
      "99999999999:", ("{"):rep(100000) } do
      assert.is_nil((kept_text.decode(text)))
    end
  end)
end)
