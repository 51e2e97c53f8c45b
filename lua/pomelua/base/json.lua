-- json: text to Lua tables and back.
--
-- lua-cjson reads, through an instance of our own: no invalid numbers, depth 32,
-- and only text that core.clean let through (UTF-8: CESU-8 of old browser clients
-- is turned into it, and what is ill-formed becomes U+FFFD). A null member of an object is
-- absent in the table; a null element of an array stays json.null, so that the elements
-- behind it keep their places. An empty array is a table with a mark, so that it is
-- written as [] again, unless something has been put into it. The writer is the core's
-- (core/script/json.h has its rules).
local cjson = require "cjson"
local core = require "pomelua.core"

local json = {}

local parser = cjson.new()
parser.decode_invalid_numbers(false)
parser.decode_max_depth(32)

local clean, parse, null = core.clean, parser.decode, core.null

json.null = null
json.encode = core.encode

---Makes t an array for the writer: `[]` when it is empty, null for its holes.
---@param t table|nil a new table when left out
---@return table t
function json.array(t)
  return setmetatable(t or {}, core.array_mt)
end

-- core.clean writes an empty array as one that holds infinity, which no other text can.
local MARK = math.huge
local empty_mt = core.empty_array_mt

local function mark_empty(t)
  t[1] = nil
  return setmetatable(t, empty_mt)
end

-- No deeper than the parser went. Clearing a field that is there is allowed
-- while pairs walks; the keys of an object are strings, those of an array numbers.
local function tidy(t)
  for key, value in pairs(t) do
    if value == null then
      if type(key) == "string" then t[key] = nil end
    elseif type(value) == "table" then
      if value[1] == MARK then mark_empty(value) else tidy(value) end
    end
  end
end

---Whether a table is written as an array: it was marked as one, or it came as `[]`
---and is still empty, or it has a first element.
---@param t table
---@return boolean
function json.is_array(t)
  if rawget(t, 1) ~= nil then return true end
  local mt = getmetatable(t)
  return mt ~= nil and (mt == core.array_mt or mt == empty_mt and next(t) == nil)
end

local NO_MEMORY = "not enough memory" -- LuaJIT's error, which pcall returns like any other

---@param text string
---@return any|nil value json.null for the text `null`
---@return string|nil message when it is not JSON
function json.decode(text)
  local cleaned, has_null, has_empty = clean(text)
  if not cleaned then return nil, has_null end
  local ok, value = pcall(parse, cleaned)
  if not ok and value == NO_MEMORY then error(value, 0) end -- the text may be good
  if not ok then return nil, value end
  if (has_null or has_empty) and type(value) == "table" then
    if value[1] == MARK then return mark_empty(value) end
    tidy(value)
  end
  return value
end

---A client's body. What is not JSON becomes an empty table, which handlers written
---for Pomelo expect, and so does `null`.
---@param body string
---@return any value
---@return boolean ok false when it was not JSON
function json.decode_body(body)
  local value, message = json.decode(body)
  if message then return {}, false end
  if value == null then return {}, true end
  return value, true
end

local nothing = {} -- only read

---The values of a JSON array of a call: null is nil.
---@param text string
---@return table|nil values not to be changed when there are none; nil: no JSON array
---@return number n how many, with nils
function json.values(text)
  if text == "[]" then return nothing, 0 end
  local values = json.decode(text)
  if type(values) ~= "table" then return nil end
  local n = #values
  for i = 1, n do
    if values[i] == json.null then values[i] = nil end
  end
  return values, n
end

return json
