-- control: what the operator asks of a running program, on its main thread: a line of
-- JSON from a tool, lines of JSON back, the last with done = true.
--
--   {"command":"list"}                          a line per server
--   {"command":"stop"|"kill"|"restart","ids":[]} a line per server; stop without ids: all
--   {"command":"add","entry":{}}                one more server
--   {"command":"reload","modules":[],"dry":,"force":}  server by server, up to the first refusal
--   {"command":"eval","id":,"text":}            Lua in a server that allows it
--
-- Servers answer through pomelua.admin; nothing here waits for anything.
local core = require "pomelua.core"
local json = require "pomelua.json"

local control = {}

local methods = {}
local mt = { __index = methods }

---@param run table what cli.prepare gave: servers (running here), entries (all), boot(entry)
---@return table hooks for core.run's field `control`, without its path
function control.new(run)
  local self = setmetatable({
    run = run, order = {}, running = {}, calls = {}, last_call = 0, waiting = {}, talks = {},
  }, mt)
  for i, member in ipairs(run.servers) do
    self.order[i] = member.id
    self.running[member.id] = member
  end
  return {
    line = function(program, client, text) self:line(program, client, text) end,
    gone = function(_, client) self.talks[client] = nil end,
    told = function(_, call, text) self:told(call, text) end,
    server = function(program, id, up, text) self:server_changed(program, id, up, text) end,
    hup = function(program) self:hup(program) end,
  }
end

-- One tool's question. `say` and `done` are no-ops when the tool has gone.
local talk_mt = {}
talk_mt.__index = talk_mt

function talk_mt:say(reply)
  if self.log then return self.log(reply) end
  if self.control.talks[self.client] ~= self then return end
  local text = core.encode(reply)
    or core.encode { ok = false, message = "the answer is not JSON", done = reply.done }
  self.program:write(self.client, text)
end

function talk_mt:done(ok, message)
  self:say { ok = ok, message = message, done = true }
  if self.client and self.control.talks[self.client] == self then
    self.control.talks[self.client] = nil
    if self.hang_up then self.program:hangUp(self.client) end
  end
end

-- Asks a server; reply(answer) comes once: a table, or nil when the server has ended.
function methods:ask(talk, id, question, reply)
  self.last_call = self.last_call + 1
  local call = self.last_call
  local ok = talk.program:tell(id, call, assert(core.encode(question)))
  if not ok then return reply(nil) end
  self.calls[call] = { id = id, reply = reply }
end

function methods:told(call, text)
  local waiting = self.calls[call]
  self.calls[call] = nil
  local answer = text and text ~= "" and json.decode(text)
  if waiting then waiting.reply(type(answer) == "table" and answer or nil) end
end

-- A server was started or stopped alone.
function methods:server_changed(program, id, up, text)
  if not up then
    self.running[id] = nil
    for call, waiting in pairs(self.calls) do
      if waiting.id == id then
        self.calls[call] = nil
        waiting.reply(nil)
      end
    end
  end
  local waiting = self.waiting[id]
  self.waiting[id] = nil
  if waiting then waiting(program, up, text) end
end

local commands = {}

function commands.list(self, talk)
  local open = 0
  local function finish()
    if open == 0 then talk:done(true) end
  end
  for _, id in ipairs(self.order) do
    if self.running[id] then
      open = open + 1
      self:ask(talk, id, { command = "status" }, function(answer)
        open = open - 1
        talk:say { ok = answer ~= nil, id = id, status = answer }
        finish()
      end)
    end
  end
  finish()
end

-- Stops each of the ids; after(id) once it has ended.
local function stop_each(self, talk, request, now, after)
  local ids, open = request.ids, 0
  if type(ids) ~= "table" or #ids == 0 then return talk:done(false, "name the servers") end
  for _, id in ipairs(ids) do
    if not self.running[id] then
      return talk:done(false, ("there is no server %s"):format(tostring(id)))
    end
  end
  local function finish()
    open = open - 1
    if open == 0 then talk:done(true) end
  end
  for _, id in ipairs(ids) do
    open = open + 1
    local member = self.running[id]
    self.waiting[id] = function() after(id, member, finish) end
    local ok, message = talk.program:stopServer(id, now)
    if not ok then
      self.waiting[id] = nil
      talk:say { ok = false, id = id, message = message }
      finish()
    end
  end
