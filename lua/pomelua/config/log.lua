-- log: reads and checks config/log.json, or Pomelo's config/log4js.json as far as it makes sense
-- here: which lines of the log go where.
--
--   {"appenders": [{"type": "console"}, {"type": "file", "filename": "logs/pay.log",
--     "category": "pay"}], "levels": {"pay": "DEBUG", "[all]": "INFO"}}
--
-- or, as later versions of log4js have it, appenders by name, and
--
--   "categories": {"default": {"appenders": ["out"], "level": "info"}, "pay": {…}}
--
-- beside "json": true and "queue": bytes of lines that wait for a reader. What log4js has and
-- Pomelua has not is named in one warning.
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local json_lines = require "pomelua.base.json_lines"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local log = {}

local FILES = 8 -- of one category
local LEAST_QUEUE, MOST_QUEUE = 65536, 1073741824
local LEVELS = {
  all = "debug", trace = "debug", debug = "debug", info = "info", warn = "warn",
  warning = "warn", error = "error", fatal = "error", off = "silent", silent = "silent",
}
local DEFAULTS = { "pomelo", "default", "[default]", "[all]" } -- the server's own lines
local TYPES = { "console", "file" }
local APPENDER_KEYS = { "type", "filename", "category" }
local CATEGORY_KEYS = { "appenders", "level" }
local VARIABLES = { base = true, serverId = true, serverType = true, env = true }
local KEYS = { "appenders", "levels", "categories", "json", "queue", "replaceConsole" }
-- Categories of Pomelo's own, which no line of Pomelua has. (con-log, rpc-log and forward-log are
-- those of filters.)
local POMELOS = {
  ["rpc-debug"] = true, ["crash-log"] = true, ["admin-log"] = true, ["transaction-log"] = true,
  ["pomelo-admin"] = true, ["pomelo-rpc"] = true,
}

---@class pomelua.LogRules where the lines of categories go
---@field level string of a category without its own
---@field levels table<string, string> by category
---@field targets {console: boolean|nil, file: string|nil, only: table<string, true>|nil}[]
---@field lists table<string, number[]>|nil which targets a category has; nil: all that take it
---@field own_console boolean|nil no target takes the server's own lines: standard error does
---@field json boolean
---@field queue number|nil bytes
---@field given boolean whether there is a file

local function fault(self, key, text, ...)
  self.faults[#self.faults + 1] = {
    file = self.file, line = json_lines.find(self.text, key) or 1, key = key ~= "" and key or nil,
    text = text:format(...),
  }
end

local function ignored(self, what) self.ignored[what] = true end

-- Keys of an object that are nearly one of the known ones are faults; what log4js has besides does
-- nothing.
local function check_keys(self, path, value, keys)
  local known = {}
  for _, key in ipairs(keys) do known[key] = true end
  for _, key in ipairs(tables.sorted_keys(value)) do
    local meant = not known[key] and near.to(key, keys, 2)
    if meant then
      fault(self, (path and path .. "." or "") .. tostring(key), "no such key; did you mean %s?",
        meant)
    elseif not known[key] then
      ignored(self, tostring(key))
    end
  end
end

local function level_of(self, key, value)
  local level = type(value) == "string" and LEVELS[value:lower()]
  if not level then
    fault(self, key, "must be DEBUG, INFO, WARN, ERROR or OFF, got %s%s", tables.shown(value),
      type(value) == "string" and near.hint(value:lower(), LEVELS) or "")
  end
  return level
end

-- The categories that an appender takes; nil: all of them.
local function only_of(self, key, value)
  if value == nil then return nil end
  local only = {}
  for _, name in ipairs(type(value) == "table" and value or { value }) do
    if type(name) ~= "string" then
      fault(self, key .. ".category", "must be a text or an array of texts, got %s",
        tables.shown(name))
    elseif POMELOS[name] then
      ignored(self, "the category " .. name)
    else
      only[name] = true
    end
  end
  return only
end

