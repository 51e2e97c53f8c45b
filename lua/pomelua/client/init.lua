-- client: a scripted client of the real protocol (protocol 1, protocol 2, protocol 3), over
-- WebSocket or TCP, for bots, tools and specs. Every call blocks, with a deadline; while one
-- client waits, all clients of the process are served: pushes arrive and heartbeats are answered.
-- Not for scripts of a server.
--
--   local client = require "pomelua.client"
--   local ann = assert(client.connect { port = 3050 })
--   local answer = assert(ann:request("connector.entryHandler.enter", { name = "ann" }))
--   local push = assert(ann:expect("onChat", { from = "bob" }))
--   ann:close()
local again = require "pomelua.client.again"
local arguments = require "pomelua.client.arguments"
local core = require "pomelua.core"
local frames = require "pomelua.client.frames"
local handshake = require "pomelua.client.handshake"
local json = require "pomelua.base.json"
local messages = require "pomelua.client.message"
local move = require "pomelua.client.move"
local options = require "pomelua.client.options"
local pretty = require "pomelua.base.pretty"
local protos = require "pomelua.client.protos"
local pushes = require "pomelua.client.pushes"
local resume = require "pomelua.client.resume"
local stream = require "pomelua.client.stream"
local token = require "pomelua.client.token"
local trust = require "pomelua.client.trust"

local DEADLINE = 5000
local HANDSHAKE, ACK, HEARTBEAT, DATA, KICK = 1, 2, 3, 4, 5
local REQUEST, NOTIFY, RESPONSE = 0, 1, 2
local REFRESH, LEAVE = "sys.refresh", "sys.leave"

local client = {}
local live = {} -- all that are open, in order

---@class pomelua.Client
---@field handshake table the server's answer to the handshake
---@field reason string|nil why it is closed
---@field resumed number how often its session went on with another line
local methods = {}
local mt = { __name = "pomelua.client", __index = methods }

local function fail(self, message, name)
  if self and self.explain then message = message .. self.explain(self) end
  return nil, message, name
end

-- Bytes out ------------------------------------------------------------------------

local function shut(self, reason, reset)
  if not self.socket then return end
  self.socket:close(reset)
  self.socket, self.reason = nil, reason
  for i, one in ipairs(live) do
    if one == self then
      table.remove(live, i)
      break
    end
  end
end

-- It is closed for good.
local function finish(self, reason, reset)
  shut(self, reason, reset)
  resume.forget(self)
end

-- The line is lost: a session that the server keeps goes on with another one.
local function lost(self, reason)
  shut(self, reason)
  resume.begin(self)
end

local function write(self, bytes)
  if not self.socket then return fail(self, "the client is closed: " .. self.reason, "CLOSED") end
  if self.ws then bytes = frames.write(frames.BINARY, bytes) end
  local ok, message, name = self.socket:send(bytes, DEADLINE)
  if ok then return true end
  if name == "CLOSED" or self.session then lost(self, message) end
  return fail(self, message, name)
end

local function send(self, kind, body) return write(self, core.write_package(kind, body)) end

-- A message: with a session it is kept, and sent later when there is no line.
local function put(self, body)
  local bytes, session = core.write_package(DATA, body), self.session
  if not session then return write(self, bytes) end
  local away = session.away
  local kept, message = session:add(bytes)
  if not kept then return fail(self, message, "CLOSED") end
  if not away then write(self, bytes) end
  return kept
end

-- Bytes in -------------------------------------------------------------------------

local kinds = {}

kinds[HANDSHAKE] = function(self, body) self.handshake = json.decode(body) or {} end

-- The client answers one interval later: see client.wait.
kinds[HEARTBEAT] = function(self)
  if self.interval then self.beat_at = core.clock() + self.interval end
end

kinds[KICK] = function(self, body)
  local value = json.decode(body)
  self.kick = { reason = type(value) == "table" and value.reason or value }
  resume.forget(self)
end

kinds[DATA] = function(self, body)
  local message = core.read_message(body)
  if not message then return end
  if message.type == RESPONSE then
    local waiting = self.requests[message.id]
    self.requests[message.id] = nil
    if not waiting then return end
    local value, wrong = protos.decode(self.protos, waiting.route, message.body)
    if wrong then return finish(self, wrong) end
    waiting.done, waiting.value = true, value
    if self.session and waiting.sent then self.session:arrived(waiting.sent.number) end
    return
  end
  local route = messages.route(self, message)
  local msg, wrong = protos.decode(self.protos, route, message.body)
  if wrong then return finish(self, wrong) end
  local fn = self.listeners[route]
  if not fn then
    pushes.keep(self, route, msg)
  elseif client.scheduler then
    client.scheduler.call(fn, msg)
  else
    fn(msg)
  end
