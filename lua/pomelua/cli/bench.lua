-- cli.bench: `pomelua bench` becomes the load generator that is installed beside the program.
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local function generator()
  local dir = core.exe():match("^(.*)/") or "."
  for _, name in ipairs { "/load", "/pomelua-load" } do
    if files.exists(dir .. name) then return dir .. name end
  end
  return dir .. "/../share/pomelua/load"
end

---@param args string[]
---@return number status only when it could not begin
return function(args)
  local words = { generator(), unpack(args) }
  local _, message = core.exec(words)
  io.stderr:write("pomelua: bench: ", words[1], ": ", tostring(message), "\n")
  return 1
end
