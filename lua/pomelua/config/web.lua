-- web: config/web.json, the page server of a program.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local servers = require "pomelua.config.servers"
local tables = require "pomelua.base.tables"
local values = require "pomelua.config.values"

local fail = values.fail

local web = {}

local NAME = "config/web.json"
local KEYS = {
  "cert", "connections", "headers", "health", "host", "http", "idleTime", "key", "leastRate",
  "perAddress", "port", "requestTime", "root", "server", "trustedProxies",
}
local OF_ADDRESS = { "connections", "loopback", "perSecond" }
local NUMBERS = { -- least, most
  connections = { 1, 65536 }, requestTime = { 100, 3600000 }, idleTime = { 100, 3600000 },
  leastRate = { 1, 1048576 },
}
local OF_HTTP = { "host", "maxAnswer", "maxBody", "maxWaiting", "port", "timeout" }
local HTTP = { -- least, most, default; the defaults are those of core/host/web_calls
  maxAnswer = { 1024, 67108864, 1048576 }, maxBody = { 1, 16777216, 65536 },
  maxWaiting = { 1, 65536, 256 }, timeout = { 100, 600000, 10000 },
}
-- What the server alone knows about an answer.
local OURS = {
  ["accept-ranges"] = true, allow = true, connection = true, ["content-encoding"] = true,
  ["content-length"] = true, ["content-range"] = true, ["content-type"] = true, date = true,
  etag = true, ["keep-alive"] = true, ["last-modified"] = true, location = true,
  ["retry-after"] = true, trailer = true, ["transfer-encoding"] = true, upgrade = true,
  vary = true,
}
-- Folders of an app that no client may read.
local PRIVATE = { "app", "config", "spec", ".pomelua" }

local function has_env(whole)
  for _, value in pairs(whole) do
    if type(value) ~= "table" then return false end
  end
  return next(whole) ~= nil
end

local function known_keys(prefix, part, known)
  for _, key in ipairs(tables.sorted_keys(part)) do
    local found = false
    for _, one in ipairs(known) do found = found or one == key end
    if not found then
      fail(NAME, prefix .. tostring(key), ("no such key; there are %s%s")
        :format(table.concat(known, ", "), near.hint(key, known)))
    end
  end
end

local function text_of(prefix, part, key, otherwise)
  local value = part[key]
  if value == nil then return otherwise end
  if type(value) ~= "string" or value == "" then
    fail(NAME, prefix .. key, "must be a text, got " .. tables.shown(value))
  end
  return value
end

local function number_of(key, value, least, most)
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
    fail(NAME, key, ("must be a whole number, %d to %d, got %s")
      :format(least, most, tables.shown(value)))
  end
  return value
end

