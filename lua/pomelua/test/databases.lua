-- test.databases: the databases of a server in a spec: SQLite in memory, with the migrations of the
-- app, empty before each test; and the folder of the files of a server or a cluster.
local config = require "pomelua.config.databases"
local databases = require "pomelua.app.databases"
local dump = require "pomelua.test.dump"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local make_tables = require "pomelua.store.make_tables"
local migrate = require "pomelua.store.migrate"
local migrations = require "pomelua.config.migrations"
local near = require "pomelua.base.near"
local task = require "pomelua.run.task"
local tables = require "pomelua.base.tables"

local kit = {}

local STEPS = 1000 -- turns of the server in which a statement has its answer

---@class pomelua.test.Database
local mt = { __name = "pomelua.test.Database" }

---@return pomelua.test.Database what test.server's option `databases` takes
function kit.sqlite() return setmetatable({}, mt) end

-- The definition of a database in memory, with the limits that the app gives it.
local function definition_of(name, given)
  local limits = {}
  for _, key in ipairs { "waiting", "timeout", "transaction", "rows", "bytes" } do
    limits[key] = given and given.limits[key]
  end
  return {
    name = name, kind = "sqlite", options = { file = ":memory:" }, limits = limits,
    shown = "in memory", identity = name,
  }
end

---Reads the option `databases`.
---@param base string the app's folder
---@param env string
---@param given any
---@return table<string, pomelua.DatabaseDefinition> defined those of test.sqlite()
---@return string|nil message what is wrong with it
---@return table<string, table> objects those that the spec itself plays
function kit.read(base, env, given)
  local defined, objects = {}, {}
  if given == nil then return defined, nil, objects end
  if type(given) ~= "table" then
    return defined, "databases must be a table, { players = test.sqlite() }"
  end
  local names = config.names(base, env)
  local of_app = config.read(base, env, base) or {}
  for _, name in ipairs(tables.sorted_keys(given)) do
    if type(given[name]) ~= "table" then
      return defined, ("databases.%s must be test.sqlite(), or an object of the spec's with the "
        .. "methods that the game calls, got %s"):format(tostring(name), tables.shown(given[name]))
    elseif next(names) and not names[name] then
      return defined, ("databases.%s: %s has no database of this name%s"):format(tostring(name),
        config.NAME, near.hint(name, names))
    end
    if rawequal(getmetatable(given[name]), mt) then
      defined[name] = definition_of(name, of_app[name])
    else
      objects[name] = given[name]
    end
  end
  return defined, nil, objects
end

-- What a spec has to write for a database that it did not give.
local function hint(self, name)
  local all = config.read(self.base, self.inner.env, self.base) or {}
  if not all[name] or config.has_tables(all[name].kind) then return "test.sqlite()" end
  return "{ call = function(self, command, ...) ... end }"
end

-- A statement, and its answer.
local function ask_of(self, store)
  return function(op, text, ms, tx)
    local done, err, value
    store:submit(op, text, nil, ms, tx, function(code, answer, state)
      done, value = true, answer
      if code then err, value = errors.new(answer, code), nil end
      if err then err.sqlstate = state end
    end)
    for _ = 1, STEPS do
      if done then break end
      self.node:advance(0)
    end
    if err then return nil, err end
    return value == nil or value
  end
end

local function prepare(self, name)
  local handle = self.app:get("databases")[name].handle
  local store, err = handle:open()
  if not store then return err.message end
  local text = self.dumps and self.dumps[name]
  if text then
    local _, wrong = ask_of(self, store)("script", text)
    return wrong and wrong.message
  end
  local list, message = migrations.read(self.base, name)
  if not list then return message end
  local done
  done, message = migrate.run(ask_of(self, store), "sqlite", name, list)
  return not done and message or nil
end

---Gives a server that is made its databases.
---@param self pomelua.test.Server
---@param defined table<string, pomelua.DatabaseDefinition>
---@param objects table<string, table>
---@return string|nil message a migration has failed, or the library is missing
function kit.begin(self, defined, objects)
  self.databases = defined
  databases.give(self.inner, defined, objects, function(_, name)
    name = tostring(name)
    self.wrong = ("this spec gave no database %s: test.server { databases = { %s = %s } }%s")
      :format(name, name, hint(self, name), near.hint(name, defined))
    return self.wrong
  end)
  for _, name in ipairs(tables.sorted_keys(defined)) do
    local message = prepare(self, name)
    if message then return message end
  end
