-- The program as a tool: `pomelua` with arguments, without variables of the machine's that would
-- choose folders.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"

local tool = {}

---Starts it.
---@param args string[]
---@param env table<string, string>? more variables
---@return table process
function tool.start(args, env)
  local given = { STATE_DIRECTORY = "", RUNTIME_DIRECTORY = "" }
  for name, value in pairs(env or {}) do given[name] = value end
  return net.spawn(net.built("pomelua"), args, { env = given })
end

---Runs it to its end.
---@param ... string arguments
---@return integer status
---@return string out
---@return string err
function tool.run(...)
  local one = tool.start { ... }
  local code = assert(one:waitExit(app.patience))
  return code, one.out, one.err
end

---What the answer to a handshake says.
---@param port integer
---@param transport string?
---@param user table? of the handshake
---@param first string? bytes that are sent before
---@return table
function tool.hello(port, transport, user, first)
  local client = assert(pomelo.open(port, transport))
  if first then client.conn:send(first) end
  local body = user and cjson.encode { sys = { type = "spec" }, user = user }
  local answer = cjson.decode((assert(client:handshake(body))))
  client:close()
  return answer
end

return tool
