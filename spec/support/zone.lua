-- The time zone of the process that runs the specs.
local ffi = require "ffi"

ffi.cdef [[
  int setenv(const char *name, const char *value, int overwrite);
  int unsetenv(const char *name);
  void tzset(void);
]]

local before = os.getenv("TZ")

---@param name string|nil nil: as it was
return function(name)
  name = name or before
  if name then ffi.C.setenv("TZ", name, 1) else ffi.C.unsetenv("TZ") end
  ffi.C.tzset()
end
