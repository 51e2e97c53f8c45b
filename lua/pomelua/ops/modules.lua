-- modules: a game's own operator commands, app:registerAdmin. `pomelua NAME` on a running program
-- asks each server that has registered the name, and prints what each answers. A module is a
-- table, or a function(opts, app) that returns one, with
--
--   moduleId              its name, when registerAdmin was not given one
--   monitorHandler(agent, msg, cb)   what a server does and answers
--   clientHandler(agent, msg, cb)    the same, for a module without monitorHandler
--
-- In Pomelo the first runs on each server and the second on the master, which gathers what the
-- servers report by agent.notify. There is no master here, so what a server passes to agent.notify,
-- passes to cb or returns is its answer.
local errors = require "pomelua.base.errors"
local method = require "pomelua.base.method"
local units = require "pomelua.run.unit"

local modules = {}

---The part of a server that belongs to this file.
---@param server pomelua.Server
function modules.init(server)
  server.admin_modules = {} -- [name] = {module=, run=, unit=}
end

---The words behind `pomelua` that are commands already.
modules.COMMANDS = {
  init = true, test = true, run = true, start = true, list = true, reload = true, add = true,
  stop = true, kill = true, restart = true, console = true, bench = true, help = true,
  check = true, dict = true, ban = true, unban = true, bans = true, token = true, kick = true,
  migrate = true, backup = true,
}

local function handler_of(module)
  return errors.field(module, "monitorHandler") or errors.field(module, "clientHandler")
end

local function check_name(name)
  if type(name) ~= "string" then
    errors.raise("app:registerAdmin(id, module, opts): the module needs a name: id, or its field "
      .. "moduleId; got " .. type(name))
  elseif not name:find("^%w[%w_%-]*$") or #name > 64 then
    errors.raise(("app:registerAdmin: %q cannot be a command: letters, digits, - and _ can")
      :format(name))
  elseif modules.COMMANDS[name] then
    errors.raise(("app:registerAdmin: pomelua %s is a command of its own; give the module another "
      .. "name"):format(name))
  end
end

---app:registerAdmin. Raises when it is no module.
---@param server pomelua.Server
---@param name string|nil
---@param given table|function
---@param opts any
function modules.register(server, name, given, opts)
  local module = given
  if type(given) == "function" then
    module = given(opts == nil and { app = server.app } or opts, server.app)
  end
  if type(module) ~= "table" then
    errors.raise("app:registerAdmin: a module is a table, or a function that returns one, got a "
      .. type(module))
  end
  name = name or errors.field(module, "moduleId")
  check_name(name)
  local fn = handler_of(module)
  if type(fn) ~= "function" then
    errors.raise(("app:registerAdmin: %s has no function monitorHandler or clientHandler")
      :format(name))
  end
  local known = server.admin_modules
  local record = { name = name, module = module, fn = fn }
  local unit, gen = units.loading()
  if not unit then
    known[name] = record
    return
  end
  unit:on_end(record, function()
    if known[name] == record then known[name] = nil end
  end)
  units.when_active(gen, function() known[name] = record end)
end

-- What a module may ask its agent for.
local function agent_of(server, answer)
  local agent = { id = server.id, type = server.type, info = server.info }
  function agent.notify(first, second, third)
    if rawequal(first, agent) then return answer(nil, third) end
    answer(nil, second)
  end
  return agent
end

local function names_of(server)
  local names = {}
  for name in pairs(server.admin_modules) do names[#names + 1] = name end
  table.sort(names)
  return names
end
modules.names = names_of

---Runs the command of a name on this server; in a task.
---@param server pomelua.Server
---@param name string
---@param msg any what was given with the command
---@param answer fun(err: any, value: any) may be called more than once: the first counts
---@return boolean found
function modules.run(server, name, msg, answer)
  local record = server.admin_modules[name]
  if not record then return false end
  local fn, agent = record.fn, agent_of(server, answer)
  local value, err
  if method.is(fn, 3) then
    value, err = fn(record.module, agent, msg, answer)
  else
    value, err = fn(agent, msg, answer)
  end
  local takes = method.arguments(fn, 3)
  if value ~= nil or err ~= nil then
    answer(err, value)
  elseif takes and takes < 3 then
    answer(nil, nil)
  end
  return true
end

return modules
