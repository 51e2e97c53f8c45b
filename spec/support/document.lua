-- The game that a document's code blocks are: a block of Lua begins with a comment that names its
-- file, `-- app.lua: …`, one of SQL does the same, and one of JSON follows a line that ends with
-- "`config/x.json`:".
local document = {}

---@param text string of the document
---@return table<string, string> files texts by path
function document.files(text)
  local files = {}
  for code in text:gmatch("\n```lua\n(.-)```\n") do
    local path = code:match("^%-%- ([%w/_]+%.lua): ")
    if path then
      assert(not files[path], path .. " stands there twice")
      files[path] = code
    end
  end
  for code in text:gmatch("\n```sql\n(.-)```\n") do
    local path = code:match("^%-%- ([%w/_]+%.sql): ")
    if path then files[path] = code end
  end
  for path, code in text:gmatch("`([%w/_]+%.json)`:\n\n```json\n(.-)```\n") do
    assert(not files[path], path .. " stands there twice")
    files[path] = code
  end
  return files
end

return document
