-- token_keys: connectorConfig.auth: whether it is well-formed, its keys with the texts of their
-- files, and tokens that are checked and made by them. What a token is stands in core/wire/jwt.h.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local text_of = require("pomelua.base.text").of

local token_keys = {}

local KEYS_MAX, AUDIENCE_MAX = 16, 16
local LEEWAY, LEEWAY_MAX = 20, 300 -- seconds
local TTL, TTL_MAX = 3600, 100 * 366 * 86400 -- seconds

local FIELDS = { keys = true, audience = true, issuer = true, leeway = true, required = true }
local KEY_FIELDS = { kid = true, alg = true, key = true, file = true }
local ALGORITHMS = {
  HS256 = true, HS384 = true, HS512 = true, RS256 = true, PS256 = true, ES256 = true, EdDSA = true,
}

local function is_text(value) return type(value) == "string" and value ~= "" end

local function unknown(fields, t, place)
  for _, key in ipairs(tables.sorted_keys(t)) do
    if not fields[key] then
      return ("%sthere is no field %s%s"):format(place, tables.word(errors.tostring(key)),
        near.hint(key, fields))
    end
  end
end

local function wrong_key(key, place)
  if type(key) ~= "table" then
    return ("%smust be a table { kid =, alg =, key = or file = }, got %s"):format(place,
      tables.kind(key))
  end
  local wrong = unknown(KEY_FIELDS, key, place)
  if wrong then return wrong end
  local alg, kid = rawget(key, "alg"), rawget(key, "kid")
  if not ALGORITHMS[alg] then
    return ("%salg must be HS256, HS384, HS512, RS256, PS256, ES256 or EdDSA, got %s%s"):format(
      place, tables.shown(alg), near.hint(alg, ALGORITHMS))
  end
  if kid ~= nil and not is_text(kid) then
    return ("%skid must be a text, got %s"):format(place, tables.shown(kid))
  end
  local text, file = rawget(key, "key"), rawget(key, "file")
  if (text == nil) == (file == nil) then
    return place .. "give one of key, the text of the key, and file, the path of its file"
  end
  if type(file) == "string" and (file:find("%c") or file:find("-----BEGIN", 1, true)) then
    return place .. "file holds a key and not the path of its file; the text of a key stands in key"
  elseif file ~= nil and not is_text(file) then
    return ("%sfile must be the path of a file, got %s"):format(place, tables.kind(file))
  end
  if text ~= nil and type(text) ~= "string" then
    return ("%skey must be a text, got %s"):format(place, tables.kind(text))
  end
end

local function wrong_keys(keys)
  if type(keys) ~= "table" or next(keys) == nil or not tables.is_list(keys) then
    return "keys must be a list of keys, { { kid =, alg =, key = or file = }, ... }"
  end
  if #keys > KEYS_MAX then return ("keys: at most %d keys, got %d"):format(KEYS_MAX, #keys) end
  local kids = {}
  for i = 1, #keys do
    local place = ("keys[%d]: "):format(i)
    local wrong = wrong_key(keys[i], place)
    if wrong then return wrong end
    local kid = rawget(keys[i], "kid")
    if kid and kids[kid] then
      return ("%skeys[%d] has the kid %q, too: a token must mean one key"):format(place, kids[kid],
        kid)
    end
    if kid then kids[kid] = i end
  end
end

