return function(app)
  local Handler = {}
  local opts = { scope = os.getenv("BENCH_SCOPE") or "local" }

  function Handler:send(msg, session)
    local channel = app:get("channelService"):getChannel(session:get("rid"), false, opts)
    channel:pushMessage("onChat",
      { content = msg.content, from = session.uid, target = msg.target })
    return { code = 200 }
  end

  -- The same for what a later message makes worthless.
  function Handler:move(msg, session)
    local channel = app:get("channelService"):getChannel(session:get("rid"), false, opts)
    channel:pushMessage("onChat",
      { content = msg.content, from = session.uid, target = msg.target }, { delivery = "latest" })
    return { code = 200 }
  end

  function Handler:echo(msg)
    return { code = 200, content = msg.content }
  end

  return Handler
end
