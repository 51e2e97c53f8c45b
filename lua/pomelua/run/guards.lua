-- guards: how deep scripts may call themselves through C. Lua counts the slots of a coroutine's
-- own stack. A coroutine that resumes another, and a string.gsub that calls a function, use the
-- stack of the thread, which Lua does not count: when it is full the process ends. So coroutines
-- may be nested as deeply as in Lua 5.4, and functions that need much of the stack first ask
-- whether there is room.
local core = require "pomelua.core"
local current = require "pomelua.base.current"

local guards = {}

local NEST = 190 -- coroutines and tasks that have resumed each other
local TOO_DEEP = "C stack overflow: coroutines that resume each other, " .. NEST .. " deep"

local running, create, resume = coroutine.running, coroutine.create, coroutine.resume
local nest = setmetatable({}, { __mode = "k" }) -- of scripts' coroutines: how deep each runs

---How many coroutines stand below the running one.
---@return number
function guards.depth()
  local co, t = running(), current.task
  if not co then return 0 end
  if t and t.co == co then return t.nest or 0 end
  return nest[co] or 0
end

---Whether nothing may be resumed from here.
---@return boolean
function guards.full() return guards.depth() >= NEST end

local function enter(co)
  local depth = guards.depth() + 1
  if depth > NEST then return false end
  nest[co] = depth
  return true
end

local function guarded_resume(co, ...)
  if type(co) == "thread" and not enter(co) then return false, TOO_DEEP end
  return resume(co, ...)
end

-- The error is raised at the caller of the wrapped function, as LuaJIT does it.
local function pass(ok, ...)
  if ok then return ... end
  local err = ...
  error(err, 2)
end

local function guarded_wrap(fn)
  local co = create(fn)
  return function(...)
    if not enter(co) then error(TOO_DEEP, 2) end
    return pass(resume(co, ...))
  end
end

---Puts the guarded functions in the place of Lua's. Once per state; again does nothing.
function guards.protect()
  if coroutine.resume == guarded_resume then return end
  local room, gsub, sort, read = core.room, string.gsub, table.sort, load
  rawset(coroutine, "resume", guarded_resume)
  rawset(coroutine, "wrap", guarded_wrap)
  rawset(string, "gsub", function(text, pattern, by, n)
    if type(by) ~= "string" then room() end
    return gsub(text, pattern, by, n)
  end)
  rawset(table, "sort", function(list, before)
    room()
    return sort(list, before)
  end)
  rawset(_G, "load", function(chunk, ...)
    if type(chunk) == "function" then room() end
    return read(chunk, ...)
  end)
end

return guards
