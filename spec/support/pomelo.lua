-- A client of Pomelo's packages (protocol 1, protocol 2) for specs, over raw TCP or WebSocket, on
-- top of spec/support/net. It encodes and decodes by itself, so that what it accepts does
-- not come from the code under test.
--
--   local client = pomelo.connect(port, "tcp")       handshake and ACK are done
--   local answer = assert(client:request("a.b.c", { x = 1 }))
--   client:notify("a.b.c", { x = 1 })
--   local push = assert(client:push())               { route =, body =, msg = }
--   local kick = assert(client:kicked())             the KICK's body
--   local rest = assert(client:rest())               until the end: what came before it
--
-- Packages come in order; heartbeats are counted in client.beats and left out, unless
-- client:next is asked. Waits answer nil, message.

local bit = require "bit"
local cjson = require "cjson"
local net = require "spec.support.net"

local pomelo = {
  HANDSHAKE = 1, ACK = 2, HEARTBEAT = 3, DATA = 4, KICK = 5,
  REQUEST = 0, NOTIFY = 1, RESPONSE = 2, PUSH = 3,
  -- Both ways to reach a server.
  transports = { "tcp", "ws" },
}

local char, floor = string.char, math.floor

-- ---- bytes ----

---A package; `length`: what the header says, #body when left out.
---@param type integer
---@param body string?
---@param length integer?
---@return string bytes
function pomelo.package(type, body, length)
  body = body or ""
  local n = length or #body
  return char(type, floor(n / 65536) % 256, floor(n / 256) % 256, n % 256) .. body
end

