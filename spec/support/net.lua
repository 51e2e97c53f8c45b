-- Real sockets and processes for specs, through lua-luv. Every wait is for an
-- event and has a deadline; nothing sleeps. Call net.closeAll in after_each.
--
--   local server = net.spawn(net.built("ws-echo"))
--   local port = server:waitLine("^(%d+)$")
--   local client = net.connect(port)
--   client:send(bytes)
--   local four = client:receive(4)
--   net.closeAll()
--
-- Waits answer nil, message when the deadline passes or the other side has closed.

local bit = require "bit"
local ffi = require "ffi"
local uv = require "luv"

local net = {
  -- Milliseconds that a wait takes at most when nothing else is said: enough for a busy machine.
  deadline = 20000,
}

-- A write to a server that has closed is an error like others here, not the end of the
-- specs. Processes that are started have the system's disposition again.
ffi.cdef "void (*signal(int signum, void (*handler)(int)))(int);"
ffi.C.signal(13, ffi.cast("void (*)(int)", 1)) -- SIGPIPE, SIG_IGN

local TICK = 20 -- milliseconds between two looks of net.wait at least

local open = {} -- what closeAll has to close: objects with a method `close`

-- Milliseconds of a clock that does not jump.
---@return number
function net.ms() return uv.hrtime() / 1e6 end

-- Runs the event loop until `check()` is true, and returns what it returned. What becomes true
-- without an event of the loop, as a file that another process makes, is seen within TICK.
---@param check fun(): any
---@param ms integer?
---@return any value, string? message
function net.wait(check, ms)
  local value = check()
  if value then return value end
  local till = net.ms() + (ms or net.deadline)
  local timer = uv.new_timer()
  -- It goes on: a timer that is due when the loop begins a turn is called before the turn waits.
  uv.update_time()
  timer:start(math.min(ms or TICK, TICK), TICK, function() end)
  repeat
    uv.run("once")
    value = check()
  until value or net.ms() >= till
  timer:close()
  if value then return value end
  return nil, "nothing came in time"
end

-- Has closeAll close an object of another file: it has a method `close`, which does nothing when it
-- is called again.
---@param object table
function net.keep(object) open[object] = true end

local function any_closing()
  local any = false
  uv.walk(function(handle) any = any or handle:is_closing() end)
  return any
end

-- Closes every client and ends every process that the spec still has, and lets the
-- loop finish with what was closed: luv crashes at exit over handles half closed.
function net.closeAll()
  for object in pairs(open) do object:close() end
  open = {}
  for _ = 1, 100 do
    if not any_closing() then break end
    uv.run("nowait")
  end
end

-- Also for a spec that has called net.wait alone.
local by_busted, busted = pcall(require, "busted")
if by_busted and busted.subscribe then
  busted.subscribe({ "suite", "end" }, function()
    net.closeAll()
    return nil, true -- others want to hear of it as well
  end)
end

-- The number of this process: for names that no other run of the specs uses.
---@return integer
function net.pid() return uv.os_getpid() end

-- The path of what `make` has built.
---@param name string
---@return string path
function net.built(name)
  return (os.getenv("POMELUA_BUILD") or "build") .. "/" .. name
end

-- ---- processes ----

local Process = {}
Process.__index = Process

