-- cli.commands: the table of all commands, in the order in which the help shows them. The help, the
-- man pages, the completion and the reading of arguments are made from it.
local backup = require "pomelua.cli.backup"
local bans = require "pomelua.cli.bans"
local bench = require "pomelua.cli.bench"
local check = require "pomelua.cli.check"
local console = require "pomelua.cli.console"
local dict = require "pomelua.cli.dict"
local migrate = require "pomelua.cli.migrate"
local new = require "pomelua.cli.new"
local run = require "pomelua.cli.run"
local start = require "pomelua.cli.start"
local test = require "pomelua.cli.test"
local token = require "pomelua.cli.token"
local tools = require "pomelua.cli.tools"

local commands = {}

commands.groups = {
  { name = "make", title = "Make a game" },
  { name = "run", title = "Run it" },
  { name = "operate", title = "Operate it while it runs" },
}

---@type pomelua.Command[]
commands.list = {
  new.command, check.command, test.command, dict.command, token.command,
  start.command, run.command, bench.command, migrate.command,
  tools.list, tools.add, tools.reload, tools.restart, tools.stop, tools.kill, console.command,
  tools.kick, bans.ban, bans.unban, bans.bans, backup.command,
}

---@type table<string, pomelua.Command>
commands.by_name = {}
for _, entry in ipairs(commands.list) do commands.by_name[entry.name] = entry end

commands.options = {
  { "-h", "--help", field = "help", text = "this text; behind a command, what that takes" },
  { "-v", "--version", field = "version", text = "the version" },
}

commands.text = [[
pomelua help COMMAND tells what a command takes. Any other word is a command of the game's own,
which the running program knows (app:registerAdmin).

DIR is the folder of the app, the current one when left out; commands that take an ID or a MODULE
take it, too: pomelua stop DIR chat-1, or -d DIR. Those that speak with a running program reach a
cluster from any machine by --bus nats://HOST:4222.
]]

---What the program is.
commands.about = [[
pomelua runs game servers whose logic is written in Lua and whose clients speak Pomelo's protocol.
Each server of an app is a thread of one process. An app is a folder with app.lua,
config/servers.json and scripts below app/servers.
]]

---What a program that runs does when it gets a signal.
commands.signals = {
  { "SIGTERM", "stops the program in order; the second one ends it at once. Clients are told to "
    .. "connect elsewhere one after the other" },
  { "SIGINT", "the same, but clients are told all at once" },
  { "SIGHUP", "loads changed scripts in every server, as reload does" },
  { "SIGUSR1", "opens the files of the log anew, which a tool has moved away" },
  { "SIGUSR2", "a line in the log, nothing else" },
}

---What the exit statuses mean for all commands.
commands.statuses = {
  [0] = "the command is done; of start: the program was stopped in order",
  [1] = "it did not work, one line on standard error says why; of check, of dict --check and of "
    .. "migrate --status: there is something to be done; also when standard output could not be "
    .. "written",
  [2] = "the command line is wrong",
  [70] = "of start: a script could not be stopped and ended the program",
  [78] = "of start: the files of the app are wrong, and another start is no cure",
  [130] = "of start: a second SIGINT ended the program at once",
  [143] = "of start: a second SIGTERM ended the program at once",
}

---The variables that commands read.
commands.environment = {
  { "NODE_ENV", "the environment of the config files when --env is left out" },
  { "STATE_DIRECTORY", "where the program writes when --state is left out; the first of several "
    .. "folders" },
  { "RUNTIME_DIRECTORY", "where its control socket is" },
}

---The files of an app that commands read or write.
commands.files = {
  { "app.lua", "the app: its settings" },
  { "app/servers/", "the scripts, by type of server" },
  { "app/migrations/", "SQL that makes the tables of the databases, in order; optional" },
  { "config/servers.json", "the servers, by environment and type" },
  { "config/web.json", "plain files that the program serves over HTTP or HTTPS, and /health; "
    .. "optional" },
  { "config/bus.json", "the broker over which processes of the app meet; optional" },
  { "config/databases.json", "the databases of the app; optional" },
  { "config/log.json", "which lines of the log go where; optional" },
  { "config/dictionary.lock.json", "the numbers that routes keep; optional" },
  { ".pomelua/", "the control socket PID.sock and the bans, bans.json, both of mode 0600, unless "
    .. "--state, STATE_DIRECTORY or RUNTIME_DIRECTORY name other folders" },
}

return commands
