local pomelua = require "pomelua"
local check = require "app.util.check"
local uids = require "app.util.uid"

return function(app)
  local Handler = {}

  local function leave(session)
    if not session.uid then return end
    app.rpc.chat.chatRemote.kick(session, session.uid, app:getServerId(), session:get("rid"))
  end

  --- Logs in and enters a room: { username, rid } -> { users }.
  function Handler:enter(msg, session)
    local username, rid = msg.username, msg.rid
    local problem = check.name("name", username) or check.name("room", rid)
    if problem then return { code = 500, error = true, message = problem } end

    local uid = uids.of(username, rid)
    if app:get("sessionService"):getByUid(uid) or not session:bind(uid) then
      return { code = 500, error = true }
    end
    session:set("rid", rid)
    session:push("rid")
    -- Before the room knows us: a client that goes away meanwhile is taken out again.
    session:on("closed", leave)

    local users, err = app.call.chat.chatRemote.add(session, uid, app:getServerId(), rid, true)
    if not users then
      pomelua.log.warn("%s cannot enter: %s", uid, tostring(err))
      session:unbind(uid)
      return { code = 500, error = true }
    end
    return { users = users }
  end

  return Handler
end
