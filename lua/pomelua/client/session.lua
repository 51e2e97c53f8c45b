-- client.session: what is counted and kept of a session that may be resumed. Both ends count its
-- DATA packages, from 0 on, over all of its lines. Kept are packages of ours that the server may
-- not have got, and, while there is no line, those that wait for one.
local KEEP = 65536 -- bytes of what has gone out; as many may wait

local session = {}
session.__index = session

---@class pomelua.ClientSession
---@field token string
---@field grace number seconds for which the server keeps it
---@field received number packages of the server
---@field away boolean whether it has no line
---@field last number of the newest package of ours
---@field sent number of the newest one that has gone out
---@field gone number of the newest one that is not kept
---@field kept table<number, table> {number =, bytes =} from gone + 1 to last
---@field size number bytes of those that have gone out
---@field waiting number bytes of those that have not

---@param answer table {token=, grace=} of the server
---@return pomelua.ClientSession
function session.new(answer)
  return setmetatable({
    token = answer.token, grace = tonumber(answer.grace) or 0, received = 0, away = false,
    last = 0, sent = 0, gone = 0, kept = {}, size = 0, waiting = 0,
  }, session)
end

local function drop(self)
  self.gone = self.gone + 1
  self.size = self.size - #self.kept[self.gone].bytes
  self.kept[self.gone] = nil
end

local function trim(self)
  while self.size > KEEP do drop(self) end
end

---Keeps a package that goes out now, or, while it is away, waits.
---@param bytes string
---@return table|nil one
---@return string|nil message
function session:add(bytes)
  if self.away and self.waiting + #bytes > KEEP then
    return nil, ("more than %d bytes wait for the connection"):format(KEEP)
  end
  self.last = self.last + 1
  local one = { number = self.last, bytes = bytes }
  self.kept[self.last] = one
  if self.away then
    self.waiting = self.waiting + #bytes
  else
    self.sent, self.size = self.last, self.size + #bytes
    trim(self)
  end
  return one
end

---The server has answered this one: so it has all before it.
---@param number number
function session:arrived(number)
  while self.gone < number do drop(self) end
end

---Nobody waits for its answer any more: when it has not gone out yet, it does not.
---@param one table
function session:take_back(one)
  if one.number <= self.sent or self.kept[one.number] ~= one then return end
  self.waiting = self.waiting - #one.bytes
  for number = one.number, self.last - 1 do
    self.kept[number] = self.kept[number + 1]
    self.kept[number].number = number
  end
  self.kept[self.last] = nil
  self.last = self.last - 1
end

---It goes on with another line.
---@param answer table {token=, grace=, received=} of the server
---@return string[]|nil rest the packages to send; nil: one that the server misses is not kept
function session:resumed(answer)
  local received = tonumber(answer.received) or -1
  if not (received >= self.gone and received <= self.sent) then return nil end
  self:arrived(received)
  self.token, self.grace, self.away = answer.token, tonumber(answer.grace) or 0, false
  self.sent, self.size, self.waiting = self.last, self.size + self.waiting, 0
  local rest = {}
  for number = self.gone + 1, self.last do rest[#rest + 1] = self.kept[number].bytes end
  trim(self)
  return rest
end

return session
