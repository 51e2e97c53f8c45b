-- serial: a filter that lets the messages of one session run one after the other (protocol 14).
--
-- A queue belongs to a session of a frontend, and is there only while a message of it runs. A
-- message that waits holds a coroutine and counts for serverConfig.maxInFlight, so a client cannot
-- make a queue long. One that does not end in time gives way: the next begins, the log says so, and
-- its own answer, when it comes, is what its handler gave.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local TIMEOUT = 3000

local methods = {}
local mt = { __name = "pomelua.filter", filters = "messages", __index = methods }

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
  local of = server.filters.queues[queue.frontend]
  of[queue.sid] = nil
  if next(of) == nil then server.filters.queues[queue.frontend] = nil end
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

local function new_queue(server, session, message)
  local queues, frontend = server.filters.queues, session.frontendId
  queues[frontend] = queues[frontend] or {}
  queues[frontend][session.id] = {
    frontend = frontend, sid = session.id, running = message, deep = 1,
    since = server.node:now(), timer = nil,
  }
end

function methods:before(_, session)
  local server, message = current.server, task.owner()
  local queue = queue_of(server, session)
  if not queue then return new_queue(server, session, message) end
  if queue.running == message then -- a second serial, of global filters for example
    queue.deep = queue.deep + 1
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
