-- client_facts: what a connection says of its client: the fourth argument of the handshake
-- function.
local client_facts = {}

local HEADERS, BYTES = 100, 8192 -- that are handed on; those behind are left out

---@class pomelua.ClientFacts
---@field ip string the client's address, also behind a trusted proxy
---@field port number 0: the proxy does not tell it
---@field headers table<string, string> of the HTTP request that opened the WebSocket, by
---lower-case name; several of one name are joined by ", "; empty over TCP
---@field cookies table<string, string> of the header `cookie`; empty over TCP
---@field tls false|pomelua.ClientTls false: the connection is not encrypted by this server

---@class pomelua.ClientTls
---@field version string "TLSv1.3"
---@field cipher string "TLS_AES_256_GCM_SHA384"
---@field name string|nil the host that the client asked for (SNI)

---Whether a handshake function has a fourth parameter.
---@param fn function|nil
---@return boolean
function client_facts.wanted(fn)
  if type(fn) ~= "function" then return false end
  local info = debug.getinfo(fn, "u")
  return info.nparams >= 4 or info.isvararg
end

-- The headers of an HTTP request, and the values of all that are named cookie.
local function headers_of(head)
  local headers, cookies, count, bytes = {}, {}, 0, 0
  local at = (head:find("\n", 1, true) or #head) + 1
  for name, value in head:sub(at):gmatch("([^\r\n:]+):[ \t]*([^\r\n]*)") do
    count, bytes = count + 1, bytes + #name + #value
    if count > HEADERS or bytes > BYTES then break end
    name, value = name:lower(), value:gsub("[ \t]+$", "")
    local join = name == "cookie" and "; " or ", "
    local before = headers[name]
    headers[name] = before and before .. join .. value or value
    if name == "cookie" then cookies[#cookies + 1] = value end
  end
  return headers, cookies
end

-- RFC 6265: pairs between semicolons, values perhaps in quotation marks. The first of a name
-- counts: browsers send the one of the longest path first.
local function cookies_of(values)
  local cookies = {}
  for pair in table.concat(values, ";"):gmatch("[^;]+") do
    local name, value = pair:match("^[ \t]*([^=]-)[ \t]*=[ \t]*(.-)[ \t]*$")
    if name and name ~= "" and cookies[name] == nil then
      cookies[name] = value:match('^"(.*)"$') or value
    end
  end
  return cookies
end

---@param server pomelua.Server
---@param sid number
---@return pomelua.ClientFacts
function client_facts.of(server, sid)
  local ip, port = server.node:address(sid)
  local headers, values = headers_of(server.node:head(sid) or "")
  local version, cipher, name = server.node:encryption(sid)
  return {
    ip = ip or "", port = port or 0, headers = headers, cookies = cookies_of(values),
    tls = version and { version = version, cipher = cipher, name = name } or false,
  }
end

return client_facts
