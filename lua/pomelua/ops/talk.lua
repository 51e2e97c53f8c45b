-- talk: one question to a program, of a tool or of another program, and the lines of its answer.
local core = require "pomelua.core"

local talk = {}

---@class pomelua.Talk
---@field who string who asks, for the log
---@field quiet number ms since the last line
---@field here boolean|nil whether the servers of this process alone are meant
---@field anywhere boolean|nil whether the tool has chosen no program of the cluster
---@field stops boolean|nil whether the end of the program is its answer
---@field closed boolean|nil whether nobody listens any more
local methods = {}
local mt = { __index = methods }

---@param who string
---@param write fun(reply: table, text: string) gets each line of the answer
---@param ended fun()|nil called behind the last one
---@return pomelua.Talk
function talk.new(who, write, ended)
  return setmetatable({ who = who, write = write, ended = ended, quiet = 0 }, mt)
end

---A line of the answer. Does nothing when nobody listens any more.
---@param reply table
function methods:say(reply)
  self.quiet = 0
  if self.closed then return end
  local text = core.encode(reply)
    or core.encode { ok = false, message = "the answer is not JSON", done = reply.done }
  self.write(reply, text)
end

---The last line.
---@param ok boolean
---@param message string|nil
---@param code string|nil
---@param more table|nil further fields of the line
function methods:done(ok, message, code, more)
  local reply = { ok = ok, message = message, code = code, done = true }
  for key, value in pairs(more or {}) do reply[key] = value end
  self:say(reply)
  if self.closed then return end
  self.closed = true
  if self.ended then self.ended() end
end

---A part of the answer: its lines go to line(reply), and the last one to done(reply).
---@param line fun(reply: table)
---@param done fun(reply: table)
---@return pomelua.Talk
function methods:part(line, done)
  local part = talk.new(self.who, function(reply)
    if reply.done then done(reply) else line(reply) end
  end)
  part.here = true
  return part
end

return talk
