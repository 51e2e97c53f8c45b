-- server_info: what app says about the servers: this one, those that are up, and those of
-- config/servers.json (protocol 21).
local errors = require "pomelua.base.errors"
local tables = require "pomelua.base.tables"

local server_info = {}

---@class pomelua.App
local methods = {}

---@return string
function methods:getServerId() return self._server.id end

---@return string
function methods:getServerType() return self._server.type end

---@return pomelua.ServerInfo this server's entry of servers.json
function methods:getCurServer() return self._server.info end

---The servers of servers.json and those that were added, without those that are stopped or have
---failed.
---@return table<string, pomelua.ServerInfo> entries by id
function methods:getServers() return self._server.by_id end

---The servers of a type that are up, in the order of servers.json; those that were added stand
---behind them, by id. The table is the server's own.
---@param stype string
---@return pomelua.ServerInfo[]|nil entries of servers.json; nil: there is no such type
function methods:getServersByType(stype) return self._server:up(stype) end

---@param id string
---@return pomelua.ServerInfo|nil entry as of getServers
function methods:getServerById(id) return self._server.by_id[id] end

---@return string[] types of which there are servers, or were, in alphabetic order
function methods:getServerTypes() return tables.sorted_keys(self._server.by_type) end

---The servers that were known when this server started, whether they run or not: those of
---servers.json.
---@return table<string, pomelua.ServerInfo> entries by id
function methods:getServersFromConfig() return self._server.from_config end

---@param id string
---@return pomelua.ServerInfo|nil entry as of getServersFromConfig
function methods:getServerFromConfig(id) return self._server.from_config[id] end

---@param info table|nil an entry of servers.json, this server's when left out
---@return boolean
function methods:isFrontend(info)
  if info ~= nil and type(info) ~= "table" then
    errors.raise("app:isFrontend(info), app:isBackend(info): info must be a server's entry, as"
      .. " app:getServerById(id) gives it, got " .. tables.shown(info))
  end
  local frontend = (info or self._server.info).frontend
  return frontend ~= nil and frontend ~= false and frontend ~= "false"
end

---@param info table|nil
---@return boolean
function methods:isBackend(info) return not self:isFrontend(info) end

---@return boolean false: there is no master
function methods:isMaster() return false end

---Adds these to the methods of app.
---@param target table
function server_info.add(target)
  for name, fn in pairs(methods) do target[name] = fn end
end

return server_info
