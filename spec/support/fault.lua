-- What specs of faults share: an app of two frontends and two chat servers, each a process of its
-- own on a bus, clients that ask with numbers, and the state that all must be in when it is quiet.
--
--   local app = fault.start { urls = { broker.url } }
--   local asker = fault.asker(app, "connector-1")
--   asker:good(10)                ten numbered requests, each answered with its number
--   asker:bad(5)                  five, each answered with an error in time
--   asker:served(3000)            errors at first, and a good answer within 3 s
--   fault.quiet(app, { "connector-1", … })
--
-- The heartbeat is 0.2 s, the timeout 1 s, and a message waits for 0.5 s.
local apps = require "spec.support.app"
local both = require "spec.support.both"
local net = require "spec.support.net"
local probe = require "spec.support.probe"

local fault = {}

fault.IDS = { "connector-1", "connector-2", "chat-1", "chat-2" }

local SERVERS = [[{"development": {
  "connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"}]}}]]

-- Requests for chat go to the server that args.to names, or to each in turn.
local SETTINGS = [[
  app:set("serverConfig", { forwardTimeout = 500, timeout = 60000, awaitTimeout = 60000 })
  app:set("proxyConfig", { timeout = 500 })
  app:configure("all", "connector", function()
    app:set("connectorConfig", { distinctHost = true, rate = false })
  end)
  app:configure("all", "chat", function()
    app:set("channelConfig", { autoLeave = true, removeEmpty = true, pushTimeout = 500 })
  end)
  local turn = 0
  app:route("chat", function(session, msg)
    local to = msg and msg.body and msg.body.to
    if to then return to end
    local list = app:getServersByType("chat") or {}
    if #list == 0 then return "chat-1" end
    turn = turn % #list + 1
    return list[turn].id
  end)
  app.event:on("remove_servers", function(ids)
    for _, one in ipairs(ids) do print("gone: " .. (type(one) == "table" and one.id or one)) end
  end)
]]

local LATE = 3000 -- ms: what takes longer is silence

-- ---- the app ----

---The files of the app. settings: more text of app/settings.lua.
---@param settings string?
---@return table<string, string>
function fault.files(settings)
  return probe.files(SETTINGS .. (settings or "") .. both.TELL, {
    ["config/servers.json"] = SERVERS,
    ["app/servers/gate/handler/probe.lua"] = false, ["app/servers/gate/remote/probe.lua"] = false,
    ["app/servers/room/handler/probe.lua"] = false, ["app/servers/room/remote/probe.lua"] = false,
  })
end

---@param bus table of config/bus.json: urls at least
---@param opts table? spread: the ids of each process; settings: more text; broker: of the app
---@return table app as of both.spread, with probe's clients
function fault.start(bus, opts)
  opts = opts or {}
  local given = { heartbeat = 0.2, timeout = 1 }
  for key, value in pairs(bus) do given[key] = value end
  local spread = opts.spread or {}
  for i, id in ipairs(opts.spread and {} or fault.IDS) do spread[i] = { id } end
  return probe.of(both.spread(fault.files(opts.settings), spread, given))
end

-- ---- clients ----

local Asker = {}
Asker.__index = Asker

---A client that asks chat servers with numbers.
---@param app table
---@param frontend string
---@param opts table? as of app:client; to: the chat server that is meant
---@return table
function fault.asker(app, frontend, opts)
  return setmetatable({
    client = app:client(frontend, opts), n = 0, to = opts and opts.to,
  }, Asker)
end

---Sends the next number.
---@return integer id
function Asker:send()
  self.n = self.n + 1
  return self.client:askRun("chat", "return { n = args, by = app:getServerId() }", self.n,
    { to = self.to })
end

-- Asks once: "good" and by whom, or "bad" and the text. Silence and another's answer are errors.
function Asker:ask()
  local id = self:send()
  local answer, message = self.client:answer(id, LATE)
  assert(answer, ("request %d: %s"):format(self.n, tostring(message)))
  if answer.code == 500 then return "bad" end
  assert(answer.n == self.n, ("request %d got the answer of %s"):format(self.n,
    tostring(answer.n)))
  return "good", answer.by
end

-- Errors that come at once would be asked for as fast as the machine can.
local function pause() net.wait(function() end, 5) end

---@param n integer
function Asker:good(n)
  for _ = 1, n do
    local how = self:ask()
    assert(how == "good", ("request %d was answered with an error"):format(self.n))
  end
end

---@param n integer
function Asker:bad(n)
  for _ = 1, n do
    local how = self:ask()
    assert(how == "bad", ("request %d was answered"):format(self.n))
  end
end

-- How long what takes so many ms on a machine of one's own may take on one that others use, too.
local BUSY = 5

---Asks until an answer is an error.
---@param ms integer how long that may take
function Asker:lost(ms)
  local begun = net.ms()
  ms = BUSY * ms
  while self:ask() == "good" do
    assert(net.ms() - begun <= ms, ("still served after %d ms"):format(ms))
    pause()
  end
end

---Asks for so long; each answer is an error.
---@param ms integer
function Asker:bad_for(ms)
  local begun = net.ms()
  while net.ms() - begun < ms do
    self:bad(1)
    pause()
  end
end

---Asks n times; each answer is good.
---@param n integer
---@return number ms the middle of the times that they took
function Asker:took(n)
  local times = {}
  for i = 1, n do
    local begun = net.ms()
    self:good(1)
    times[i] = net.ms() - begun
  end
  table.sort(times)
  return times[math.ceil(n / 2)]
