-- client.resume: a client whose line is lost, and whose server keeps its session, comes back to it:
-- at once, and then as often as it takes until the server's grace is over.
local again = require "pomelua.client.again"
local core = require "pomelua.core"
local session = require "pomelua.client.session"

local resume = {}

local DELAY, MOST = 50, 2000 -- ms after an attempt that failed
local GAP = 500 -- ms that the server's heartbeat may be late

---The end of a session: nothing of it is sent again, and what waits for an answer gets none.
---@param self table a client
function resume.forget(self)
  if not self.session then return end
  self.session = nil
  for _, waiting in pairs(self.requests) do waiting.over = "CLOSED" end
end

local function over(self, message)
  resume.forget(self)
  self.reason = "the session was not resumed: " .. tostring(message)
end

---The line is lost: the session waits for another one. Nothing happens to a client without one,
---and nothing more when it was the line of an attempt to come back: the attempt has failed.
---@param self table
function resume.begin(self)
  local one = self.session
  if not one or one.away and self.away then return end
  local now = core.clock()
  one.over_at = one.away and one.over_at or now + one.grace * 1000
  one.away = true
  again.stop(self) -- of the login of a client that begins again
  again.begin(self, { due = now, until_ = one.over_at, delay = DELAY, most = MOST, over = over })
end

---It was lost before it was there: it does not come back, though its server may have answered it.
---@param self table
function resume.give_up(self)
  again.stop(self)
  resume.forget(self)
end

---What a handshake says of it.
---@param self table
---@return table
function resume.shown(self)
  local one = self.session
  return one and { token = one.token, received = one.received } or {}
end

---What the server has answered to that.
---@param self table
---@param user any of the handshake's answer
---@return string how "resumed"; "short": it goes on, but what the server misses is not kept; "new"
---@return string[]|nil rest the packages to send
function resume.answered(self, user)
  local answer = type(user) == "table" and user.resume
  if type(answer) ~= "table" or type(answer.token) ~= "string" then
    resume.forget(self)
    return "new"
  end
  if answer.recovered == true and self.session then
    local rest = self.session:resumed(answer)
    if not rest then return "short" end
    self.resumed = self.resumed + 1
    return "resumed", rest
  end
  resume.forget(self)
  self.session = session.new(answer)
  return "new"
end

---When the line counts as lost unless something comes.
---@param self table
---@return number|nil ms of core.clock
function resume.silent_at(self)
  if not self.session or not self.interval or self.stalled then return nil end
  return self.heard_at + 2 * self.interval + GAP
end

return resume
