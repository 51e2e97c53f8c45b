-- rpc_filters: a script's call on its way through the rpc filters to another server, and its answer
-- on its way back (protocol 14). Messages of clients that are forwarded, pushes and the framework's
-- own calls do not pass here.
local errors = require "pomelua.base.errors"
local request = require "pomelua.message.request"
local task = require "pomelua.run.task"

local rpc_filters = {}

rpc_filters.MOST = 250 -- arguments of a call

local truthy = request.truthy

---@class pomelua.FilteredCall the owner of the tasks that its filters run in
---@field name string
---@field to string the server
---@field msg table {namespace, serverType, service, method, args}
---@field opts table the filters' own
---@field at number the filter that it is at, before filters first
---@field n number how many arguments
local methods = {}
local mt = { __name = "pomelua.filteredCall", __index = methods }

local go_out, go_back

local function call_back(cb, values) cb(unpack(values, 1, values.n)) end

-- The callback is the caller's: what it raises is the caller's error. It is called later, as that
-- of any other call.
local function finish(self, values)
  if self.cb then task.defer(self.server, self.caller, call_back, self.cb, values) end
end

-- What the filters or the way to the other server have ended, with an error.
local function fail(self, err)
  self.phase = "error"
  self.err = err
  local handler = self.plan.handler
  if not handler then
    if not self.cb then
      self.server:warn(errors.without_callback("rpc " .. self.remote, err),
        "calls that cannot be sent: " .. self.remote)
    end
    return finish(self, { n = 1, err })
  end
  local ended = false
  local function done(...)
    if ended then return end
    ended = true
    self.phase = "over"
    finish(self, { n = select("#", ...), ... })
  end
  self.done = done
  local first, second
  if handler.takes then
    first, second = handler.fn(err, self.to, self.msg, done)
  else
    first, second = handler.fn(err, self.to, self.msg)
  end
  if first ~= nil then
    done(nil, first)
  elseif second ~= nil then
    done(second)
  elseif not handler.takes then
    done(err)
  end
end

---An error was raised in one of the filters; it has been logged.
function methods:failed(err)
  local value = type(err) == "table" and err or errors.of(err)
  if self.phase == "out" then
    self.phase = "failing"
    task.defer(self.server, self, fail, self, value)
  elseif self.phase == "error" then
    self.done(value)
  elseif self.phase == "back" then
    task.defer(self.server, self, go_back, self)
  end
end

-- next(err | target, msg, opts) of a before filter.
local function turn(self, target, msg, opts)
  if truthy(target) then
    if type(target) ~= "string" or not self.server.by_id[target] then
      return target
    end
    self.to = target
  end
  if type(msg) == "table" then self.msg = msg end
  if type(opts) == "table" then self.opts = opts end
end

local function call_filter(self, entry, next)
  if entry.of then return entry.fn(entry.of, self.to, self.msg, self.opts, next) end
  return entry.fn(self.to, self.msg, self.opts, next)
end

local function next_of(self, at, phase, go)
  return function(target, msg, opts)
    if self.at ~= at or self.phase ~= phase then
      return self.server:warn(self.name .. ": next was called again; that does nothing",
        "second calls of next: " .. self.name)
    end
    local err = turn(self, target, msg, opts)
    if err ~= nil and phase == "out" then return task.run(self.server, self, fail, self, err) end
    task.run(self.server, self, go, self)
  end
end

-- What is wrong with a message that filters have changed.
local function wrong_message(msg, n)
  if type(msg.service) ~= "string" or type(msg.method) ~= "string" then
    return ("msg.service and msg.method must be texts, got a %s and a %s"):format(
      type(msg.service), type(msg.method))
  elseif n > rpc_filters.MOST then
    return ("a call takes %d arguments at most, msg.args has %d"):format(rpc_filters.MOST, n)
  end
end

local function send(self)
  local msg, n = self.msg, self.n
  local args = type(msg.args) == "table" and msg.args or {}
  n = math.max(n, #args)
  local wrong = wrong_message(msg, n)
  if wrong then return fail(self, errors.new(self.name .. ": " .. wrong, "INVAL")) end
  self.phase = "sent"
  local cb = self.cb and function(...)
    self.values = { n = select("#", ...), ... }
    self.phase, self.at = "back", 0
    task.run(self.server, self, go_back, self)
  end
  local sent = self.transmit(self.server, self.caller, self.to, msg.service .. "." .. msg.method,
    self.ms, cb,
    function(err) task.run(self.server, self, fail, self, err) end, n, unpack(args, 1, n))
  if sent and not cb then
    self.phase, self.at = "back", 0
    go_back(self)
  end
end

-- The before filters in order, then the call.
function go_out(self)
  local list = self.plan.before
  while true do
    local at = self.at + 1
    local entry = list[at]
    self.at = at
    if not entry then return send(self) end
    local first, second = call_filter(self, entry, entry.takes and next_of(self, at, "out", go_out)
      or nil)
    if self.at ~= at or self.phase ~= "out" then return end
    if first == nil and second == nil then
      if entry.takes then return end
    else
      local err = first == nil and second or turn(self, first)
      if err ~= nil then return fail(self, err) end
    end
  end
end

-- The after filters backwards, then the callback.
function go_back(self)
  local list = self.plan.after
  while true do
    local at = self.at + 1
    self.at = at
    local entry = list[#list + 1 - at]
    if not entry then
      self.phase = "over"
      return self.values and finish(self, self.values)
    end
    local first, second = call_filter(self, entry, entry.takes
      and next_of(self, at, "back", go_back) or nil)
    if self.at ~= at or self.phase ~= "back" then return end
    if first == nil and second == nil and entry.takes then return end
  end
end

local function new(server, plan, owner, to, remote, cb, stype, n, ...)
  local service, method = remote:match("^(.*)%.([^.]*)$")
  local info, args = server.by_id[to], { ... }
  for i = n + 1, select("#", ...) do args[i] = nil end -- the callback
  return setmetatable({
    server = server, generation = server.generation, name = "rpc filters of " .. remote,
    plan = plan, caller = owner, to = to, remote = remote, cb = cb, n = n,
    at = 0, phase = "out", opts = {},
    msg = {
      namespace = service:sub(1, 1) == "_" and "sys" or "user",
      serverType = info and info.serverType or stype, service = service, method = method,
      args = args,
    },
  }, mt)
end

---@param plan table before, after: lists of filters; handler: the rpcErrorHandler
---@param transmit function of rpc_call: sends a call past the filters
---@param owner table the owner of the call
---@param to string server id
---@param remote string "service.method"
---@param ms number|nil milliseconds that it may take; nil: proxyConfig.timeout
---@param cb function|nil
---@param stype string|nil the server type that the caller names
---@param n number how many arguments
function rpc_filters.send(server, plan, transmit, owner, to, remote, ms, cb, stype, n, ...)
  local self = new(server, plan, owner, to, remote, cb, stype, n, ...)
  self.transmit, self.ms = transmit, ms
  task.run(server, self, go_out, self)
end

---A call for which there is no server goes to the rpcErrorHandler, past the filters, which get the
---id of one.
---@param to any what the script has named; nil: a route was to choose
---@param err pomelua.Error
function rpc_filters.refuse(server, plan, owner, to, remote, cb, stype, err, n, ...)
  local self = new(server, plan, owner, to, remote, cb, stype, n, ...)
  task.run(server, self, fail, self, err)
end

return rpc_filters