local function appender(self, key, one)
  if type(one) ~= "table" then
    fault(self, key, "must be an object, got %s", tables.shown(one))
    return nil
  end
  local kind, target = one.type, { only = only_of(self, key, one.category) }
  if kind == "console" or kind == "stderr" or kind == "stdout" then
    target.console = true
  elseif kind == "file" or kind == "dateFile" then
    if type(one.filename) ~= "string" or one.filename == "" then
      fault(self, key .. ".filename", "must be the path of a file, got %s",
        tables.shown(one.filename))
      return nil
    end
    for name in one.filename:gmatch("%${(.-)}") do
      if not VARIABLES[name:match("^opts:(.*)$")] then
        fault(self, key .. ".filename", "${%s} is not known; there are ${opts:base}, "
          .. "${opts:serverId}, ${opts:serverType} and ${opts:env}", name)
      end
    end
    target.file = one.filename
  elseif type(kind) == "string" and near.to(kind, TYPES, 2) then
    fault(self, key .. ".type", "there is no type %s; did you mean %s?", tables.shown(kind),
      near.to(kind, TYPES, 2))
    return nil
  elseif type(kind) == "string" then
    ignored(self, "appenders of the type " .. kind)
    return nil
  else
    fault(self, key .. ".type", "must be \"console\" or \"file\", got %s", tables.shown(kind))
    return nil
  end
  check_keys(self, key, one, APPENDER_KEYS)
  if target.only and next(target.only) == nil then return nil end -- no line of Pomelua's
  return target
end

