-- later: what has to wait until all changes of channels that have happened so far were told to
-- channel/members. C tells changes at the end of a turn (core/node/membership): a user may have
-- come back to a channel in this turn before the news arrives that its old session has ended.
local later = {}

---The part of a server that belongs to this file.
function later.init(server) server.later = { last = 0, waiting = {} } end

---Calls fn() at the end of the turn, behind the changes so far.
---@param fn function
function later.run(server, fn)
  local part = server.later
  part.last = part.last + 1
  part.waiting[part.last] = fn
  server.node:afterChanges(part.last)
end

---C's answer.
---@param number number
function later.reached(server, number)
  local fn = server.later.waiting[number]
  server.later.waiting[number] = nil
  fn()
end

return later
