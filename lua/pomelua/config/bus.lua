-- bus: config/bus.json and `--bus`: the broker that joins the processes of an app, and the name
-- under which they find each other there.
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local values = require "pomelua.config.values"

local fail = values.fail

local bus = {}

local NAME = "config/bus.json"
local KEYS = {
  "ca", "cluster", "creds", "heartbeat", "listMemory", "passwordFile", "timeout", "urls", "user",
}
local SECONDS = { -- least, most, when it is left out
  heartbeat = { 0.05, 60, 1 }, timeout = { 0.1, 3600, 5 },
}
local LISTS = { 2 ^ 20, 2 ^ 32, 2 ^ 26 } -- the same, of listMemory in bytes
local SCHEMES = { nats = true, tls = true }
local PORT = 4222 -- of NATS
local URLS = 16
local PASSWORD = 1024 -- bytes
local LONGEST = 100 -- bytes of a cluster's name

---A text that may be a URL, for people to read, without what may be secret in it: all before its
---last "@", and what is no number in the place of the port, which may be a password whose "@" is
---missing.
---@param text string
---@return string
function bus.masked(text)
  local scheme = text:match("^[%w+]+://") or ""
  local rest, hidden = text:sub(#scheme + 1):gsub("^.*@", "***@")
  if hidden == 0 and scheme ~= "" then
    rest = rest:gsub("^([^:%[]*):(.*)$", function(host, port)
      return not port:find("^%d+/?$") and host .. ":***" or nil
    end)
  end
  return scheme .. rest
end

-- Any value of the file, which may be a URL in the wrong place.
local function shown(value)
  return tables.shown(type(value) == "string" and bus.masked(value) or value)
end

-- One URL, with its port; nil and what is wrong with it.
local function url_of(text)
  local scheme, rest = text:match("^([%w+]+)://(.-)/?$")
  if not scheme then return nil, "must be nats://host:port or tls://host:port" end
  if not SCHEMES[scheme] then
    return nil, ("%s:// is no scheme of the bus; there are nats:// and tls://%s"):format(scheme,
      near.hint(scheme, SCHEMES))
  end
  if rest:find("@", 1, true) then
    return nil, "a name and a password do not belong into the URL, which everybody on the machine "
      .. "can read; write user and passwordFile into " .. NAME
  end
  local host, port = rest:match("^(%[[%x:.]+%])(.*)$")
  if not host then host, port = rest:match("^([%w._-]+)(.*)$") end
  if port == "" then port = ":" .. PORT end
  local number = host and tonumber(port:match("^:(%d+)$"))
  if not number or number < 1 or number > 65535 then
    return nil, "must be nats://host:port or tls://host:port"
  end
  return ("%s://%s:%d"):format(scheme, host, number), nil, scheme
end

-- All URLs of a list; wrong(i, text) ends the check. One connection is either in clear text or by
-- TLS, whichever broker it is to.
local function urls_of(list, wrong)
  local out, first = {}, nil
  for i, text in ipairs(list) do
    if type(text) ~= "string" then wrong(i, "must be a text, got " .. shown(text)) end
    local url, message, scheme = url_of(text)
    if not url then wrong(i, ("%s, got %s"):format(message, shown(text))) end
    first = first or scheme
    if scheme ~= first then
      wrong(i, "all URLs begin with nats://, or all with tls://: what is not encrypted for one "
        .. "broker is for all to read")
    end
    out[i] = url
  end
  return out, first == "tls"
end

-- What an app's folder is called. A link to a release is called alike in many apps, "current" say,
-- so the folder that it stands in is named, too; the release is not, there will be others.
local function folder_name(base)
  local named = base:gsub("/+$", "")
  local parent, last = named:match("^(.*)/([^/]*)$")
  if not parent then return named end
  local above, real = files.absolute(parent .. "/"), files.absolute(named)
  if not above or not real or real == above:gsub("/$", "") .. "/" .. last then return last end
  return parent:match("[^/]*$") .. "/" .. last
end

---The name of a cluster when none is given: the app's folder and the environment. Two pairs of
---these never give one name: the last "-" stands between them. C makes it safe for a subject.
---@param base string the app's folder, as it is called (files.named)
---@param env string
---@return string
function bus.cluster(base, env)
  return folder_name(base) .. "-" .. env:gsub("[-~]", { ["-"] = "~d", ["~"] = "~t" })
end

local function cluster_of(prefix, part, base, env)
  local name = part.cluster
  if name == nil then
    name = bus.cluster(base, env)
    if #name <= LONGEST then return name end
    fail(NAME, prefix .. "cluster", ("missing; the folder's name and the environment would make "
      .. "one of more than %d bytes"):format(LONGEST))
  end
  if type(name) ~= "string" or not name:find("^[%w_-]+$") or #name > 64 then
    fail(NAME, prefix .. "cluster", "must be a name of letters, digits, _ and -, 64 at most, got "
      .. shown(name))
  end
  return name
end

local function text_of(prefix, part, key)
  local value = part[key]
  if value == nil then return nil end
  if type(value) ~= "string" or value == "" or value:find("%c") then
    fail(NAME, prefix .. key, "must be a text, got " .. shown(value))
  end
  return value
end

-- The path of a file that is there.
local function file_of(prefix, part, key, base)
  local name = text_of(prefix, part, key)
  if not name then return nil end
  local path = files.from(base, name)
  local text, message = files.read(path)
  if not text then fail(NAME, prefix .. key, (message:gsub("://.*@", "://***@"))) end
  return path, text
end

-- In milliseconds.
local function seconds_of(prefix, part, key)
  local value, range = part[key], SECONDS[key]
  if value == nil then value = range[3] end
  if type(value) ~= "number" or not (value >= range[1] and value <= range[2]) then
    fail(NAME, prefix .. key, ("must be seconds, %g to %g, got %s"):format(range[1], range[2],
      shown(value)))
  end
  return math.floor(value * 1000 + 0.5)
end

local function list_memory_of(prefix, part)
  local value = part.listMemory
  if value == nil then return LISTS[3] end
  if type(value) ~= "number" or value ~= math.floor(value) or value < LISTS[1]
    or value > LISTS[2] then
    fail(NAME, prefix .. "listMemory", ("must be bytes, %d to %.0f, got %s"):format(LISTS[1],
      LISTS[2], shown(value)))
  end
  return value
end

local function password_of(prefix, part, base)
  local _, text = file_of(prefix, part, "passwordFile", base)
  if not text then return nil end
  local line = text:match("^([^\r\n]*)\r?\n?$")
  if not line or line == "" or #line > PASSWORD or line:find("%z") then
    fail(NAME, prefix .. "passwordFile", ("the file must hold the password alone, in one line of "
      .. "1 to %d bytes"):format(PASSWORD))
  end
  return line
end

-- user and passwordFile need each other; a creds file is the other way to say who this is.
local function account_of(prefix, part, base, out)
  out.user, out.password = text_of(prefix, part, "user"), password_of(prefix, part, base)
  out.creds = file_of(prefix, part, "creds", base)
  if out.user and not out.password then
    fail(NAME, prefix .. "passwordFile", "missing; user needs it")
  elseif out.password and not out.user then
    fail(NAME, prefix .. "user", "missing; passwordFile needs it")
  elseif out.user and out.creds then
    fail(NAME, prefix .. "creds", "must not stand beside user: an account is named once")
  end
end

local function known_keys(prefix, part)
  for _, key in ipairs(tables.sorted_keys(part)) do
    local found = false
    for _, one in ipairs(KEYS) do found = found or one == key end
    if not found then
      fail(NAME, prefix .. bus.masked(tostring(key)), ("no such key; there are %s%s")
        :format(table.concat(KEYS, ", "), near.hint(key, KEYS)))
    end
  end
end

local function has_env(whole)
  if whole.urls ~= nil then return false end
  for _, value in pairs(whole) do
    if type(value) ~= "table" then return false end
  end
  return next(whole) ~= nil
end

-- The part of the environment; nil: the file has others only, so this one runs without a bus.
local function part_of(whole, env)
  if whole == nil then return nil end
  if type(whole) == "table" and not values.is_array(whole) and has_env(whole)
    and whole[env] == nil then return nil end
  return values.choose_env(NAME, whole, env, has_env)
end

-- given: the URLs of --bus, or nil.
local function check(base, env, whole, given)
  local part, prefix = part_of(whole, env)
  if not part and not given then return nil end
  part, prefix = part or {}, prefix or ""
  known_keys(prefix, part)
  local out = {}
  local secure
  if given then
    out.urls, secure = urls_of(given, function(_, text) fail("--bus", nil, text) end)
  else
    if part.urls == nil then fail(NAME, prefix .. "urls", "missing") end
    if not values.is_array(part.urls) or #part.urls < 1 or #part.urls > URLS then
      fail(NAME, prefix .. "urls", ("must be a list of 1 to %d URLs, got %s"):format(URLS,
        values.is_array(part.urls) and #part.urls or shown(part.urls)))
    end
    out.urls, secure = urls_of(part.urls, function(i, text)
      fail(NAME, ("%surls[%d]"):format(prefix, i - 1), text)
    end)
  end
  out.cluster = cluster_of(prefix, part, base, env)
  account_of(prefix, part, base, out)
  out.ca = file_of(prefix, part, "ca", base)
  if out.ca and not secure then
    fail(NAME, prefix .. "ca", "is of use with tls:// URLs only; these are nats://, in clear text")
  end
  out.heartbeat = seconds_of(prefix, part, "heartbeat")
  out.timeout = seconds_of(prefix, part, "timeout")
  out.listMemory = list_memory_of(prefix, part)
  if out.timeout < 2 * out.heartbeat then
    fail(NAME, prefix .. "timeout", ("must be two heartbeats at least, %g seconds: one that is "
      .. "late is no server that is gone"):format(2 * out.heartbeat / 1000))
  end
  return out
end

---The bus of an app.
---@param base string the app's folder
---@param env string
---@param given string|nil of --bus: URLs with commas between them, in the place of the file's
---@return table|nil options for core.run's field `bus`; nil without a message: one process runs
---the whole app. Times are milliseconds
---@return string|nil message one line with file and key
function bus.read(base, env, given)
  local whole, message = json_file.read(base, NAME, true)
  if whole == nil and message then return nil, message end
  local list
  if given then
    list = {}
    for url in given:gmatch("[^,]+") do list[#list + 1] = url end
    if #list < 1 or #list > URLS then
      return nil, ("--bus: must be 1 to %d URLs, nats://host:port[,…]"):format(URLS)
    end
  end
  return values.checked(check, base, env, whole, list)
end

---The file for `pomelua check`, in every environment of servers.json.
---@param base string the app's folder
---@param envs string[]
---@param fault fun(text: string)
---@param warning fun(text: string)
function bus.check(base, envs, fault, warning)
  local whole = json_file.read(base, NAME, true)
  if whole == nil then return end
  local known = {}
  for _, env in ipairs(envs) do
    known[env] = true
    local _, message = bus.read(base, env)
    if message then fault(message) end
  end
  if type(whole) ~= "table" or values.is_array(whole) or not has_env(whole) then return end
  for _, env in ipairs(tables.sorted_keys(whole)) do
    if not known[env] then
      warning(("%s: %s: config/servers.json has no environment of this name%s"):format(NAME,
        bus.masked(tostring(env)), near.hint(env, envs)))
    end
  end
end

return bus
