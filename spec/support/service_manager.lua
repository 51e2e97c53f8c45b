-- The service manager's end of sd_notify: a datagram socket on which a program under test says how
-- it is.
--
--   local manager = service_manager.new()          -- or new("@name"), an abstract address
--   local server = app.start(files, { env = manager:env { WATCHDOG_USEC = "200000" } })
--   assert(manager:hears("READY=1"))                waits until that line has come
--   manager:close()                                 net.closeAll does it, too
local ffi = require "ffi"
local net = require "spec.support.net"
local uv = require "luv"

ffi.cdef [[
  struct spec_sockaddr_un { uint16_t family; char path[108]; };
  int (socket)(int domain, int type, int protocol);
  int (bind)(int fd, const void *address, unsigned length);
  long recv(int fd, void *to, size_t size, int flags);
  int (close)(int fd);
]]
local C = ffi.C

local AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC, MSG_DONTWAIT, HEAD = 1, 2, 0x80000, 0x40, 2

local service_manager = {}

local Manager = {}
Manager.__index = Manager

local made = 0

---@param address string|nil a path, or "@" and an abstract name
---@return table manager lines: all lines that have come, in order
function service_manager.new(address)
  made = made + 1
  address = address or ("/tmp/pomelua-spec-notify-%d-%d"):format(net.pid(), made)
  local self = setmetatable({ address = address, lines = {} }, Manager)
  self.fd = C.socket(AF_UNIX, SOCK_DGRAM + SOCK_CLOEXEC, 0)
  assert(self.fd >= 0)
  local name = ffi.new("struct spec_sockaddr_un", { AF_UNIX, (address:gsub("^@", "\0")) })
  local abstract = address:sub(1, 1) == "@"
  os.remove(address)
  assert(C.bind(self.fd, name, HEAD + #address + (abstract and 0 or 1)) == 0, address)
  self.poll = uv.new_poll(self.fd)
  self.poll:start("r", function() self:read() end)
  net.keep(self)
  return self
end

function Manager:read()
  local room = ffi.new "char[4096]"
  local n = C.recv(self.fd, room, 4096, MSG_DONTWAIT)
  while n >= 0 do
    for line in ffi.string(room, n):gmatch("[^\n]+") do self.lines[#self.lines + 1] = line end
    n = C.recv(self.fd, room, 4096, MSG_DONTWAIT)
  end
end

---The variables of a program that it starts.
---@param more table<string, string>|nil
---@return table<string, string>
function Manager:env(more)
  local env = { NOTIFY_SOCKET = self.address }
  for name, value in pairs(more or {}) do env[name] = value end
  return env
end

---Waits for a line that matches, behind those that were asked for before.
---@param pattern string
---@param ms integer|nil
---@return string|nil line
---@return string message
function Manager:hears(pattern, ms)
  local line = net.wait(function()
    for i = (self.at or 0) + 1, #self.lines do
      if self.lines[i]:find(pattern) then
        self.at = i
        return self.lines[i]
      end
    end
  end, ms)
  return line, ("no %s; it heard: %s"):format(pattern, table.concat(self.lines, ", "))
end

---Forgets what has come so far.
function Manager:forget()
  self:read()
  self.at = #self.lines
end

function Manager:close()
  if self.closed then return end
  self.closed = true
  self.poll:close()
  C.close(self.fd)
  if self.address:sub(1, 1) == "/" then os.remove(self.address) end
end

return service_manager
