-- client.handshake: what a client says of itself, and what it takes from the server's answer.
local core = require "pomelua.core"
local protos = require "pomelua.client.protos"
local resume = require "pomelua.client.resume"
local token = require "pomelua.client.token"

local handshake = {}

---@param self table a client
---@return string|nil hello the body of the handshake
---@return string|nil text of the token that is in it; without a hello what is wrong with it
function handshake.hello(self)
  local given, text = self.options, nil
  local user = given.user
  if given.token then
    local problem
    text, problem = token.text(given.token)
    if not text then return nil, problem end
    user = token.user(user, text)
  end
  if given.resume then
    local all = { resume = resume.shown(self) }
    for key, value in pairs(user or {}) do all[key] = value end
    user = all
  end
  local sys = { type = "pomelua-client", version = core.version }
  return assert(core.encode { sys = sys, user = user }), text
end

-- The route dictionary, when the server hands one out: a route may have had several numbers.
local function learn(self, given)
  self.codes, self.routes = {}, {}
  for route, code in pairs(type(given.routeToCode) == "table" and given.routeToCode or {}) do
    self.codes[route] = code
  end
  for code, route in pairs(type(given.codeToRoute) == "table" and given.codeToRoute or {}) do
    self.routes[tonumber(code)] = route
  end
end

---Takes the heartbeat, the dictionary and the definitions of self.handshake.
---@param self table
---@param text string|nil the token
---@return boolean|nil ok
---@return string|nil message
function handshake.take(self, text)
  local answer = self.handshake
  if answer.code ~= 200 then
    return nil, "the handshake was refused: code " .. tostring(answer.code)
  end
  local sys = type(answer.sys) == "table" and answer.sys or {}
  self.interval = tonumber(sys.heartbeat) and sys.heartbeat * 1000 or nil
  learn(self, sys)
  local wrong
  self.protos, wrong = protos.of(sys.protos)
  if wrong then return nil, wrong end
  local given = self.options.token
  local wait = text and type(given) == "function" and token.wait(text, os.time())
  if wait then self.token, self.renew_at = given, core.clock() + wait end
  return true
end

return handshake
