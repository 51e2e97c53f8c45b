-- require "pomelua": what app.lua and a game's scripts use of the framework.
local core = require "pomelua.core"
local current = require "pomelua.current"
local environment = require "pomelua.environment"
local generation = require "pomelua.generation"
local json = require "pomelua.json"
local log = require "pomelua.log"
local missing = require "pomelua.missing"
local pretty = require "pomelua.pretty"
local settings = require "pomelua.settings"
local task = require "pomelua.task"

---@class pomelua
local pomelua = {
  ---@type string
  version = core.version,
  ---JSON's null: it is written as null, and null elements of arrays arrive as it.
  null = core.null,
  ---log.debug|info|warn|error(format, ...); %j in the format writes a value as JSON
  log = { debug = log.debug, info = log.info, warn = log.warn, error = log.error },
  ---connectors.hybridconnector: TCP and WebSocket on one port
  connectors = { hybridconnector = settings.hybridconnector },
}

---The app of the server that runs this script.
---@return pomelua.App
function pomelua.createApp()
  local server = current.server or current.only
  if not server then
    error("pomelua.createApp: only in the scripts of a server; `pomelua start` runs app.lua", 2)
  end
  return server.app
end

---Calls f(..., cb) and waits in this coroutine until cb is called.
---@param f function|table anything callable
---@param ... any
---@return any ... cb(nil): true; cb(nil, x, ...): x, ...; cb(err): nil, err;
---after serverConfig.awaitTimeout (30 s): nil, err with err.code "TIMEOUT"
pomelua.await = task.await

---Waits in this coroutine.
---@param ms number milliseconds
pomelua.sleep = task.sleep

-- The file that calls, by its environment.
local function caller(level)
  local server = current.server or current.only
  return server, server and generation.unit_of(getfenv(level + 1))
end

---Makes a name a global of all scripts of this server; any other global is an error. It
---outlives reloads: the value is taken only when the name has none yet.
---@param name string
---@param value any
---@return any value what the global has now
function pomelua.declare(name, value)
  local server = current.server or current.only
  if type(name) ~= "string" then
    error("pomelua.declare(name, value): name must be a string, got " .. type(name), 2)
  end
  if not server then error("pomelua.declare: only in the scripts of a server", 2) end
  return environment.declare(server.globals, name, value)
end

---The table of the calling file that outlives its reloads. Handlers and remotes get the
---same one as the second argument of their factory.
---@return table
function pomelua.state()
  local server, unit = caller(2)
  if not unit then error("pomelua.state: only in the scripts of a server", 2) end
  return generation.state_of(server, unit.path)
end

---Marks a table as a JSON array: an empty one is written as [].
---@param t table|nil a new table when left out
---@return table t
function pomelua.array(t)
  if t ~= nil and type(t) ~= "table" then
    error("pomelua.array(t): t must be a table, got " .. type(t), 2)
  end
  return json.array(t)
end

---A value as text for a person: tables with their keys, sorted, to a bounded depth and size,
---read raw; a table inside itself is named.
---@param value any
---@return string
function pomelua.pretty(value) return pretty(value) end

missing.pomelua(pomelua)

return pomelua
