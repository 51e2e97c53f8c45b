--- Requests to connector.entryHandler.<method>: where players come in.
local pomelua = require "pomelua"
local accounts = require "app.accounts"

local MOST = 12 -- characters of a name
local LEAST, LONGEST = 4, 72 -- bytes of a password
local TOKEN = 12 * 3600 -- seconds that a token is good for

-- Every UTF-8 character has one byte that is not 10xxxxxx.
local function length(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

-- What is wrong with a name and a password, in a sentence.
local function wrong(name, password)
  if type(name) ~= "string" or not name:find("%S") or name:find("[%c~]") then
    return "A name needs a letter, and has no ~ in it."
  elseif length(name) > MOST then
    return ("A name has at most %d characters."):format(MOST)
  elseif type(password) ~= "string" or #password < LEAST or #password > LONGEST
    or password:find("%z") then
    return ("A password has %d to %d characters."):format(LEAST, LONGEST)
  end
end

---@param app pomelua.App
return function(app)
  local Handler = {}

  -- Who comes without a token shows a password, and is bound then. The answer when that fails.
  local function log_in(msg, session)
    local text = wrong(msg.name, msg.password)
    if text then return { code = 400, message = text } end
    local ok, message = accounts.enter(app, msg.name, msg.password)
    if ok == nil then
      pomelua.log.warn("accounts: %s", tostring(message))
      return { code = 503, message = "Nobody can come in at the moment, please try again." }
    elseif not ok then
      return { code = 403, message = message }
    end
    local bound, err = session:bind(msg.name)
    if not bound then return { code = 409, message = tostring(err) } end
  end

  --- Enters the arena: { name, password } -> { code, arena, token }. Who came with a token needs
  --- neither; token is there when the connectors have a key to sign it.
  ---@param msg table
  ---@param session pomelua.Session
  function Handler:enter(msg, session)
    local refused = not session.uid and log_in(msg, session)
    if refused then return refused end
    local found, err = app.call.area.arenaRemote.enter(session, session.uid, app:getServerId())
    if not found then
      pomelua.log.warn("the arena does not answer: %s", tostring(err))
      return { code = 503, message = "The arena does not answer, please try again." }
    end
    local answer = { code = 200, arena = found }
    if app:get("connectorConfig").auth then
      answer.token = pomelua.token.sign({ sub = session.uid }, { ttl = TOKEN })
    end
    return answer
  end

  return Handler
end
