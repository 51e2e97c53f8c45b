-- mysql: require "pomelua.mysql": a database of MariaDB or MySQL.
local current = require "pomelua.base.current"
local database = require "pomelua.store.database"
local databases = require "pomelua.config.databases"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local server_options = require "pomelua.store.server_options"

local mysql = {}

-- The options without tls, and tls as core.store takes it.
local function split(options)
  if type(options) ~= "table" then return options end
  local rest, tls = {}, options.tls
  for key, value in pairs(options) do rest[key] = value end
  rest.tls = nil
  if type(tls) == "string" and tls ~= "" and not tls:find("%z") then
    local server = current.server or current.only
    return rest, files.from(server and server.base or ".", tls)
  elseif tls ~= nil and type(tls) ~= "boolean" then
    errors.raise("mysql.open: tls must be true, false or the path of a file")
  end
  return rest, tls or nil
end

---A database of a server of MariaDB or MySQL. No connection is made before the first call.
---
---options: url, "mysql://user:password@host:port/database", or the same in parts: host (a name, an
---address, or the path of a socket), port (3306), user, password, database. tls: true, or the file
---of the authority of the server's certificate (false). connections: of a server of the game (4).
---waiting: calls that may be under way (1,024). timeout: ms that a call may take (4,000). rows,
---bytes: of one answer (10,000; 16 MiB). idle: ms until a connection that does nothing is closed
---(300,000). transaction: ms that one may take (2,000). A wrong one raises.
---@param options {url: string|nil, host: string|nil, port: integer|nil, user: string|nil,
---password: string|nil, database: string|nil, tls: boolean|string|nil, connections: integer|nil,
---waiting: integer|nil, timeout: integer|nil, rows: integer|nil, bytes: integer|nil,
---idle: integer|nil, transaction: integer|nil}
---@return pomelua.Database
function mysql.open(options)
  local rest, tls = split(options)
  local given = server_options.of("mysql.open", rest, databases.kinds.mysql)
  given.tls = tls
  return database.new("mysql", given)
end

return mysql
