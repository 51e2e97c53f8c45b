-- databases: reads and checks config/databases.json: the databases of an app, by name.
--
--   { "development": {
--       "players": { "kind": "sqlite", "file": "data/players.db" },
--       "ladder": { "kind": "postgres", "url": "postgres://game:${DB_PASSWORD}@db:5432/game" } } }
--
-- ${NAME} in a text is a variable of the environment. No message has a value in it that may be a
-- secret: a text that stands where another kind of value belongs, a name that may be a URL, and
-- whatever came from a variable.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local migrations = require "pomelua.config.migrations"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local urls = require "pomelua.config.database_url"
local values = require "pomelua.config.values"

local fail = values.fail

local databases = {}

local NAME = "config/databases.json"
local LONGEST = 64 -- letters of a name
local PASSWORD = 1024 -- bytes
local UNKNOWN = {} -- a value that comes from a variable which is not set, for `pomelua check`

---@class pomelua.DatabaseDefinition
---@field name string
---@field kind string "sqlite", "postgres", "mysql" or "redis"
---@field options table of core.store for this kind: where it is, who asks
---@field limits table<string, number> connections, waiting, timeout, transaction and idle
---(ms), rows, bytes: those that the kind has
---@field password_file string|nil its path
---@field shown string where it is, for people, without secrets
---@field identity string a digest of all of it: two definitions that mean the same have the same

local LIMITS = { -- least, most, when it is left out
  connections = { 1, 64, 4 }, -- of a server
  waiting = { 1, 65536, 1024 }, -- calls that are under way or wait for a connection
  timeout = { 10, 600000, 4000 }, -- ms, of a call that brings none
  rows = { 1, 10000000, 10000 }, -- of one answer
  bytes = { 1024, 2 ^ 30, 2 ^ 24 }, -- the same
  transaction = { 10, 600000, 2000 }, -- ms, of a whole one
  idle = { 1000, 86400000, 300000 }, -- ms until a connection that does nothing is closed
}

databases.LIMITS = LIMITS

-- What prints a server, such as the console, prints this and not the password in the options.
local DEFINITION = {
  __tostring = function(one) return ("database %s (%s)"):format(one.name, one.shown) end,
}

-- The context of one database: self.name, self.entry, self.prefix of its keys, self.base, .folder,
-- .missing(text) or nil: what takes a variable that is not set.

local function wrong(self, key, text) fail(NAME, self.prefix .. key, text) end

-- A text with the variables in it.
local function expanded(self, key, text)
  local unknown
  if text:gsub("%${[^}]*}", ""):find("${", 1, true) then
    wrong(self, key, "behind ${NAME a } is missing")
  end
  local out = text:gsub("%${([^}]*)}", function(name)
    if not name:find("^[%a_][%w_]*$") then
      wrong(self, key, "${NAME} needs the name of an environment variable between { and }")
    end
    local value = os.getenv(name)
    if value then return value end
    local told = ("the environment has no variable %s"):format(name)
    if not self.missing then wrong(self, key, told) end
    self.missing(("%s: %s%s: %s, so that not everything was checked"):format(NAME, self.prefix, key,
      told))
    unknown = true
  end)
  return unknown and UNKNOWN or out
end

-- A text that must be there, or may be left out.
local function text_of(self, key, needed)
  local value = self.entry[key]
  if value == nil and not needed then return nil end
  if value == nil then wrong(self, key, "missing") end
  if type(value) ~= "string" or value == "" or value:find("%c") then
    wrong(self, key, "must be a text" .. (type(value) == "string" and ""
      or ", got " .. tables.kind(value)))
  end
  return expanded(self, key, value)
end

-- A number; a text is one when it comes from a variable.
local function number_of(self, key)
  local range, value = LIMITS[key], self.entry[key]
  if value == nil then return range[3] end
  local given = value
  if type(value) == "string" and value:find("${", 1, true) then
    given = expanded(self, key, value)
    if given == UNKNOWN then return range[3] end
    given = tonumber(given)
  end
  if type(given) ~= "number" or given % 1 ~= 0 or given < range[1] or given > range[2] then
    wrong(self, key, ("must be a whole number from %d to %d, got %s"):format(range[1], range[2],
      type(given) == "number" and given == value and tables.shown(value)
      or given == value and tables.kind(value) or "another value of the environment"))
  end
  return given
