-- others: the other programs of the cluster, as this one sees them on the bus, and what they are
-- asked. The line of a question is that of a tool (ops/control), with here = true: its answer is
-- about the servers of that process alone.
local core = require "pomelua.core"
local json = require "pomelua.base.json"

local others = {}

local methods = {}
local mt = { __index = methods }

local PATIENCE = 15000 -- ms for the next line of an answer; a program at work says so every 5 s

---@class pomelua.OtherProgram
---@field process string its name on the bus, 32 hexadecimal digits
---@field name string its name for people: HOST:PID
---@field host string
---@field pid number
---@field servers table[] {id=, type=}, those that are on the bus, by id

---@param program fun(): table gives core's
---@param elsewhere fun(): table gives pomelua.ops.elsewhere of it
function others.new(program, elsewhere)
  return setmetatable({ program = program, elsewhere = elsewhere, calls = {}, last = 0 }, mt)
end

---What this program is on the bus.
---@return table|nil here process, host, pid, name, up (whether the bus is there); nil: no bus
function methods:here()
  local here = self.program():bus()
  if here then here.name = ("%s:%d"):format(here.host, here.pid) end
  return here
end

local function by_name(a, b)
  if a.host ~= b.host then return a.host < b.host end
  if a.pid ~= b.pid then return a.pid < b.pid end
  return a.process < b.process
end

---The other programs that have servers, by host and process.
---@return pomelua.OtherProgram[]
function methods:list()
  local list, by_process, elsewhere = {}, {}, self.elsewhere()
  for _, id in ipairs(elsewhere:ids()) do
    local server = elsewhere:find(id)
    local one = by_process[server.process]
    if not one then
      one = {
        process = server.process, host = server.host, pid = server.pid,
        name = ("%s:%d"):format(server.host, server.pid), servers = {},
      }
      by_process[server.process] = one
      list[#list + 1] = one
    end
    table.insert(one.servers, { id = id, type = server.entry.serverType })
  end
  table.sort(list, by_name)
  return list
end

---The program that has a server.
---@param id string
---@return pomelua.OtherProgram|nil
function methods:holder(id)
  local server = self.elsewhere():find(id)
  for _, one in ipairs(server and self:list() or {}) do
    if one.process == server.process then return one end
  end
end

-- The end of a question: who of those that it was for has not answered it to the end. Nobody is
-- late: they have ended, whether or not the bus has said so of their servers.
local function finish(self, call, late)
  local missing, there = {}, {}
  for _, one in ipairs(self:list()) do there[one.process] = true end
  for _, one in ipairs(call.asked) do
    if not call.answered[one.process] then
      one.gone = late == 0 or not there[one.process]
      missing[#missing + 1] = one
      if not one.gone then late = late - 1 end
    end
  end
  call.hooks.finish(missing, math.max(0, late))
end

---Asks one program, or (nil) all others, those without a server on the bus, too.
---@param one pomelua.OtherProgram|nil
---@param request table
---@param hooks table line(reply, from) and done(reply, from) get the lines of an answer and the
---last one; from is a pomelua.OtherProgram. finish(missing, more) comes once, at the end: missing
---has the programs that have not answered to the end, with gone = true when they have ended; more
---is how many further ones have not, whose names are not known
---@param ms number|nil how long the next line may take
function methods:ask(one, request, hooks, ms)
  local call = { hooks = hooks, answered = {}, asked = one and { one } or self:list(), from = {} }
  for _, other in ipairs(call.asked) do call.from[other.process] = other end
  self.last = self.last + 1
  local number = self.last
  self.calls[number] = call
  local ok = self.program():askOthers(one and one.process or nil, number,
    assert(core.encode(request)), ms or PATIENCE)
  if ok then return end
  self.calls[number] = nil
  finish(self, call, #call.asked)
end

---A line of an answer has come; text nil: there is none any more.
---@param number number of the question
---@param process string|nil
---@param text string|nil
---@param late number|nil how many have not answered
function methods:answered(number, process, text, late)
  local call = self.calls[number]
  if not call then return end
  if not text then
    self.calls[number] = nil
    return finish(self, call, late or 0)
  end
  local from = call.from[process] or { process = process, name = process, servers = {} }
  local reply = json.decode(text)
  if type(reply) ~= "table" then
    reply = { ok = false, message = from.name .. ": no proper answer", done = true }
  end
  if reply.waiting or call.answered[process] then return end
  if not reply.done then return call.hooks.line(reply, from) end
  call.answered[process] = true
  if call.hooks.done then call.hooks.done(reply, from) end
end

---Who may still do what was asked, for a person; programs that have ended do not.
---@param missing pomelua.OtherProgram[] as finish of ask gets it
---@param more number
---@return string[] names
function others.silent(missing, more)
  local names = {}
  for _, one in ipairs(missing) do
    if not one.gone then names[#names + 1] = one.name end
  end
  if more > 0 then names[#names + 1] = more == 1 and "1 program" or more .. " programs" end
  return names
end

---Why a program has not answered to the end, for a tool.
---@param one pomelua.OtherProgram of missing
---@return string
function others.why(one)
  if one.gone then return "its process has ended" end
  return "no answer in time: it may still be at it"
end

return others
