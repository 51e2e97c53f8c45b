-- serial: a filter that lets the messages of one session run one after the other (protocol 14).
--
-- A queue belongs to a session of a frontend, and is there only while a message of it runs. A
-- message that waits holds a coroutine and counts for serverConfig.maxInFlight, so a client cannot
-- make a queue long. One that does not end in time gives way: the next begins, the log says so, and
-- its own answer, when it comes, is what its handler gave. A queue in which nothing waits is then
-- gone: a backend does not hear that a session has ended, or a frontend.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local TIMEOUT = 3000
local SWEEP_MIN = 100 -- milliseconds between two looks for queues that are to go

local methods = {}
local mt = { __name = "pomelua.filter", filters = "messages", __index = methods }

local function drop(server, queue)
  local queues = server.filters.queues
  local of = queues[queue.frontend]
  of[queue.sid] = nil
  if next(of) == nil then queues[queue.frontend] = nil end
end

-- The next message of a queue begins; a queue without one is gone.
local function advance(server, queue)
  if queue.timer then
    timers.stop(server, queue.timer)
    queue.timer = nil
  end
  local item = table.remove(queue, 1)
  if item then
    queue.running, queue.deep, queue.since = item.message, 1, server.node:now()
    return item.wake()
  end
  drop(server, queue)
end

-- Looks for queues whose message has had its time, and for which nothing waits. One timer of the
-- server does so, while there are queues.
local function sweep(server)
  local own, now = server.filters, server.node:now()
  local over, least = {}, nil
  for _, of in pairs(own.queues) do
    for _, queue in pairs(of) do
      if not queue[1] and now - queue.since >= queue.ms then
        over[#over + 1] = queue
      elseif not least or queue.ms < least then
        least = queue.ms
      end
    end
  end
  for i = 1, #over do drop(server, over[i]) end
  own.sweep = least and timers.start(server, math.max(least, SWEEP_MIN), {
    of_framework = true, fire = sweep,
  }) or nil
end

local watch

local function expire(server, record)
  local queue = record.queue
  queue.timer = nil
  server:error(("serial: %s has not ended within %.0f ms; the next message of its session begins")
    :format(queue.running.name, record.ms), "messages that keep others waiting")
  advance(server, queue)
  watch(server, queue, record.ms)
end

-- The running message gets its deadline when another begins to wait for it.
function watch(server, queue, ms)
  if queue.timer or not queue[1] then return end
  local left = math.max(0, queue.since + ms - server.node:now())
  queue.timer = timers.start(server, left, { fire = expire, queue = queue, ms = ms })
end

local function queue_of(server, session)
  local queues = server.filters.queues
  local of = queues[session.frontendId]
  return of and of[session.id]
end

local function new_queue(server, session, message, ms)
  local own, frontend = server.filters, session.frontendId
  local queues = own.queues
  queues[frontend] = queues[frontend] or {}
  queues[frontend][session.id] = {
    frontend = frontend, sid = session.id, running = message, deep = 1,
    since = server.node:now(), timer = nil, ms = ms,
  }
  own.sweep = own.sweep or timers.start(server, math.max(ms, SWEEP_MIN), {
    of_framework = true, fire = sweep,
  })
end

function methods:before(_, session)
  local server, message = current.server, task.owner()
  local queue = queue_of(server, session)
  if not queue then return new_queue(server, session, message, self.ms) end
  if queue.running == message then -- a second serial, of global filters for example
    queue.deep, queue.ms = queue.deep + 1, math.max(queue.ms, self.ms)
    return
  end
  task.park(function(wake)
    queue[#queue + 1] = { message = message, wake = wake }
    watch(server, queue, self.ms)
  end)
end

function methods:after(_, _, session)
  local server, message = current.server, task.owner()
  local queue = queue_of(server, session)
  if not queue then return end
  if queue.running == message then
    queue.deep = queue.deep - 1
    if queue.deep > 0 then return end
    advance(server, queue)
    return watch(server, queue, self.ms)
  end
  -- It has failed while it waited.
  for i = #queue, 1, -1 do
    if queue[i].message == message then table.remove(queue, i).wake() end
  end
end

---@param ms number|nil milliseconds that a message may keep the next one waiting; 3000
---@return pomelua.Filter
return function(ms)
  ms = ms or TIMEOUT
  if type(ms) ~= "number" or not (ms >= 1 and ms < 2 ^ 31) then
    errors.raise("pomelua.serial(ms): ms must be a number of milliseconds from 1, got "
      .. tostring(ms))
  end
  return setmetatable({ ms = ms }, mt)
end
