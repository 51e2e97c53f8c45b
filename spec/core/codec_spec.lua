-- core.packages, read_message and their sisters (core/bind/l_codec): bytes and back.
-- The vectors were made with Pomelo's own modules.
local core = require "pomelua.core"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function unhex(digits)
  return (digits:gsub("%s", ""):gsub("%x%x", function(d) return string.char(tonumber(d, 16)) end))
end

describe("core.packages", function()
  local stream = unhex "03000000 040000026162 02000000"

  it("reads what core.write_package wrote", function()
    for _, case in ipairs {
      { 3, "", "03000000" },
      { 2, nil, "02000000" },
      { 1, "{}", "010000027b7d" },
      { 5, '{"reason":"kick"}', "050000117b22726561736f6e223a226b69636b227d" },
    } do
      local bytes = core.write_package(case[1], case[2])
      assert.equal(case[3], hex(bytes))
      local list, rest = core.packages(bytes)
      assert.same({ { type = case[1], body = case[2] or "" } }, list)
      assert.equal("", rest)
    end
  end)

  it("reads them wherever the bytes are cut", function()
    local want = { { type = 3, body = "" }, { type = 4, body = "ab" }, { type = 2, body = "" } }
    for cut = 0, #stream do
      local got = {}
      local list, rest = core.packages(stream:sub(1, cut))
      for _, p in ipairs(list) do got[#got + 1] = p end
      list, rest = core.packages(rest .. stream:sub(cut + 1))
      for _, p in ipairs(list) do got[#got + 1] = p end
      assert.same(want, got)
      assert.equal("", rest)
    end
    local kept, got = "", {}
    for c in stream:gmatch(".") do
      local list
      list, kept = core.packages(kept .. c)
      for _, p in ipairs(list) do got[#got + 1] = p end
    end
    assert.same(want, got)
  end)

  it("refuses other types and what is above the limit", function()
    for _, first in ipairs { 0, 6, 71, 255 } do
      local list, message, name = core.packages(string.char(first) .. "\0\0\0")
      assert.is_nil(list)
      assert.is_string(message)
      assert.equal("PROTO", name)
    end
    assert.same({ { type = 4, body = "abc" } }, (core.packages("\4\0\0\3abc", 3)))
    local list, _, name = core.packages("\4\0\0\3abc", 2)
    assert.is_nil(list)
    assert.equal("TOOBIG", name)
    assert.equal("TOOBIG", select(3, core.packages("\4\255\255\255", 1024)))
  end)

  it("takes bodies of up to 16777215 bytes", function()
    local body = ("x"):rep(16777215)
    local list, rest = core.packages(core.write_package(4, body) .. "\3")
    assert.equal(1, #list)
    assert.is_true(list[1].body == body)
    assert.equal("\3", rest)
    assert.error(function() core.write_package(4, body .. "x") end)
  end)

  it("raises on wrong arguments", function()
    assert.error(function() core.packages() end)
    assert.error(function() core.packages({}) end)
    assert.error(function() core.packages("", -1) end)
    assert.error(function() core.packages("", 0 / 0) end)
    assert.error(function() core.packages("", 16777216) end)
    assert.error(function() core.write_package(256, "") end)
    assert.error(function() core.write_package(-1, "") end)
    assert.error(function() core.write_package("four", "") end)
    assert.error(function() core.write_package(4, {}) end)
  end)
end)

describe("core.read_message and core.write_message", function()
  local vectors = {
    { "00 01 05 61 2e 62 2e 63 7b 7d", { type = 0, id = 1, route = "a.b.c", body = "{}" } },
    { "01 80 01 00 05 7b 7d", { type = 0, id = 128, code = 5, body = "{}" } },
    { "02 05 61 2e 62 2e 63 7b 7d", { type = 1, id = 0, route = "a.b.c", body = "{}" } },
    { "04 01 7b 7d", { type = 2, id = 1, body = "{}" } },
    { "07 01 2c 7b 7d", { type = 3, id = 0, code = 300, body = "{}" } },
    { "16 03 6f 6e 58 7b 7d", { type = 3, id = 0, route = "onX", gzip = true, body = "{}" } },
    { "00 00 00", { type = 0, id = 0, route = "", body = "" } },
    { "03 00 05", { type = 1, id = 0, code = 5, body = "" } },
    { "00 ff ff ff ff 07 00", { type = 0, id = 2147483647, route = "", body = "" } },
  }

  it("agree with Pomelo, both ways", function()
    for _, case in ipairs(vectors) do
      local bytes, message = unhex(case[1]), case[2]
      message.gzip = message.gzip or false
      assert.same(message, core.read_message(bytes))
      assert.equal(hex(bytes), hex(core.write_message(message)))
    end
  end)

  it("keep bodies and routes byte for byte", function()
    local every = {}
    for i = 0, 255 do every[#every + 1] = string.char(i) end
    every = table.concat(every)
    local bytes = core.write_message { type = 1, route = every:sub(2), body = every }
    local m = core.read_message(bytes)
    assert.equal(every:sub(2), m.route)
    assert.equal(every, m.body)
  end)

  it("refuse what is cut, and ids above 2^31 - 1", function()
    for _, digits in ipairs {
      "", "00", "00 80", "00 01", "00 01 05 61", "01 01 00", "02", "02 01", "03 00", "04",
      "06 02 61",
      "00 ff ff ff ff 0f 01 61", -- read as -1 by Pomelo, which then never ends
      "00 80 80 80 80 08 00", "00 80 80 80 80 80 00 00",
    } do
      local m, message, name = core.read_message(unhex(digits))
      assert.is_nil(m, digits)
      assert.is_string(message)
      assert.equal("PROTO", name)
    end
  end)

  it("read types 4 to 7 as neither id nor route", function()
    assert.same({ type = 7, id = 0, gzip = false, body = "ab" }, core.read_message("\14ab"))
  end)

  it("refuse a route above 255 bytes", function()
    assert.is_string(core.write_message { type = 3, route = ("r"):rep(255) })
    local bytes, message, name = core.write_message { type = 3, route = ("r"):rep(256) }
    assert.is_nil(bytes)
    assert.equal("route maxlength is overflow", message)
    assert.equal("TOOBIG", name)
  end)

  it("raise on wrong arguments", function()
    for _, given in ipairs {
      {}, { type = "push" }, { type = 8 }, { type = -1 }, { type = 0, id = -1 },
      { type = 0, id = 2147483648 }, { type = 0, id = 0 / 0 }, { type = 3, code = 65536 },
      { type = 3, code = -1 }, { type = 3, route = {} }, { type = 3, route = "a", body = {} },
    } do
      assert.error(function() core.write_message(given) end)
    end
    assert.error(function() core.write_message() end)
    assert.error(function() core.read_message() end)
    assert.error(function() core.read_message({}) end)
  end)
end)

describe("core.crc32", function()
  it("is the absolute value of the signed one", function()
    assert.equal(0, core.crc32(""))
    assert.equal(2082672713, core.crc32("1"))
    assert.equal(12275155, core.crc32("10001"))
    assert.equal(663665735, core.crc32("alice"))
    assert.equal(959214317, core.crc32("user*room"))
    assert.equal(12275155, core.crc32(10001))
    assert.error(function() core.crc32() end)
  end)
end)
