-- time: a filter that writes one line of the log for each request (protocol 14).
local request_log = require "pomelua.filter.request_log"
local task = require "pomelua.run.task"

local methods = {}
local mt = { __name = "pomelua.filter", filters = "messages", __index = methods }

function methods:before(_, session)
  self.began[task.owner()] = request_log.begin(session._server)
end

function methods:after(_, msg, session)
  local owner = task.owner()
  local began = self.began[owner]
  self.began[owner] = nil
  if not began then return end
  local whole = type(msg) == "table" and rawget(msg, "_bytes") ~= nil
  local args = whole and { id = msg.id, type = msg.type, route = msg.route, body = msg.body } or msg
  request_log.write(session._server, "con-log", owner.name, args, began)
end

---@return pomelua.Filter
return function()
  -- A request whose way never ends goes with its memory.
  return setmetatable({ began = setmetatable({}, { __mode = "k" }) }, mt)
end