end

function commands.stop(self, talk, request)
  if type(request.ids) ~= "table" or #request.ids == 0 then
    talk:say { ok = true, message = "stopping" }
    return talk.program:stop() -- the tool sees the end of the program as the end of the talk
  end
  stop_each(self, talk, request, false, function(id, _, finish)
    talk:say { ok = true, id = id, message = "stopped" }
    finish()
  end)
end

function commands.kill(self, talk, request)
  if type(request.ids) ~= "table" or #request.ids == 0 then
    request.ids = {}
    for _, id in ipairs(self.order) do
      if self.running[id] then table.insert(request.ids, id) end
    end
  end
  stop_each(self, talk, request, true, function(id, _, finish)
    talk:say { ok = true, id = id, message = "ended" }
    finish()
  end)
end

-- Starts a member; told comes with whether it is up.
local function start(self, talk, member, told)
  self.waiting[member.id] = function(_, up, text)
    if up then self.running[member.id] = member end
    told(up, text)
  end
  local ok, message = talk.program:startServer(member)
  if ok then return end
  self.waiting[member.id] = nil
  told(false, message)
end

function commands.restart(self, talk, request)
  stop_each(self, talk, request, false, function(id, member, finish)
    start(self, talk, member, function(up, text)
      talk:say { ok = up, id = id, message = up and "restarted" or text }
      finish()
    end)
  end)
end

-- Every server learns of a new one.
local function announce(self, talk)
  for id in pairs(self.running) do
    self:ask(talk, id, { command = "servers", servers = self.run.entries }, function() end)
  end
end

function commands.add(self, talk, request)
  local member, message = self.run.member(request.entry, self.running)
  if not member then return talk:done(false, message) end
  start(self, talk, member, function(up, text)
    if not up then return talk:done(false, text) end
    self.order[#self.order + 1] = member.id
    announce(self, talk)
    talk:done(true, member.id .. " is up")
  end)
end

function commands.reload(self, talk, request)
  local ids = {}
  for _, id in ipairs(self.order) do
    if self.running[id] then ids[#ids + 1] = id end
  end
  local question = {
    command = "reload", modules = request.modules, dry = request.dry, force = request.force,
  }
  local function one(i)
    local id = ids[i]
    if not id then return talk:done(true) end
    self:ask(talk, id, question, function(answer)
      answer = answer or { ok = false, message = "the server has ended" }
      answer.id = id
      talk:say(answer)
      if not answer.ok then return talk:done(false, "stopped at " .. id) end
      one(i + 1)
    end)
  end
  one(1)
end

function commands.eval(self, talk, request)
  if not self.running[request.id] then
    return talk:done(false, ("there is no server %s"):format(tostring(request.id)))
  end
  self:ask(talk, request.id, { command = "eval", text = request.text }, function(answer)
    talk:say(answer or { ok = false, message = "the server has ended" })
    talk:done(answer ~= nil and answer.ok)
  end)
end

function methods:line(program, client, text)
  local request = json.decode(text)
  local talk = setmetatable({ control = self, program = program, client = client }, talk_mt)
  self.talks[client] = talk
  local command = type(request) == "table" and commands[request.command]
  if not command then
    return talk:done(false, "no such command; this program is pomelua " .. core.version)
  end
  command(self, talk, request)
end

---SIGHUP: reloads everything; the log tells how it went.
function methods:hup(program)
  local talk = setmetatable({ control = self, program = program }, talk_mt)
  talk.log = function(reply)
    if reply.message or not reply.ok then
      io.stderr:write(("pomelua: reload %s: %s\n"):format(
        reply.id or "", reply.message or (reply.ok and "done" or "refused")))
    end
  end
  commands.reload(self, talk, {})
end

return control
