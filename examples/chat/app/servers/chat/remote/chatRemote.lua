local pomelua = require "pomelua"
local uids = require "app.util.uid"

--- The rooms of this chat server, called by the connectors.
return function(app)
  local Remote = {}

  local function room(name, create)
    return app:get("channelService"):getChannel(name, create)
  end

  --- Adds a user to a room and tells who is there, the new one included.
  ---@param uid string
  ---@param sid string the connector that the user is on
  ---@param name string of the room
  ---@param create boolean whether to open the room if there is none
  function Remote:add(uid, sid, name, create)
    local channel = room(name, create)
    if not channel then return nil, "there is no such room" end
    if channel:getMember(uid) then return nil, "the name is taken" end
    channel:pushMessage("onAdd", { route = "onAdd", user = uids.username(uid) })
    channel:add(uid, sid)
    return self:get(name)
  end

  --- The names of the users in a room.
  function Remote:get(name)
    local users = pomelua.array {}
    local channel = room(name, false)
    for i, uid in ipairs(channel and channel:getMembers() or {}) do
      users[i] = uids.username(uid)
    end
    return users
  end

  --- Takes a user out of a room; answers whether it was there. An empty room is closed.
  function Remote:kick(uid, sid, name)
    local channel = room(name, false)
    if not channel or not channel:leave(uid, sid) then return false end
    if channel:getUserAmount() == 0 then
      channel:destroy()
    else
      channel:pushMessage("onLeave", { route = "onLeave", user = uids.username(uid) })
    end
    return true
  end

  return Remote
end
