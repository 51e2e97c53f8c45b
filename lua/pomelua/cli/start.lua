-- cli.start: `pomelua start` runs the servers of an app. From its arguments and the app's files it
-- makes what core.run needs.
local bans = require "pomelua.ops.bans"
local bus_config = require "pomelua.config.bus"
local command = require "pomelua.cli.command"
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local databases = require "pomelua.config.databases"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local later = require "pomelua.base.later"
local library = require "pomelua.cli.library"
local log_config = require "pomelua.config.log"
local make_tables = require "pomelua.store.make_tables"
local migrations = require "pomelua.config.migrations"
local misplaced = require "pomelua.config.misplaced"
local near = require "pomelua.base.near"
local place = require "pomelua.ops.place"
local shared = require "pomelua.cli.shared"
local sockets = require "pomelua.cli.sockets"
local texts = require "pomelua.cli.text"
local web_config = require "pomelua.config.web"

local control = later "pomelua.ops.control"

local fail = texts.fail

local start = {}

-- EX_CONFIG of sysexits.h: the files of the app are wrong, and another start is no cure.
local WRONG_APP = 78

local AS_ROOT = "this program runs as root: who breaks into a script owns the machine; start it as "
  .. "an ordinary user, for example by pomelua@.service"

-- What keeps a program from starting: with --log-json it is a line of the log.
local function fail_start(status, given, text)
  if not given.json then return fail(status, text) end
  io.stderr:write(('{"time":"%s","level":"error","server":"","msg":%s}\n'):format(
    os.date("!%Y-%m-%dT%H:%M:%S.000Z"), core.encode(text) or '""'))
  return status
end

-- What other processes are told of a server: core/wire/announce takes 16 KiB, versions included.
local TOLD = 16000