-- Starts a program. `opts.env`: variables to add, {NAME = value}; `opts.cwd`; `opts.fds`: what it
-- has as descriptors 3, 4, ....
-- `opts.preload`: it starts a LuaJIT that loads our module, built with a sanitizer perhaps.
-- Fields: out and err, all that it has printed; pid; code and signal once it ended.
---@param path string
---@param args string[]?
---@param opts table?
---@return table process
function net.spawn(path, args, opts)
  opts = opts or {}
  local p = setmetatable({ out = "", err = "" }, Process)
  local preload = opts.preload and uv.os_getenv("POMELUA_PRELOAD")
  if preload then opts.env = { LD_PRELOAD = preload, ASAN_OPTIONS = "detect_leaks=0" } end
  local env
  if opts.env then
    env = {}
    for name, value in pairs(uv.os_environ()) do
      if not opts.env[name] then env[#env + 1] = name .. "=" .. value end
    end
    for name, value in pairs(opts.env) do env[#env + 1] = name .. "=" .. value end
  end
  p.pipes = { uv.new_pipe(false), uv.new_pipe(false), uv.new_pipe(false) }
  local stdio = { unpack(p.pipes) }
  for _, fd in ipairs(opts.fds or {}) do stdio[#stdio + 1] = fd end
  p.handle, p.pid = uv.spawn(path, {
    args = args or {},
    stdio = stdio,
    env = env,
    cwd = opts.cwd,
  }, function(code, signal) p.code, p.signal = code, signal end)
  assert(p.handle, ("%s: %s"):format(path, tostring(p.pid)))
  p.reading = 2
  for i, field in ipairs { "out", "err" } do
    p.pipes[i + 1]:read_start(function(_, bytes)
      if bytes then p[field] = p[field] .. bytes else p.reading = p.reading - 1 end
    end)
  end
  open[p] = true
  return p
end

-- Waits until `field` ("out" or "err") holds a whole line that matches; returns
-- the captures, or the match. Lines that were there before count.
---@param pattern string
---@param ms integer?
---@param field string?
---@return string? capture
function Process:waitLine(pattern, ms, field)
  field = field or "out"
  local found = net.wait(function()
    for line in self[field]:gmatch("([^\n]*)\n") do
      local caps = { line:match(pattern) }
      if caps[1] then return caps end
    end
    if self.code and self.reading == 0 then return { nil } end
  end, ms)
  if found and found[1] then return unpack(found) end
  return nil, ("no line %q; printed: %s%s"):format(pattern, self.out, self.err)
end

-- Waits until its standard error matches; returns the captures, or the match. A running
-- program writes its log by a thread: what it said before an answer may be read after it.
---@param pattern string of one or several lines
---@param ms integer?
---@return string? capture
---@return string? message what it printed instead
function Process:waitErr(pattern, ms)
  local found = net.wait(function()
    local caps = { self.err:match(pattern) }
    if caps[1] then return caps end
    if self.code and self.reading == 0 then return { nil } end
  end, ms)
  if found and found[1] then return unpack(found) end
  return nil, ("nothing that matches %q; printed: %s"):format(pattern, self.err)
end

---@param name string "sigterm", "sigint", …
function Process:kill(name)
  if not self.code then self.handle:kill(name) end
end

-- Whether a thread of the process has not stopped yet.
local function any_runs(pid)
  local tasks = ("/proc/%d/task"):format(pid)
  local list = assert(uv.fs_scandir(tasks))
  for task in function() return uv.fs_scandir_next(list) end do
    local file = io.open(("%s/%s/stat"):format(tasks, task))
    local text = file and file:read("*a") or ""
    if file then file:close() end
    if text:find("%) [^T] ") then return true end
  end
  return false
end

-- SIGSTOP, and no thread of it runs any more.
function Process:freeze()
  self:kill("sigstop")
  local till = net.ms() + net.deadline
  while any_runs(self.pid) do assert(net.ms() < till, "it still runs") end
end

-- Waits for the end.
---@param ms integer?
---@return integer? code, integer|string signal
function Process:waitExit(ms)
  if not net.wait(function() return self.code and self.reading == 0 end, ms) then
    return nil, "still running"
  end
  return self.code, self.signal
end

-- Writes to its standard input; nil closes that.
---@param bytes string?
function Process:write(bytes)
  if bytes then self.pipes[1]:write(bytes) else self.pipes[1]:close() end
end

-- Ends it: SIGTERM, and SIGKILL when that does not help within the deadline.
function Process:close()
  if not open[self] then return end
  open[self] = nil
  self:kill("sigterm")
  if not self:waitExit() then
    self:kill("sigkill")
    self:waitExit()
  end
  for _, pipe in ipairs(self.pipes) do
    if not pipe:is_closing() then pipe:close() end
  end
  self.handle:close()
end

-- ---- clients ----

local Client = {}
Client.__index = Client

-- Connects by TCP. Fields: eof, and error (a libuv name) when the end was a reset.
---@param port integer|string
---@param host string? "127.0.0.1" when left out
---@param from string? the address of this end
---@param wrap (fun(tcp: userdata): table)? what stands between: spec.support.tls
---@return table? client, string? message
function net.connect(port, host, from, wrap)
  local tcp = uv.new_tcp()
  local c = setmetatable({ parts = {}, taken = 0, size = 0 }, Client)
  c.tcp = wrap and wrap(tcp) or tcp
  open[c] = true
  local up
  if from then assert(c.tcp:bind(from, 0)) end
  local ok, err = c.tcp:connect(host or "127.0.0.1", tonumber(port), function(e) up = e or true end)
  if ok then net.wait(function() return up end) else up = err end
  if up ~= true then
    c:close()
    return nil, up or "no connection in time"
  end
  c.tcp:nodelay(true)
  c:resume()
  return c
end

-- Reads no more, so that what the server sends stays with the server.
function Client:pause() self.tcp:read_stop() end

-- Reads again.
function Client:resume()
  self.tcp:read_start(function(e, bytes)
    if bytes then
      self.parts[#self.parts + 1] = bytes
      self.size = self.size + #bytes
    elseif e then
      self.error = e
    else
      self.eof = true
    end
  end)
end

-- Writes all; waits until the system has taken it, so that what follows stays apart.
---@param bytes string
---@return boolean? ok, string? message
function Client:send(bytes)
  local done
  local queued, err = self.tcp:write(bytes, function(e) done = e or true end)
  if not queued then return nil, err end
  if not net.wait(function() return done end) then return nil, "not taken in time" end
  if done ~= true then return nil, done end
  return true
end

-- What has come and was not received yet.
---@return string
function Client:pending()
  if #self.parts > 1 or self.taken > 0 then
    self.parts[1] = self.parts[1]:sub(self.taken + 1)
    self.parts, self.taken = { table.concat(self.parts) }, 0
  end
  return self.parts[1] or ""
end

-- What stays is not copied for each package: megabytes of them may have come.
local function take(self, n)
  local first = self.parts[1] or ""
  if #first - self.taken < n then first = self:pending() end
  local bytes = first:sub(self.taken + 1, self.taken + n)
  self.taken, self.size = self.taken + n, self.size - n
  return bytes
end

local function ended(self) return self.eof or self.error end

-- Waits for exactly n bytes.
---@param n integer
---@param ms integer?
---@return string? bytes, string? message
function Client:receive(n, ms)
  net.wait(function() return self.size >= n or ended(self) end, ms)
  if self.size >= n then return take(self, n) end
  return nil, ended(self) and "closed" or "nothing came in time"
end

-- Waits until what has come holds `text`; returns all up to its end.
---@param text string
---@param ms integer?
---@return string? bytes, string? message
function Client:receiveUntil(text, ms)
  local at, stop
  net.wait(function()
    at, stop = self:pending():find(text, 1, true)
    return at or ended(self)
  end, ms)
  if at then return take(self, stop) end
  return nil, ended(self) and "closed" or "nothing came in time"
end

-- Waits until the other side has closed; what came before stays to be received.
---@param ms integer?
---@return boolean
function Client:waitClosed(ms)
  return net.wait(function() return ended(self) end, ms) and true or false
end

-- Sends no more; reads on.
function Client:shutdown() self.tcp:shutdown() end

-- Ends the connection with a reset.
function Client:reset()
  if not open[self] then return end
  open[self] = nil
  self.tcp:close_reset()
end

function Client:close()
  if not open[self] then return end
  open[self] = nil
  self.tcp:close()
end

-- ---- WebSocket ----

-- Masks in place of a copy byte by byte in Lua: messages are megabytes long.
local function masked(bytes, key)
  local n = #bytes
  local out, k = ffi.new("uint8_t[?]", n + 1, bytes), ffi.new("uint8_t[4]", key)
  for i = 0, n - 1 do out[i] = bit.bxor(out[i], k[i % 4]) end
  return ffi.string(out, n)
end

local function big_endian(n, size)
  local out = {}
  for i = size, 1, -1 do
    out[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(out)
end

-- A client's frame. `opts.fin` (true), `opts.rsv` (0), `opts.key` (4 bytes; false:
-- not masked), `opts.form` (0, 2 or 8: bytes of extended length, the shortest when
-- left out), `opts.length` (what the header says, #payload when left out).
---@param op integer
---@param payload string?
---@param opts table?
---@return string bytes
function net.frame(op, payload, opts)
  payload, opts = payload or "", opts or {}
  local n = opts.length or #payload
  local form = opts.form or (n < 126 and 0 or n < 65536 and 2 or 8)
  local first = (opts.fin == false and 0 or 0x80) + (opts.rsv or 0) * 16 + op
  local second = form == 0 and n or form == 2 and 126 or 127
  local key = opts.key
  if key == nil then key = "\x37\xfa\x21\x3d" end
  local head = string.char(first, second + (key and 0x80 or 0))
  if form > 0 then head = head .. big_endian(n, form) end
  if not key then return head .. payload end
  return head .. key .. masked(payload, key)
end

-- Sends the upgrade request and receives the answer's head. `headers`: more lines.
---@param headers string?
---@return string? head, string? message
function Client:upgrade(headers)
  self:send("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    .. (headers or "") .. "\r\n")
  return self:receiveUntil("\r\n\r\n")
end

-- Connects and upgrades.
---@param port integer|string
---@return table client
function net.connectWs(port)
  local c = assert(net.connect(port))
  local head = assert(c:upgrade())
  assert(head:find("^HTTP/1.1 101 "), head)
  return c
end

-- Sends a client's frame, as net.frame.
function Client:sendFrame(op, payload, opts) return self:send(net.frame(op, payload, opts)) end

-- Receives a server's frame: {fin=, rsv=, op=, masked=, payload=}.
---@param ms integer?
---@return table? frame, string? message
function Client:receiveFrame(ms)
  local head, err = self:receive(2, ms)
  if not head then return nil, err end
  local first, second = head:byte(1, 2)
  local n = second % 128
  if n >= 126 then
    local ext = self:receive(n == 126 and 2 or 8, ms)
    if not ext then return nil, "a cut header" end
    n = 0
    for i = 1, #ext do n = n * 256 + ext:byte(i) end
  end
  local payload = self:receive(n, ms)
  if not payload then return nil, "a cut frame" end
  return {
    fin = first >= 0x80,
    rsv = math.floor(first / 16) % 8,
    op = first % 16,
    masked = second >= 0x80,
    payload = payload,
  }
end

return net
