-- server_options: the options of a database that is a server of its own (PostgreSQL, MySQL, Redis),
-- as its `open` takes them: where it is, as a URL or in parts, and limits.
local databases = require "pomelua.config.databases"
local errors = require "pomelua.base.errors"
local limits = require "pomelua.store.limits"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local urls = require "pomelua.config.database_url"

local server_options = {}

local PORTS = { 1, 65535 }
local TEXTS = { "host", "user", "password", "database" }

local function text(what, key, value)
  if type(value) == "string" and value ~= "" and not value:find("%z") then return value end
  -- It may be a secret.
  errors.raise(("%s: %s must be a text, got %s"):format(what, key, type(value) == "string"
    and "one that is empty or has a zero byte" or "a " .. type(value)))
end

-- The parts of the URL, into out.
local function read_url(what, url, kind, out)
  local parts, message = urls.parse(text(what, "url", url), kind)
  if not parts then errors.raise(("%s: url %s"):format(what, message)) end
  for key, value in pairs(parts) do out[key] = value end
  out.port, message = urls.port(parts.port)
  if not out.port then errors.raise(("%s: url: %s"):format(what, message)) end
end

local function account_wrong(out, kind)
  if kind.sql then return not out.user and "the user is missing" end
  return out.user and not out.password and "there is a user without a password"
end

local function check_names(what, options, kind)
  if type(options) ~= "table" then
    errors.raise(("%s{ url = ... }: a table, got a %s"):format(what, type(options)))
  end
  local known = { url = true, port = true }
  for _, list in ipairs { TEXTS, kind.params or {} } do
    for _, key in ipairs(list) do known[key] = true end
  end
  for key in pairs(databases.LIMITS) do known[key] = kind.known[key] end
  for key in pairs(options) do
    if not known[key] then
      errors.raise(("%s: there is no option %s%s"):format(what, tables.word(key),
        near.hint(key, known)))
    end
  end
end

-- What is given in parts, into out: nothing that the URL has, too.
local function read_parts(what, options, kind, out)
  for _, list in ipairs { { "port" }, TEXTS, kind.params or {} } do
    for _, key in ipairs(list) do
      local range = key == "port" and PORTS or key == "database" and kind.numbers
      local value = options[key]
      if value ~= nil then
        value = range and limits.check(what, key, range, value) or text(what, key, value)
        if out[key] ~= nil then
          errors.raise(("%s: the url has the %s, too; write it once"):format(what, key))
        end
        out[key] = value
      end
    end
  end
end

---The options as core.store takes them. A wrong one raises at the line of the game.
---@param what string the function's name, for messages
---@param options table url, or host, port, user, password, database; limits; texts of the kind
---@param kind table of config/databases.kinds
---@return table
function server_options.of(what, options, kind)
  check_names(what, options, kind)
  local out = {}
  if options.url ~= nil then read_url(what, options.url, kind, out) end
  read_parts(what, options, kind, out)
  for key, range in pairs(databases.LIMITS) do
    if options[key] ~= nil then out[key] = limits.check(what, key, range, options[key]) end
  end
  local message = not out.host and "the host is missing: url, or host" or account_wrong(out, kind)
    or kind.wrong and kind.wrong(out)
  if message then errors.raise(("%s: %s"):format(what, message)) end
  return out
end

return server_options
