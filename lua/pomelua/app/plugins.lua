-- plugins: app:use(plugin, opts). A plugin is a module with
--
--   components   a list of components, or a table of them by name: see app/components. Each gets
--                opts[its name], those of a list that have no name the whole opts
--   events       a table of listeners by the event's name, or a function(app) that returns one
--
-- No folder is scanned: the module requires what it is made of.
local components = require "pomelua.app.components"
local errors = require "pomelua.base.errors"
local file_kinds = require "pomelua.live.file_kinds"
local method = require "pomelua.base.method"
local tables = require "pomelua.base.tables"

local plugins = {}

local function option(opts, name)
  if type(opts) ~= "table" then return nil end
  return errors.field(opts, name)
end

local function load_components(server, list, opts)
  for _, component in ipairs(list) do
    local name = type(component) == "table" and errors.field(component, "name")
    components.load(server, nil, component, not name and opts or option(opts, name))
  end
  for _, key in ipairs(tables.sorted_keys(list)) do
    if type(key) == "string" then
      components.load(server, key, list[key], option(opts, key))
    end
  end
end

local function listen(server, events)
  local found = file_kinds.reachable(events)
  for _, name in ipairs(tables.sorted_keys(found)) do
    local fn = found[name]
    server.event:on(name, method.is(fn) and function(...) return fn(events, ...) end or fn)
  end
end

---app:use. Raises when it is no plugin.
---@param server pomelua.Server
---@param plugin table
---@param opts table|nil by the names of its components
function plugins.use(server, plugin, opts)
  if type(plugin) ~= "table" then
    errors.raise("app:use(plugin, opts): a plugin is a table with components, events or both, "
      .. "got a " .. type(plugin))
  end
  local list, events = errors.field(plugin, "components"), errors.field(plugin, "events")
  if type(list) == "string" or type(events) == "string" then
    errors.raise("app:use: components and events are tables, not folders: no folder is scanned; "
      .. "the plugin requires its parts")
  elseif list ~= nil and type(list) ~= "table" then
    errors.raise("app:use: components must be a table, got a " .. type(list))
  elseif list == nil and events == nil then
    errors.raise("app:use: the plugin has neither components nor events")
  end
  load_components(server, list or {}, opts)
  if type(events) == "function" then events = events(server.app) end
  if events ~= nil and type(events) ~= "table" then
    errors.raise("app:use: events must be a table of functions by event, or a function(app) that "
      .. "returns one, got a " .. type(events))
  end
  if events then listen(server, events) end
end

return plugins
