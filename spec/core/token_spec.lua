-- core.tokenKeys: keys that check and make tokens. What is right in a token is tested in C
-- (core/test/test_jwt.c).
local core = require "pomelua.core"

local SECRET = ("0123456789abcdef"):rep(4)
local GOOD = '{"sub":"ann","exp":2000}'

describe("core.tokenKeys", function()
  it("makes tokens that it accepts, until they expire", function()
    local keys = assert(core.tokenKeys {
      { alg = "HS256", kid = "a", text = SECRET }, { alg = "HS512", text = SECRET },
    })
    for i = 1, 2 do
      assert.is_true(keys:canSign(i))
      local text = assert(keys:sign(i, GOOD))
      local claims, sub, exp = keys:verify(text, 1000, 0)
      assert.same({ GOOD, "ann", 2000 }, { claims, sub, exp })
      assert.same({ nil, "has expired" }, { keys:verify(text, 2020, 20) })
      assert.same({ nil, "has another aud" }, { keys:verify(text, 1000, 0, { "game" }) })
      assert.same({ nil, "has another iss" }, { keys:verify(text, 1000, 0, {}, "me") })
    end
    assert.same({ nil, "the token would be longer than 4096 bytes" },
      { keys:sign(1, (" "):rep(4000)) })
  end)

  it("says which key is wrong, and why", function()
    local keys, message, number = core.tokenKeys {
      { alg = "HS256", text = SECRET }, { alg = "HS256", text = "short" },
    }
    assert.same({ nil, "HS256 needs a secret of at least 32 bytes, this one has 5", 2 },
      { keys, message, number })
    keys, message = core.tokenKeys { { alg = "HS256", kid = 'a"b', text = SECRET } }
    assert.is_nil(keys)
    assert.matches("^kid: must be 1 to 128 printable characters", message)
  end)

  it("raises on wrong arguments", function()
    local keys = core.tokenKeys { { alg = "HS256", text = SECRET } }
    for _, args in ipairs { {}, { 1 }, { "x" }, { "x", "y", 1 }, { "x", 1 }, { "x", 1, 1, 5 },
      { "x", 1, 1, { 1 } }, { "x", 1, 1, {}, {} } } do
      assert.has_error(function() keys:verify(unpack(args)) end)
    end
    for _, args in ipairs { {}, { 0, GOOD }, { 2, GOOD }, { 1 }, { 1, {} } } do
      assert.has_error(function() keys:sign(unpack(args)) end)
    end
    assert.has_error(function() keys.verify({}, "x", 1, 1) end)
    assert.has_error(function() keys:canSign(2) end)
    for _, list in ipairs { { 1 }, { {} }, { { alg = "HS256" } }, { { alg = 1, text = SECRET } },
      { { alg = "HS256\0", text = SECRET } }, { { alg = "HS256", kid = {}, text = SECRET } } } do
      assert.has_error(function() core.tokenKeys(list) end)
    end
    assert.has_error(function() core.tokenKeys() end)
    local many = {}
    for i = 1, 17 do many[i] = { alg = "HS256", text = SECRET } end
    assert.has_error(function() core.tokenKeys(many) end)
  end)
end)
