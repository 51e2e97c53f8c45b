-- Players on a map.
return function(app, state)
  local Handler = {}
  local channels = app:get "channelService"
  state.moves = state.moves or 0

  function Handler:join(_, session)
    local map = channels:getChannel("map", true)
    map:add(session)
    return { code = 200, server = app:getServerId(), area = session.area, n = map:getUserAmount() }
  end

  function Handler:move(msg, session)
    state.moves = state.moves + 1
    channels:getChannel("map"):pushMessage("onMove", {
      name = session.uid, x = msg.x, y = msg.y, path = msg.path,
    }, { delivery = "latest", key = session.uid })
    return { code = 200, moves = state.moves }
  end

  function Handler:spark(msg, session, next)
    channels:getChannel("map"):pushMessage("onSpark", { n = msg.n, tags = {} },
      { delivery = "drop", except = { session.uid } }, function(err, fails)
        next(err, { code = 200, fails = #(fails or {}) })
      end)
  end

  function Handler:wrong(_, _, next)
    channels:getChannel("map"):pushMessage("onMove", { name = "x", x = "far", y = 1 }, function(err)
      next(nil, { code = 200, text = err and err.message })
    end)
  end

  return Handler
end
