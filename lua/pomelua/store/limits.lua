-- limits: the numbers that a game gives to `open` of a database, checked at the line of the game.
-- The limits have the same bounds as in config/databases.json.
local databases = require "pomelua.config.databases"
local errors = require "pomelua.base.errors"
local tables = require "pomelua.base.tables"

local limits = {}

---The bounds of some limits.
---@param keys string[] names of limits
---@return table<string, number[]> ranges least and most, by name
function limits.of(keys)
  local ranges = {}
  for _, key in ipairs(keys) do ranges[key] = assert(databases.LIMITS[key], key) end
  return ranges
end

---A number that a game has given. Raises unless it is a whole one in its range. A text in its place
---is not shown: it may be a secret.
---@param what string the function of the game's call
---@param key string
---@param range number[] least and most
---@param value any
---@return number
function limits.check(what, key, range, value)
  if type(value) == "number" and value % 1 == 0 and value >= range[1] and value <= range[2] then
    return value
  end
  errors.raise(("%s: %s must be a whole number from %d to %d, got %s"):format(what, key, range[1],
    range[2], type(value) == "string" and tables.kind(value) or tables.shown(value)))
end

return limits
