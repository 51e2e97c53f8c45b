-- A stranger on the broker: speaks NATS by itself, to say what no process of ours says.
--
--   local raw = raw_bus.connect(broker.port)
--   raw:subscribe("pml.spec.all")
--   local subject, bytes = raw:next()
--   raw:publish("pml.spec.all", "junk")
local net = require "spec.support.net"

local raw_bus = {}

local Raw = {}
Raw.__index = Raw

---@param port integer
---@return table
function raw_bus.connect(port)
  local self = setmetatable({ client = assert(net.connect(port)), subs = 0 }, Raw)
  assert(self.client:receiveUntil "\r\n") -- INFO
  self.client:send 'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n'
  assert(self.client:receiveUntil "PONG\r\n")
  return self
end

---@param subject string
function Raw:subscribe(subject)
  self.subs = self.subs + 1
  self.client:send(("SUB %s %d\r\nPING\r\n"):format(subject, self.subs))
  assert(self.client:receiveUntil "PONG\r\n")
end

---Returns when the broker has it.
---@param subject string
---@param bytes string
function Raw:publish(subject, bytes)
  self.client:send(("PUB %s %d\r\n%s\r\n"):format(subject, #bytes, bytes))
end

---The next message.
---@param ms integer?
---@return string? subject
---@return string bytes, or what is wrong
function Raw:next(ms)
  while true do
    local line, err = self.client:receiveUntil("\r\n", ms)
    if not line then return nil, err end
    local subject, n = line:match "^MSG (%S+) .-(%d+)\r\n$"
    if subject then
      local bytes = self.client:receive(tonumber(n) + 2, ms)
      if not bytes then return nil, "a cut message" end
      return subject, bytes:sub(1, -3)
    end
    if line:find "^PING" then self.client:send "PONG\r\n" end
  end
end

return raw_bus
