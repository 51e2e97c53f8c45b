-- test.modules: where a game's scripts find their own modules. Each virtual server
-- loads them anew, as each server's thread does.
local modules = {}

local methods = {}
local mt = { __index = methods }

-- Lua's list of places, split from those of the app.
local function app_path(base)
  return base .. "/?.lua;" .. base .. "/?/init.lua;"
end

-- The modules among those loaded that lie in the app's folder.
local function forget(base)
  local path = app_path(base)
  for name in pairs(package.loaded) do
    if type(name) == "string" and package.searchpath(name, path) then
      package.loaded[name] = nil
    end
  end
end

---The scripts of `base` load from now on.
function modules.enter(base)
  forget(base)
  local before = package.path
  package.path = app_path(base) .. before
  return setmetatable({ base = base, before = before, path = package.path }, mt)
end

---Back to where it was, unless somebody else has changed it since.
function methods:leave()
  forget(self.base)
  if package.path == self.path then package.path = self.before end
end

return modules
