-- logs: where the lines of a server and of its categories go, as config/log.json says.
local config = require "pomelua.config.log"

local logs = {}

---The part of a server that belongs to this file.
---@param server pomelua.Server
function logs.init(server)
  server.logs = {
    rules = nil, -- of config/log.json; nil: in the test kit
    numbers = {}, -- [category] = its number in the node; false: there are too many
    levels = {}, -- [category] = the number of its level: base/log
  }
end

local ORDER = { debug = 1, info = 2, warn = 3, error = 4, silent = 5 }

local function where(server)
  return { base = server.base, env = server.env, id = server.id, type = server.type }
end

---A category of the server's log, which is made at the first call.
---@param server pomelua.Server
---@param name string
---@param level string|nil its level, when config/log.json has none for it
---@return number|false number
---@return number level in the order debug, info, warn, error
---@return string|nil message why a file of it cannot be opened
function logs.category(server, name, level)
  local own = server.logs
  if own.numbers[name] ~= nil then return own.numbers[name], own.levels[name] end
  local rules, way = own.rules, { console = true, files = {} }
  if rules then
    way = config.way(rules, name, where(server))
    way.level = rules.levels[name] or level or way.level
  else
    way.level = level or "debug"
  end
  local number, message, code = server.node:logWay(name, way.level, way.console, way.files)
  own.levels[name] = ORDER[way.level]
  own.numbers[name] = number or false
  if number then return number, own.levels[name] end
  if code ~= "FULL" then
    way.console, message = true, ("the log category %q: %s"):format(name, message)
    own.numbers[name] = server.node:logWay(name, way.level, true, {}) or false
  end
  server:error(message)
  return own.numbers[name], own.levels[name], message
end

---Opens the files of every category that config/log.json names.
---@param server pomelua.Server
---@param rules pomelua.LogRules|nil
---@return string|nil message which file cannot be opened, and why
function logs.open(server, rules)
  server.logs.rules = rules
  if not rules or not rules.given then return nil end
  local way = config.way(rules, "", where(server))
  local number, message = server.node:logWay("", way.level, way.console, way.files)
  if not number then return "config/log.json: " .. message end
  for _, name in ipairs(config.categories(rules)) do
    local _, _, wrong = logs.category(server, name)
    if wrong then return "config/log.json: " .. wrong end
  end
end

return logs
