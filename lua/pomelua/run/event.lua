-- event: app.event. Each listener runs in a task of its own, so it may wait, and
-- an error in one is logged and does not keep the others from running.
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local guards = require "pomelua.run.guards"
local task = require "pomelua.run.task"
local units = require "pomelua.run.unit"
local where = require "pomelua.base.where"

-- What the framework emits. Every other event is the game's own.
local NAMES = {
  "bind_session", "unbind_session", "close_session", "session_lost", "session_resumed",
  "add_servers", "remove_servers", "replace_servers", "add_crons", "remove_crons", "start_server",
  "start_all", "drain", "stop_server",
}
local known = {}
for _, name in ipairs(NAMES) do known[name] = true end

---@class pomelua.Event
local methods = {}
local mt = { __name = "pomelua.event", __index = methods }

local event = {}

---@return pomelua.Event
function event.new(server)
  return setmetatable({ _server = server, _listeners = {}, _units = {} }, mt)
end

-- A list is replaced, never changed, so that an emit that is running is not disturbed.
local function put(self, listener)
  local old, list = self._listeners[listener.name] or {}, {}
  for i = 1, #old do list[i] = old[i] end
  list[#list + 1] = listener
  self._listeners[listener.name] = list
  self._server:listened(listener.name)
end

local function take(self, listener)
  local old, list = self._listeners[listener.name] or {}, {}
  for i = 1, #old do
    if old[i] ~= listener then list[#list + 1] = old[i] end
  end
  self._listeners[listener.name] = #list > 0 and list or nil
end

-- A name that is nearly one of the framework's. It is said at the start only: handlers may listen,
-- too, and a client must not be able to fill the log.
local function warn_of_name(self, name)
  local state = self._server.life.state
  local meant = (state == "new" or state == "starting") and not known[name]
    and near.to(name, NAMES, 2)
  if meant then
    self._server:notice(where.told(("app.event: there is no event %s, but of scripts; did you mean "
      .. "%s?"):format(name, meant)))
  end
end

local function add(self, name, fn, once)
  if type(name) ~= "string" or type(fn) ~= "function" then
    errors.raise(("event:on(name, fn): name must be a string and fn a function, got %s and %s")
      :format(type(name), type(fn)))
  end
  warn_of_name(self, name)
  local unit, gen = units.loading()
  local listener = { name = name, fn = fn, once = once }
  if unit then
    local list = self._units[unit] or {}
    self._units[unit] = list
    list[#list + 1] = listener
    unit:on_end(self, methods.drop)
    units.when_active(gen, function()
      if not listener.gone then put(self, listener) end
    end)
  else
    put(self, listener)
  end
  return self
end

---@param name string
---@param fn function called with what emit was given
---@return pomelua.Event self
function methods:on(name, fn) return add(self, name, fn, false) end

---The same, for the next emit only.
---@param name string
---@param fn function
---@return pomelua.Event self
function methods:once(name, fn) return add(self, name, fn, true) end

---Takes a listener away; without fn, all of that name.
---@param name string
---@param fn function|nil
---@return pomelua.Event self
function methods:off(name, fn)
  if type(name) ~= "string" or fn ~= nil and type(fn) ~= "function" then
    errors.raise(("event:off(name, fn): name must be a string and fn a function, got %s and %s")
      :format(type(name), type(fn)))
  end
  for _, listener in ipairs(self._units[units.loading()] or {}) do
    if listener.name == name and (fn == nil or listener.fn == fn) then listener.gone = true end
  end
  local old, list = self._listeners[name] or {}, {}
  local found = fn == nil
  for i = 1, #old do
    if fn ~= nil and (found or old[i].fn ~= fn) then
      list[#list + 1] = old[i]
    elseif fn ~= nil then
      found = true
    end
  end
  self._listeners[name] = #list > 0 and list or nil
  return self
end

methods.addListener = methods.on
methods.removeListener = methods.off
methods.removeAllListeners = function(self, name) return self:off(name) end

---Takes away the listeners that a unit has added while it loaded.
---@param unit pomelua.Unit
function methods:drop(unit)
  local listeners = self._units[unit] or {}
  self._units[unit] = nil
  for _, listener in ipairs(listeners) do
    listener.gone = true
    take(self, listener)
  end
end

local function call(listener, args)
  listener.fn(unpack(args, 1, args.n))
end

---Calls the listeners of a name, in the order in which they were added.
---@param name string
---@param ... any
---@return boolean whether there was one
function methods:emit(name, ...)
  if type(name) ~= "string" then
    errors.raise("event:emit(name, ...): name must be a string, got " .. type(name))
  end
  local list = self._listeners[name]
  if not list then return false end
  if guards.full() then error("event:emit: its listeners emit, and so on for ever", 2) end
  local args = { n = select("#", ...), ... }
  for i = 1, #list do
    local listener = list[i]
    if listener.once then
      if not listener.gone then
        listener.gone = true
        take(self, listener)
        task.run(self._server, self._server:context("listener of " .. name), call, listener, args)
      end
    else
      task.run(self._server, self._server:context("listener of " .. name), call, listener, args)
    end
  end
  return true
end

---@param name string
---@return boolean
function methods:has(name) return self._listeners[name] ~= nil end

errors.guard(methods, "app.event")

return event
