-- quiet: the works that a stop in order waits for on this server, beside the requests and calls
-- that C knows to be open. A work is one of these, with all that it starts and waits for:
--
--   a client's message, an HTTP request, and a call of another server, until it is answered
--   the listeners of the end of a session
--   a callback of a timer that has begun to run
--   the listeners of stop_server, and beforeShutdown
--
-- A stop does not wait for tasks that files, lifecycle steps or pomelua itself have started, for a
-- handler that goes on after its answer, or for a work without an answer that has gone on for
-- longer than a request may: the loop of a room, for example.
--
-- A work is a table with `name`; `answered`: it has ended; is_over(work), or nil: whether it has
-- ended in another way; `stays`: its age does not matter.
local task = require "pomelua.run.task"

local quiet = {}

local HANDLER_MS = 10000

---The part of a server that belongs to this file.
function quiet.init(server)
  server.quiet = {
    records = {}, -- tables of records with `work`, for what waits for an answer of C's
    stopping = false, -- whether the server stops
  }
end

---Records of what waits for an answer count, each while it stands in the table.
---@param records table<any, table> each with the work that it belongs to, or none
function quiet.add_records(server, records)
  table.insert(server.quiet.records, records)
end

local function counts(work)
  return work ~= nil and not work.answered and not (work.is_over and work:is_over())
end

local function label(work)
  return (work.kind == "call" and "remote " or "") .. work.name
end

-- Calls fn(work, is_call) for each work that goes on.
local function each(server, fn)
  local now = server.node:now()
  local limit = server.checked.numbers.handlerTimeout or HANDLER_MS
  for t, since in pairs(server.tasks.parked) do
    local work = t.work
    if counts(work) and (work.stays or now - since < limit) then fn(work) end
  end
  for _, records in ipairs(server.quiet.records) do
    for _, record in pairs(records) do
      if counts(record.work) then fn(record.work, true) end
    end
  end
end

---entries.pending
---@return number how much goes on
---@return string names, one per line
function quiet.pending(server)
  local n, names, tasks = 0, {}, {}
  each(server, function(work, is_call)
    n = n + 1
    if is_call and tasks[work] then return end -- that of a task that waits for it
    tasks[work] = true
    names[#names + 1] = label(work) .. "\n"
  end)
  return n, table.concat(names)
end

---Whether something of a work goes on.
---@param work table
---@return boolean
function quiet.goes_on(server, work)
  local found = false
  each(server, function(one)
    if one == work then found = true end
  end)
  return found
end

---Whether a call that is made now is of what a stop does not wait for. Before a stop all are
---waited for where they arrive.
---@return boolean
function quiet.aside(server)
  return server.quiet.stopping and not counts(task.work())
end

---The work of a timer that fires: that which started it, when it was the end of a session or a
---step of a stop; else one of its own, unless the server stops: then a timer begins nothing.
---@param record table
---@return table|nil
function quiet.of_timer(server, record)
  local work = record.work
  if work and work.stays then return work end
  if not work or server.quiet.stopping then return nil end
  record.name = record.what .. " of " .. work.name
  return record
end

return quiet
