-- definition: a database of config/databases.json as core.store is told of it; and one that is
-- asked without a server, by commands and before the servers start.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"

local definition = {}

---Makes the folders above a file of SQLite. One that cannot be made is told when the file is
---opened.
---@param one pomelua.DatabaseDefinition
function definition.make_folders(one)
  local path = one.options.file
  if one.kind ~= "sqlite" or path == ":memory:" then return end
  local at = 1
  while true do
    at = path:find("/", at + 1, true)
    if not at then return end
    files.make_private(path:sub(1, at - 1))
  end
end

---What core.store is told.
---@param one pomelua.DatabaseDefinition
---@param more table|nil options that take the place of those of the definition
---@return table options
function definition.options(one, more)
  local options = {}
  for key, value in pairs(one.options) do options[key] = value end
  for key, value in pairs(one.limits) do options[key] = value end
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

local function answer_of(id, code, value, state)
  if id == nil then return nil, errors.new(code) end
  if code == nil then return value == nil or value end
  local err = errors.new(value, code)
  err.sqlstate = state
  return nil, err
end

---Opens a database without a server; each question waits for its answer.
---@param one pomelua.DatabaseDefinition
---@param more table|nil as of options
---@return (fun(op: string, text: string|nil, ms: number, tx: number|nil): any, table|nil)|nil ask
---what store/migrate asks
---@return function|string close, or the error
function definition.command(one, more)
  definition.make_folders(one)
  local store, message = core.store(nil, one.kind, definition.options(one, more))
  if not store then return nil, message end
  return function(op, text, ms, tx)
    return answer_of(store:submit(op, text, nil, ms, tx))
  end, function() store:close() end
end

return definition
