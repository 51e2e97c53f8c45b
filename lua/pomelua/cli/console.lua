-- cli.console: `pomelua console`, a Lua prompt inside of a running server.
local ask = require "pomelua.cli.ask"
local command = require "pomelua.cli.command"
local line_input = require "pomelua.cli.line"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local console = {}

local function evaluate(given, id, text)
  local reply
  local ok, message = ask.program(given, { command = "eval", id = id, text = text },
    function(one) reply = one end)
  if reply then return reply end
  return { ok = false, message = not ok and message or "no answer" }
end

local function first_server(given)
  local id
  local where = {}
  for key, value in pairs(given) do where[key] = value end
  where.json = nil
  local ok, message = ask.program(where, { command = "list" },
    function(reply) id = id or reply.state == "up" and reply.id or nil end)
  if not ok or not id then return nil, message or "no server runs" end
  return id
end

local function show(reply)
  for _, line in ipairs(reply.printed or {}) do io.stdout:write(line, "\n") end
  if not reply.ok then
    io.stdout:write(reply.message or "failed", "\n")
  else
    for _, text in ipairs(reply.values or {}) do io.stdout:write(text, "\n") end
  end
end

local function main(given)
  local id = given[1]
  if not id then
    local first, message = first_server(given)
    if not first then return fail(1, message) end
    id = first
  end
  local probe = evaluate(given, id, "nil")
  if not probe.ok then return fail(1, probe.message) end
  io.stdout:write(("pomelua console in %s; an empty line or end of file leaves\n"):format(id))
  local text, read = nil, line_input.reader()
  while true do
    local line = read(text and ">> " or "> ")
    if not line or (line == "" and not text) then break end
    text = text and text .. "\n" .. line or line
    local reply = evaluate(given, id, text)
    if not (reply.more and line ~= "") then
      show(reply)
      text = nil
    end
  end
  return 0
end

console.command = command.new {
  name = "console", group = "operate",
  summary = "a Lua prompt inside a server",
  usage = "[DIR] [ID] [options]",
  text = [[
A Lua prompt inside a running server; the first one when no ID is given. `app` is its app. An empty
line or the end of the input leaves. The server must allow it:

  app:set("serverConfig", { console = true })
]],
  folder = "among", what = "the id of a server", words = { "id" },
  options = shared.ASK,
  check = function(given)
    if #given > 1 then return ("give one server, not %q and %q"):format(given[1], given[2]) end
  end,
  examples = {
    { "pomelua console chat-1", "a prompt inside the server chat-1" },
    { "echo 'app:getCurServer().id' | pomelua console", "prints the id of the first server" },
  },
  statuses = {
    [1] = "no program runs in the folder, or the server is not there or does not allow it",
  },
  environment = shared.ASK_ENVIRONMENT, files = shared.ASK_FILES,
  see = { "list", "reload" },
  run = main,
}

return console
