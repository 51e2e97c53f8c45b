-- environment: the globals of an app's scripts. Each file that is loaded has a table
-- of its own as its environment: it reads Lua's own names, and names that the app
-- has declared (pomelua.declare); reading or writing any other is an error with the
-- file and the line. So a typing mistake is found, and no load leaves anything behind
-- for the next one.
local near = require "pomelua.base.near"

local environment = {}

local STANDARD = {
  "_VERSION", "assert", "collectgarbage", "error", "gcinfo", "getfenv", "getmetatable", "ipairs",
  "newproxy", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawset", "rawlen",
  "select", "setfenv", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
  "bit", "coroutine", "debug", "io", "jit", "math", "os", "package", "string", "table",
}

-- Names from JavaScript and from other versions of Lua, and what to write instead of each.
local HABITS = {
  null = "it is nil in Lua; pomelua.null where JSON must have a null",
  undefined = "it is nil in Lua",
  NaN = "it is 0/0 in Lua", Infinity = "it is math.huge in Lua",
  console = "print(...) and pomelua.log.info(format, ...) write the log",
  Math = "it is math in Lua: math.random(), math.floor(x), math.max(a, b)",
  Date = "os.time() gives seconds since 1970, os.date(format) a text",
  JSON = "messages and settings are tables already; pomelua.json.decode(text) and"
    .. " pomelua.json.encode(value) are for texts",
  setTimeout = "it is app:setTimeout(ms, fn)", setInterval = "it is app:setInterval(ms, fn)",
  setImmediate = "it is app:setTimeout(0, fn)",
  clearTimeout = "it is app:clearTimer(id)", clearInterval = "it is app:clearTimer(id)",
  process = "os.getenv(name) reads the environment, os.exit(code) stops the program in order",
  module = "a file ends with return Handler", exports = "a file ends with return Handler",
  this = "it is self in Lua, in methods that are written with a colon",
  Object = "for key, value in pairs(t) walks a table", Array = "a list is a table: { 1, 2, 3 }",
  String = "tostring(x) makes a text", Number = "tonumber(x) makes a number",
  Boolean = "not not x makes a boolean", Promise = "pomelua.await(f, ...) waits for a callback",
  Error = "error(message) raises, return nil, message gives an error to the caller",
  Map = "a table is a map", Set = "a table is a set: t[x] = true",
  RegExp = "string.match(s, pattern) has Lua's patterns", Buffer = "a Lua string holds any bytes",
  parseInt = "it is tonumber(x), and math.floor", parseFloat = "it is tonumber(x)",
  isNaN = "x ~= x is true for what is not a number", async = "each call may wait: pomelua.await",
  await = "it is pomelua.await(f, ...)", sleep = "it is pomelua.sleep(ms)",
  var = "a variable begins with local", let = "a variable begins with local",
  const = "a variable begins with local", throw = "it is error(message)",
  new = "a table is made by {}", typeof = "it is type(x)", delete = "t[key] = nil takes a key out",
  app = "the file's factory gets it: return function(app) ... end",
  pomelo = 'it is local pomelua = require "pomelua"',
  pomelua = 'say local pomelua = require "pomelua"',
  cjson = 'say local cjson = require "cjson"', ffi = 'say local ffi = require "ffi"',
  utf8 = "LuaJIT has no library of that name",
  __dirname = "app:getBase() is the app's folder", __filename = "app:getBase() is the app's folder",
}

local function undeclared(name, what)
  local habit = type(name) == "string" and HABITS[name]
  if habit and what == "read" then
    return ("there is no global '%s': %s"):format(name, habit)
  end
  local meant = what == "read" and near.to(name, STANDARD, 1)
  if meant then return ("there is no global '%s'; did you mean %s?"):format(name, meant) end
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

---The scripts' os.time and os.date go with a clock of milliseconds.
---@param globals table of environment.globals
---@param now fun(): number
---@param first number|nil what they show now, seconds since 1970; nil: the time it is
---@return fun(): number wall the time of that clock, seconds since 1970
function environment.virtual_time(globals, now, first)
  local virtual, begin = {}, (first or os.time()) - now() / 1000
  for name, value in pairs(os) do virtual[name] = value end
  function virtual.time(t)
    if t ~= nil then return os.time(t) end
    return math.floor(begin + now() / 1000)
  end
  function virtual.date(format, t) return os.date(format, t or virtual.time()) end
  globals.base.os = virtual
  return function() return begin + now() / 1000 end
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

---The environment of a file below a folder of the name `vendor`, which holds what others wrote
---for plain Lua: its globals are its own and its neighbours', and an undeclared one is nil.
---@param globals table of environment.globals
---@param require function the file's own
---@return table
function environment.vendor(globals, require)
  local shared = globals.vendor
  if not shared then
    shared = setmetatable({}, { __index = function(_, name)
      local value = rawget(globals.base, name)
      if value == nil and globals.known[name] then value = globals.values[name] end
      return value
    end })
    globals.vendor = shared
  end
  local env = environment.new(globals, require)
  return setmetatable(env, { __index = shared, __newindex = shared })
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
