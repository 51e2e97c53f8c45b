-- toobusy: filters that refuse messages, or calls to other servers, while this server's loop is
-- late (protocol 14).
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local lag = require "pomelua.filter.lag"

local MAX = 70 -- ms

local methods = {}
local mt = { __name = "pomelua.filter", filters = "both", __index = methods }

function methods:before()
  if lag.now(current.server) > self.max then
    return nil, errors.new("Server toobusy!", "BUSY")
  end
end

local function begin(_, server) lag.begin(server) end
local function finish(_, server) lag.finish(server) end

---@param max number|nil milliseconds by which the loop may be late; 70
---@return pomelua.Filter
return function(max)
  max = max or MAX
  if type(max) ~= "number" or max ~= max or max < 0 then
    errors.raise("pomelua.toobusy(ms): ms must be a number of milliseconds, got " .. tostring(max))
  end
  return setmetatable({ max = max, _begin = begin, _end = finish }, mt)
end
