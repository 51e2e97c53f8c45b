-- Loaded by busted before the specs: where the modules of this tree are found.
-- POMELUA_BUILD  the build whose program and core.so are meant, "build" when unset
-- POMELUA_JIT    "off" runs the specs in LuaJIT's interpreter
-- POMELUA_GC     "on" lets the collector run without a pause, here and (spec/support/app) in
--                the servers: what nobody holds is gone at once
local build = os.getenv("POMELUA_BUILD") or "build"

package.path = "./?.lua;lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = build .. "/lib/?.so;" .. package.cpath

if os.getenv("POMELUA_JIT") == "off" then
  jit.off()
  jit.flush()
end

if os.getenv("POMELUA_GC") == "on" then
  collectgarbage("setpause", 0)
  collectgarbage("setstepmul", 1000)
end

-- A sanitizer preloaded into this process is not for those it starts: ours
-- have it linked in, and leaks count there.
local found, uv = pcall(require, "luv")
if found and uv.os_getenv("LD_PRELOAD") then
  uv.os_setenv("POMELUA_PRELOAD", uv.os_getenv("LD_PRELOAD")) -- for net.spawn's opts.preload
  uv.os_unsetenv("LD_PRELOAD")
  uv.os_setenv("ASAN_OPTIONS", "detect_leaks=1")
end
