-- pretty: a value as text for a person: tables with their keys, sorted, to a depth
-- and a length at which reading ends.
local errors = require "pomelua.errors"

local DEPTH, ITEMS, WIDTH = 4, 100, 72

local function key_text(key)
  if type(key) == "string" and key:match("^[%a_][%w_]*$") then return key end
  if type(key) == "string" then return ("[%q]"):format(key) end
  return ("[%s]"):format(errors.tostring(key))
end

local function sorted(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    local ta, tb = type(a), type(b)
    if ta ~= tb then return ta < tb end
    if ta == "number" or ta == "string" then return a < b end
    return errors.tostring(a) < errors.tostring(b)
  end)
  return keys
end

local text

local function items_of(t, depth, seen)
  local items, n = {}, #t
  for i, key in ipairs(sorted(t)) do
    if i > ITEMS then
      items[#items + 1] = "…"
      break
    end
    local value = text(rawget(t, key), depth + 1, seen)
    local listed = type(key) == "number" and key >= 1 and key <= n and key % 1 == 0
    items[#items + 1] = listed and value or key_text(key) .. " = " .. value
  end
  return items
end

function text(value, depth, seen)
  if type(value) == "string" then return depth == 0 and value or ("%q"):format(value) end
  if type(value) ~= "table" then return errors.tostring(value) end
  local mt = getmetatable(value)
  if type(mt) == "table" and rawget(mt, "__tostring") then return errors.tostring(value) end
  if seen[value] then return "(seen above)" end
  if depth >= DEPTH then return "{…}" end
  seen[value] = true
  local items = items_of(value, depth, seen)
  seen[value] = nil
  local line = "{" .. (#items > 0 and " " .. table.concat(items, ", ") .. " " or "") .. "}"
  if #line <= WIDTH and not line:find("\n", 1, true) then return line end
  local pad = ("  "):rep(depth + 1)
  return "{\n" .. pad .. table.concat(items, ",\n" .. pad) .. "\n" .. ("  "):rep(depth) .. "}"
end

---@param value any
---@return string
return function(value)
  return text(value, 0, {})
end
