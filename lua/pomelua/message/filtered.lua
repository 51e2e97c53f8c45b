-- filtered: a client's message on its way through the filters to its handler, or to another server,
-- and back (protocol 14).
--
-- A way is a list of steps, made when filters are registered: global before filters, local ones,
-- the handler, the error handler, local after filters backwards, the answer, global after filters
-- backwards. A message is at one step; the step ends once: it returns, or calls its `next`, or
-- raises. A filter that has called `next` gives way when it returns or waits. A handler's `next`,
-- and one that is called from elsewhere, goes on at once in a task of its own, so that a later
-- step's error or wait is nothing to the function that has called it.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local request = require "pomelua.message.request"
local request_log = require "pomelua.filter.request_log"
local router = require "pomelua.message.router"
local send_on = require "pomelua.message.send_on"
local task = require "pomelua.run.task"

local filtered = {}

local truthy = request.truthy

local PASSED, RESUMING = "passed", "resuming"

---@class pomelua.Filtered: pomelua.Request
---@field plan table[] its way
---@field at number the step that it is at; what calls `next` of another is too late
---@field driver table|false the task that goes from step to step
---@field hold string|false "passed": its function has called next and not given way yet;
---"resuming": it goes on in a task that is to start
---@field from pomelua.Session|pomelua.BackendSession
---@field frontend_id string of the session: what a script writes into `from` does not count
---@field sid number
---@field entry table|false its handler
---@field whole table|false what global filters get
---@field msg any its bytes; decoded before the local filters: what these and the handler get
---@field err any
---@field resp any
---@field logged any an error that the log has already
local methods = {}
for name, value in pairs(request.methods) do methods[name] = value end
local mt = { __name = "pomelua.filtered", __index = methods }

-- Goes from step to step until one of them does not end at once. Runs in a task.
local function go(self)
  task.works_for(self.frontend_id, self.sid)
  local t, plan = current.task, self.plan
  self.driver = t
  repeat
    local at = self.at + 1
    self.at = at
    local step = plan[at]
  until not step or not step.run(self, step, at)
  if self.driver == t then self.driver = false end -- t will be another's
end

---Goes on, in a task of its own.
function methods:go_on() task.run(self.generation.server, self, go, self) end

local function go_again(self)
  self.hold = false
  go(self)
end

-- An error of a step: the message goes on where errors of that step go.
local function set_error(self, step, err, resp)
  self.err, self.resp = err, resp
  self.at = step.jump
end

---An error was raised in one of its tasks; it has been logged. The way goes on without that step.
function methods:failed(err)
  local plan, at = self.plan, self.at
  if self.hold == RESUMING or at > #plan then return end
  if at == plan.answer then
    request.methods.failed(self)
  elseif at < plan.answer then
    local step = plan[at]
    if step and step.global then self.global_failed = true end
    if not step or step.jump then self.resp = false end
    if self.id then self.generation.server.filters.sent_on[self.id] = nil end
    self.err = type(err) == "table" and err or errors.of(err)
    self.logged = self.err
    self.at = step and (step.jump or at) or plan.answer - 1
  end
  self.hold = RESUMING
  task.defer(self.generation.server, self, go_again, self)
end

---Ends the step that a message waits in with an error, when it has not been answered.
---@param err pomelua.Error
function methods:expire(err)
  if self.answered or self.at >= self.plan.answer then return end
  self.expired = true
  self:failed(err)
end

local function late(self, step)
  local server, label = self.generation.server, self.label or self.name
  if self.expired then
    return server:debug(self.name .. ": went on after its time was out", "late answers")
  end
  if step.is_handler then
    return server:warn(self.name .. ": answered twice; the second answer is dropped",
      "second answers: " .. label)
  end
  server:warn(("%s: %s called next again; that does nothing"):format(self.name, step.name),
    "second calls of next: " .. label)
end

---Its function has called next, and begins to wait.
function methods:give_way()
  if self.hold == RESUMING then return end
  self.hold = RESUMING
  task.defer(self.generation.server, self, go_again, self)
end

