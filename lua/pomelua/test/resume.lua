-- test.resume: clients of a virtual frontend whose lines are cut and that come back
-- (connectorConfig.resume): those whose table has resume = true. They ask for it by a handshake, as
-- clients do, so that the app's checkClient and handshake functions run.
local resume = {}

---@class pomelua.test.Line what the client of such a session knows
---@field token string with which it comes back
---@field received number DATA packages that it has got

-- The handshake of a client: it asks to be able to come back, or comes back.
local function handshake_of(session, line)
  local user = {}
  for key, value in pairs(type(session.user) == "table" and session.user or {}) do
    user[key] = value
  end
  user.resume = line and { token = line.token, received = line.received } or {}
  return { sys = { type = "spec", version = "1" }, user = user }
end

---A client connects, or connects again.
---@param sessions table of test/sessions
---@param session table
---@return number|nil sid
---@return number|nil code of the handshake, when it was refused
---@return string|nil why
function resume.connect(sessions, session)
  local line = sessions.lines[session]
  sessions.coming = session
  local waiting = sessions:shakes(session, handshake_of(session, line))
  sessions.coming = nil
  local answer, node = waiting.value, sessions.server.node
  if not answer then error("the handshake of this client is not answered yet", 5) end
  if answer.code ~= 200 then return nil, answer.code, "the handshake was refused" end
  local said = type(answer.user) == "table" and answer.user.resume
  if not said then
    error("resume = true: the server does not keep this session: connectorConfig.resume is not "
      .. "set, or the answer of the function handshake is no table with names", 5)
  end
  local sid = waiting.sid
  session.recovered = said.recovered
  sessions.lines[session] = { token = said.token, received = said.recovered and line.received or 0 }
  if not said.recovered and session.uid ~= nil and node:session(sid) == nil then
    assert(node:bind(sid, session.uid))
  end
  node:clientAck(sid)
  return sid
end

---The client that comes back now has its session again, whose id is sid.
---@param sessions table
---@param sid number
---@return table waiting of sessions:shakes
function resume.moved(sessions, sid)
  local session = sessions.coming
  local own = sessions.by_table[session]
  local waiting = sessions.shaking[own]
  sessions.shaking[own], sessions.by_sid[own] = nil, nil
  sessions.protos_of[sid], sessions.protos_of[own] = sessions.protos_of[own], nil
  sessions.by_table[session], sessions.by_sid[sid] = sid, session
  session.id, waiting.sid = sid, sid
  return waiting
end

---A DATA package has come to the client of a session.
---@param sessions table
---@param session table|nil
function resume.got(sessions, session)
  local line = sessions.lines[session or false]
  if line then line.received = line.received + 1 end
end

---server:cut: the line of a frontend's client is lost, as by a reset.
---@param server pomelua.test.Server
---@param session table
---@return boolean waits whether the session waits for its client (connectorConfig.resume)
function resume.cut(server, session)
  if not server.inner.frontend then error("server:cut: clients connect to frontends", 2) end
  local sessions = server.sessions
  local sid = sessions.by_table[session]
  if not sid then error("server:cut: this session is not connected", 2) end
  local waits = server.node:cutSession(sid)
  sessions:forget(session, sid)
  server:settle()
  return waits and true or false
end

return resume
