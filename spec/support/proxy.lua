-- A way to a port of 127.0.0.1 that is slow or cut, for specs of links: what goes through waits for
-- a time, and no more than so many bytes go in each direction in a second.
--
--   local slow = proxy.start(broker.port, { delay = 100, rate = 65536 })
--   connect to slow.port; net.closeAll() ends it
--   slow:cut() slow:mend()       like a cable: nothing comes or goes, and no connection hears of it
local net = require "spec.support.net"
local uv = require "luv"

local proxy = {}

local STEP = 10 -- ms between two looks at what waits

-- One direction of one connection: what was read waits until its time has come.
local Way = {}
Way.__index = Way

function Way:read()
  self.reading = true
  self.from:read_start(function(err, bytes)
    if err or not bytes then
      self.ended = true
      return
    end
    table.insert(self.queue, { at = uv.now() + self.delay, bytes = bytes })
    self.waiting = self.waiting + #bytes
    if self.waiting >= self.rate then -- the sender waits as well
      self.reading = false
      self.from:read_stop()
    end
  end)
end

function Way:step()
  local share = math.floor(self.rate * STEP / 1000)
  while self.queue[1] and self.queue[1].at <= uv.now() and share > 0 do
    local bytes = self.queue[1].bytes
    local now = bytes:sub(1, share)
    if #now == #bytes then
      table.remove(self.queue, 1)
    else
      self.queue[1].bytes = bytes:sub(#now + 1)
    end
    share, self.waiting = share - #now, self.waiting - #now
    self.to:write(now)
  end
  if not self.reading and not self.ended and self.waiting < self.rate / 2 then self:read() end
  return not (self.ended and not self.queue[1])
end

local function way(from, to, opts)
  local self = setmetatable({
    from = from, to = to, queue = {}, waiting = 0, delay = opts.delay, rate = opts.rate,
  }, Way)
  self:read()
  return self
end

---@param port integer to which it leads
---@param opts table delay: ms, rate: bytes a second
---@return table proxy port
function proxy.start(port, opts)
  local server, pairs_of = uv.new_tcp(), {}
  assert(server:bind("127.0.0.1", 0))
  assert(server:listen(16, function(err)
    if err then return end
    local near, far = uv.new_tcp(), uv.new_tcp()
    server:accept(near)
    far:connect("127.0.0.1", port, function(failed)
      if failed then
        near:close()
        far:close()
        return
      end
      near:nodelay(true)
      far:nodelay(true)
      pairs_of[#pairs_of + 1] = { near, far, way(near, far, opts), way(far, near, opts) }
    end)
  end))
  local timer = uv.new_timer()
  local self = { port = server:getsockname().port }
  timer:start(STEP, STEP, function()
    if self.is_cut then return end
    for i = #pairs_of, 1, -1 do
      local one = pairs_of[i]
      local out, back = one[3]:step(), one[4]:step()
      if not (out and back) then
        one[1]:close()
        one[2]:close()
        table.remove(pairs_of, i)
      end
    end
  end)
  function self.cut() self.is_cut = true end
  function self.mend() self.is_cut = nil end
  function self.close()
    if not timer then return end
    timer:close()
    timer = nil
    server:close()
    for _, one in ipairs(pairs_of) do
      one[1]:close()
      one[2]:close()
    end
  end
  net.keep(self)
  return self
end

return proxy
