-- client.token: the token with which a client comes in, and when it is time for another one.
local json = require "pomelua.base.json"

local token = {}

local PART = 0.8 -- of a token's time, after which a new one is asked for
local SOON = 1000 -- ms until it is tried again, at least

local VALUES = {}
for i = 1, 64 do
  VALUES[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):byte(i)] = i - 1
end

local function decode(text)
  local out, bits, have = {}, 0, 0
  for i = 1, #text do
    local value = VALUES[text:byte(i)]
    if not value then return nil end
    bits, have = bits * 64 + value, have + 6
    if have >= 8 then
      have = have - 8
      out[#out + 1] = string.char(math.floor(bits / 2 ^ have))
      bits = bits % 2 ^ have
    end
  end
  return table.concat(out)
end

---How long a token is still good, as it says itself. A clock that is wrong here makes it no longer
---than the token was made for.
---@param text string
---@param now number seconds since 1970
---@return number|nil seconds nil: it does not say
function token.left(text, now)
  local part = text:match("^[^.]*%.([^.]*)%.[^.]*$")
  local claims = part and json.decode(decode(part) or "")
  if type(claims) ~= "table" or type(claims.exp) ~= "number" then return nil end
  local left = claims.exp - now
  return type(claims.iat) == "number" and math.min(left, claims.exp - claims.iat) or left
end

---What is wrong with the options of a client as far as its token goes, or nil.
---@param options table
---@return string|nil
function token.wrong(options)
  local kind = type(options.token)
  if kind ~= "nil" and kind ~= "string" and kind ~= "function" then
    return "token is a text, or a function that gives one"
  end
  if kind ~= "nil" and options.user ~= nil and type(options.user) ~= "table" then
    return "beside a token, user is a table"
  end
end

---The token of the option `token`, which is a text, or a function that gives one.
---@param option string|fun(): string|nil, string|nil
---@return string|nil text
---@return string|nil message
function token.text(option)
  local text, message = option, nil
  if type(option) == "function" then text, message = option() end
  if type(text) == "string" then return text end
  return nil, "there is no token: " .. tostring(message or text)
end

---What a client says of its user, with its token.
---@param user table|nil
---@param text string
---@return table
function token.user(user, text)
  local all = { token = text }
  for key, value in pairs(user or {}) do all[key] = value end
  return all
end

---In how many milliseconds another token is to be asked for.
---@param text string
---@param now number seconds since 1970
---@return number|nil ms nil: never
function token.wait(text, now)
  local left = token.left(text, now)
  return left and math.max(SOON, left * PART * 1000)
end

return token
