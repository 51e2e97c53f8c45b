-- control: what the operator asks of a running program, on its main thread: a line of
-- JSON from a tool, lines of JSON back, the last with done = true. While an answer takes its
-- time, a line with waiting = true says every few seconds that the program lives.
--
--   {"command":"version"}                       done, with the version
--   {"command":"list","counters":}              a line per server
--   {"command":"stop"|"kill"|"restart","ids":[]} a line per server; stop and kill without ids: all
--   {"command":"add","entry":{}}                one more server
--   {"command":"reload","modules":[],"dry":,"force":}  server by server, up to the first refusal
--   {"command":"eval","id":,"text":}            Lua in a server that allows it
--
-- Servers answer through pomelua.admin; nothing here waits for anything. What changes something
-- is a line of the log: who asked for what, and how it went.
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local members = require "pomelua.ops.members"
local place = require "pomelua.ops.place"

local control = {}

local methods = {}
local mt = { __index = methods }

local TICK = 500 -- ms between two looks at what waits
local LIST, RELOAD, EVAL = 2000, 60000, 30000 -- how long a server may take to answer, ms
local ALIVE = 5000 -- after that long without a line, a tool hears that it is still being worked on

local late = { code = "TIMEOUT" }

---@param run table what cli.prepare gave: servers (running here), entries (all), member(entry, all)
---@return table hooks for core.run's field `control`, without its path
function control.new(run)
  local self = setmetatable({
    calls = {}, last_call = 0, talks = {}, place = place.new(run.base),
  }, mt)
  self.members = members.new(run, {
    program = function() return self.program end,
    tell = function(id, question) self:ask(id, question, nil, function() end) end,
  })
  -- The program is the first argument of each hook.
  local function hook(fn)
    return function(program, ...)
      self.program = program
      return fn(self, ...)
    end
  end
  return {
    line = hook(methods.line), gone = hook(methods.gone), told = hook(methods.told),
    server = hook(methods.server), wake = hook(methods.tick), hup = hook(methods.hup),
    ended = hook(methods.ended),
  }
end

-- One tool's question. `say` and `done` do nothing when the tool has gone.
local talk_mt = {}
talk_mt.__index = talk_mt

function talk_mt:say(reply)
  self.quiet = 0
  if self.log then return self.log(reply) end
  if self.control.talks[self.client] ~= self then return end
  local text = core.encode(reply)
    or core.encode { ok = false, message = "the answer is not JSON", done = reply.done }
  self.control.program:write(self.client, text)
end

function talk_mt:done(ok, message)
  self:say { ok = ok, message = message, done = true }
  if self.control.talks[self.client] == self then self.control.talks[self.client] = nil end
end

-- --- asking servers ------------------------------------------------------------------------

-- The next look; one is enough.
function methods:wake()
  if self.awake then return end
  self.awake = true
  self.program:wake(TICK)
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
  self.awake = false
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
  self.place:follow(function(text) self.program:log("warn", text) end)
  local open = next(self.talks) ~= nil or self.place.moves
  for _, waiting in pairs(self.calls) do open = open or waiting.left ~= nil end
  if open then self:wake() end
end

local function missing(answer)
  if answer == late then return "no answer in time: it may still be at it" end
  return "the server has ended"
end

-- A server was started or stopped alone, or is up for the first time.
function methods:server(id, up, text)
  if self.place.moves then self:wake() end
  local one = self.members:find(id)
  if one and not up and not one.op then
    self.program:log("error", ("%s has ended: %s"):format(id, text or "it ended without a command"))
  end
  return self.members:changed(id, up, text)
end

-- --- commands -------------------------------------------------------------------------------

local commands = {}

function commands.list(self, talk, request)
  local ids, open = self.members:ids(), 0
  local function finish()
    if open == 0 then talk:done(true) end
  end
  for _, id in ipairs(ids) do
    local one = self.members:find(id)
    local row = {
      ok = true, id = id, type = one.entry.serverType, state = one.state, why = one.why,
    }
    if one.up then
      open = open + 1
      self:ask(id, { command = "status", counters = request.counters }, LIST, function(answer)
        open = open - 1
        row.ok = answer ~= nil and answer ~= late
        row.status = row.ok and answer or nil
        if answer == late then row.why = "not answering" end
        talk:say(row)
        finish()
      end)
    else
      talk:say(row)
    end
  end
  finish()
end

function commands.version(_, talk) talk:done(true, core.version) end

-- The user that asks, for the log.
local function who(self, client)
  local uid, pid = self.program:peer(client)
  return uid and ("user %d, process %d"):format(uid, pid) or "a user whose process has ended"
end

local function note(self, talk, text, ...)
  self.program:log("info", text:format(...) .. ", asked for by " .. talk.who)
end

-- A list of names of a question, each once; nil and a message when it is none. What a tool means
-- by a list that is not one must not be "all".
local function names_of(request, key)
  local given, list, seen = request[key], {}, {}
  if given == nil then return list end
  if type(given) ~= "table" then return nil, key .. " must be a list of names" end
  for i, name in pairs(given) do
    if type(i) ~= "number" or type(name) ~= "string" then
      return nil, key .. " must be a list of names"
    end
  end
  for _, name in ipairs(given) do
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  return list
end

