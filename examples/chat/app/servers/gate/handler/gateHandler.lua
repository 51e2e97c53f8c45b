local check = require "app.util.check"
local dispatcher = require "app.util.dispatcher"
local pomelua = require "pomelua"
local uids = require "app.util.uid"

local TOKEN_TIME = 600 -- seconds; the page brings a new one before

return function(app)
  local Handler = {}

  -- What shows that a client may have a name in a room. A game with accounts would ask for a
  -- password before.
  local function token_for(name, rid)
    local wrong = check.name("name", name) or check.name("room", rid)
    if wrong or not app:get("connectorConfig").auth then return nil end
    return pomelua.token.sign({ sub = uids.of(name, rid) }, { ttl = TOKEN_TIME })
  end

  --- Tells a client which connector is its own: { uid } -> { code, host, port }. With tokens
  --- { uid, rid } -> { code, host, port, token }.
  function Handler:queryEntry(msg)
    local uid = msg.uid
    if type(uid) ~= "string" and type(uid) ~= "number" or uid == "" then
      return { code = 500, error = true, message = "The uid is missing." }
    end
    local server = dispatcher.pick(uid, app:getServersByType("connector"))
    if not server then
      return { code = 500, error = true, message = "No connector is running." }
    end
    return {
      code = 200, host = server.clientHost or server.host, port = server.clientPort,
      token = token_for(uid, msg.rid),
    }
  end

  return Handler
end
