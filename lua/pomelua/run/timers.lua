-- timers: the node's one-shot timers by id. A record's fire(server, record) is called when its
-- time has come, outside of any task.
local timers = {}

---@class pomelua.Timer
---@field fire fun(server: pomelua.Server, record: pomelua.Timer)
---@field timer number|nil its id in the node, while it runs
---@field owner table|nil the owner on whose behalf it runs
---@field task table|nil the task that waits for it

---The part of a server that belongs to this file: the running timers by id.
function timers.init(server) server.timers = {} end

---Calls fire(server, record) once, ms milliseconds from now, outside of any task.
---@return table|nil record nil when the server has too many timers
function timers.start(server, ms, record)
  local id = server.node:timer(ms)
  if not id or id == 0 then return nil end
  record.timer = id
  server.timers[id] = record
  return record
end

---@return boolean whether it was running
function timers.stop(server, record)
  if not record.timer then return false end
  server.timers[record.timer] = nil
  server.node:cancel(record.timer)
  record.timer = nil
  return true
end

---entries.timer
function timers.expired(server, id)
  local record = server.timers[id]
  if not record then return end
  server.timers[id] = nil
  record.timer = nil
  record.fire(server, record)
end

---Calls fn(owner) for each running timer that has one.
function timers.each_owner(server, fn)
  for _, record in pairs(server.timers) do fn(record.owner or record.task and record.task.owner) end
end

return timers
