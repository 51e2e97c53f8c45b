-- Requests to connector.entryHandler.<method>: where players come in.
---@param app pomelua.App
return function(app)
  local Handler = {}

  -- The player has gone: the table is told. Not when another connection has that name: of
  -- somebody whose name was taken, or of a player who is back before the old one has ended.
  local function leave(session)
    if app:get("sessionService"):getByUid(session.uid) then return end
    app.rpc.table.tableRemote.leave(session, session.uid, app:getServerId(), nil)
  end

  --- Sits down at the table.
  ---@param msg table {name}
  ---@param session pomelua.Session
  ---@param next pomelua.Next
  function Handler:enter(msg, session, next)
    local name = msg.name
    if type(name) ~= "string" or not name:match("^%w+$") or #name > 16 then
      return { code = 400, message = "a name has 1 to 16 letters and digits" }
    end
    session:bind(name, function(err)
      if err then return next(err) end
      session:on("closed", leave)
      app.rpc.table.tableRemote.join(session, name, app:getServerId(), function(failed, players)
        if failed then return next(failed) end
        next(nil, { code = 200, players = players })
      end)
    end)
  end

  return Handler
end