-- How it went, for the log.
local function told(self, ok, refused, text, ...)
  self.program:log(ok and "info" or refused and "warn" or "error", text:format(...))
end

-- Calls a function for each of the ids. An unknown id is an error before any of the calls.
local function each(self, talk, kind, ids)
  local open, failed = #ids, 0
  for _, id in ipairs(ids) do
    if not self.members:find(id) then
      return talk:done(false, ("there is no server %s"):format(id))
    end
  end
  for _, id in ipairs(ids) do
    note(self, talk, "%s %s", kind, id)
    self.members:ask_for(kind, id, function(ok, message, refused)
      open = open - 1
      failed = failed + (ok and 0 or 1)
      told(self, ok, refused, "%s %s: %s", kind, id, message)
      talk:say { ok = ok, id = id, message = message }
      if open > 0 then return end
      if failed == 0 then return talk:done(true) end
      talk:done(false, ("%s: %d of %d servers failed"):format(kind, failed, #ids))
    end)
  end
end

-- stop, kill and restart: of these servers, or (all) what `whole` does to the program.
local function command_for(kind, whole)
  return function(self, talk, request)
    local ids, message = names_of(request, "ids")
    if not ids then return talk:done(false, message) end
    if #ids == 0 and whole then return whole(self, talk) end
    if #ids == 0 then return talk:done(false, "name the servers") end
    each(self, talk, kind, ids)
  end
end

commands.stop = command_for("stop", function(self, talk)
  note(self, talk, "stop of the program")
  talk:say { ok = true, message = "stopping" }
  talk.stops = true -- `ended` answers
  self.program:stop()
end)

commands.kill = command_for("kill", function(self, talk)
  each(self, talk, "kill", self.members:ids())
end)

commands.restart = command_for("restart")

function commands.add(self, talk, request)
  local entry, message = self.members.run.checked(request.entry)
  if not entry then return talk:done(false, message) end
  local id = entry.id
  note(self, talk, "add %s", id)
  self.members:ask_for("add", id, function(ok, text, refused)
    told(self, ok, refused, "add %s: %s", id, text)
    talk:done(ok, ok and id .. " is up" or ("%s: %s"):format(id, text))
  end, entry)
end

-- What no server has is no module.
local function unknown_to_all(unknown, asked)
  local names = {}
  for name, n in pairs(unknown) do
    if n == asked then names[#names + 1] = name end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, ", ") or nil
end

function commands.reload(self, talk, request)
  local modules, message = names_of(request, "modules")
  if not modules then return talk:done(false, message) end
  local ids, asked, unknown = self.members:ids("up"), 0, {}
  local question = {
    command = "reload", modules = #modules > 0 and modules or nil,
    dry = request.dry, force = request.force,
  }
  if not request.dry then note(self, talk, "reload") end
  local function finish()
    local names = unknown_to_all(unknown, asked)
    if names and asked > 0 then return talk:done(false, "no server has the module " .. names) end
    talk:done(true)
  end
  local function one(i)
    local id = ids[i]
    if not id then return finish() end
    self:ask(id, question, RELOAD, function(answer)
      if not answer then -- stopped meanwhile; when it comes again it has the new scripts
        talk:say { ok = true, id = id, message = "not loaded: the server has ended" }
        return one(i + 1)
      end
      if answer == late then answer = { ok = false, message = missing(answer) } end
      answer.id = id
      talk:say(answer)
      if not answer.ok then return talk:done(false, "stopped at " .. id) end
      asked = asked + 1
      for _, name in ipairs(answer.unknown or {}) do unknown[name] = (unknown[name] or 0) + 1 end
      one(i + 1)
    end)
  end
  one(1)
end

function commands.eval(self, talk, request)
  local id = tostring(request.id)
  local found = self.members:find(id)
  if not found then return talk:done(false, "there is no server " .. id) end
  if not found.up then return talk:done(false, ("%s is not up: %s"):format(id, found.state)) end
  if request.text ~= "nil" then note(self, talk, "console of %s: %s", id,
    tostring(request.text):sub(1, 200)) end
  self:ask(id, { command = "eval", text = request.text }, EVAL, function(answer)
    local good = answer and answer ~= late
    talk:say(good and answer or { ok = false, message = missing(answer) })
    talk:done(good and answer.ok or false)
  end)
end

-- The program is at its end.
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

function methods:gone(client) self.talks[client] = nil end

function methods:line(client, text)
  local request = json.decode(text)
  local talk = setmetatable({
    control = self, client = client, who = who(self, client), quiet = 0,
  }, talk_mt)
  self.talks[client] = talk
  self:wake()
  local command = type(request) == "table" and type(request.command) == "string"
    and commands[request.command]
  if not command then
    return talk:done(false, "no such command; this program is pomelua " .. core.version)
  end
  command(self, talk, request)
end

---SIGHUP: reloads everything; the log tells how it went.
function methods:hup()
  local talk = setmetatable({ control = self, who = "SIGHUP", quiet = 0 }, talk_mt)
  function talk.log(reply)
    local text = reply.message or (reply.ok and "done" or "refused")
    if reply.done and reply.ok then return end
    self.program:log(reply.ok and "info" or "error",
      ("reload %s%s"):format(reply.id and reply.id .. ": " or "", text))
  end
  commands.reload(self, talk, {})
end

return control
