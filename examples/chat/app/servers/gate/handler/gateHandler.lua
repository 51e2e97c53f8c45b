local dispatcher = require "app.util.dispatcher"

return function(app)
  local Handler = {}

  --- Tells a client which connector is its own: { uid } -> { code, host, port }.
  function Handler:queryEntry(msg)
    local uid = msg.uid
    if type(uid) ~= "string" and type(uid) ~= "number" or uid == "" then
      return { code = 500, error = true, message = "The uid is missing." }
    end
    local server = dispatcher.pick(uid, app:getServersByType("connector"))
    if not server then
      return { code = 500, error = true, message = "No connector is running." }
    end
    return { code = 200, host = server.clientHost or server.host, port = server.clientPort }
  end

  return Handler
end
