-- timeout: a filter that answers a request with an error when its handler takes too long
-- (protocol 14).
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local TIMEOUT, MAX = 3000, 500

local methods = {}
local mt = { __name = "pomelua.filter", filters = "messages", __index = methods }

local function expire(server, record)
  local self, message = record.filter, record.message
  self.open[message] = nil
  self.count = self.count - 1
  server:error(("request %s timeout."):format(message.name), "requests that took too long")
  message:expire(errors.new(("request %s timeout."):format(message.name), "TIMEOUT"))
end

function methods:before()
  local message = task.owner()
  if self.count >= self.max or self.open[message] then return end
  local record = timers.start(current.server, self.ms,
    { fire = expire, filter = self, message = message })
  if not record then return end -- there are too many timers
  self.open[message] = record
  self.count = self.count + 1
end

function methods:after()
  local message = task.owner()
  local record = self.open[message]
  if not record then return end
  self.open[message] = nil
  self.count = self.count - 1
  timers.stop(current.server, record)
end

---@param ms number|nil milliseconds; 3000
---@param max number|nil how many requests are timed at once; 500, what comes above is not timed
---@return pomelua.Filter
return function(ms, max)
  ms, max = ms or TIMEOUT, max or MAX
  if type(ms) ~= "number" or not (ms >= 1 and ms < 2 ^ 31)
    or type(max) ~= "number" or max ~= max or max < 0 then
    errors.raise(("pomelua.timeout(ms, max): ms must be a number of milliseconds from 1 and max a"
      .. " number from 0, got %s and %s"):format(tostring(ms), tostring(max)))
  end
  return setmetatable({ ms = ms, max = max, open = {}, count = 0 }, mt)
end
