-- resume: clients that come back to their sessions after a lost line (connectorConfig.resume): what
-- a handshake asks for, and what its answer says. What is kept of a session, and the wait for its
-- client, is C's (node/resume). Here are the events session_lost and session_resumed, too.
local core = require "pomelua.core"
local session = require "pomelua.session.session"

local resume = {}

local LOST = "session_lost"

---@class pomelua.ResumeAsked what a client asks for at its handshake
---@field token any as the client says it; nil: it does not come back, and wants to be able to
---@field received any DATA packages that it has taken; as the client says it
---@field sid number|nil the session with which it can go on

---What a handshake asks for; nil: nothing, or the server has resume off.
---@param server pomelua.Server
---@param msg table of the handshake
---@return pomelua.ResumeAsked|nil
function resume.asked(server, msg)
  if not server.checked.resume then return nil end
  local user = rawget(msg, "user")
  local asked = type(user) == "table" and rawget(user, "resume")
  if type(asked) ~= "table" then return nil end
  local token, received = rawget(asked, "token"), rawget(asked, "received")
  return { token = token, received = received,
    sid = token ~= nil and server.node:resumable(token, received) or nil }
end

---The client does not go on with a session: one that it may have had ends, and it gets a new one.
---@param server pomelua.Server
---@param ask pomelua.ResumeAsked|nil
function resume.begin_anew(server, ask)
  if not ask or ask.token == nil then return end
  server.node:notResumed(ask.token, ask.received)
  ask.token, ask.received, ask.sid = nil, nil, nil
end

-- The object of the answer.
local function line(server, token, recovered, received)
  return ('"resume":{"token":"%s","recovered":%s,"received":%.0f,"grace":%d}'):format(token,
    tostring(recovered), received, server.checked.resume.grace)
end

---Whether the client is still there: its line may have been lost while the app decided. Then no
---session is touched.
---@param server pomelua.Server
---@param sid number of its connection
---@return boolean
function resume.is_here(server, sid) return server.node:address(sid) ~= nil end

local function nameless(got)
  return nil, ("connectorConfig.resume: the answer of the function handshake has no names (a %s): "
    .. "this client cannot come back to its session; answer a table with names"):format(got), true
end

---What the app's function answers, as JSON text to which `line` can be added.
---@param resp any nil and false: nothing
---@return string|nil text an object without its last brace
---@return string|nil message
---@return boolean|nil nameless nothing is wrong with it, but there is no place for `line` in it
function resume.user_text(resp)
  if not resp then return "{" end
  if type(resp) ~= "table" then return nameless(type(resp)) end
  local own = resp
  if rawget(resp, "resume") ~= nil then
    own = setmetatable({}, getmetatable(resp))
    for key, value in next, resp do
      if key ~= "resume" then rawset(own, key, value) end
    end
  end
  if next(own) == nil then return "{" end
  local text, message = core.encode(own, "user")
  if not text then return nil, message end
  if text:sub(1, 1) ~= "{" then return nameless "list" end
  return text == "{}" and "{" or text:sub(1, -2) .. ","
end

---The new session may be resumed.
---@param server pomelua.Server
---@param sid number
---@param user string of resume.user_text
---@return string|nil user the text of the whole object
---@return string|nil message
function resume.keep(server, sid, user)
  local token, message = server.node:keepSession(sid)
  if not token then return nil, message end
  return user .. line(server, token, false, 0) .. "}"
end

---The client goes on with its session: the connection of sid becomes that of the session.
---@param server pomelua.Server
---@param sid number
---@param ask pomelua.ResumeAsked with a sid
---@param user string of resume.user_text
---@return number|nil sid of the session; nil: the client cannot go on
---@return string|nil user
function resume.take(server, sid, ask, user)
  local back, token, received, was_open =
    server.node:resume(sid, ask.token, ask.received)
  if not back then return nil end
  if was_open then resume.lost(server, back, server.node:session(back)) end
  return back, user .. line(server, token, true, received) .. "}"
end

local function tell(server, name, sid, uid, settings)
  if server.event:has(name) then
    server.event:emit(name, session.make(server, sid, uid, settings))
  end
end

---entries.lost: its line is lost, and it waits for its client.
function resume.lost(server, sid, uid, settings) tell(server, LOST, sid, uid, settings) end

---entries.resumed: its client has come back.
function resume.resumed(server, sid, uid, settings)
  tell(server, "session_resumed", sid, uid, settings)
end

return resume
