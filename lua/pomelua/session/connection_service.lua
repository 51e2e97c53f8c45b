-- connection_service: who is connected to this frontend, app:get("connectionService"). Nothing is
-- counted on the way: what is asked for is read from the sessions.
local door = require "pomelua.session.door"
local errors = require "pomelua.base.errors"
local frontend = require "pomelua.session.frontend"
local session = require "pomelua.session.session"
local tables = require "pomelua.base.tables"

---@class pomelua.ConnectionService
local methods = {}
local mt = { __name = "pomelua.connectionService", __index = methods }

local connection_service = {}

function connection_service.new(server)
  return setmetatable({ _server = server }, mt)
end

---@class pomelua.ConnectionStatistics
---@field serverId string
---@field totalConnCount number sessions of this frontend
---@field loginedCount number those of them that are bound to a user
---@field loginedList table[] of these {uid=, loginTime=, address= "ip:port"}; loginTime: when it
---was bound, milliseconds since 1970, to the second

---@return pomelua.ConnectionStatistics
function methods:getStatisticsInfo()
  local server = self._server
  local node, list, total = server.node, {}, 0
  for _, sid in ipairs(node:sids()) do
    local one = session.new(server, sid)
    local address = one and frontend.address(server, sid)
    total = total + (one and 1 or 0)
    if one and one.uid ~= nil then
      list[#list + 1] = {
        uid = one.uid, loginTime = node:boundAt(sid) * 1000,
        address = address and ("%s:%d"):format(address.ip, address.port) or nil,
      }
    end
  end
  return {
    serverId = server.id, totalConnCount = total, loginedCount = #list, loginedList = list,
  }
end

local function set(self, name, which, list)
  local wrong = door.set(self._server, which, list)
  if wrong then error(("connectionService:%s(list): %s"):format(name, wrong), 3) end
end

---The addresses and networks whose clients may not come in (connectorConfig.deny).
---@return string[] list a copy
function methods:getDeny() return tables.copy(self._server.door.deny or {}) end

---Sets them, on this frontend, until it ends or the file of connectorConfig.deny changes. Clients
---that are there and may not come in any more end with the reason "address". Raises for what is no
---address and no network.
---@param list string[]|nil nil: none
function methods:setDeny(list) set(self, "setDeny", "deny", list) end

---The only addresses and networks whose clients may come in (connectorConfig.allow).
---@return string[]|nil list a copy; nil: all
function methods:getAllow()
  local list = self._server.door.allow
  return list and tables.copy(list)
end

---Sets them, as setDeny does.
---@param list string[]|nil nil: all
function methods:setAllow(list) set(self, "setAllow", "allow", list) end

errors.guard(methods, "connectionService")

return connection_service