local function root_of(base, prefix, part)
  if part.root == false then return false end
  local root = text_of(prefix, part, "root", "web")
  local path = files.absolute(files.from(base, root))
  if not path or not files.is_folder(path) then
    fail(NAME, prefix .. "root", "there is no folder " .. tables.shown(root))
  end
  -- The app's own folder, or one around it, would publish its scripts and configuration.
  local own = files.absolute(base)
  if own and (own == path or own:sub(1, #path + 1) == path .. "/" or path == "/") then
    fail(NAME, prefix .. "root", ("%s holds the app itself: its scripts and its configuration "
      .. "would be served; put the pages into a folder such as \"web\""):format(tables.shown(root)))
  end
  for _, private in ipairs(PRIVATE) do
    if own and (path .. "/"):sub(1, #own + #private + 2) == own .. "/" .. private .. "/" then
      fail(NAME, prefix .. "root", ("%s is a folder of the app's own scripts or configuration"
        .. "; put the pages into a folder such as \"web\""):format(tables.shown(root)))
    end
  end
  return path
end

-- One header of the table; `removed`: it is to be left out.
local function header_of(prefix, name, value)
  local key = prefix .. "headers." .. name
  if not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
    fail(NAME, key, "this is no name of an HTTP header")
  end
  if OURS[name:lower()] then
    fail(NAME, key, "the server sets this header itself, as each file needs it")
  end
  if value == false then return { name, false } end
  if type(value) ~= "string" or value:find("[%z\1-\8\10-\31\127-\255]") then
    fail(NAME, key, "must be a text in ASCII without line breaks, or false, which leaves the "
      .. "header out; got " .. tables.shown(value))
  end
  return { name, value }
end

local function headers_of(prefix, part)
  local given, list, seen = part.headers, {}, {}
  if given == nil then return list end
  if type(given) ~= "table" or given[1] ~= nil then
    fail(NAME, prefix .. "headers", "must be an object of names and values, got "
      .. tables.shown(given))
  end
  for _, name in ipairs(tables.sorted_keys(given)) do
    if seen[name:lower()] then
      fail(NAME, prefix .. "headers." .. name, "the header stands here twice, in other letters")
    end
    seen[name:lower()] = true
    list[#list + 1] = header_of(prefix, name, given[name])
  end
  return list
end

-- perAddress; infinity: no limit.
local function address_limits(prefix, part, out)
  local given = part.perAddress
  if given == nil then return end
  if given == false then
    out.perAddress, out.perSecond = math.huge, math.huge
    return
  end
  prefix = prefix .. "perAddress"
  if type(given) ~= "table" then
    fail(NAME, prefix, "must be an object, or false for no limits, got " .. tables.shown(given))
  end
  known_keys(prefix .. ".", given, OF_ADDRESS)
  for key, as in pairs { connections = "perAddress", perSecond = "perSecond" } do
    local value = given[key]
    if value == false then
      out[as] = math.huge
    elseif value ~= nil then
      out[as] = number_of(prefix .. "." .. key, value, 1, 65536)
    end
  end
  if given.loopback ~= nil and type(given.loopback) ~= "boolean" then
    fail(NAME, prefix .. ".loopback", "must be true or false, got " .. tables.shown(given.loopback))
  end
  out.loopback = given.loopback
end

local function proxies_of(prefix, part)
  local given = part.trustedProxies
  if given == nil then return nil end
  if type(given) ~= "table" or next(given) ~= nil and given[1] == nil then
    fail(NAME, prefix .. "trustedProxies", "must be a list of addresses and networks such as "
      .. "\"10.0.0.0/8\", got " .. tables.shown(given))
  end
  for i, one in ipairs(given) do
    local ok, message = core.network(type(one) == "string" and one or "")
    if not ok then
      fail(NAME, ("%strustedProxies[%d]"):format(prefix, i - 1),
        type(one) == "string" and message or "must be a text, got " .. tables.shown(one))
    end
  end
  return given
end

-- The server that answers the routes of app:http, and their limits.
local function http_of(base, env, prefix, part)
  local id, given = part.server, part.http
  if id == nil and given == nil then return nil end
  if id == nil then
    fail(NAME, prefix .. "server", 'missing; http needs the id of a server, such as "web-1"')
  end
  local ids = {}
  for _, entry in ipairs(servers.servers(base, env) or {}) do ids[entry.id] = true end
  if next(ids) and not (type(id) == "string" and ids[id]) then
    fail(NAME, prefix .. "server", ("there is no server %s in config/servers.json%s")
      :format(tables.shown(id), near.hint(id, ids)))
  end
  if given ~= nil and (type(given) ~= "table" or given[1] ~= nil) then
    fail(NAME, prefix .. "http", "must be an object, got " .. tables.shown(given))
  end
  given, prefix = given or {}, prefix .. "http."
  known_keys(prefix, given, OF_HTTP)
  local out = { server = id }
  for key, range in pairs(HTTP) do
    local value = given[key]
    out[key] = value == nil and range[3] or number_of(prefix .. key, value, range[1], range[2])
  end
  if given.port ~= nil then
    out.port = values.port_of(NAME, prefix .. "port", given.port)
    out.host = text_of(prefix, given, "host", "127.0.0.1")
  elseif given.host ~= nil then
    fail(NAME, prefix .. "host", "needs http.port: without it the routes have the page's port")
  end
  return out
end

-- cert and key, which need each other.
local function pair_of(base, prefix, part, out, report)
  out.cert, out.key = text_of(prefix, part, "cert"), text_of(prefix, part, "key")
  if not out.cert and not out.key then return end
  for key, other in pairs { cert = "key", key = "cert" } do
    if not out[key] then fail(NAME, prefix .. key, ("missing; %s needs it"):format(other)) end
  end
  out.base = base
  local ok, message = core.webPair { cert = out.cert, key = out.key, base = base,
    strict = report ~= nil }
  if not ok and report then
    report(("%s: %s%s"):format(NAME, prefix, message))
  elseif not ok then
    fail(NAME, nil, prefix .. message)
  end
end

-- Every address of the machine: no other one has the port besides it.
local ANY = { ["0.0.0.0"] = true, ["::"] = true }

local function check_ports(prefix, out)
  local http = out.http
  if not http or http.port ~= out.port or out.port == 0 then return end
  if http.host == out.host or ANY[http.host] or ANY[out.host] then
    fail(NAME, prefix .. "http.port", ("%d is the page's port; without http.port the routes have "
      .. "it, too"):format(http.port))
  end
end

-- report: see web.check; nil at a start, which is refused by what cannot be served.
local function check(base, whole, env, report)
  local part, prefix = values.choose_env(NAME, whole, env, has_env)
  known_keys(prefix, part, KEYS)
  if part.port == nil then fail(NAME, prefix .. "port", "missing") end
  local out = { port = values.port_of(NAME, prefix .. "port", part.port) }
  out.host = text_of(prefix, part, "host", "0.0.0.0")
  out.root = root_of(base, prefix, part)
  out.headers = headers_of(prefix, part)
  if part.health ~= nil and type(part.health) ~= "boolean" then
    fail(NAME, prefix .. "health", "must be true or false, got " .. tables.shown(part.health))
  end
  out.health = part.health
  for key, range in pairs(NUMBERS) do
    local value = part[key]
    if value ~= nil then out[key] = number_of(prefix .. key, value, range[1], range[2]) end
  end
  address_limits(prefix, part, out)
  out.proxies = proxies_of(prefix, part)
  pair_of(base, prefix, part, out, report)
  out.http = http_of(base, env, prefix, part)
  check_ports(prefix, out)
  return out
end

local function read(base, env, report)
  local whole, message = json_file.read(base, NAME, true)
  if whole == nil then return nil, message end
  return values.checked(check, base, whole, env, report)
end

---config/web.json: the page server.
---@param base string the app's folder
---@param env string
---@return table|nil options for core.run's field `web`; nil without a message: not wanted
---@return string|nil message one line with file and key
function web.read(base, env) return read(base, env, nil) end

local function only_http(base, whole, env)
  local part, prefix = values.choose_env(NAME, whole, env, has_env)
  local out = http_of(base, env, prefix, part)
  if not out then
    fail(NAME, prefix .. "server", 'missing; app:http needs the id of a server, such as "web-1"')
  end
  return out
end

---What config/web.json says about the routes of app:http.
---@param base string the app's folder
---@param env string
---@return table|nil options server = its id, timeout = ms, maxBody, maxAnswer = bytes, maxWaiting
---@return string|nil message one line with file and key
function web.http(base, env)
  local whole, message = json_file.read(base, NAME, true)
  if message then return nil, message end
  if whole == nil then
    return nil, NAME .. ': there is no such file; app:http needs its keys port and server: '
      .. '{ "port": 3001, "server": "web-1" }'
  end
  return values.checked(only_http, base, whole, env)
end

---config/web.json for `pomelua check`, which also wants a certificate to be valid today.
---@param base string the app's folder
---@param env string
---@param report fun(fault: string)
function web.check(base, env, report)
  local _, message = read(base, env, report)
  if message then report(message) end
end

return web
