-- match: whether a value is the expected one. A table must hold at least the fields of the expected
-- table, at every depth; an expected function is called with the value; other values must be equal.
local function match(value, expected)
  if expected == nil then return true end
  if type(expected) == "function" then return expected(value) and true or false end
  if type(expected) ~= "table" or type(value) ~= "table" then return value == expected end
  if #expected ~= 0 and #expected ~= #value then return false end -- a list is whole
  for key, one in pairs(expected) do
    if value[key] == nil or not match(value[key], one) then return false end
  end
  return true
end

return match
