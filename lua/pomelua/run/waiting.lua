-- waiting: how many messages of each session have handlers that wait on this server. The
-- frontend counts requests until they are answered (core/node/frontend.c); how long a handler
-- goes on for a notify, or after its answer, is known only here. Each holds a coroutine, so a
-- client may have at most serverConfig.maxInFlight of them.
local waiting = {}

function waiting.init(server)
  server.waiting = {
    by_frontend = {}, -- [frontend id][session id] = how many; 0 is left out
    most = 0, -- serverConfig.maxInFlight
  }
end

---Whether a session may not send more; the message is counted as refused then.
---@param server table
---@param session pomelua.Session|pomelua.BackendSession
---@return boolean
function waiting.is_full(server, session)
  local of = server.waiting.by_frontend[session.frontendId]
  if not of or (of[session.id] or 0) < server.waiting.most then return false end
  server.node:countOverInFlight()
  return true
end

---A handler waits for the first time.
---@param session pomelua.Session|pomelua.BackendSession whose message it works on
function waiting.add(server, session)
  local of = server.waiting.by_frontend[session.frontendId]
  if not of then
    of = {}
    server.waiting.by_frontend[session.frontendId] = of
  end
  of[session.id] = (of[session.id] or 0) + 1
end

---A handler that has waited has ended.
function waiting.remove(server, session)
  local of = server.waiting.by_frontend[session.frontendId]
  local left = of[session.id] - 1
  of[session.id] = left > 0 and left or nil
end

return waiting
