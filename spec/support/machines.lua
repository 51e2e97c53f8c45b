-- Machines for a spec: network namespaces on one switch, each with an address of its own. What a
-- spec starts on one sees the others over the network alone, which the spec can cut.
--
--   local why = machines.missing()          a sentence, where namespaces cannot be made
--   local net = machines.new { box1 = "10.0.0.11", box2 = "10.0.0.12" }
--   local process = net.box1:spawn(path, args)       as of spec/support/net
--   net.box1:cut() net.box1:mend()          its cable, out and in
--   net:close()                             after the processes have ended
local network = require "spec.support.net"

local machines = {}

local Machine, Network = {}, {}
Machine.__index, Network.__index = Machine, Network

local IP = "/usr/sbin/ip"
local count = 0

-- Runs `ip` with these words, none of which needs quotes; true, or nil and what it said.
local function ip(...)
  local command = IP .. " " .. table.concat({ ... }, " ")
  local pipe = io.popen(command .. " 2>&1 && echo done")
  local said = pipe:read("*a")
  pipe:close()
  if said:find("done\n$") then return true end
  return nil, (said:gsub("%s+$", ""))
end

---Why there can be no machines here; nil: there can.
---@return string|nil sentence
function machines.missing()
  local name = "pml-try-" .. network.pid()
  local ok, message = ip("netns", "add", name)
  if not ok then return "these machines are network namespaces, which need root: " .. message end
  ip("netns", "del", name)
end

---@param addresses table<string, string> by name; all in one network of 24 bits
---@return table network machines by name
function machines.new(addresses)
  count = count + 1
  local prefix = ("pml%d-%d-"):format(network.pid(), count)
  local self = setmetatable({ switch = prefix .. "sw", all = {} }, Network)
  assert(ip("netns", "add", self.switch))
  assert(ip("-n", self.switch, "link", "add", "sw", "type", "bridge"))
  assert(ip("-n", self.switch, "link", "set", "sw", "up"))
  for name, address in pairs(addresses) do
    local space = prefix .. name
    local one = setmetatable({
      name = name, address = address, space = space, port = name, switch = self.switch,
    }, Machine)
    assert(ip("netns", "add", space))
    self.all[#self.all + 1], self[name] = one, one
    assert(ip("-n", space, "link", "add", "eth", "type", "veth", "peer", "name", name, "netns",
      self.switch))
    assert(ip("-n", self.switch, "link", "set", name, "master", "sw", "up"))
    assert(ip("-n", space, "addr", "add", address .. "/24", "dev", "eth"))
    assert(ip("-n", space, "link", "set", "eth", "up"))
    assert(ip("-n", space, "link", "set", "lo", "up"))
  end
  return self
end

function Network:close()
  for _, one in ipairs(self.all) do ip("netns", "del", one.space) end
  ip("netns", "del", self.switch)
end

---Starts a program on this machine.
---@param path string
---@param args string[]
---@param opts table? as of net.spawn
---@return table process
function Machine:spawn(path, args, opts)
  local all = { "netns", "exec", self.space, path }
  for _, arg in ipairs(args) do all[#all + 1] = arg end
  return network.spawn(IP, all, opts)
end

---Runs a program on this machine to its end.
---@param path string
---@param args string[]
---@return integer|nil status
---@return string out
---@return string err
function Machine:run(path, args)
  local process = self:spawn(path, args)
  local code = process:waitExit(20000)
  process:close()
  return code, process.out, process.err
end

---Takes its cable out: nothing comes or goes, and no connection hears of it.
function Machine:cut() assert(ip("-n", self.switch, "link", "set", self.port, "down")) end

function Machine:mend() assert(ip("-n", self.switch, "link", "set", self.port, "up")) end

return machines
