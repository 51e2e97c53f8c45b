-- database_url: the URL of a database, taken apart: scheme://user:password@host:port/database, and
-- ?key=value&key=value behind it, for kinds that have such keys.
-- It may hold a password, so no message shows it.
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local urls = {}

local function decoded(text)
  return text and (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Whether a % begins something else than the number of a character.
local function broken(text)
  local rest = text:gsub("%%%x%x", "")
  return rest:find("%", 1, true) or text:find("%00", 1, true)
end

-- What stands behind ?, into parts. Returns a message when it is wrong.
local function read_params(query, params, parts)
  local known = {}
  for _, key in ipairs(params or {}) do known[key] = true end
  for pair in query:gmatch("[^&]+") do
    local key, value = pair:match("^([%w_]+)=(.+)$")
    if not key or not known[key] or parts[key] then
      if not params then
        return "nothing may follow the name of the database; other keys stand beside url"
      end
      return ("behind ? stand %s, each once, as name=value, with & between"):format(
        table.concat(params, " and "))
    end
    parts[key] = decoded(value)
  end
end

-- The scheme of a URL and what follows it; nil and a message when the kind has no such scheme.
local function read_scheme(text, kind)
  local form = ("must be %s://user@host:port/database"):format(tables.sorted_keys(kind.schemes)[1])
  local scheme, rest = text:match("^([%w+]+)://(.*)$")
  if not scheme then return nil, form end
  if kind.schemes[scheme] then return scheme, rest, form end
  local why = kind.refused and kind.refused[scheme]
  return nil, why and ("%s:// %s"):format(scheme, why)
    or ("%s:// is no scheme here; %s%s"):format(scheme, form, near.hint(scheme, kind.schemes))
end

---@param text string
---@param kind {schemes: table<string, string>, refused: table<string, string>|nil, params:
---string[]|nil} schemes: the ports that they stand for; refused: what is said of schemes that
---others know; params: the keys that may follow behind ?
---@return table<string, string>|nil parts host, port; and user, password, database and keys of
---params when they are there. %40 and the like are the characters that they stand for
---@return string|nil message
function urls.parse(text, kind)
  local scheme, rest, form = read_scheme(text, kind)
  if not scheme then return nil, rest end
  if broken(rest) then
    return nil, "has a % without the two hex digits of a character (%00 is none, % itself is %25)"
  end
  local authority, path = rest:match("^([^/?#]*)(.*)$")
  if path:find("@", 1, true) then
    return nil, "a / in a password is written %2F, a ? is %3F and a # is %23; or write password "
      .. "beside url"
  end
  local query
  path, query = path:match("^([^?#]*)(.*)$")
  local account, place = authority:match("^(.*)@(.*)$")
  local host, port = (place or authority):match("^(%[[%x:.]+%]):?(.*)$")
  if not host then host, port = (place or authority):match("^([^:%[%]]+):?(.*)$") end
  if not host then return nil, form end
  local parts = { host = host:match("^%[(.*)%]$") or host, port = port ~= "" and port or nil }
  parts.port = parts.port or kind.schemes[scheme]
  if account then
    local user, password = account:match("^([^:]*):(.*)$")
    parts.user, parts.password = decoded(user or account), decoded(password)
    if parts.user == "" then parts.user = nil end
  end
  path = path:match("^/(.-)/?$")
  if path and path ~= "" then parts.database = decoded(path) end
  local message = query ~= "" and read_params(query:sub(1, 1) == "?" and query:sub(2) or query,
    kind.params, parts)
  if message then return nil, message end
  return parts
end

---The port of a URL as a number. What stands in its place may be a password whose @ is missing, so
---no message shows it.
---@param text string
---@return integer|nil port
---@return string|nil message
function urls.port(text)
  local port = text:find("^%d+$") and tonumber(text)
  if port and port >= 1 and port <= 65535 then return port end
  return nil, "behind the host and : stands its port, 1 to 65535"
end

return urls
