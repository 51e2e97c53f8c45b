-- postgres: require "pomelua.postgres": databases of a PostgreSQL server.
local current = require "pomelua.base.current"
local database = require "pomelua.store.database"
local databases = require "pomelua.config.databases"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local server_options = require "pomelua.store.server_options"

local postgres = {}

-- Bytes of a name that PostgreSQL keeps; it would cut a longer one.
local LONGEST = 63

---A database of a PostgreSQL server. No connection is made before the first call.
---
---options: url, "postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE",
---or the same in parts: host, port (5432), user, password, database, sslmode ("prefer"),
---sslrootcert. connections: of a server of the game (4). waiting: calls that may be under way
---(1,024). timeout: ms that a call may take (4,000). rows, bytes: of one answer (10,000; 16 MiB).
---idle: ms until a connection that does nothing is closed (300,000). transaction: ms that one may
---take (2,000). A wrong one raises.
---@param options {url: string|nil, host: string|nil, port: integer|nil, user: string|nil,
---password: string|nil, database: string|nil, sslmode: string|nil, sslrootcert: string|nil,
---connections: integer|nil, waiting: integer|nil, timeout: integer|nil, rows: integer|nil,
---bytes: integer|nil, idle: integer|nil, transaction: integer|nil}
---@return pomelua.Database
function postgres.open(options)
  local server = current.server or current.only
  local given = server_options.of("postgres.open", options, databases.kinds.postgres)
  if given.sslrootcert then
    given.sslrootcert = files.from(server and server.base or ".", given.sslrootcert)
  end
  return database.new("postgres", given)
end

---A name of a table or a column as it is written in a statement, in quotation marks. Values never
---need this: they are parameters.
---@param name string 1 to 63 bytes without a zero byte; others raise
---@return string
function postgres.ident(name)
  if type(name) ~= "string" or name == "" or #name > LONGEST or name:find("%z") then
    errors.raise(("postgres.ident(name): a name is a string of 1 to %d bytes without a zero byte")
      :format(LONGEST))
  end
  return '"' .. name:gsub('"', '""') .. '"'
end

return postgres
