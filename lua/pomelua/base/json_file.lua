-- json_file: a JSON file that a person has written. Its errors name file and line, and
-- say what people write that JSON does not have.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local tables = require "pomelua.base.tables"

local json_file = {}

local BOM = "\239\187\191" -- as Windows editors write it; Node's require takes it off, too
local UNKNOWN = "\239\191\189" -- what core.clean puts in the place of ill-formed text

---Whether a text is UTF-8.
---@param text string
---@return boolean
function json_file.is_utf8(text)
  local cleaned = core.clean('"' .. text:gsub('[%c"\\]', " ") .. '"')
  return cleaned ~= nil and (text:find(UNKNOWN, 1, true) or not cleaned:find(UNKNOWN, 1, true))
    and true or false
end

local function at_line(name, text, at, message)
  local _, newlines = text:sub(1, at):gsub("\n", "")
  return ("%s:%d: %s"):format(name, newlines + 1, message)
end

-- What is wrong with the characters, or nil.
local function encoding(name, text)
  local head = text:sub(1, 2)
  if head == "\255\254" or head == "\254\255" or text:sub(1, 4):find("%z") then
    return name .. ": this is UTF-16 or UTF-32; save the file as UTF-8"
  end
  local nul = text:find("%z")
  if nul then return at_line(name, text, nul, "a NUL character; this is no text") end
  local line = 0
  for one in (text .. "\n"):gmatch("([^\n]*)\n") do
    line = line + 1
    if one:find("[\128-\255]") and not json_file.is_utf8(one) then
      return ("%s:%d: bytes that are not UTF-8; save the file as UTF-8"):format(name, line)
    end
  end
end

-- What stands where the parser stopped.
local function habit(text, at)
  local rest = text:sub(at)
  if rest:find("^/[/*]") or rest:find("^#") then
    return "JSON has no comments; take this one out"
  elseif rest:find("^[}%]]") and text:sub(1, at - 1):find(",%s*$") then
    return "the comma before " .. rest:sub(1, 1) .. " must go: nothing follows it"
  elseif rest:find("^'") then
    return "strings stand in double quotes in JSON"
  elseif rest:find("^[%a_$][%w_$]*%s*:") then
    return ("names stand in double quotes in JSON: \"%s\""):format(rest:match("^[%w_$]+"))
  end
end

-- Where a control character stands, in a string or between the values: mostly a line break in a
-- string without an end.
local function control(text)
  local at, inside = 1, false
  while true do
    local place = text:find(inside and '[%c"\\]' or '["%c]', at)
    if not place then return nil end
    local mark = text:sub(place, place)
    at = place + (mark == "\\" and 2 or 1)
    if mark == '"' then
      inside = not inside
    elseif mark ~= "\\" and mark ~= "\127" and (inside or mark:find "[^\t\r\n]") then
      if mark:find "[\r\n]" then
        return place, "this string has no end on its line; a line break in it is \\n"
      end
      return place, ("a control character; in a string it is \\u%04x"):format(mark:byte())
    end
  end
end

-- The name that stands twice in one object of a JSON text, and where: the reader keeps the last.
-- Names that begin with "_", "/", "#" or "$" are comments.
local function twice(text)
  local seen, at = {}, 1
  while true do
    local from, _, mark = text:find('(["{}%[%]])', at)
    if not from then return nil end
    at = from + 1
    if mark == "{" or mark == "[" then
      seen[#seen + 1] = {}
    elseif mark ~= '"' then
      seen[#seen] = nil
    else
      local stop = text:find('"', at, true)
      while text:sub(at, stop - 1):match("\\*$"):len() % 2 == 1 do
        stop = text:find('"', stop + 1, true)
      end
      local name, names = text:sub(at, stop - 1), seen[#seen]
      at = stop + 1
      if names and text:find("^%s*:", at) and not name:find("^[_/#$]") then
        if names[name] then return name, from end
        names[name] = true
      end
    end
  end
end

---@param name string of the file, for messages
---@param text string
---@param once boolean|nil whether a name that stands twice in an object is an error
---@return any|nil value
---@return string|nil message one line with file and, where it is known, line
function json_file.decode(name, text, once)
  if text:sub(1, 3) == BOM then text = text:sub(4) end
  local wrong = encoding(name, text)
  if wrong then return nil, wrong end
  if not text:find("%S") then return nil, name .. ": the file is empty" end
  local value, message = json.decode(text)
  if value ~= nil then
    local again, place
    if once then again, place = twice(text) end
    if not again then return value end
    return nil, at_line(name, text, place, ("%s occurs twice in this object"):format(
      tables.word(again) == again and ("%q"):format(again) or tables.word(again)))
  end
  message = tostring(message or "not JSON")
  local at = tonumber(message:match("character (%d+)"))
  if not at then
    local place, what = control(text)
    if place then return nil, at_line(name, text, place - 1, what) end
    return nil, name .. ": " .. message
  end
  return nil, at_line(name, text, at - 1, habit(text, at) or message)
end

---Reads base/name.
---@param base string
---@param name string path inside base
---@param once boolean|nil as of json_file.decode
---@return any|nil value nil without a message: there is no such file
---@return string|nil message
function json_file.read(base, name, once)
  local text, message, code = files.read(base .. "/" .. name)
  if not text and files.is_gone(code) then return nil end
  if not text then return nil, name .. message:sub(#base + #name + 2) end
  return json_file.decode(name, text, once)
end

return json_file