end

-- The password of password_file: one line.
local function password_of_file(self)
  local name = text_of(self, "password_file", true)
  if name == UNKNOWN then return UNKNOWN end
  self.password_path = files.from(self.base, name)
  local text, message = files.read(self.password_path)
  if not text then wrong(self, "password_file", message) end
  local line = text:match("^([^\r\n]*)\r?\n?$")
  if not line or line == "" or #line > PASSWORD or line:find("%z") then
    wrong(self, "password_file", ("the file must hold the password alone, in one line of 1 to %d "
      .. "bytes"):format(PASSWORD))
  end
  return line
end

-- What stands in the URL and what stands beside it: each of them once. Where there are tables
-- somebody has to own them; Redis knows users by their passwords only.
local function account(self, out)
  for _, key in ipairs { "user", "password" } do
    local value = text_of(self, key)
    if value ~= nil and out[key] ~= nil then
      wrong(self, key, ("the url has the %s, too; write it once"):format(key))
    end
    if value ~= nil then out[key] = value end
  end
  if self.entry.password_file ~= nil then
    if out.password ~= nil then
      wrong(self, "password_file", "must not stand beside a password: it is given once")
    end
    out.password = password_of_file(self)
  end
  local kind = databases.kinds[self.entry.kind]
  if out.user == nil and kind.sql then wrong(self, "user", "missing, also in the url") end
  if out.user ~= nil and out.password == nil and not kind.sql then
    wrong(self, "url", "there is a user without a password; write password or password_file")
  end
  for _, key in ipairs { "user", "password" } do
    if out[key] == UNKNOWN then out[key] = nil end
  end
end

local function check_network(self, kind)
  local text = self.entry.url
  if type(text) ~= "string" then
    wrong(self, "url", text == nil and "missing" or "must be a text, got " .. tables.kind(text))
  end
  -- A variable may hold a whole URL; in a part of one it stands for any characters.
  if text:find("^%${[^{}]*}$") then text = expanded(self, "url", text) end
  if text == UNKNOWN then return {}, "" end
  local parts, message = urls.parse(text, kind)
  if not parts then wrong(self, "url", message) end
  for key, value in pairs(parts) do parts[key] = expanded(self, "url", value) end
  for key, value in pairs(parts) do
    if value == UNKNOWN then return {}, "" end
    if value:find("%z") then wrong(self, "url", "a NUL character in its " .. key) end
  end
  parts.port, message = urls.port(parts.port)
  if not parts.port then wrong(self, "url", message) end
  if self.entry.url:match("^%a+://[^/@]*:([^/@]*)@") and not self.entry.url:find("${", 1, true) then
    self.note(("%s: %surl: the password stands in the file; write ${NAME}, or password_file")
      :format(NAME, self.prefix))
  end
  account(self, parts)
  if parts.sslrootcert then parts.sslrootcert = files.from(self.base, parts.sslrootcert) end
  message = kind.wrong and kind.wrong(parts)
  if message then wrong(self, "url", message) end
  return parts, ("%s:%d%s"):format(parts.host, parts.port, parts.database
    and "/" .. parts.database or "")
end

-- MySQL's key: true, or the file of the authority that the server's certificate has to be of.
local function check_mysql(self, kind)
  local parts, shown = check_network(self, kind)
  local tls = self.entry.tls
  if type(tls) == "string" then
    tls = text_of(self, "tls", true)
    parts.tls = tls ~= UNKNOWN and files.from(self.base, tls) or nil
  elseif tls == nil or type(tls) == "boolean" then
    parts.tls = tls or nil
  else
    wrong(self, "tls", "must be true, false or the path of a file, got " .. tables.kind(tls))
  end
  return parts, shown
end

local function check_sqlite(self)
  local name = text_of(self, "file", true)
  if name == UNKNOWN then return {}, "" end
  if name:find("://", 1, true) then
    wrong(self, "file", "must be the path of a file, not a URL; a server has another kind")
  elseif name:find("^:") or name:find("^file:") then
    wrong(self, "file", "must be the path of a file; a database in memory would be gone with the "
      .. "program, and would be another one for each server")
  elseif name:find("/$") then
    wrong(self, "file", "must be the path of a file, not of a folder")
  end
  local shown = self.entry.file:find("${", 1, true) and self.entry.file or name
  return { file = files.from(self.folder, name) }, shown
