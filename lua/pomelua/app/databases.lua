-- databases: app:get("databases"): the databases of config/databases.json by name. Each is an
-- object at its first use, opens at its first call, and belongs to its server. A reload replaces
-- what is behind an object when its definition has changed, so a script may keep the object.
local config = require "pomelua.config.databases"
local definition = require "pomelua.store.definition"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local handles = require "pomelua.store.handles"
local near = require "pomelua.base.near"
local setting_files = require "pomelua.run.setting_files"
local tables = require "pomelua.base.tables"

local databases = {}

---The part of a server that belongs to this file.
---@param server pomelua.Server
function databases.init(server)
  server.databases = {
    defined = {}, -- [name] = pomelua.DatabaseDefinition
    objects = {}, -- [name] = what scripts have
    folder = nil, -- where paths of files begin
    missing = nil, -- missing(name): the error for a name that is not defined
  }
end

-- What opens and closes behind an object. It is the server's, whichever file asks first.
local function handle_of(server, one)
  definition.make_folders(one)
  return handles.of(one.kind, definition.options(one), one.name, server)
end

-- The error for a name that there is not.
local function unknown(server, name)
  local defined = server.databases.defined
  if not next(defined) then
    return ("%s: there is no such file, or it has no databases for the environment %s"):format(
      config.NAME, server.env)
  end
  return ("%s: there is no database %s in the environment %s%s"):format(config.NAME,
    tostring(name), server.env, near.hint(name, defined))
end

local function object_of(server, name)
  local own = server.databases
  local object = own.objects[name]
  if object then return object end
  local one = own.defined[name]
  if not one then
    errors.raise('app:get("databases"): ' .. (own.missing or unknown)(server, name))
  end
  object = require(config.kinds[one.kind].object).of_handle(handle_of(server, one))
  own.objects[name] = object
  return object
end

---The object of app:get("databases").
---@param server pomelua.Server
---@return table<string, pomelua.Database>
function databases.proxy(server)
  return setmetatable({}, {
    __name = "pomelua.databases",
    __index = function(_, name) return object_of(server, name) end,
    __newindex = function()
      errors.raise('app:get("databases"): databases are defined in ' .. config.NAME)
    end,
  })
end

-- Of an object whose database the file no longer has.
local function ended_handle(server, one)
  return {
    kind = one.kind, options = {}, server = server, users = 1, name = one.name, records = {},
    txs = {},
    open = function()
      return nil, errors.new(("%s has no database %s any more"):format(config.NAME, one.name),
        "CLOSED")
    end,
    close_if_idle = function() end,
  }
end

-- What is wrong with new definitions for objects that are in use.
local function wrong_change(own, defined)
  for _, name in ipairs(tables.sorted_keys(own.objects)) do
    local before, now = own.defined[name], defined[name]
    if before and now and config.kinds[before.kind].object ~= config.kinds[now.kind].object then
      return ("%s: %s: %s in the place of %s takes effect when the server starts again"):format(
        config.NAME, name, now.kind, before.kind)
    end
  end
end

-- Puts new definitions into force. Calls and transactions that are under way end where they began.
local function replace(server, defined)
  local own = server.databases
  local message = wrong_change(own, defined)
  if message then return message end
  for name, object in pairs(own.objects) do
    local before, now = own.defined[name], defined[name]
    if (before and before.identity) ~= (now and now.identity) then
      local old = object.handle
      object.handle = now and handle_of(server, now) or ended_handle(server, before)
      object.kind = now and now.kind or object.kind
      handles.let_go(old)
    end
  end
  own.defined = defined
end

-- The files that a reload reads again: their paths.
local function paths_of(server)
  local paths = { server.base .. "/" .. config.NAME }
  for _, name in ipairs(tables.sorted_keys(server.databases.defined)) do
    local path = server.databases.defined[name].password_file
    if path then paths[#paths + 1] = path end
  end
  return paths
end

---Reads the definitions of a server that is made, and those of a file that changes later.
---@param server pomelua.Server
---@param folder string where paths of files begin
---@return string|nil message one line with file and key
function databases.open(server, folder)
  local own = server.databases
  own.folder, own.missing = folder, nil
  if not files.exists(server.base .. "/" .. config.NAME) then return nil end
  local defined, message = config.read(server.base, server.env, folder)
  if not defined then return message end
  own.defined = defined
  local entry = { what = config.NAME, paths = paths_of(server) }
  function entry.read()
    local new, wrong = config.read(server.base, server.env, folder)
    if new then wrong = replace(server, new) end
    if wrong then return (wrong:gsub("^config/databases%.json: ", "")) end
    setting_files.follow(entry, paths_of(server))
  end
  setting_files.add(server, entry)
end

---The object of app:get("databases") where nothing is opened: a stub for each name of the file.
---@param server pomelua.Server
---@param stub any
function databases.close_doors(server, stub)
  local known = config.names(server.base, server.env)
  server.app:set("databases", setmetatable({}, { __index = function(_, name)
    if known[name] then return stub end
    server.databases.defined = known
    errors.raise('app:get("databases"): ' .. unknown(server, name))
  end }))
end

---Defines the databases of a spec's server.
---@param server pomelua.Server
---@param defined table<string, pomelua.DatabaseDefinition>
---@param objects table<string, table> what the spec itself plays
---@param missing fun(server: pomelua.Server, name: any): string the error for another name
function databases.give(server, defined, objects, missing)
  local own = server.databases
  own.defined, own.missing = defined, missing
  for name, object in pairs(objects) do own.objects[name] = object end
end

return databases