end

-- What has come is counted before any of it is taken, since a listener may serve clients itself.
local function feed(self, bytes)
  self.heard_at = core.clock()
  local got = self.stream:feed(bytes)
  local session = self.session
  for _, one in ipairs(got.packages) do
    if one.type == DATA and session then session.received = session.received + 1 end
  end
  for _, payload in ipairs(got.pings) do
    self.socket:send(frames.write(frames.PONG, payload), DEADLINE)
  end
  local socket = self.socket
  for _, one in ipairs(got.packages) do
    local take = kinds[one.type]
    if take then take(self, one.body) end
  end
  if self.socket ~= socket then return end
  if got.wrong then return finish(self, got.wrong) end
  if not got.closed then return end
  local code, reason = got.closed.code, got.closed.reason
  local text = "closed by the server" .. (code and ", code " .. code or "")
    .. (reason ~= "" and ": " .. reason or "")
  if not move.is_told(code, reason) then return lost(self, text) end
  finish(self, text)
  move.begin(self)
end

-- A new token before the old one expires, by a function; the answer is not waited for.
local function renew(self, now)
  self.renew_at = nil -- the function may serve clients itself
  local text = token.text(self.token)
  local wait = text and token.wait(text, os.time()) or DEADLINE
  self.renew_at = now + wait
  if not text then return end
  self.last_id = self.last_id + 1
  local waiting = { route = REFRESH }
  self.requests[self.last_id] = waiting
  local body = assert(core.encode { token = text })
  local kept = put(self, assert(core.write_message {
    type = REQUEST, id = self.last_id, route = REFRESH, body = body }))
  waiting.sent = type(kept) == "table" and kept or nil
end

local function beat(now)
  local soonest
  for i = #live, 1, -1 do
    local one = live[i]
    if one.beat_at and not one.stalled then
      if one.beat_at <= now then
        one.beat_at = nil
        send(one, HEARTBEAT, "")
      elseif not soonest or one.beat_at < soonest then
        soonest = one.beat_at
      end
    end
    if one.renew_at and not one.stalled then
      if one.renew_at <= now then renew(one, now) end
      soonest = math.min(soonest or math.huge, one.renew_at or math.huge)
    end
    soonest = math.min(soonest or math.huge, resume.silent_at(one) or math.huge)
  end
  return soonest
end

---How a script waits that runs in tasks (`pomelua run`): can_wait(), wait(ms, check), and
---call(fn, msg) for listeners. nil: a wait blocks, and listeners are called in it.
---@type table|nil
client.scheduler = nil

local connect -- below: connects a client again

-- Runs a function in a task, where there are tasks.
local function call(fn, ...)
  if not client.scheduler then return fn(...) end
  local args, n = { ... }, select("#", ...)
  client.scheduler.call(function() fn(unpack(args, 1, n)) end)
end

