-- text: uids and keys as text: 7 and "7" are the same user, and the same key of settings.
local errors = require "pomelua.base.errors"

local text = {}

---A uid, or a number, as text: whole numbers without an exponent.
---@param value any
---@return string
function text.of(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  return errors.tostring(value)
end

return text
