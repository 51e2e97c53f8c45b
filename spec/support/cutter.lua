-- A line to a port of 127.0.0.1 that is cut: bytes go through in both directions until a connection
-- has carried as many as it was told, in one of them; whatever is spoken there, TLS as well, is
-- bytes here. What is random comes from the seed, so that a run can be repeated.
--
--   local line = cutter.start(server.port, { seed = 7, cut = function(conn) … end })
--   line:next { way = "rst", side = "down", after = 120 }   the next connection, at its 120th byte
--   connect to line.port; line:cut("fin") cuts now what is open; net.closeAll() ends it
--
-- side: "up", to the server, or "down", to the client. Ways of a cut:
--   rst      both ends are reset
--   fin      both ends hear that nothing follows
--   silence  nothing goes through any more, and no end hears of it, not even of the other's end
local net = require "spec.support.net"
local uv = require "luv"

local cutter = { ways = { "rst", "fin", "silence" } }

local OTHER = { up = "down", down = "up" }

---A generator of numbers of its own: Park and Miller's, exact in doubles.
---@param seed integer
---@return fun(low: integer, high: integer): integer
function cutter.random(seed)
  local state = seed % 2147483646 + 1
  local function draw(low, high)
    state = state * 16807 % 2147483647
    return low + math.floor((state - 1) / 2147483646 * (high - low + 1))
  end
  draw(0, 1) -- seeds that are neighbours begin with numbers that are, too
  return draw
end

-- ---- one connection ----

local Conn = {}
Conn.__index = Conn

-- The end that hears what goes to a side.
local function end_of(conn, side) return conn.ends[side] end

local function close(conn, side, reset)
  local tcp = end_of(conn, side)
  if tcp:is_closing() then return end
  if reset then tcp:close_reset() else tcp:close() end
end

---Closes both ends.
---@param reset boolean|nil
function Conn:close(reset)
  close(self, "up", reset)
  close(self, "down", reset)
  self.line.open[self] = nil
end

-- The end that sends to a side has ended: what that means depends on the cut.
local function ended(conn, side, err)
  conn.over[side] = true
  if not conn.way then
    if err then return conn:close(true) end
    end_of(conn, side):shutdown()
    if conn.over[OTHER[side]] then conn:close() end
  elseif conn.way == "silence" then
    close(conn, OTHER[side])
    if conn.over[OTHER[side]] then conn:close() end
  elseif err or conn.over[OTHER[side]] then
    conn:close()
  end
end

---Cuts it now.
---@param way string
function Conn:cut(way)
  if self.way or not self.line.open[self] then return end
  self.way = way
  self.line.cuts[way] = self.line.cuts[way] + 1
  if way == "rst" then
    self:close(true)
  elseif way == "fin" then
    end_of(self, "up"):shutdown()
    end_of(self, "down"):shutdown()
  end
  if self.line.told then self.line.told(self) end
end

-- Passes bytes on, up to where it is cut.
local function pass(conn, side, bytes)
  if conn.way or conn.due then return end -- what comes now is lost
  local plan, left = conn.plan, nil
  if plan and plan.side == side then left = plan.after - conn.bytes[side] end
  if left and left <= #bytes then bytes, conn.due = bytes:sub(1, left), true end
  conn.bytes[side] = conn.bytes[side] + #bytes
  local to = end_of(conn, side)
  if to:is_closing() then return end
  to:write(bytes, conn.due and function() conn:cut(plan.way) end or nil)
end

local function read(conn, side)
  end_of(conn, OTHER[side]):read_start(function(err, bytes)
    if bytes then return pass(conn, side, bytes) end
    end_of(conn, OTHER[side]):read_stop()
    ended(conn, side, err)
  end)
end

-- ---- the line ----

local Line = {}
Line.__index = Line

---What becomes of the next connection; nil: nothing.
---@param plan table|nil way, side, after
function Line:next(plan) self.plan = plan end

---Cuts all that is open now.
---@param way string
function Line:cut(way)
  local list = {}
  for conn in pairs(self.open) do list[#list + 1] = conn end
  for _, conn in ipairs(list) do conn:cut(way) end
end

---Ends the line and all that goes through.
function Line:close()
  if self.closed then return end
  self.closed = true
  self.tcp:close()
  local list = {}
  for conn in pairs(self.open) do list[#list + 1] = conn end
  for _, conn in ipairs(list) do conn:close() end
end

local function accepted(self)
  local near, far = uv.new_tcp(), uv.new_tcp()
  self.tcp:accept(near)
  local conn = setmetatable({
    line = self, ends = { up = far, down = near }, plan = self.plan, over = {},
    bytes = { up = 0, down = 0 },
  }, Conn)
  self.plan, self.open[conn], self.last = nil, true, conn
  near:nodelay(true)
  far:connect("127.0.0.1", self.to, function(err)
    if far:is_closing() then return end
    if err then return conn:close(true) end
    far:nodelay(true)
    if conn.plan and conn.plan.after == 0 then return conn:cut(conn.plan.way) end
    read(conn, "up")
    read(conn, "down")
  end)
end

---@param port integer to which it leads
---@param opts table|nil seed: of line.random, 1; cut: told of each connection that is cut
---@return table line port; random; open: the connections that are; last: the newest one, whose
---bytes.up and bytes.down went through; cuts: how many by way
function cutter.start(port, opts)
  opts = opts or {}
  local self = setmetatable({
    to = port, told = opts.cut, open = {}, random = cutter.random(opts.seed or 1),
    cuts = { rst = 0, fin = 0, silence = 0 }, tcp = uv.new_tcp(),
  }, Line)
  assert(self.tcp:bind("127.0.0.1", 0))
  assert(self.tcp:listen(128, function(err) if not err then accepted(self) end end))
  self.port = self.tcp:getsockname().port
  net.keep(self)
  return self
end

return cutter
