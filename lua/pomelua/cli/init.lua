-- cli: the command line. main returns the exit status: 0 good, 1 the app is wrong,
-- 2 the command line is.
local bench = require "pomelua.cli.bench"
local config = require "pomelua.config.servers"
local control = require "pomelua.ops.control"
local core = require "pomelua.core"
local ffi = require "ffi"
local files = require "pomelua.base.files"
local init = require "pomelua.cli.new"
local json_file = require "pomelua.base.json_file"
local library = require "pomelua.cli.library"
local misplaced = require "pomelua.config.misplaced"
local options = require "pomelua.cli.options"
local run_script = require "pomelua.cli.run"
local run_test = require "pomelua.cli.test"
local sockets = require "pomelua.cli.sockets"
local tools = require "pomelua.cli.tools"
local texts = require "pomelua.cli.text"
local unsupported = require "pomelua.app.unsupported"

local fail = texts.fail

if not pcall(function() return ffi.C.ferror end) then ffi.cdef "int ferror(void *file);" end

local cli = {}

local HELP = [[
Usage: pomelua <command> [options]

Commands:
  init DIR         writes a small game
  test [DIR]       runs the specs of a game
  run SCRIPT       runs a script outside of any server: a bot, a tool
  start [DIR]      runs the servers of the app in DIR
  list [DIR]       shows the servers of the program that runs in DIR
  reload [MODULE]  loads changed scripts in every server
  add KEY=VALUE    starts one more server
  stop [ID]        stops the program in order, or some servers
  kill [ID]        ends servers without their lifecycle
  restart ID       stops servers and starts them again
  console [ID]     a Lua prompt inside a server
  bench            connects many clients to a server and reports figures

DIR is the folder of the app, the current one when left out; commands that take an ID or a MODULE
take it, too: pomelua stop DIR chat-1, or -d DIR.

Options:
  --help        this text; after a command, its options
  --version     the version
]]

local HELP_START = [[
Usage: pomelua start [DIR] [options]

Runs the servers that DIR/config/servers.json lists, each in a thread of this
process, until SIGTERM or SIGINT.

Options:
  -d DIR             the same as DIR
  --env NAME         the environment of the config files (default: NODE_ENV, or
                     development)
  --only ID[,ID...]  only these servers
  --log-level LEVEL  debug, info, warn or error (default: info)
  --log-json         the log as one JSON object per line
  --help             this text
]]

-- What keeps a program from starting: with --log-json it is a line of the log.
local function fail_start(given, text)
  if not given.json then return fail(1, text) end
  io.stderr:write(('{"time":"%s","level":"error","server":"","msg":%s}\n'):format(
    os.date("!%Y-%m-%dT%H:%M:%S.000Z"), core.encode(text) or '""'))
  return 1
end

local takes = {
  values = {
    ["--env"] = "env", ["--only"] = "only", ["--log-level"] = "level",
    ["-d"] = "dir", ["--directory"] = "dir",
  },
  flags = { ["--log-json"] = "json", ["--help"] = "help", ["-h"] = "help" },
}
local levels = { debug = true, info = true, warn = true, error = true }

