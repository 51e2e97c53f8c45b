-- What docs/deployment.md tells to do, step by step: blocks of commands (```sh), and files, which
-- are blocks behind a line that ends with "`/path/of/the/file`:".
local deployment = {}

---@class Step
---@field heading string of the chapter
---@field text string
---@field path string? of a file; without it the text is commands
---@field only string? the word behind ```sh: what such a block is for

---@param text string of the document
---@return Step[]
function deployment.steps(text)
  local steps, heading, before = {}, "", ""
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  local i = 1
  while i <= #lines do
    local line = lines[i]
    local word, only = line:match("^```(%l+) ?(%l*)$")
    if word then
      local body = {}
      i = i + 1
      while lines[i] ~= "```" do
        body[#body + 1] = assert(lines[i], "a block has no end")
        i = i + 1
      end
      local path = before:match("`(/[^`]+)`:$")
      if path or word == "sh" then
        steps[#steps + 1] = { heading = heading, path = path, only = only ~= "" and only or nil,
          text = table.concat(body, "\n") .. "\n" }
      end
    elseif line:find("^## ") then
      heading = line:sub(4)
    end
    if line ~= "" then before = line end
    i = i + 1
  end
  return steps
end

return deployment
