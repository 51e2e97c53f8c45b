-- finalizers: functions that a script wants called when an object has died. LuaJIT
-- raises a finalizer's error in whatever code happens to run then, and from compiled
-- code that is a crash: so each finalizer is called protected, and its error is logged.
local ffi = require "ffi"
local errors = require "pomelua.base.errors"
local log = require "pomelua.base.log"

local finalizers = {}

-- Only a Lua function can raise an error: a C function of the ffi, for example, cannot.
local function protected(fn)
  if type(fn) ~= "function" then return fn end
  return function(object)
    local ok, message = xpcall(fn, debug.traceback, object)
    if not ok then log.error("a finalizer: %s", errors.text(message)) end
  end
end

-- The metatable of a proxy's metatable.
local guard = {
  __newindex = function(mt, name, value)
    rawset(mt, name, name == "__gc" and protected(value) or value)
  end,
}

---Replaces newproxy, ffi.gc and ffi.metatype, the ways in which a script gives an
---object a finalizer. Once per state.
function finalizers.protect()
  local new_proxy, gc, metatype = newproxy, ffi.gc, ffi.metatype
  newproxy = function(how) -- luacheck: ignore
    local proxy = new_proxy(how)
    if how == true then setmetatable(getmetatable(proxy), guard) end
    return proxy
  end
  ffi.gc = function(object, fn) return gc(object, protected(fn)) end
  ffi.metatype = function(ct, mt)
    if type(mt) == "table" then mt.__gc = protected(mt.__gc) end
    return metatype(ct, mt)
  end
end

return finalizers
