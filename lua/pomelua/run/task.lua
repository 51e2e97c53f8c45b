-- task: every function of a game that the server calls runs in a coroutine of
-- ours, so that it may wait. A task knows its owner, the request (or the
-- lifecycle step, the timer, ...) on whose behalf it runs: an error raised in any
-- of an owner's tasks is the owner's error.
--
-- An owner is a table with `name`, for the log, and optionally:
--   failed(owner, err)  is called with an error of one of its tasks
--   level               the log level of the traceback of such an error, when it is not "error"
--   client              true when a client or another server can cause its errors as often as it
--                       likes: the same error is then logged in full only once
--   kind                "request" or "call": the owner is a work itself
--
-- A task also belongs to a work, which a stop in order waits for (see run/quiet). The work is the
-- client's message or the call that owns the task, or else current.work of the moment at which C
-- called; a task that another task starts belongs to the same work.
--
-- A callback that ends a wait does not resume the waiting task from inside of the task that calls
-- it: it puts the wait into the server's ready queue, which is emptied when the running task has
-- returned to the server. So chains of callbacks do not nest coroutines.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local guards = require "pomelua.run.guards"
local waiting = require "pomelua.run.waiting"
local log = require "pomelua.base.log"
local timers = require "pomelua.run.timers"
local waits = require "pomelua.run.waits"
local where = require "pomelua.base.where"

local null = core.null
local task = {}

local WAIT, DONE, EXIT = {}, {}, {} -- what a task yields: parked, finished, os.exit
local POOL_MAX = 256

local yield, resume, running = coroutine.yield, coroutine.resume, coroutine.running

local function work(run, a, b, c, d)
  while true do
    run(a, b, c, d)
    run, a, b, c, d = yield(DONE)
  end
end

-- The owner is told first, because failed() may answer the client; the log can wait.
local function report(server, owner, co, err)
  local text
  if type(err) == "string" then
    text = errors.located(co, err)
    if where.of_framework(err) then err = text end -- no message for whoever waits
  end
  if owner.failed then owner:failed(err) end
  text = text or errors.text(err)
  if log.may_tell(server, owner, text) then
    log.write(server, owner.level or "error", owner.name .. log.stamp(owner) .. ": "
      .. debug.traceback(co, text))
  end
end

local function step(server, t, run, a, b, c, d)
  local outer_task, outer_server = current.task, current.server
  t.nest = outer_task and guards.depth() + 1 or 0
  current.task, current.server = t, server
  local ok, signal = resume(t.co, run, a, b, c, d)
  current.task, current.server = outer_task, outer_server
  if ok and signal == WAIT then
    local parked = server.tasks.parked
    if t.work and not parked[t] then parked[t] = server.node:now() end
    if t.sid and not t.counted then
      t.counted = true
      waiting.add(server, t.frontend_id, t.sid)
    end
    return
  end
  local owner = t.owner
  if t.tx then t.tx.leave(t.tx) end -- a transaction of a database (store/transaction)
  if t.counted then
    t.counted = false
    waiting.remove(server, t.frontend_id, t.sid)
  end
  if t.work then
    server.tasks.parked[t] = nil
    t.work = nil
  end
  t.owner, t.wait, t.sid, t.ahead, t.tx, t.inside = nil, nil, nil, nil, nil, nil
  if ok and signal == DONE then
    local pool = server.tasks.pool
    if #pool < POOL_MAX then pool[#pool + 1] = t end
  elseif not ok then
    -- The task may have used up the budget of this call from C: the report gets a new one. A
    -- nested task has used up the budget of the outer task, which is stopped as well.
    if not outer_task then server.node:renew() end
    report(server, owner, t.co, signal)
    -- The report may have run a script, too: the __tostring of the error.
    if not outer_task then server.node:renew() end
  elseif signal == EXIT then
    -- The client or the server that asked must not wait for an answer that never comes.
    if owner.kind then owner:failed("os.exit") end
  else
    report(server, owner, t.co, errors.located(t.co, "coroutine.yield outside of a coroutine of"
      .. " its own; use pomelua.await or pomelua.sleep to wait"))
  end
end

-- Refuses to nest one more task: each task that starts another inside of itself takes from the
-- stack of the thread.
local function refuse(server, owner)
  local text = "calls are nested too deeply"
  if owner.failed then owner:failed(text) end
  if log.may_tell(server, owner, text) then
    log.write(server, owner.level or "error", debug.traceback(owner.name .. ": " .. text, 3))
  end
end

local function work_now()
  local t = current.task
  if t then return t.work end
  return current.work
end
task.work = work_now

local function start(server, owner, run, a, b, c, d)
  if current.task and guards.full() then return refuse(server, owner) end
  local pool = server.tasks.pool
  local n = #pool
  local t = pool[n]
  if t then
    pool[n] = nil
  else
    t = { co = coroutine.create(work) }
  end
  t.owner = owner
  t.work = owner.kind and owner or work_now()
  step(server, t, run, a, b, c, d)
end

