-- client.stream: what comes in on a line: packages, and what the frames of a WebSocket say beside.
local core = require "pomelua.core"
local frames = require "pomelua.client.frames"

local PACKAGE_MAX = 0xffffff

local stream = {}
stream.__index = stream

---@class pomelua.ClientStream
---@field ws boolean
---@field upgrading boolean whether the answer to the upgrade has not come yet
---@field framed string bytes of a frame, or of the upgrade's answer, that is not whole yet
---@field packed string bytes of a package that is not whole yet

---@param ws boolean
---@return pomelua.ClientStream
function stream.new(ws)
  return setmetatable({ ws = ws, upgrading = ws, framed = "", packed = "" }, stream)
end

-- Takes the answer to the upgrade; nil while it is not whole, false when it is no upgrade.
local function upgraded(self, bytes, got)
  bytes = self.framed .. bytes
  local stop = select(2, bytes:find("\r\n\r\n", 1, true))
  if not stop then
    self.framed = bytes
    return nil
  end
  if bytes:match("^HTTP/1%.1 (%d+)") ~= "101" then
    got.wrong = "no WebSocket there: " .. tostring(bytes:match("^[^\r\n]*"))
    return false
  end
  self.framed, self.upgrading = "", false
  return bytes:sub(stop + 1)
end

local function unpacked(self, bytes, got)
  local list, rest = core.packages(self.packed .. bytes, PACKAGE_MAX)
  if not list then
    got.wrong = "the server sends no packages: " .. tostring(rest)
    return
  end
  self.packed = rest
  for _, one in ipairs(list) do got.packages[#got.packages + 1] = one end
end

---Takes bytes that have come. All that is whole is in the answer, in order.
---@param bytes string
---@return table got {packages = {{type=, body=}}, pings = {payload}, closed = {code=, reason=} or
---nil, wrong = text or nil}: what is wrong stands behind the packages
function stream:feed(bytes)
  local got = { packages = {}, pings = {} }
  if self.upgrading then
    bytes = upgraded(self, bytes, got)
    if not bytes then return got end
  end
  if not self.ws then
    unpacked(self, bytes, got)
    return got
  end
  local list
  list, self.framed = frames.read(self.framed .. bytes)
  for _, one in ipairs(list) do
    if one.op == frames.PING then
      got.pings[#got.pings + 1] = one.payload
    elseif one.op == frames.CLOSE then
      local code, reason = frames.closed(one.payload)
      got.closed = { code = code, reason = reason }
      return got
    elseif one.op <= frames.BINARY then
      unpacked(self, one.payload, got)
      if got.wrong then return got end
    end
  end
  return got
end

return stream
