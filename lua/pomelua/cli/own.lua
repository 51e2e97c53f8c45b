-- cli.own: a command of the game's own, app:registerAdmin, which a running program knows.
local ask = require "pomelua.cli.ask"
local command = require "pomelua.cli.command"
local help = require "pomelua.cli.help"
local json = require "pomelua.base.json"
local key_value = require "pomelua.cli.key_value"
local options = require "pomelua.cli.options"
local reply = require "pomelua.cli.reply"
local shared = require "pomelua.cli.shared"
local sockets = require "pomelua.cli.sockets"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local own = {}

---The entry of such a command.
---@param name string
---@return pomelua.Command
function own.command(name)
  local list = shared.join({
    { "-i", value = "ID", field = "on", kind = "id", text = "only this server" },
    { "-t", value = "TYPE", field = "type", kind = "type", text = "only servers of this type" },
    shared.DIR,
  }, shared.ASK)
  table.remove(list, 4) -- the folder is none of the words
  return command.new {
    name = name,
    summary = "a command of the game's own",
    usage = "[WORD...] [KEY=VALUE...] [options]",
    text = ([[
A command of the game's own: app:registerAdmin("%s", ...). Every server that has it is asked. Words,
KEY=VALUE and KEY:=JSON are what it gets; one word that begins with { or [ is JSON, which it gets as
it is.
]]):format(name),
    words = { "key" },
    options = list,
    examples = {
      {
        ("pomelua %s -i chat-1 level:=7"):format(name),
        "asks the server chat-1 alone, with { level = 7 }",
      },
    },
    statuses = { [1] = "it failed at one server at least" },
    environment = shared.ASK_ENVIRONMENT, files = shared.ASK_FILES,
  }
end

local OPTIONS = own.command("").options

-- What a module gets for the words of a command.
local function message_of(name, words)
  if #words == 1 and words[1]:find("^%s*[{%[]") then
    local msg, message = json.decode(words[1])
    if msg == nil then return nil, ("%s: %s: %s"):format(name, words[1], message) end
    return msg, nil, {}
  end
  local msg, rest = {}, {}
  for _, word in ipairs(words) do
    if word:find("^[%w_.-]+:?=") then
      local message = key_value.read(msg, word)
      if message then return nil, ("%s: %s"):format(name, message) end
    else
      rest[#rest + 1] = word
    end
  end
  return msg, nil, rest
end

---A command that is none of pomelua's: one that the game in a folder has for its operator.
---@param name string
---@param args string[]
---@param mistyped boolean the name is nearly that of a command of pomelua's
---@return number|nil status nil: no program runs here, or none of its servers has the command
---@return string|nil hint for the message about an unknown command
---@return string|nil note why nobody could be asked
function own.run(name, args, mistyped)
  local given, message = options.parse(args, OPTIONS)
  if not given then
    if mistyped then return nil end
    return fail(2, name .. ": " .. message)
  end
  local live = not given.bus and sockets.live(given.dir or ".", given.pid, given.state)
  if not given.bus and (not live or #live == 0) and not ask.bus_of(given) then return nil end
  if given.help then
    io.stdout:write(help.of(own.command(name)))
    return 0
  end
  local msg, wrong, rest = message_of(name, reply.words(given))
  if wrong then return fail(2, wrong) end
  local ok, text, code = ask.program(given, {
    command = "run", name = name, msg = msg, words = json.array(rest), on = given.on,
    type = given.type,
  }, reply.plain)
  if code == "NOENT" then return nil, text:match("; did you mean .*$") end
  if not given.bus and (code == "NOBODY" or code == "NOLINK") then return nil, nil, text end
  return reply.finish(given, ok, text)
end

return own
