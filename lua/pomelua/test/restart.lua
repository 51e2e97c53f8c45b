-- test.restart: servers of a spec that begin anew: the spec's own one, and others that it plays.
local databases = require "pomelua.test.databases"
local near = require "pomelua.base.near"

local restart = {}

local STOP_MS = 120000 -- how long a stop may take, in the server's time

---What is wrong with the argument of server:restart, or nil.
---@param self table the kit's server
---@param how any
---@return string|nil
function restart.wrong(self, how)
  if type(how) == "string" then
    local by_id = self.inner.by_id
    if by_id[how] and how ~= self.inner.id then return nil end
    return ("there is no other server %s%s"):format(how, near.hint(how, by_id))
  elseif how ~= nil and (type(how) ~= "table" or next(how) ~= nil and how.killed == nil) then
    return "how must be the id of another server, or { killed = true }, got " .. tostring(how)
  end
end

---Another server of the app is restarted.
---@param self table the kit's server
---@param id string
function restart.other(self, id)
  local inner = self.inner
  self.sessions:restarted(id)
  self.node:peer(id, false)
  inner.event:emit("remove_servers", { id })
  self:settle()
  self.node:peer(id, true)
  inner.event:emit("add_servers", { inner.by_id[id] })
  self:settle()
end

---The server itself ends: in order, or not.
---@param self table the kit's server
---@param killed boolean|nil
---@return string|nil message it has not ended
function restart.leave(self, killed)
  if not killed then
    self:stop()
    for _ = 1, STOP_MS / 10 do
      if self.stopped then break end
      self:tick(10)
    end
    if not self.stopped then return "the server has not stopped after 120 s" end
  end
  self.options.time = self.inner.wall() -- its clock goes on
  databases.keep(self)
  self.begins_anew = true
  self:close()
  self.begins_anew = nil
end

return restart
