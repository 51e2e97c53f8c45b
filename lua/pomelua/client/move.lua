-- client.move: a client whose server stops, and tells it to move, connects again: after a random
-- time of up to a second, and then as often as it takes, for half a minute.
local again = require "pomelua.client.again"
local core = require "pomelua.core"

local move = {}

local CODE, REASON = 1001, "move" -- of the close frame
local WAIT = 1000 -- ms within which it connects again
local DELAY, MOST = 500, 5000 -- ms after an attempt that failed
local GIVE_UP = 30000 -- ms

---Whether a close frame tells to move.
---@param code number|nil
---@param reason string
---@return boolean
function move.is_told(code, reason) return code == CODE and reason == REASON end

local function over(self, message)
  self.reason = "moved, but not connected again: " .. tostring(message)
end

---Its connection has ended so: it is to connect again, and what it has asked was not run.
---@param self table a client
function move.begin(self)
  for _, waiting in pairs(self.requests) do waiting.over = "MOVED" end
  if self.options.move == false then return end
  local now = core.clock()
  again.begin(self, { due = now + math.random() * WAIT, until_ = now + GIVE_UP, delay = DELAY,
    most = MOST, over = over })
end

return move
