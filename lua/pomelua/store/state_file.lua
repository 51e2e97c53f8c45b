-- state_file: the keeper of a program's servers (live/kept): state.db in the state folder, a file
-- of SQLite that the servers of all programs in this folder share. It is opened when there is
-- something to read or to write.
local core = require "pomelua.core"
local database = require "pomelua.store.database"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"

local state_file = {}

local NAME = "state.db"

-- A row is the state of one file. `saved` is for people: seconds since 1970.
local TABLE = [[create table if not exists states (server text not null, file text not null,
  state blob not null, saved integer not null, primary key (server, file))]]
local PUT = [[insert into states (server, file, state, saved) values ($1, $2, $3, $4)
  on conflict (server, file) do update set state = excluded.state, saved = excluded.saved]]
local REMOVE = "delete from states where server = $1 and file = $2"

local LONG = 30000 -- ms: another process may be writing, a disk may be slow

local function open(self)
  self.db = self.db or database.new("sqlite", {
    file = self.path, timeout = LONG, transaction = LONG, rows = 1000000, bytes = 2 ^ 30,
  }, NAME)
  return self.db
end

local function write(tx, server, changes)
  local ok, err = tx:exec(TABLE)
  local now = math.floor(server.wall())
  for _, change in ipairs(changes) do
    if not ok then break end
    local name, text = change[1], change[2]
    if text then
      ok, err = tx:exec(PUT, server.id, name, core.blob(text), now)
    else
      ok, err = tx:exec(REMOVE, server.id, name)
    end
  end
  return ok, err
end

---@param folder string the state folder; it is made at the first write
---@return table keeper
function state_file.keeper(folder)
  local self = { path = folder .. "/" .. NAME }
  local keeper = {}

  local function message_of(err) return ("%s: %s"):format(self.path, errors.text(err)) end

  -- Waits.
  function keeper.load(server)
    if not files.exists(self.path) then return {} end
    local db, texts = open(self), {}
    local ok, err = db:exec(TABLE)
    local rows
    if ok then
      rows, err = db:query("select file, state from states where server = $1", server.id)
    end
    if not rows then return nil, message_of(err) end
    for _, row in ipairs(rows) do texts[row.file] = row.state end
    return texts
  end

  function keeper.save(server, changes, done)
    files.make_private(folder)
    open(self):transaction(function(tx) return write(tx, server, changes) end, function(err)
      done(err and message_of(err))
    end)
  end

  return keeper
end

return state_file
