-- cli.command: a command of the command line: its entry in the table, which the help, the man page,
-- the completion and the reading of its arguments are made from.
local files = require "pomelua.base.files"
local help = require "pomelua.cli.help"
local options = require "pomelua.cli.options"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local command = {}

---The entry of a command. Texts are paragraphs with an empty line between; a line that begins with
---two spaces stands as it is.
---@class pomelua.Command
---@field name string
---@field group string|nil "make", "run" or "operate"
---@field summary string what it does, as the end of a sentence: "shows who is banned"
---@field usage string what stands behind its name: "[DIR] [options]"
---@field text string what it does
---@field words string[]|nil what its words are, for completion: kinds as of pomelua.Option, or
---texts; the last one again and again
---@field folder string|nil how DIR is found: "only": the one word; "among": among the others; nil:
---the words are none
---@field what string|nil of "among": what the others are, "the id of a server"
---@field base boolean|nil the folder must be there: its absolute path is given as `base`
---@field script boolean|nil as of options.parse
---@field rest boolean|nil as of options.parse
---@field options pomelua.Option[] --help is added
---@field check (fun(given: table): string|nil)|nil says what is wrong with the arguments
---@field examples table[] {command line, what it does}
---@field statuses table<integer|string, string> when it ends with which; 0 and 2 are added
---@field environment string[]|nil variables, which pomelua(1) explains
---@field files string[]|nil likewise
---@field see string[]|nil other commands
---@field run (fun(given: table): number)|nil gives the exit status

local USUAL = { [0] = "the command is done", [2] = "the command line is wrong" }

---Completes an entry.
---@param entry pomelua.Command
---@return pomelua.Command
function command.new(entry)
  entry.options = shared.join(entry.options or {}, { shared.HELP })
  for status, text in pairs(USUAL) do
    entry.statuses[status] = entry.statuses[status] or text
  end
  return entry
end

---Reads the arguments of a command.
---@param entry pomelua.Command
---@param args string[] without the command itself
---@return table|nil given by the fields of its options; the words by number
---@return string|nil message
function command.parse(entry, args)
  local given, message = options.parse(args, entry.options, entry)
  if not given or given.help then return given, message end
  if entry.folder == "only" then
    given, message = options.only_folder(given)
  elseif entry.folder == "among" then
    given, message = options.folder_among(given, entry.what)
  elseif not entry.words and given[1] then
    return nil, ("unknown word %q"):format(given[1])
  end
  if given and entry.check then message = entry.check(given) end
  if message then return nil, message end
  return given
end

-- The folder that the arguments name, as `base`.
local function find(entry, given)
  given.dir = given.dir or "."
  given.base = files.absolute(given.dir)
  if given.base and files.is_folder(given.base) then return nil end
  return texts.fail(1, ("%s: there is no folder %s"):format(entry.name, given.dir))
end

---Runs a command.
---@param entry pomelua.Command
---@param args string[]
---@return number status
function command.run(entry, args)
  local given, message = command.parse(entry, args)
  if not given then
    local name = entry.name
    return texts.fail(2, ("%s: %s (see: pomelua %s --help)"):format(name, message, name))
  end
  if given.help then
    io.stdout:write(help.of(entry))
    return 0
  end
  local status = entry.base and find(entry, given)
  return status or entry.run(given)
end

return command
