-- client.frames: WebSocket frames as a client writes and reads them.
local frames = { CONTINUATION = 0, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 }

---A client's frame is masked; with a key of zeros the payload stays as it is.
---@param op number
---@param payload string
---@return string bytes
function frames.write(op, payload)
  local n, head = #payload, string.char(0x80 + op)
  if n < 126 then
    head = head .. string.char(0x80 + n)
  elseif n < 65536 then
    head = head .. string.char(0x80 + 126, math.floor(n / 256), n % 256)
  else
    head = head .. string.char(0x80 + 127, 0, 0, 0, 0, math.floor(n / 2 ^ 24) % 256,
      math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
  end
  return head .. "\0\0\0\0" .. payload
end

---The whole frames at the start of the bytes that have come.
---@param bytes string
---@return table[] list {op=, payload=}
---@return string rest
function frames.read(bytes)
  local list, at = {}, 1
  while #bytes - at >= 1 do
    local first, n = bytes:byte(at, at + 1)
    local body = at + 2
    if n >= 126 then
      local size = n == 126 and 2 or 8
      if #bytes < at + 1 + size then break end
      n = 0
      for i = 0, size - 1 do n = n * 256 + bytes:byte(at + 2 + i) end
      body = body + size
    end
    if #bytes < body + n - 1 then break end
    list[#list + 1] = { op = first % 16, payload = bytes:sub(body, body + n - 1) }
    at = body + n
  end
  return list, bytes:sub(at)
end

---The request that makes a WebSocket of a connection.
---@param host string
---@param port number
---@return string bytes
function frames.upgrade(host, port)
  return ("GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Key: cG9tZWx1YS1jbGllbnQhIQ==\r\n"
    .. "Sec-WebSocket-Version: 13\r\n\r\n"):format(host, port)
end

---What a close frame says.
---@param payload string
---@return number|nil code
---@return string reason
function frames.closed(payload)
  local high, low = payload:byte(1, 2)
  return low and high * 256 + low or nil, payload:sub(3)
end

return frames
