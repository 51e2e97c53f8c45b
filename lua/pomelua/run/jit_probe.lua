-- jit_probe: whether this LuaJIT's compiler can be trusted with vararg functions. One
-- of 2022 gives `local a = ...` in a hot loop the wrong argument.
local ROUNDS = 300 -- a loop is compiled after 56

local function one_of_two(...)
  local kept
  for _ = 1, ROUNDS do kept = ... end
  return kept
end

local function one_of_three(...)
  for _ = 1, ROUNDS do
    local first = (...)
    if first ~= "a" then return first end
  end
  return "a"
end

local function two_of_three(...)
  for _ = 1, ROUNDS do
    local first, second = ...
    if first ~= "a" or second ~= "b" then return "not ab" end
  end
  return "a"
end

local probes = { one_of_two, one_of_three, two_of_three }

---@param only function|nil another one to probe: its result must be its first argument
---@return string|nil what is wrong
return function(only)
  for _, probe in ipairs(only and { only } or probes) do
    for _ = 1, 3 do -- before it is compiled, and after
      if probe("a", "b", "c") ~= "a" then
        return "it loses arguments of vararg functions"
      end
    end
  end
end