end

local REDIS = { "url", "user", "password", "password_file", "connections", "idle" }
local SQL = "pomelua.store.database"
local NETWORK = { "transaction", unpack(REDIS) }

local function name_needed(parts)
  if not parts.database then return "the name of the database is missing: //host:port/NAME" end
end

local SSLMODES = {
  disable = true, allow = true, prefer = true, require = true, ["verify-ca"] = true,
  ["verify-full"] = true,
}

local function postgres_wrong(parts)
  if parts.sslmode and not SSLMODES[parts.sslmode] then
    return "sslmode is one of " .. table.concat(tables.sorted_keys(SSLMODES), ", ")
  end
  return name_needed(parts)
end

local NUMBERS = { 0, 65535 } -- Redis counts its databases

local function number_needed(parts)
  local text = tostring(parts.database or 0)
  if not text:find("^%d+$") or tonumber(text) > NUMBERS[2] then
    return "behind the port stands a number: //host:port/0"
  end
  parts.database = text
end

---The kinds of databases: keys: those of its own beside COMMON; known: all of them; check(self,
---kind) gives its options and where it is; object: the module of what scripts have; schemes of its
---URL, with their ports, refused and params: see config/database_url.lua; wrong(parts): what is
---wrong with them; numbers: least and most, where databases have numbers and no names; sql: whether
---it has tables, and so migrations.
databases.kinds = {
  sqlite = { keys = { "file", "transaction" }, check = check_sqlite, object = SQL, sql = true },
  postgres = {
    keys = NETWORK, check = check_network, object = SQL, sql = true,
    schemes = { postgres = "5432", postgresql = "5432" }, wrong = postgres_wrong,
    params = { "sslmode", "sslrootcert" }, -- behind ? in its URL
  },
  mysql = {
    keys = { "tls", unpack(NETWORK) }, check = check_mysql, object = SQL, sql = true,
    schemes = { mysql = "3306", mariadb = "3306" }, wrong = name_needed,
  },
  redis = {
    keys = REDIS, check = check_network, object = "pomelua.store.redis",
    schemes = { redis = "6379" }, wrong = number_needed, numbers = NUMBERS,
    refused = { rediss = "is TLS, which is not supported: let a TLS proxy such as stunnel run on "
      .. "this machine, and name its port in a redis:// URL" },
  },
}

local COMMON = { "kind", "waiting", "timeout", "rows", "bytes" }

for _, kind in pairs(databases.kinds) do
  kind.known = {}
  for _, list in ipairs { COMMON, kind.keys } do
    for _, key in ipairs(list) do kind.known[key] = true end
  end
end

local function check_keys(self, kind)
  local known = kind.known
  for _, key in ipairs(tables.sorted_keys(self.entry)) do
    if not known[key] then
      wrong(self, tables.word(key), ("%s has no such key; there are %s%s"):format(self.entry.kind,
        table.concat(tables.sorted_keys(known), ", "), near.hint(key, known)))
    end
  end
end

local function check_one(self)
  local entry = self.entry
  if not self.name:find("^%a[%w_]*$") or #self.name > LONGEST then
    fail(NAME, self.prefix:sub(1, -2), ("the name of a database is letters, digits and _, %d at "
      .. "most"):format(LONGEST))
  end
  if type(entry) ~= "table" or values.is_array(entry) and next(entry) ~= nil then
    fail(NAME, self.prefix:sub(1, -2), "must be an object, got " .. tables.kind(entry))
  end
  local kind = type(entry.kind) == "string" and databases.kinds[entry.kind]
  if not kind then
    wrong(self, "kind", ("must be %s, got %s%s"):format(
      table.concat(tables.sorted_keys(databases.kinds), ", "):gsub(", (%w+)$", " or %1"),
      tables.kind(entry.kind), near.hint(entry.kind, databases.kinds)))
  end
  check_keys(self, kind)
  local one = { name = self.name, kind = entry.kind, limits = {} }
  for key in pairs(LIMITS) do
    if kind.known[key] then one.limits[key] = number_of(self, key) end
  end
  one.options, one.shown = kind.check(self, kind)
  one.password_file = self.password_path
  one.identity = core.digest("sha256", tables.identity(one))
  return setmetatable(one, DEFINITION)
end

local OF_ONE = { "kind", "file", "url", "user", "password", "password_file", "tls" }

