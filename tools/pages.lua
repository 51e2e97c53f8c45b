-- pages: writes the man pages and the bash completion into a folder, as `make` wants them:
--   pomelua run tools/pages.lua FOLDER
local commands = require "pomelua.cli.commands"
local completion = require "completion"
local manual = require "manual"

local folder = assert(..., "give a folder")

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  assert(file:write(text))
  assert(file:close())
end

write("pomelua.1", manual.all())
for _, entry in ipairs(commands.list) do
  write(("pomelua-%s.1"):format(entry.name), manual.command(entry))
end
write("pomelua.bash", completion.text())
