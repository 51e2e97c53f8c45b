-- unit: what runs now belongs to a unit, one file of the app that is being loaded, and to a
-- generation. What a file makes while it loads belongs to its unit, which knows how each such
-- thing ends; so what makes things (timers, event, router) knows units, and not the reverse.
local current = require "pomelua.base.current"

---@class pomelua.Unit
---@field path string
---@field name string the path from the app's folder
---@field server pomelua.Server
---@field generation number of the generation that loaded it
---@field requires table<string, true> paths of the units it has required
---@field names table<string, string|false> what it has asked for, and the path found
---@field env table the environment of its functions
---@field task table|nil the task that loads it, until it is loaded
---@field loader pomelua.Unit|nil the unit that required it, until it is loaded
---@field waiters table tasks that wait until it is loaded
---@field raw any what the file returned
---@field silent boolean whether it returned nothing: raw is true then, as of require
---@field value any what it is used as: the table that its factory built
---@field ends table<table, function> what it has made, and how that ends
local methods = {}
local mt = { __name = "pomelua.unit", __index = methods }

local unit = {}

---@param fields table path, name, server, generation, …
---@return pomelua.Unit
function unit.new(fields)
  fields.requires, fields.names, fields.ends, fields.waiters = {}, {}, {}, {}
  return setmetatable(fields, mt)
end

---Says how something that the unit has made ends. Saying it again changes nothing.
---@param made table
---@param fn fun(made: table, unit: pomelua.Unit) called once, when the unit ends
function methods:on_end(made, fn) self.ends[made] = fn end

---Something that the unit has made has ended by itself.
---@param made table
function methods:forget(made) self.ends[made] = nil end

---Everything that the unit has made ends.
function methods:finish()
  local ends = self.ends
  self.ends = {}
  for made, fn in pairs(ends) do fn(made, self) end
end

---The unit that is being loaded by the running task, and its generation.
---@return pomelua.Unit|nil
---@return pomelua.Generation|nil
function unit.loading()
  local t = current.task
  if t and t.unit then return t.unit, t.loading end
end

---The generation that the running task is preparing.
---@return pomelua.Generation|nil
function unit.prepared()
  local t = current.task
  local gen = t and t.loading
  if gen and gen.state == "prepared" then return gen end
end

---The generation that what runs now belongs to.
---@param server pomelua.Server
---@return pomelua.Generation
function unit.of_task(server)
  local t = current.task
  if t then
    if t.loading then return t.loading end
    local owner = t.owner
    if owner and owner.generation then return owner.generation end
  end
  return server.generation
end

---Calls fn at once, or when the generation comes into force; never for one that is over.
---@param gen pomelua.Generation
---@param fn function
function unit.when_active(gen, fn)
  if gen.state == "active" then return fn() end
  if gen.state == "prepared" then gen.held[#gen.held + 1] = fn end
end

return unit
