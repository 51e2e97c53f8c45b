-- cli.checks: the checks of `pomelua check`, one function for each kind of file. Each looks at what
-- is there, whether or not a setting uses it, and reports in the words of the part that reads it.
local bans = require "pomelua.ops.bans"
local bus = require "pomelua.config.bus"
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local crons = require "pomelua.config.crons"
local databases = require "pomelua.config.databases"
local dictionary = require "pomelua.config.dictionary"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local json_file = require "pomelua.base.json_file"
local json_lines = require "pomelua.base.json_lines"
local log = require "pomelua.config.log"
local migrations = require "pomelua.config.migrations"
local misplaced = require "pomelua.config.misplaced"
local near = require "pomelua.base.near"
local place = require "pomelua.ops.place"
local protos = require "pomelua.live.protos"
local sql_lint = require "pomelua.cli.sql_lint"
local syntax = require "pomelua.live.syntax"
local tables = require "pomelua.base.tables"
local web = require "pomelua.config.web"

local checks = {}

local DEPTH = 32 -- folders in folders

-- Calls fn(path from the app's folder) for each file below a folder whose name ends like that.
local function each_file(given, folder, ending, fn, depth, inside)
  local identity = files.folder(given.base .. "/" .. folder)
  inside = inside or {}
  if not identity or inside[identity] or (depth or 0) > DEPTH then return end
  inside[identity] = true
  for _, name in ipairs(files.list(given.base .. "/" .. folder) or {}) do
    local path = folder == "." and name or folder .. "/" .. name
    if name:find(ending) and not files.is_folder(given.base .. "/" .. path) then
      fn(path)
    elseif name ~= "node_modules" then
      each_file(given, path, ending, fn, (depth or 0) + 1, inside)
    end
  end
  inside[identity] = nil
end

---Every JSON file in config, also those that only the game reads.
function checks.json(given, report)
  each_file(given, "config", "%.json$", function(path)
    local _, message = json_file.read(given.base, path)
    report.looked(path)
    if message then report.fault(message) end
  end)
end

-- Environments that everybody knows: one that is nearly its name is a mistake.
local function warn_environment(given, report, env)
  local there = {}
  for _, one in ipairs(given.envs) do there[one] = true end
  local meant = near.to(env, { "development", "production" }, 2)
  if meant and not there[meant] then
    report.warning(("config/servers.json: %s: did you mean %s? The environment is development when "
      .. "--env and NODE_ENV name none"):format(env, meant))
  end
end

---config/servers.json, for every environment that it has. Sets given.servers: lists by environment.
function checks.servers(given, report)
  given.servers = {}
  for _, env in ipairs(given.envs) do warn_environment(given, report, env) end
  for _, env in ipairs(given.envs) do
    local list, message, warnings = config.servers(given.base, env)
    given.servers[env] = list
    if message then report.fault(message) end
    for _, text in ipairs(warnings or {}) do report.warning(text) end
  end
end

---config/web.json, for every environment of servers.json.
function checks.web(given, report)
  for _, env in ipairs(given.envs) do
    web.check(given.base, env, report.fault)
  end
end

---config/bus.json, for the same environments.
function checks.bus(given, report)
  bus.check(given.base, given.envs, report.fault, report.warning)
end

---config/databases.json, for the same environments, and the migrations of all its databases.
function checks.databases(given, report)
  local kinds = databases.check(given.base, given.envs, report.fault, report.warning) or {}
  for _, text in ipairs(migrations.strays(given.base, kinds, databases.has_tables)) do
    report.warning(text)
  end
  for _, name in ipairs(tables.sorted_keys(kinds)) do
    local list = migrations.read(given.base, name, report.fault)
    for _, one in ipairs(list or {}) do report.looked(one.path) end
  end
end

---Files that are named as if the framework read them, and that it does not read.
function checks.misplaced(given, report)
  for _, text in ipairs(misplaced.look(given.base)) do report.warning(text) end
end

---The syntax of every script, also of specs and of types that servers.json does not name; and SQL
---in it that is put together from values.
function checks.syntax(given, report)
  each_file(given, ".", "%.[lL][uU][aA]$", function(path)
    local text, message = files.read(given.base .. "/" .. path)
    report.looked(path)
    if not text then return report.fault(path .. message:sub(#given.base + #path + 2)) end
    local chunk, wrong = load(text, "@" .. path, "t")
    if not chunk then return report.fault(syntax.explain(wrong, text)) end
    for _, line in ipairs(sql_lint.lines(text)) do
      report.warning(("%s:%d: SQL that is put together: a value may end the text that it stands in "
        .. "and go on as SQL; write $1 in its place and give the value behind the SQL"):format(path,
        line))
    end
  end)
end

-- Whether there is a file of one of these names.
local function is_any(given, ...)
  for _, name in ipairs { ... } do
    if files.exists(given.base .. "/" .. name) then return true end
  end
  return false
end

---The files of the route dictionary; a server that uses it is tried with it.
function checks.dictionary(given, report)
  for _, env in ipairs(given.envs) do
    local servers = given.servers[env]
    if servers and is_any(given, "config/dictionary.json", "config/dictionary.lock.json",
      ("config/%s/dictionary.json"):format(env)) then
      local _, message = dictionary.routes(given.base, env, dictionary.types(servers))
      if message then report.fault(message) end
    end
  end
end

---The definitions of protobuf.
function checks.protos(given, report)
  for _, side in ipairs { "server", "client" } do
    local names = { ("config/%sProtos.json"):format(side) }
    for _, env in ipairs(given.envs) do
      names[#names + 1] = ("config/%s/%sProtos.json"):format(env, side)
    end
    for _, name in ipairs(names) do
      local text = files.read(given.base .. "/" .. name)
      local _, message
      if text then _, message = protos.read(name, text, side) end
      if message then report.fault(message) end
    end
  end
end

---config/crons.json, for all server types, also those that servers.json does not name.
function checks.crons(given, report)
  for _, env in ipairs(given.envs) do
    local by_type = {}
    for _, entry in ipairs(given.servers[env] or {}) do
      by_type[entry.serverType] = by_type[entry.serverType] or {}
      table.insert(by_type[entry.serverType], entry)
    end
    local faults, warnings = crons.check(given.base, env, by_type)
    for _, one in ipairs(faults) do report.fault(crons.told(one)) end
    for _, one in ipairs(warnings) do report.warning(crons.told(one)) end
  end
end

---config/log.json, or Pomelo's log4js.json.
function checks.log(given, report)
  for _, env in ipairs(given.envs) do
    local faults, warnings = log.check(given.base, env)
    for _, one in ipairs(faults) do report.fault(log.told(one)) end
    for _, text in ipairs(warnings) do report.warning(text) end
  end
end

---The file of bans, where a program would write it.
function checks.bans(given, report)
  local folder, message = place.state(given.base, given.state)
  if not folder then return report.fault(message) end
  local list = bans.new(folder)
  if files.exists(list:path()) then report.looked(list:path()) end
  local ok
  ok, message = list:check()
  if not ok then report.fault(message) end
end

-- Routes that no handler has do nothing where they are named, and other ones are meant.
local function check_routes(given, env, named, report, at)
  local servers = named[1] and given.servers[env]
  local all = servers and dictionary.routes(given.base, env, dictionary.types(servers))
  local known = {}
  for _, route in ipairs(all and all.routes or {}) do known[route] = true end
  table.sort(named)
  for _, route in ipairs(named) do
    if all and not known[route] then
      report.warning(at:format(route) .. "no handler has this route" .. near.hint(route, known))
    end
  end
end

---What clients send has a definition under the name of its route.
function checks.client_routes(given, report)
  for _, env in ipairs(given.envs) do
    local name = "config/clientProtos.json"
    local whole = json_file.read(given.base, name, true)
    if whole == nil then
      name = ("config/%s/clientProtos.json"):format(env)
      whole = json_file.read(given.base, name, true)
    end
    local routes = {}
    for route in pairs(type(whole) == "table" and whole or {}) do
      if type(route) == "string" and not route:find("^message ") then
        routes[#routes + 1] = route
      end
    end
    check_routes(given, env, routes, report, name .. ": %s: ")
  end
end

-- The type of the server that config/web.json names for the routes of app:http.
local function type_of_http(given, env)
  local http = web.http(given.base, env)
  for _, entry in ipairs(http and given.servers[env] or {}) do
    if entry.id == http.server then return entry.serverType, http.server end
  end
end

---app.lua and all that is loaded for each server type: settings, handlers, remotes, lifecycle, ...
function checks.types(given, report)
  for _, env in ipairs(given.envs) do
    local servers = given.servers[env] or {}
    local http_type, http_id = type_of_http(given, env)
    for _, entry in ipairs(config.one_of_each(servers)) do
      local text, message = core.scratch("pomelua.app.trial", json.encode {
        base = given.base, env = env, id = entry.id, servers = servers,
      }, dictionary.LIMITS.ms, dictionary.LIMITS.mib)
      local found = text and json.decode(text) or { faults = { message }, warnings = {} }
      for _, one in ipairs(found.faults) do report.fault(one) end
      for _, one in ipairs(found.warnings) do report.warning(one) end
      if entry.serverType == http_type and found.http == 0 and not found.faults[1] then
        report.warning(("config/web.json: server: %s has no routes: app:http is not called there")
          :format(http_id))
      end
      check_routes(given, env, found.rated or {}, report,
        "app.lua: connectorConfig.rate.routes[%q]: ")
    end
  end
end

---All of them in order; a check may use what an earlier one has set.
checks.list = {
  checks.json,
  checks.servers,
  checks.web,
  checks.bus,
  checks.databases,
  checks.misplaced,
  checks.syntax,
  checks.crons,
  checks.log,
  checks.types,
  checks.dictionary,
  checks.protos,
  checks.client_routes,
  checks.bans,
}

-- The path to the entry of a server in config/servers.json: "development.chat[0]".
local function path_of(value, id, path)
  if type(value) ~= "table" then return nil end
  if value.id == id then return path end
  for key, one in pairs(value) do
    local inner = type(key) == "number" and ("%s[%d]"):format(path, key - 1)
      or (path == "" and "" or path .. ".") .. tostring(key)
    local found = type(one) == "table" and path_of(one, id, inner)
    if found then return found end
  end
end

-- "config/servers.json: weight of chat-1: text" with the path to it in the place of the id.
local function with_path(base, text)
  local file, key, id = text:match("^(config/servers%.json): ([%w_-]+) of (.-): ")
  local value = file and json_file.read(base, file)
  local path = value and path_of(value, id, "")
  if not path then return text end
  return ("%s: %s.%s: %s"):format(file, path, key, text:sub(#file + #key + #id + 9))
end

-- "file: key: text" with the line of the key behind the file.
local function with_line(base, text)
  text = with_path(base, text)
  local file, key = text:match("^([^:%s]+%.json): ([^:%s]+): ")
  local content = file and files.read(base .. "/" .. file)
  local line = content and json_lines.find(content, key)
  return line and ("%s:%d%s"):format(file, line, text:sub(#file + 1)) or text
end

-- Whether a text is one of a list, or one of them with more behind it: a module that raises for its
-- server also raises for the route dictionary.
local function is_said(list, text)
  for _, one in ipairs(list) do
    if text == one or text:sub(1, #one + 2) == one .. "; " then return true end
  end
  return false
end

-- What the checks report: each text once.
local function new_report(base)
  local self = { faults = {}, warnings = {}, files = 0 }
  local paths = {}
  local function put(list, text)
    text = with_line(base, text:gsub("\n", "; "))
    if not is_said(list, text) then list[#list + 1] = text end
  end
  function self.fault(text) put(self.faults, text) end
  function self.warning(text) put(self.warnings, text) end
  function self.looked(path)
    if not paths[path] then self.files = self.files + 1 end
    paths[path] = true
  end
  return self
end

-- The environments to look at.
local function environments(base, wanted)
  if wanted then return { wanted } end
  local found = config.environments(base)
  local usual = os.getenv("NODE_ENV")
  return found or { usual and usual ~= "" and usual or "development" }
end

---Runs all checks.
---@param base string the app's folder
---@param env string|nil the one environment to look at; nil: every one that there is
---@param state string|nil of --state
---@return table report faults, warnings: texts, each once; files: how many were read
function checks.run(base, env, state)
  local report = new_report(base)
  local given = { base = base, envs = environments(base, env), state = state }
  for _, look in ipairs(checks.list) do look(given, report) end
  return report
end

return checks
