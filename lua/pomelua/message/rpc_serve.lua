-- rpc_serve: a call of another server runs a remote and gets its one answer. An error in any of the
-- tasks that run for the call is its answer.
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local task = require "pomelua.run.task"

local rpc_serve = {}

local called = {}
called.__index = called
called.kind = "call"
called.client = true

-- Answers with an error. An error with a code is sent as a value, so that the code arrives; of any
-- other error the text is sent.
local function reply_error(server, id, err)
  local code = type(err) == "table" and rawget(err, "code")
  local message = type(err) == "table" and rawget(err, "message")
  if code ~= nil and type(message) == "string" then
    if server.node:reply(id, 1, { message = message, code = code }) then return end
  end
  server.node:replyError(id, errors.text(err))
end

function called:failed(err)
  if self.answered then return end
  self.answered = true
  if self.id then reply_error(self.generation.server, self.id, err) end
end

local function reply(self, ...)
  if self.answered then
    if self.id then
      self.generation.server:warn("remote " .. self.name
        .. ": answered twice; the second answer is dropped", "second answers: " .. self.name)
    end
    return
  end
  self.answered = true
  if not self.id then return end
  local server = self.generation.server
  local ok, message, code = server.node:reply(self.id, select("#", ...), ...)
  if ok then return end
  if code == "CLOSED" then
    server:debug("remote " .. self.name .. ": answered after its deadline", "late answers")
  else
    server:error("remote " .. self.name .. ": the answer cannot be sent: " .. tostring(message),
      "answers that cannot be sent: " .. self.name)
    server.node:replyError(self.id, tostring(message))
  end
end

-- Answers with the values that the remote has returned: a, b is cb(nil, a, b), and nil, err is
-- cb(err). Without a value, or with one nil, the remote answers by cb.
local function finish(self, ...)
  local n = select("#", ...)
  if n == 0 then return end
  local first, second = ...
  if first ~= nil then return reply(self, nil, ...) end
  if type(second) == "string" then second = errors.new(second) end
  if second ~= nil then return reply(self, second) end
end

local function run(self, entry, values, n)
  local function cb(...) reply(self, ...) end
  if n == 0 then return finish(self, entry.fn(entry.owner, cb)) end
  values[n + 1] = cb
  finish(self, entry.fn(entry.owner, unpack(values, 1, n + 1)))
end

---entries.call
---@param aside boolean|nil a stop does not wait for it
function rpc_serve.called(server, id, from, name, text, aside)
  local entry, missing = server.registry:remote(name)
  if not entry then
    server:warn(("rpc %s from %s: %s"):format(name, from, missing), "calls without a remote")
    if id then server.node:replyError(id, missing) end
    return
  end
  local values, n = json.values(text)
  if not values then
    if id then server.node:replyError(id, "the arguments are not a JSON array") end
    return
  end
  local self = setmetatable({
    generation = server.generation, id = id, name = name, answered = false,
  }, called)
  if aside then self.kind = false end
  task.run(server, self, run, self, entry, values, n)
end

return rpc_serve
