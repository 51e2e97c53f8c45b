-- HTTP requests by hand, over a real socket, for specs of the page server.
local app = require "spec.support.app"
local net = require "spec.support.net"

local http_client = {}

---The bytes of a request that ends its connection.
---@param method string
---@param target string
---@param body string|nil
---@param headers string|nil lines, each with its CR LF
---@return string
function http_client.request(method, target, body, headers)
  return ("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s\r\n%s"):format(method, target,
    headers or "", body and ("Content-Length: %d\r\n"):format(#body) or "", body or "")
end

---Sends bytes, and gives what comes until the other side closes.
---@param port number
---@param bytes string
---@return string
function http_client.raw(port, bytes)
  local client = assert(net.connect(port))
  client:send(bytes)
  client:waitClosed(app.patience)
  local all = client:pending()
  client:close()
  return all
end

---One request.
---@param port number
---@return number|nil status nil: no answer
---@return string body
---@return string head
function http_client.ask(port, ...)
  local head, body = http_client.raw(port, http_client.request(...)):match("^(.-\r\n)\r\n(.*)$")
  return head and tonumber(head:match("^HTTP/1%.1 (%d+)")), body, head
end

---Begins a request, whose answer is waited for by http_client.status.
---@param port number
---@return table client
function http_client.begin(port, ...)
  local client = assert(net.connect(port))
  client:send(http_client.request(...))
  return client
end

---What a client of http_client.begin gets in the end.
---@param client table
---@return number|nil status nil: no answer
---@return string|nil body
function http_client.answer(client)
  client:waitClosed(app.patience)
  local status, body = client:pending():match("^HTTP/1%.1 (%d+).-\r\n\r\n(.*)$")
  client:close()
  return tonumber(status), body
end

---The status alone.
---@param client table
---@return number|nil
function http_client.status(client) return (http_client.answer(client)) end

---Waits for the value of a counter in `pomelua list --counters`; 0: it has no line.
---@param dir string the game's folder
---@param name string
---@param value number
function http_client.counter(dir, name, value)
  local out
  local found = net.wait(function()
    local p = net.spawn(net.built("pomelua"), { "list", "--counters", dir })
    assert(p:waitExit(app.patience) == 0, p.err)
    out = p.out
    return value == 0 and not out:find(name, 1, true)
      or out:find(name .. "%s+" .. value .. "%f[%D]")
  end, app.patience)
  assert(found, ("%s is not %d\n%s"):format(name, value, out))
end

return http_client
