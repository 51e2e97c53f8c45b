-- request: a client's message while its handler works on it, and its one answer
-- (protocol 13.2).
-- It owns the tasks that run for it: an error in any of them is its answer.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"

local request = {}

local null = core.null

---@class pomelua.Request
---@field id number|nil C's id of the request; nil for a notify
---@field name string the route
---@field label string|nil stands for the route in kinds of log lines: a client has made that up
---@field answered boolean
---@field generation pomelua.Generation the code that it runs on
local methods = {}
local mt = { __name = "pomelua.request", __index = methods }
request.methods = methods
methods.kind = "request"
methods.client = true

function request.new(server, id, route)
  -- Four fields: a fifth would double the table.
  return setmetatable({
    generation = server.generation, id = id, name = route, answered = false,
  }, mt)
end

local nothing = {} -- {} on the wire; C only reads it

-- Whether a value counts as true: Pomelo's answers follow JavaScript, where 0 and "" are false.
local function truthy(value)
  return value and not (rawequal(value, 0) or rawequal(value, "") or rawequal(value, null))
end

-- A table that is written as an object, so that a code can be added.
local function is_object(value)
  return type(value) == "table" and not json.is_array(value)
end

local function send(self, value)
  local server = self.generation.server
  local ok, message, name = server.node:answer(self.id, value)
  if ok then return end
  if name == "CLOSED" then
    return server:debug(self.name .. ": answered after the request had ended", "late answers")
  end
  server:error(self.name .. ": the answer cannot be sent: " .. tostring(message),
    "answers that cannot be sent: " .. (self.label or self.name))
  server.node:answer(self.id, { code = 500 })
end

---next(err, resp)
function methods:answer(err, resp)
  if self.answered then
    return self.generation.server:warn(self.name
      .. ": answered twice; the second answer is dropped",
      "second answers: " .. (self.label or self.name))
  end
  self.answered = true
  if not self.id then
    if truthy(resp) then
      self.generation.server:warn("try to response to a notify: " .. self.name,
        "answers to notifies: " .. (self.label or self.name))
    end
    return
  end
  if not truthy(err) then return send(self, truthy(resp) and resp or nothing) end
  if not rawequal(err, self.logged) then
    self.generation.server:info_line(self.name .. ": " .. errors.text(err),
      "answers with an error: " .. (self.label or self.name))
  end
  if not is_object(resp) then return send(self, { code = 500 }) end
  if not truthy(rawget(resp, "code")) then rawset(resp, "code", 500) end
  send(self, resp)
end

---An error was raised in one of its tasks; it has been logged.
function methods:failed()
  if self.answered then return end
  self.answered = true
  if self.id then self.generation.server.node:answer(self.id, { code = 500 }) end
end

---Ends without an answer.
function methods:drop()
  self.answered = true
end

request.truthy = truthy

return request
