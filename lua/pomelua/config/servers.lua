-- servers: reads an app's config folder (Pomelo's files) and checks it. Every
-- error is one line that names the file and the key.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local values = require "pomelua.config.values"

local config = {}

local SERVERS = "config/servers.json"
local ID = core.serverIdMax -- letters of a server's id, all that the bus carries

-- The fields of an entry that the framework reads. A field whose name is nearly one of these is an
-- error; all other fields are the app's own.
local FIELDS = {
  "id", "frontend", "clientPort", "host", "clientHost", "port", "max-connections", "clusterCount",
}

local choose_env, checked, fail = values.choose_env, values.checked, values.fail
local flag_of, is_array, port_of = values.flag_of, values.is_array, values.port_of

-- The key that an entry has in the place of a missing one, as the end of a sentence.
local function instead(entry, field)
  for _, key in ipairs(tables.sorted_keys(entry)) do
    if near.to(key, { field }) then return (" (there is %q)"):format(key) end
  end
  return ""
end

local function warn_fields(name, key, entry, warnings)
  if entry.clientPort ~= nil and entry.frontend == nil then
    warnings[#warnings + 1] = ("%s: %s.clientPort: it is not used: only a server with "
      .. "\"frontend\": true takes clients"):format(name, key)
  end
  if entry.wsPort ~= nil then
    warnings[#warnings + 1] = ("%s: %s.wsPort: it is not used: clientPort takes TCP and WebSocket")
      :format(name, key)
  end
  for _, field in ipairs(tables.sorted_keys(entry)) do
    local meant = near.to(field, FIELDS)
    for _, known in ipairs(FIELDS) do
      if field == known or field == "serverType" or field == "wsPort" then meant = nil end
    end
    if meant and entry[meant] == nil then
      warnings[#warnings + 1] = ("%s: %s.%s: no such key; did you mean %s?")
        :format(name, key, field, meant)
    end
  end
end

local function check_entry(name, key, entry)
  if type(entry.id) ~= "string" or entry.id == "" or entry.id:find("[%c%s]") then
    fail(name, key .. ".id", "must be a name without spaces, got " .. tables.shown(entry.id)
      .. (entry.id == nil and instead(entry, "id") or ""))
  end
  if #entry.id > ID then
    fail(name, key .. ".id", ("must be at most %d letters long, has %d"):format(ID, #entry.id))
  end
  if entry.id == "*" then fail(name, key .. ".id", "\"*\" means every server") end
  if entry.host ~= nil and type(entry.host) ~= "string" then
    fail(name, key .. ".host", "must be a string, got " .. tables.shown(entry.host))
  end
  if entry.clientHost ~= nil and type(entry.clientHost) ~= "string" then
    fail(name, key .. ".clientHost", "must be a string, got " .. tables.shown(entry.clientHost))
  end
  entry.frontend = flag_of(name, key .. ".frontend", entry.frontend)
  if entry.port ~= nil then entry.port = port_of(name, key .. ".port", entry.port) end
  if entry.clientPort ~= nil then
    entry.clientPort = port_of(name, key .. ".clientPort", entry.clientPort)
  elseif entry.frontend then
    fail(name, key .. ".clientPort", "missing; a frontend needs the port for its clients"
      .. instead(entry, "clientPort"))
  end
  local most = entry["max-connections"]
  if most ~= nil then
    if type(most) == "string" then most = tonumber(most) end
    if type(most) ~= "number" or most % 1 ~= 0 or most < 1 then
      fail(name, key .. ".max-connections",
        "must be a whole number from 1, got " .. tables.shown(entry["max-connections"]))
    end
    entry["max-connections"] = most
  end
  if not entry.frontend then entry.frontend = nil end
end

-- {clusterCount: n, port: "3050++"} stands for n entries.
local function expand(name, key, stype, entry, counters)
  local count = entry.clusterCount
  if count == nil then return { entry } end
  if type(count) == "string" then count = tonumber(count) end
  if type(count) ~= "number" or count % 1 ~= 0 or count < 1 or count > 1000 then
    fail(name, key .. ".clusterCount", "must be a whole number from 1 to 1000, got "
      .. tables.shown(entry.clusterCount))
  end
  local copies = {}
  for i = 1, count do
    local copy = {}
    for field, value in pairs(entry) do
      local first = type(value) == "string" and value:match("^(.*)%+%+$")
      if first then
        if not first:match("^%d+$") then
          fail(name, key .. "." .. field,
            "a number must stand before ++, got " .. tables.shown(value))
        end
        copy[field] = tonumber(first) + i - 1
      elseif field ~= "clusterCount" then
        copy[field] = value
      end
    end
    copy.id = ("cluster-server-%s-%d"):format(stype, counters[stype] or 0)
    counters[stype] = (counters[stype] or 0) + 1
    copies[i] = copy
  end
  return copies
end

-- The values of environments are lists of servers; the values of one server are not lists.
local function servers_have_env(whole)
  local found = false
  for _, value in pairs(whole) do
    if type(value) == "table" and not is_array(value) then
      found = true
      if type(value.id) == "string" then return false end
    end
  end
  return found
end

local function check_servers(name, whole, env, warnings)
  local part, prefix = choose_env(name, whole, env, servers_have_env)
  local list, ids, listening, counters = {}, {}, {}, {}
  for _, stype in ipairs(tables.sorted_keys(part)) do
    local entries = part[stype]
    if not stype:match("^[%w_%-]+$") then
      fail(name, prefix .. stype, "a server type is made of letters, digits, _ and -")
    end
    if not is_array(entries) then
      fail(name, prefix .. stype, "must be a list of servers, [ { ... }, ... ]")
    end
    for i, written in ipairs(entries) do
      local key = ("%s%s[%d]"):format(prefix, stype, i - 1)
      if type(written) ~= "table" then fail(name, key, "must be an object") end
      warn_fields(name, key, written, warnings)
      for _, entry in ipairs(expand(name, key, stype, written, counters)) do
        check_entry(name, key, entry)
        entry.serverType = stype
        if ids[entry.id] then
          fail(name, key .. ".id", ("%q is also %s.id"):format(entry.id, ids[entry.id]))
        end
        ids[entry.id] = key
        local port = entry.frontend and entry.clientPort or 0
        if port ~= 0 then
          local where = tostring(entry.host) .. ":" .. port
          if listening[where] then
            fail(name, key .. ".clientPort", ("%d is also %s.clientPort")
              :format(port, listening[where]))
          end
          listening[where] = key
        end
        list[#list + 1] = entry
      end
    end
  end
  if #list == 0 then fail(name, nil, "there is no server in it") end
  return list
end

-- The id of the server that answers HTTP: it needs no handlers. config/web.lua checks the file.
local function http_server(base, env)
  local whole = json_file.read(base, "config/web.json")
  if type(whole) ~= "table" then return nil end
  local part = type(whole[env]) == "table" and whole[env] or whole
  return part.server
end

-- A type whose servers have nothing to run.
local function warn_folders(base, env, name, list, warnings)
  local types, folders = {}, {}
  local http = http_server(base, env)
  for _, entry in ipairs(list) do
    if entry.id == http then types[entry.serverType] = true end
  end
  for _, folder in ipairs(files.list(base .. "/app/servers") or {}) do
    if files.is_folder(base .. "/app/servers/" .. folder) then folders[folder] = true end
  end
  for _, entry in ipairs(list) do
    local stype = entry.serverType
    if not types[stype] and not folders[stype] then
      warnings[#warnings + 1] = ("%s: %s: there is no folder app/servers/%s, so these servers "
        .. "have no handlers and no remotes%s")
        :format(name, stype, stype, near.hint(stype, folders))
    end
    types[stype] = true
  end
end

---All servers of the environment, types in alphabetic order, those of a type as
---the file has them. Ports are numbers, clusterCount is expanded, each entry
---carries its serverType.
---@param base string the app's folder
---@param env string
---@return table[]|nil servers
---@return string|nil message one line with file and key
---@return string[]|nil warnings
function config.servers(base, env)
  local name = SERVERS
  local whole, message = json_file.read(base, name, true)
  if whole == nil and not message then
    name = "config/" .. env .. "/servers.json"
    whole, message = json_file.read(base, name, true)
  end
  if message then return nil, message end
  if whole == nil then
    local there = {}
    for _, one in ipairs(files.list(base .. "/config") or {}) do there[one] = true end
    return nil, SERVERS .. ": there is no such file in " .. base
      .. near.hint("servers.json", there):gsub("mean ", "mean config/")
  end
  local warnings = {}
  local list
  list, message = checked(check_servers, name, whole, env, warnings)
  if list then warn_folders(base, env, name, list, warnings) end
  return list, message, warnings
end

---The environments that an app has servers for.
---@param base string the app's folder
---@return string[]|nil names sorted; nil: the same servers for all, or none
function config.environments(base)
  local whole = json_file.read(base, SERVERS)
  if type(whole) == "table" then
    return servers_have_env(whole) and tables.sorted_keys(whole) or nil
  end
  local names = {}
  for _, name in ipairs(files.list(base .. "/config") or {}) do
    if files.exists(("%s/config/%s/servers.json"):format(base, name)) then
      names[#names + 1] = name
    end
  end
  return names[1] and names or nil
end

local function check_added(entry)
  local where = "add"
  if type(entry) ~= "table" then fail(where, nil, "a server is KEY=VALUE ...") end
  if type(entry.serverType) ~= "string" or not entry.serverType:match("^[%w_%-]+$") then
    fail(where, "serverType", "missing, or not made of letters, digits, _ and -")
  end
  check_entry(where, "server", entry)
  return entry
end

---Checks one server that is added to a running program.
---@param entry table as in servers.json, with its serverType
---@return table|nil entry
---@return string|nil message
function config.added(entry)
  return checked(check_added, entry)
end

---The first server of each type.
---@param servers table[]
---@return table[]
function config.one_of_each(servers)
  local list, seen = {}, {}
  for _, entry in ipairs(servers) do
    if not seen[entry.serverType] then list[#list + 1] = entry end
    seen[entry.serverType] = true
  end
  return list
end

return config
