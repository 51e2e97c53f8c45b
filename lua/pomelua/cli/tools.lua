-- cli.tools: commands that speak to a running program over its control socket.
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local line_input = require "pomelua.cli.line"
local options = require "pomelua.cli.options"
local sockets = require "pomelua.cli.sockets"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local tools = {}

local WAIT = 15000 -- for the next line of an answer, ms
local LINE = 65536 -- bytes of a question that a program takes, its end included

local HELP = {
  list = [[
Usage: pomelua list [DIR] [options]

Shows the servers of the program that runs in DIR. One that is stuck is shown as
not answering after 2 s, and one that failed to start with its reason.

Options:
  --counters   also what each server has counted, but zeros
]],
  stop = [[
Usage: pomelua stop [DIR] [ID...] [options]

Stops the program in order, or only these servers of it.
]],
  kill = [[
Usage: pomelua kill [DIR] [ID...] [options]

Ends servers without their lifecycle; all of them when no ID is given.
]],
  restart = [[
Usage: pomelua restart [DIR] ID... [options]

Stops these servers and starts them again.
]],
  add = [[
Usage: pomelua add [DIR] KEY=VALUE... [options]

Starts one more server in the running program. Keys are those of config/servers.json;
id and serverType are needed, clientPort too for a frontend:
  pomelua add id=chat-server-3 serverType=chat host=127.0.0.1 port=6052
A value is text (zone=007 stays 007), but port, clientPort and max-connections are numbers,
and the words true and false are what they say. KEY:=JSON gives any value: weight:=3
]],
  reload = [[
Usage: pomelua reload [DIR] [MODULE...] [options]

Loads changed scripts in every server, one after the other, up to the first refusal.
MODULE: chat.chatHandler, app.util.version, …; everything that changed when left out.

Options:
  --dry-run    only says what would happen
  --force      also when routes would vanish
]],
  console = [[
Usage: pomelua console [DIR] [ID] [options]

A Lua prompt inside a running server; the first one when no ID is given. `app` is its app.
The server must allow it: app:set("serverConfig", { console = true }).
]],
}

local COMMON = [[

Options:
  -d DIR       the app's folder, the current one when left out; DIR alone is the same: a word with
               a slash, or the name of a folder with an app in it
  --pid PID    which program, when several run there
  --json       the answers as they came, one JSON object per line
  --help       this text
]]

local values = { ["-d"] = "dir", ["--directory"] = "dir", ["--pid"] = "pid" }
local OWN = { -- flags of one command
  list = { ["--counters"] = "counters" },
  reload = { ["--dry-run"] = "dry", ["--force"] = "force", ["-f"] = "force" },
}

local function takes(name)
  local flags = { ["--json"] = "json", ["--help"] = "help", ["-h"] = "help" }
  for flag, field in pairs(OWN[name] or {}) do flags[flag] = field end
  return { values = values, flags = flags }
end

-- What the words of a command are, but for the folder; nil: it has no others.
local WORDS = {
  stop = "the id of a server", kill = "the id of a server", restart = "the id of a server",
  console = "the id of a server", reload = "a module", add = "KEY=VALUE",
}

---The arguments of one of the commands.
---@param name string of the command
---@param args string[]
---@return table|nil given dir, pid, json, help, dry, force, counters; ids and the like by number
---@return string|nil message
function tools.parse(name, args)
  local given, message = options.parse(args, takes(name))
  if not given or given.help then return given, message end
  if WORDS[name] then return options.folder_among(given, WORDS[name]) end
  return options.only_folder(given)
end

local function find(given)
  local dir = given.dir or "."
  local live, message = sockets.live(dir, given.pid)
  if not live then return nil, message end
  if #live == 0 then return nil, "no pomelua runs in " .. dir end
  if #live > 1 then
    local pids = {}
    for i, one in ipairs(live) do pids[i] = one.pid end
    return nil, ("several programs run in %s: choose by --pid (%s)"):format(
      dir, table.concat(pids, ", "))
  end
  return live[1].path
end

-- Asks a program, and calls each(reply) for every line of its answer. Gives whether the last line
-- reports success, and its message.
local function ask(given, question, each)
  local path, message = find(given)
  if not path then return nil, message end
  local line = assert(core.encode(question))
  if #line >= LINE then return nil, "that is too long for one question" end
  local lines, failed, _, got = core.ask(path, line, WAIT)
  local ok, text = false, failed or "the program ended before it had answered"
  for _, answer in ipairs(lines or got or {}) do
    local reply = json.decode(answer)
    local known = type(reply) == "table" and reply or {}
    if given.json and not known.waiting then
      io.stdout:write(answer, "\n")
    elseif not known.done and not known.waiting then
      each(known)
    end
    if known.done then ok, text = known.ok, known.message end
  end
  return ok, text
