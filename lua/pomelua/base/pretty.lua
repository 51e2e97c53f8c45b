-- pretty: a value as text for a person: tables with their keys, sorted, to a depth, a number
-- of items and a length of texts at which reading ends. Tables are read raw: no script's
-- metamethod can make it fail, but for a __tostring that works.
local errors = require "pomelua.base.errors"
local tables = require "pomelua.base.tables"

local DEPTH, ITEMS, ALL, WIDTH, TEXT = 4, 100, 1000, 72, 1000

local function quoted(value)
  if #value > TEXT then
    return ("%q"):format(value:sub(1, TEXT)) .. (" … (%d bytes)"):format(#value)
  end
  return ("%q"):format(value)
end

local function key_text(key)
  if type(key) ~= "string" then return "[" .. errors.tostring(key) .. "]" end
  if key:match("^[%a_][%w_]*$") then return key end
  return "[" .. quoted(key) .. "]"
end

local text

local function items_of(t, depth, seen)
  local items, n = {}, 0
  while rawget(t, n + 1) ~= nil do n = n + 1 end
  for i, key in ipairs(tables.sorted_keys(t)) do
    seen.items = seen.items + 1
    if i > ITEMS or seen.items > ALL then
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
  if type(value) == "string" then return depth == 0 and value or quoted(value) end
  if type(value) ~= "table" then return errors.tostring(value) end
  local mt = debug.getmetatable(value)
  if mt and rawget(mt, "__tostring") ~= nil then
    local ok, told = pcall(tostring, value)
    if ok and type(told) == "string" then return told end
  end
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
  return text(value, 0, { items = 0 })
end
