local pomelua = require "pomelua"
local uids = require "app.util.uid"

--- The rooms, called by the connectors. A room is a cluster channel: its members live at their
--- connectors, so it outlives each chat server, and another one goes on with it.
return function(app)
  local Remote = {}
  local entering = {} -- uids of those who are about to enter

  local function room(name)
    return app:get("channelService"):getChannel(name, true, { scope = "cluster" })
  end

  --- Adds a user to a room and tells who is there, the new one included.
  ---@param uid string
  ---@param sid string the connector that the user is on
  ---@param name string of the room
  function Remote:add(uid, sid, name)
    local channel = room(name)
    if entering[uid] then return nil, "the name is taken" end
    entering[uid] = true
    local there, err = channel:getMember(uid)
    local ok = not there and not err
    if ok then
      channel:pushMessage("onAdd", { route = "onAdd", user = uids.username(uid) })
      ok, err = channel:add(uid, sid)
    end
    entering[uid] = nil
    if not ok then return nil, err or "the name is taken" end
    return self:get(name)
  end

  --- The names of the users in a room.
  function Remote:get(name)
    local users, list = pomelua.array {}, room(name):getMembers() or {}
    for i, uid in ipairs(list) do users[i] = uids.username(uid) end
    table.sort(users)
    return users
  end

  --- Takes a user out of a room; answers whether the others were told. Who is back by another
  --- connector already, because the first one has told its clients to move, stays.
  function Remote:kick(uid, sid, name)
    local channel = room(name)
    channel:leave(uid, sid)
    if channel:getMember(uid) then return false end
    channel:pushMessage("onLeave", { route = "onLeave", user = uids.username(uid) })
    return true
  end

  return Remote
end
