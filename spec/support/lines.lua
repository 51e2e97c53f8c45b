-- What a server of the test kit has logged.
local lines = {}

---How many lines hold a text.
---@param server table
---@param text string
---@return integer
function lines.count(server, text)
  local count = 0
  for _, line in ipairs(server:log()) do
    if line.text:find(text, 1, true) then count = count + 1 end
  end
  return count
end

return lines
