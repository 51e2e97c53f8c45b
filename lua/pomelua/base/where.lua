-- where: the place in the game's files that an error belongs to. A function that ends with
-- `return f(x)` is gone when f raises, and its line with it: then the nearest line that is left
-- is said, and when none is, where the function begins that the server has called.
local current = require "pomelua.base.current"

local where = {}

local getinfo, getlocal = debug.getinfo, debug.getlocal

local OWN = getinfo(1, "S").source:match("^(.*)base/where%.lua$") -- "@", the framework's folder
local FOLDER = OWN:sub(2)
local NEAR = 100 -- frames that are looked at for a line
local LEAST = 8 -- letters of the folder's name that tell it: "pomelua/"

local function is_own(source) return source:sub(1, #OWN) == OWN end

---Whether what stands before the line's number in an error's text is a file of the framework's.
---Lua shortens long names to "...", and their end.
---@param src string
---@return boolean
function where.is_own(src)
  if src:sub(1, #FOLDER) == FOLDER then return true end
  local rest = src:match("^%.%.%.(.*)$")
  for at = 1, rest and #FOLDER - LEAST + 1 or 0 do
    if rest:sub(1, #FOLDER - at + 1) == FOLDER:sub(at) then return true end
  end
  return false
end

---Whether a text begins with a line of the framework's.
---@param text string
---@return boolean
function where.of_framework(text)
  local src = text:match("^([^\n]-):%d+: ")
  return src ~= nil and where.is_own(src)
end

---The innermost line of the game's in a coroutine.
---@param co thread|nil nil: the running one
---@return string|nil place "file:line"
function where.line(co)
  for level = co and 0 or 2, NEAR do
    local info = co and getinfo(co, level, "Sl") or not co and getinfo(level, "Sl")
    if not info then return nil end
    if info.what ~= "C" and info.currentline > 0 and not is_own(info.source) then
      return ("%s:%d"):format(info.short_src, info.currentline)
    end
  end
end

local function is_games(fn)
  if type(fn) ~= "function" then return false end
  local info = getinfo(fn, "S")
  return info.what ~= "C" and not is_own(info.source)
end

local function begins(fn)
  local info = getinfo(fn, "S")
  return ("%s:%d"):format(info.short_src, math.max(1, info.linedefined)) -- 0: a whole file
end

-- What the framework keeps a function of the game's in.
local function games_in(value)
  if is_games(value) then return value end
  for _, key in ipairs(type(value) == "table" and { "fn", "cb", "run" } or {}) do
    local fn = rawget(value, key)
    if is_games(fn) then return fn end
  end
end

-- The outermost frame of a coroutine. A stack may be deep, and each look walks down from its top.
local function outermost(co)
  local low, high = 0, 1
  if not getinfo(co, 0, "f") then return nil end
  while getinfo(co, high, "f") do low, high = high, high * 2 end
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if getinfo(co, middle, "f") then low = middle else high = middle end
  end
  return low
end

---Where the function begins that a coroutine runs: of a task the one of the game's that the
---server has called, which is among what the task was started with.
---@param co thread
---@return string|nil place "file:line"
function where.beginning(co)
  local level = outermost(co)
  if level and co == coroutine.running() then level = level - 1 end -- outermost's own frame
  local fn = level and getinfo(co, level, "f").func
  if level and not is_games(fn) then
    local run
    fn = nil
    for i = 1, 5 do
      local _, value = getlocal(co, level, i)
      if i == 1 then run = value end
      fn = fn or games_in(value)
    end
    for i = 1, not fn and type(run) == "function" and 60 or 0 do
      local name, value = debug.getupvalue(run, i)
      if not name then break end
      fn = fn or games_in(value)
    end
  end
  return fn and begins(fn)
end

-- What stands behind a message whose place is that of a function's beginning.
where.UNKNOWN = " (in the function that begins there; `return f(x)` leaves no line of its own)"

---What a function of the game's has raised in a protected call: with the place where it begins,
---when the error has none, or one of the framework's.
---@param fn any
---@param err any
---@return any err
function where.raised_by(fn, err)
  if type(err) ~= "string" or not is_games(fn) then return err end
  local src, message = err:match("^([^\n]-):%d+: (.*)$")
  if src and not where.is_own(src) then return err end
  return ("%s: %s%s"):format(begins(fn), message or err, where.UNKNOWN)
end

---The best place for what is raised now.
---@return string|nil place
---@return string after what belongs behind the message
function where.now()
  local t, co = current.task, coroutine.running()
  local place = where.line()
  if not place and t and co and t.co ~= co then place = where.line(t.co) end
  if place then return place, "" end
  place = co and where.beginning(t and t.co or co)
  return place, place and where.UNKNOWN or ""
end

---A text for the log, with the line of the game that runs now in front, when there is one.
---@param text string
---@return string
function where.told(text)
  local place = where.now()
  return place and place .. ": " .. text or text
end

---The best place for what has ended a coroutine.
---@param co thread
---@return string|nil place
---@return string after what belongs behind the message
function where.ended(co)
  local place = where.line(co)
  if place then return place, "" end
  place = where.beginning(co)
  return place, place and where.UNKNOWN or ""
end

local names = setmetatable({}, { __mode = "k" }) -- of functions that scripts call

---Remembers what scripts call a function, for errors that Lua cannot name it in.
---@param methods table<string, function>
---@param prefix string "channel:"
function where.name(methods, prefix)
  for key, fn in pairs(methods) do
    if type(fn) == "function" then names[fn] = prefix .. key end
  end
end

---"bad argument #2 to 'fn' (…)" with the name that scripts use, when the one in it is that of the
---framework's variable.
---@param co thread that the error has ended
---@param message string
---@return string
function where.renamed(co, message)
  local number, rest = message:match("^bad argument #(%d+) to '[^']*' (%(.*)$")
  if not number then return message end
  local info = getinfo(co, 0, "f")
  local name = info and names[info.func]
  if not name then return ("bad argument #%s %s"):format(number, rest) end
  if name:find(":", 1, true) then number = number - 1 end
  return ("bad argument #%d to %s %s"):format(number, name, rest)
end

return where
