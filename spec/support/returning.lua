-- A client that comes back after a lost line, by the contract alone (docs/resume.md) and without a
-- line of pomelua.client: what it accepts does not come from the code under test. It is driven by
-- events, so that many of them live at the same time; whatever breaks the contract is added to
-- client.faults.
--
--   local client = returning.new { port = function() return line.port end, transport = "wss",
--     push = function(m) … end, fresh = function() … end }
--   client:start()
--   client:request(route, body, function(msg) … end)      client:notify(route, body)
--   client:drop()              the socket is closed, and it comes back as after a lost line
--   client.taken, client.sent  DATA packages of this session
--
-- A message that is asked for while the client is away is kept and sent when it is back.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local uv = require "luv"

local returning = {}

local Client = {}
Client.__index = Client

local UPGRADE = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
  .. "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
  .. "Sec-WebSocket-Version: 13\r\n\r\n"
local TICK = 20 -- ms between two looks at the time

local function fault(self, text, ...)
  if #self.faults < 20 then
    table.insert(self.faults, ("%s: %s"):format(self.name, text:format(...)))
  end
end

-- ---- bytes ----

local function write(self, bytes)
  if self.ws then bytes = net.frame(2, bytes) end
  local tcp = self.tcp
  if tcp and not tcp:is_closing() then tcp:write(bytes) end
end

local function write_package(self, type, body) write(self, pomelo.package(type, body)) end

-- Takes n bytes of what has come, nil when there are fewer.
local function take(self, n)
  if #self.buffer < n then return nil end
  local bytes = self.buffer:sub(1, n)
  self.buffer = self.buffer:sub(n + 1)
  return bytes
end

local function number(bytes)
  local n = 0
  for i = 1, #bytes do n = n * 256 + bytes:byte(i) end
  return n
end

-- The next package of a stream, or of a WebSocket: type, body; nil: it has not come whole.
local function next_package(self)
  if not self.ws then
    if #self.buffer < 4 then return nil end
    local n = number(self.buffer:sub(2, 4))
    if #self.buffer < 4 + n then return nil end
    local bytes = take(self, 4 + n)
    return bytes:byte(1), bytes:sub(5)
  end
  if #self.buffer < 2 then return nil end
  local op, n, at = self.buffer:byte(1) % 16, self.buffer:byte(2), 2
  local size = n == 126 and 2 or n == 127 and 8 or 0
  if #self.buffer < at + size then return nil end
  if size > 0 then n = number(self.buffer:sub(3, 2 + size)) end
  at = at + size
  if #self.buffer < at + n then return nil end
  local bytes = take(self, at + n):sub(at + 1)
  if op == 8 then return "close", bytes end
  if op ~= 2 then return "other", bytes end
  if #bytes < 4 or number(bytes:sub(2, 4)) ~= #bytes - 4 then
    fault(self, "not one package in a frame")
  end
  return bytes:byte(1), bytes:sub(5)
end

-- ---- the contract ----

-- Sends what the server has not taken, in order.
local function send_again(self, from)
  for i = from + 1, self.sent do
    local one = self.kept[i]
    if not one then return fault(self, "message %d is not kept, the server took %d", i, from) end
    write_package(self, pomelo.DATA, one.bytes)
  end
  self.written = self.sent
end

-- A session from 0: what was open will not be answered.
local function begin(self)
  local asked = self.asked
  self.sent, self.taken, self.written, self.arrived = 0, 0, 0, 0
  self.kept, self.asked, self.had = {}, {}, {}
  for _, one in pairs(asked) do if one.done then one.done(nil) end end
end

local function resumed(self, got)
  self.recovered = self.recovered + 1
  if got.received < self.arrived or got.received > self.written then
    fault(self, "the server took %s; %d are known to have arrived, %d were written",
      tostring(got.received), self.arrived, self.written)
  end
  self.arrived = math.max(self.arrived, got.received)
end

