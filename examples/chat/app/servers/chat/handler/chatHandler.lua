local check = require "app.util.check"
local uids = require "app.util.uid"

local function refuse(message)
  return { code = 500, error = true, message = message }
end

return function(app)
  local Handler = {}

  --- Says something to the room (target "*") or to one user in it (target is the name):
  --- { content, target } -> { route }. Receivers get onChat { msg, from, target }.
  function Handler:send(msg, session)
    local channelService = app:get("channelService")
    local rid = session:get("rid")
    if not session.uid or not rid then return refuse("Enter a room first.") end
    local channel = channelService:getChannel(rid, true, { scope = "cluster" })

    local problem = check.text(msg.content)
    if problem then return refuse(problem) end

    local target = msg.target
    local chat = { msg = msg.content, from = uids.username(session.uid), target = target }
    if target == "*" then
      channel:pushMessage("onChat", chat)
    else
      local member = type(target) == "string" and channel:getMember(uids.of(target, rid))
      if not member then return refuse("This user is not in the room.") end
      channelService:pushMessageByUids("onChat", chat, { member })
    end
    return { route = msg.__route__ }
  end

  return Handler
end
