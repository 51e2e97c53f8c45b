-- cli.text: what the commands say alike: an error, a number of things, and a path as a shell reads
-- it.
local text = {}

---Writes an error; gives the exit status back.
---@param status number
---@param message string
---@return number status
function text.fail(status, message)
  io.stderr:write("pomelua: ", message, "\n")
  return status
end

---@param n number
---@param word string
---@return string "1 route", "2 routes"
function text.counted(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

---A path as a shell reads it, in quotes where it needs them.
---@param path string
---@return string
function text.quoted(path)
  return path:find("^[%w_./%-]+$") and path or "'" .. path:gsub("'", "'\\''") .. "'"
end

return text
