-- The line of nine clients is cut 1,008 times: over TCP, ws and wss, by RST, FIN and silence, at
-- random bytes of the handshake, its answer, the ACK, what is sent again and what is sent for the
-- first time; while all of them get the pushes of one channel, and ask and tell as well. What each
-- number of a push, request or notify became is counted. POMELUA_SEED repeats the cuts.
-- Tests core/node/resume, core/model/backlog and lua/pomelua/session/resume.
-- It measures nothing: another one may run beside it.
local certs = require "spec.support.certs"
local cutter = require "spec.support.cutter"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local returning = require "spec.support.returning"
local talk = require "spec.support.talk"
local uv = require "luv"

local TRANSPORTS = { "tcp", "ws", "wss" }
local EACH = 112 -- cuts of a client
local OPEN = 6 -- requests that wait at the same time
local QUIET = 150 -- ms of silence after which a client takes its line for lost, at least
local MOST = 100000 -- ms for all of it

local seed = tonumber(os.getenv("POMELUA_SEED")) or os.time()

-- How often each number ran, by who said it; told apart: connector, chat.
local counter = [[
return function(app)
  local Handler, runs, last, disorder = {}, {}, {}, 0

  local function count(session, n)
    local mine = runs[session.uid] or {}
    runs[session.uid], mine[n] = mine, (mine[n] or 0) + 1
    if n <= (last[session.uid] or 0) then disorder = disorder + 1 end
    last[session.uid] = n
  end

  function Handler:ask(msg, session)
    count(session, msg.n)
    return { code = 200, n = msg.n, pad = ("x"):rep(msg.n %% 50) }
  end
  function Handler:tell(msg, session) count(session, msg.n) end

  function Handler:runs(msg)
    local list = {}
    for n, times in pairs(runs[msg.uid] or {}) do list[#list + 1] = n .. "=" .. times end
    return { list = table.concat(list, " "), disorder = disorder }
  end
  %s
  return Handler
end
]]

local room = [[
  local channels, tick, timer = app:get("channelService"), 0, nil

  local function push()
    tick = tick + 1
    channels:getChannel("room", true):pushMessage("onTick",
      { i = tick, pad = ("x"):rep(tick % 7 == 0 and 400 or 60) })
  end

  function Handler:enter(msg, session, next)
    session:bind(msg.uid)
    channels:getChannel("room", true):add(msg.uid, app:getServerId())
    if not timer then
      timer = app:setInterval(10, function()
        push()
        if tick % 5 == 0 then push() end
      end)
    end
    next(nil, { code = 200, tick = tick })
  end
  function Handler:finish()
    app:clearTimer(timer)
    return { tick = tick }
  end
  function Handler:counts() return app._server.node:counts() end
]]

-- ---- one client ----

local Player = {}
Player.__index = Player

local players, newest -- newest: the last tick that any of them has seen

-- Where its next connection is cut. How many bytes it takes until a session is back is known from
-- those before: half of the cuts are among these bytes. The ACK is what comes next, of as many
-- bytes as ACK says.
local ACK = { tcp = 4, ws = 10, wss = 32 }

local function plan(self)
  local random, by = self.line.random, {}
  by.way, by.side = self.way, random(1, 2) == 1 and "up" or "down"
  local early, kind = self.early[by.side], random(1, 10)
  if kind == 1 then
    by.side, by.what, by.after = "up", "ACK", self.early.up + random(1, ACK[self.transport])
  elseif kind <= 5 then
    by.after = random(0, early + 30)
  elseif kind <= 7 then
    by.side, by.after = "down", self.early.down + random(0, 1500)
  else
    by.after = early + random(0, by.side == "up" and 800 or 3000)
  end
  return by
end

local function ask(self)
  local client = self.client
  if self.leaving then return end
  while client:waiting() < OPEN do
    if self.line.random(1, 3) == 1 then
      self.n = self.n + 1
      client:notify("connector.countHandler.tell", { n = self.n })
    end
    self.n = self.n + 1
    local n = self.n
    local chat = self.line.random(1, 4) == 1
    self.asked[n] = true
    client:request((chat and "chat" or "connector") .. ".countHandler.ask", { n = n }, function(m)
      if not m then return end
      if m.n ~= n then table.insert(client.faults, "another answer than that to " .. n) end
      self.answers[n] = (self.answers[n] or 0) + 1
    end)
  end
end

local function new_player(port, transport, way, i)
  local self = setmetatable({
    way = way, transport = transport, name = transport .. " " .. way, n = 0, epoch = 0,
    early = { up = 300, down = 300 }, phases = {}, asked = {}, answers = {}, pushes = 0,
    cuts = 0,
  }, Player)
  local client
  self.line = cutter.start(port, { seed = seed + i, cut = function(conn)
    local phase, by = client.phase, conn.plan
    if phase == "handshake" and by and by.side == "down" then
      phase = "answer"
    elseif phase == "open" and by and by.what then
      phase = by.what
    elseif phase == "open" and self.behind and self.tick < self.behind then
      phase = "replay" -- what is older than the newest push at the time of the connect
    end
    self.phases[phase] = (self.phases[phase] or 0) + 1
    self.cuts = self.cuts + 1
  end })
  client = returning.new {
    name = self.name, transport = transport, port = function() return self.line.port end,
    -- Longer where a handshake takes long, and when several in a row have failed.
    patience = function()
      local failed = client.connects - self.last_open
      return math.max(QUIET, 5 * self.shake) * (1 + math.floor(failed / 4))
    end,
    connect = function()
      self.from = uv.now()
      local cut = self.epoch > 0 and self.entered and self.cuts < EACH
      self.behind = newest
      self.line:next(cut and plan(self) or nil)
    end,
    -- Now and then it is away for as long as it takes until the server misses its heartbeats.
    lost = function()
      local random = self.line.random
      if random(1, 40) == 1 then return 2500 end
      return random(1, 3) == 1 and random(0, 200) or 0
    end,
    back = function()
      self.last_open, self.shake = client.connects, uv.now() - self.from
      self.early = { up = self.line.last.bytes.up, down = self.line.last.bytes.down }
      ask(self)
    end,
    fresh = function()
      self.last_open, self.epoch, self.entered = client.connects, self.epoch + 1, false
      self.uid = self.name .. " " .. self.epoch
      self.n, self.asked, self.answers = 0, {}, {}
      client:request("connector.countHandler.enter", { uid = self.uid }, function(m)
        if not m then return end
        assert(m.code == 200, "it did not get in")
        self.tick, self.entered = m.tick, true
        -- The first connection is whole until it has entered.
        if self.epoch == 1 then self.line:cut("rst") end
      end)
    end,
    push = function(m)
      local i_of = m.msg.i
      if self.tick and i_of ~= self.tick + 1 then
        table.insert(client.faults, ("push %d after %d"):format(i_of, self.tick))
      end
      self.tick, self.pushes = i_of, self.pushes + 1
      newest = math.max(newest, i_of)
      -- One whose cuts are done leaves the processor to the others.
      if self.entered and (self.cuts < EACH or i_of % 20 == 0) then ask(self) end
    end,
  }
  self.client, self.last_open, self.shake = client, 1, 0
  return self
end

-- ---- the spec ----

describe("A line that is cut 1,008 times at random bytes", function()
  local server

  setup(function()
    print("resume: POMELUA_SEED=" .. seed)
    server = talk.start {
      files = (function()
        local files = certs.files()
        files["app/servers/connector/handler/countHandler.lua"] = counter:format(room)
        files["app/servers/chat/handler/countHandler.lua"] = counter:format("")
        return files
      end)(),
      config = 'ssl = { cert = "config/tls/game.crt", key = "config/tls/game.key" }, '
        .. "heartbeat = 1, resume = { grace = 60, bytes = 1048576, total = 64 }",
    }
    players, newest = {}, 0
    for _, transport in ipairs(TRANSPORTS) do
      for _, way in ipairs(cutter.ways) do
        players[#players + 1] = new_player(server.port, transport, way, #players + 1)
      end
    end
  end)

  teardown(function() server:stop() end)

  -- Over a line of its own, which is not cut.
  local function request(route, body)
    local control = pomelo.connect(server.port)
    local answer = assert(control:request(route, body or {}))
    control:close()
    return answer
  end

  local function all(check)
    for _, one in ipairs(players) do if not check(one) then return false end end
    return true
  end

  -- What a client has done wrong, or what was done to it.
  local function wrong(one, runs)
    local list = {}
    for _, text in ipairs(one.client.faults) do list[#list + 1] = text end
    if runs.disorder > 0 then list[1] = ("%d ran in another order"):format(runs.disorder) end
    for n = 1, one.n do
      if runs[n] ~= 1 then list[#list + 1] = ("%d ran %s times"):format(n, tostring(runs[n])) end
      if one.asked[n] and one.answers[n] ~= 1 then
        list[#list + 1] = ("%d has %s answers"):format(n, tostring(one.answers[n]))
      end
    end
    return list
  end

  local function runs_of(uid)
    local runs = {}
    for _, kind in ipairs { "connector", "chat" } do
      local got = request(kind .. ".countHandler.runs", { uid = uid })
      runs.disorder = (runs.disorder or 0) + got.disorder
      for n, times in got.list:gmatch("(%d+)=(%d+)") do
        runs[tonumber(n)] = (runs[tonumber(n)] or 0) + tonumber(times)
      end
    end
    return runs
  end

  it("loses nothing, does nothing twice, and is nearly always recovered", function()
    local from = uv.now()
    for _, one in ipairs(players) do one.client:start() end
    local cut = net.wait(function()
      return all(function(one) return one.cuts >= EACH end)
    end, MOST)
    for _, one in ipairs(players) do one.leaving = true end
    local settled = net.wait(function()
      return all(function(one) return one.client.phase == "open" and one.client:waiting() == 0 end)
    end, 20000)
    local last = request("connector.countHandler.finish").tick
    net.wait(function() return all(function(one) return one.tick == last end) end, 10000)
    local took = (uv.now() - from) / 1000

    local sums, said = { cuts = 0, recovered = 0, not_recovered = 0, connects = 0, phases = {} }, {}
    local bad = {}
    for _, one in ipairs(players) do
      local client = one.client
      sums.cuts = sums.cuts + one.cuts
      for _, key in ipairs { "recovered", "not_recovered", "connects" } do
        sums[key] = sums[key] + client[key]
      end
      for phase, n in pairs(one.phases) do
        sums.phases[phase] = (sums.phases[phase] or 0) + n
      end
      said[#said + 1] = ("%-12s %4d cuts, %4d connects, %4d recovered, %d not; %d pushes, "
        .. "%d numbers"):format(one.name, one.cuts, client.connects, client.recovered,
          client.not_recovered, one.pushes, one.n)
      for _, text in ipairs(wrong(one, runs_of(one.uid))) do bad[#bad + 1] = text end
      if one.tick ~= last then
        bad[#bad + 1] = ("%s: the last push is %s of %d"):format(one.name, tostring(one.tick), last)
      end
    end
    local phases = {}
    for phase, n in pairs(sums.phases) do phases[#phases + 1] = phase .. " " .. n end
    table.sort(phases)
    said[#said + 1] = ("%d cuts in %.1f s: %s"):format(sums.cuts, took, table.concat(phases, ", "))
    local counts = request("connector.countHandler.counts")
    for name, n in pairs(counts) do
      if name:find("^resume") then said[#said + 1] = ("%s %d"):format(name, n) end
    end
    local text = table.concat(said, "\n")
    print(text)
    assert.are.same({}, { unpack(bad, 1, 20) }, text)
    assert.is_truthy(cut, "the cuts took too long\n" .. text)
    assert.is_truthy(settled, "not all are back\n" .. text)
    assert.is_true(sums.cuts >= 1000, text)
    assert.is_true(sums.recovered > 0.95 * (sums.recovered + sums.not_recovered), text)
    assert.is_true(sums.recovered > 300, text)
    for _, phase in ipairs { "handshake", "answer", "ACK", "replay", "open" } do
      assert.is_true((sums.phases[phase] or 0) >= 20, phase .. "\n" .. text)
    end
  end)
end)
