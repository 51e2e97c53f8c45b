-- match: whether a value is what somebody expects: a table holds at least the fields of the
-- expected one, all of it deeply; a function is asked; anything else is equal.
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
