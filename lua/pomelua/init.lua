-- require "pomelua": what app.lua and a game's scripts use of the framework.
local all = require "pomelua.run.all"
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local data = require "pomelua.run.data"
local digest = require "pomelua.base.digest"
local environment = require "pomelua.run.environment"
local errors = require "pomelua.base.errors"
local generation = require "pomelua.live.generation"
local json = require "pomelua.base.json"
local log = require "pomelua.base.log"
local pretty = require "pomelua.base.pretty"
local settings = require "pomelua.app.settings"
local task = require "pomelua.run.task"
local token = require "pomelua.run.token"
local script_timers = require "pomelua.run.script_timers"

---@class pomelua
local pomelua = {
  ---@type string
  version = core.version,
  ---JSON's null: it is written as null, and null elements of arrays arrive as it.
  null = core.null,
  ---log.debug|info|warn|error(format, ...); %j in the format writes a value as JSON
  ---log.category(name, level): the same functions for lines of a category
  log = {
    debug = log.debug, info = log.info, warn = log.warn, error = log.error,
    category = log.category,
  },
  ---connectors.hybridconnector: TCP and WebSocket on one port
  connectors = settings.connectors,
  ---pushSchedulers.direct, and Pomelo's buffer, which does the same here
  pushSchedulers = settings.push_schedulers,
}

---The app of the server that runs this script.
---@return pomelua.App
function pomelua.createApp()
  local server = current.server or current.only
  if not server or not server.app then
    errors.raise("pomelua.createApp: only in the scripts of a server; `pomelua start` runs app.lua")
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

---Runs several functions at the same time and waits until the last has ended.
---@param list table<any, function>
---@return table|nil results what each returned, under its key; nil when one returned nil, err
---@return pomelua.Error|nil err the first of them. An error that is raised is raised here
pomelua.all = all

local function server_of(what)
  local server = current.server or current.only
  if not server then errors.raise("pomelua." .. what .. ": only in the scripts of a server") end
  return server
end

---A clock that only goes forward, whatever is done to the system's; in specs it is virtual.
---@return number milliseconds since some moment
function pomelua.now()
  local server = current.server or current.only
  if server and server.virtual then return server.node:now() end
  return core.now()
end

---Calls fn every ms milliseconds; while a call has not ended no other begins. It belongs to
---what starts it, as app:setInterval does.
---@param ms number milliseconds
---@param fn function may wait
---@return number id for app:clearTimer
function pomelua.every(ms, fn)
  return script_timers.every(server_of("every"), ms, fn)
end

---The contents of a JSON file of the app. The same table each time; it is filled anew within a
---second when the file changes. A file that cannot be read then is told in the log, and the table
---stays; the first time it raises.
---@param path string from the app's folder: "config/data/items.json"
---@return table
function pomelua.data(path)
  return data.of(server_of("data"), path)
end

-- JSON as bodies are read and written.
pomelua.json = {}

---@param value any
---@return string|nil text
---@return pomelua.Error|nil err names the path: "value.items[3].owner: a function"
function pomelua.json.encode(value)
  local text, message = json.encode(value, "value")
  if not text then return nil, errors.new(message, "ENCODE") end
  return text
end

---@param text string
---@return any|nil value pomelua.null for the text `null`
---@return pomelua.Error|nil err
function pomelua.json.decode(text)
  if type(text) ~= "string" then
    errors.raise("pomelua.json.decode(text): text must be a string, got a " .. type(text))
  end
  local value, message = json.decode(text)
  if value == nil then return nil, errors.new(message, "DECODE") end
  return value
end

---Tokens by the keys of connectorConfig.auth: see docs/tokens.md.
---@type pomelua.token
pomelua.token = token

---Bytes for a database: a value that goes there as BLOB or bytea, where a string is text.
---@param bytes string
---@return pomelua.Blob
function pomelua.blob(bytes)
  if type(bytes) ~= "string" then
    errors.raise("pomelua.blob(bytes): bytes must be a string, got a " .. type(bytes))
  end
  return core.blob(bytes)
end

pomelua.crc32 = digest.crc32
pomelua.md5 = digest.md5
pomelua.sha256 = digest.sha256
pomelua.hmac = digest.hmac
pomelua.randomBytes = digest.randomBytes
pomelua.uuid = digest.uuid

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
    errors.raise("pomelua.declare(name, value): name must be a string, got " .. type(name))
  end
  if not server or not server.globals then
    errors.raise("pomelua.declare: only in the scripts of a server")
  end
  return environment.declare(server.globals, name, value)
end

---The table of the calling file that outlives its reloads, and the process with
---state.__keep = true (docs/live.md). Handlers and remotes get the same one as the second argument
---of their factory.
---@return table
function pomelua.state()
  local server, unit = caller(2)
  if not unit then errors.raise("pomelua.state: only in the scripts of a server") end
  return generation.state_of(server, unit.path)
end

---Marks a table as a JSON array: an empty one is written as [].
---@param t table|nil a new table when left out
---@return table t
function pomelua.array(t)
  if t ~= nil and type(t) ~= "table" then
    errors.raise("pomelua.array(t): t must be a table, got " .. type(t))
  end
  return json.array(t)
end

---A value as text for a person: tables with their keys, sorted, to a bounded depth and size,
---read raw; a table inside itself is named.
---@param value any
---@return string
function pomelua.pretty(value) return pretty(value) end

-- Filters: see docs/filters.md. Each call makes another one.
pomelua.serial = require "pomelua.filter.serial"
pomelua.time = require "pomelua.filter.time"
pomelua.timeout = require "pomelua.filter.timeout"
pomelua.toobusy = require "pomelua.filter.toobusy"
pomelua.rpcLog = require "pomelua.filter.rpc_log"

---The same under the names that Pomelo gives them.
pomelua.filters = {
  serial = pomelua.serial, time = pomelua.time, timeout = pomelua.timeout,
  toobusy = pomelua.toobusy,
}
pomelua.rpcFilters = { rpcLog = pomelua.rpcLog, toobusy = pomelua.toobusy }

return pomelua
