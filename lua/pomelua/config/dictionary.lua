-- dictionary: the route dictionary of an app (protocol 10): the routes of its handler modules and
-- those of config/dictionary.json get numbers, as Pomelo gives them, or as
-- config/dictionary.lock.json has them.
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local json_file = require "pomelua.base.json_file"
local tables = require "pomelua.base.tables"

local dictionary = {}

local FILE = "config/dictionary.json"
local LOCK = "config/dictionary.lock.json"
local MOST = 65535 -- numbers of 16 bits, from 1 on
local ROUTE_MAX = 255 -- bytes

dictionary.LOCK = LOCK

local CURE = "; for the route dictionary (connectorConfig.useDict) every handler module is run once"
  .. " before the servers start, with an app that does nothing: do this in a handler or in"
  .. " lifecycle.lua, or leave useDict out"

---What an app's scripts may take in a throw-away state, when no server's settings say it.
dictionary.LIMITS = { ms = 5000, mib = 1024 }

-- Routes ---------------------------------------------------------------------------------

-- JavaScript sorts by UTF-16 units: what is above U+FFFF stands before U+E000. "\237\255" stands
-- there, too, and occurs in no UTF-8.
local function sort_key(route) return (route:gsub("[\240-\244]", "\237\255%0")) end

local function sorted(routes)
  local list, keys = {}, {}
  for _, route in ipairs(routes) do
    if not keys[route] then
      keys[route] = sort_key(route)
      list[#list + 1] = route
    end
  end
  table.sort(list, function(a, b) return keys[a] < keys[b] end)
  return list
end

local function of_handlers(base, types, limits)
  local text, message = core.scratch("pomelua.live.route_names",
    json.encode { base = base, types = json.array(types) }, limits.ms, limits.mib)
  local found = text and json.decode(text) or { failed = message }
  if found.failed then return nil, found.failed .. CURE end
  for _, route in ipairs(found.routes) do
    if #route > ROUTE_MAX then
      return nil, ("the handler route %s cannot be sent: a route has at most %d bytes")
        :format(tables.shown(route), ROUTE_MAX)
    end
  end
  return sorted(found.routes)
end

-- The file of the app's own routes: its name and what is in it; nil without a message: there is
-- none.
local function read_own(base, env, path)
  if not path then
    local value, message = json_file.read(base, FILE)
    if value ~= nil or message then return FILE, value, message end
    local name = "config/" .. env .. "/dictionary.json"
    value, message = json_file.read(base, name)
    return name, value, message
  end
  local inside = path:sub(1, #base + 1) == base .. "/" and path:sub(#base + 2) or path
  local absolute = inside:sub(1, 1) == "/"
  local value, message = json_file.read(absolute and "" or base, (inside:gsub("^/+", "")))
  if value == nil and not message then
    message = "dictionaryConfig.dict: there is no file " .. path
  end
  return inside, value, message
end

local function of_file(base, env, path)
  local name, value, message = read_own(base, env, path)
  if message then return nil, message end
  if value == nil then return {} end
  if type(value) ~= "table" or value[1] == nil and next(value) ~= nil then
    return nil, name .. ': must be a list of routes, [ "onChat", "onAdd" ]'
  end
  for i, route in ipairs(value) do
    if type(route) ~= "string" or route == "" or #route > ROUTE_MAX then
      return nil, ("%s: [%d]: must be a route, a string of 1 to %d bytes, got %s")
        :format(name, i - 1, ROUTE_MAX, tables.shown(route))
    end
  end
  return value
end

-- Numbers --------------------------------------------------------------------------------

---Reads the lock file.
---@param base string the app's folder
---@return table<number, string>|nil lock routes by number; empty when there is no such file
---@return string|nil message
---@return boolean there whether there is a lock file
function dictionary.read_lock(base)
  local value, message = json_file.read(base, LOCK, true)
  if message then return nil, message, true end
  if value == nil then return {}, nil, false end
  if type(value) ~= "table" or value[1] ~= nil then
    return nil, LOCK .. ': must be an object, { "1": "chat.chatHandler.send" }', true
  end
  local lock = {}
  for _, key in ipairs(tables.sorted_keys(value)) do
    local number = tostring(key):match("^[1-9]%d*$") and tonumber(key)
    local route = value[key]
    if not number or number > MOST then
      return nil, ("%s: %s: must be a number from 1 to %d"):format(LOCK, tostring(key), MOST), true
    elseif type(route) ~= "string" or route == "" or #route > ROUTE_MAX then
      return nil, ("%s: %s: must be a route, a string of 1 to %d bytes, got %s")
        :format(LOCK, key, ROUTE_MAX, tables.shown(route)), true
    end
    lock[number] = route
  end
  return lock, nil, true
end

-- Each occurrence of a route takes the next of its numbers in the lock file; what has none there
-- gets a number above all of them.
local function number(routes, lock)
  local kept, last = {}, 0
  for _, code in ipairs(tables.sorted_keys(lock)) do
    local route = lock[code]
    kept[route] = kept[route] or {}
    table.insert(kept[route], code)
    last = math.max(last, code)
  end
  local codes, new = {}, {}
  for i, route in ipairs(routes) do
    local code = kept[route] and table.remove(kept[route], 1)
    if not code then
      last = last + 1
      code = last
      new[#new + 1] = route
    end
    codes[i] = code
  end
  return codes, new, last
end

local function too_many(count, last)
  if count > MOST then
    return ("the route dictionary has %d routes, and a message has room for %d numbers: take some"
      .. " out of %s"):format(count, MOST, FILE)
  end
  return ("%s: its numbers go up to %d with those that are new, and a message has room for %d;"
    .. " numbers of routes that are gone are kept: remove the file and run `pomelua dict`, which"
    .. " numbers anew"):format(LOCK, last, MOST)
end

---@class pomelua.Routes
---@field routes string[] those of handlers, sorted as JavaScript does, then those of the file
---@field codes number[] the number of each
---@field new string[] those that have no number in the lock file
---@field lock table<number, string> what the lock file has
---@field locked boolean whether there is a lock file

---Finds the routes of an app and their numbers.
---@param base string the app's folder
---@param env string
---@param types string[] the server types of servers.json
---@param path string|nil dictionaryConfig.dict, in the place of config/dictionary.json
---@param limits table|nil {ms =, mib =}: what running the handler modules may take
---@return pomelua.Routes|nil
---@return string|nil message one line with the file
function dictionary.routes(base, env, types, path, limits)
  local own, lock, message, locked
  own, message = of_file(base, env, path)
  if not own then return nil, message end
  lock, message, locked = dictionary.read_lock(base)
  if not lock then return nil, message end
  local routes
  routes, message = of_handlers(base, types, limits or dictionary.LIMITS)
  if not routes then return nil, message end
  for _, route in ipairs(own) do routes[#routes + 1] = route end
  local codes, new, last = number(routes, lock)
  if #routes > MOST or last > MOST then return nil, too_many(#routes, last) end
  return { routes = routes, codes = codes, new = new, lock = lock, locked = locked }
end

---The types of a list of servers, sorted.
---@param servers table[] entries with their serverType
---@return string[]
function dictionary.types(servers)
  local types = {}
  for _, entry in ipairs(servers) do types[entry.serverType] = true end
  return tables.sorted_keys(types)
end

-- The lock file's text -------------------------------------------------------------------

---The text of a lock file that has every number: those it had, and the new ones.
---@param found pomelua.Routes
---@return string text
---@return number gone how many numbers belong to routes that are gone
function dictionary.lock_text(found)
  local all, used = {}, {}
  for code, route in pairs(found.lock) do all[code] = route end
  for i, route in ipairs(found.routes) do
    all[found.codes[i]] = route
    used[found.codes[i]] = true
  end
  local lines, gone = {}, 0
  for _, code in ipairs(tables.sorted_keys(all)) do
    if not used[code] then gone = gone + 1 end
    lines[#lines + 1] = ('  "%d": %s'):format(code, json.encode(all[code]))
  end
  return "{\n" .. table.concat(lines, ",\n") .. (lines[1] and "\n" or "") .. "}\n", gone
end

---Writes the lock file: another stands in its place at once, or the old one stays.
---@param base string
---@param text string
---@return boolean|nil done
---@return string|nil message
function dictionary.write_lock(base, text)
  local path = base .. "/" .. LOCK
  local file, message = io.open(path .. ".new", "w")
  if not file then return nil, message end
  local ok = file:write(text)
  local closed = file:close()
  if ok and closed then ok, message = os.rename(path .. ".new", path) end
  if ok then return true end
  os.remove(path .. ".new")
  return nil, message or path .. ": it could not be written"
end

return dictionary
