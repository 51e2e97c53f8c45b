-- test.options: what the kit's functions take: unknown names and values of a wrong kind are errors
-- of the spec.
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local options = {}

-- Kinds of values; those that end with "?" may be left out.
options.SERVER = {
  base = "string", type = "string", id = "string?", env = "string?", time = "number?",
  databases = "any", state = "string?",
}
options.CLUSTER = { base = "string", env = "string?", level = "string?" }
options.CLIENT = {
  server = "string?", port = "number?", type = "string?", transport = "string?", tls = "any",
  user = "any", token = "any", deadline = "number?", resume = "boolean?", login = "function?",
}
local LEVELS = { debug = true, info = true, warn = true, error = true }
local SESSION = {
  uid = true, frontendId = true, settings = true, address = true, headers = true, user = true,
  resume = true, id = true, recovered = true,
}

---What is wrong with a table of options, or nil.
---@param name string of the function, "test.server"
---@param given any
---@param known table<string, string>
---@return string|nil message
function options.wrong(name, given, known)
  if type(given) ~= "table" then
    return ("%s{ %s }: a table is needed, got %s"):format(name,
      table.concat(tables.sorted_keys(known), " =, ") .. " =", tables.shown(given))
  end
  for _, key in ipairs(tables.sorted_keys(given)) do
    if not known[key] then
      return ("%s: there is no option %s%s"):format(name, tostring(key), near.hint(key, known))
    end
  end
  for _, key in ipairs(tables.sorted_keys(known)) do
    local kind, optional = known[key]:match("^(%a+)(%??)$")
    local value = given[key]
    if kind ~= "any" and type(value) ~= kind and not (optional == "?" and value == nil) then
      return ("%s: %s must be a %s, got %s"):format(name, key, kind, tables.shown(value))
    end
  end
  local level = known.level and given.level
  if level and not LEVELS[level] then
    return ("%s: level must be \"debug\", \"info\", \"warn\" or \"error\", got %q%s"):format(name,
      level, near.hint(level, LEVELS))
  end
end

---What is wrong with the table of a session, or nil. Its other names are the spec's own.
---@param session any
---@return string|nil message
function options.wrong_session(session)
  if type(session) ~= "table" then
    return "a session is a table {uid=, frontendId=, settings={}}, got a " .. type(session)
  end
  for _, key in ipairs(tables.sorted_keys(session)) do
    local meant = not SESSION[key] and near.to(key, SESSION, 1)
    if meant then return ("a session has no %s; did you mean %s?"):format(key, meant) end
  end
  if session.settings ~= nil and type(session.settings) ~= "table" then
    return "the settings of a session must be a table, got " .. tables.shown(session.settings)
  end
end

return options
