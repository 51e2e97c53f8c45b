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

---Whether a session may not send more; the message is counted as refused then, and the log says so.
---@param server table
---@param session pomelua.Session|pomelua.BackendSession
---@param route string of the message
---@return boolean
function waiting.is_full(server, session, route)
  local of = server.waiting.by_frontend[session.frontendId]
  if not of or (of[session.id] or 0) < server.waiting.most then return false end
  server.node:countOverInFlight()
  server:info_line(("%s: refused: handlers of serverConfig.maxInFlight (%d) messages of its "
    .. "session wait"):format(route, server.waiting.most), "messages above maxInFlight")
  return true
end

---A handler waits for the first time.
---@param frontend_id string of the session whose message it works on
---@param sid number
function waiting.add(server, frontend_id, sid)
  local of = server.waiting.by_frontend[frontend_id]
  if not of then
    of = {}
    server.waiting.by_frontend[frontend_id] = of
  end
  of[sid] = (of[sid] or 0) + 1
end

---A handler that has waited has ended.
---@param frontend_id string as add() had it
---@param sid number
function waiting.remove(server, frontend_id, sid)
  local of = server.waiting.by_frontend[frontend_id]
  local left = of[sid] - 1
  of[sid] = left > 0 and left or nil
end

return waiting
