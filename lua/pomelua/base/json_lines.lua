-- json_lines: in which line of a JSON text a key stands, for messages that name the key.
local json_lines = {}

-- Reads one value from `at`; gives the place behind it. Only text that is JSON is read.
local function walk(text, at, path, starts)
  at = text:find("%S", at)
  local mark = text:sub(at, at)
  if mark ~= "{" and mark ~= "[" then
    local _, stop = text:find(mark == '"' and '^"[^"\\]*' or "^[^%s,%]}]*", at)
    while mark == '"' and text:sub(stop + 1, stop + 1) == "\\" do
      _, stop = text:find('[^"\\]*', stop + 3)
    end
    return stop + (mark == '"' and 2 or 1)
  end
  local n = 0
  at = at + 1
  while true do
    at = text:find("[^%s,]", at)
    local from = at
    if text:sub(at, at):find("[%]}]") then return at + 1 end
    local inner = ("%s[%d]"):format(path, n)
    if mark == "{" then
      local stop = walk(text, at, "", {})
      inner = (path == "" and "" or path .. ".") .. text:sub(at + 1, stop - 2)
      at = text:find(":", stop, true) + 1
    end
    starts[inner] = starts[inner] or from
    n = n + 1
    at = walk(text, at, inner, starts)
  end
end

---@param text string JSON without faults
---@param path string as messages name it: "development.chat[0].id"; numbers count from 0
---@return number|nil line of the key, or of the nearest one around it
function json_lines.find(text, path)
  local starts = {}
  if not pcall(walk, text, 1, "", starts) then return nil end
  while path ~= "" and not starts[path] do
    path = path:match("^(.*)%[%d+%]$") or path:match("^(.*)%.[^.]*$") or ""
  end
  if path == "" then return nil end
  local _, newlines = text:sub(1, starts[path] - 1):gsub("\n", "")
  return newlines + 1
end

return json_lines
