local measure = require "app.measure"

return function(app)
  local Handler = {}

  function Handler:memory(_, session, next)
    measure.memory(app:getServerId())
    app.rpc.chat.chatRemote.memory(session, function(err) next(err, { code = 200 }) end)
  end

  function Handler:latest()
    measure.latest(app)
    return { code = 200 }
  end

  -- Members of a channel of this server, then of the chat server's, as many.
  function Handler:push(msg, session, next)
    local channel = app:get("channelService"):createChannel("measured")
    for i = 0, msg.members - 1 do channel:add("user" .. i, app:getServerId()) end
    measure.push("here " .. msg.members, channel, msg.times)
    channel:destroy()
    app.rpc.chat.chatRemote.push(session, app:getServerId(), msg.members, msg.times,
      function(err) next(err, { code = 200 }) end)
  end

  return Handler
end
