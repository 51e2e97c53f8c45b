-- Sums and digests against the values of their standards. Tests base/digest.lua.
local pomelua = require "pomelua"

describe("the digests:", function()
  it("crc32 is that of zip", function()
    assert.equal(0, pomelua.crc32 "")
    assert.equal(0xcbf43926, pomelua.crc32 "123456789")
    assert.equal(0xd202ef8d, pomelua.crc32 "\0")
  end)

  it("md5 and sha256 are lower-case hexadecimal", function()
    assert.equal("d41d8cd98f00b204e9800998ecf8427e", pomelua.md5 "")
    assert.equal("900150983cd24fb0d6963f7d28e17f72", pomelua.md5 "abc")
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      pomelua.sha256 "")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      pomelua.sha256 "abc")
    assert.equal(64, #pomelua.sha256(("\0"):rep(100000)))
  end)

  it("hmac is that of RFC 2104", function()
    local text = "The quick brown fox jumps over the lazy dog"
    assert.equal("80070713463e7749b90c2dc24911e275", pomelua.hmac("md5", "key", text))
    assert.equal("de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9", pomelua.hmac("sha1", "key", text))
    assert.equal("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
      pomelua.hmac("sha256", "key", text))
    assert.equal(128, #pomelua.hmac("sha512", "", ""))
    assert.equal(64, #pomelua.hmac("sha256", ("k"):rep(1000), "\0"))
    assert.has_error(function() pomelua.hmac("sha3", "key", "x") end,
      'pomelua.hmac: there is no digest "sha3", only md5, sha1, sha256 or sha512')
  end)

  it("randomBytes gives as many as asked for, others each time", function()
    assert.equal("", pomelua.randomBytes(0))
    assert.equal(65536, #pomelua.randomBytes(65536))
    assert.equal(1000, #pomelua.randomBytes(1000))
    assert.not_equal(pomelua.randomBytes(16), pomelua.randomBytes(16))
    for _, n in ipairs { -1, 0.5, 65537, 0 / 0, "x" } do
      assert.has_error(function() pomelua.randomBytes(n) end,
        "pomelua.randomBytes(n): n must be a whole number from 0 to 65536, got " .. tostring(n))
    end
  end)

  it("uuid is one of version 4, another each time", function()
    local seen = {}
    for _ = 1, 100 do
      local uuid = pomelua.uuid()
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-"
        .. ("%x"):rep(12) .. "$", uuid)
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)

  it("want strings", function()
    for _, name in ipairs { "crc32", "md5", "sha256" } do
      assert.has_error(function() pomelua[name](5) end,
        "pomelua." .. name .. "(text): a string is needed, got a number")
    end
    assert.has_error(function() pomelua.hmac("md5", nil, "x") end,
      "pomelua.hmac(name, key, text): a string is needed, got a nil")
  end)
end)
