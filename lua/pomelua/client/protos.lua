-- protos: the definitions of protobuf that a server hands out (protocol 11.5), for a client: bodies
-- out and in. A body is JSON where there is no definition.
local core = require "pomelua.core"
local json = require "pomelua.base.json"

local protos = {}

local by_version = setmetatable({}, { __mode = "v" }) -- many clients hold the same ones

-- A message of the parsed form as the files write it.
local function as_file(message)
  local out = {}
  for name, field in pairs(message) do
    if name == "__messages" then
      for inner, nested in pairs(field) do out["message " .. inner] = as_file(nested) end
    elseif name ~= "__tags" then
      out[("%s %s %s"):format(field.option, field.type, name)] = field.tag
    end
  end
  return out
end

local function text_of(side)
  local out = {}
  for route, message in pairs(side or {}) do out[route] = as_file(message) end
  return assert(core.encode(out))
end

---@param given table|nil sys.protos of a handshake's answer
---@return userdata|nil set of core.protos; nil: there is none
---@return string|nil message what is wrong with it
function protos.of(given)
  if type(given) ~= "table" then return nil end
  local version = tostring(given.version)
  local set = version ~= "0" and by_version[version] or nil
  if set then return set end
  local ok, server, client = pcall(function()
    return text_of(given.server), text_of(given.client)
  end)
  if not ok then return nil, "the server's definitions are not of Pomelo's form" end
  local wrong
  set, wrong = core.protos(server, client)
  if not set then
    return nil, ("the server's definitions: %s: %s"):format(wrong.key, wrong.what)
  end
  by_version[version] = set
  return set
end

---The bytes of a message from the client.
---@param set userdata|nil
---@param route string
---@param msg any JSON
---@return string|nil bytes
---@return string|nil message
function protos.encode(set, route, msg)
  local text, wrong = core.encode(msg == nil and {} or msg)
  if not text then return nil, "the message is not JSON: " .. wrong end
  if not set or not set:has("client", route) then return text end
  local bytes
  bytes, wrong = set:encode("client", route, text, true)
  if not bytes then return nil, ("the message does not fit its definition: %s"):format(wrong) end
  return bytes
end

---The JSON text that the bytes of a push or an answer mean. JSON objects and arrays begin with
---bytes that no protobuf message begins with: so it is seen when a server answers in JSON all the
---same.
---@param set userdata|nil
---@param route string
---@param body string
---@return string|nil text
---@return string|nil message
function protos.text(set, route, body)
  if not set or body:find("^[{%[]") or not set:has("server", route) then return body end
  local text = set:decode("server", route, body)
  if not text then return nil, route .. ": a body that does not fit serverProtos" end
  return text
end

---The same as a value.
---@param set userdata|nil
---@param route string
---@param body string
---@return any value
---@return string|nil message
function protos.decode(set, route, body)
  local text, message = protos.text(set, route, body)
  if not text then return nil, message end
  return (json.decode(text))
end

return protos
