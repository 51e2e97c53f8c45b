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
  function Handler:enter(msg, session)
    local name = msg.name
    if type(name) ~= "string" or not name:match("^%w+$") or #name > 16 then
      return { code = 400, message = "a name has 1 to 16 letters and digits" }
    end
    local bound, err = session:bind(name)
    if not bound then return nil, err end
    session:on("closed", leave)
    local players, failed = app.call.table.tableRemote.join(session, name, app:getServerId())
    if not players then return nil, failed end
    return { code = 200, players = players }
  end

  return Handler
end