---Serves all clients once: takes the bytes that have come, sends heartbeats that are due.
---@param ms number how long it may wait for something to come
function client.serve(ms)
  local now = core.clock()
  local soonest = math.min(beat(now) or math.huge,
    again.serve(now, connect, call) or math.huge)
  local reading, sockets = {}, {}
  for _, one in ipairs(live) do
    if not one.stalled then
      reading[#reading + 1] = one
      sockets[#sockets + 1] = one.socket
    end
  end
  ms = math.min(ms, soonest - now)
  local ready = core.poll(sockets, math.max(0, math.ceil(ms)))
  for i, one in ipairs(reading) do
    if ready[i] and one.socket then
      local bytes, message = one.socket:receive()
      if bytes then feed(one, bytes) else lost(one, message) end
    elseif one.socket and (resume.silent_at(one) or math.huge) <= core.clock() then
      lost(one, "the server is silent")
    end
  end
end

---Serves all clients of the process until check() is true. In a task of `pomelua run` the
---others of the script go on meanwhile.
---@param ms number
---@param check (fun(): any)|nil
---@return any value what check gave; nil when the time has passed
function client.wait(ms, check)
  local scheduler = client.scheduler
  if scheduler and scheduler.can_wait() then return scheduler.wait(ms, check) end
  local due = core.clock() + ms
  while true do
    local value = check and check()
    if value then return value end
    local left = due - core.clock()
    client.serve(math.max(0, left))
    if left <= 0 then return check and check() or nil end
  end
end

-- Connecting -------------------------------------------------------------------------

local function upgrade(self, host, port)
  self.socket:send(frames.upgrade(host, port), DEADLINE)
  client.wait(self.deadline, function() return not self.stream.upgrading or not self.socket end)
  if not self.stream.upgrading then return true end
  return fail(self, self.reason or "no answer to the upgrade", "TIMEOUT")
end

-- Ends a session whose line is there: the server is told so.
local function leave(self)
  if self.ws then
    self.socket:send(frames.write(frames.CLOSE, "\3\232"), 0)
  elseif self.session then
    self.socket:send(core.write_package(DATA, assert(core.write_message {
      type = NOTIFY, route = LEAVE, body = "{}" })), 0)
  end
end

-- Returns how: "new" or "resumed", or "short", as client.resume has it.
local function shake(self)
  local hello, text = handshake.hello(self)
  if not hello then return fail(self, text, "REFUSED") end
  send(self, HANDSHAKE, hello)
  client.wait(self.deadline, function() return self.handshake or not self.socket end)
  if not self.handshake then
    return fail(self, self.reason or "no answer to the handshake", "TIMEOUT")
  end
  local ok, message = handshake.take(self, text)
  if not ok then return fail(self, message, "REFUSED") end
  local how, rest = resume.answered(self, self.handshake.user)
  local sent, wrong, name = send(self, ACK, "")
  if not sent then return nil, wrong, name end
  for _, bytes in ipairs(rest or {}) do
    if not write(self, bytes) then break end -- then it is kept for the next line
  end
  return how
end

-- Connects and shakes hands, at first or again.
local function open(self)
  local given = self.options
  local host, port = given.host or "127.0.0.1", given.port
  if given.address then
    host, port = given.address()
    if not host then return nil, "no address: " .. tostring(port), "NOENT" end
  end
  local socket, message, name = trust.connect(host, port, given.tls, self.deadline)
  if not socket then return nil, message, name end
  self.socket, self.stream, self.heard_at = socket, stream.new(self.ws), core.clock()
  self.handshake, self.beat_at = nil, nil
  live[#live + 1] = self
  local how = true
  if self.ws then how, message, name = upgrade(self, host, port) end
  if how then how, message, name = shake(self) end
  if how == "short" then -- that session cannot go on: it ends, and another one begins
    leave(self)
    finish(self, "what the server misses is not kept any more")
    return open(self)
  end
  if how then return how end
  shut(self, "not connected")
  return nil, message, name
end

-- The third value: there will be no connection. A client without a login cannot begin again.
function connect(self)
  local resumes = self.session ~= nil
  local how, message = open(self)
  if not how or how == "resumed" then return how, message end
  if not self.options.login then
    if not resumes then return how end
    leave(self)
    finish(self, "not resumed")
    return nil, "the server has another one", true
  end
  how, message = pcall(self.options.login, self)
  if not how and self.socket then
    leave(self)
    finish(self, "the login failed")
  end
  return how, message
end

---Connects, shakes hands and logs in.
---@param given pomelua.ClientOptions
---@return pomelua.Client|nil client
---@return string|nil message
---@return string|nil name "REFUSED", "TIMEOUT", "CLOSED", "IO", "NOENT", "PROTO" (TLS), "INVAL"
function client.connect(given)
  local wrong = options.wrong(given)
  if wrong then error("client.connect: " .. wrong, 2) end
  local self = setmetatable({
    options = given, ws = given.transport ~= "tcp", deadline = given.deadline or DEADLINE,
    requests = {}, last_id = 0, pushes = {}, listeners = {}, codes = {}, routes = {}, resumed = 0,
  }, mt)
  local ok, message, name = open(self)
  if not ok then
    resume.give_up(self)
    return nil, message, name
  end
  if given.login then given.login(self) end
  return self
end

-- What a client does -------------------------------------------------------------------

-- What is asked waits until the client is connected again, unless it is kept with its session.
local function return_first(self, ms)
  if again.waits(self) and not (self.session and self.session.away) then
    client.wait(ms or self.deadline, function() return not self.away end)
  end
end

-- Whether it has no line, and waits for none that its session goes on with.
local function is_gone(self) return not self.socket and not (self.session and self.away) end

---Asks and waits for the answer.
---@param route string
---@param msg any JSON; a string is the body's bytes
---@param ms number|nil
---@return any answer
---@return string|nil message
---@return string|nil name "TIMEOUT", "CLOSED", "MOVED": its server stops, and has not run it
function methods:request(route, msg, ms)
  return_first(self, ms)
  self.last_id = self.last_id + 1
  local id, waiting = self.last_id, { done = false, route = route }
  local bytes = messages.write(self, REQUEST, id, route, msg, 2)
  self.requests[id] = waiting
  local kept, message, name = put(self, bytes)
  if not kept then
    self.requests[id] = nil
    return nil, message, name
  end
  waiting.sent = type(kept) == "table" and kept or nil
  client.wait(ms or self.deadline, function()
    return waiting.done or waiting.over or is_gone(self)
  end)
  self.requests[id] = nil
  if waiting.done then return waiting.value end
  if waiting.over == "MOVED" then
    return fail(self, ("%s was not run: its server stops"):format(route), "MOVED")
  elseif waiting.over or is_gone(self) then
    return fail(self, ("no answer to %s: %s"):format(route, self.reason), "CLOSED")
  end
  if self.session and waiting.sent then self.session:take_back(waiting.sent) end
  return fail(self, ("no answer to %s within %d ms"):format(route, ms or self.deadline), "TIMEOUT")
end

---@param route string
---@param msg any JSON
---@return boolean|nil ok
---@return string|nil message
function methods:notify(route, msg)
  return_first(self)
  local kept, message = put(self, messages.write(self, NOTIFY, nil, route, msg, 2))
  return kept and true, message
end

---Calls fn(msg) for every push of the route, while any client waits; nil takes it away. In a
---script of `pomelua run` fn may wait.
---@param route string
---@param fn fun(msg: any)|nil
function methods:on(route, fn) self.listeners[route] = fn end

---Waits for a push and takes it; those before it stay. One that came earlier counts.
---@param route string
---@param expected any a table: the push holds at least these fields; a function of msg
---@param ms number|nil
---@return any msg
---@return string|nil message what was expected and what came
function methods:expect(route, expected, ms)
  if self.listeners[route] then error("client:on takes the pushes of " .. route, 2) end
  local found
  client.wait(ms or self.deadline, function()
    found = pushes.take(self, route, expected)
    return found or not self.socket and not self.away
  end)
  if found then return found.msg end
  return fail(self, ("no push %s%s within %d ms%s; %s"):format(route,
    expected ~= nil and " " .. pretty(expected) or "", ms or self.deadline,
    self.socket and "" or " (" .. self.reason .. ")", pushes.came(self)), "TIMEOUT")
end

---The pushes that came and were not taken.
---@return table[] {route=, msg=}
function methods:pushed()
  client.wait(0)
  local list = self.pushes
  self.pushes = {}
  return list
end

---Waits until the server kicks this client.
---@param ms number|nil
---@return table|nil kick {reason=}
---@return string|nil message
function methods:kicked(ms)
  client.wait(ms or self.deadline, function() return self.kick or is_gone(self) end)
  if self.kick then return self.kick end
  return fail(self, "not kicked: " .. (self.reason or "still connected"))
end

---Waits until the connection is closed.
---@param ms number|nil
---@return string|nil reason
---@return string|nil message
function methods:closed(ms)
  client.wait(ms or self.deadline, function() return is_gone(self) end)
  if is_gone(self) then return self.reason end
  return fail(self, "still connected")
end

---Ends the connection with a reset, and with it the client.
function methods:drop() finish(self, "dropped", true) end

---Loses the line, as a network does: a client with a session goes on with another line as soon as a
---client waits.
---@param how "rst"|"fin"|nil what the server sees: a reset when left out, or an end
function methods:cut(how)
  if self.socket then
    shut(self, "the line was cut", how ~= "fin")
    resume.begin(self)
  end
end

---Reads no more, answers no heartbeat, and does not come back from a lost line.
function methods:stall() self.stalled = true end

---Goes on.
function methods:resume() self.stalled = nil end

---Closes it for good; its session ends at once.
function methods:close()
  again.stop(self)
  if self.socket then leave(self) end
  finish(self, "closed")
end

return arguments.guard(client, methods)