end

---Asks until 20 answers in a row are good.
---@param ms integer how long that may take
---@return number ms after which the first of them came
function Asker:served(ms)
  local begun, row, first = net.ms(), 0, nil
  ms = BUSY * ms
  repeat
    assert(net.ms() - begun <= ms, ("no good answers within %d ms"):format(ms))
    if self:ask() == "good" then
      row, first = row + 1, first or net.ms() - begun
    else
      row, first = 0, nil
      pause()
    end
  until row == 20
  return first
end

-- ---- a room ----

local Room = {}
Room.__index = Room

-- Pushes numbers, one every 20 ms, until it is told to stop.
local PUSH = [[
  local room = app:get("channelService"):getChannel("numbers", true)
  for uid, sid in pairs(args) do room:add(uid, sid) end
  keep.run, keep.pushed = (keep.run or 0) + 1, 0
  local run = keep.run
  local function go()
    if keep.run ~= run then return end
    keep.pushed = keep.pushed + 1
    room:pushMessage("onNumber", { n = keep.pushed })
    app:setTimeout(20, go)
  end
  go()
  return true
]]
-- The last one goes to members that are all reached.
local LAST = [[
  keep.run = keep.run + 1
  local room = app:get("channelService"):getChannel("numbers", false)
  keep.pushed = keep.pushed + 1
  room:pushMessage("onNumber", { n = keep.pushed })
  return { last = keep.pushed, members = room:getUserAmount() }
]]

---A channel on a chat server, to which numbers are pushed all the time.
---@param app table
---@param at string id of the chat server
---@param members table<string, string> frontends by uid
---@return table
function fault.room(app, at, members)
  local self = setmetatable({ app = app, at = at, members = {}, places = members, n = 0 }, Room)
  for uid, sid in pairs(members) do
    self.n = self.n + 1
    self.members[uid] = app:client(sid, { uid = uid })
  end
  self.boss = app:client "connector-1"
  self.boss:run("chat", PUSH, members, { to = at })
  return self
end

---Asserts that all members are still there and get what is pushed now, and that each got its
---numbers in order and none twice. Goes on afterwards.
---@return integer missing
function Room:check()
  local told = self.boss:run("chat", LAST, nil, { to = self.at })
  assert(told.members == self.n, ("%d members of %d"):format(told.members, self.n))
  local missing = 0
  for uid, client in pairs(self.members) do
    local last = 0
    while last < told.last do
      local message = assert(client:push(LATE))
      if message.route == "onNumber" then
        local n = message.msg.n
        assert(n > last, ("%s got number %d after %d"):format(uid, n, last))
        missing, last = missing + n - last - 1, n
      end
    end
  end
  self.boss:run("chat", PUSH, self.places, { to = self.at })
  return missing
end

-- ---- servers ----

-- Runs a text as a remote of a server, asked by that of the client, after a while.
local ON = [[
  pomelua.sleep(20)
  local stype = args.id:match("^%a+")
  return show(pomelua.await(app.rpc[stype].probe.run.toServer, args.id, args.text))
]]

local STATE = [[
  local ids, counts = {}, node:counts()
  for _, stype in ipairs { "connector", "chat" } do
    for _, one in ipairs(app:getServersByType(stype) or {}) do ids[#ids + 1] = one.id end
  end
  table.sort(ids)
  local wrong = {}
  for name, value in pairs(counts) do
    if type(value) == "number" and value < 0 then wrong[#wrong + 1] = name .. " " .. value end
  end
  local calls = 0
  for _ in pairs(app._server.rpc.calls) do calls = calls + 1 end
  cb(nil, table.concat(ids, " "), counts.requestsOpen, counts.rpcWaiting, calls, #wrong > 0
    and table.concat(wrong, ", ") or "none")
]]

---Waits until each of these servers knows exactly them, owes nothing and waits for nothing.
---@param app table
---@param ids string[] sorted as given; a connector first
function fault.quiet(app, ids)
  local sorted = { unpack(ids) }
  table.sort(sorted)
  local client, all = app:client(ids[1]), table.concat(sorted, " ")
  for _, id in ipairs(ids) do
    -- The one that asks has this request and this call open.
    local own = id == ids[1] and 1 or 0
    local expected = ('"%s" %d %d %d "none"'):format(all, own, own, own)
    local got
    net.wait(function()
      local answer = client:run(nil, ON, { id = id, text = STATE })
      got = table.concat(answer, " ")
      return got == expected
    end, apps.patience)
    assert(got == expected, ("%s: %s and not %s"):format(id, got, expected))
  end
  client:close()
end

local UP = [[
  local ids = {}
  for i, one in ipairs(app:getServersByType(args) or {}) do ids[i] = one.id end
  table.sort(ids)
  return table.concat(ids, " ")
]]

---Waits until the frontend of an asker sees exactly these servers of a type.
---@param asker table
---@param stype string
---@param ids string
---@param ms integer?
function fault.sees(asker, stype, ids, ms)
  local got
  net.wait(function()
    got = asker.client:run(nil, UP, stype)
    return got == ids or net.wait(function() end, 5)
  end, ms and BUSY * ms or apps.patience)
  assert(got == ids, ("it sees %s and not %s"):format(tostring(got), ids))
end

---Asserts that no server was gone for another one so far.
function fault.nobody_gone(app)
  local line = app.process.err:match("[^\n]*gone: [^\n]*")
  assert(not line, line)
end

return fault
