-- errors: what callbacks get as `err`: a table with a message, and a code when
-- a script may have to distinguish failures. tostring gives the message.
local where = require "pomelua.base.where"

local errors = {}

---@class pomelua.Error
---@field message string what went wrong, in a sentence
---@field code string|number|nil a name such as "TIMEOUT", "NOENT", "CLOSED", "ENCODE"
local mt = { __name = "pomelua.error" }
mt.__tostring = function(err) return tostring(rawget(err, "message")) end

local function read(t, key) return t[key] end

---@param message string
---@param code string|number|nil
---@return pomelua.Error
function errors.new(message, code)
  return setmetatable({ message = message, code = code }, mt)
end

---Raises an error that names the line of the game which called the framework, through
---however many of the framework's functions, or pcall, the call came.
---@param message string
function errors.raise(message)
  local place, after = where.now()
  error(place and place .. ": " .. message .. after or message, 0)
end

---A message for the log about a call that has no callback: with the game's line, when the call
---is still on the stack, and what was called.
---@param what string "session:bind"
---@param err any
---@return string
function errors.without_callback(what, err)
  local text, place = errors.text(err), where.line()
  if text:sub(1, #what) ~= what then text = what .. ": " .. text end
  return place and place .. ": " .. text or text
end

---Raises: a method was called with a dot.
---@param name string what the object is called
---@param method string
---@param self any what stands in its place
function errors.wrong_self(name, method, self)
  errors.raise(("%s.%s: write %s:%s(...) with a colon; the first argument is %s")
    :format(name, method, name, method,
      self == nil and "nothing" or type(self) == "string" and ("%q"):format(self)
        or "a " .. type(self)))
end

---Makes the methods of an object say when they were called with a dot.
---@param methods table
---@param name string what the object is called, for the message
function errors.guard(methods, name)
  where.name(methods, name .. ":")
  for method, fn in pairs(methods) do
    local info = type(fn) == "function" and debug.getinfo(fn, "u")
    if info and not info.isvararg and info.nparams <= 3 then
      methods[method] = function(self, a, b)
        if type(self) ~= "table" then errors.wrong_self(name, method, self) end
        return fn(self, a, b)
      end
    elseif info then
      methods[method] = function(self, ...)
        if type(self) ~= "table" then errors.wrong_self(name, method, self) end
        return fn(self, ...)
      end
    end
  end
end

---Whether a value is one of ours.
---@param value any
---@return boolean
function errors.is(value)
  return type(value) == "table" and rawequal(getmetatable(value), mt)
end

local fields = { message = true, code = true }

---An error that came as JSON from another server: it prints its message again.
---What has other fields than an error's is data and stays as it is.
---@param value any
---@return any the same value
function errors.revive(value)
  if type(value) ~= "table" or type(rawget(value, "message")) ~= "string"
    or getmetatable(value) then
    return value
  end
  for key in pairs(value) do
    if not fields[key] then return value end
  end
  return setmetatable(value, mt)
end

-- What a script raised may be a table whose metamethods raise, wait or never end: they run in
-- a coroutine of their own, and what they do there is lost with it.
local function asked(value)
  local co = coroutine.create(tostring)
  local ok, text = coroutine.resume(co, value)
  if ok and type(text) == "string" and coroutine.status(co) == "dead" then return text end
end

---tostring that does not raise, whatever the value's metatable does.
---@param value any
---@return string
function errors.tostring(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind ~= "table" and kind ~= "userdata" and kind ~= "cdata" then return tostring(value) end
  return asked(value) or ("(a %s whose __tostring fails)"):format(kind)
end

---One text for whatever was raised or passed as an error.
---@param value any
---@return string
function errors.text(value)
  local message = type(value) == "table" and rawget(value, "message")
  if type(message) == "string" then return message end
  local code = type(value) == "table" and not getmetatable(value) and rawget(value, "code")
  if type(code) == "number" or type(code) == "string" then return "code " .. code end
  local text = errors.tostring(value)
  -- An address would make every error another.
  return text:find("^table: 0x") and "an error that is a table without a message" or text
end

---The text of an error that ended a coroutine, with a place of the game's in front: Lua gives none
---to those that a C function runs into, such as "stack overflow", and the framework's where the
---game's is gone.
---@param co thread
---@param value any
---@return string
function errors.located(co, value)
  local text = errors.text(value)
  if type(value) ~= "string" then return text end
  local src, message = text:match("^([^\n]-):%d+: (.*)$")
  if src and not where.is_own(src) then return text end
  local inner = src and message:match("^([^\n]-):%d+: ") -- of a coroutine of the game's own
  if inner and not where.is_own(inner) then return message end
  message = where.renamed(co, message or text)
  local place, after = where.ended(co)
  return place and ("%s: %s%s"):format(place, message, after) or text
end

---A field of a table that a script made, which may have a metatable: nil when reading it raises.
---@param t table
---@param key any
---@return any
function errors.field(t, key)
  local value = rawget(t, key)
  if value ~= nil or not getmetatable(t) then return value end
  local ok, found = pcall(read, t, key)
  if ok then return found end
end

---The value as an error object; nil stays nil.
---@param value any
---@param code string|number|nil
---@return pomelua.Error|nil
function errors.of(value, code)
  if value == nil or errors.is(value) then return value end
  return errors.new(errors.text(value), code)
end

return errors
