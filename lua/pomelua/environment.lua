-- environment: the globals of an app's scripts. Each file that is loaded has a table
-- of its own as its environment: it reads Lua's own names, and names that the app
-- has declared (pomelua.declare); reading or writing any other is an error with the
-- file and the line. So a typing mistake is found, and no load leaves anything behind
-- for the next one.
local environment = {}

local STANDARD = {
  "_VERSION", "assert", "collectgarbage", "error", "gcinfo", "getfenv", "getmetatable", "ipairs",
  "newproxy", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawset", "rawlen",
  "select", "setfenv", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
  "bit", "coroutine", "debug", "io", "jit", "math", "os", "package", "string", "table",
}

local function undeclared(name, what)
  return ("undeclared global '%s' is %s: make it local, or say pomelua.declare(%q)")
    :format(tostring(name), what, tostring(name))
end

---What all files of a server share: Lua's names and the declared ones.
---@return table globals {known = table<string, true>, values = table, base = table}
function environment.globals()
  local globals = { known = {}, values = {} }
  local base = {}
  for _, name in ipairs(STANDARD) do base[name] = rawget(_G, name) end
  globals.base = setmetatable(base, { __index = function(_, name)
    if globals.known[name] then return globals.values[name] end
    error(undeclared(name, "read"), 2)
  end })
  globals.meta = { __index = base, __newindex = function(_, name, value)
    if not globals.known[name] then error(undeclared(name, "written"), 2) end
    globals.values[name] = value
  end }
  return globals
end

---The environment of one file.
---@param globals table of environment.globals
---@param require function the file's own
---@return table
function environment.new(globals, require)
  local env = { require = require }
  env._G = env
  function env.load(chunk, name, mode, given) return load(chunk, name, mode, given or env) end
  function env.loadstring(text, name) return load(text, name or text, nil, env) end
  function env.loadfile(path, mode, given) return loadfile(path, mode, given or env) end
  function env.dofile(path)
    local chunk, message = loadfile(path, nil, env)
    if not chunk then error(message, 0) end
    return chunk()
  end
  return setmetatable(env, globals.meta)
end

---Makes a name a global of the app's scripts. It outlives reloads: the value is
---taken only when the name has none.
---@param globals table
---@param name string
---@param value any
---@return any value what the global has now
function environment.declare(globals, name, value)
  globals.known[name] = true
  if globals.values[name] == nil then globals.values[name] = value end
  return globals.values[name]
end

return environment