end

local function finish(ok, message)
  if not ok then return fail(1, message or "it did not work") end
  if message then io.stdout:write(message, "\n") end
  return 0
end

local function plain(reply)
  local text = reply.message or (reply.ok and "ok" or "failed")
  io.stdout:write(reply.id and reply.id .. ": " or "", text, "\n")
end

local commands = {}

local function row(...)
  local line = ("%-22s %-11s %-9s %8s %8s %6s %5s %9s %10s"):format(...)
  io.stdout:write((line:gsub("%s+$", "")), "\n")
end

local function by_type(a, b)
  if a.type ~= b.type then return tostring(a.type) < tostring(b.type) end
  return a.id < b.id
end

-- One line per counter that is not 0.
local function show_counters(one)
  local names = {}
  for name, n in pairs(one.status and one.status.counters or {}) do
    if n ~= 0 then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    io.stdout:write(("%-22s %-28s %.0f\n"):format(one.id, name, one.status.counters[name]))
  end
end

function commands.list(given)
  local rows = {}
  local question = { command = "list", counters = given.counters }
  local ok, message = ask(given, question, function(reply) rows[#rows + 1] = reply end)
  if not ok or given.json then return finish(ok, message) end
  row("serverId", "serverType", "state", "sessions", "channels", "gen", "old", "memory", "uptime")
  table.sort(rows, by_type)
  for _, one in ipairs(rows) do
    local s = one.status
    if s then
      row(one.id, one.type, one.state, s.sessions, s.channels, s.generation, s.old,
        ("%.1f MiB"):format(s.memory / 2 ^ 20), ("%d s"):format(s.uptime / 1000))
    else
      local state = one.why and one.state .. ": " .. one.why or one.state
      row(one.id, one.type, state, "", "", "", "", "", "")
    end
  end
  if given.counters then
    for _, one in ipairs(rows) do show_counters(one) end
  end
  return 0
end

function commands.stop(given)
  local ids = {}
  for i, id in ipairs(given) do ids[i] = id end
  local ok, message = ask(given, { command = "stop", ids = ids }, plain)
  return finish(ok, message)
end

function commands.kill(given)
  local ids = {}
  for i, id in ipairs(given) do ids[i] = id end
  return finish(ask(given, { command = "kill", ids = ids }, plain))
end

function commands.restart(given)
  if #given == 0 then return fail(2, "restart: name the servers") end
  local ids = {}
  for i, id in ipairs(given) do ids[i] = id end
  return finish(ask(given, { command = "restart", ids = ids }, plain))
end

-- KEY=VALUE: text, true or false; config.added makes numbers of what is one there.
-- KEY:=JSON: any value.
local function add_word(entry, word)
  local key, value = word:match("^([^=]+)=(.*)$")
  if not key then return ("add: %q is not KEY=VALUE"):format(word) end
  local plain_key = key:match("^(.+):$")
  if plain_key then
    key = plain_key
    local given, message = json.decode(value)
    if given == nil then return ("add: %s: %s"):format(word, message or "not JSON") end
    value = given
  elseif value == "true" or value == "false" then
    value = value == "true"
  end
  if entry[key] ~= nil then return ("add: %s is given twice"):format(key) end
  entry[key] = value
end

function commands.add(given)
  local entry = {}
  for _, word in ipairs(given) do
    local message = add_word(entry, word)
    if message then return fail(2, message) end
  end
  return finish(ask(given, { command = "add", entry = entry }, plain))
end

function commands.reload(given)
  local modules = {}
  for i, name in ipairs(given) do modules[i] = name end
  return finish(ask(given, {
    command = "reload", modules = #modules > 0 and modules or nil,
    dry = given.dry, force = given.force,
  }, plain))
end

local function evaluate(given, id, text)
  local reply
  local ok, message = ask(given, { command = "eval", id = id, text = text },
    function(one) reply = one end)
  if reply then return reply end
  return { ok = false, message = not ok and message or "no answer" }
end

local function first_server(given)
  local id
  local ok, message = ask({ dir = given.dir, pid = given.pid }, { command = "list" },
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

function commands.console(given)
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

---The commands by name: functions of their arguments that give the exit status.
---@return table<string, fun(args: string[]): number>
function tools.commands()
  local list = {}
  for name, run in pairs(commands) do
    list[name] = function(args)
      local given, message = tools.parse(name, args)
      if not given then
        return fail(2, ("%s: %s (see: pomelua %s --help)"):format(name, message, name))
      end
      if given.help then
        local text = HELP[name]
        io.stdout:write(text, (text:find("\nOptions:\n", 1, true)
          and COMMON:gsub("^\nOptions:\n", "") or COMMON))
        return 0
      end
      return run(given)
    end
  end
  return list
end

return tools
