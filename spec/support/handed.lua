-- Sockets that a service manager opens and hands over to the programs that it starts, one after
-- the other: LISTEN_FDS.
--
--   local socket = handed.listen("127.0.0.1")        -- fd, port; net.closeAll closes it
--   local process = handed.start({ socket }, { "start", dir })
local ffi = require "ffi"
local net = require "spec.support.net"

ffi.cdef [[
  struct spec_sockaddr_in { uint16_t family; uint8_t port[2]; uint8_t address[4]; char zero[8]; };
  int (socket)(int domain, int type, int protocol);
  int (bind)(int fd, const void *address, unsigned length);
  int (listen)(int fd, int backlog);
  int (getsockname)(int fd, void *address, unsigned *length);
  int (close)(int fd);
]]
local C = ffi.C

local AF_INET, SOCK_STREAM, SOCK_DGRAM, SOCK_CLOEXEC = 2, 1, 2, 0x80000

local handed = {}

local Socket = {}
Socket.__index = Socket

function Socket:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

---A socket on a free port of 127.0.0.1, or of every address of this machine.
---@param every boolean|nil
---@param datagrams boolean|nil it is none that listens
---@return table socket fd, port
function handed.listen(every, datagrams)
  local kind = datagrams and SOCK_DGRAM or SOCK_STREAM
  local self = setmetatable({ fd = C.socket(AF_INET, kind + SOCK_CLOEXEC, 0) }, Socket)
  local at = ffi.new("struct spec_sockaddr_in",
    { AF_INET, { 0, 0 }, every and { 0, 0, 0, 0 } or { 127, 0, 0, 1 } })
  assert(C.bind(self.fd, at, ffi.sizeof(at)) == 0)
  assert(datagrams or C.listen(self.fd, 128) == 0)
  local size = ffi.new("unsigned[1]", ffi.sizeof(at))
  assert(C.getsockname(self.fd, at, size) == 0)
  self.port = at.port[0] * 256 + at.port[1]
  net.keep(self)
  return self
end

---Starts the program with sockets.
---@param sockets table[]
---@param args string[]
---@param env table<string, string>|nil more variables: LISTEN_FDNAMES; LISTEN_PID of another
---@return table process
function handed.start(sockets, args, env)
  local fds, given = {}, { LISTEN_FDS = tostring(#sockets), LISTEN_FDNAMES = "" }
  for i, socket in ipairs(sockets) do fds[i] = socket.fd end
  for name, value in pairs(env or {}) do given[name] = value end
  local set = given.LISTEN_PID and "" or "LISTEN_PID=$$ "
  local words = { "-c", set .. 'exec "$0" "$@"', net.built("pomelua") }
  for _, word in ipairs(args) do words[#words + 1] = word end
  return net.spawn("/bin/sh", words, { env = given, fds = fds })
end

return handed
