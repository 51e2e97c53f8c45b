-- errors: what callbacks get as `err`: a table with a message, and a code when
-- a script may want to tell one failure from another. tostring gives the message.
local errors = {}

---@class pomelua.Error
---@field message string what went wrong, in a sentence
---@field code string|number|nil a name such as "TIMEOUT", "NOENT", "CLOSED", "ENCODE"
local mt = { __name = "pomelua.error" }
mt.__tostring = function(err) return tostring(err.message) end

---@param message string
---@param code string|number|nil
---@return pomelua.Error
function errors.new(message, code)
  return setmetatable({ message = message, code = code }, mt)
end

---Whether a value is one of ours.
---@param value any
---@return boolean
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == mt
end

local fields = { message = true, code = true }

---An error that came as JSON from another server: it prints its message again.
---What has other fields than an error's is data and stays as it is.
---@param value any
---@return any the same value
function errors.revive(value)
  if type(value) ~= "table" or type(value.message) ~= "string" or getmetatable(value) then
    return value
  end
  for key in pairs(value) do
    if not fields[key] then return value end
  end
  return setmetatable(value, mt)
end

---One text for whatever was raised or passed as an error.
---@param value any
---@return string
function errors.text(value)
  if type(value) == "string" then return value end
  if type(value) == "table" and type(value.message) == "string" then return value.message end
  local ok, text = pcall(tostring, value)
  return ok and text or type(value)
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
