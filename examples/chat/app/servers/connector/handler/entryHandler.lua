local pomelua = require "pomelua"
local check = require "app.util.check"
local uids = require "app.util.uid"

return function(app)
  local Handler = {}

  local function leave(session)
    if not session.uid or not session:get("rid") then return end
    app.rpc.chat.chatRemote.kick(session, session.uid, app:getServerId(), session:get("rid"))
  end

  --- Logs in and enters a room: { username, rid } -> { users }.
  function Handler:enter(msg, session)
    local username, rid = msg.username, msg.rid
    local problem = check.name("name", username) or check.name("room", rid)
    if problem then return { code = 500, error = true, message = problem } end

    local uid = uids.of(username, rid)
    -- singleSession is "refuse": the name is taken. Who has a token is bound to its name already.
    if session:get("rid") or not session:bind(uid) then
      return { code = 500, error = true }
    end
    session:set("rid", rid)
    session:push("rid")
    -- Before the room knows us: a client that goes away meanwhile is taken out again.
    session:on("closed", leave)

    local users, err = app.call.chat.chatRemote.add(session, uid, app:getServerId(), rid)
    if not users then
      pomelua.log.warn("%s cannot enter: %s", uid, tostring(err))
      session:remove("rid")
      session:push("rid")
      if not session:get("claims") then session:unbind(uid) end
      return { code = 500, error = true }
    end
    return { users = users }
  end

  return Handler
end
