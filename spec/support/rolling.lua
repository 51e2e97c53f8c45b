-- A game under numbered load, whose servers are restarted one after the other, and the proof that
-- nothing was lost: spec/slow/rolling_spec.lua.
--
--   local game = rolling.new()       -- its files, with free ports; or rolling.chat()
--   rolling.in_one(game, 20)         -- 20 bots play while all servers of a process are restarted
--   rolling.in_many(game, 20)        -- the same with a process for each server
--
-- Every bot asks request after request, numbered; a chat server that runs one pushes it to all, by
-- a cluster channel or as a broadcast, with a number of its own. What each chat server has run, and
-- in which order, it writes to a file when it stops. A bot notes when it asked, when it was
-- answered, and what it got in which session.
local app = require "spec.support.app"
local broker = require "spec.support.broker"
local cjson = require "cjson"
local net = require "spec.support.net"
local ports = require "spec.support.ports"
local tree = require "spec.support.tree"
local uv = require "luv"

local rolling = {
  ids = { "chat-1", "chat-2", "connector-1", "connector-2", "gate-1" }, -- backends first
}

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure(nil, "gate", function() app:set("connectorConfig", { distinctHost = true }) end)
app:configure(nil, "connector", function()
  app:set("connectorConfig", { distinctHost = true, useDict = true, useProtobuf = true })
end)
app:set("serverConfig", { reload = false, drainTime = 1000 })
-- One asks both in turn, so that each has much to do while the other stops.
app:set("proxyConfig", { routerType = "rr" })
app:configure(nil, "chat", function()
  local seq, ran = 0, {}
  app:set("run", function(from, n)
    seq = seq + 1
    ran[seq] = { from, n }
    return seq
  end)
  app.event:on("stop_server", function(id)
    local life = app:get("life")
    local file = assert(io.open(app:getBase() .. "/ran/" .. id .. "-" .. life .. ".json", "w"))
    file:write(pomelua.json.encode { life = life, ran = ran })
    file:close()
  end)
  app:set("life", app:getServerId() .. "-" .. pomelua.now() .. "-" .. math.random(1e9))
end)
app:start()
]]

local GATE = [[
return function(app)
  local Handler = {}
  function Handler:where(msg)
    local list = app:getServersByType("connector")
    if #list == 0 then return { code = 500 } end
    local one = list[msg.n % #list + 1]
    return { code = 200, host = one.host, port = one.clientPort }
  end
  return Handler
end
]]

local CONNECTOR = [[
return function(app)
  local Handler = {}
  function Handler:enter(msg, session)
    session:bind(msg.name)
    local room = app:get("channelService"):getChannel("room", true, { scope = "cluster" })
    local ok, err = room:add(session)
    return { code = ok and 200 or 500, why = err and err.message }
  end
  return Handler
end
]]

-- @more@: what a later release adds.
local CHAT = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  local channels = app:get("channelService")
  local room = channels:getChannel("room", true, { scope = "cluster" })
  function Handler:say(msg, session)
    if msg.n % 7 == 0 then pomelua.sleep(30) end
    local seq = app:get("run")(session.uid, msg.n)
    local said = { from = session.uid, n = msg.n, seq = seq, life = app:get("life")@field@ }
    if msg.n % 2 == 0 then room:pushMessage("onSay", said)
    else channels:broadcast("connector", "onSay", said, { binded = true }) end
    return { code = 200, n = msg.n }
  end
  @more@
  return Handler
end
]]

local WAVE = [[
function Handler:wave(msg) return { code = 200, echo = msg.mood } end
]]

local function field(kind, type, name, tag)
  return ('"%s %s %s": %d'):format(kind, type, name, tag)
end

local function definitions(release)
  local say = { field("required", "string", "from", 1), field("required", "uInt32", "n", 2),
    field("required", "uInt32", "seq", 3), field("required", "string", "life", 4) }
  if release > 1 then say[5] = field("optional", "uInt32", "mood", 5) end
  local server = ('{"onSay": {%s}}'):format(table.concat(say, ", "))
  local client = '"chat.chatHandler.say": {"required uInt32 n": 1}'
  if release > 1 then
    client = client .. ', "chat.chatHandler.wave": {"required uInt32 mood": 1}'
  end
  return server, "{" .. client .. "}"
end

-- The files that differ between releases.
local function release_files(release)
  local later = release > 1
  local server, client = definitions(release)
  return {
    ["app/servers/chat/handler/chatHandler.lua"] = CHAT:gsub("@(%a+)@", {
      field = later and ", mood = 3" or "", more = later and WAVE or "",
    }),
    ["config/serverProtos.json"] = server, ["config/clientProtos.json"] = client,
  }
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