---The arguments of `start`.
---@param args string[] without the command itself
---@return table|nil given dir, env, only (list), level, json, help
---@return string|nil message
function cli.parse_start(args)
  local given, message = options.parse(args, takes)
  if given then given, message = options.only_folder(given) end
  if not given then return nil, ("start: %s (see: pomelua start --help)"):format(message) end
  if given.level and not levels[given.level] then
    return nil, ("start: --log-level must be debug, info, warn or error, got %q")
      :format(given.level)
  end
  if given.only then
    local ids = {}
    for id in given.only:gmatch("[^,]+") do ids[#ids + 1] = id end
    if #ids == 0 then return nil, "start: --only needs the ids of servers, ID[,ID...]" end
    given.only = ids
  end
  return given
end

-- An entry, and the text that its thread gets.
local function member_of(base, env, servers, only, entry)
  local boot, message = core.encode({
    base = base, env = env, server = entry, servers = servers, only = only,
  }, "config/servers.json")
  if not boot then return nil, message end
  return { id = entry.id, type = entry.serverType, frontend = entry.frontend or false, boot = boot }
end

-- The entries that run here.
local function members(base, env, servers, only)
  local wanted = {}
  for _, id in ipairs(only or {}) do wanted[id] = true end
  local list = {}
  for _, entry in ipairs(servers) do
    if not only or wanted[entry.id] then
      wanted[entry.id] = nil
      local member, message = member_of(base, env, servers, only, entry)
      if not member then return nil, message end
      list[#list + 1] = member
    end
  end
  local id = next(wanted)
  if id then return nil, ("--only: config/servers.json has no server %q"):format(id) end
  return list
end

-- What makes a folder's path one that an app cannot live in.
local function unfit_path(base)
  if base:find("%c") then
    return ("%q: the folder's path has a control character; give it another name"):format(base)
  elseif not json_file.is_utf8(base) then
    return base:gsub("[\128-\255]", "?")
      .. ": the folder's path is not UTF-8 (shown with ?); give it another name"
  end
end

---Everything core.run needs, from an app's folder.
---@param given table of parse_start
---@return table|nil run
---@return string|nil message one line
function cli.prepare(given)
  local dir = given.dir or "."
  local base = files.named(dir)
  if not base or not files.is_folder(base) then return nil, dir .. ": there is no such folder" end
  if not files.exists(base .. "/app.lua") then
    return nil, dir .. ": there is no app.lua in this folder"
  end
  local env = given.env or os.getenv("NODE_ENV")
  if not env or env == "" then env = "development" end
  if files.exists(base .. "/.luarc.json") then library.link(base) end
  local told = unfit_path(base)
  if told then return nil, told end
  local servers, message, warnings = config.servers(base, env)
  if not servers then return nil, message end
  for _, look in ipairs { unsupported.config, misplaced.look } do
    for _, text in ipairs(look(base)) do warnings[#warnings + 1] = text end
  end
  local web
  web, message = config.web(base, env)
  if message then return nil, message end
  local list
  list, message = members(base, env, servers, given.only)
  if not list then return nil, message end
  local run = {
    base = base, servers = list, level = given.level or "info", json = given.json or false,
    web = not given.only and web or nil, notices = table.concat(warnings, "\n"),
    name = base:match("[^/]*$"), entries = servers,
  }
  -- For pomelua.members: what `add` was given, checked; what the thread of a server is told.
  run.checked = config.added
  function run.member(entry, known) return member_of(base, env, known, given.only, entry) end
  run.control = control.new(run)
  run.control.path = ("%s/.pomelua/%d.sock"):format(files.absolute(base), core.pid())
  return run
end

local function start(args)
  local given, message = cli.parse_start(args)
  if not given then return fail(2, message) end
  if given.help then
    io.stdout:write(HELP_START)
    return 0
  end
  local run
  run, message = cli.prepare(given)
  if not run then return fail_start(given, message) end
  sockets.sweep(run.base)
  return core.run(run)
end

local commands = tools.commands()
commands.init, commands.start, commands.test = init, start, run_test
commands.bench, commands.run = bench, run_script

local function dispatch(args)
  local first = args[1]
  if first == "--version" or first == "-v" then
    io.stdout:write("pomelua ", core.version, "\n")
    return 0
  end
  if first == "help" and commands[args[2]] then return commands[args[2]] { "--help" } end
  if first == "--help" or first == "-h" or first == "help" then
    io.stdout:write(HELP)
    return 0
  end
  if not first then
    io.stderr:write(HELP)
    return 2
  end
  local command = commands[first]
  if not command then
    local what = first:sub(1, 1) == "-" and "option" or "command"
    return fail(2, ("unknown %s %s (see: pomelua --help)"):format(what, first))
  end
  local rest = {}
  for i = 2, #args do rest[#rest + 1] = args[i] end
  return command(rest)
end

---@param args string[] without the program's name
---@return number status also 1 when standard output could not be written: what a command prints
---is what it is for. A program that runs (start) prints for people, and goes on.
function cli.main(args)
  local status = dispatch(args)
  if status ~= 0 or args[1] == "start" then return status end
  local ok, message = io.stdout:flush()
  if ok and ffi.C.ferror(io.stdout) == 0 then return 0 end
  return fail(1, "standard output: " .. (message or "not all could be written"))
end

return cli
