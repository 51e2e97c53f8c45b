-- log: scripts write the log of the server they run in; outside of any server
-- (specs, tools) the lines go to stderr.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local pretty = require "pomelua.base.pretty"

local log = {}

---Writes a finished text.
---@param server table|nil the server whose log it is; nil: the running one
---@param level "debug"|"info"|"warn"|"error"
---@param text string
function log.write(server, level, text)
  server = server or current.server or current.only
  if server then
    server.node:log(level, text)
  else
    io.stderr:write(level, " ", text, "\n")
  end
end

---The generation of what runs, when it is not the code that the server started with.
---@param owner table|nil of a task
---@return string " [generation 7]", or ""
function log.stamp(owner)
  local gen = owner and owner.generation
  return gen and gen.number > 1 and " [generation " .. gen.number .. "]" or ""
end

local LINES = 10 -- of a kind, a second
local ERRORS, SAME, SAME_MS = 20, 5, 60000 -- of scripts a second; of the same error in a minute

---Writes a line that a client can cause: 10 a second of its kind, then one that says how
---many more there were. A kind is a text of few: it may hold the name of a route that
---exists, nothing that a client chose.
---@param server table
---@param level "debug"|"info"|"warn"|"error"
---@param kind string|nil nil: it is written always
---@param text string
function log.some(server, level, kind, text)
  if not kind or server.node:mayLog(level, kind, LINES, 1000) then
    log.write(server, level, text)
  end
end

---Whether an error that a script raised is to be told in full. The same error is told once
---a minute (five times when it is a request's), and counted: "599 more: …".
---@param server table
---@param owner table of the task
---@param text string the error without its traceback
---@return boolean
function log.may_tell(server, owner, text)
  local node, level = server.node, owner.level or "error"
  local lines = owner.client and SAME or 1
  return node:mayLog(level, owner.name .. ": " .. text, lines, SAME_MS)
    and node:mayLog(level, "errors of scripts", ERRORS, 1000)
end

local function stamped(text)
  local stamp = log.stamp(current.task and current.task.owner)
  return stamp ~= "" and stamp:sub(2) .. " " .. text or text
end

-- A line of a script.
local function say(level, text) log.write(nil, level, stamped(text)) end

-- What %j stands for: JSON, and for what is none the text that a person gets.
local function json_of(value)
  local ok, text = pcall(core.encode, value)
  return ok and text or pretty(value)
end

-- The format with %s for each %j, whose arguments become JSON in args.
local function with_json(format, args)
  local at = 0
  return (format:gsub("%%([%-+ #0]*%d*%.?%d*)(.)", function(flags, kind)
    if kind == "%" then return nil end
    at = at + 1
    if kind ~= "j" then return nil end
    args[at] = json_of(args[at])
    return "%" .. flags .. "s"
  end))
end

-- A wrong format must not cost the caller its request.
local function line(format, ...)
  if type(format) ~= "string" then format = errors.tostring(format) end
  local n = select("#", ...)
  if n == 0 then return format end
  local args = { ... }
  local changed = format:find("j", 1, true) and with_json(format, args) or format
  local ok, text = pcall(string.format, changed, unpack(args, 1, n))
  if ok then return text end
  local parts = { format }
  for i = 1, n do parts[i + 1] = errors.tostring((select(i, ...))) end
  return table.concat(parts, " ")
end

---@param format string as for string.format, and %j writes a value as JSON; taken as it is when
---nothing follows
function log.debug(format, ...) say("debug", line(format, ...)) end

---@param format string as for string.format, and %j writes a value as JSON; taken as it is when
---nothing follows
function log.info(format, ...) say("info", line(format, ...)) end

---@param format string as for string.format, and %j writes a value as JSON; taken as it is when
---nothing follows
function log.warn(format, ...) say("warn", line(format, ...)) end

---@param format string as for string.format, and %j writes a value as JSON; taken as it is when
---nothing follows
function log.error(format, ...) say("error", line(format, ...)) end

local ORDER = { debug = 1, info = 2, warn = 3, error = 4 }

---@class pomelua.LogCategory
---@field name string
---@field debug fun(format: string, ...: any)
---@field info fun(format: string, ...: any)
---@field warn fun(format: string, ...: any)
---@field error fun(format: string, ...: any)

local categories = {} -- [name] = the category; each has its number in every server

-- A line below the level of its category costs a comparison.
local function say_in(category, level, ...)
  local server = current.server or current.only
  if not server then return io.stderr:write(level, " [", category.name, "] ", line(...), "\n") end
  local number, least = server:log_category(category.name, category.least)
  if ORDER[level] < least then return end
  local text = stamped(line(...))
  if number then return server.node:logIn(number, level, text) end
  log.write(server, level, ("[%s] %s"):format(category.name, text))
end

---A category of the log, such as "pay": a level of its own and, by config/log.json, files of its
---own. Its lines name it. The same table each time.
---@param name string up to 64 bytes
---@param level "debug"|"info"|"warn"|"error"|nil when config/log.json has none for it; that of the
---server when left out
---@return pomelua.LogCategory
function log.category(name, level)
  if type(name) ~= "string" or name == "" or #name > 64 or name:find("%z") then
    errors.raise("pomelua.log.category(name): name must be a text of 1 to 64 bytes")
  elseif level ~= nil and not ORDER[level] then
    errors.raise("pomelua.log.category(name, level): level must be \"debug\", \"info\", \"warn\" "
      .. "or \"error\"")
  end
  local category = categories[name]
  if category then
    category.least = category.least or level
    return category
  end
  category = { name = name, least = level }
  for one in pairs(ORDER) do
    category[one] = function(first, ...)
      if rawequal(first, category) then return say_in(category, one, ...) end
      say_in(category, one, first, ...)
    end
  end
  categories[name] = category
  return category
end

---What `print` does in a server: one line of level info.
function log.print(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = errors.tostring((select(i, ...))) end
  say("info", table.concat(parts, "\t"))
end

return log
