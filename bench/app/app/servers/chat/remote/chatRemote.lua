return function(app)
  local Remote = {}
  local channels = app:get("channelService")

  function Remote:add(uid, sid, name, cb)
    channels:getChannel(name, true):add(uid, sid)
    cb()
  end

  function Remote:leave(uid, sid, name, cb)
    local channel = channels:getChannel(name, false)
    if channel then
      channel:leave(uid, sid)
      if channel:getUserAmount() == 0 then channel:destroy() end
    end
    cb()
  end

  return Remote
end
