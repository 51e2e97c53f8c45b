-- check: whether new code may come into force: its files are Lua, no route of the running code is
-- lost, and each file's __check agrees.
local errors = require "pomelua.base.errors"
local generation = require "pomelua.live.generation"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"

local check = {}

---LuaJIT's parser has faults that end the process: the texts are read in another one first. It may
---wait.
---@param changed table<string, true> by path
---@param texts table<string, string>
---@return boolean|nil ok
---@return string|nil message
function check.parse(server, changed, texts)
  for _, path in ipairs(tables.sorted_keys(changed)) do
    if texts[path] and path:find("%.lua$") then
      local ok, message = server:check_syntax(path, texts[path])
      if not ok then return nil, message end
    end
  end
  return true
end

local function lost(old, new)
  local list = {}
  for name in pairs(old or {}) do
    if not new[name] then list[#list + 1] = name end
  end
  return list
end

-- The routes and remotes of the running code that the new code does not have.
local function vanished(server, set)
  local before = server.registry.set
  local list = lost(before.handlers, set.handlers)
  for _, name in ipairs(lost(before.remotes, set.remotes)) do
    list[#list + 1] = "remote " .. name
  end
  for _, name in ipairs(lost(before.crons, set.crons)) do list[#list + 1] = "cron " .. name end
  table.sort(list)
  return list
end

local function ask_units(gen)
  for _, unit in ipairs(gen.fresh) do
    local module = type(unit.value) == "table" and unit.value or unit.raw
    local fn = type(module) == "table" and rawget(module, "__check")
    if type(fn) == "function" then
      local ok, agreed, why = generation.within(gen, unit, task.at_once, fn, module,
        gen.server.app)
      if not ok then return nil, generation.located(unit.name, agreed) end
      if agreed == false or agreed == nil and why ~= nil then
        return nil, generation.located(unit.name, "__check: " .. errors.text(why or "false"))
      end
    end
  end
  return true
end

---@param gen pomelua.Generation has been loaded
---@param options table force: also when routes would be lost
---@return boolean|nil ok
---@return string|nil message
---@return string[] gone the routes that would be lost
function check.agrees(server, gen, options)
  local gone = vanished(server, gen.set)
  if #gone > 0 and not options.force and server.env ~= "development" then
    return nil, ("%d of its routes would be gone: %s (force the reload to lose them)")
      :format(#gone, table.concat(gone, ", ")), gone
  end
  local ok, message = ask_units(gen)
  if not ok then return nil, message, gone end
  return true, nil, gone
end

return check
