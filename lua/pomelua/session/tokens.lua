-- tokens: sessions of clients that come with a token (connectorConfig.auth): it is checked at the
-- handshake, the session is bound to its sub, and ends 25 seconds after the token has expired,
-- unless the client has brought a new one by the route sys.refresh.
--
-- What runs out is kept by the second in which it does: a session costs an entry in two tables, and
-- one timer a second serves all of them.
local banned = require "pomelua.session.banned"
local core = require "pomelua.core"
local frontend = require "pomelua.session.frontend"
local json = require "pomelua.base.json"
local setting_files = require "pomelua.run.setting_files"
local text_of = require("pomelua.base.text").of
local timers = require "pomelua.run.timers"
local token_keys = require "pomelua.base.token_keys"

local tokens = {}

---The route by which a client brings a new token. It has two parts, so that it is no handler's.
tokens.REFRESH = "sys.refresh"

local REFUSED, BANNED, TAKEN = 401, 403, 409 -- codes of a handshake's answer
local TOO_MANY = 429 -- code of an answer to sys.refresh
local MOST = 10 -- new tokens of a session in a second: a check may cost as much as ten messages
local GRACE = 25 -- seconds that a client has for a new token
local EVERY = 1000 -- ms between two looks
local JUMP = 60 -- seconds by which the clock moves on at once at most without a look at everything

---The part of a server that belongs to this file.
---@param server pomelua.Server
function tokens.init(server)
  ---@class pomelua.Tokens
  server.auth = {
    keys = nil, ---@type pomelua.TokenKeys|nil in force; nil: no tokens are asked for
    subs = {}, -- [session id] = the sub of its token
    ends = {}, -- [session id] = the second in which it ends
    seconds = {}, -- [second] = { [session id] = true }
    looked = 0, -- the second of the last look
    timer = nil, -- until the next look
    brought = {}, -- [session id] = how many new tokens came in the second that `counted` says
    counted = 0,
    counts = { tokensAccepted = 0, tokensRefused = 0, tokensRefreshed = 0, tokensExpired = 0 },
  }
end

---The keys of the settings come into force, and are read again when their files change.
---@param server pomelua.Server
---@param rules pomelua.TokenRules|nil
---@return true|nil ok
---@return string|nil message "connectorConfig.auth: ..."
function tokens.use(server, rules)
  if not rules then return true end
  if server.by_type.sys then
    return nil, "connectorConfig.auth: the server type sys of config/servers.json must have "
      .. "another name: with auth, routes that begin with sys. are the server's own (sys.refresh)"
  end
  local function read()
    local keys, message = token_keys.load(rules, server.base)
    if not keys then return message end
    server.auth.keys = keys
  end
  setting_files.add(server, { -- before they are read: what changes meanwhile is seen
    what = "connectorConfig.auth", paths = token_keys.paths(rules, server.base), read = read,
  })
  local wrong = read()
  if wrong then return nil, "connectorConfig.auth: " .. wrong end
  return true
end

-- When they end --------------------------------------------------------------------

local function forget(auth, sid)
  local at = auth.ends[sid]
  if not at then return end
  local list = auth.seconds[at]
  list[sid] = nil
  if next(list) == nil then auth.seconds[at] = nil end
  auth.ends[sid] = nil
end

local function expire(server, at)
  local auth = server.auth
  local list = auth.seconds[at]
  for sid in pairs(list or {}) do
    auth.ends[sid] = nil
    auth.counts.tokensExpired = auth.counts.tokensExpired + 1
    server.node:kick(sid, "expired")
  end
  auth.seconds[at] = nil
end

