-- test.cluster: all servers of an app for real, as threads of the busted process, on free ports.
local client = require "pomelua.client"
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local databases = require "pomelua.test.databases"
local files = require "pomelua.base.files"
local option_kinds = require "pomelua.test.options"

local START_WAIT = 20000
local TRIES = 3 -- with other ports

---@class pomelua.test.Cluster
---@field ports table<string, number> the clients' ports by server id
local methods = {}
local mt = { __name = "pomelua.test.cluster", __index = methods }

local cluster = {
  limit = nil, -- the budget of the process's scripts (core.limit), when there is one
}

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

-- A port that was free may have been taken by another program before the server listened on it.
local function lost_its_port(self)
  for _, line in ipairs(self:log()) do
    if line.text:find("address already in use", 1, true) then return true end
  end
  return false
end

local function start(options, base, env, entries, data)
  local members = {}
  for i, entry in ipairs(entries) do
    members[i] = {
      id = entry.id, type = entry.serverType, frontend = entry.frontend or false,
      boot = assert(core.encode({
        base = base, env = env, server = entry, servers = entries, data = data,
        state = data, first = true,
      }, "config/servers.json")),
    }
  end
  return core.cluster {
    servers = members, level = options.level or "info", limit = cluster.limit,
  }
end

---@class pomelua.test.ClusterOptions
---@field base string the app's folder
---@field env string|nil "development" when left out
---@field level string|nil of the log: "info" when left out

---@param options pomelua.test.ClusterOptions
---@return pomelua.test.Cluster
function cluster.new(options)
  local wrong = option_kinds.wrong("test.cluster", options, option_kinds.CLUSTER)
  if wrong then error(wrong, 3) end
  local base = files.absolute(options.base)
  if not base then error("test.cluster: there is no folder " .. options.base, 3) end
  local env = options.env or "development"
  local entries, message = config.servers(base, env)
  if not entries then error("test.cluster: " .. message, 3) end
  local data
  data, message = databases.folder(base, env)
  if message then error("test.cluster: " .. message, 3) end
  local self
  for _ = 1, TRIES do
    self = setmetatable({
      entries = entries, ports = give_ports(entries), clients = {}, data = data,
    }, mt)
    self.core = start(options, base, env, entries, data)
    if self.core:wait(START_WAIT) then return self end
    self.core:stop()
    if not lost_its_port(self) then break end
  end
  databases.remove(data)
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
---or "tcp", tls=, user=, token=, deadline=, resume=, login=: as client.connect
---@return pomelua.Client
function methods:client(options)
  options = options or {}
  local wrong = option_kinds.wrong("cluster:client", options, option_kinds.CLIENT)
  if wrong then error(wrong, 2) end
  local one, message = client.connect {
    port = port_of(self, options), transport = options.transport, tls = options.tls,
    user = options.user, token = options.token, deadline = options.deadline,
    resume = options.resume, login = options.login,
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
  local status = self.core:stop()
  databases.remove(self.data)
  return status
end

-- The kit's word for it.
methods.close = methods.stop

return cluster