-- What the answer says of the session; false when it breaks the contract.
local function check(self, got)
  local token = type(got) == "table" and got.token
  if type(token) ~= "string" or not token:find("^%x+$") or #token ~= 32
    or type(got.recovered) ~= "boolean" or type(got.received) ~= "number"
    or type(got.grace) ~= "number" then
    fault(self, "an answer of another form: %s", cjson.encode(got or cjson.null))
    return false
  end
  if self.tokens[token] then fault(self, "a token for the second time") end
  self.tokens[token] = true
  return true
end

local function on_handshake(self, body)
  local hello = cjson.decode(body)
  if self.phase ~= "handshake" then return fault(self, "a HANDSHAKE while %s", self.phase) end
  if hello.code ~= 200 then return fault(self, "refused: %s", body) end
  local got = hello.user and hello.user.resume
  if not check(self, got) then return end
  self.token, self.hello = got.token, hello
  if got.recovered then
    if not self.came_with then return fault(self, "recovered without a token") end
    resumed(self, got)
  else
    if self.came_with then self.not_recovered = self.not_recovered + 1 end
    if got.received ~= 0 then fault(self, "a new session that took %d", got.received) end
    begin(self)
  end
  write_package(self, pomelo.ACK)
  self.phase, self.beaten = "open", uv.now()
  if got.recovered then
    send_again(self, got.received)
    if self.on.back then self.on.back() end
  elseif self.on.fresh then
    self.on.fresh()
  end
end

-- The answer to a request says that all before it has arrived.
local function on_response(self, m)
  local one = self.asked[m.id]
  if not one then
    return fault(self, "an answer to %d, which %s", m.id,
      self.had[m.id] and "had its answer" or "was not asked")
  end
  self.asked[m.id], self.had[m.id] = nil, true
  for i = self.arrived + 1, one.n do self.kept[i] = nil end
  self.arrived = math.max(self.arrived, one.n)
  if one.done then one.done(m.msg) end
end

local function on_data(self, body)
  if self.phase ~= "open" then return fault(self, "DATA while %s", self.phase) end
  self.taken = self.taken + 1
  local m = pomelo.parse(body)
  if m.type == pomelo.RESPONSE then
    on_response(self, m)
  elseif m.type == pomelo.PUSH then
    if self.on.push then self.on.push(m) end
  else
    fault(self, "a message of the type %d", m.type)
  end
end

local function on_package(self, type, body)
  if type == pomelo.HANDSHAKE then
    on_handshake(self, body)
  elseif type == pomelo.DATA then
    on_data(self, body)
  elseif type == pomelo.KICK then
    self.kicked = body
    if self.on.kick then self.on.kick(body) else fault(self, "a KICK: %s", body) end
  elseif type ~= pomelo.HEARTBEAT and type ~= "close" and type ~= "other" then
    fault(self, "a package of the type %s", tostring(type))
  end
end

-- ---- connections ----

local function hang_up(self)
  local tcp = self.tcp
  self.tcp, self.buffer = nil, ""
  if tcp and not tcp:is_closing() then tcp:close() end
end

local function say_hello(self)
  self.phase, self.came_with = "handshake", self.token
  local resume = self.token and { token = self.token, received = self.taken } or {}
  write_package(self, pomelo.HANDSHAKE, cjson.encode {
    sys = { type = "spec", version = "1" }, user = { resume = resume },
  })
end

local function on_bytes(self, bytes)
  self.heard = uv.now()
  self.buffer = self.buffer .. bytes
  if self.phase == "upgrade" then
    local _, stop = self.buffer:find("\r\n\r\n", 1, true)
    if not stop then return end
    if not self.buffer:find("^HTTP/1.1 101 ") then
      return fault(self, "no WebSocket: %s", self.buffer:sub(1, 60))
    end
    self.buffer = self.buffer:sub(stop + 1)
    self.ws = true
    say_hello(self)
  end
  local tcp = self.tcp
  while self.tcp == tcp do
    local type, body = next_package(self)
    if not type then return end
    on_package(self, type, body)
  end
