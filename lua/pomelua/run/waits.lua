-- waits: the waits of tasks. Every pomelua.await has the same deadline, so its waits stand in one
-- line with the next to expire in front, and the line needs one timer. Waits without a deadline
-- stand in a list until task.wake_all is called for it. A wait that ends goes to tasks.wake.
local timers = require "pomelua.run.timers"

---@class pomelua.Wait
---@field task table the task that waits
---@field done boolean whether it has been called back, or has expired
---@field parked boolean whether its task has stopped to wait for it
---@field values table|nil what the callback got: {n=, ...}
---@field late boolean|nil whether it has expired
---@field ms number|nil how long it may wait
---@field due number|nil the node's time at which it expires
---@field linked boolean|nil whether it stands in the line, between before and after
---@field before pomelua.Wait|nil
---@field after pomelua.Wait|nil
---@field list table|nil the list that it stands in

local waits = {}

---A line without waits.
function waits.new() return { head = nil, tail = nil, timer = nil } end

local function watch(server, line)
  if line.timer or not line.head then return end
  timers.start(server, math.max(0, line.head.due - server.node:now()), line)
end

---Takes a wait out of the line.
function waits.unlink(server, wait)
  local line = server.tasks.waits
  if wait.before then wait.before.after = wait.after else line.head = wait.after end
  if wait.after then wait.after.before = wait.before else line.tail = wait.before end
  wait.before, wait.after, wait.linked = nil, nil, false
end

local function expire(server, line)
  local now = server.node:now()
  while line.head and line.head.due <= now do
    local wait = line.head
    waits.unlink(server, wait)
    wait.done = true
    wait.late = true
    server.tasks.wake(server, wait)
  end
  watch(server, line)
end

---Puts a wait at the end of the line: it expires ms milliseconds from now.
function waits.link(server, wait, ms)
  local line = server.tasks.waits
  line.fire = expire
  wait.ms = ms
  wait.due = server.node:now() + ms
  wait.before = line.tail
  if line.tail then line.tail.after = wait else line.head = wait end
  line.tail = wait
  wait.linked = true
  watch(server, line)
end

---Calls fn(owner) for each wait in the line or in a list.
function waits.each_owner(server, fn)
  local wait = server.tasks.waits.head
  while wait do
    fn(wait.task.owner)
    wait = wait.after
  end
  for listed in pairs(server.tasks.listed) do fn(listed.task.owner) end
end

return waits
