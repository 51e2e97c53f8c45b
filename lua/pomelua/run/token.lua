-- token: pomelua.token: scripts make and check tokens by the keys of connectorConfig.auth.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local token_keys = require "pomelua.base.token_keys"

---@class pomelua.token
local token = {}

-- The keys of what runs: a server's, or those of the app that a script belongs to.
local function keys_of(what)
  local server = current.server or current.only
  local auth = server and server.auth
  if not auth then errors.raise(what .. ": only in the scripts of an app") end
  local keys, message = auth.keys, nil
  if not keys and auth.load then keys, message = auth.load() end
  if keys then return keys, server end
  errors.raise(("%s: %s"):format(what, message
    or "connectorConfig.auth is not set for this server type; it has the keys"))
end

---Makes a token by a configured key. iat is now; aud and iss are those of connectorConfig.auth
---unless claims has others. Raises when claims or opts are wrong.
---@param claims table what the token says: sub, the uid, and whatever handlers are to find in
---session:get("claims")
---@param opts {kid: string|nil, ttl: number|nil}|nil kid: which key, the first that can sign when
---left out; ttl: seconds until it expires, 3600 when left out
---@return string|nil token
---@return string|nil message why no key signs it
function token.sign(claims, opts)
  local what = "pomelua.token.sign(claims, opts)"
  local keys, server = keys_of(what)
  local text, message, misuse = token_keys.sign(keys, claims, opts, server.wall())
  if misuse then errors.raise(what .. ": " .. message) end
  return text, message
end

---Checks a token as a handshake would.
---@param text string
---@return table|nil claims
---@return string|nil message what is wrong with it: "the token has expired"
function token.verify(text)
  local what = "pomelua.token.verify(text)"
  if type(text) ~= "string" then
    errors.raise(what .. ": text must be a string, got a " .. type(text))
  end
  local keys, server = keys_of(what)
  local claims, message = token_keys.verify(keys, text, server.wall())
  if not claims then return nil, message end
  return json.decode(claims)
end

return token
