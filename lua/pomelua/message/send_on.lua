-- send_on: a client's message that has passed the global before filters goes to another server, and
-- its answer comes back (core/node/filtered).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"

local send_on = {}

-- Which server gets it. A route function may wait, and this waits for it.
local function choose(self)
  local server, done, wake, err, to = self.generation.server, false, nil, nil, nil
  server.router:pick(self.whole.serverType, self.from, self.whole, function(e, t)
    err, to, done = e, t, true
    if wake then wake() end
  end)
  if not done then task.park(function(w) wake = w end) end
  return err, to
end

-- The body that the handler gets: the client's bytes, unless a filter has read it, when it may have
-- been changed.
local function body_of(self)
  local value = rawget(self.whole, "body")
  if value == nil then return self.msg end
  return core.encode(value, "msg.body")
end

-- The settings of this message's session, when a filter may have changed them.
local function settings_of(self)
  local settings = rawget(self.from, "settings")
  if not settings then return nil end
  return core.encode(settings, "settings")
end

local function send(self, plan, to)
  local body, wrong = body_of(self)
  if not body then return errors.new(tostring(wrong), "ENCODE") end
  local settings
  settings, wrong = settings_of(self)
  if wrong then return errors.new(tostring(wrong), "ENCODE") end
  local server = self.generation.server
  local ok, message, code = server.node:sendOn(self.id, self.sid, to, self.name, body, settings,
    plan.watched)
  if not ok then return errors.new(message, code) end
  if self.id and plan.watched then server.filters.sent_on[self.id] = self end
end

---The step that sends a message to another server.
---@param self pomelua.Filtered
---@param step table
---@param at number
---@return boolean whether it has ended
function send_on.run(self, step, at)
  local err, to = choose(self)
  if self.at ~= at then return false end
  err = err or send(self, self.plan, to)
  if err then
    if err.code ~= "CLOSED" then -- that its client has gone meanwhile is no error
      self.generation.server:error(self.name .. ": " .. errors.text(err),
        "messages without a server")
    end
    self.err, self.resp, self.at = err, false, step.jump
    return true
  end
  return not self.id -- an answer comes to send_on.returned
end

---entries.returned: the answer of another server has been sent to the client.
---@param id number the request
---@param status string "OK", or what went wrong
---@param text string|nil the body of the answer, or the error
function send_on.returned(server, id, status, text)
  local self = server.filters.sent_on[id]
  if not self then return end
  server.filters.sent_on[id] = nil
  self.answered = true
  if status == "OK" then
    self.resp = server.decode_body(text or "")
  else
    self.err = errors.new(tostring(text or status), status ~= "ERROR" and status or nil)
  end
  self:go_on()
end

return send_on
