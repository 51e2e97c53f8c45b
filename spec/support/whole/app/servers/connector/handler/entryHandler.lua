-- Who a client is.
return function(app)
  local Handler = {}
  local sessions = app:get "sessionService"

  function Handler:enter(msg, session)
    assert(session:bind(msg.name))
    session:set { team = msg.team, area = msg.area }
    assert(session:pushAll())
    session:on("closed", function(gone)
      app.rpc.chat.chatRemote.bye(gone, gone.uid)
    end)
    return { code = 200, sessions = sessions:getSessionsCount() }
  end

  function Handler:who(_, session)
    local n, bound = 0, 0
    sessions:forEachSession(function() n = n + 1 end)
    sessions:forEachBindedSession(function() bound = bound + 1 end)
    local address = session:address()
    return {
      code = 200, n = n, bound = bound, ip = address.ip,
      same = sessions:getClientAddressBySessionId(session.id).port == address.port,
      visitors = app.components.visitors.count,
    }
  end

  function Handler:_hidden() return { code = 200 } end

  return Handler
end
