return function(app)
  local Handler = {}

  local function leave(session)
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
