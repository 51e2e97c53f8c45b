-- servers: reads an app's config folder (Pomelo's files) and checks it. Every
-- error is one line that names the file and the key.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local config = {}

local SERVERS = "config/servers.json"
local ID = core.serverIdMax -- letters of a server's id, all that the bus carries

-- What an entry may hold besides what is the app's own: what is nearly one of these is
-- taken for a mistake.
local FIELDS = {
  "id", "frontend", "clientPort", "host", "clientHost", "port", "max-connections", "clusterCount",
}

local function is_array(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local fail_mt = { __tostring = function(f) return f.text end }
local function fail(file, key, text)
  error(setmetatable({ text = file .. ": " .. (key and key .. ": " or "") .. text }, fail_mt), 0)
end

-- Runs fn; a fail() inside becomes nil, message.
local function checked(fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then return value end
  if getmetatable(value) == fail_mt then return nil, value.text end
  error(value, 0)
end

-- The part for this environment: {env: {...}}, or the file without that level.
-- The values of a file with environments are objects, those of one without are not.
local function choose_env(name, whole, env, has_env)
  if type(whole) ~= "table" or is_array(whole) and next(whole) ~= nil then
    fail(name, nil, "must be an object")
  end
  if not has_env(whole) then return whole, "" end
  for _, key in ipairs(tables.sorted_keys(whole)) do
    if is_array(whole[key]) and next(whole[key]) ~= nil then
      fail(name, key, "must not be beside environments; write it into each of them")
    end
  end
  local part = whole[env]
  if part == nil then
    fail(name, nil, ("no environment %q (there are: %s%s)")
      :format(env, table.concat(tables.sorted_keys(whole), ", "), near.hint(env, whole)))
  end
  if type(part) ~= "table" then fail(name, env, "must be an object") end
  return part, env .. "."
end

local function port_of(name, key, value)
  local port = type(value) == "string" and value:match("^%d+$") and tonumber(value) or value
  if type(port) ~= "number" or port % 1 ~= 0 or port < 0 or port > 65535 then
    fail(name, key, "must be a port, 0 to 65535, got " .. tables.shown(value))
  end
  return port
end

local function flag_of(name, key, value)
  if value == nil or value == false or value == "false" then return false end
  if value == true or value == "true" then return true end
  fail(name, key, "must be true or false, got " .. tables.shown(value))
end

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
  for _, field in ipairs(tables.sorted_keys(entry)) do
    local meant = near.to(field, FIELDS)
    for _, known in ipairs(FIELDS) do
      if field == known or field == "serverType" then meant = nil end
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

-- The values of environments are lists of servers; a server's own are not.
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

-- A type whose servers have nothing to run.
local function warn_folders(base, name, list, warnings)
  local types, folders = {}, {}
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
  return types
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
  if list then warn_folders(base, name, list, warnings) end
  return list, message, warnings
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

local WEB = { "port", "host", "root" }

local function web_has_env(whole)
  for _, value in pairs(whole) do
    if type(value) ~= "table" then return false end
  end
  return next(whole) ~= nil
end

local function check_web(base, name, whole, env)
  local part, prefix = choose_env(name, whole, env, web_has_env)
  for _, key in ipairs(tables.sorted_keys(part)) do
    if key ~= "port" and key ~= "host" and key ~= "root" then
      fail(name, prefix .. key, "no such key; there are port, host and root" .. near.hint(key, WEB))
    end
  end
  if part.port == nil then fail(name, prefix .. "port", "missing") end
  local port = port_of(name, prefix .. "port", part.port)
  local host = part.host == nil and "0.0.0.0" or part.host
  if type(host) ~= "string" then
    fail(name, prefix .. "host", "must be a string, got " .. tables.shown(host))
  end
  local root = part.root == nil and "web" or part.root
  if type(root) ~= "string" then
    fail(name, prefix .. "root", "must be a folder, got " .. tables.shown(root))
  end
  local path = files.absolute(root:sub(1, 1) == "/" and root or base .. "/" .. root)
  if not path or not files.is_folder(path) then
    fail(name, prefix .. "root", "there is no folder " .. tables.shown(root))
  end
  -- The app's own folder, or one around it, would hand out its scripts and configuration.
  local own = files.absolute(base)
  if own and (own == path or own:sub(1, #path + 1) == path .. "/" or path == "/") then
    fail(name, prefix .. "root", ("%s holds the app itself: its scripts and its configuration "
      .. "would be served; put the pages into a folder such as \"web\""):format(tables.shown(root)))
  end
  for _, private in ipairs { "app", "config", "spec", ".pomelua" } do
    if own and (path == own .. "/" .. private or path:sub(1, #own + #private + 2) == own .. "/"
      .. private .. "/") then
      fail(name, prefix .. "root", ("%s is a folder of the app's own scripts or configuration"
        .. "; put the pages into a folder such as \"web\""):format(tables.shown(root)))
    end
  end
  return { host = host, port = port, root = path }
end

---config/web.json: where plain files are served.
---@param base string
---@param env string
---@return table|nil web {host, port, root}; nil without a message: not wanted
---@return string|nil message
function config.web(base, env)
  local name = "config/web.json"
  local whole, message = json_file.read(base, name, true)
  if whole == nil then return nil, message end
  return checked(check_web, base, name, whole, env)
end

return config
