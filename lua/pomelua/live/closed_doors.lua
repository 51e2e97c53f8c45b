-- closed_doors: what scripts see in a Lua state that is thrown away (core.scratch), where they are
-- run only to be looked at: nothing is opened, written or connected to.
local closed_doors = {}

local told -- the text of an error

-- Libraries whose functions reach out of the process, and those below them ("socket.http").
local OUTSIDE = {
  cqueues = true, copas = true, curl = true, http = true, lcurl = true, ldbus = true, lfs = true,
  lsqlite3 = true, luasql = true, luv = true, mime = true, mongo = true, mqtt = true, nats = true,
  openssl = true, pgmoon = true, posix = true, redis = true, resty = true, socket = true,
  sqlite3 = true, ssl = true, uv = true, zmq = true, lzmq = true, rdkafka = true,
}

---What stands for what is not there: every field of it is a function that returns it.
local stub = {}
local function field() return stub end -- what every field of the stub is

local meta = {
  __index = function() return field end,
  __newindex = function() end,
  __call = function() return stub end,
  __concat = function() return "" end,
  __lt = function() return false end,
  __le = function() return false end,
}
for _, name in ipairs { "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm" } do
  meta[name] = function() return 0 end
end
setmetatable(stub, meta)

-- The fields of the stub have fields themselves: app.rpc.chat, app.event:on(...).
local function fields_have_fields()
  local of_functions = {}
  for name, fn in pairs(meta) do
    of_functions[name] = name ~= "__call" and function(a, b)
      if a == field or b == field then return fn() end
      error("attempt to " .. (name == "__index" and "index" or name == "__newindex"
        and "write a field of" or "compute with") .. " a function value", 2)
    end or nil
  end
  function of_functions.__len(a)
    if a == field then return 0 end
    error("attempt to get length of a function value", 2)
  end
  debug.setmetatable(field, of_functions)
  -- They are empty lists, too.
  for _, name in ipairs { "pairs", "ipairs", "next" } do
    local walk = _G[name]
    rawset(_G, name, function(t, ...)
      return walk(rawequal(t, field) and stub or t, ...)
    end)
  end
end

local function refuse() return nil, told end
local function refuse_loudly() error(told, 2) end
local function nothing() end

-- Replaced where they stand: libraries that are not the app's use the same tables.
local function close(ffi, read)
  print = nothing -- luacheck: ignore
  local open = io.open
  for _, name in ipairs { "open", "popen", "tmpfile", "read", "input" } do
    rawset(io, name, refuse)
  end
  if read then
    rawset(io, "open", function(path, mode)
      if mode == nil or mode == "r" or mode == "rb" then return open(path, mode) end
      return nil, told
    end)
  else
    rawset(io, "lines", refuse_loudly)
  end
  for _, name in ipairs { "write", "output", "close" } do
    rawset(io, name, function() return stub end)
  end
  for _, name in ipairs { "stdin", "stdout", "stderr" } do rawset(io, name, stub) end
  for _, name in ipairs { "execute", "remove", "rename", "tmpname" } do rawset(os, name, refuse) end
  rawset(os, "exit", refuse_loudly)
  dofile, loadfile = refuse_loudly, refuse -- luacheck: ignore
  rawset(package, "loadlib", refuse)
  -- With these the state would not be stopped when it takes too long.
  rawset(debug, "sethook", nothing)
  rawset(jit, "on", nothing)
  local inside = setmetatable({ C = stub, load = field }, { __index = ffi })
  package.loaded.ffi = inside
  return inside
end

---Closes the doors of this state, for good.
---@param text string the error of what is tried: "nothing is opened, ..."
---@param read boolean|nil whether files may be read
---@return table ffi what require "ffi" gives from now on
function closed_doors.close(text, read)
  told = text
  fields_have_fields()
  return close(require "ffi", read)
end

-- Modules of the framework that do so; pomelua.http itself refuses there.
local OWN = {
  ["pomelua.mysql"] = true, ["pomelua.postgres"] = true, ["pomelua.redis"] = true,
  ["pomelua.sqlite"] = true,
}

---Whether a module reaches out of the process.
---@param module string
---@return boolean
function closed_doors.is_outside(module)
  return OUTSIDE[module:match("^[^.]+")] or OWN[module] or false
end

---Whether a value is the stub, or a field of it.
---@param value any
---@return boolean
function closed_doors.is_stub(value) return rawequal(value, stub) or rawequal(value, field) end

closed_doors.stub, closed_doors.index = stub, meta.__index
closed_doors.refuse, closed_doors.refuse_loudly = refuse, refuse_loudly

return closed_doors
