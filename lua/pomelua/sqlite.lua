-- sqlite: require "pomelua.sqlite": a database in a file, without a server of its own.
local current = require "pomelua.base.current"
local database = require "pomelua.store.database"
local definition = require "pomelua.store.definition"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local limits = require "pomelua.store.limits"
local near = require "pomelua.base.near"

local sqlite = {}

local LIMITS = limits.of { "waiting", "timeout", "rows", "bytes", "transaction" }
local KNOWN = { file = true }
for key in pairs(LIMITS) do KNOWN[key] = true end

local function check_options(options)
  for key, value in pairs(options) do
    if not KNOWN[key] then
      errors.raise(("sqlite.open: there is no option %s%s"):format(tostring(key),
        near.hint(key, KNOWN)))
    end
    if LIMITS[key] then limits.check("sqlite.open", key, LIMITS[key], value) end
  end
end

local function check(options)
  if type(options) == "table" then check_options(options) end
  if type(options) ~= "table" or type(options.file) ~= "string" or options.file == ""
    or options.file:find("%z") then
    errors.raise("sqlite.open{ file = ... }: file must be the path of a file, or \":memory:\"")
  end
end

---Opens a file of SQLite, which is made when it is not there, with its folder. Servers of one
---program that open the same file share the connection that writes.
---
---options: file: its path, from the state folder (--state, else the app's folder); ":memory:": in
---memory, of this server alone.
---waiting: how many calls may be under way (1,024). timeout: ms that a call may take (4,000). rows,
---bytes: of one answer (10,000; 16 MiB). transaction: ms that one may take (2,000).
---@param options {file: string, waiting: integer|nil, timeout: integer|nil, rows: integer|nil,
---bytes: integer|nil, transaction: integer|nil}
---@return pomelua.Database
function sqlite.open(options)
  check(options)
  local server = current.server or current.only
  local given = {}
  for key, value in pairs(options) do given[key] = value end
  if given.file ~= ":memory:" then
    local folder = server and (server.databases and server.databases.folder or server.base) or "."
    given.file = files.from(folder, given.file)
    definition.make_folders { kind = "sqlite", options = given }
  end
  return database.new("sqlite", given)
end

return sqlite
