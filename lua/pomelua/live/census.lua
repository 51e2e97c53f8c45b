-- census: how much of the code of old generations still runs.
local census = {}

---How many calls of old generations still run: requests and calls without an answer, and owners of
---tasks that wait, of timers, and of calls and pushes that have not ended.
---@param server table
---@return table counts calls: all of them; by: {[generation number] = calls}
function census.running(server)
  local seen, by, calls = {}, {}, 0
  local open = {}
  open.request, open.call = server.node:older() -- who has not got an answer yet
  local function add(number)
    by[number] = (by[number] or 0) + 1
    calls = calls + 1
  end
  for _, ids in pairs(open) do
    for _, number in pairs(ids) do add(number) end
  end
  local function count(owner)
    if not owner or seen[owner] then return end
    seen[owner] = true
    local gen = owner.generation
    if not gen or gen == server.generation then return end
    local ids = open[owner.kind or ""]
    if not (ids and owner.id and ids[owner.id]) then add(gen.number) end
  end
  for _, each in ipairs(server.live.each_owner) do each(server, count) end
  return { calls = calls, by = by }
end

return census