local function wrong_audience(value)
  if value == nil or is_text(value) then return nil end
  if type(value) ~= "table" or next(value) == nil or not tables.is_list(value) then
    return "audience must be a text, or a list of texts, got " .. tables.shown(value)
  end
  if #value > AUDIENCE_MAX then
    return ("audience: at most %d texts, got %d"):format(AUDIENCE_MAX, #value)
  end
  for i = 1, #value do
    if not is_text(value[i]) then
      return "audience must be a list of texts, got an entry " .. tables.shown(value[i])
    end
  end
end

---What is wrong with a value of connectorConfig.auth, apart from the texts of its keys.
---@param value any
---@return string|nil text
function token_keys.wrong(value)
  if value == false then return nil end
  if type(value) ~= "table" then
    return "must be a table { keys = {...}, audience =, issuer =, leeway =, required = }, or "
      .. "false, got " .. tables.kind(value)
  end
  local wrong = unknown(FIELDS, value, "") or wrong_keys(rawget(value, "keys"))
    or wrong_audience(rawget(value, "audience"))
  if wrong then return wrong end
  local issuer, leeway = rawget(value, "issuer"), rawget(value, "leeway")
  local required = rawget(value, "required")
  if issuer ~= nil and not is_text(issuer) then
    return "issuer must be a text, got " .. tables.shown(issuer)
  end
  if type(leeway) ~= "number" and leeway ~= nil or leeway and not (leeway >= 0
    and leeway <= LEEWAY_MAX) then
    return ("leeway must be a number of seconds from 0 to %d, got %s"):format(LEEWAY_MAX,
      tables.shown(leeway))
  end
  if required ~= nil and type(required) ~= "boolean" then
    return "required must be true or false, got " .. tables.shown(required)
  end
end

---@class pomelua.TokenRules a value of connectorConfig.auth that is not wrong, as it was then
---@field keys {kid: string|nil, alg: string, key: string|nil, file: string|nil}[]
---@field audience string[]|nil
---@field issuer string|nil
---@field leeway number seconds
---@field required boolean

---A copy, with its defaults.
---@param value table|false|nil
---@return pomelua.TokenRules|nil nil: there is no auth
function token_keys.rules(value)
  if not value then return nil end
  local rules = { keys = {}, issuer = rawget(value, "issuer") }
  rules.leeway = rawget(value, "leeway") or LEEWAY
  rules.required = rawget(value, "required") ~= false
  local audience = rawget(value, "audience")
  if type(audience) == "string" then
    rules.audience = { audience }
  elseif audience then
    rules.audience = { unpack(audience) }
  end
  for i, key in ipairs(rawget(value, "keys")) do
    rules.keys[i] = { kid = rawget(key, "kid"), alg = rawget(key, "alg"),
      key = rawget(key, "key"), file = rawget(key, "file") }
  end
  return rules
end

---The files of the keys.
---@param rules pomelua.TokenRules
---@param base string the app's folder
---@return string[] paths
function token_keys.paths(rules, base)
  local paths = {}
  for _, key in ipairs(rules.keys) do
    if key.file then paths[#paths + 1] = files.from(base, key.file) end
  end
  return paths
end

-- The text of a key. Editors and `openssl rand -hex 32 > file` put a newline at the end, which is
-- no part of a secret.
local function read(key, base)
  if not key.file then return key.key end
  local path = files.from(base, key.file)
  local text, message = files.read(path)
  if not text then return nil, key.file .. message:sub(#path + 1) end
  return (text:gsub("\r?\n$", ""))
end

---@class pomelua.TokenKeys keys that are in force
---@field core userdata
---@field rules pomelua.TokenRules

---Reads the files, and makes keys of the texts.
---@param rules pomelua.TokenRules
---@param base string the app's folder
---@return pomelua.TokenKeys|nil keys
---@return string|nil message which key, which file, and why
function token_keys.load(rules, base)
  local list = {}
  for i, key in ipairs(rules.keys) do
    local text, message = read(key, base)
    if not text then return nil, ("keys[%d]: %s"):format(i, message) end
    list[i] = { alg = key.alg, kid = key.kid, text = text }
  end
  local keys, message, number = core.tokenKeys(list)
  if not keys then
    local key = rules.keys[number]
    return nil, ("keys[%d]%s: %s"):format(number, key.file and " (" .. key.file .. ")" or "",
      message)
  end
  return { core = keys, rules = rules }
end

---Checks a token.
---@param keys pomelua.TokenKeys
---@param text string
---@param now number seconds since 1970
---@return string|nil claims as JSON
---@return string sub, or what is wrong: "the token has expired"
---@return number|nil exp
function token_keys.verify(keys, text, now)
  local rules = keys.rules
  local claims, sub, exp = keys.core:verify(text, now, rules.leeway, rules.audience, rules.issuer)
  if not claims then return nil, "the token " .. sub end
  return claims, sub, exp
end

-- The number of the key to sign with.
local function signer(keys, kid)
  for i, key in ipairs(keys.rules.keys) do
    if kid == nil and keys.core:canSign(i) then return i end
    if kid ~= nil and key.kid == kid then
      if keys.core:canSign(i) then return i end
      return nil, ("the key %q is a public one, which signs nothing"):format(kid)
    end
  end
  if kid == nil then return nil, "all keys are public ones, which sign nothing" end
  local kids = {}
  for _, key in ipairs(keys.rules.keys) do kids[#kids + 1] = key.kid end
  return nil, ("there is no key with the kid %q; there %s"):format(kid,
    #kids == 0 and "is none with a kid" or "are " .. table.concat(kids, ", "))
end

-- Misuse; else nil.
local function wrong_claims(claims, opts)
  if type(claims) ~= "table" then return "claims must be a table, got a " .. type(claims) end
  local sub = rawget(claims, "sub")
  if type(sub) ~= "number" and not is_text(sub) then
    return "claims.sub must be a uid, a text or a number, got " .. tables.shown(sub)
  end
  if opts ~= nil and type(opts) ~= "table" then
    return "the options must be a table { kid =, ttl = }, got a " .. type(opts)
  end
  local wrong = unknown({ kid = true, ttl = true }, opts or {}, "the options: ")
  if wrong then return wrong end
  local ttl, kid = (opts or {}).ttl, (opts or {}).kid
  if ttl ~= nil and (type(ttl) ~= "number" or not (ttl > 0 and ttl <= TTL_MAX)) then
    return "ttl must be a number of seconds, above 0, got " .. tables.shown(ttl)
  end
  if ttl ~= nil and rawget(claims, "exp") ~= nil then
    return "give one of claims.exp and ttl"
  end
  if kid ~= nil and type(kid) ~= "string" then
    return "kid must be a text, got " .. tables.shown(kid)
  end
end

---Makes a token that these keys accept. claims.iat is now, exp what ttl says (one hour), aud and
---iss what the configuration says, unless claims has them.
---@param keys pomelua.TokenKeys
---@param claims table with sub
---@param opts {kid: string|nil, ttl: number|nil}|nil
---@param now number seconds since 1970
---@return string|nil token
---@return string|nil message
---@return boolean|nil misuse whether the arguments are wrong, not the keys
function token_keys.sign(keys, claims, opts, now)
  local wrong = wrong_claims(claims, opts)
  if wrong then return nil, wrong, true end
  opts = opts or {}
  local number, message = signer(keys, opts.kid)
  if not number then return nil, message end
  local rules, all = keys.rules, {}
  now = math.floor(now)
  for key, value in next, claims do all[key] = value end
  all.sub = text_of(all.sub)
  all.iat = all.iat or now
  all.exp = all.exp or now + math.ceil(opts.ttl or TTL)
  all.aud = all.aud or rules.audience and rules.audience[1]
  all.iss = all.iss or rules.issuer
  local text
  text, message = json.encode(all, "claims")
  if not text then return nil, message, true end
  text, message = keys.core:sign(number, text)
  if not text then return nil, message end
  -- What the claims of the caller make of it: an exp that is past, another aud.
  local good, why = token_keys.verify(keys, text, now)
  if not good then return nil, "with these claims " .. why, true end
  return text
end

return token_keys
