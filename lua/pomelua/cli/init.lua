-- cli: the command line. main returns the exit status: 0 good, 1 the app is wrong or something has
-- failed, 2 the command line is wrong; of `start` 78 when the app is wrong.
local command = require "pomelua.cli.command"
local commands = require "pomelua.cli.commands"
local core = require "pomelua.core"
local ffi = require "ffi"
local help = require "pomelua.cli.help"
local near = require "pomelua.base.near"
local own = require "pomelua.cli.own"
local texts = require "pomelua.cli.text"

local fail = texts.fail

if not pcall(function() return ffi.C.ferror end) then ffi.cdef "int ferror(void *file);" end

local cli = {}

-- All words that may stand first.
local function first_words()
  local known = { help = true }
  for name in pairs(commands.by_name) do known[name] = true end
  return known
end

-- Options in the place of a command.
local function option(word)
  local known = {}
  for _, row in ipairs(commands.options) do
    for _, name in ipairs(row) do known[name] = row.field end
  end
  if known[word] == "version" then
    io.stdout:write("pomelua ", core.version, "\n")
    return 0
  elseif known[word] == "help" then
    io.stdout:write(help.all(commands))
    return 0
  end
  return fail(2, ("unknown option %s%s (see: pomelua --help)"):format(word, near.hint(word, known)))
end

local function dispatch(first, rest)
  if not first then
    io.stderr:write(help.all(commands))
    return 2
  end
  if first == "help" then
    if not rest[1] or rest[1]:sub(1, 1) == "-" then return option(rest[1] or "--help") end
    if rest[2] then return fail(2, "help: give one command (see: pomelua --help)") end
    if rest[1] == "help" then return option "--help" end
    return dispatch(rest[1], { "--help" })
  end
  local entry = commands.by_name[first]
  if entry then return command.run(entry, rest) end
  if first:sub(1, 1) == "-" then return option(first) end
  local status, hint, note = own.run(first, rest, near.to(first, first_words()) ~= nil)
  if status then return status end
  if not hint then hint = near.hint(first, first_words()) end
  if note then
    hint = ("%s As one of the game's: %s"):format(hint == "" and "." or hint, note)
  end
  return fail(2, ("unknown command %s%s (see: pomelua --help)"):format(first, hint))
end

---@param args string[] without the program's name
---@return number status also 1 when standard output could not be written: what a command prints
---is what it is for. A program that runs (start) prints for people, and goes on.
function cli.main(args)
  local rest = {}
  for i = 2, #args do rest[#rest + 1] = args[i] end
  local status = dispatch(args[1], rest)
  if status ~= 0 or args[1] == "start" then return status end
  local ok, message = io.stdout:flush()
  if ok and ffi.C.ferror(io.stdout) == 0 then return 0 end
  return fail(1, "standard output: " .. (message or "not all could be written"))
end

return cli
