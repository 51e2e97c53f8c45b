-- Files of the tree, as specs read them.
local files = {}

---@param path string
---@return string text an error when there is no such file
function files.read(path)
  local f = assert(io.open(path))
  local text = f:read("*a")
  f:close()
  return text
end

---@param path string
---@return boolean
function files.exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

return files
