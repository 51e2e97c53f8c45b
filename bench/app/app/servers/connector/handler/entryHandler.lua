return function(app)
  local Handler = {}

  -- Whoever is here with another connection, too, stays: the load generator comes back with the
  -- same names, perhaps before the last connection is known to be gone.
  local function leave(session)
    if app:get("sessionService"):getByUid(session.uid) then return end
    app.rpc.chat.chatRemote.leave(session, session.uid, app:getServerId(), session:get("rid"), nil)
  end

  function Handler:enter(msg, session, next)
    session:bind(msg.uid)
    session:set("rid", msg.rid)
    session:push("rid")
    session:on("closed", leave)
    app.rpc.chat.chatRemote.add(session, msg.uid, app:getServerId(), msg.rid, function(err)
      next(err, { code = 200 })
    end)
  end

  function Handler:echo(msg)
    return { code = 200, content = msg.content }
  end

  return Handler
end
