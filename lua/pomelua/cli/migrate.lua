-- cli.migrate: `pomelua migrate` runs the migrations of an app's databases, or shows which of them
-- were run.
local command = require "pomelua.cli.command"
local databases = require "pomelua.config.databases"
local definition = require "pomelua.store.definition"
local files = require "pomelua.base.files"
local make_tables = require "pomelua.store.make_tables"
local near = require "pomelua.base.near"
local place = require "pomelua.ops.place"
local runner = require "pomelua.store.migrate"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local migrate = {}

-- One line for each file, and what is strange. Gives whether there is something to be done.
local function show(one, list)
  local pending, notes, done = list, {}, {}
  if one.kind ~= "sqlite" or files.exists(one.options.file) then
    local ask, close = definition.command(one)
    if not ask then return nil, make_tables.named(one, close) end
    pending, notes, done = runner.status(ask, one.name, list)
    close()
    if not pending then return nil, make_tables.named(one, notes) end
  end
  for _, file in ipairs(list) do
    local was = done[file.number]
    io.stdout:write(("%s/%s  %s\n"):format(one.name, file.name,
      was and "run at " .. was.at or "not run"))
  end
  for _, text in ipairs(notes) do io.stdout:write(text, "\n") end
  return pending[1] ~= nil or notes[1] ~= nil
end

local function status(base, all)
  local open = false
  local message = make_tables.each(base, all, function(one, list)
    local more, wrong = show(one, list)
    open = open or more
    return wrong
  end)
  if message then return fail(1, message) end
  return open and 1 or 0
end

---The databases of an app in one environment, and where their files lie.
---@param given table of a command: base, env, state
---@param make boolean|nil whether the folder of --state is made
---@return table<string, pomelua.DatabaseDefinition>|nil all
---@return string|nil message
function migrate.databases(given, make)
  local env = given.env or os.getenv("NODE_ENV")
  if not env or env == "" then env = "development" end
  local folder, message = place.data(given.base, given.state, make)
  if not folder then return nil, message end
  return databases.read(given.base, env, folder)
end

---A database that a command names.
---@param all table<string, pomelua.DatabaseDefinition>
---@param name string
---@return pomelua.DatabaseDefinition|nil one
---@return string|nil message
function migrate.one_of(all, name)
  if all[name] then return all[name] end
  return nil, ("config/databases.json has no database %s in this environment%s"):format(name,
    near.hint(name, all))
end

local function main(given)
  local all, message = migrate.databases(given, not given.status)
  if not all then return fail(1, message) end
  if given.database then
    local one
    one, message = migrate.one_of(all, given.database)
    if not one then return fail(1, message) end
    all = { [given.database] = one }
  end
  if given.status then return status(given.base, all) end
  local function say(text) io.stdout:write(text, "\n") end
  local count = 0
  local ok
  ok, message = make_tables.run(given.base, all, function(text)
    count = count + 1
    say(text)
  end, say)
  if not ok then return fail(1, message) end
  if count == 0 then say("nothing to do") end
  return 0
end

migrate.command = command.new {
  name = "migrate", group = "run",
  summary = "makes the tables of the app's databases",
  usage = "[DIR] [options]",
  text = [[
Runs the files DIR/app/migrations/<database>/NNN_name.sql that a database of config/databases.json
has not run yet, in order. Each is one transaction; the first that fails ends the command. pomelua
start does the same before its servers listen.
]],
  folder = "only", words = { "dir" }, base = true,
  options = {
    shared.DIR, shared.ENV, shared.DATA,
    {
      "--database", value = "NAME", field = "database", kind = "database",
      text = "only this database",
    },
    {
      "--status", field = "status",
      text = "runs nothing: shows what was run and what was not; exit status 1 when a file has to "
        .. "be run, has changed or is missing",
    },
  },
  examples = {
    { "pomelua migrate --env production", "makes the tables of the databases of that environment" },
    { "pomelua migrate game --status", "shows what was run of the app in the folder game" },
  },
  statuses = {
    [0] = "the tables are as the files say",
    [1] = "a migration has failed, or a database or file of the app is wrong; with --status: "
      .. "something has to be done",
  },
  environment = { "NODE_ENV", "STATE_DIRECTORY" },
  files = { "app/migrations/", "config/databases.json" },
  see = { "start", "backup" },
  run = main,
}

return migrate
