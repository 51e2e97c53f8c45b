-- A real nats-server for a spec, on a free port of 127.0.0.1, with a temporary folder.
--
--   local broker = require "spec.support.broker"
--   local one = broker.start()
--   app.start(files, { args = { "--bus", one.url } })
--   one:freeze() one:thaw() one:kill() one:restart()   -- restart: on the same port
--   local three = broker.cluster(3)
--   broker.closeAll()    in after_each: before net.closeAll, which ends the processes too
--
-- Each wait is for an event, and has a deadline. Only processes that were started here are ended.
local cjson = require "cjson"
local files = require "spec.support.files"
local net = require "spec.support.net"
local ports = require "spec.support.ports"
local tree = require "spec.support.tree"

local broker = {
  -- Milliseconds for a start on a busy machine.
  patience = 20000,
  -- Debian's place is not in every user's PATH.
  path = files.exists("/usr/sbin/nats-server") and "/usr/sbin/nats-server" or "nats-server",
}

local Broker = {}
Broker.__index = Broker

local open = {} -- those that closeAll ends

-- The text of the configuration.
local function config(self)
  local o, lines = self.opts, {}
  lines[1] = ('listen: "127.0.0.1:%d"'):format(self.port)
  lines[2] = ('http: "127.0.0.1:%d"'):format(self.monitor)
  lines[3] = ("server_name: %q"):format(self.name)
  if self.peers then
    local routes = {}
    for _, peer in ipairs(self.peers) do
      if peer ~= self and peer.route then
        routes[#routes + 1] = ('"nats://127.0.0.1:%d"'):format(peer.route)
      end
    end
    lines[4] = ('cluster { name: spec, listen: "127.0.0.1:%d", routes: [ %s ] }'):format(
      self.route, table.concat(routes, ", "))
  end
  lines[#lines + 1] = o.config
  return table.concat(lines, "\n") .. "\n"
end

local function run(self)
  self.port, self.monitor = self.port or ports.one(), self.monitor or ports.one()
  if self.peers then self.route = self.route or ports.one() end
  tree.write(self.dir, "nats.conf", config(self))
  self.process = net.spawn(broker.path, { "-c", "nats.conf" }, { cwd = self.dir })
  -- One that is frozen does not hear SIGTERM before it runs again.
  self.process.close = function(process)
    self:thaw()
    getmetatable(process).close(process)
  end
  assert(self.process:waitErr("Server is ready", broker.patience))
  self.url = (self.opts.scheme or "nats") .. "://127.0.0.1:" .. self.port
end

local function new(opts, name, peers)
  local self = setmetatable({ opts = opts or {}, name = name, peers = peers }, Broker)
  self.dir = tree.new(self.opts.files or {})
  open[self] = true
  if peers then peers[#peers + 1] = self end
  run(self)
  return self
end

---Starts one and waits until it takes connections.
---@param opts table? config: more lines of its configuration, files: texts by path for its folder
--- (config names them as relative paths), scheme: of url, "nats" when left out
---@return table broker url, port, monitor (the port of its HTTP monitor), dir, process
function broker.start(opts) return new(opts, "one") end

---Starts several that are one cluster, and waits until each knows all others.
---@param n integer? 3 when left out
---@param opts table?
---@return table[] brokers and, in `urls`, the URLs of all
function broker.cluster(n, opts)
  local peers = { urls = {} }
  for i = 1, n or 3 do peers.urls[i] = new(opts, "node" .. i, peers).url end
  for _, one in ipairs(peers) do one:joined() end
  return peers
end

---Ends all that were started and removes their folders.
function broker.closeAll()
  for one in pairs(open) do one:close() end
end

---What its monitor says: `varz` (in_msgs, in_bytes, slow_consumers, …), `connz`, `routez`,
---`subsz`.
---@param page string
---@return table
function Broker:facts(page)
  local client = assert(net.connect(self.monitor))
  assert(client:send("GET /" .. page .. " HTTP/1.0\r\n\r\n"))
  assert(client:waitClosed(broker.patience), "the broker's monitor did not answer")
  local body = client:pending():match("\r\n\r\n(.*)$")
  client:close()
  return cjson.decode(body)
end

---Waits until it has a route to each broker of its cluster that runs.
function Broker:joined()
  local want = 0
  for _, peer in ipairs(self.peers) do if peer ~= self and peer:runs() then want = want + 1 end end
  local ok = net.wait(function()
    local others, n = {}, 0
    for _, route in ipairs(self:facts("routez").routes or {}) do
      if not others[route.remote_id] then n, others[route.remote_id] = n + 1, true end
    end
    return n >= want
  end, broker.patience)
  assert(ok, "the brokers did not find each other")
end

---@return boolean
function Broker:runs() return self.process ~= nil and self.process.code == nil end

-- Waits for its end; what it printed is gone with it.
local function gone(self)
  assert(self.process:waitExit(broker.patience))
  self.frozen = nil
  self.process:close()
  self.process = nil
end

---Ends it in order: its clients see the end of their connections.
function Broker:stop()
  if not self.process then return end
  self:thaw()
  self.process:kill("sigterm")
  gone(self)
end

---Ends it with SIGKILL.
function Broker:kill()
  if not self.process then return end
  self.process:kill("sigkill")
  gone(self)
end

---Starts it again, on the same port.
function Broker:restart()
  self:stop()
  run(self)
  if self.peers then self:joined() end
end

---SIGSTOP: connections stay, and nothing is answered.
function Broker:freeze()
  self.frozen = true
  self.process:freeze()
end

---SIGCONT.
function Broker:thaw()
  if not self.frozen then return end
  self.frozen = nil
  self.process:kill("sigcont")
end

function Broker:close()
  if not open[self] then return end
  open[self] = nil
  self:stop()
  tree.remove(self.dir)
end

return broker
