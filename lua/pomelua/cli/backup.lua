-- cli.backup: `pomelua backup` copies the file of an SQLite database while programs use it.
local command = require "pomelua.cli.command"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local migrate = require "pomelua.cli.migrate"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local backup = {}

-- The definition of a database that can be copied.
local function source_of(given, name)
  local all, message = migrate.databases(given)
  if not all then return nil, message end
  local one
  one, message = migrate.one_of(all, name)
  if not one then return nil, message end
  if one.kind ~= "sqlite" then
    return nil, ("backup: %s is a database of the kind %s, which has tools of its own"):format(name,
      one.kind)
  end
  local path = one.options.file
  if not files.exists(path) then
    return nil, ("backup: there is no file %s%s"):format(path, given.state and ""
      or "; give --state DIR, when the program was started with it")
  end
  return path
end

local function copy(from, to)
  if files.absolute(from) == files.absolute(to) then
    return nil, ("backup: %s is the database itself"):format(to)
  end
  if files.is_folder(to) then
    return nil, ("backup: %s is a folder; give the path of the copy"):format(to)
  end
  local part = ("%s.%d.part"):format(to, core.pid())
  os.remove(part)
  local ok, message = core.sqliteBackup(from, part)
  if ok then
    -- What a program that was killed has left beside an older copy: SQLite would write it into the
    -- new one.
    for _, left in ipairs { "-wal", "-shm", "-journal" } do os.remove(to .. left) end
    ok, message = os.rename(part, to)
  end
  if ok then return true end
  os.remove(part)
  return nil, "backup: " .. message
end

local function main(given)
  local from, message = source_of(given, given[1])
  if not from then return fail(1, message) end
  local ok
  ok, message = copy(from, given[2])
  if not ok then return fail(1, message) end
  io.stdout:write(("%s: copied to %s\n"):format(given[1], given[2]))
  return 0
end

backup.command = command.new {
  name = "backup", group = "operate",
  summary = "copies an SQLite database while the game runs",
  usage = "NAME FILE [options]",
  text = [[
Copies the SQLite database NAME of config/databases.json into FILE, also while the game runs and
writes: the copy is the database of one moment. It is written beside FILE and takes its place when
it is whole.
]],
  words = { "database", "file" }, base = true,
  options = { shared.DIR, shared.ENV, shared.DATA },
  check = function(given)
    if #given ~= 2 then return "give a name and a file" end
  end,
  examples = {
    { "pomelua backup main copy.db", "copies the database main of the app in this folder" },
  },
  statuses = {
    [1] = "there is no such database, it is none of SQLite's, or the copy could not be written",
  },
  environment = { "NODE_ENV", "STATE_DIRECTORY" }, files = { "config/databases.json" },
  see = { "migrate" },
  run = main,
}

return backup
