-- test.leftovers: what a spec's virtual servers still wait for.
local leftovers = {}

---What a server has at this moment; after its start that is not the spec's.
---@return table
function leftovers.count(inner)
  local timers, waits = 0, 0
  for _ in pairs(inner.script_timers.by_id) do timers = timers + 1 end
  for _, record in pairs(inner.timers) do
    if not record.of_framework then waits = waits + 1 end
  end
  return { timers = timers, tasks = math.max(0, waits - timers) }
end

local function of_server(one, lines)
  local inner, now, before = one.inner, leftovers.count(one.inner), one.at_start
  local timers, tasks = now.timers - before.timers, now.tasks - before.tasks
  if timers > 0 then
    lines[#lines + 1] = ("  %s: %d timer%s (setTimeout, setInterval)"):format(inner.id, timers,
      timers == 1 and "" or "s")
  end
  if tasks > 0 then
    lines[#lines + 1] = ("  %s: %d task%s that wait%s (await, sleep, an answer)"):format(inner.id,
      tasks, tasks == 1 and "" or "s", tasks == 1 and "s" or "")
  end
end

---@param open table[] servers and clusters
---@return string|nil text a line for each kind; nil: nothing is left
function leftovers.of(open)
  local lines = {}
  for _, one in ipairs(open) do
    if one.inner and one.node then of_server(one, lines) end
  end
  return #lines > 0 and table.concat(lines, "\n") or nil
end

return leftovers
