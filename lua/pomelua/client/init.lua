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
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local match = require "pomelua.base.match"
local pretty = require "pomelua.base.pretty"

local DEADLINE = 5000
local KEPT = 10000 -- pushes that nobody asked for
local PACKAGE_MAX = 0xffffff
local HANDSHAKE, ACK, HEARTBEAT, DATA, KICK = 1, 2, 3, 4, 5
local REQUEST, NOTIFY, RESPONSE = 0, 1, 2
local CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10

local client = {}
local live = {} -- all that are open, in order

---@class pomelua.Client
---@field handshake table the server's answer to the handshake
---@field reason string|nil why it is closed
local methods = {}
local mt = { __name = "pomelua.client", __index = methods }

local function fail(self, message, name)
  if self and self.explain then message = message .. self.explain(self) end
  return nil, message, name
end

-- Bytes out ------------------------------------------------------------------------

-- A client's frame is masked; with a key of zeros the payload stays as it is.
local function frame(op, payload)
  local n, head = #payload, string.char(0x80 + op)
  if n < 126 then
    head = head .. string.char(0x80 + n)
  elseif n < 65536 then
    head = head .. string.char(0x80 + 126, math.floor(n / 256), n % 256)
  else
    head = head .. string.char(0x80 + 127, 0, 0, 0, 0, math.floor(n / 2 ^ 24) % 256,
      math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
  end
  return head .. "\0\0\0\0" .. payload
end

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

local function send(self, kind, body)
  if not self.socket then return fail(self, "the client is closed: " .. self.reason, "CLOSED") end
  local bytes = core.write_package(kind, body)
  if self.ws then bytes = frame(BINARY, bytes) end
  local ok, message, name = self.socket:send(bytes, DEADLINE)
  if ok then return true end
  if name == "CLOSED" then shut(self, message) end
  return fail(self, message, name)
end

-- Bytes in -------------------------------------------------------------------------

local kinds = {}

kinds[HANDSHAKE] = function(self, body) self.handshake = json.decode(body) or {} end

-- One interval later: see client.wait.
kinds[HEARTBEAT] = function(self)
  if self.interval then self.beat_at = core.clock() + self.interval end
end

kinds[KICK] = function(self, body)
  local value = json.decode(body)
  self.kick = { reason = type(value) == "table" and value.reason or value }
end

local function keep(self, route, msg)
  local list = self.pushes
  list[#list + 1] = { route = route, msg = msg }
  if #list > KEPT then table.remove(list, 1) end
end

kinds[DATA] = function(self, body)
  local message = core.read_message(body)
  if not message then return end
  if message.type == RESPONSE then
    local waiting = self.requests[message.id]
    self.requests[message.id] = nil
    if waiting then waiting.done, waiting.value = true, json.decode(message.body) end
    return
  end
  local route = message.route or self.routes[message.code] or tostring(message.code)
  local msg = json.decode(message.body)
  local fn = self.listeners[route]
  if not fn then
    keep(self, route, msg)
  elseif client.scheduler then
    client.scheduler.call(fn, msg)
  else
    fn(msg)
  end
end

local function packages(self, bytes)
  local list, rest = core.packages(self.packed .. bytes, PACKAGE_MAX)
  if not list then return shut(self, "the server sends no packages: " .. tostring(rest)) end
  self.packed = rest
  for _, one in ipairs(list) do
    local take = kinds[one.type]
    if take then take(self, one.body) end
  end
end

-- Takes the whole frames at the start of what came.
local function frames(self, bytes)
  local at = 1
  bytes = self.framed .. bytes
  while #bytes - at >= 1 do
    local first, n = bytes:byte(at, at + 1)
    local body = at + 2
    if n >= 126 then
      local size = n == 126 and 2 or 8
      if #bytes < at + 1 + size then break end
      n = 0
      for i = 0, size - 1 do n = n * 256 + bytes:byte(at + 2 + i) end
      body = body + size
    end
    if #bytes < body + n - 1 then break end
    local payload, op = bytes:sub(body, body + n - 1), first % 16
    at = body + n
    if op == PING then
      self.socket:send(frame(PONG, payload), DEADLINE)
    elseif op == CLOSE then
      local high, low = payload:byte(1, 2)
      return shut(self, "closed by the server" .. (low and ", code " .. high * 256 + low or ""))
    elseif op <= BINARY and op >= CONTINUATION then
      packages(self, payload)
      if not self.socket then return end
    end
  end
  self.framed = bytes:sub(at)
end

local function feed(self, bytes)
  if self.upgrading then
    bytes = self.framed .. bytes
    local stop = select(2, bytes:find("\r\n\r\n", 1, true))
    if not stop then
      self.framed = bytes
      return
    end
    local status = bytes:match("^HTTP/1%.1 (%d+)")
    if status ~= "101" then
      return shut(self, "no WebSocket there: " .. tostring(bytes:match("^[^\r\n]*")))
    end
    self.framed, self.upgrading = "", false
    bytes = bytes:sub(stop + 1)
  end
  if self.ws then return frames(self, bytes) end
  packages(self, bytes)
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
  end
  return soonest
end

---How a script waits that runs in tasks (`pomelua run`): can_wait(), wait(ms, check), and
---call(fn, msg) for listeners. nil: a wait blocks, and listeners are called in it.
---@type table|nil
client.scheduler = nil

---Serves all clients once: what has come is taken, heartbeats that are due are sent.
---@param ms number how long it may wait for something to come
function client.serve(ms)
  local now = core.clock()
  local soonest = beat(now)
  local reading, sockets = {}, {}
  for _, one in ipairs(live) do
    if not one.stalled then
      reading[#reading + 1] = one
      sockets[#sockets + 1] = one.socket
    end
  end
  if soonest then ms = math.min(ms, soonest - now) end
  local ready = core.poll(sockets, math.max(0, math.ceil(ms)))
  for i, one in ipairs(reading) do
    if ready[i] and one.socket then
      local bytes, message = one.socket:receive()
      if bytes then feed(one, bytes) else shut(one, message) end
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

local function upgrade(self, options)
  self.upgrading = true
  self.socket:send(("GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
    .. "Connection: Upgrade\r\nSec-WebSocket-Key: cG9tZWx1YS1jbGllbnQhIQ==\r\n"
    .. "Sec-WebSocket-Version: 13\r\n\r\n"):format(options.host or "127.0.0.1", options.port),
    DEADLINE)
  client.wait(self.deadline, function() return not self.upgrading or not self.socket end)
  if self.upgrading then return fail(self, self.reason or "no answer to the upgrade", "TIMEOUT") end
  return true
end

local function shake(self, options)
  local sys = { type = "pomelua-client", version = core.version }
  send(self, HANDSHAKE, assert(core.encode { sys = sys, user = options.user }))
  client.wait(self.deadline, function() return self.handshake or not self.socket end)
  local answer = self.handshake
  if not answer then return fail(self, self.reason or "no answer to the handshake", "TIMEOUT") end
  if answer.code ~= 200 then
    return fail(self, "the handshake was refused: code " .. tostring(answer.code), "REFUSED")
  end
  local given = type(answer.sys) == "table" and answer.sys or {}
  self.interval = tonumber(given.heartbeat) and given.heartbeat * 1000 or nil
  for route, code in pairs(type(given.dict) == "table" and given.dict or {}) do
    self.routes[code] = route
  end
  return send(self, ACK, "")
end

---@class pomelua.ClientOptions
---@field host string|nil "127.0.0.1" when left out
---@field port number
---@field transport "ws"|"tcp"|nil "ws" when left out
---@field user any|nil goes to the server's handshake function
---@field deadline number|nil ms for connecting and for every wait, 5000 when left out

---Connects and shakes hands.
---@param options pomelua.ClientOptions
---@return pomelua.Client|nil client
---@return string|nil message
---@return string|nil name "REFUSED", "TIMEOUT", "CLOSED", "IO", "NOENT"
function client.connect(options)
  if type(options) ~= "table" or type(options.port) ~= "number" then
    error("client.connect{ port =, ... }: port is a number", 2)
  end
  local host = options.host == nil and "127.0.0.1" or options.host
  if type(host) ~= "string" or host:find("\0", 1, true) then
    error(("client.connect: host is a name or an address, got %q"):format(tostring(host)), 2)
  end
  local transport = options.transport or "ws"
  if transport ~= "ws" and transport ~= "tcp" then
    error('client.connect: transport is "ws" or "tcp"', 2)
  end
  local deadline = options.deadline or DEADLINE
  local socket, message, name = core.connect(host, options.port, deadline)
  if not socket then return nil, message, name end
  local self = setmetatable({
    socket = socket, ws = transport == "ws", deadline = deadline, framed = "", packed = "",
    requests = {}, last_id = 0, pushes = {}, listeners = {}, routes = {},
  }, mt)
  live[#live + 1] = self
  local ok
  ok, message, name = true, nil, nil
  if self.ws then ok, message, name = upgrade(self, options) end
  if ok then ok, message, name = shake(self, options) end
  if ok then return self end
  shut(self, "not connected")
  return nil, message, name
end

-- What a client does -------------------------------------------------------------------

local function message_of(kind, id, route, msg)
  local body = msg
  if type(msg) ~= "string" then
    local text, wrong = core.encode(msg == nil and {} or msg)
    if not text then error("the message is not JSON: " .. wrong, 3) end
    body = text
  end
  local bytes, wrong = core.write_message { type = kind, id = id, route = route, body = body }
  if not bytes then error(wrong, 3) end
  return bytes
end

---Asks and waits for the answer.
---@param route string
---@param msg any JSON; a string is the body's bytes
---@param ms number|nil
---@return any answer
---@return string|nil message
---@return string|nil name "TIMEOUT", "CLOSED"
function methods:request(route, msg, ms)
  self.last_id = self.last_id + 1
  local id, waiting = self.last_id, { done = false }
  local bytes = message_of(REQUEST, id, route, msg)
  self.requests[id] = waiting
  local ok, message, name = send(self, DATA, bytes)
  if not ok then return nil, message, name end
  client.wait(ms or self.deadline, function() return waiting.done or not self.socket end)
  self.requests[id] = nil
  if waiting.done then return waiting.value end
  if not self.socket then
    return fail(self, ("no answer to %s: %s"):format(route, self.reason), "CLOSED")
  end
  return fail(self, ("no answer to %s within %d ms"):format(route, ms or self.deadline), "TIMEOUT")
end

---@param route string
---@param msg any JSON
---@return boolean|nil ok
---@return string|nil message
function methods:notify(route, msg)
  return send(self, DATA, message_of(NOTIFY, nil, route, msg))
end

---Calls fn(msg) for every push of the route, while any client waits; nil takes it away. In a
---script of `pomelua run` fn may wait.
---@param route string
---@param fn fun(msg: any)|nil
function methods:on(route, fn) self.listeners[route] = fn end

local function came(self)
  if #self.pushes == 0 then return "nothing else came" end
  local lines = { "came:" }
  for i = math.max(1, #self.pushes - 9), #self.pushes do
    local push = self.pushes[i]
    lines[#lines + 1] = ("  %s %s"):format(push.route, pretty(push.msg))
  end
  return table.concat(lines, "\n")
end

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
    for i, push in ipairs(self.pushes) do
      if push.route == route and match(push.msg, expected) then
        found = table.remove(self.pushes, i)
        return true
      end
    end
    return not self.socket
  end)
  if found then return found.msg end
  return fail(self, ("no push %s%s within %d ms%s; %s"):format(route,
    expected ~= nil and " " .. pretty(expected) or "", ms or self.deadline,
    self.socket and "" or " (" .. self.reason .. ")", came(self)), "TIMEOUT")
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
  client.wait(ms or self.deadline, function() return self.kick or not self.socket end)
  if self.kick then return self.kick end
  return fail(self, "not kicked: " .. (self.reason or "still connected"))
end

---Waits until the connection is closed.
---@param ms number|nil
---@return string|nil reason
---@return string|nil message
function methods:closed(ms)
  client.wait(ms or self.deadline, function() return not self.socket end)
  if not self.socket then return self.reason end
  return fail(self, "still connected")
end

---Cuts the line: the server sees a reset.
function methods:drop() shut(self, "dropped", true) end

---Reads no more, and answers no heartbeat.
function methods:stall() self.stalled = true end

---Reads on.
function methods:resume() self.stalled = nil end

function methods:close()
  if not self.socket then return end
  if self.ws then self.socket:send(frame(CLOSE, "\3\232"), 0) end
  shut(self, "closed")
end

return client