-- An entry, and the text that its thread gets. known: ids of its type, beside those of servers.
local function member_of(app, servers, entry, known)
  local told = app.bus and core.encode(entry)
  if told and #told > TOLD then
    return nil, ("config/servers.json: %s: the entry is %d bytes long; on a bus, whose processes "
      .. "are told of it, it may have %d"):format(entry.id, #told, TOLD)
  end
  local boot, message = core.encode({
    base = app.base, env = app.env, server = entry, servers = servers, known = known,
    only = app.only,
    log = app.log, data = app.data, state = app.state,
    bans = entry.frontend and app.bans:list() or nil,
  }, "config/servers.json")
  if not boot then return nil, message end
  return { id = entry.id, type = entry.serverType, frontend = entry.frontend or false, boot = boot }
end

-- The entries that run here: all, those with the ids of --only, or those of the types of --type.
local function members(app, servers, types)
  local words, list, known = app.only or types, {}, {}
  local wanted = {}
  for _, word in ipairs(words or {}) do wanted[word] = true end
  for _, entry in ipairs(servers) do
    local name = types and entry.serverType or entry.id
    known[#known + 1] = name
    if not words or wanted[name] then
      local member, message = member_of(app, servers, entry)
      if not member then return nil, message end
      list[#list + 1] = member
    end
  end
  for _, name in ipairs(known) do wanted[name] = nil end
  local missing = next(wanted)
  if missing then
    return nil, (types and "--type: config/servers.json has no server of the type %q%s"
      or "--only: config/servers.json has no server %q%s")
      :format(missing, near.hint(missing, known))
  end
  return list
end

-- Where the lines of the log go; --log-level has the last word.
local function log_rules(base, env, given, warnings)
  local rules, faults, told = log_config.load(base, env)
  if faults[1] then return nil, log_config.told(faults[1]) end
  for _, text in ipairs(told) do warnings[#warnings + 1] = text end
  rules.level = given.level or rules.level
  return rules
end

-- The databases of the app, and where the paths of their files begin.
local function databases_of(base, env, given, warnings)
  local folder, message = place.data(base, given.state, true)
  if not folder then return nil, message end
  local all
  all, message = databases.read(base, env, folder)
  if not all then return nil, message end
  local kinds = {}
  for name, one in pairs(all) do kinds[name] = one.kind end
  for _, text in ipairs(migrations.strays(base, kinds, databases.has_tables)) do
    warnings[#warnings + 1] = text
  end
  return all, folder
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

-- What to say when no server here answers the routes of app:http.
local function unserved(id, list)
  for _, one in ipairs(list) do
    if one.id == id then return nil end
  end
  return ("config/web.json: server: %s does not run in this program, whose page server answers 503 "
    .. "for its routes"):format(id)
end

---Everything core.run needs, from an app's folder.
---@param given table of command.parse: dir, env, only, types (lists), bus, web, level, state, json
---@return table|nil run
---@return string|nil message one line
function start.prepare(given)
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
  for _, text in ipairs(misplaced.look(base)) do warnings[#warnings + 1] = text end
  local web
  web, message = web_config.read(base, env)
  if message then return nil, message end
  local bus
  bus, message = bus_config.read(base, env, given.bus)
  if message then return nil, message end
  local rules
  rules, message = log_rules(base, env, given, warnings)
  if not rules then return nil, message end
  local defined, data = databases_of(base, env, given, warnings)
  if not defined then return nil, data end
  local where
  where, message = place.new(base, given.state)
  if not where then return nil, message end
  local banned = bans.new(where.state)
  local ok
  ok, message = banned:load()
  if not ok then return nil, message end
  local app = { base = base, env = env, only = given.only, log = rules, bans = banned, bus = bus,
    data = data, state = where.state }
  local list
  list, message = members(app, servers, given.types)
  if not list then return nil, message end
  if not (given.web or not (given.only or given.types)) then web = nil end
  local text = web and web.http and unserved(web.http.server, list)
  if text then warnings[#warnings + 1] = text end
  local way = log_config.way(rules, "", { base = base, env = env, id = "pomelua",
    type = "pomelua" })
  local run = {
    base = base, servers = list, level = way.level, json = given.json or rules.json,
    log = { queue = rules.queue, console = way.console, files = way.files },
    web = web, bus = bus,
    notices = table.concat(warnings, "\n"),
    name = base:match("[^/]*$"), entries = servers, place = where, bans = banned,
    databases = defined,
  }
  -- For pomelua.members: what `add` was given, checked; what the thread of a server is told.
  run.checked = config.added
  function run.member(entry, up, known) return member_of(app, up, entry, known) end
  run.control = control.new(run)
  run.control.path = where.names[1]
  return run
end

-- Before any server: one that runs finds the tables as its scripts want them.
local function run_migrations(run)
  local news, notices = {}, { run.notices ~= "" and run.notices or nil }
  local ok, message = make_tables.run(run.base, run.databases,
    function(text) news[#news + 1] = text end, function(text) notices[#notices + 1] = text end)
  run.news, run.notices = table.concat(news, "\n"), table.concat(notices, "\n")
  return ok, message
end

-- "a,b" of --only and --type as lists.
local function check(given)
  if given.only and given.types then return "give --only or --type, not both" end
  for key, text in pairs {
    only = "--only needs the ids of servers, ID[,ID...]",
    types = "--type needs the types of servers, TYPE[,TYPE...]",
  } do
    local list = {}
    for word in (given[key] or ""):gmatch("[^,]+") do list[#list + 1] = word end
    if given[key] and #list == 0 then return text end
    given[key] = given[key] and list
  end
end

local function run_app(given)
  local run, message = start.prepare(given)
  if not run then return fail_start(WRONG_APP, given, message) end
  if core.user() == 0 then
    run.notices = run.notices .. (run.notices ~= "" and "\n" or "") .. AS_ROOT
  end
  local ok
  ok, message = run_migrations(run)
  if not ok then return fail_start(1, given, message) end
  sockets.sweep(place.look(run.base, given.state) or {})
  return core.run(run)
end

start.command = command.new {
  name = "start", group = "run",
  summary = "runs the servers of the app in DIR",
  usage = "[DIR] [options]",
  text = [[
Runs the servers that DIR/config/servers.json lists, each in a thread of this process, until SIGTERM
or SIGINT. With --bus, or DIR/config/bus.json, other processes run other servers of the same app, on
this machine or on others.

When all servers are up the line "ready" comes on standard output.
]],
  folder = "only", words = { "dir" },
  options = {
    shared.DIR, shared.ENV,
    {
      "--bus", value = "URL[,URL...]", field = "bus",
      text = "the broker that joins the processes of the app: nats://host:4222 or "
        .. "tls://host:4222; when left out that of config/bus.json, or none",
    },
    { "--only", value = "ID[,ID...]", field = "only", kind = "ids", text = "only these servers" },
    {
      "--type", value = "TYPE[,TYPE...]", field = "types", kind = "types",
      text = "only the servers of these types",
    },
    {
      "--web", field = "web",
      text = "the page server of config/web.json, also with --only or --type",
    },
    {
      "--state", value = "DIR", field = "state", kind = "dir",
      text = "where the program writes: bans, its control socket; paths of databases begin there, "
        .. "too. When left out: the first folder of STATE_DIRECTORY, else .pomelua in the app's "
        .. "folder (databases: the app's folder). With RUNTIME_DIRECTORY the socket is there",
    },
    {
      "--log-level", value = "LEVEL", field = "level",
      choices = { "debug", "info", "warn", "error" },
      text = "debug, info, warn or error; when left out that of config/log.json, or info",
    },
    { "--log-json", field = "json", text = "the log as one JSON object per line" },
  },
  check = check,
  examples = {
    { "pomelua start game", "runs all servers of the app in the folder game" },
    { "pomelua start --bus nats://127.0.0.1:4222 --type gate,connector --web",
      "runs the frontends of the app in this folder; another process has the other servers" },
  },
  statuses = {
    [0] = "the program was stopped in order, and nothing was cut",
    [1] = "the app does not start, because a port is taken or a database is away, and one line on "
      .. "standard error says why; or it stopped, and the last line of the log names the work that "
      .. "had to be cut",
    [78] = "the files of the app are wrong: another start is no cure, and one line on standard "
      .. "error says why",
    [70] = "a script ran over its budget and could not be stopped, or filled memoryHard; the last "
      .. "line names server and route",
    [130] = "a second SIGINT ended the program at once",
    [143] = "a second SIGTERM ended the program at once",
    other = "what a script gave to os.exit",
  },
  environment = { "NODE_ENV", "STATE_DIRECTORY", "RUNTIME_DIRECTORY" },
  files = { "app.lua", "app/servers/", "app/migrations/", "config/servers.json", "config/web.json",
    "config/bus.json", "config/databases.json", "config/log.json", "config/dictionary.lock.json",
    ".pomelua/" },
  see = { "check", "stop", "list" },
  run = run_app,
}

return start
