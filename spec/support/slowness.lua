-- How many times longer things may take here than a bound of time says: the checks of a sanitizer,
-- and a collector that never rests, are work of their own.
--
--   assert(ms < 1000 * slowness)
local uv = require "luv"

return (uv.os_getenv "POMELUA_PRELOAD" or uv.os_getenv "POMELUA_GC" == "on") and 4 or 1
