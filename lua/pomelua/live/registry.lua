-- registry: the handlers and remotes in force.
--
-- There is one current set. It is never edited, only replaced whole, so a message
-- sees either the old set or the new one. No code keeps an entry longer than for one message.
-- A set is {handlers = {[route] = entry}, remotes = {["service.method"] = entry},
-- services = {[service] = true}, crons = {["file.method"] = entry}, schedule = the crons of
-- config/crons.json (config/crons), hooks = functions of lifecycle.lua, protos = the definitions of
-- protobuf (live/protos) or nil}; an entry is
-- {owner = module, fn = method}. Names from the network are looked up in these maps only, which
-- no metatable answers for.
local errors = require "pomelua.base.errors"

local registry = {}

---@class pomelua.Registry
local methods = {}
local mt = { __name = "pomelua.registry", __index = methods }

function registry.new()
  local set = {
    handlers = {}, remotes = {}, services = {}, crons = {}, schedule = {}, hooks = {},
  }
  return setmetatable({ version = 0, set = set, told = {} }, mt)
end

---@param set table
---@return number version
function methods:swap(set)
  self.set = set
  self.version = self.version + 1
  for _, fn in ipairs(self.told) do fn(set) end
  return self.version
end

---Calls fn(set) for each set that comes into force from now on. It must not fail.
---@param fn fun(set: table)
function methods:on_swap(fn) self.told[#self.told + 1] = fn end

---The function of lifecycle.lua for a step, whatever stands there.
---@param name string
---@return any
function methods:hook(name) return errors.field(self.set.hooks, name) end

---@param route string
---@return table|nil entry
function methods:handler(route)
  return self.set.handlers[route]
end

---@param name string "service.method"
---@return table|nil entry
---@return string|nil message
function methods:remote(name)
  local entry = self.set.remotes[name]
  if entry then return entry end
  local service, method = name:match("^(.*)%.([^.]*)$")
  if service and self.set.services[service] then return nil, "no such method:" .. method end
  return nil, "no such service:" .. (service or name)
end

return registry