-- Whether a value is a database, and not an environment that has some: right or wrong, it has a
-- text under one of these keys.
local function is_one(value)
  if type(value) ~= "table" then return true end
  for _, key in ipairs(OF_ONE) do
    if value[key] ~= nil and type(value[key]) ~= "table" then return true end
  end
  return false
end

-- A file without environments has databases.
local function has_env(whole)
  for _, value in pairs(whole) do
    if is_one(value) then return false end
  end
  return next(whole) ~= nil
end

-- Whether the file has other environments only: this one has no databases then.
local function is_other(whole, env)
  return type(whole) == "table" and not values.is_array(whole) and has_env(whole)
    and whole[env] == nil
end

-- The key and what is wrong when the migrations of two databases would be run in one.
local function twice_in(base, all)
  local list = {}
  for _, name in ipairs(tables.sorted_keys(all)) do
    if databases.kinds[all[name].kind].sql then list[#list + 1] = all[name] end
  end
  local one, message = migrations.twice(base, list)
  return one and one.name, message
end

-- given: missing(text), note(text), fault(text): of `pomelua check`, or nil
local function check(base, env, folder, whole, given)
  if is_other(whole, env) then return {} end
  local part, prefix = values.choose_env(NAME, whole, env, has_env)
  local out = {}
  for _, name in ipairs(tables.sorted_keys(part)) do
    local self = {
      base = base, folder = folder, name = tostring(name), entry = part[name],
      prefix = ("%s%s."):format(prefix, tables.word(name)), missing = given.missing,
      note = given.note or function() end,
    }
    if given.fault then
      local one, message = values.checked(check_one, self)
      if message then given.fault(message) end
      out[self.name] = one
    else
      out[self.name] = check_one(self)
    end
  end
  local twice, message = twice_in(base, out)
  if twice and given.fault then
    given.fault(("%s: %s%s: %s"):format(NAME, prefix, twice, message))
  elseif twice then
    fail(NAME, prefix .. twice, message)
  end
  return out
end

---The databases of an app in one environment.
---@param base string the app's folder
---@param env string
---@param folder string what `file` is relative to
---@return table<string, pomelua.DatabaseDefinition>|nil definitions by name; empty without a file,
---or when the file has other environments only
---@return string|nil message one line with file and key
function databases.read(base, env, folder)
  local whole, message = json_file.read(base, NAME, true)
  if message then return nil, message end
  if whole == nil then return {} end
  return values.checked(check, base, env, folder, whole, {})
end

local function envs_has(envs, env)
  for _, one in ipairs(envs) do
    if one == env then return true end
  end
  return false
end

---The file for `pomelua check`, in every environment that servers.json has.
---@param base string the app's folder
---@param envs string[]
---@param fault fun(text: string)
---@param warning fun(text: string)
---@return table<string, string>|nil kinds of the databases of all environments, by name; nil: there
---is no file
function databases.check(base, envs, fault, warning)
  local whole = json_file.read(base, NAME, true)
  if whole == nil then return nil end
  local kinds = {}
  if type(whole) == "table" and not values.is_array(whole) and has_env(whole) then
    for _, env in ipairs(tables.sorted_keys(whole)) do
      if not envs_has(envs, env) then
        warning(("%s: %s: config/servers.json has no environment of this name%s"):format(NAME,
          tables.word(env), near.hint(env, envs)))
      end
    end
  end
  for _, env in ipairs(envs) do
    local found, message = values.checked(check, base, env, base, whole,
      { missing = warning, note = warning, fault = fault })
    if message then fault(message) end
    for name, one in pairs(found or {}) do kinds[name] = one.kind end
  end
  return kinds
end

---The names in an environment, of a file that may be wrong otherwise.
---@param base string the app's folder
---@param env string
---@return table<string, boolean>
function databases.names(base, env)
  local whole, names = json_file.read(base, NAME, true), {}
  if type(whole) ~= "table" then return names end
  local part = has_env(whole) and whole[env] or whole
  for name in pairs(type(part) == "table" and part or {}) do names[name] = true end
  return names
end

---Whether databases of a kind have tables.
---@param kind string
---@return boolean
function databases.has_tables(kind) return databases.kinds[kind].sql or false end

---How a file without a database of that name is named in an error.
databases.NAME = NAME

return databases