local function run_item(server, item)
  if item.run then
    local outer = current.work
    current.work = item.work
    start(server, item.owner, item.run, item.a, item.b)
    current.work = outer
  elseif item.task.wait == item and coroutine.status(item.task.co) == "suspended" then
    item.task.wait = nil
    step(server, item.task)
  end
end

local function run_ready(server)
  local ready = server.tasks.ready
  while ready.first <= ready.last do
    local item = ready[ready.first]
    ready[ready.first] = nil
    ready.first = ready.first + 1
    run_item(server, item)
  end
end

-- Empties the ready queue. Only the outermost call does so; an error of one item does not keep
-- the others from running.
local function drain(server)
  local tasks = server.tasks
  if tasks.draining then return end
  tasks.draining = true
  repeat
    local ok, err = pcall(run_ready, server)
    if not ok then log.write(server, "error", "task: " .. errors.text(err)) end
  until ok
  tasks.ready.first, tasks.ready.last = 1, 0
  tasks.draining = false
end

-- The usual item finds the queue empty and is not put into it: LuaJIT compiles no function that
-- comes to a loop of another one, and so would compile nothing of what ends a wait.
local function put(server, item)
  local tasks = server.tasks
  local ready = tasks.ready
  if current.task or tasks.draining or ready.last > 0 then
    ready.last = ready.last + 1
    ready[ready.last] = item
    if not current.task then drain(server) end
    return
  end
  tasks.draining = true
  local ok, err = pcall(run_item, server, item)
  if not ok then log.write(server, "error", "task: " .. errors.text(err)) end
  tasks.draining = false
  if ready.last > 0 then drain(server) end
end

---The part of a server that belongs to this file.
function task.init(server)
  ---@class pomelua.Tasks
  server.tasks = {
    pool = {}, -- tasks that have ended, to be used again
    ready = { first = 1, last = 0 }, -- the waits that have ended and the tasks that are to start
    draining = false, -- whether the ready queue is being emptied, or may not be
    parked = {}, -- [task that belongs to a work and has waited] = when it first did
    waits = waits.new(), -- the line of awaits
    listed = {}, -- [wait that stands in a list] = true
    wake = put,
    await_ms = 30000,
    dropped = 0, -- second calls of an await's callback
  }
end

---Whether anything is to run as soon as the running task has returned.
function task.is_ready(server) return server.tasks.ready.first <= server.tasks.ready.last end

---Calls fn(owner) for all that waits or is ready.
function task.each_owner(server, fn)
  waits.each_owner(server, fn)
  local ready = server.tasks.ready
  for i = ready.first, ready.last do
    local item = ready[i]
    if item then fn(item.owner or item.task and item.task.owner) end
  end
end

---Runs run(a, b, c, d) in a task, at once, until it ends or waits.
---@param server table
---@param owner table
---@param run function
function task.run(server, owner, run, a, b, c, d)
  local outermost = not current.task
  start(server, owner, run, a, b, c, d)
  if outermost and server.tasks.ready.last > 0 then drain(server) end
end

---The same, when C calls and the task belongs to a known work.
---@param one table|nil the work
function task.run_for(one, server, owner, run, a, b, c)
  local outer = current.work
  current.work = one
  task.run(server, owner, run, a, b, c)
  current.work = outer
end

---Runs run(a, b) in a task, when the running task has returned to the server.
function task.defer(server, owner, run, a, b)
  put(server, { run = run, owner = owner, a = a, b = b, work = work_now() })
end

---Calls fn(...) outside of any task, and lets no task resume before it has returned. C calls
---scripts in this way while it walks its own tables or writes a message.
---@return boolean ok
---@return any result what fn returned, or its error
function task.hold(server, fn, ...)
  local outer_task, outer_server = current.task, current.server
  local draining = server.tasks.draining
  current.task, current.server, server.tasks.draining = nil, server, true
  local ok, result = pcall(fn, ...)
  current.task, current.server, server.tasks.draining = outer_task, outer_server, draining
  if not ok then result = where.raised_by(fn, result) end
  return ok, result
end

local NESTED = 16
local inside = 0 -- calls of toJSON that are under way

-- The JSON writer of C calls a script's toJSON in the middle of a message, where no task may wait.
core.to_json_caller(function(fn, value, key)
  local server = current.server
  if inside >= NESTED then error("toJSON inside of toJSON, " .. NESTED .. " deep", 0) end
  inside = inside + 1
  local ok, result
  if server then
    ok, result = task.hold(server, fn, value, key)
  else
    ok, result = pcall(fn, value, key)
  end
  inside = inside - 1
  if not ok then error(result, 0) end
  return result
end)

---Whether a call without a callback may wait here: in a function that the server called, unless the
---caller of that function needs its result at once (task.at_once).
---@return boolean
function task.can_wait()
  local t = current.task
  return t ~= nil and running() == t.co and not t.at_once
end