-- Appenders of an array, or by name; by: [name or number] = number of the target.
local function read_appenders(self, rules, value)
  local by = {}
  if type(value) ~= "table" then
    if value ~= nil then
      fault(self, "appenders", "must be an array or an object, got %s", tables.shown(value))
    end
    return by
  end
  for _, key in ipairs(tables.sorted_keys(value)) do
    local path = type(key) == "number" and ("appenders[%d]"):format(key - 1) or "appenders." .. key
    local target = appender(self, path, value[key])
    if target then
      rules.targets[#rules.targets + 1] = target
      by[key] = #rules.targets
    end
  end
  return by
end

local function read_levels(self, rules, value)
  if value == nil then return end
  if type(value) ~= "table" then
    return fault(self, "levels", "must be an object of levels by category, got %s",
      tables.shown(value))
  end
  for _, name in ipairs(tables.sorted_keys(value)) do
    local level = level_of(self, "levels." .. tostring(name), value[name])
    if type(name) == "string" and not POMELOS[name] then rules.levels[name] = level end
  end
end

local function read_category(self, rules, name, one, appenders, by)
  local key = "categories." .. name
  if type(one) ~= "table" or type(one.appenders) ~= "table" then
    return fault(self, key, "must be an object with an array appenders, got %s",
      tables.shown(one))
  end
  local list = {}
  for i, wanted in ipairs(one.appenders) do
    if by[wanted] then
      list[#list + 1] = by[wanted]
    elseif appenders[wanted] == nil then
      fault(self, ("%s.appenders[%d]"):format(key, i - 1), "there is no appender %s%s",
        tables.shown(wanted), near.hint(wanted, appenders))
    end
  end
  rules.lists[name] = list
  check_keys(self, key, one, CATEGORY_KEYS)
  if one.level ~= nil then rules.levels[name] = level_of(self, key .. ".level", one.level) end
end

local function read_categories(self, rules, value, appenders, by)
  if value == nil then return end
  if type(value) ~= "table" then
    return fault(self, "categories", "must be an object, got %s", tables.shown(value))
  end
  rules.lists = {}
  for _, name in ipairs(tables.sorted_keys(value)) do
    if POMELOS[name] then
      ignored(self, "the category " .. name)
    else
      read_category(self, rules, tostring(name), value[name],
        type(appenders) == "table" and appenders or {}, by)
    end
  end
end

local function read_keys(self, rules, value)
  check_keys(self, nil, value, KEYS)
  if value.json ~= nil and type(value.json) ~= "boolean" then
    fault(self, "json", "must be true or false, got %s", tables.shown(value.json))
  end
  local queue = value.queue
  if queue ~= nil and (type(queue) ~= "number" or queue % 1 ~= 0 or queue < LEAST_QUEUE
    or queue > MOST_QUEUE) then
    fault(self, "queue", "must be a whole number of bytes from %d to %d, got %s", LEAST_QUEUE,
      MOST_QUEUE, tables.shown(queue))
  end
  rules.json, rules.queue = value.json == true, queue
end

local function list_of(map)
  return table.concat(tables.sorted_keys(map), ", ")
end

---What a file without appenders means: everything goes to standard error.
---@return pomelua.LogRules
function log.plain()
  return {
    level = "info", levels = {}, targets = { { console = true } }, json = false, given = false,
  }
end

local function takes(target, names)
  if not target.only then return true end
  for _, name in ipairs(names) do
    if target.only[name] then return true end
  end
  return false
end

-- The targets of a category, which may have several names.
local function targets_of(rules, names)
  local found = {}
  if rules.lists then
    local list
    for _, name in ipairs(names) do list = list or rules.lists[name] end
    list = list or rules.lists.default or rules.lists["[default]"] or {}
    for _, i in ipairs(list) do found[#found + 1] = rules.targets[i] end
    return found
  end
  for _, target in ipairs(rules.targets) do
    if takes(target, names) then found[#found + 1] = target end
  end
  return found
end

---Reads what a file holds.
---@param file string its name, for messages
---@param text string
---@param value any
---@return pomelua.LogRules rules
---@return table[] faults {file=, line=, key=, text=}
---@return string[] warnings
function log.read(file, text, value)
  local self = { file = file, text = text, faults = {}, ignored = {} }
  local rules = log.plain()
  rules.given, rules.targets = true, {}
  if type(value) ~= "table" or value[1] ~= nil then
    fault(self, "", "must be an object, got %s", tables.shown(value))
    return rules, self.faults, {}
  end
  read_keys(self, rules, value)
  local by = read_appenders(self, rules, value.appenders)
  read_levels(self, rules, value.levels)
  read_categories(self, rules, value.categories, value.appenders, by)
  if value.appenders == nil then rules.targets[1] = { console = true } end
  for i = #DEFAULTS, 1, -1 do rules.level = rules.levels[DEFAULTS[i]] or rules.level end
  local warnings = {}
  if next(self.ignored) then
    warnings[1] = ("%s: these do nothing here: %s; logrotate and SIGUSR1 take the place of "
      .. "rotation"):format(file, list_of(self.ignored))
  end
  if #targets_of(rules, DEFAULTS) == 0 and rules.level ~= "silent" then
    rules.own_console = true
    warnings[#warnings + 1] = file .. ": no appender takes the server's own lines (the category "
      .. "default): they go to standard error"
  end
  return rules, self.faults, warnings
end

---The file of an environment, the first that is there.
---@param base string the app's folder
---@param env string
---@return pomelua.LogRules rules
---@return table[] faults {file=, line=, key=, text=}
---@return string[] warnings
function log.load(base, env)
  for _, name in ipairs { "log.json", env .. "/log.json", "log4js.json", env .. "/log4js.json" } do
    local path = "config/" .. name
    local value, message = json_file.read(base, path, true)
    if message then
      local line, text = message:match("^[^:]*:(%d+): (.*)$")
      return log.plain(), { {
        file = path, line = tonumber(line) or 1, text = text or message:gsub("^[^:]*: ", ""),
      } }, {}
    elseif value ~= nil then
      return log.read(path, files.read(base .. "/" .. path), value)
    end
  end
  return log.plain(), {}, {}
end

---For `pomelua check`: what is wrong with the file.
log.check = function(base, env)
  local _, faults, warnings = log.load(base, env)
  return faults, warnings
end

---A fault as one line.
---@param one table
---@return string
function log.told(one)
  return ("%s:%d: %s%s"):format(one.file, one.line, one.key and one.key .. ": " or "", one.text)
end

---The categories of the game's that the file names.
---@param rules pomelua.LogRules
---@return string[] in order
function log.categories(rules)
  local names = {}
  for _, target in ipairs(rules.targets) do
    for name in pairs(target.only or {}) do names[name] = true end
  end
  for name in pairs(rules.lists or {}) do names[name] = true end
  for name in pairs(rules.levels) do names[name] = true end
  for _, name in ipairs(DEFAULTS) do names[name] = nil end
  return tables.sorted_keys(names)
end

---Where the lines of a category go.
---@param rules pomelua.LogRules
---@param category string "": the server's own lines
---@param where table base, env, id, type: of the server
---@return table way level, console, files (paths)
function log.way(rules, category, where)
  local names = category == "" and DEFAULTS or { category }
  local way, seen = { level = rules.levels[category] or rules.level, files = {} }, {}
  for _, target in ipairs(targets_of(rules, names)) do
    way.console = way.console or target.console or false
    if target.file then
      local path = files.from(where.base, (target.file:gsub("%${opts:(%a+)}", {
        base = where.base, serverId = where.id, serverType = where.type, env = where.env,
      })))
      if not seen[path] and #way.files < FILES then way.files[#way.files + 1] = path end
      seen[path] = true
    end
  end
  way.console = way.console or category == "" and rules.own_console or false
  return way
end

return log
