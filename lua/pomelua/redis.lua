-- redis: require "pomelua.redis": a Redis server.
local client = require "pomelua.store.redis"
local databases = require "pomelua.config.databases"
local server_options = require "pomelua.store.server_options"

local redis = {}

---Names a Redis server. Connections are made when calls need them, so one that is wrong or down is
---noticed by its calls.
---
---options: url: redis://user:password@host:port/database; or the same in parts: host, port (6379),
---user, password, database (0). connections: at most (4); calls follow each other on them without
---waiting for answers. waiting: how many calls may be under way (1,024). timeout:
---ms that a call may take (4,000). rows, bytes: how many elements and bytes an answer may have
---(10,000; 16 MiB). idle: ms before a connection that does nothing is closed (300,000). A wrong
---one raises.
---@param options {url: string|nil, host: string|nil, port: integer|nil, database: integer|nil,
---user: string|nil, password: string|nil, connections: integer|nil, waiting: integer|nil,
---timeout: integer|nil, rows: integer|nil, bytes: integer|nil, idle: integer|nil}
---@return pomelua.Redis
function redis.open(options)
  return client.new(server_options.of("redis.open", options, databases.kinds.redis))
end

return redis