-- Makes the `next` of a filter for each message. (`at` and `step` are the same for all of them: a
-- function of LuaJIT's shares what stands outside of its maker.)
local function filters_next(plan, at)
  local step = plan[at]
  return function(self)
    return function(err, resp)
      if self.at ~= at or self.hold then return late(self, step) end
      if err ~= nil or resp ~= nil or self.err then step.ended(self, step, err, resp) end
      local t = current.task
      if t ~= self.driver then return task.run(self.generation.server, self, go, self) end
      self.hold = PASSED
      t.ahead = self
    end
  end
end

-- The same of a handler: what the handler does afterwards comes behind the answer.
local function handlers_next(plan, at)
  local step, last = plan[at], #plan
  return function(self)
    return function(err, resp)
      if self.at ~= at or self.hold then return late(self, step) end
      step.ended(self, step, err, resp)
      if self.at + 1 == last then -- the answer is the last step: nothing of the game's runs
        self.at = last
        return plan[last].run(self)
      end
      task.run(self.generation.server, self, go, self)
    end
  end
end

-- A filter's function has returned that has called next: whether the driver goes on.
local function gone_on(self, step, first, second)
  if first ~= nil or second ~= nil then late(self, step) end
  if self.hold ~= PASSED then return false end
  self.hold, self.driver.ahead = false, nil
  return true
end

-- What a filter must not return is an error at the line where it stands.
local function wrong_result(step, may, value)
  error(("%s: %s returns %s; it returned a %s"):format(step.place, step.name, may,
    type(value)), 0)
end

-- The steps ---------------------------------------------------------------------------
--
-- run(self, step, at) gives whether the step has ended; ended(self, step, err, resp) is what its
-- next does.

local function ended_before(self, step, err, resp)
  if truthy(err) then return set_error(self, step, err, resp) end
  if truthy(resp) and not step.told then
    step.told = true
    self.generation.server:warn(("%s: %s called next(nil, resp): without an error the message goes"
      .. " on, and resp is dropped"):format(self.name, step.name))
  end
end

-- A table that is no error is the answer as well: `return nil, { code = 401 }`.
local function refused(self, step, err)
  local resp = type(err) == "table" and not errors.is(err) and err or nil
  set_error(self, step, err, resp)
  if step.global then self.global_failed = true end
end

local function run_before(self, step, at)
  local msg = step.global and self.whole or self.msg
  local next = step.next_of and step.next_of(self) or nil
  local first, second
  if step.of then
    first, second = step.fn(step.of, msg, self.from, next)
  else
    first, second = step.fn(msg, self.from, next)
  end
  if self.hold or self.at ~= at then return gone_on(self, step, first, second) end
  if first == nil and second == nil then return not step.next_of end
  if first == nil then
    refused(self, step, second)
  elseif type(first) == "table" then
    self.resp, self.at = first, step.jump
  else
    wrong_result(step, "nothing (the message goes on), a table (the answer) or nil, err", first)
  end
  return true
end

local function ended_global_before(self, step, err, resp)
  if truthy(err) then self.global_failed = true end
  ended_before(self, step, err, resp)
end

-- The body is decoded once, for local filters and the handler.
local function run_open(self)
  local msg
  if self.whole then
    msg = self.whole.body
  else
    local server = self.generation.server
    local value, ok = server.decode_body(self.msg)
    if not ok then server.bad_bodies = server.bad_bodies + 1 end
    msg = value
  end
  -- The route replaces a field of that name which the client has sent; an array has no fields.
  if type(msg) == "table" and not json.is_array(msg) then msg.__route__ = self.name end
  self.msg = msg
  return true
end

local function handled(self, step, err, resp)
  if step.log then
    request_log.write(self.generation.server, "forward-log", self.name, self.msg, self.began)
  end
  if truthy(err) then return set_error(self, step, err, resp) end
  self.resp = resp
  self.at = step.past -- the error handler
end

-- A handler without a parameter for next gets none: to make one is not free.
local function declares_next(entry)
  local info = debug.getinfo(entry.fn, "u")
  entry.takes = info.isvararg or info.nparams >= 4
  return entry.takes
end

local function run_handler(self, step, at)
  local entry = self.entry
  if not entry then
    self.generation.server:info_line(("%s: fail to find handler for %s"):format(self.name,
      self.name), "messages without a handler")
    self.label = "messages without a handler"
    self.logged = errors.new("fail to find handler for " .. self.name, "NOENT")
    set_error(self, step, self.logged)
    return true
  end
  if step.log then self.began = request_log.begin(self.generation.server) end
  local takes = entry.takes
  if takes == nil then takes = declares_next(entry) end
  local first, second = entry.fn(entry.owner, self.msg, self.from, takes and step.next_of(self)
    or nil)
  if self.at ~= at then
    if first ~= nil or second ~= nil then late(self, step) end
    return false
  end
  if first == nil then
    -- What declares next answers by it; so does a request. A notify without it has ended.
    if second == nil and (takes or self.id) then return false end
    handled(self, step, second)
  elseif step.log then
    handled(self, step, nil, first)
  else
    self.resp, self.at = first, step.past
  end
  return true
end

local function ended_error(self, _, err, resp) self.err, self.resp = err, resp end

local function run_error(self, step, at)
  if not truthy(self.err) or step.global and not self.global_failed then return true end
  local next = step.next_of and step.next_of(self) or nil
  local first, second = step.fn(self.err, step.global and self.whole or self.msg,
    self.resp or nil, self.from, next)
  if self.hold or self.at ~= at then return gone_on(self, step, first, second) end
  if first == nil and second == nil then return not step.next_of end
  if first == nil then
    self.err = second
  elseif type(first) == "table" then
    self.err, self.resp = nil, first
  else
    wrong_result(step, "nothing (the error stays), a table (the answer) or nil, err", first)
  end
  return true
end

local function ended_after(self, step, err)
  if truthy(self.err) and not truthy(err) and not step.told then
    step.told = true
    self.generation.server:warn(("%s: %s called next without the error (%s): the client gets a"
      .. " success. next(err) passes it on; this is said once"):format(self.name, step.name,
      errors.text(self.err)))
  end
  self.err = err
end

local function run_after(self, step, at)
  local next = step.next_of and step.next_of(self) or nil
  local msg = step.global and self.whole or self.msg
  local first, second
  if step.of then
    first, second = step.fn(step.of, self.err or nil, msg, self.from, self.resp or nil, next)
  else
    first, second = step.fn(self.err or nil, msg, self.from, self.resp or nil, next)
  end
  if self.hold or self.at ~= at then return gone_on(self, step, first, second) end
  if first ~= nil then
    wrong_result(step, "nothing (the error stays what it is) or nil, err", first)
  end
  if second == nil then return not step.next_of end
  self.err = second
  return true
end

local function run_answer(self)
  if not self.answered then self:answer(self.err, self.resp) end
  return true
end

-- The response is sent: what a global after filter gives changes nothing.
local function ended_last() end

local function run_last(self, step, at)
  local err = self.err
  local over = run_after(self, step, at)
  self.err = err
  return over
end

-- Ways --------------------------------------------------------------------------------

-- Adds the steps of a list of filters, from the last one when `back`.
local function add(plan, list, back, fields)
  for i = 1, #list do
    local entry = list[back and #list + 1 - i or i]
    local step = { fn = entry.fn, of = entry.of, takes = entry.takes, place = entry.place }
    for key, value in pairs(fields) do step[key] = value end
    step.name = ("%s at %s"):format(fields.what, entry.place)
    plan[#plan + 1] = step
  end
end

local function add_before(plan, global)
  add(plan, global.before, false, { run = run_before, ended = ended_global_before, global = true,
    what = "the global before filter", to_answer = true })
end

local function add_local(plan, here)
  plan[#plan + 1] = { run = run_open, name = "the body" }
  add(plan, here.before, false, { run = run_before, ended = ended_before,
    what = "the before filter" })
  plan[#plan + 1] = { run = run_handler, ended = handled, name = "the handler",
    log = here.log, is_handler = true }
  plan.handler = #plan
  add(plan, { here.handler }, false, { run = run_error, ended = ended_error,
    what = "the errorHandler" })
  add(plan, here.after, true, { run = run_after, ended = ended_after,
    what = "the after filter" })
end

-- The rest of a way; and where the errors of each step go: behind the handler or, past the local
-- filters, to the globalErrorHandler or the answer.
local function finish(plan, global, here)
  local before_answer = #plan
  add(plan, { global.handler }, false, { run = run_error, ended = ended_error, global = true,
    what = "the globalErrorHandler" })
  plan[#plan + 1] = { run = run_answer, name = "the answer" }
  plan.answer = #plan
  add(plan, global.after, true, { run = run_last, ended = ended_last, global = true,
    what = "the global after filter" })
  for i = plan.answer + 1, #plan do
    if plan[i].takes then plan[i].next_of = filters_next(plan, i) end
  end
  for i = 1, plan.answer - 1 do
    local step = plan[i]
    if step.to_answer then
      step.jump = before_answer
    elseif i <= (plan.handler or 0) then
      step.jump = plan.handler
    end
    if i == plan.handler then
      step.next_of = handlers_next(plan, i)
    elseif step.takes then
      step.next_of = filters_next(plan, i)
    end
    if i == plan.handler then step.past = here and here.handler and i + 1 or i end
  end
  plan.is_global = #global.before + #global.after > 0
  return plan
end

---The ways of messages: inner, for this server's own handlers; outer, to another server.
---@param global table before, after: lists of filters; handler: the error handler
---@param here table the same of local filters, and log: whether a line is written for each request
---@return table
function filtered.plans(server, global, here)
  local inner = {}
  add_before(inner, global)
  add_local(inner, here)
  finish(inner, global, here)
  local outer = {}
  add_before(outer, global)
  outer[#outer + 1] = { run = send_on.run, name = "another server", to_answer = true }
  finish(outer, global)
  outer.watched = #global.after > 0
  return { inner = inner, outer = outer, prefix = server.type .. "." }
end

---Starts a message on its way.
---@param plans table of filtered.plans
---@param entry table|nil its handler on this server
---@param id number|nil nil for a notify
---@param from pomelua.Session|pomelua.BackendSession
---@param route string
---@param body string
---@param msg_id number the client's
function filtered.start(server, plans, entry, id, from, route, body, msg_id)
  local prefix = plans.prefix
  local away = not entry and route:sub(1, #prefix) ~= prefix
  local plan = away and plans.outer or plans.inner
  local self = setmetatable({
    generation = server.generation, id = id, name = route, answered = false,
    plan = plan, at = 0, from = from, frontend_id = from.frontendId, sid = from.id,
    entry = entry or false, msg = body, whole = false, err = false,
    resp = false, driver = false, hold = false,
  }, mt)
  if plan.is_global or away then
    if away then self.label = "messages to other servers" end
    local stype = route:match("^[^.]*")
    local whole = router.message(server, stype, msg_id == 0 and 1 or 0, msg_id, route, body, from)
    rawset(whole, "_decode", server.filters.decode)
    self.whole = whole
  else
    run_open(self)
    self.at = 1
  end
  task.run(server, self, go, self)
end

return filtered
