-- client.options: what client.connect takes.
local arguments = require "pomelua.client.arguments"
local tables = require "pomelua.base.tables"
local token = require "pomelua.client.token"
local trust = require "pomelua.client.trust"

local options = {}

local KNOWN = {
  host = true, port = true, address = true, transport = true, tls = true, user = true, token = true,
  login = true, resume = true, move = true, deadline = true,
}

---@class pomelua.ClientOptions
---@field host string|nil "127.0.0.1" when left out
---@field port number
---@field address (fun(): string|nil, number|string)|nil in the place of host and port: gives both
---for each connection, or nil and why
---@field transport "ws"|"tcp"|nil "ws" when left out
---@field tls boolean|pomelua.Trust|nil true: by TLS, and the server's certificate is checked
---@field user any|nil goes to the server's handshake function
---@field token string|(fun(): string|nil, string|nil)|nil goes to the server in user.token. A
---function is asked for a token when the client connects, and for a new one before it expires
---@field login (fun(self: pomelua.Client))|nil runs after each handshake; raises when it fails
---@field resume boolean|nil true: it asks its server to keep the session when the line is lost, and
---comes back to it
---@field move boolean|nil false: it does not connect again when its server tells it to move
---@field deadline number|nil ms for connecting and for every wait, 5000 when left out

---What is wrong with the options of a client.
---@param given any
---@return string|nil message
function options.wrong(given)
  if type(given) ~= "table" then return "{ port =, ... }: a table" end
  local unknown = arguments.unknown(given, KNOWN)
  if unknown then return unknown end
  local host, port, deadline = given.host, given.port, given.deadline
  if given.address ~= nil and type(given.address) ~= "function" then
    return "address is a function that gives host and port"
  elseif not given.address and (type(port) ~= "number" or port % 1 ~= 0 or port < 1
    or port > 65535) then
    return "{ port =, ... }: port is a number from 1 to 65535, got " .. tables.shown(port)
  elseif deadline ~= nil and (type(deadline) ~= "number" or deadline < 0
    or deadline ~= deadline) then
    return "deadline is a number of milliseconds, got " .. tables.shown(deadline)
  elseif given.move ~= nil and type(given.move) ~= "boolean" then
    return "move is true or false"
  elseif host ~= nil and (type(host) ~= "string" or host:find("\0", 1, true)) then
    return ("host is a name or an address, got %q"):format(tostring(host))
  elseif given.transport and given.transport ~= "ws" and given.transport ~= "tcp" then
    return 'transport is "ws" or "tcp"'
  elseif given.resume ~= nil and type(given.resume) ~= "boolean" then
    return "resume is true or false"
  elseif given.resume and given.user ~= nil and type(given.user) ~= "table" then
    return "beside resume, user is a table"
  elseif given.login ~= nil and type(given.login) ~= "function" then
    return "login is a function"
  end
  return trust.wrong(given.tls) or token.wrong(given)
end

return options