end

-- Connects anew, at once or after a while.
local function come_back(self, ms)
  hang_up(self)
  if self.phase == "left" then return end
  self.lost_in, self.phase = self.phase, "away"
  self.due = uv.now() + ms
end

local function lost(self)
  local phase = self.phase
  if phase == "away" or phase == "left" then return end
  come_back(self, self.on.lost and self.on.lost(phase) or 0)
end

local function connect(self)
  self.connects = self.connects + 1
  local tcp = uv.new_tcp()
  if self.transport == "tls" or self.transport == "wss" then
    tcp = require("spec.support.tls").wrap(tcp)
  end
  self.tcp, self.buffer, self.ws, self.phase, self.heard = tcp, "", false, "connecting", uv.now()
  if self.on.connect then self.on.connect() end
  tcp:connect("127.0.0.1", self.port(), function(err)
    if self.tcp ~= tcp then return end
    if err then return lost(self) end
    tcp:nodelay(true)
    tcp:read_start(function(_, bytes)
      if self.tcp ~= tcp then return end
      if bytes then on_bytes(self, bytes) else lost(self) end
    end)
    if self.transport == "ws" or self.transport == "wss" then
      self.phase = "upgrade"
      tcp:write(UPGRADE)
    else
      say_hello(self)
    end
  end)
end

-- Silence is a lost line, too; and a heartbeat is due.
local function look(self)
  local now = uv.now()
  if self.phase == "away" then
    if now >= self.due then connect(self) end
  elseif self.phase ~= "left" and now - self.heard > self.patience() then
    lost(self)
  elseif self.phase == "open" and now - self.beaten > self.beat then
    self.beaten = now
    write_package(self, pomelo.HEARTBEAT)
  end
end

function Client:start()
  self.timer = uv.new_timer()
  self.timer:start(TICK, TICK, function() look(self) end)
  connect(self)
end

---The socket is closed, and it comes back.
function Client:drop() lost(self) end

---Goes for good, and says nothing.
function Client:close()
  hang_up(self)
  self.phase = "left"
  if self.timer then self.timer:close() end
  self.timer = nil
end

local function send(self, m, done)
  self.sent = self.sent + 1
  self.kept[self.sent] = { bytes = pomelo.message(m) }
  if m.type == pomelo.REQUEST then self.asked[m.id] = { n = self.sent, done = done } end
  if self.phase == "open" then
    write_package(self, pomelo.DATA, self.kept[self.sent].bytes)
    self.written = self.sent
  end
end

---@param route string
---@param body table
---@param done fun(msg: any)|nil nil: the session ended before the answer
function Client:request(route, body, done)
  self.id = self.id + 1
  local text = cjson.encode(body)
  send(self, { type = pomelo.REQUEST, id = self.id, route = route, body = text }, done)
end

---@param route string
---@param body table
function Client:notify(route, body)
  send(self, { type = pomelo.NOTIFY, route = route, body = cjson.encode(body) })
end

---How many requests wait for their answers.
---@return integer
function Client:waiting()
  local n = 0
  for _ in pairs(self.asked) do n = n + 1 end
  return n
end

---@param opts table port: a function that gives the one to connect to; transport; name; beat: ms
---between heartbeats; patience: a function that gives the ms of silence after which the line counts
---as lost; and what is called: connect() before each connection, lost(phase), which gives the ms
---until it connects again, back() when it is recovered, fresh() in a new session, push(m),
---kick(body)
---@return table client connects, recovered, not_recovered: counts; phase; faults
function returning.new(opts)
  local self = setmetatable({
    on = opts, port = opts.port, transport = opts.transport or "tcp", name = opts.name or "client",
    beat = opts.beat or 1000, patience = opts.patience or function() return 60000 end,
    faults = {}, tokens = {}, connects = 0, recovered = 0, not_recovered = 0, id = 0, asked = {},
    phase = "new", buffer = "",
  }, Client)
  begin(self)
  net.keep(self)
  return self
end

return returning
