-- crons: reads and checks config/crons.json (protocol 20): {env: {type: [entry]}}, or without the
-- level of environments; when there is no such file, config/<env>/crons.json. An entry is
-- {id, time, action, serverId?}. Every error names the file, the line and the key.
local cron_time = require "pomelua.base.cron_time"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local json_lines = require "pomelua.base.json_lines"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local crons = {}

local FIELDS = { "id", "time", "action", "serverId" }

---The files that may have the crons of an environment; the first that is there counts.
---@param env string
---@return string[] paths from the app's folder
function crons.paths(env)
  return { "config/crons.json", "config/" .. env .. "/crons.json" }
end

-- An empty array has the mark that the reader of JSON gives it.
local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil
    or next(value) == nil and getmetatable(value) ~= nil)
end

-- One run over a file: file, text, faults and warnings ({file=, line=, key=, text=}). Elements of
-- arrays are counted from 0 in keys, as JSON counts them.
local function note(self, list, path, text)
  local parts = {}
  for _, key in ipairs(path) do
    if type(key) == "number" then
      parts[#parts] = ("%s[%d]"):format(parts[#parts] or "", key - 1)
    else
      parts[#parts + 1] = key
    end
  end
  local key = table.concat(parts, ".")
  list[#list + 1] = {
    file = self.file, line = json_lines.find(self.text, key) or 1, text = text,
    key = key ~= "" and key or nil,
  }
end

local function fault(self, path, text, ...) note(self, self.faults, path, text:format(...)) end
local function warn(self, path, text, ...) note(self, self.warnings, path, text:format(...)) end

local function with(path, ...)
  local longer = {}
  for i, key in ipairs(path) do longer[i] = key end
  for i = 1, select("#", ...) do longer[#longer + 1] = (select(i, ...)) end
  return longer
end

-- An id as text: 7 and "7" are the same.
local function id_of(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  if type(value) == "string" and value ~= "" then return value end
end

---Checks one entry, of the file or of app:addCrons.
---@param entry any
---@param given table servers: those of the type by id; actions: known ones by name, nil: not known;
---runs: the server is up, and another one that it has not heard of is no fault
---@param tell fun(key: string|nil, text: string, warning: boolean|nil) called for each fault, and
---for each warning
---@return table|nil cron {id=, time=, spec=, action=, serverId=}
function crons.entry(entry, given, tell)
  if type(entry) ~= "table" or is_list(entry) and #entry > 0 then
    tell(nil, "must be an object with id, time and action, got " .. tables.shown(entry))
    return nil
  end
  local good = true
  local function wrong(key, text)
    good = false
    tell(key, text)
  end
  for _, key in ipairs(tables.sorted_keys(entry)) do
    local meant = rawget(entry, key) ~= nil and near.to(key, FIELDS, 2)
    if meant and entry[meant] == nil then
      wrong(key, ("no such key; did you mean %s?"):format(meant))
    end
  end
  local id = id_of(entry.id)
  if not id then wrong("id", "must be a number or a text, got " .. tables.shown(entry.id)) end
  local spec, message = cron_time.parse(entry.time)
  if not spec then wrong("time", message) end
  local action = entry.action
  if type(action) ~= "string" or not action:find("^[^.]+%.[^.]+$") then
    wrong("action", 'must be "file.method" of a file in the type\'s folder cron, got '
      .. tables.shown(action))
  elseif given.actions and not given.actions[action] then
    wrong("action", ("there is no cron %q: no such file in the type's folder cron, or no such "
      .. "function in it%s"):format(action, near.hint(action, given.actions)))
  end
  local server = entry.serverId
  if server ~= nil and (type(server) ~= "string" or not given.servers[server]) then
    local text = ("%s is no server of this type%s"):format(tables.shown(server),
      near.hint(server, given.servers))
    if given.runs and type(server) == "string" then
      tell("serverId", text, true)
    else
      wrong("serverId", text)
    end
  end
  if not good then return nil end
  return { id = id, time = entry.time, spec = spec, action = action, serverId = server }
end

local function each_entry(self, path, list, given)
  local found, seen = {}, {}
  if not is_list(list) then
    fault(self, path, "must be an array of crons, got %s", tables.shown(list))
    return found
  end
  for i, entry in ipairs(list) do
    local here = with(path, i)
    local cron = crons.entry(entry, given, function(key, text, warning)
      (warning and warn or fault)(self, key and with(here, key) or here, "%s", text)
    end)
    if cron and seen[cron.id] then
      warn(self, with(here, "id"), "%q is also that of %s[%d]; this one is ignored", cron.id,
        path[#path], seen[cron.id] - 1)
    elseif cron then
      seen[cron.id] = i
      found[#found + 1] = cron
    end
  end
  return found
end

-- Whether a value is the part of an environment: lists by type, and not a cron without its list.
local function is_env(value)
  if type(value) ~= "table" or is_list(value) then return false end
  for _, one in pairs(value) do
    if type(one) ~= "table" then return false end
  end
  return true
end

-- The part of an environment, and the path to it.
local function part_of(self, value, env)
  if type(value) ~= "table" or is_list(value) then
    fault(self, {}, "must be an object, got %s", tables.shown(value))
    return {}, {}
  end
  local has_env = false
  for _, one in pairs(value) do has_env = has_env or is_env(one) end
  if not has_env then return value, {} end
  local part = value[env]
  if part == nil then
    local meant = near.to(env, value)
    if meant then warn(self, { meant }, "the environment is %s: are these its crons?", env) end
    return {}, {}
  elseif type(part) ~= "table" then
    fault(self, { env }, "must be an object, got %s", tables.shown(part))
    return {}, {}
  end
  return part, { env }
end

---The crons of one server type in a file that has been decoded.
---@param file string its name, for messages
---@param text string
---@param value any what it holds
---@param given table env, type; servers: those of the type by id; actions, runs: as of crons.entry
---@return table[] crons those that are right, each as of crons.entry
---@return table[] faults {file=, line=, key=, text=}
---@return table[] warnings the same
function crons.read(file, text, value, given)
  local self = { file = file, text = text, faults = {}, warnings = {} }
  local part, path = part_of(self, value, given.env)
  local list = part[given.type]
  local found = list == nil and {} or each_entry(self, with(path, given.type), list, given)
  return found, self.faults, self.warnings
end

---A fault as one line: "config/crons.json:7: development.chat[1].time: …".
---@param one table
---@return string
function crons.told(one)
  return ("%s:%d: %s%s"):format(one.file, one.line, one.key and one.key .. ": " or "", one.text)
end

-- --- for `pomelua check` ----------------------------------------------------------------------

-- The files of a type's folder cron, without their functions.
local function cron_files(base, stype)
  local names = {}
  local folder = base .. "/app/servers/" .. stype .. "/cron"
  for _, name in ipairs(files.is_folder(folder) and files.list(folder) or {}) do
    local stem = name:match("^([^/.][^/]*)%.[lL][uU][aA]$")
    if stem then names[stem] = true end
  end
  return names
end

-- Entries of a type whose file is not there. A module may give itself another name.
local function check_files(self, base, stype, path, list)
  local names = cron_files(base, stype)
  for i, entry in ipairs(list) do
    local stem = type(entry) == "table" and type(entry.action) == "string"
      and entry.action:match("^([^.]+)%.")
    if stem and not names[stem] then
      warn(self, with(path, i, "action"), "there is no file app/servers/%s/cron/%s.lua%s", stype,
        stem, near.hint(stem, names))
    end
  end
end

---Reads and checks the file of an environment, for all server types. Nothing is loaded.
---@param base string the app's folder
---@param env string
---@param by_type table<string, table[]> entries of servers.json
---@return table[] faults {file=, line=, key=, text=}
---@return table[] warnings the same
function crons.check(base, env, by_type)
  for _, path in ipairs(crons.paths(env)) do
    local value, message = json_file.read(base, path, true)
    if message then
      local line, text = message:match("^[^:]*:(%d+): (.*)$")
      text = text or message:gsub("^[^:]*: ", "")
      return { { file = path, line = tonumber(line) or 1, text = text } }, {}
    elseif value ~= nil then
      local self = { file = path, text = files.read(base .. "/" .. path), faults = {},
        warnings = {} }
      local part, at = part_of(self, value, env)
      for _, stype in ipairs(tables.sorted_keys(part)) do
        local here = with(at, stype)
        local servers = {}
        for _, entry in ipairs(by_type[stype] or {}) do servers[entry.id] = entry end
        if not by_type[stype] then
          warn(self, here, "there is no server type %s%s", stype, near.hint(stype, by_type))
        else
          each_entry(self, here, part[stype], { servers = servers })
          if is_list(part[stype]) then check_files(self, base, stype, here, part[stype]) end
        end
      end
      return self.faults, self.warnings
    end
  end
  return {}, {}
end

return crons
