-- method: whether a function of a game is written as a method. Scripts write functions that the
-- server calls with a dot or with a colon; the name of the first parameter tells, or, where its
-- author has called it "_", that there is one parameter more than arguments.
local method = {}

---@param fn function
---@param most number|nil how many arguments the server has for it, beside self
---@return boolean
function method.is(fn, most)
  return debug.getlocal(fn, 1) == "self" or most ~= nil and debug.getinfo(fn, "u").nparams > most
end

---How many arguments a function takes, without self; nil: any number.
---@param fn function
---@param most number|nil how many arguments the server has for it, beside self
---@return number|nil
function method.arguments(fn, most)
  local info = debug.getinfo(fn, "u")
  if info.isvararg then return nil end
  return info.nparams - (method.is(fn, most) and 1 or 0)
end

return method
