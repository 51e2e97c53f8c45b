--- Chooses a server by a key: the same key finds the same server on every machine.
local bit = require "bit"

local dispatcher = {}

--- CRC-32 (IEEE) as a signed 32-bit number.
---@param text string
---@return integer
function dispatcher.crc32(text)
  local crc = -1
  for i = 1, #text do
    crc = bit.bxor(crc, text:byte(i))
    for _ = 1, 8 do
      local carry = bit.band(crc, 1)
      crc = bit.rshift(crc, 1)
      if carry == 1 then crc = bit.bxor(crc, 0xEDB88320) end
    end
  end
  return bit.bnot(crc)
end

--- Returns one of the servers, or nil when there are none.
---@param key string|number
---@param servers table[]|nil
---@return table|nil
function dispatcher.pick(key, servers)
  if not servers or #servers == 0 then return nil end
  return servers[math.abs(dispatcher.crc32(tostring(key))) % #servers + 1]
end

return dispatcher
