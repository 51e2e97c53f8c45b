-- key_value: KEY=VALUE and KEY:=JSON, as `add` and commands of a game's own take them.
local json = require "pomelua.base.json"

local key_value = {}

---Reads a word into a table. KEY=VALUE: text, true or false; config.added makes numbers of what is
---one there. KEY:=JSON: any value.
---@param entry table
---@param word string
---@return string|nil message
function key_value.read(entry, word)
  local key, value = word:match("^([^=]+)=(.*)$")
  if not key then return ("%q is not KEY=VALUE"):format(word) end
  local plain_key = key:match("^(.+):$")
  if plain_key then
    key = plain_key
    local given, message = json.decode(value)
    if given == nil then return ("%s: %s"):format(word, message or "not JSON") end
    value = given
  elseif value == "true" or value == "false" then
    value = value == "true"
  end
  if entry[key] ~= nil then return key .. " is given twice" end
  entry[key] = value
end

return key_value
