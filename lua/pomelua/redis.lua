-- redis: require "pomelua.redis": a Redis server.
local client = require "pomelua.store.redis"
local errors = require "pomelua.base.errors"
local limits = require "pomelua.store.limits"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local redis = {}

local NUMBERS = limits.of { "connections", "waiting", "timeout", "rows", "bytes", "idle" }
NUMBERS.port, NUMBERS.database = { 1, 65535 }, { 0, 65535 }
local TEXTS = { url = true, host = true, user = true, password = true }
local KNOWN = {}
for key in pairs(NUMBERS) do KNOWN[key] = true end
for key in pairs(TEXTS) do KNOWN[key] = true end

local function text_wrong(value)
  return type(value) ~= "string" or value == "" or value:find("%z") ~= nil
end

local function check_one(key, value)
  local range = NUMBERS[key]
  if not KNOWN[key] then
    errors.raise(("redis.open: there is no option %s%s"):format(tostring(key),
      near.hint(key, KNOWN)))
  elseif range then
    limits.check("redis.open", key, range, value)
  elseif text_wrong(value) then
    errors.raise(("redis.open: %s must be a string that is not empty"):format(key))
  end
end

local function check(options)
  if type(options) ~= "table" then
    errors.raise('redis.open{ url = "redis://host:6379/0" }: a table of options, got '
      .. tables.shown(options))
  end
  for key, value in pairs(options) do check_one(key, value) end
  if (options.url == nil) == (options.host == nil) then
    errors.raise('redis.open: either url = "redis://user:password@host:port/database" or host')
  elseif options.url and (options.port or options.database) then
    errors.raise("redis.open: port and database stand in the url")
  end
end

---Names a Redis server. Connections are made when calls need them, so one that is wrong or down is
---noticed by its calls.
---
---options: url: redis://user:password@host:port/database; or host, port (6379) and database (0).
---user, password: in place of those of the url. connections: at most (4); calls follow each other
---on them without waiting for answers. waiting: how many calls may be under way (1,024). timeout:
---ms that a call may take (4,000). rows, bytes: how many elements and bytes an answer may have
---(10,000; 16 MiB). idle: ms before a connection that does nothing is closed (300,000).
---@param options {url: string|nil, host: string|nil, port: integer|nil, database: integer|nil,
---user: string|nil, password: string|nil, connections: integer|nil, waiting: integer|nil,
---timeout: integer|nil, rows: integer|nil, bytes: integer|nil, idle: integer|nil}
---@return pomelua.Redis
function redis.open(options)
  check(options)
  local given = {}
  for key, value in pairs(options) do given[key] = value end
  return client.new(given)
end

return redis
