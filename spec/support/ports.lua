-- Ports of 127.0.0.1 that a spec names before anybody listens on them, or that must still be free
-- when a server comes back to them.
--
-- They lie below those that the system hands out by itself: of these, any connection of any spec
-- that runs beside this one may have one at any moment. And this process holds each of them, by a
-- socket of UDP, until it ends: other processes that ask here get other ports.
local uv = require "luv"

local ports = {}

-- How many ports below those of the system take part.
local SPAN = 12000

local held = {} -- the sockets

-- The first port that the system hands out by itself.
local function first_of_system()
  local file = io.open("/proc/sys/net/ipv4/ip_local_port_range")
  local first = file and file:read("*n") or 32768
  if file then file:close() end
  return math.max(first, 1024 + SPAN)
end

local FROM = first_of_system() - SPAN
local at = uv.os_getpid() * 61 -- processes begin in different places

-- Whether nobody listens there.
local function is_free(port)
  local tcp = uv.new_tcp()
  local free = tcp:bind("127.0.0.1", port) == 0 and tcp:listen(1, function() end) == 0
  tcp:close()
  return free
end

---A port that is free now, and that nobody else gets from here.
---@return integer
function ports.one()
  for _ = 1, SPAN do
    local port = FROM + at % SPAN
    at = at + 1
    local udp = uv.new_udp()
    if udp:bind("127.0.0.1", port) == 0 and is_free(port) then
      held[#held + 1] = udp
      uv.run("nowait") -- what was closed is gone: luv ends badly with handles half closed
      return port
    end
    udp:close()
  end
  error("no free port")
end

---Several, all different.
---@param n integer
---@return integer[]
function ports.some(n)
  local list = {}
  for i = 1, n do list[i] = ports.one() end
  return list
end

return ports
