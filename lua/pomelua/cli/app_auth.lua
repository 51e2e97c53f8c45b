-- cli.app_auth: the keys of an app that does not run here: app.lua is asked for its
-- connectorConfig.auth, in a Lua state that is thrown away, as `pomelua check` asks it.
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local dictionary = require "pomelua.config.dictionary"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local token_keys = require "pomelua.base.token_keys"

local app_auth = {}

local function frontends_first(servers)
  local list = {}
  for _, frontend in ipairs { true, false } do
    for _, entry in ipairs(servers) do
      if (entry.frontend and true or false) == frontend then list[#list + 1] = entry end
    end
  end
  return list
end

-- The keys of a server: nil when it has none, and what is wrong when they cannot be had.
local function keys_of(base, env, servers, entry)
  local text, message = core.scratch("pomelua.app.trial", json.encode {
    base = base, env = env, id = entry.id, servers = servers, auth = true,
  }, dictionary.LIMITS.ms, dictionary.LIMITS.mib)
  if not text then return nil, message end
  local found = json.decode(text)
  if not found.auth then return nil, found.faults[1] end
  for _, key in ipairs(found.auth.keys) do
    key.key = key.key and key.key:gsub("%x%x", function(two)
      return string.char(tonumber(two, 16))
    end)
  end
  local keys, wrong = token_keys.load(found.auth, base)
  return keys, wrong and "connectorConfig.auth: " .. wrong
end

---The keys of the app's server types, those of frontends first.
---@param base string the app's folder
---@param env string|nil NODE_ENV or development when left out
---@return pomelua.TokenKeys[]|nil list not empty
---@return string|nil message
function app_auth.all(base, env)
  env = env or os.getenv("NODE_ENV")
  if not env or env == "" then env = "development" end
  if not files.exists(base .. "/app.lua") then return nil, "there is no app.lua in " .. base end
  local servers, message = config.servers(base, env)
  if not servers then return nil, message end
  local list = {}
  for _, entry in ipairs(config.one_of_each(frontends_first(servers))) do
    local keys, wrong = keys_of(base, env, servers, entry)
    list[#list + 1] = keys
    message = message or wrong
  end
  if list[1] then return list end
  return nil, message or "connectorConfig.auth is not set for any server type in the environment "
    .. env
end

---Those to sign with: of the first server type that has a private key or a secret, and that kid.
---@param list pomelua.TokenKeys[]
---@param kid string|nil
---@return pomelua.TokenKeys
function app_auth.signing(list, kid)
  for _, keys in ipairs(list) do
    for i, key in ipairs(keys.rules.keys) do
      if keys.core:canSign(i) and (kid == nil or key.kid == kid) then return keys end
    end
  end
  return list[1]
end

---The folder of the app that a script belongs to: the nearest above it with an app.lua, else this
---one.
---@param path string of the script
---@return string base
function app_auth.folder_of(path)
  local dir = files.absolute(path:match("^(.*)/[^/]*$") or ".")
  while dir and dir ~= "" do
    if files.exists(dir .. "/app.lua") then return dir end
    dir = dir:match("^(.*)/[^/]*$")
  end
  return files.absolute(".")
end

return app_auth
