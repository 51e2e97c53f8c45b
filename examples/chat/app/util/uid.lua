--- A user is known as "name*room", so that one name can be used in several rooms.
local uid = {}

---@param username string
---@param rid string
---@return string
function uid.of(username, rid)
  return username .. "*" .. rid
end

---@param id string
---@return string
function uid.username(id)
  return id:match("^[^%*]*")
end

return uid
