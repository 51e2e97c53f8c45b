-- What connectors call as app.rpc.table.tableRemote.<method>.
---@param app pomelua.App
return function(app)
  local Remote = {}
  local channels = app:get("channelService")

  --- A player sits down. Answers who is there.
  function Remote:join(name, connector)
    local channel = channels:getChannel("table", true)
    if channel:getMember(name) then return nil, "this name is taken" end
    channel:pushMessage("onJoin", { name = name })
    channel:add(name, connector)
    return channel:getMembers()
  end

  --- A player gets up.
  function Remote:leave(name, connector)
    local channel = channels:getChannel("table", false)
    if not channel or not channel:leave(name, connector) then return false end
    channel:pushMessage("onLeave", { name = name })
    return true
  end

  return Remote
end
