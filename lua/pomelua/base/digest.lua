-- digest: sums, digests and random bytes for scripts, by OpenSSL.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"

local digest = {}

local NAMES = "md5, sha1, sha256 or sha512"

local function check(what, value)
  if type(value) ~= "string" then
    errors.raise(what .. ": a string is needed, got a " .. type(value))
  end
end

---The CRC-32 of zip and PNG.
---@param text string
---@return number sum from 0 to 2^32 - 1
function digest.crc32(text)
  check("pomelua.crc32(text)", text)
  return core.checksum(text)
end

---@param text string
---@return string hex 32 lower-case digits
function digest.md5(text)
  check("pomelua.md5(text)", text)
  return core.digest("md5", text) or errors.raise("pomelua.md5: this OpenSSL refuses md5")
end

---@param text string
---@return string hex 64 lower-case digits
function digest.sha256(text)
  check("pomelua.sha256(text)", text)
  return core.digest("sha256", text)
end

---@param name "md5"|"sha1"|"sha256"|"sha512"
---@param key string
---@param text string
---@return string hex lower-case digits
function digest.hmac(name, key, text)
  check("pomelua.hmac(name, key, text)", name)
  check("pomelua.hmac(name, key, text)", key)
  check("pomelua.hmac(name, key, text)", text)
  return not name:find("\0", 1, true) and core.hmac(name, key, text)
    or errors.raise(("pomelua.hmac: there is no digest %q, only %s"):format(name, NAMES))
end

---Bytes that cannot be guessed.
---@param n number 0 to 65536
---@return string bytes
function digest.randomBytes(n)
  if type(n) ~= "number" or n % 1 ~= 0 or n < 0 or n > 65536 then
    errors.raise("pomelua.randomBytes(n): n must be a whole number from 0 to 65536, got "
      .. tostring(n))
  end
  return core.random(n)
end

---A random UUID (version 4).
---@return string uuid "0b7c2a52-...": 36 characters
function digest.uuid()
  local b = { core.random(16):byte(1, 16) }
  b[7] = 0x40 + b[7] % 16
  b[9] = 0x80 + b[9] % 64
  return (("%02x"):rep(4) .. ("-%02x%02x"):rep(4) .. ("%02x"):rep(4)):format(unpack(b))
end

return digest
