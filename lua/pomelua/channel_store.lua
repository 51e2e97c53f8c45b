-- channel_store: stores for channelConfig.store that keep the channels of a server in a database
-- (require "pomelua.channel_store").
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local near = require "pomelua.base.near"
local sqlite = require "pomelua.sqlite"
local tables = require "pomelua.base.tables"

local channel_store = {}

-- A row is a text of a list; lists have no order and hold each text once.
local TABLE = [[create table if not exists channel_lists (key text not null, value text not null,
  primary key (key, value)) without rowid]]

-- A channel may have many members, and a server that has lost a frontend many that leave.
local WAITING, ROWS, BYTES = 65536, 10000000, 2 ^ 30

local methods = {}
local mt = { __name = "pomelua.channel store", __index = methods }

-- The database of the server that runs now, and its table. Waits the first time.
local function open(self)
  local server = current.server
  local db = self.databases[server]
  if db then return db end
  db = sqlite.open {
    file = files.from(server.databases and server.databases.folder or server.base, self.file),
    waiting = WAITING, rows = ROWS, bytes = BYTES,
  }
  local ok, err = db:exec(TABLE)
  if not ok then return nil, err end
  self.databases[server] = db
  return db
end

local function exec(self, sql, ...)
  local db, err = open(self)
  if not db then return nil, err end
  return db:exec(sql, ...)
end

---Adds a text to a list.
---@param key string
---@param value string
---@return number|nil
---@return pomelua.Error|nil err
function methods:add(key, value)
  return exec(self, "insert into channel_lists (key, value) values ($1, $2) on conflict do nothing",
    key, value)
end

---Takes a text out of a list.
---@param key string
---@param value string
---@return number|nil
---@return pomelua.Error|nil err
function methods:remove(key, value)
  return exec(self, "delete from channel_lists where key = $1 and value = $2", key, value)
end

---Forgets a list.
---@param key string
---@return number|nil
---@return pomelua.Error|nil err
function methods:removeAll(key)
  return exec(self, "delete from channel_lists where key = $1", key)
end

---The texts of a list.
---@param key string
---@return string[]|nil
---@return pomelua.Error|nil err
function methods:load(key)
  local db, err = open(self)
  if not db then return nil, err end
  local rows
  rows, err = db:query("select value from channel_lists where key = $1", key)
  if not rows then return nil, err end
  for i, row in ipairs(rows) do rows[i] = row.value end
  return rows
end

---A store in a file of SQLite. Servers may share the file: their keys differ by their ids.
---@param options { file: string } a path from the state folder (--state, else the app's folder); it
---is made when it is not there
---@return table store for channelConfig.store
function channel_store.sqlite(options)
  for key in pairs(type(options) == "table" and options or {}) do
    if key ~= "file" then
      errors.raise(("channel_store.sqlite: there is no option %s%s"):format(errors.tostring(key),
        near.hint(key, { file = true })))
    end
  end
  if type(options) ~= "table" or type(options.file) ~= "string" or options.file == "" then
    errors.raise("channel_store.sqlite{ file = ... }: file must be the path of a file, got "
      .. tables.shown(type(options) == "table" and options.file or options))
  end
  return setmetatable({ file = options.file, databases = setmetatable({}, { __mode = "k" }) }, mt)
end

return channel_store