---Calls fn(...); calls without a callback do not wait in it.
---@return any ... what fn returned; its errors pass through
function task.at_once(fn, ...)
  local t = current.task
  if not t then return fn(...) end
  local outer = t.at_once
  t.at_once = true
  local ok, a, b, c = pcall(fn, ...)
  t.at_once = outer
  if not ok then error(a, 0) end
  return a, b, c
end

---The running task works on a message of that session, and counts for it while it waits.
---@param frontend_id string
---@param sid number
function task.works_for(frontend_id, sid)
  local t = current.task
  t.frontend_id, t.sid = frontend_id, sid
end

---The owner of the running task.
---@return table|nil
function task.owner()
  local t = current.task
  return t and t.owner
end

-- The running task is about to wait.
local function begin_wait(t)
  t.waits = (t.waits or 0) + 1
  local ahead = t.ahead
  if ahead then -- see message/filtered
    t.ahead = nil
    ahead:give_way()
  end
  return t
end

-- The running task, for a function that is about to wait. Raises at the line of the game.
local function waiter(what)
  local t = current.task
  if not t or running() ~= t.co then
    errors.raise("pomelua." .. what .. ": only inside a function that the server called,"
      .. " and not in a coroutine of your own")
  end
  return begin_wait(t)
end

local function result(wait)
  if wait.late then
    return nil, errors.new("no callback within " .. wait.ms .. " ms", "TIMEOUT")
  end
  local values = wait.values
  local err = values[1]
  if err and not rawequal(err, null) then return nil, err end
  if values.n <= 1 then return true end
  return unpack(values, 2, values.n)
end

---Calls f(..., cb) and waits for cb. Nothing waits longer than serverConfig.awaitTimeout.
---@param f function|table anything callable
---@return any ... cb(nil): true; cb(nil, x, ...): x, ...; cb(err): nil, err
---(err.code "TIMEOUT" when cb was not called in time). Raises outside of a task.
function task.await(f, ...)
  local t = waiter("await")
  if type(f) ~= "function" and type(f) ~= "table" and type(f) ~= "userdata" then
    errors.raise("pomelua.await(f, ...): f must be a function, got " .. type(f)
      .. "; await calls it: pomelua.await(session.push, session, key)")
  end
  local server = current.server
  local wait = { task = t, done = false, parked = false }
  local function cb(...)
    if wait.done then
      server.tasks.dropped = server.tasks.dropped + 1
      server:debug(t.owner and t.owner.name .. ": an awaited callback was called again"
        or "an awaited callback was called after its task had ended", "awaited callbacks")
      return
    end
    wait.done = true
    wait.values = { n = select("#", ...), ... }
    if wait.parked then
      if wait.linked then waits.unlink(server, wait) end
      put(server, wait)
    end
  end
  local n = select("#", ...)
  if n == 0 then
    f(cb)
  else
    local args = { ... }
    args[n + 1] = cb
    f(unpack(args, 1, n + 1))
  end
  if not wait.done then
    wait.parked = true
    t.wait = wait
    waits.link(server, wait, server.tasks.await_ms)
    yield(WAIT)
  end
  return result(wait)
end

---Waits until task.resume is called for the record, however long that takes. The caller has asked
---task.can_wait.
---@param record table its field `task` is the wait's
function task.suspend(record)
  local t = begin_wait(current.task)
  record.task = t
  t.wait = record
  yield(WAIT)
end

---The task that waits for a record goes on.
task.resume = put

---Calls begin(wake) and waits until wake() is called, however long that takes. Raises outside of
---a task.
---@param begin fun(wake: fun())
function task.park(begin)
  local server, wait = current.server, { task = waiter("wait") }
  wait.task.wait = wait
  begin(function() put(server, wait) end)
  yield(WAIT)
end

local function wake(server, wait)
  wait.done = true
  put(server, wait)
end

---Waits ms milliseconds. Raises outside of a task, and when ms is no such number.
---@param ms number
function task.sleep(ms)
  local t = waiter("sleep")
  if type(ms) ~= "number" or ms ~= ms or ms < 0 or ms > 2 ^ 31 then
    errors.raise("pomelua.sleep(ms): ms must be a number of milliseconds from 0 to 2^31")
  end
  local server = current.server
  local wait = { task = t, fire = wake }
  if not timers.start(server, ms, wait) then errors.raise("pomelua.sleep: too many timers") end
  t.wait = wait
  yield(WAIT)
end

---Waits until wake_all is called for the list. Raises outside of a task.
---@param list table gets the wait of the running task
function task.wait_in(list)
  local wait = { task = waiter("await") }
  list[#list + 1] = wait
  current.server.tasks.listed[wait] = true
  wait.task.wait = wait
  yield(WAIT)
end

---Every task that waits in the list goes on.
---@param list table is empty afterwards
function task.wake_all(server, list)
  for i = 1, #list do
    local wait = list[i]
    list[i] = nil
    server.tasks.listed[wait] = nil
    put(server, wait)
  end
end

---Ends the running task for good, even from inside a pcall; raises where it cannot.
function task.exit()
  local t = current.task
  if t and running() == t.co then yield(EXIT) end
  error("os.exit", 0)
end

return task
