-- The chat, and what only the whole game's spec asks.
local pomelua = require "pomelua"
local pay = pomelua.log.category "pay"

return function(app)
  local Handler = {}
  local channels = app:get "channelService"
  local backend = app:get "backendSessionService"

  function Handler:join(_, session)
    local room = channels:createChannel "room"
    room:add(session.uid, session.frontendId)
    return {
      code = 200, rooms = channels:channelsOf(session.uid), names = channels:getChannelNames(),
    }
  end

  function Handler:send(msg, session)
    channels:getChannel "room":pushMessage("onChat", {
      from = session.uid, text = msg.text, stamped = msg.stamped,
    })
    return { code = 200, filtered = 0 }
  end

  function Handler:pay(msg)
    pay.info("paid %d", msg.amount)
    pay.debug("not seen")
    return { code = 200 }
  end

  function Handler:mirror(msg, session)
    assert(session:send("onChat", { from = "server", text = msg.text, stamped = 0 }))
    return { code = 200 }
  end

  function Handler:shout(msg, _, next)
    channels:broadcast("connector", "onShout", { text = msg.text, loud = true },
      { binded = true, filterParam = { team = msg.team } }, function(err)
        next(err, { code = 200 })
      end)
  end

  function Handler:calls(_, session)
    local one = assert(app.call.area.areaRemote.info(session, "one"))
    local all = assert(app.call.area.areaRemote.info.toServer("*", "all"))
    local moved = assert(app.call.area.areaRemote.info.toServer("area-9", "moved"))
    local _, err = app.call.area.areaRemote.fails(session, 1)
    local _, gone = app.call.area.areaRemote.info.toServer("area-8", 1)
    local invoked = assert(pomelua.await(app.rpcInvoke, app, "area-2",
      { service = "areaRemote", method = "info", args = { "invoked" } }))
    local ids = {}
    for id, result in pairs(all) do ids[#ids + 1] = id .. "=" .. result[2].id end
    table.sort(ids)
    return { code = 200, one = one, all = ids, moved = moved.id, err = err.message,
      err_code = err.code, gone = gone.message, gone_code = gone.code, invoked = invoked }
  end

  function Handler:sessions(_, session)
    local same = assert(backend:get(session.frontendId, session.id))
    local mine = assert(backend:getByUid(session.frontendId, session.uid))
    same:set("team", "blue")
    assert(same:push "team")
    return { code = 200, uid = same.uid, n = #mine, frontend = session:export().frontendId,
      ip = session:address().ip }
  end

  function Handler:kick(msg, session)
    assert(backend:kickByUid(session.frontendId, msg.uid, "bye"))
    return { code = 200 }
  end

  function Handler:leave(_, session) return { code = 200, n = channels:leaveAll(session.uid) } end

  function Handler:crons()
    local ids = {}
    for _, cron in ipairs(app:getCrons()) do ids[#ids + 1] = tostring(cron.id) end
    return { code = 200, ids = ids, cron = app:get "cron", gone = app:get "gone" }
  end

  function Handler:broken() error "no such room" end

  return Handler
end
