return function(app)
  local Handler = {}

  function Handler:send(msg, session)
    local channel = app:get("channelService"):getChannel(session:get("rid"), false)
    channel:pushMessage("onChat",
      { content = msg.content, from = session.uid, target = msg.target })
    return { code = 200 }
  end

  function Handler:echo(msg)
    return { code = 200, content = msg.content }
  end

  return Handler
end
