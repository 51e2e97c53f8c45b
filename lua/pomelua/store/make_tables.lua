-- make_tables: runs the migrations of all databases of an app, each of which is asked without a
-- server: by commands, and before the servers of a program start.
local databases = require "pomelua.config.databases"
local definition = require "pomelua.store.definition"
local migrate = require "pomelua.store.migrate"
local migrations = require "pomelua.config.migrations"
local tables = require "pomelua.base.tables"

local make_tables = {}

---Calls fn(definition, migrations) for each database that has migrations, in the order of their
---names, until it returns an error.
---@param base string the app's folder
---@param all table<string, pomelua.DatabaseDefinition>
---@param fn fun(one: pomelua.DatabaseDefinition, list: pomelua.Migration[]): string|nil
---@return string|nil message of fn, or of a file that cannot be run
function make_tables.each(base, all, fn)
  for _, name in ipairs(tables.sorted_keys(all)) do
    if databases.has_tables(all[name].kind) then
      local list, message = migrations.read(base, name)
      if not list then return message end
      if list[1] then message = fn(all[name], list) end
      if message then return message end
    end
  end
end

---An error of a database names it, unless it has the path of a migration.
---@param one pomelua.DatabaseDefinition
---@param message string
---@return string
function make_tables.named(one, message)
  if message:sub(1, #migrations.FOLDER) == migrations.FOLDER then return message end
  return ("%s: %s (%s %s): %s"):format(databases.NAME, one.name, one.kind, one.shown, message)
end

---Runs what the databases lack.
---@param base string the app's folder
---@param all table<string, pomelua.DatabaseDefinition>
---@param done fun(text: string) for each migration that was run
---@param note fun(text: string) what has changed, or is missing
---@return boolean ok
---@return string|nil message one line with file and line
function make_tables.run(base, all, done, note)
  local message = make_tables.each(base, all, function(one, list)
    local ask, close = definition.command(one, { transaction = migrate.MS })
    if not ask then return make_tables.named(one, close) end
    local names, notes, before = migrate.run(ask, one.kind, one.name, list)
    close()
    for _, name in ipairs(names or before) do
      done(("%s/%s/%s: done"):format(migrations.FOLDER, one.name, name))
    end
    if not names then return make_tables.named(one, notes) end
    for _, text in ipairs(notes) do note(text) end
  end)
  return message == nil, message
end

return make_tables
