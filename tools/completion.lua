-- completion: what bash completes behind `pomelua`: tools/completion.bash with what each command
-- takes, from the table of commands.
local commands = require "pomelua.cli.commands"
local own = require "pomelua.cli.own"

local completion = {}

-- --env:env --log-level:=debug,info
local function value_of(name, row)
  if row.choices then return ("%s:=%s"):format(name, table.concat(row.choices, ",")) end
  return ("%s:%s"):format(name, row.kind or "text")
end

-- A branch of the table's `case`.
local function branch(pattern, entry)
  local flags, values = {}, {}
  for _, row in ipairs(entry.options) do
    for _, name in ipairs(row) do
      if row.value then
        values[#values + 1] = value_of(name, row)
      else
        flags[#flags + 1] = name
      end
    end
  end
  local modes = {}
  for _, mode in ipairs { "folder", "script", "rest" } do
    if entry[mode] then modes[#modes + 1] = entry[mode] == true and mode or entry[mode] end
  end
  local text = "    %s)\n      flags='%s'\n      values='%s'\n      kinds='%s' mode='%s'\n"
    .. "      ;;\n"
  return text:format(pattern, table.concat(flags, " "), table.concat(values, " "),
    table.concat(entry.words or {}, " "), table.concat(modes, " "))
end

---@return string
function completion.text()
  local folder = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
  local file = assert(io.open(folder .. "/completion.bash"))
  local text = assert(file:read("*a"))
  file:close()
  local names, branches, options = {}, {}, {}
  for _, entry in ipairs(commands.list) do
    names[#names + 1] = entry.name
    branches[#branches + 1] = branch(entry.name, entry)
  end
  branches[#branches + 1] = branch("*", own.command "NAME")
  for _, row in ipairs(commands.options) do
    for _, name in ipairs(row) do options[#options + 1] = name end
  end
  local parts = { COMMANDS = table.concat(names, " "), OPTIONS = table.concat(options, " "),
    TABLE = table.concat(branches):gsub("\n$", "") }
  return (text:gsub("@(%u+)@\n?", function(name)
    return parts[name] and parts[name] .. (name == "TABLE" and "\n" or "")
  end))
end

return completion
