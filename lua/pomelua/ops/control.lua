-- control: the commands of an operator to a running program, on its main thread. A tool sends one
-- line of JSON and gets lines of JSON back, the last with done = true. While an answer takes time,
-- a line with waiting = true every few seconds shows that the program is alive.
--
--   {"command":"version"}                       done, with the version
--   {"command":"list","counters":,"pools":}     a line per server; with counters one of the page
--                                               server (field web) and one of the bus (field bus)
--   {"command":"stop"|"kill"|"restart","ids":[]} a line per server; stop and kill without ids: all
--   {"command":"add","entry":{}}                one more server
--   {"command":"reload","modules":[],"dry":,"force":}  server by server, up to the first refusal
--   {"command":"kick","uid":,"reason":}         ends a user's sessions; done, with sessions
--   {"command":"ban","uid":|"address":,"seconds":,"reason":}, {"command":"unban",...}
--   {"command":"bans"}                          lines with lists of bans
--   {"command":"eval","id":,"text":}            Lua in a server that allows it
--   {"command":"run","name":,"words":[],"msg":{},"on":,"type":}  a command of the game's, on every
--                                               server that has it, or on that one, or of that type
--   {"command":"find","ids":[]}                 a line for each of these servers that is here
--
-- On a bus a question is about the servers of all programs (ops/cluster), but with "here":true, as
-- another program passes it on (ops/others), with "by":{"user":,"pid":,"host":}. "process" and
-- "host" name the program for `add`, and for stop and kill without ids; they have to, when the
-- question came over the bus, or says "anywhere":true.
--
-- Servers answer through ops/admin; no function here blocks. Each command that changes something
-- writes a line to the log with the user, the command and the result.
local ban_desk = require "pomelua.ops.ban_desk"
local bans = require "pomelua.ops.bans"
local cluster = require "pomelua.ops.cluster"
local commands = require "pomelua.ops.commands"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local members = require "pomelua.ops.members"
local others = require "pomelua.ops.others"
local talks = require "pomelua.ops.talk"

local control = {}

local methods = {}
local mt = { __index = methods }

local TICK = 500 -- ms between two looks at what waits
local QUESTIONS = 64 -- of other programs and tools on the bus that are being answered at once
local ALIVE = 5000 -- after that long without a line, a tool hears that it is still being worked on

local late = { code = "TIMEOUT" }

---@param run table what cli.prepare gave: servers (running here), entries (all), member(entry, all)
---@return table hooks for core.run's field `control`, without its path
function control.new(run)
  local self = setmetatable({
    calls = {}, last_call = 0, talks = {}, questions = 0, place = run.place, late = late,
    cluster = run.bus and run.bus.cluster,
  }, mt)
  self.others = others.new(function() return self.program end,
    function() return self.members.elsewhere end)
  self.members = members.new(run, {
    program = function() return self.program end,
    tell = function(id, question) self:ask(id, question, nil, function() end) end,
    wake = function() self:wake() end,
  })
  self.bans = ban_desk.new(run.bans or bans.new(nil), {
    members = function() return self.members end, late = late,
    ask = function(...) self:ask(...) end,
    log = function(level, text) self.program:log(level, text) end,
    others = function() return self.others end,
  })
  -- The program is the first argument of each hook.
  local function hook(fn)
    return function(program, ...)
      self.program = program
      local result = fn(self, ...)
      self:tell_health()
      return result
    end
  end
  return {
    line = hook(methods.line), gone = hook(methods.gone), told = hook(methods.told),
    server = hook(methods.server), wake = hook(methods.tick), hup = hook(methods.hup),
    ended = hook(methods.ended), wish = hook(methods.wish),
    question = hook(methods.question), answered = hook(methods.answered),
    informed = hook(function(_, ...) self.members:informed(...) end),
    remote = hook(function(_, ...) self.members:remote(...) end),
    superseded = hook(function(_, id) self.members:superseded(id) end),
  }
end

-- Tells the page server, which answers GET /health, how many servers are up.
function methods:tell_health()
  local up, all = self.members:count()
  local health = up .. "/" .. all
  if health == self.health then return end
  self.health = health
  self.program:health(up, all)
end

-- --- asking servers ------------------------------------------------------------------------

-- Asks C for the next call of `wake`, unless one is on its way.
function methods:wake()
  if self.awake == "soon" then return end
  self.awake = "soon"
  self.program:wake(TICK)
end

-- The same for the end of the next ban.
function methods:wake_for_bans()
  local ms = self.awake ~= "soon" and self.bans:due()
  if not ms then return end
  self.awake = "later"
  self.program:wake(ms)
end

---Asks a server; reply(answer) comes once: a table; nil when the server has ended; and
---`late`, when it has not answered within ms.
function methods:ask(id, question, ms, reply)
  self.last_call = self.last_call + 1
  local call = self.last_call
  local ok = self.program:tell(id, call, assert(core.encode(question)))
  if not ok then return reply(nil) end
  self.calls[call] = { left = ms, reply = reply }
  if ms then self:wake() end
end

function methods:told(call, text)
  local waiting = self.calls[call]
  self.calls[call] = nil
  local answer = text and text ~= "" and json.decode(text)
  if not waiting then return end
  if text and type(answer) ~= "table" then answer = { ok = false, message = "no proper answer" } end
  waiting.reply(answer or nil)
