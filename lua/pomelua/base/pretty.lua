-- pretty: a value as text for a person: tables with their keys, sorted, to a depth, a number
-- of items and a length of texts at which reading ends. Tables are read raw: no script's
-- metamethod can make it fail, but for a __tostring that works. Of the framework's objects it has
-- what scripts may use.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local tables = require "pomelua.base.tables"

local DEPTH, ITEMS, ALL, WIDTH, TEXT = 4, 100, 1000, 72, 1000
local EXACT = 2 ^ 53 -- whole numbers up to here are exact

local function quoted(value)
  if #value > TEXT then
    return ("%q"):format(value:sub(1, TEXT)) .. (" … (%d bytes)"):format(#value)
  end
  return ("%q"):format(value)
end

-- Whole numbers as JSON has them: tostring rounds those above 10^14.
local function plain(value)
  if type(value) ~= "number" or value % 1 ~= 0 or math.abs(value) > EXACT then
    return errors.tostring(value)
  end
  return ("%.0f"):format(value)
end

local function key_text(key)
  if type(key) ~= "string" then return "[" .. plain(key) .. "]" end
  if key:match("^[%a_][%w_]*$") then return key end
  return "[" .. quoted(key) .. "]"
end

local text

-- The framework's objects have names. What begins with _ in them is no concern of a script's: it
-- leads to the whole server, and to the keys and passwords in its settings.
local function name_of(mt)
  local name = mt and rawget(mt, "__name")
  return type(name) == "string" and name:find("^pomelua%.") and name or nil
end

-- A session reads its settings from JSON when they are asked for.
local function settings_of(session) return session.settings end

local function keys_of(t, name)
  if not name then return tables.sorted_keys(t) end
  if name:find("[sS]ession$") then pcall(settings_of, t) end
  local keys = {}
  for _, key in ipairs(tables.sorted_keys(t)) do
    if type(key) ~= "string" or key:sub(1, 1) ~= "_" then keys[#keys + 1] = key end
  end
  return keys
end

local function items_of(t, name, depth, seen)
  local items, n = {}, 0
  while rawget(t, n + 1) ~= nil do n = n + 1 end
  for i, key in ipairs(keys_of(t, name)) do
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
  if value == core.null then return "null" end
  if type(value) ~= "table" then return plain(value) end
  local mt = debug.getmetatable(value)
  if mt and rawget(mt, "__tostring") ~= nil then
    local ok, told = pcall(tostring, value)
    if ok and type(told) == "string" then return told end
  end
  if seen[value] then return "(seen above)" end
  if depth >= DEPTH then return "{…}" end
  seen[value] = true
  local name = name_of(mt)
  local items = items_of(value, name, depth, seen)
  seen[value] = nil
  name = name and name .. " " or ""
  local line = name .. "{" .. (#items > 0 and " " .. table.concat(items, ", ") .. " " or "") .. "}"
  if #line <= WIDTH and not line:find("\n", 1, true) then return line end
  local pad = ("  "):rep(depth + 1)
  return name .. "{\n" .. pad .. table.concat(items, ",\n" .. pad) .. "\n"
    .. ("  "):rep(depth) .. "}"
end

---@param value any
---@return string
return function(value)
  return text(value, 0, { items = 0 })
end
