-- test.cluster: all servers of an app for real, as threads of the busted process, on free ports.
local client = require "pomelua.client"
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local START_WAIT = 20000

---@class pomelua.test.Cluster
---@field ports table<string, number> the clients' ports by server id
local methods = {}
local mt = { __name = "pomelua.test.cluster", __index = methods }

local cluster = {}

-- Free ports instead of those of the file, so that the servers tell each other the right ones.
local function give_ports(entries)
  local free, ports = core.free_ports(2 * #entries), {}
  for i, entry in ipairs(entries) do
    if entry.port then entry.port = free[2 * i - 1] end
    if entry.frontend then
      entry.clientPort, entry.host = free[2 * i], "127.0.0.1"
      ports[entry.id] = entry.clientPort
    end
    if entry.clientHost then entry.clientHost = "127.0.0.1" end
  end
  return ports
end

local function last_lines(lines, n)
  local list = {}
  for i = math.max(1, #lines - n + 1), #lines do
    local one = lines[i]
    list[#list + 1] = ("  %-5s %s %s"):format(one.level, one.server, one.text)
  end
  return #list > 0 and "\nlog:\n" .. table.concat(list, "\n") or ""
end

---@class pomelua.test.ClusterOptions
---@field base string the app's folder
---@field env string|nil "development" when left out
---@field level string|nil of the log: "info" when left out

---@param options pomelua.test.ClusterOptions
---@return pomelua.test.Cluster
function cluster.new(options)
  if type(options) ~= "table" or type(options.base) ~= "string" then
    error("test.cluster{ base = }: base is a string", 3)
  end
  local base = files.absolute(options.base)
  if not base then error("test.cluster: there is no folder " .. options.base, 3) end
  local env = options.env or "development"
  local entries, message = config.servers(base, env)
  if not entries then error("test.cluster: " .. message, 3) end
  local self = setmetatable({ entries = entries, ports = give_ports(entries), clients = {} }, mt)
  local members = {}
  for i, entry in ipairs(entries) do
    members[i] = {
      id = entry.id, type = entry.serverType, frontend = entry.frontend or false,
      boot = assert(core.encode({ base = base, env = env, server = entry, servers = entries },
        "config/servers.json")),
    }
  end
  self.core = core.cluster { servers = members, level = options.level or "info" }
  if self.core:wait(START_WAIT) then return self end
  self:stop()
  error("test.cluster: the servers do not start" .. last_lines(self:log(), 10), 3)
end

local function port_of(self, options)
  if options.port then return options.port end
  if options.server then
    return self.ports[options.server]
      or error("cluster:client: no frontend has the id " .. tostring(options.server), 3)
  end
  for _, entry in ipairs(self.entries) do
    if entry.frontend and (not options.type or options.type == entry.serverType) then
      return entry.clientPort
    end
  end
  error("cluster:client: there is no such frontend", 3)
end

---A client of one of the servers. Raises when it cannot connect.
---@param options table|nil server= (id), port= or type=, else the first frontend; transport="ws"
---or "tcp", user=, deadline=
---@return pomelua.Client
function methods:client(options)
  options = options or {}
  local one, message = client.connect {
    port = port_of(self, options), transport = options.transport, user = options.user,
    deadline = options.deadline,
  }
  if not one then
    error("cluster:client: " .. message .. last_lines(self:log(), 10), 2)
  end
  one.explain = function() return last_lines(self:log(), 10) end
  self.clients[#self.clients + 1] = one
  return one
end

---The servers' log so far.
---@return table[] {server=, level=, text=}
function methods:log()
  local list = {}
  for _, line in ipairs(self.core:lines()) do
    if not line.said then list[#list + 1] = line end
  end
  return list
end

---Closes the clients and stops all servers in order.
---@return number status 0 when all ended well
function methods:stop()
  for _, one in ipairs(self.clients) do one:close() end
  self.clients = {}
  return self.core:stop()
end

-- The kit's word for it.
methods.close = methods.stop

return cluster
