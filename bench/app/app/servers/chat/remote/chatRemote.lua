local measure = require "app.measure"

return function(app)
  local Remote = {}
  local channels = app:get("channelService")
  local cluster = os.getenv("BENCH_SCOPE") == "cluster"

  function Remote:add(uid, sid, name, cb)
    if cluster then
      local channel = channels:getChannel(name, true, { scope = "cluster" })
      return channel:add(uid, sid, function(err) cb(err) end)
    end
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

  function Remote:memory(cb)
    measure.memory(app:getServerId())
    cb()
  end

  function Remote:push(sid, members, times, cb)
    local channel = channels:createChannel("measured")
    for i = 0, members - 1 do channel:add("user" .. i, sid) end
    measure.push("there " .. members, channel, times)
    channel:destroy()
    cb()
  end

  return Remote
end
