-- migrate: runs the migrations of one database: each of them once, in order, whoever starts at the
-- same time. A table in the database remembers them.
--
-- Each is a transaction that begins with a lock in the database: SQLite's is the one writer of a
-- file, PostgreSQL's and MySQL's have a name. With the lock held the table is read again, so what
-- another process has run meanwhile is not run here. MySQL ends a transaction at each CREATE TABLE
-- or ALTER TABLE: there a migration that fails may have been run in part, which the error says.
local migrations = require "pomelua.config.migrations"

local migrate = {}

local MS = 600000 -- for one migration, and for waiting until another process has run its own
local TABLE = "pomelua_migrations"
local LOCK = 3470110942 -- of PostgreSQL, a number that other programs do not use

-- What differs from kind to kind: lock and unlock: SQL behind BEGIN and in front of COMMIT; busy:
-- whether BEGIN has to be tried again while another process writes; halves: whether a migration
-- that fails may be there in part.
local KINDS = {
  sqlite = { busy = true },
  postgres = { lock = ("select pg_advisory_xact_lock(%d)"):format(LOCK) },
  mysql = {
    lock = ("select get_lock(left(concat('pomelua ', database()), 64), %d) as got"):format(
      MS / 1000),
    unlock = "select release_lock(left(concat('pomelua ', database()), 64))", halves = true,
  },
}

local MAKE = "create table if not exists " .. TABLE .. " (number integer not null primary key, "
  .. "name varchar(200) not null, checksum varchar(64) not null, run_at varchar(19) not null)"
local READ = "select number, name, checksum, run_at from " .. TABLE

-- SQLSTATE of a table that is not there: of PostgreSQL and, here, SQLite; of MySQL.
local NO_TABLE = { ["42P01"] = true, ["42S02"] = true }

---@class pomelua.MigrateCall what a database is asked with; it waits for the answer
---@field [1] fun(op: string, text: string|nil, ms: number, tx: number|nil): any, pomelua.Error|nil

-- What the database has run, by number; nil, err.
local function done_of(ask, tx)
  local rows, err = ask("query", READ, MS, tx)
  if not rows then return nil, err end
  local done = {}
  for _, row in ipairs(rows) do
    done[row.number] = { name = row.name, checksum = row.checksum, at = row.run_at }
  end
  return done
end

-- Texts of a migration hold no quotation marks: config/migrations and base/digest see to it.
local function remember(one)
  return ("insert into %s (number, name, checksum, run_at) values (%d, '%s', '%s', '%s')"):format(
    TABLE, one.number, one.name, one.checksum, os.date("!%Y-%m-%d %H:%M:%S"))
end

-- An error of a file's statements, with the line in front of it: "app/…/001_a.sql:3: …".
local function placed(one, kind, err)
  local line, text = err.message:match("^line (%d+): (.*)$")
  local half = KINDS[kind].halves and "; what stands before it may have been run: MySQL cannot "
    .. "take back CREATE TABLE and the like" or ""
  return ("%s%s: %s%s"):format(one.path, line and ":" .. line or "", text or err.message, half)
end

local function begin(ask, kind)
  local tx, err
  local last = os.time() + MS / 1000
  repeat
    tx, err = ask("begin", nil, MS)
  until tx or not (kind.busy and err.code == "BUSY") or os.time() > last
  if tx and kind.lock then
    local rows
    rows, err = ask("query", kind.lock, MS, tx)
    if rows and kind.unlock and rows[1].got ~= 1 then
      err = { message = ("another process has held the lock of the migrations for %d s"):format(
        MS / 1000) }
    end
    if err then
      ask("rollback", nil, MS, tx)
      return nil, err
    end
  end
  return tx, err
end

-- The next migration, when there is one: its name; false: all were run; nil, message.
local function run_next(ask, kind, database, list)
  local how = KINDS[kind]
  local tx, err = begin(ask, how)
  if not tx then return nil, err.message end
  -- What was done must be seen, or be gone, before another process gets a lock that is no part of
  -- the transaction.
  local function unlock(first)
    if not how.unlock then return true end
    local done, wrong = ask("exec", first, MS, tx)
    ask("query", how.unlock, MS, tx)
    return done, wrong
  end
  local function give_up(message)
    unlock "rollback"
    ask("rollback", nil, MS, tx)
    return nil, message
  end
  local ok
  ok, err = ask("exec", MAKE, MS, tx)
  if not ok then return give_up(err.message) end
  local done
  done, err = done_of(ask, tx)
  if not done then return give_up(err.message) end
  local pending, message = migrations.plan(database, list, done)
  if not pending then return give_up(message) end
  local one = pending[1]
  if one then
    ok, err = ask("script", one.text, MS, tx)
    if not ok then return give_up(placed(one, kind, err)) end
    ok, err = ask("exec", remember(one), MS, tx)
    if not ok then return give_up(one.path .. ": " .. err.message) end
  end
  ok, err = unlock "commit"
  if ok then ok, err = ask("commit", nil, MS, tx) end
  if not ok then return nil, (one and one.path .. ": " or "") .. err.message end
  return one and one.name or false
end

---What a database has run, and what it lacks. Nothing is changed.
---@param ask function see run
---@param database string
---@param list pomelua.Migration[]
---@return pomelua.Migration[]|nil pending
---@return string[]|string notes what has changed or is missing; or the error
---@return table<number, table> done by number: name, checksum, at
function migrate.status(ask, database, list)
  local done, err = done_of(ask)
  if not done and not NO_TABLE[err.sqlstate or ""] then return nil, err.message end
  done = done or {} -- without the table nothing was run
  local pending, notes = migrations.plan(database, list, done)
  return pending, notes, done
end

---Runs what a database lacks.
---@param ask fun(op: string, text: string|nil, ms: number, tx: number|nil): any, table|nil asks the
---database and waits: "query" gives rows, "exec" and "script" something, "begin" the number of a
---transaction; nil and an error with message, code and sqlstate. A message of "script" begins with
---"line N: "
---@param kind string of the database
---@param database string its name
---@param list pomelua.Migration[]
---@return string[]|nil names of what was run, in order
---@return string[]|string notes what has changed or is missing; or the error, with file and line
---@return string[] names what was run before the error
function migrate.run(ask, kind, database, list)
  local pending, notes = migrate.status(ask, database, list)
  local names = {}
  if not pending then return nil, notes, names end
  while #names < #pending do
    local name, message = run_next(ask, kind, database, list)
    if name == nil then return nil, message, names end
    if not name then break end
    names[#names + 1] = name
  end
  return names, notes
end

migrate.MS = MS

return migrate
