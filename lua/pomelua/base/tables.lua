-- tables: the keys of a table in order, lists, all of a table as one text, and a value as the
-- message of an error names it.
local core = require "pomelua.core"

local tables = {}

local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return ta < tb end
  if ta == "number" or ta == "string" then return a < b end
  return false
end

---The keys of a table, read raw: numbers first, then texts, each in order; others in any.
---@param t table
---@return any[]
function tables.sorted_keys(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, before)
  return keys
end

---All of a table, and of the tables in it, as one text, which is the same for tables that hold the
---same.
---@param t table without circles; keys and other values are numbers, strings and booleans
---@return string
function tables.identity(t)
  local parts = {}
  for i, key in ipairs(tables.sorted_keys(t)) do
    local value = t[key]
    parts[i] = ("%q=%s"):format(tostring(key), type(value) == "table" and tables.identity(value)
      or ("%q"):format(tostring(value)))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

---Whether a table is a list: its keys, read raw, are 1 to n, without gaps and without others.
---@param t table
---@return boolean
function tables.is_list(t)
  local count = 0
  for key in next, t do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  for i = 1, count do
    if rawget(t, i) == nil then return false end
  end
  return true
end

---A list of any length, copied; unpack raises for one of some thousand values.
---@param list any[]
---@return any[]
function tables.copy(list)
  local copy = {}
  for i, one in ipairs(list) do copy[i] = one end
  return copy
end

---What an error's message says of a value that may be a secret, or a URL with one: "got a string".
---It may have come to stand at the wrong place, so nothing of it is shown.
---@param value any
---@return string
function tables.kind(value)
  if value == nil or value == core.null then return value == nil and "nil" or "null" end
  return "a " .. type(value)
end

---A setting's value as an error's message names it: "got a table", "got 7", 'got "seven"'.
---@param value any
---@return string
function tables.shown(value)
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return tables.kind(value)
end

local NAME = 64 -- bytes of a key that is shown

---A key of a file or of a table of options as an error's message names it, where somebody may have
---written a URL or a password in the place of a name.
---@param key any
---@return string
function tables.word(key)
  local text = tostring(key)
  if #text <= NAME and not text:find("[%c@=]") and not text:find("://", 1, true) then
    return text
  end
  return "(a name that is not shown: it may be a secret)"
end

return tables
