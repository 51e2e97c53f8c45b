-- ssl_setting: what connectorConfig.ssl may hold: files of certificates, for the port and for
-- single host names. Pomelo's form is understood where it names files.
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local ssl_setting = {}

local SETTING = "connectorConfig.ssl"
local CHAIN_MAX, NAMES_MAX = 8, 100

local OF_PAIR = { cert = true, key = true, ca = true }
local KEYS = { cert = true, key = true, ca = true, required = true, names = true, type = true }

-- What Node's TLS takes beside, and what to do instead.
local DECLINED = {
  pfx = "a .pfx file is not read; `openssl pkcs12 -in game.pfx -out game.pem -nodes` makes one "
    .. "file that is both cert and key",
  passphrase = "a key behind a passphrase is not read, since nobody is there to type it; `openssl "
    .. "pkey -in OLD -out NEW` writes it without",
  requestCert = "clients are not asked for certificates",
  rejectUnauthorized = "clients are not asked for certificates",
  ciphers = "there are only ciphers with forward secrecy, of TLS 1.2 and 1.3",
  honorCipherOrder = "the server's order always counts",
  secureProtocol = "it is always TLS 1.2 or 1.3",
  minVersion = "it is always TLS 1.2 or 1.3",
  maxVersion = "it is always TLS 1.2 or 1.3",
  SNICallback = 'names = { ["host"] = { cert =, key = } } has the certificates of single hosts',
}

local function wrong_path(key, value)
  if type(value) == "string" and (value:find("\n", 1, true) or value:find("-----BEGIN", 1, true))
  then
    return ("%s holds the content of a file; write the file's path, %s = %q: Pomelua reads it, and "
      .. "again when it is renewed"):format(key, key:match("%a+$"),
      key:find("key$") and "config/tls/game.key" or "config/tls/game.crt")
  end
  if type(value) ~= "string" or value == "" or value:find("%z") then
    return ("%s must be the path of a file, from the app's folder, got %s")
      :format(key, tables.kind(value))
  end
end

-- A path or a list of paths; `where` stands before the key in messages.
local function wrong_chain(where, value)
  if type(value) ~= "table" then return wrong_path(where .. "ca", value) end
  if not tables.is_list(value) then return where .. "ca must be a path or a list of paths" end
  for _, one in ipairs(value) do
    local wrong = wrong_path(where .. "ca", one)
    if wrong then return wrong end
  end
  if #value > CHAIN_MAX then return ("%sca: at most %d files"):format(where, CHAIN_MAX) end
end

local function wrong_pair(where, value)
  for _, key in ipairs { "cert", "key" } do
    local wrong = wrong_path(where .. key, rawget(value, key))
    if wrong then return wrong end
  end
  if rawget(value, "ca") ~= nil then return wrong_chain(where, rawget(value, "ca")) end
end

local function wrong_keys(where, value, known)
  for _, key in ipairs(tables.sorted_keys(value)) do
    local declined = type(key) == "string" and DECLINED[key]
    if declined then return ("%s%s: %s"):format(where, key, declined) end
    if not known[key] then
      return ("%s%s: there is no such key%s")
        :format(where, tables.shown(key):gsub('^"(.*)"$', "%1"), near.hint(key, known))
    end
  end
end

-- A host name, perhaps with a star in the place of its first part.
local function is_host(name)
  if type(name) ~= "string" or #name > 253 then return false end
  local rest = name:gsub("^%*%.", "")
  return rest ~= "" and not rest:find("[^%w%.%-_]") and not rest:find("..", 1, true)
    and not rest:find("^%.")
end

local function wrong_names(names)
  if type(names) ~= "table" then
    return 'names must be a table, { ["game.example.org"] = { cert =, key = } }, got '
      .. tables.kind(names)
  end
  local count, seen = 0, {}
  for _, name in ipairs(tables.sorted_keys(names)) do
    count = count + 1
    local where = ("names[%s]"):format(tables.shown(name))
    if not is_host(name) then
      return where .. ': must be the name of a host, such as "game.example.org" or "*.example.org"'
    end
    local plain = name:lower()
    if seen[plain] then return ("%s: %q is the same host"):format(where, seen[plain]) end
    seen[plain] = name
    local pair = rawget(names, name)
    if type(pair) ~= "table" then
      return ("%s must be a table { cert =, key = }, got %s"):format(where, tables.kind(pair))
    end
    local wrong = wrong_keys(where .. ".", pair, OF_PAIR) or wrong_pair(where .. ".", pair)
    if wrong then return wrong end
  end
  if count > NAMES_MAX then return ("names: at most %d hosts"):format(NAMES_MAX) end
end

---What is wrong with a value of connectorConfig.ssl, or nil.
---@param value any
---@return string|nil text
function ssl_setting.wrong(value)
  if value == false then return nil end
  if type(value) ~= "table" then
    return "must be a table { cert = path, key = path }, or false, got " .. tables.kind(value)
  end
  local wrong = wrong_keys("", value, KEYS) or wrong_pair("", value)
  if wrong then return wrong end
  local required, kind = rawget(value, "required"), rawget(value, "type")
  if required ~= nil and type(required) ~= "boolean" then
    return "required must be true or false, got " .. tables.shown(required)
  end
  if kind ~= nil and kind ~= "wss" and kind ~= "tls" then
    return 'type is "wss" or "tls" as in Pomelo, or left out, got ' .. tables.shown(kind)
  end
  if rawget(value, "names") ~= nil then return wrong_names(rawget(value, "names")) end
end

local function chain_of(value)
  if value == nil then return {} end
  return type(value) == "table" and { unpack(value) } or { value }
end

local function pair_of(value, setting, name)
  return {
    name = name, setting = setting, cert = rawget(value, "cert"), key = rawget(value, "key"),
    chain = chain_of(rawget(value, "ca")),
  }
end

---The setting as node:certificates takes it. Pomelo's form, the one with `type`, has a port that
---speaks nothing but TLS.
---@param value table|false|nil what ssl_setting.wrong has passed
---@return table|nil files nil: there is no TLS
function ssl_setting.read(value)
  if not value then return nil end
  local required = rawget(value, "required")
  if required == nil then required = rawget(value, "type") ~= nil end
  local files = pair_of(value, SETTING)
  files.required, files.names = required, {}
  local names = rawget(value, "names") or {}
  for _, name in ipairs(tables.sorted_keys(names)) do
    files.names[#files.names + 1] = pair_of(rawget(names, name),
      ("%s.names[%q]"):format(SETTING, name), name)
  end
  return files
end

return ssl_setting
