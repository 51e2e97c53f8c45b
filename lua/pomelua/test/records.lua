-- test.records: what leaves a server of the test kit: answers, calls, pushes, forwards and frames
-- for clients. Each goes to what the spec plays: a client, a stub, a frontend; calls and forwards
-- that nothing takes are kept.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local frontend_remote = require "pomelua.session.frontend_remote"
local json = require "pomelua.base.json"
local resume = require "pomelua.test.resume"

local records = {}

records.CALL_MS = 5000 -- how long a call to the server itself may take

local function decode(bytes)
  local value = json.decode(bytes or "")
  return value
end

---@param bytes string|nil JSON
---@return any
records.decode = decode

local function answered(self, record)
  if record.to == self.inner.id then -- it asked itself
    record.from = record.to
    self.node:deliver(record)
  elseif self.answers[record.call] then
    local message = record.body and core.read_message(record.body)
    self.answers[record.call].value = message and decode(message.body) or { code = 500 }
    self.answers[record.call].done = true
  elseif self.results[record.call] then
    local result = self.results[record.call]
    result.done = true
    if record.status == 0 then
      result.values = decode(record.body) or {}
      result.n = #result.values
    else
      result.values, result.n = { errors.new(record.body or "error") }, 1
    end
  end
end

local function without(uids, except)
  if not except or #except == 0 then return uids end
  local left_out, rest = {}, {}
  for _, uid in ipairs(except) do left_out[tostring(uid)] = true end
  for _, uid in ipairs(uids) do
    if not left_out[tostring(uid)] then rest[#rest + 1] = uid end
  end
  return rest
end

-- One push makes one record, however many frontends it went to: neighbours with the same bytes
-- for different frontends are one.
local function pushed(self, bytes, to, frontend, delivery)
  local last = self.pushes[#self.pushes]
  if last and last.bytes == bytes and last.delivery == delivery and not last.frontends[frontend]
  then
    last.frontends[frontend] = true
    for _, uid in ipairs(to) do last.to[#last.to + 1] = uid end
    return
  end
  self.pushes[#self.pushes + 1] = {
    bytes = bytes, to = to, frontends = { [frontend] = true }, delivery = delivery,
  }
end

local function acknowledge(self, record)
  if not record.call then return end
  self.node:deliver { from = record.to, kind = "answer", call = record.call, status = 0, body = "" }
end

local function refuse(self, record, text)
  if not record.call then return end
  self.node:deliver {
    from = record.to, kind = "answer", call = record.call, status = 1, body = text,
  }
end

-- own: the code of a frontend, whose error is its answer; that of a stub is the spec's.
local function run_stub(self, record, stub, own)
  local values = decode(record.body) or {}
  local n = #values
  for i = 1, n do
    if values[i] == json.null then values[i] = nil end
  end
  local done = false
  values[n + 1] = function(...)
    if done or not record.call or not self.node then return end
    done = true
    local list = { ... }
    for i = 1, select("#", ...) do
      if list[i] == nil then list[i] = json.null end
    end
    self.node:deliver {
      from = record.to, kind = "answer", call = record.call, status = 0,
      body = assert(core.encode(json.array(list))),
    }
  end
  if not own then return stub(unpack(values, 1, n + 1)) end
  local ok, message = pcall(stub, unpack(values, 1, n + 1))
  if not ok then refuse(self, record, errors.text(message)) end
end

local function called(self, record)
  local stub = self.stubs[record.route]
  if stub then return run_stub(self, record, stub) end
  if record.to == self.inner.id and frontend_remote.is(record.route) then
    record.from, record.ms = record.to, records.CALL_MS
    self.node:deliver(record)
    return
  end
  local own, missing = self.sessions:remote(record)
  if own then return run_stub(self, record, own, true) end
  if missing then return refuse(self, record, missing) end
  self.kept[#self.kept + 1] = { to = record.to, name = record.route, args = decode(record.body) }
  refuse(self, record, ("no stub for the remote %s of server %s: use server:stub(name, fn)")
    :format(record.route, record.to))
end

local kinds = {
  answer = answered,
  call = called,
  push = function(self, record)
    pushed(self, record.body, without(record.uids, record.except), record.to, record.delivery)
    acknowledge(self, record)
  end,
  broadcast = function(self, record)
    pushed(self, record.body, {}, record.to, record.delivery)
    self.pushes[#self.pushes].everyone = true
    acknowledge(self, record)
  end,
  channel = function(self, record)
    local to = without(self.sessions:channel_members(record.to, record.route), record.except)
    if #to > 0 then pushed(self, record.body, to, record.to, record.delivery) end
    acknowledge(self, record)
  end,
  interest = function() end, -- so that pushes to cluster channels go to every frontend
  send = function(self, record)
    local session = self.sessions:of_frontend(record.to, record.session)
    if not session then return end -- it has gone
    pushed(self, record.body, { session.uid or session.id }, record.to .. " " .. record.session,
      record.delivery)
  end,
  forward = function(self, record)
    self.kept[#self.kept + 1] = { to = record.to, route = record.route, msg = decode(record.body) }
  end,
}

-- A push as other frontends get it, with its whole route and as JSON: pushes are compared.
local function in_full(self, sid, message)
  local route = message.route or self.inner.dictionary:route(message.code)
  local body = self.sessions:reads(sid, route, message.body)
  return core.write_message { type = message.type, route = route, body = body }
end

local function client_got(self, item)
  local session = self.sessions:of_sid(item.sid)
  if item.kind == "handshake" then return self.sessions:answered_handshake(item.sid, item.bytes) end
  if item.kind ~= "data" then
    self.kicks[#self.kicks + 1] = {
      uid = session and session.uid, sid = item.sid, reason = item.bytes,
    }
    return
  end
  resume.got(self.sessions, session)
  local message = core.read_message(item.bytes)
  if message.type ~= 2 then
    return pushed(self, in_full(self, item.sid, message),
      { session and session.uid or item.sid }, item.sid)
  end
  local waiting = self.sessions:answered(item.sid, message.id)
  if waiting then
    waiting.value = decode(self.sessions:reads(item.sid, waiting.route, message.body))
    waiting.done = true
  end
end

---Runs what is ready on a server, and takes what has left it where it goes, until nothing is left.
---@param self pomelua.test.Server
function records.settle(self)
  repeat
    self.node:settle()
    local busy = false
    for _, record in ipairs(self.node:outbox()) do
      busy = true
      kinds[record.kind](self, record)
    end
    for _, item in ipairs(self.node:sent()) do client_got(self, item) end
  until not busy
end

return records