end

---The server is about to begin anew: what its databases hold is kept as SQL.
---@param self pomelua.test.Server
function kit.keep(self)
  self.dumps = {}
  for _, name in ipairs(tables.sorted_keys(self.databases)) do
    local handle = self.app:get("databases")[name].handle
    local text, err = dump.of(ask_of(self, assert(handle:open())))
    if not text then error(("server:restart: databases.%s: %s"):format(name, err.message), 0) end
    self.dumps[name] = text
  end
end

local asked = {}

-- Runs a method of a database as the server's scripts would, and gives what it returns.
local function ask(of, method, ...)
  local self, args, results = of.server, { n = select("#", ...), ... }, {}
  local failed
  local owner = { name = "spec", level = "debug", generation = self.inner.generation }
  function owner.failed(_, err) failed = errors.text(err) end
  task.run(self.inner, owner, function()
    local db = self.app:get("databases")[of.name]
    results = { db[method](db, unpack(args, 1, args.n)) }
  end)
  self:settle()
  if failed then error("server:database: " .. failed, 3) end
  return unpack(results, 1, 2)
end

---As db:query.
function asked:query(sql, ...) return ask(self, "query", sql, ...) end

---As db:exec.
function asked:exec(sql, ...) return ask(self, "exec", sql, ...) end

---A database of the server, for the spec.
---@param self pomelua.test.Server
---@param name string
---@return table
function kit.of(self, name)
  return setmetatable({ server = self, name = name }, { __index = asked })
end

---Empties the databases of a server that lives longer than a test.
---@param self pomelua.test.Server
function kit.empty(self)
  for _, name in ipairs(tables.sorted_keys(self.databases or {})) do
    local handle = self.app:get("databases")[name].handle
    if handle.store then handle.store:close() end
    handle.store = nil
    self.dumps = nil
    local message = prepare(self, name)
    if message then error("test.server: " .. message, 0) end
  end
end

local function nothing() end

---Removes a folder and what is in it, when it is there.
---@param folder string|nil
function kit.remove(folder)
  for _, name in ipairs(folder and files.list(folder) or {}) do
    local path = folder .. "/" .. name
    if files.is_folder(path) then kit.remove(path) else os.remove(path) end
  end
  if folder then os.remove(folder) end
end

---Reads the option `state`.
---@param options pomelua.test.Options
---@param base string|nil the app's folder, when it is there
---@return string|nil state
---@return string|nil missing a folder that is not there
function kit.state_of(options, base)
  if not base then return nil, options.base end
  if options.state == nil then return nil end
  local state = type(options.state) == "string" and files.absolute(options.state)
  if not state then return nil, errors.tostring(options.state) end
  return state
end

---Where the paths begin of SQLite files that scripts open themselves: the folder that the spec has
---given, or one of the server's own. So a spec writes into no file of the game's.
---@param self pomelua.test.Server
function kit.place(self)
  if not self.options.state and not self.folder then
    self.folder = os.tmpname()
    os.remove(self.folder)
  end
  self.inner.databases.folder = self.options.state or self.folder
end

---The server has ended; its own folder ends with it, unless it begins anew.
---@param self pomelua.test.Server
function kit.leave(self)
  if self.begins_anew then return end
  kit.remove(self.folder)
  self.folder = nil
end

---The state folder of a cluster, in which the paths of its databases begin, with the tables made: a
---spec writes into no file of the game's.
---@param base string the app's folder
---@param env string
---@return string|nil folder
---@return string|nil message
function kit.folder(base, env)
  local folder = os.tmpname()
  os.remove(folder)
  files.make_private(folder)
  if not files.exists(base .. "/" .. config.NAME) then return folder end
  local defined, message = config.read(base, env, folder)
  if defined then message = select(2, make_tables.run(base, defined, nothing, nothing)) end
  if not message then return folder end
  kit.remove(folder)
  return nil, message
end

return kit
