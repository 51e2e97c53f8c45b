-- kept_text: the table of a file as text that outlives its process, and back. Unlike JSON, the
-- text gives back what was written: 7 and "7" as keys, any bytes, all numbers, and a table that
-- stands in two places as one table.
--
--   value   T true, F false, N null; #NUMBER; a number; LENGTH:BYTES a string; &NUMBER; the table
--           that was begun as that one, counted from 1; { or, for pomelua.array, [ begins a table
--   table   the values of 1, 2, 3, ..., then | and each other key with its value, then }
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"

local kept_text = {}

local DEPTH = 100 -- of tables below the table itself, for the writer and for the reader
local EXACT = 1e14 -- whole numbers below it are written as Lua writes them

local array_mt, empty_mt, null = core.array_mt, core.empty_array_mt, core.null
local byte, find, format, sub = string.byte, string.find, string.format, string.sub

-- Where a value stands, as a script would write it: state.rooms["the hall"][7].
local function path_of(root, keys, last)
  local parts = { root }
  for i = 1, last do
    local key = keys[i]
    if type(key) == "string" and find(key, "^[%a_][%w_]*$") then
      parts[#parts + 1] = "." .. key
    else
      parts[#parts + 1] = type(key) == "string" and format("[%q]", key)
        or "[" .. errors.tostring(key) .. "]"
    end
  end
  return table.concat(parts)
end

-- What cannot be kept, in words.
local function kind_of(value)
  local kind = type(value)
  local mt = (kind == "table" or kind == "userdata") and debug.getmetatable(value)
  local name = type(mt) == "table" and rawget(mt, "__name")
  if type(name) == "string" then
    name = name:match("[^.]*$"):gsub("_", " ")
    return ("a %s cannot be kept%s"):format(name,
      name:find("session", 1, true) and "; keep its uid" or "")
  end
  if kind == "table" then
    return "a table with a metatable cannot be kept; keep its data, and set the metatable anew"
  end
  return ("a %s cannot be kept"):format(kind)
end

local function fail(self, depth, text)
  self.path = path_of(self.root, self.keys, depth)
  self.wrong = text
  return false
end

local write_table

-- One value. Strings of games are short and numbers mostly whole: both are one part.
local function write(self, value, depth)
  local kind = type(value)
  local part
  if kind == "string" then
    part = #value .. ":" .. value
  elseif kind == "number" then
    if value % 1 == 0 and value < EXACT and value > -EXACT and (value ~= 0 or 1 / value > 0) then
      part = "#" .. value .. ";" -- a whole number, as most are
    else
      part = value == value and format("#%.17g;", value) or "#nan;"
    end
  elseif kind == "boolean" then
    part = value and "T" or "F"
  elseif kind == "table" then
    return write_table(self, value, depth)
  elseif value == null then
    part = "N"
  else
    return fail(self, depth, kind_of(value))
  end
  local n = self.n + 1
  self.n, self.size = n, self.size + #part
  self.parts[n] = part
  return self.size <= self.most or fail(self, 1, nil)
end

-- One character of the text.
local function put(self, mark)
  local n = self.n + 1
  self.n, self.size = n, self.size + 1
  self.parts[n] = mark
end

local function write_pairs(self, value, depth, from, length)
  local keys, root = self.keys, from == self.given
  for key, one in next, value do
    local kind = type(key)
    local listed = kind == "number" and key >= 1 and key <= length and key % 1 == 0
    if not listed and not (root and self.skip[key]) then
      keys[depth] = key
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        return fail(self, depth - 1, ("a %s is a key in it, which cannot be kept"):format(kind))
      end
      if not write(self, key, depth) or not write(self, one, depth) then return false end
    end
  end
  return true
end

function write_table(self, value, depth)
  local known = self.numbers[value]
  if known then
    if self.open[value] then
      return fail(self, depth, "a table that holds itself cannot be kept")
    end
    local n = self.n + 1
    self.parts[n] = "&" .. known .. ";"
    self.n, self.size = n, self.size + #self.parts[n]
    return true
  end
  local mt = debug.getmetatable(value)
  if mt ~= nil and mt ~= array_mt and mt ~= empty_mt then
    return fail(self, depth, kind_of(value))
  elseif depth > DEPTH then
    return fail(self, 1, ("tables are nested deeper than %d in it"):format(DEPTH))
  end
  self.last = self.last + 1
  self.numbers[value], self.open[value] = self.last, true
  put(self, mt and "[" or "{")
  local length, keys = 0, self.keys
  while true do
    local one = rawget(value, length + 1)
    if one == nil then break end
    length = length + 1
    keys[depth + 1] = length
    if not write(self, one, depth + 1) then return false end
  end
  put(self, "|")
  if not write_pairs(self, value, depth + 1, value, length) then return false end
  put(self, "}")
  self.open[value] = nil
  return true
end

---A table as text.
---@param value table plain data: no functions, no objects, no table inside of itself
---@param options { root: string, most: integer, skip: table<any, true>|nil } root: its name in
---messages; most: bytes of text; skip: keys of the table itself that are left out
---@return string|nil text
---@return string|nil message one line that begins with the path of what cannot be kept
function kept_text.encode(value, options)
  local self = {
    root = options.root, most = options.most, skip = options.skip or {}, given = value,
    parts = {}, n = 0, size = 0, keys = {}, numbers = {}, open = {}, last = 0,
  }
  if write_table(self, value, 0) and self.size <= self.most then return table.concat(self.parts) end
  if self.wrong then return nil, self.path .. ": " .. self.wrong end
  return nil, ("%s: the text of %s is longer than %.0f bytes"):format(
    path_of(self.root, self.keys, self.keys[1] ~= nil and 1 or 0), self.root, self.most)
end

-- Reading ----------------------------------------------------------------------------------

local function damaged(at) error({ at = at }, 0) end

local read

-- depth: that of the table, 0 for the whole; as of write_table.
local function read_table(self, mt, depth)
  if depth > DEPTH then damaged(self.at) end
  local t, text, length = {}, self.text, 0
  self.tables[#self.tables + 1] = t
  while byte(text, self.at) ~= 124 do -- |
    length = length + 1
    t[length] = read(self, depth + 1)
  end
  self.at = self.at + 1
  while byte(text, self.at) ~= 125 do -- }
    local at = self.at
    local key = read(self, depth + 1)
    if type(key) == "table" or key == null or key ~= key then damaged(at) end
    t[key] = read(self, depth + 1)
  end
  self.at = self.at + 1
  return mt and setmetatable(t, mt) or t
end

local function read_string(self)
  local text, at = self.text, self.at
  local colon = find(text, ":", at, true)
  local length = colon and colon - at < 12 and tonumber(sub(text, at, colon - 1))
  if not length or colon + length > #text then damaged(at) end
  self.at = colon + length + 1
  return sub(text, colon + 1, colon + length)
end

-- A number up to its semicolon.
local function read_number(self)
  local text, at = self.text, self.at + 1
  local stop = find(text, ";", at, true)
  local digits = stop and stop - at < 32 and sub(text, at, stop - 1)
  self.at = stop and stop + 1
  if digits == "inf" then return math.huge end
  if digits == "-inf" then return -math.huge end
  if digits == "nan" then return 0 / 0 end
  return digits and find(digits, "^[-+%d.e]+$") and tonumber(digits) or damaged(at)
end

local SINGLE = { [84] = true, [70] = false, [78] = null } -- T, F, N

function read(self, depth)
  local at = self.at
  local mark = byte(self.text, at)
  if not mark then damaged(at) end
  if mark >= 48 and mark <= 57 then return read_string(self) end
  if mark == 35 then return read_number(self) end -- #
  if SINGLE[mark] ~= nil then
    self.at = at + 1
    return SINGLE[mark]
  elseif mark == 123 or mark == 91 then -- { or [
    self.at = at + 1
    return read_table(self, mark == 91 and array_mt or nil, depth)
  elseif mark == 38 then -- &
    return self.tables[read_number(self)] or damaged(at)
  end
  damaged(at)
end

---The table that a text was made of.
---@param text string
---@return table|nil value
---@return string|nil message
function kept_text.decode(text)
  local self = { text = text, at = 1, tables = {} }
  local ok, value = pcall(read, self, 0)
  if ok and type(value) == "table" and self.at == #text + 1 then return value end
  local at = not ok and type(value) == "table" and value.at or self.at
  return nil, ("it is no text of a kept state, at byte %d"):format(at or #text)
end

return kept_text
