-- loader: a server type's handlers and remotes become a set for the registry, or
-- an error. It swaps nothing.
--
-- Files are loaded and called, not required, so that what they do
-- while they load may wait.
local files = require "pomelua.files"
local errors = require "pomelua.errors"

local loader = {}

---Loads one file: a table, or a factory that is called with the app and builds one.
---@param base string the app's folder
---@param name string path inside base
---@param app table
---@return table|false|nil module false: the file gives nothing, which is allowed
---@return string|nil message names the file, and the line where Lua knows it
function loader.load_file(base, name, app)
  local chunk, message = files.load(base, name)
  if not chunk then return nil, message end
  local ok, value = pcall(chunk)
  if ok and type(value) == "function" then ok, value = pcall(value, app) end
  if not ok then
    local text = errors.text(value)
    return nil, text:find(name, 1, true) and text or name .. ": " .. text
  end
  if not value then return false end
  if type(value) ~= "table" then
    return nil, name .. ": must return a table or a function that builds one, got a "
      .. type(value)
  end
  return value
end

local function add(map, t)
  for name, fn in next, t do
    if type(name) == "string" and type(fn) == "function" and name:sub(1, 1) ~= "_"
      and name ~= "new" and name ~= "constructor" and map[name] == nil then
      map[name] = fn
    end
  end
end

---What the network may call: the functions of the module's own table and of the
---one table that its metatable's __index may be, read raw; not names that start
---with "_", not `new`, nothing further up.
---@param module table
---@return table<string, function>
function loader.reachable(module)
  local map = {}
  add(map, module)
  local meta = getmetatable(module)
  local parent = type(meta) == "table" and rawget(meta, "__index")
  if type(parent) == "table" then add(map, parent) end
  return map
end

-- Calls each(module name, module, path) for the files of a folder inside base. A
-- folder that is not there has none.
local function modules(base, folder, app, warnings, each)
  local names = files.list(base .. "/" .. folder)
  if not names then return true end
  local count = 0
  for _, file in ipairs(names) do
    local stem = file:match("^(.+)%.[lL][uU][aA]$")
    if stem then
      local path = folder .. "/" .. file
      local module, message = loader.load_file(base, path, app)
      if module == nil then return nil, message end
      if module then
        local name = rawget(module, "name")
        if type(name) ~= "string" or name == "" then name = stem end
        if name:find(".", 1, true) or name:sub(1, 1) == "_" then
          return nil, ("%s: %q cannot be the name of a module: it has a dot or starts with _")
            :format(path, name)
        end
        local ok, wrong = each(name, module, path)
        if not ok then return nil, wrong end
        count = count + 1
      end
    end
  end
  if count == 0 then warnings[#warnings + 1] = folder .. ": there is no module in it" end
  return true
end

---The handlers and remotes of a server type.
---@param base string the app's folder
---@param stype string
---@param app table given to factories
---@return table|nil set for registry:swap; set.warnings are texts for the log
---@return string|nil message one line
function loader.load(base, stype, app)
  local set = { handlers = {}, remotes = {}, services = {}, warnings = {} }
  local root = "app/servers/" .. stype
  local seen = {}
  local function each(kind, put)
    return function(name, module, path)
      local key = kind .. " " .. name
      if seen[key] then
        return nil, ("%s: the name %q is also that of %s"):format(path, name, seen[key])
      end
      seen[key] = path
      for method, fn in next, loader.reachable(module) do
        put(name, method, { owner = module, fn = fn })
      end
      return true
    end
  end
  local ok, message = modules(base, root .. "/handler", app, set.warnings,
    each("handler", function(name, method, entry)
      set.handlers[stype .. "." .. name .. "." .. method] = entry
    end))
  if not ok then return nil, message end
  ok, message = modules(base, root .. "/remote", app, set.warnings,
    each("remote", function(name, method, entry)
      set.services[name] = true
      set.remotes[name .. "." .. method] = entry
    end))
  if not ok then return nil, message end
  return set
end

---Adds a remote of the framework to a set.
---@param set table
---@param service string
---@param remote table methods by name
function loader.add_remote(set, service, remote)
  set.services[service] = true
  for method, fn in next, remote do
    set.remotes[service .. "." .. method] = { owner = remote, fn = fn }
  end
end

return loader