-- The paths of all files below a folder.
local function files_of(dir, prefix, list)
  list, prefix = list or {}, prefix or ""
  local req = assert(uv.fs_scandir(dir))
  for name, kind in function() return uv.fs_scandir_next(req) end do
    if kind == "directory" then files_of(dir .. "/" .. name, prefix .. name .. "/", list)
    else list[#list + 1] = prefix .. name end
  end
  return list
end

-- How bots speak to a game.
local OWN = [[
local kind = {
  gate = "gate.gateHandler.where", push = "onSay", route = "chat.chatHandler.say",
  where = function(turn) return { n = turn } end,
  enter = function(name) return { name = name } end,
  say = function(n) return { n = n } end,
  read = function(msg) return msg.from, msg.n end,
}
]]
local CHAT_EXAMPLE = [[
local kind = {
  gate = "gate.gateHandler.queryEntry", push = "onChat", route = "chat.chatHandler.send",
  where = function(turn) return { uid = "bot" .. turn } end,
  enter = function(name) return { username = name, rid = "lobby" } end,
  say = function(n) return { content = tostring(n), target = "*" } end,
  read = function(msg) return msg.from, msg.msg end,
}
]]

---A game in a folder, which is not started.
---@return table game dir, port (of its gate)
function rolling.new()
  local free = ports.some(3)
  local entry = '{"id": "%s", "host": "127.0.0.1", "clientPort": %d, "frontend": true}'
  local files = release_files(1)
  files["app.lua"] = APP
  files["config/servers.json"] = ([[{
    "gate": [%s], "connector": [%s, %s],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"}]
  }]]):format(entry:format("gate-1", free[1]), entry:format("connector-1", free[2]),
    entry:format("connector-2", free[3]))
  files["app/servers/gate/handler/gateHandler.lua"] = GATE
  files["app/servers/connector/handler/entryHandler.lua"] = CONNECTOR
  files["ran/.keep"] = ""
  return { dir = tree.new(files), port = free[1], kind = OWN, ids = rolling.ids }
end

---The chat example, in a folder of its own, on free ports. Its chat servers write nothing.
---@return table game
function rolling.chat()
  local source, texts, ids = "examples/chat", {}, {}
  for _, path in ipairs(files_of(source)) do texts[path] = read(source .. "/" .. path) end
  local entries = cjson.decode(texts["config/servers.json"]).development
  local free, gate = ports.some(20), nil
  for _, kind in ipairs { "chat", "connector", "gate" } do
    for _, entry in ipairs(entries[kind]) do
      ids[#ids + 1] = entry.id
      if entry.port then entry.port = table.remove(free) end
      if entry.clientPort then entry.clientPort = table.remove(free) end
      if kind == "gate" then gate = entry.clientPort end
    end
  end
  texts["config/servers.json"] = cjson.encode { development = entries }
  texts["config/web.json"] = nil
  return { dir = tree.new(texts), port = gate, kind = CHAT_EXAMPLE, ids = ids }
end

---Puts the files of another release into its folder; servers that start from here on have them.
function rolling.release(game, n)
  for path, text in pairs(release_files(n)) do tree.write(game.dir, path, text) end
end

local BOTS = [[
local client = require "pomelua.client"
local pomelua = require "pomelua"
local dir, gate, many = ...
gate, many = tonumber(gate), tonumber(many)
@kind@

local function exists(name)
  local file = io.open(dir .. "/" .. name)
  if file then file:close() end
  return file ~= nil
end

local turn, joined = 0, 0
local said, sessions, moved, lost, mood = {}, {}, 0, {}, 0
local stopped, running = false, 0

-- Runs a function in a task of its own; pomelua.all waits for half a minute at most.
local function spawn(fn)
  local begun = false
  pomelua.every(1, function()
    if begun then return end
    begun, running = true, running + 1
    fn()
    running = running - 1
  end)
end

local function ask_gate()
  local one, message = client.connect { port = gate, move = false }
  if not one then return nil, message end
  turn = turn + 1
  local answer, wrong = one:request(kind.gate, kind.where(turn))
  one:close()
  if not answer or answer.code ~= 200 then return nil, wrong or "no connector" end
  return answer.host, answer.port
end

-- Asks until it is answered: what was not run may be sent again.
local function ask(self, route, msg)
  while true do
    local answer, message, name = self:request(route, msg, 20000)
    if answer then return answer end
    if name ~= "MOVED" then return nil, message end
    moved = moved + 1
  end
end

local function play(i)
  local name = "bot" .. i
  local session
  local bot = assert(client.connect { address = ask_gate, login = function(self)
    session = { name = name, got = {}, from = nil }
    local mine = session
    -- A later session has a listener of its own.
    self:on(kind.push, function(msg)
      if msg.mood then mood = mood + 1 end
      local from, n = kind.read(msg)
      mine.got[#mine.got + 1] = { from .. " " .. n, pomelua.now(), msg.life, msg.seq }
    end)
    local answer, message, why = self:request("connector.entryHandler.enter", kind.enter(name))
    if why == "MOVED" then moved = moved + 1 end
    if not answer or answer.code == 500 then error(message or answer.why or "refused", 0) end
    mine.from = pomelua.now()
    sessions[#sessions + 1] = mine
  end })
  joined = joined + 1
  local last = 0
  local function say(pause)
    while not stopped do
      last = last + 1
      local n, t0 = last, pomelua.now()
      local answer, message = ask(bot, kind.route, kind.say(n))
      if not answer then
        lost[#lost + 1] = name .. " " .. n .. ": " .. message
      elseif answer.code == 500 then
        lost[#lost + 1] = name .. " " .. n .. ": " .. pomelua.json.encode(answer)
      else
        said[#said + 1] = { name, n, t0, pomelua.now() }
      end
      pomelua.sleep(math.random(pause, 2 * pause))
    end
  end
  -- Some ask several things at the same time, so that something comes behind the close.
  local others = i % 5 == 0 and 3 or 0
  for _ = 1, others do
    spawn(function()
      say(20)
      others = others - 1
    end)
  end
  say(others > 0 and 20 or 30)
  while others > 0 do pomelua.sleep(5) end
  local wave = exists "wave" and ask(bot, "chat.chatHandler.wave", { mood = i })
  bot:close()
  return wave and wave.echo == i
end

local done, waves, said_ready = 0, 0, false
for i = 1, many do
  spawn(function()
    if play(i) then waves = waves + 1 end
    done = done + 1
  end)
end
while done < many or running > 0 do
  stopped = exists "stop"
  if joined == many and not said_ready then
    said_ready = true
    print "ready"
    io.stdout:flush()
  end
  pomelua.sleep(20)
end
local file = assert(io.open(dir .. "/result.json", "w"))
file:write(pomelua.json.encode { said = pomelua.array(said), sessions = pomelua.array(sessions),
  moved = moved, lost = pomelua.array(lost), mood = mood, waves = waves })
file:close()
return 0
]]

local Bots = {}
Bots.__index = Bots

---Starts the bots, and waits until all have come in.
---@param game table
---@param many number
function rolling.bots(game, many)
  tree.write(game.dir, "bots.lua", (BOTS:gsub("@kind@", game.kind)))
  local self = setmetatable({ dir = game.dir }, Bots)
  self.process = net.spawn(net.built("pomelua"), { "run", game.dir .. "/bots.lua", game.dir,
    tostring(game.port), tostring(many) })
  assert(self.process:waitLine("^ready$", app.patience))
  return self
end

---Lets them go on for a while.
function Bots:play(ms)
  local due = uv.hrtime() / 1e6 + ms
  net.wait(function() return uv.hrtime() / 1e6 >= due end, ms + 1000)
  assert(not self.process.code, self.process.err)
end

---They stop after what they have asked; what they have seen.
---@param waves boolean? they ask the route that is new at last
function Bots:finish(waves)
  if waves then tree.write(self.dir, "wave", "") end
  tree.write(self.dir, "stop", "")
  local code = self.process:waitExit(60000)
  assert(code == 0, self.process.err)
  return cjson.decode(assert(read(self.dir .. "/result.json")))
end

-- What the chat servers have run: how often each request; "life seq" → "from n".
local function what_ran(game)
  local times, order = {}, {}
  local req = uv.fs_scandir(game.dir .. "/ran")
  for name in function() return req and uv.fs_scandir_next(req) end do
    if name:find("%.json$") then
      local one = cjson.decode(read(game.dir .. "/ran/" .. name))
      for seq, pair in ipairs(one.ran) do
        local key = pair[1] .. " " .. pair[2]
        times[key], order[one.life .. " " .. seq] = (times[key] or 0) + 1, key
      end
    end
  end
  return req and times, order
end

-- A push belongs into a session that had begun a while before it was asked for, and that got
-- something a fifth of a second after it was answered, so that it has not moved meanwhile. Each
-- comes once, and those of one server in order.
local BEGUN_MS, SURE_MS = 300, 200

local function check_session(session, said, order)
  local wrong, got, owed, last, before = {}, {}, 0, 0, {}
  local function fault(...) wrong[#wrong + 1] = session.name .. " " .. string.format(...) end
  for _, one in ipairs(session.got) do
    local key, when, life, seq = one[1], one[2], one[3], one[4]
    if got[key] then fault("got %s twice", key) end
    if life then
      if order[life .. " " .. seq] ~= key then fault("got %s as %s %d", key, life, seq) end
      if seq <= (before[life] or 0) then fault("got %s %d behind %d", life, seq, before[life]) end
      before[life] = seq
    end
    got[key], last = true, math.max(last, when)
  end
  for _, one in ipairs(said) do
    local key, t0, t1 = one[1] .. " " .. one[2], one[3], one[4]
    if t0 > session.from + BEGUN_MS and t1 + SURE_MS < last then
      owed = owed + 1
      if not got[key] then
        fault("there from %d to %d, did not get %s, from %d to %d", session.from, last, key, t0, t1)
      end
    end
  end
  return wrong, owed
end

-- What the frontends say that came behind their closes.
local function behind(logs)
  local n, told = 0, 0
  for moved, requests in logs:gmatch(
    "connector%-[%w-]+ +(%d+) clients were told to move; requests behind the close: (%d+)") do
    n, told = n + tonumber(requests), told + tonumber(moved)
  end
  return n, told
end

---Raises unless nothing was lost. Returns the figures.
---@param game table
---@param seen table of Bots:finish
---@param logs string
function rolling.check(game, seen, logs)
  local times, order = what_ran(game)
  local wrong, owed = {}, 0
  for _, text in ipairs(seen.lost) do wrong[#wrong + 1] = "not answered: " .. text end
  for _, one in ipairs(times and seen.said or {}) do
    local key = one[1] .. " " .. one[2]
    local n = times[key] or 0
    if n ~= 1 then wrong[#wrong + 1] = ("%s ran %d times"):format(key, n) end
    times[key] = nil
  end
  for key in pairs(times or {}) do wrong[#wrong + 1] = key .. " ran, and was not answered" end
  for _, session in ipairs(seen.sessions) do
    local more, n = check_session(session, seen.said, order)
    owed = owed + n
    for _, text in ipairs(more) do wrong[#wrong + 1] = text end
  end
  local counted, told = behind(logs)
  if counted ~= seen.moved then
    wrong[#wrong + 1] = ("%d requests were not run, %d were counted"):format(seen.moved, counted)
  end
  assert(#wrong == 0, ("%d faults:\n%s"):format(#wrong, table.concat(wrong, "\n", 1,
    math.min(#wrong, 40))))
  return { requests = #seen.said, moved = seen.moved, told = told, pushes = owed,
    sessions = #seen.sessions }
end

-- Restarts ---------------------------------------------------------------------------

local PLAY_MS = 1000 -- between two restarts

local function new_run(game)
  local run = { list = {} }

  function run.start(...)
    local p = net.spawn(net.built("pomelua"), { "start", game.dir, ... })
    run.list[#run.list + 1] = p
    assert(p:waitLine("^ready$", app.patience))
    return p
  end

  function run.stop(p)
    p:kill("sigterm")
    assert(p:waitExit(30000) == 0, p.err)
  end

  -- Every bot was told to move at least once, and nothing was lost.
  function run.check(seen, many)
    local logs = {}
    for i, p in ipairs(run.list) do logs[i] = p.err end
    local figures = rolling.check(game, seen, table.concat(logs))
    assert(figures.told >= many and figures.pushes > 1000, cjson.encode(figures))
  end

  return run
end

---All servers in one process, each restarted by the tool.
---@param game table
---@param many number of bots
function rolling.in_one(game, many)
  local run = new_run(game)
  local p = run.start()
  local bots = rolling.bots(game, many)
  for _, id in ipairs(game.ids) do
    bots:play(PLAY_MS)
    local tool = net.spawn(net.built("pomelua"), { "restart", id, "-d", game.dir })
    assert(tool:waitExit(30000) == 0, tool.out .. tool.err)
  end
  bots:play(PLAY_MS)
  local seen = bots:finish()
  run.stop(p)
  run.check(seen, many)
end

---One process for each server, over a broker; each ends by SIGTERM, and then a new one starts.
---@param game table
---@param many number of bots
---@param release number? of the new processes
---@return table seen of Bots:finish
function rolling.in_many(game, many, release)
  local run, url, of = new_run(game), broker.start().url, {}
  local function start(id) of[id] = run.start("--bus", url, "--only", id) end
  for _, id in ipairs(game.ids) do start(id) end
  local bots = rolling.bots(game, many)
  if release then rolling.release(game, release) end
  for _, id in ipairs(game.ids) do
    bots:play(PLAY_MS)
    run.stop(of[id])
    start(id)
  end
  bots:play(PLAY_MS)
  local seen = bots:finish(release ~= nil)
  -- Frontends first, so that nobody asks a server whose type is gone.
  for i = #game.ids, 1, -1 do run.stop(of[game.ids[i]]) end
  run.check(seen, many)
  return seen
end

return rolling
