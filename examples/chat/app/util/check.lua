--- Checks what clients send. Each check returns nil, or a sentence that a person can act on.
local check = {}

check.MAX_NAME = 20
check.MAX_TEXT = 500

-- Characters, not bytes: every UTF-8 character has one byte that is not 10xxxxxx.
local function length(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

--- The name of a user or of a room. No "*": a uid is written user*room.
---@param what string "name" or "room", for the sentence
---@param name any
---@return string|nil problem
function check.name(what, name)
  if type(name) ~= "string" or not name:find("%S") then
    return ("The %s must not be empty."):format(what)
  elseif length(name) > check.MAX_NAME then
    return ("The %s must not have more than %d characters."):format(what, check.MAX_NAME)
  elseif name:find("[%*%c]") then
    return ("The %s must not contain * or control characters."):format(what)
  end
end

--- What somebody says.
---@param text any
---@return string|nil problem
function check.text(text)
  if type(text) ~= "string" or not text:find("%S") then
    return "The message must not be empty."
  elseif length(text) > check.MAX_TEXT then
    return ("The message must not have more than %d characters."):format(check.MAX_TEXT)
  end
end

return check
