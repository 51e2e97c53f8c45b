-- client.message: the messages of a client as bytes, by the dictionary and the definitions that its
-- server handed out.
local core = require "pomelua.core"
local protos = require "pomelua.client.protos"

local message = {}

---@param self table a client
---@param kind number 0: a request, 1: a notify
---@param id number|nil
---@param route string
---@param msg any JSON; a string is the body's bytes
---@param level number of the caller that an error names
---@return string bytes
function message.write(self, kind, id, route, msg, level)
  local body = msg
  if type(msg) ~= "string" then
    local encoded, misfit = protos.encode(self.protos, route, msg)
    if not encoded then error(misfit, level + 1) end
    body = encoded
  end
  local code = self.codes[route]
  local bytes, wrong = core.write_message {
    type = kind, id = id, route = not code and route or nil, code = code, body = body,
  }
  if not bytes then error(wrong, level + 1) end
  return bytes
end

---The route of a push.
---@param self table
---@param one table of core.read_message
---@return string
function message.route(self, one)
  return one.route or self.routes[one.code] or tostring(one.code)
end

return message