local function varint(n)
  local out = {}
  repeat
    local low = n % 128
    n = floor(n / 128)
    out[#out + 1] = char(n > 0 and low + 128 or low)
  until n == 0
  return table.concat(out)
end

---A message, the body of a DATA package: {type=, id=, route= or code=, gzip=, body=}.
---@param m table
---@return string bytes
function pomelo.message(m)
  local flag = m.type * 2 + (m.code and 1 or 0) + (m.gzip and 16 or 0)
  local out = { char(flag) }
  if m.type == pomelo.REQUEST or m.type == pomelo.RESPONSE then out[2] = varint(m.id) end
  if m.code then
    out[#out + 1] = char(floor(m.code / 256), m.code % 256)
  elseif m.type ~= pomelo.RESPONSE then
    out[#out + 1] = char(#m.route) .. m.route
  end
  out[#out + 1] = m.body or "{}"
  return table.concat(out)
end

---A server's message as a table like that of pomelo.message; `msg` is its JSON, nil when it is
---none.
---@param bytes string
---@return table
function pomelo.parse(bytes)
  local flag = assert(bytes:byte(1), "an empty message")
  local m = {
    type = floor(flag / 2) % 8, gzip = bit.band(flag, 16) ~= 0, spare = bit.band(flag, 0xe0),
  }
  local at = 2
  if m.type == pomelo.REQUEST or m.type == pomelo.RESPONSE then
    local factor = 1
    m.id = 0
    repeat
      local b = assert(bytes:byte(at), "a cut id")
      m.id = m.id + b % 128 * factor
      factor = factor * 128
      at = at + 1
    until b < 128
  end
  if m.type ~= pomelo.RESPONSE then
    if flag % 2 == 1 then
      m.code = bytes:byte(at) * 256 + bytes:byte(at + 1)
      at = at + 2
    else
      local n = bytes:byte(at)
      m.route = bytes:sub(at + 1, at + n)
      at = at + 1 + n
    end
  end
  m.body = bytes:sub(at)
  local ok, msg = pcall(cjson.decode, m.body)
  m.msg = ok and msg or nil
  return m
end

-- ---- clients ----

local Client = {}
Client.__index = Client

local open = {} -- for closeAll

---A client on a connection, which is a WebSocket that is open for ws.
---@param conn table of spec.support.net
---@param ws boolean
---@return table client
function pomelo.on(conn, ws)
  local client = setmetatable({ conn = conn, ws = ws, id = 0, beats = 0, pushes = {} }, Client)
  open[#open + 1] = client
  return client
end

-- By TLS: OpenSSL is loaded when it is needed.
local wraps = {
  tls = function(tcp) return require("spec.support.tls").wrap(tcp) end,
}
wraps.wss = wraps.tls

---Connects, and upgrades for "ws" and "wss"; no package is sent.
---@param port integer
---@param transport string? "tcp", "ws", "tls" or "wss"
---@return table? client, string? message
function pomelo.open(port, transport)
  local ws = transport == "ws" or transport == "wss"
  local conn, err = net.connect(port, nil, nil, wraps[transport])
  if not conn then return nil, err end
  if ws then
    local head
    head, err = conn:upgrade()
    if not head then return nil, err end
    assert(head:find("^HTTP/1.1 101 "), head)
  end
  return pomelo.on(conn, ws)
end

---Closes every client, and leaves processes alone.
function pomelo.closeAll()
  for _, client in ipairs(open) do client:close() end
  open = {}
end

pomelo.hello = '{"sys":{"type":"spec","version":"1"}}'

---Connects, and is WORKING when it returns: the answer to the handshake is client.hello.
---@param port integer
---@param transport string?
---@param hello string? the HANDSHAKE's body
---@return table client
function pomelo.connect(port, transport, hello)
  local client = assert(pomelo.open(port, transport))
  local body = assert(client:handshake(hello))
  client.hello = cjson.decode(body)
  assert(client.hello.code == 200, body)
  client:ack()
  return client
end

---Sends bytes of packages: one binary frame on WebSocket.
---@param bytes string
---@return boolean? ok, string? message
function Client:bytes(bytes)
  if self.ws then return self.conn:sendFrame(2, bytes) end
  return self.conn:send(bytes)
end

---Sends bytes one by one, each in a write of its own; on WebSocket, of the frame.
---@param bytes string
function Client:drip(bytes)
  if self.ws then bytes = net.frame(2, bytes) end
  for i = 1, #bytes do self.conn:send(bytes:sub(i, i)) end
end

---@param type integer
---@param body string?
function Client:package(type, body) return self:bytes(pomelo.package(type, body)) end

---Sends a HANDSHAKE and waits for the answer.
---@param body string?
---@return string? body, string? message
function Client:handshake(body)
  self:package(pomelo.HANDSHAKE, body or pomelo.hello)
  local p, err = self:next()
  if not p then return nil, err end
  assert(p.type == pomelo.HANDSHAKE, "package type " .. p.type)
  return p.body
end

function Client:ack() return self:package(pomelo.ACK) end
function Client:heartbeat() return self:package(pomelo.HEARTBEAT) end

---Sends a message in a DATA package: a table as for pomelo.message, or its bytes.
---@param m table|string
function Client:data(m)
  return self:package(pomelo.DATA, type(m) == "string" and m or pomelo.message(m))
end

-- A frame of the server's as a package: there is exactly one in it.
local function next_ws(self, ms)
  while true do
    local frame, err = self.conn:receiveFrame(ms)
    if not frame then return nil, err end
    assert(frame.fin and frame.rsv == 0 and not frame.masked, "a frame of another form")
    if frame.op == 8 then
      local hi, lo = frame.payload:byte(1, 2)
      self.close_code, self.close_reason = hi and hi * 256 + lo, frame.payload:sub(3)
      if self.conn.tcp:is_active() then self.conn:sendFrame(8, frame.payload) end
    elseif frame.op == 10 then
      self.pong = frame.payload
      return { type = "pong", body = frame.payload }
    else
      assert(frame.op == 2, "frame type " .. frame.op)
      local head, body = frame.payload:sub(1, 4), frame.payload:sub(5)
      local p = { type = head:byte(1), body = body }
      assert(pomelo.package(p.type, body) == frame.payload, "not one package in a frame")
      return p
    end
  end
end

local function next_tcp(self, ms)
  local head, err = self.conn:receive(4, ms)
  if not head then return nil, err end
  local type, a, b, c = head:byte(1, 4)
  local body = self.conn:receive(a * 65536 + b * 256 + c, ms)
  if not body then return nil, "a cut package" end
  return { type = type, body = body }
end

---The next package as it came: {type=, body=}.
---@param ms integer?
---@return table? package, string? message
function Client:next(ms)
  local p, err
  if self.ws then p, err = next_ws(self, ms) else p, err = next_tcp(self, ms) end
  if p and p.type == pomelo.HEARTBEAT then self.beats = self.beats + 1 end
  return p, err
end

---The next package that is no heartbeat.
---@param ms integer?
---@return table? package, string? message
function Client:nextPackage(ms)
  while true do
    local p, err = self:next(ms)
    if not p or p.type ~= pomelo.HEARTBEAT then return p, err end
  end
end

---The next message, whatever it is.
---@param ms integer?
---@return table? message, string? message
function Client:nextMessage(ms)
  local p, err = self:nextPackage(ms)
  if not p then return nil, err end
  if p.type ~= pomelo.DATA then return nil, "package type " .. p.type .. ": " .. p.body end
  return pomelo.parse(p.body)
end

---Sends a request; `body` is a table or JSON text.
---@param route string
---@param body any
---@return integer id
function Client:ask(route, body)
  self.id = self.id + 1
  self:data {
    type = pomelo.REQUEST, id = self.id, route = route,
    body = type(body) == "string" and body or cjson.encode(body or {}),
  }
  return self.id
end

---Waits for the response to a request; pushes that come before it are kept.
---@param id integer
---@param ms integer?
---@return any? msg, table|string|nil message the whole message, or what is wrong
function Client:answer(id, ms)
  while true do
    local m, err = self:nextMessage(ms)
    if not m then return nil, err end
    if m.type == pomelo.PUSH then
      self.pushes[#self.pushes + 1] = m
    elseif m.id == id then
      return m.msg, m
    else
      return nil, "a response to " .. tostring(m.id)
    end
  end
end

---Sends a request and waits for its response.
function Client:request(route, body, ms)
  return self:answer(self:ask(route, body), ms)
end

---Sends a notify.
function Client:notify(route, body)
  return self:data {
    type = pomelo.NOTIFY, route = route,
    body = type(body) == "string" and body or cjson.encode(body or {}),
  }
end

---The next push.
---@param ms integer?
---@return table? message, string? message
function Client:push(ms)
  if self.pushes[1] then return table.remove(self.pushes, 1) end
  local m, err = self:nextMessage(ms)
  if not m then return nil, err end
  if m.type ~= pomelo.PUSH then return nil, "no push: type " .. m.type end
  return m
end

---Waits for a KICK, which is the next package; returns its body.
---@param ms integer?
---@return string? body, string? message
function Client:kicked(ms)
  local p, err = self:nextPackage(ms)
  if not p then return nil, err end
  if p.type ~= pomelo.KICK then return nil, "package type " .. p.type .. ": " .. p.body end
  return p.body
end

---Waits until the server has closed. Returns the packages that came before, without
---heartbeats; client.close_code is a close frame's.
---@param ms integer?
---@return table? packages, string? message
function Client:rest(ms)
  local list = {}
  while true do
    local p, err = self:nextPackage(ms)
    if p then
      list[#list + 1] = p
    elseif err == "closed" then
      return list
    else
      return nil, err
    end
  end
end

---Goes away: a close frame first on WebSocket, with `code` when one is given.
---@param code integer?
function Client:leave(code)
  if self.ws then
    self.conn:sendFrame(8, code and char(floor(code / 256), code % 256) or "")
  end
  self:close()
end

function Client:close() self.conn:close() end

return pomelo