end

function methods:tick()
  self.awake = nil
  self.bans:tick()
  self.members.versions:tick()
  local due = {}
  for call, waiting in pairs(self.calls) do
    if waiting.left then
      waiting.left = waiting.left - TICK
      if waiting.left <= 0 then due[#due + 1] = call end
    end
  end
  for _, call in ipairs(due) do
    local waiting = self.calls[call]
    self.calls[call] = nil
    if waiting then waiting.reply(late) end
  end
  for _, talk in pairs(self.talks) do
    talk.quiet = talk.quiet + TICK
    if talk.quiet >= ALIVE then talk:say { waiting = true } end
  end
  local moved = self.place:follow(function(text) self.program:log("warn", text) end)
  if moved then self.bans:move(moved) end
  local open = next(self.talks) ~= nil or self.place.moves or self.members.versions:waits()
  for _, waiting in pairs(self.calls) do open = open or waiting.left ~= nil end
  if open then self:wake() else self:wake_for_bans() end
end

-- The socket is there since before the first server was up: from now on tools ask this program.
-- What one of them has written into the file before is read now.
function methods:open()
  self.opened = true
  self.place:open(function(text) self.program:log("warn", text) end)
  self.bans:open()
  self:wake_for_bans()
end

-- What a server asks its program for.
function methods:wish(id, number, text)
  local request = json.decode(text)
  self.bans:run(request, "the server " .. id, function(answer)
    self:wake_for_bans()
    if answer.bans then answer.bans = json.array(answer.bans) end
    self:ask(id, { command = "answer", number = number, answer = answer }, nil, function() end)
  end)
end

-- A server was started or stopped alone, or is up for the first time.
function methods:server(id, up, text)
  if up and not self.opened then self:open() end
  if self.place.moves then self:wake() end
  local one = self.members:find(id)
  if one and not up and not one.op then
    self.program:log("error", ("%s has ended: %s"):format(id, text or "it ended without a command"))
  end
  return self.members:changed(id, up, text)
end

-- --- tools and other programs ------------------------------------------------------------------

-- All servers have ended: tools that still wait get their last line.
function methods:ended(status)
  self.place:leave()
  for _, talk in pairs(self.talks) do
    if talk.stops and status == 0 then
      talk:done(true)
    else
      talk:done(false, talk.stops and "it ended with status " .. status
        or "the program has ended")
    end
  end
end

function methods:gone(client)
  local talk = self.talks[client]
  if not talk then return end
  talk.closed = true
  self.talks[client] = nil
end

-- The user of a tool, for the log. by: {user=, pid=, host=}; another program, or a tool on another
-- machine, has written it.
local function who(by)
  if type(by) ~= "table" or type(by.user) ~= "number" or type(by.pid) ~= "number" then
    return "a user whose process has ended"
  end
  local text = ("user %d, process %d"):format(by.user, by.pid)
  if type(by.host) ~= "string" then return text end
  return ("%s of %s"):format(text, (by.host:sub(1, 255):gsub("[^%w%.%-_:]", "?")))
end

-- Begins to answer a question.
local function begin(self, key, talk, request)
  self.talks[key] = talk
  self:wake()
  local name = type(request) == "table" and request.command
  local command = type(name) == "string" and commands.all[name]
  if not command then
    return talk:done(false, "no such command; this program is pomelua " .. core.version)
  end
  if not talk.here and self.others:here() then
    command = cluster[name] or command
  elseif not talk.here and (request.process or request.host) then
    return talk:done(false, "there are no other programs: this one is on no bus")
  end
  command(self, talk, request)
end

---A line of a tool on this machine.
function methods:line(client, text)
  local request = json.decode(text)
  local uid, pid = self.program:peer(client)
  local by = uid and { user = uid, pid = pid }
  local talk = talks.new(who(by), function(_, line) self.program:write(client, line) end,
    function() self.talks[client] = nil end)
  local here = self.others:here()
  talk.by = here and by and { user = uid, pid = pid, host = here.host }
  talk.here = type(request) == "table" and request.here == true
  talk.anywhere = type(request) == "table" and request.anywhere == true
  begin(self, client, talk, request)
end

---A question of another program, or of a tool that speaks to the bus.
function methods:question(number, _, text)
  local request = json.decode(text)
  local by = type(request) == "table" and request.by
  local key = "question " .. number
  local talk = talks.new(who(by), function(reply, line)
    self.program:answerOther(number, line, reply.done == true)
  end, function()
    self.questions = self.questions - 1
    self.talks[key] = nil
  end)
  talk.by, talk.anywhere = by or nil, true
  talk.here = type(request) == "table" and request.here == true
  self.questions = self.questions + 1
  if self.questions > QUESTIONS then
    return talk:done(false, "too many tools speak with this program at once")
  end
  begin(self, key, talk, request)
end

---What another program has answered.
function methods:answered(...) self.others:answered(...) end

---SIGHUP: reloads everything in this program; the result is in the log.
function methods:hup()
  local talk = talks.new("SIGHUP", function(reply)
    local text = reply.message or (reply.ok and "done" or "refused")
    if reply.done and reply.ok then return end
    self.program:log(reply.ok and "info" or "error",
      ("reload %s%s"):format(reply.id and reply.id .. ": " or "", text))
  end)
  commands.all.reload(self, talk, {})
end

return control