-- Ends what is over at the second `now`.
local function look(server, now)
  local auth = server.auth
  if now >= auth.looked and now - auth.looked <= JUMP then
    for at = auth.looked + 1, now do expire(server, at) end
  else
    local over = {}
    for at in pairs(auth.seconds) do
      if at <= now then over[#over + 1] = at end
    end
    table.sort(over)
    for _, at in ipairs(over) do expire(server, at) end
  end
  auth.looked = now
end

local function wait(server)
  local auth = server.auth
  auth.timer = timers.start(server, EVERY, { of_framework = true, fire = function()
    auth.timer = nil
    look(server, math.floor(server.wall()))
    if next(auth.ends) ~= nil then wait(server) end
  end })
end

-- The session ends so many seconds behind exp.
local function arm(server, sid, exp)
  local auth = server.auth
  forget(auth, sid)
  local now = math.floor(server.wall())
  if not auth.timer then auth.looked = now end
  local at = math.ceil(exp + math.max(GRACE, auth.keys.rules.leeway))
  at = math.max(at, auth.looked + 1)
  auth.ends[sid] = at
  local list = auth.seconds[at] or {}
  auth.seconds[at] = list
  list[sid] = true
  if not auth.timer then wait(server) end
end

---The session has ended.
---@param server pomelua.Server
---@param sid number
function tokens.ended(server, sid)
  forget(server.auth, sid)
  server.auth.subs[sid] = nil
end

-- Coming in ------------------------------------------------------------------------

local function refuse(server, sid, what, why)
  server.auth.counts.tokensRefused = server.auth.counts.tokensRefused + 1
  server:info_line(("%s of %s refused: %s"):format(what, server.node:address(sid) or "a client",
    why), "tokens refused")
end

-- The text of a token, nil when there is none.
local function token_of(msg)
  local user = type(msg) == "table" and rawget(msg, "user")
  local text = type(user) == "table" and rawget(user, "token")
  if text == nil or text == false or text == core.null then return nil end
  return text
end

-- What a token says as settings of its session, as a table and as JSON text, its sub and its exp;
-- nil and why. Settings are less deep than JSON may be, and their numbers are doubles.
local function verify(server, text)
  local claims, sub, exp = token_keys.verify(server.auth.keys, text, server.wall())
  if not claims then return nil, sub end
  local all = '{"claims":' .. claims .. "}"
  local settings = json.decode(all)
  if type(settings) ~= "table" then
    return nil, "the token has claims deeper than 31 levels, or a number that is too large"
  end
  return { table = settings, text = all }, sub, exp
end

-- The same of a handshake's token; nil when it has none and needs none; false and why.
local function read(server, msg)
  local keys, text = server.auth.keys, token_of(msg)
  if text == nil then
    if not keys.rules.required then return nil end
    return false, "there is no token"
  end
  if type(text) ~= "string" then return false, "the token is no text" end
  local settings, sub, exp = verify(server, text)
  return settings or false, sub, exp
end

---Checks the token of a handshake and binds the session to whom it is about.
---@param server pomelua.Server with keys
---@param sid number
---@param msg table of the handshake
---@return number|nil code with which the handshake is refused; nil: it is not
---@return string|nil why
---@return boolean|nil answered whether the handshake is answered already
function tokens.enter(server, sid, msg)
  local auth = server.auth
  local settings, sub, exp = read(server, msg)
  if settings == nil then return nil end
  if not settings then
    refuse(server, sid, "handshake", sub)
    return REFUSED, sub
  end
  if banned.refused(server, sid, sub) then return BANNED, sub .. " is banned", true end
  server.node:setSettings(sid, settings.text)
  local err = frontend.bind(server, sid, sub)
  if err then
    refuse(server, sid, "handshake", err.message)
    return TAKEN, err.message
  end
  auth.counts.tokensAccepted = auth.counts.tokensAccepted + 1
  auth.subs[sid] = sub
  server.node:watchClosed(sid)
  arm(server, sid, exp)
  return nil
end

---The same for a client that goes on with a session: its token must be about the same user. Nothing
---is changed.
---@param server pomelua.Server with keys
---@param sid number of its connection
---@param back number of the session
---@param msg table of the handshake
---@return number|nil code as above
---@return string|nil why
---@return boolean|nil answered
---@return {settings: table, exp: number}|nil brought for tokens.renew
function tokens.again(server, sid, back, msg)
  local settings, sub, exp = read(server, msg)
  local had = server.auth.subs[back]
  local why = settings == false and sub or settings and sub ~= had and "the token has another sub"
    or not settings and had and "there is no token" or nil
  if why then
    refuse(server, sid, "handshake", why)
    return REFUSED, why
  end
  if not settings then return nil end
  if banned.refused(server, sid, sub) then return BANNED, sub .. " is banned", true end
  return nil, nil, nil, { settings = settings.table, exp = exp }
end

---The session goes on with the token of that handshake.
---@param server pomelua.Server
---@param back number
---@param brought {settings: table, exp: number}
function tokens.renew(server, back, brought)
  if frontend.import(server, back, brought.settings) then return end
  server.auth.counts.tokensAccepted = server.auth.counts.tokensAccepted + 1
  arm(server, back, brought.exp)
end

-- A new token of a session: exp, or nil and what is wrong.
local function renewed(server, sid, body)
  local auth = server.auth
  local msg, ok = server.decode_body(body)
  local text = ok and type(msg) == "table" and rawget(msg, "token")
  if not auth.subs[sid] then return nil, "the client has come without a token" end
  if type(text) ~= "string" then return nil, "there is no token" end
  local settings, sub, exp = verify(server, text)
  if not settings then return nil, sub end
  if sub ~= auth.subs[sid] then return nil, "the token has another sub" end
  local err = frontend.import(server, sid, settings.table)
  if err then return nil, text_of(err.message) end
  arm(server, sid, exp)
  return exp
end

-- Whether a session has brought more new tokens in this second than are looked at.
local function too_many(server, sid)
  local auth, now = server.auth, math.floor(server.wall())
  if auth.counted ~= now then auth.brought, auth.counted = {}, now end
  auth.brought[sid] = (auth.brought[sid] or 0) + 1
  return auth.brought[sid] > MOST
end

---A client's message on the route sys.refresh.
---@param server pomelua.Server with keys
---@param id number|nil nil for a notify, which has no answer
---@param sid number
---@param body string
function tokens.refresh(server, id, sid, body)
  local exp, why, code
  if too_many(server, sid) then
    why, code = ("more than %d new tokens in a second"):format(MOST), TOO_MANY
  else
    exp, why = renewed(server, sid, body)
  end
  if exp then
    server.auth.counts.tokensRefreshed = server.auth.counts.tokensRefreshed + 1
  else
    refuse(server, sid, tokens.REFRESH, why)
  end
  if id then
    server.node:answer(id, exp and { code = 200, exp = exp } or { code = code or REFUSED })
  end
end

return tokens
