-- A soak: a small game under clients that come and go, reloads, and restarts of every server in
-- turn, for minutes. Each answer carries what was asked and each push whom it is for, so that one
-- that is lost, doubled or misdirected is seen. Not part of `make test`.
--
--   make soak MINUTES=20        SEED=N repeats the order of things, EVERY=seconds between restarts
--
-- Prints a line a minute and one at the end; the status is 1 when anything was doubled,
-- misdirected, or lost in silence. An answer {"code":500}, or a connection that closes, is allowed
-- while a server is restarted (GRACE seconds); at other times it counts as a failure.
local root = (arg[0]:match("^(.*)/tools/[^/]*$") or ".")
package.path = root .. "/?.lua;" .. package.path

local apps = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local uv = require "luv"

local MINUTES = tonumber(os.getenv "MINUTES" or "") or 20
local EVERY = tonumber(os.getenv "EVERY" or "") or 5
local SEED = tonumber(os.getenv "SEED" or "") or os.time()
local CLIENTS, GRACE, PATIENCE = 40, 4, 20

local ENTRY = [[
local pomelua = require "pomelua"
return function(app)
  local Entry = {}
  function Entry:echo(msg, session) return { n = msg.n, id = session.id } end
  -- The uid is this client's alone, whoever had it before.
  function Entry:login(msg, session, next)
    app:get("sessionService"):kick(msg.uid, "other login")
    session:bind(msg.uid, function(err) next(err, { n = msg.n, id = session.id }) end)
  end
  return Entry
end
]]

local CHAT = [[
local pomelua = require "pomelua"
return function(app)
  local Chat = {}
  function Chat:echo(msg, session) return { n = msg.n, id = session.id } end
  function Chat:slow(msg, session)
    pomelua.sleep(msg.ms)
    return { n = msg.n, id = session.id }
  end
  function Chat:mark(msg, session)
    pomelua.sleep(msg.ms)
    session:set("mark", msg.n)
    session:pushAll(function() end)
    return { n = msg.n, id = session.id }
  end
  function Chat:marked(msg, session)
    return { n = msg.n, id = session.id, mark = session:get("mark") }
  end
  function Chat:push(msg, session)
    local marked = { uid = session.uid, sid = session.id, k = msg.k }
    app:get("channelService"):pushMessageByUids("onN", marked,
      { { uid = session.uid, sid = session.frontendId } })
    return { n = msg.n, id = session.id }
  end
  return Chat
end
]]

local function entry(id, frontend)
  return ('{"id": "%s", "host": "127.0.0.1"%s}'):format(id,
    frontend and ', "clientPort": 0, "frontend": true' or "")
end

local server = apps.start {
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true })
end)
app:start()
]],
  ["config/servers.json"] = ('{"connector": [%s, %s], "chat": [%s, %s]}'):format(
    entry("connector-1", true), entry("connector-2", true), entry "chat-1", entry "chat-2"),
  ["app/servers/connector/handler/entry.lua"] = ENTRY,
  ["app/servers/chat/handler/chat.lua"] = CHAT,
}

math.randomseed(SEED)
local start = uv.hrtime()
local function now() return tonumber(uv.hrtime() - start) / 1e9 end

local faults = { lost = 0, doubled = 0, misdirected = 0, failed = 0 }
local done = {
  answers = 0, errors = 0, pushes = 0, clients = 0, closed = 0, kicked = 0,
  reloads = 0, restarts = 0,
}
local told = 0

local function fault(kind, ...)
  faults[kind] = faults[kind] + 1
  told = told + 1
  if told <= 50 then print(("%.1f s %s: %s"):format(now(), kind, string.format(...))) end
end

-- ---- restarts: one at a time ----

local servers, at, calm = { "connector-1", "chat-1", "connector-2", "chat-2" }, 0, 0
local tool, restarting

local function disturbed() return tool ~= nil or now() < calm end

local function restart()
  at = at % #servers + 1
  restarting = { id = servers[at], from = #server.process.out }
  tool = net.spawn(net.built("pomelua"), { "restart", servers[at], "-d", server.dir })
end

local function watch_restart()
  if not tool or not tool.code then return end
  local id = restarting.id
  if tool.code ~= 0 then fault("failed", "restart %s: %s%s", id, tool.out, tool.err) end
  if id:find("^connector") then
    local port = server.process.out:sub(restarting.from + 1):match(" listening on [^\n]-:(%d+)\n")
    if not port then return end
    server.ports[id] = tonumber(port)
  end
  tool:close()
  tool, calm = nil, now() + GRACE
  done.restarts = done.restarts + 1
end

-- ---- clients ----

local clients, last_n, last_uid = {}, 0, 0

local function connect()
  local id = "connector-" .. math.random(2)
  local ok, c = pcall(pomelo.connect, server.ports[id], math.random(2) == 1 and "ws" or "tcp")
  if not ok then
    if not disturbed() then fault("failed", "no connection to %s: %s", id, tostring(c)) end
    return
  end
  c.open, c.k, c.seen, c.front = {}, 0, 0, id
  clients[#clients + 1] = c
  done.clients = done.clients + 1
end

local function ask(c, route, body)
  last_n = last_n + 1
  body.n = last_n
  c.open[c:ask(route, body)] = { n = last_n, at = now(), route = route, mark = body.mark }
end

local function act(c)
  local dice = math.random(10)
  if dice <= 2 then
    ask(c, "connector.entry.echo", {})
  elseif dice <= 4 then
    ask(c, "chat.chat.echo", {})
  elseif dice <= 6 then
    ask(c, "chat.chat.slow", { ms = math.random(800) })
  elseif dice == 7 and not c.marking then
    c.marking = true
    ask(c, "chat.chat.mark", { ms = math.random(800) })
  elseif dice == 8 then
    ask(c, "chat.chat.marked", {})
  elseif not c.uid then
    local other = clients[math.random(#clients)]
    if other ~= c and other.bound and not other.robbed and other.front == c.front
      and math.random(2) == 1 then
      other.robbed, c.uid, c.robs = true, other.uid, other -- that one is to be kicked
    else
      last_uid = last_uid + 1
      c.uid = "u" .. last_uid
    end
    ask(c, "connector.entry.login", { uid = c.uid })
  elseif c.bound and not c.robbed then
    c.k = c.k + 1
    ask(c, "chat.chat.push", { k = c.k })
  end
end

local function answered(c, m)
  local one = c.open[m.id]
  if not one then
    return fault(m.id <= c.id and "doubled" or "misdirected", "an answer to %d", m.id)
  end
  c.open[m.id] = nil
  done.answers = done.answers + 1
  if m.msg.code == 500 then
    done.errors = done.errors + 1
    if not disturbed() then fault("failed", "%s: code 500", one.route) end
    if one.route:find("login") then
      if c.robs then c.robs.robbed = nil end
      c.uid, c.robs = nil, nil
    end
    return
  end
  if m.msg.n ~= one.n then
    return fault("misdirected", "%s: asked %d, got %s", one.route, one.n, tostring(m.msg.n))
  end
  if c.sid and c.sid ~= m.msg.id then
    fault("misdirected", "session %s, then %s", tostring(c.sid), tostring(m.msg.id))
  end
  c.sid = m.msg.id
  if one.route:find("login") then
    c.bound = true
    if c.robs then c.robs.kick_by = now() + PATIENCE end
  elseif one.route:find("%.mark$") then
    c.marks = c.marks or {}
    c.marks[one.n], c.marking = true, nil
  end
  if m.msg.mark and not (c.marks and c.marks[m.msg.mark]) and not c.marking then
    fault("misdirected", "a setting of somebody else: %s", tostring(m.msg.mark))
  end
end

local function pushed(c, m)
  done.pushes = done.pushes + 1
  if m.msg.uid ~= c.uid then
    return fault("misdirected", "a push for %s to %s", tostring(m.msg.uid), tostring(c.uid))
  end
  if m.msg.sid ~= c.sid and c.robs then return end -- made before the other login
  if c.robbed then return end
  if m.msg.k <= c.seen then return fault("doubled", "push %d after %d", m.msg.k, c.seen) end
  if m.msg.k > c.seen + 1 and not disturbed() then
    fault("lost", "pushes %d to %d", c.seen + 1, m.msg.k - 1)
  end
  c.seen = m.msg.k
end

-- Takes what has come; false: the connection is closed.
local function serve(c)
  while true do
    if c.conn.size == 0 and not (c.conn.eof or c.conn.error) then return true end
    local p, err = c:next(1000)
    if not p then return false, err end
    if p.type == pomelo.DATA then
      local m = pomelo.parse(p.body)
      if m.type == pomelo.PUSH then pushed(c, m) else answered(c, m) end
    elseif p.type == pomelo.KICK then
      if c.robbed and p.body:find("other login", 1, true) then
        done.kicked = done.kicked + 1
        return false, "kicked"
      end
      fault("misdirected", "a kick: %s", p.body)
      return false, "kicked"
    end
  end
end

local function serve_all()
  for i = #clients, 1, -1 do
    local c = clients[i]
    local alive, err = serve(c)
    for id, one in pairs(c.open) do
      if now() - one.at > PATIENCE then
        fault("lost", "%s: no answer in %d s", one.route, PATIENCE)
        c.open[id] = nil
      end
    end
    if c.kick_by and now() > c.kick_by then
      fault("lost", "a kick of %s", c.uid)
      c.kick_by = nil
    end
    if not alive then
      if err ~= "kicked" and not disturbed() then
        fault("failed", "a connection was closed: %s", tostring(err))
      end
      c:close()
      table.remove(clients, i)
      done.closed = done.closed + 1
    end
  end
end

local function reload()
  done.reloads = done.reloads + 1
  local f = assert(io.open(server.dir .. "/app/servers/chat/handler/chat.lua.new", "w"))
  f:write(CHAT, "-- ", done.reloads, "\n")
  f:close()
  os.rename(server.dir .. "/app/servers/chat/handler/chat.lua.new",
    server.dir .. "/app/servers/chat/handler/chat.lua")
end

local function memory()
  local f = io.open("/proc/" .. server.process.pid .. "/status")
  local kib = f and tonumber(f:read("*a"):match("VmRSS:%s+(%d+)")) or 0
  if f then f:close() end
  return kib / 1024
end

local function report()
  print(("%5d s  %.1f MiB  clients %d  answers %d (500: %d)  pushes %d  closed %d  kicked %d  "
    .. "reloads %d  restarts %d"):format(now(), memory(), done.clients, done.answers, done.errors,
    done.pushes, done.closed, done.kicked, done.reloads, done.restarts))
  print(("         lost %d  doubled %d  misdirected %d  failed %d"):format(faults.lost,
    faults.doubled, faults.misdirected, faults.failed))
  io.stdout:flush()
end

print(("soak: %s minutes, SEED=%d"):format(MINUTES, SEED))
local minute, next_reload, next_restart = 60, 3, EVERY
while now() < MINUTES * 60 do
  while #clients < CLIENTS do
    local before = #clients
    connect()
    if #clients == before then break end
  end
  for _ = 1, 10 do
    if clients[1] then act(clients[math.random(#clients)]) end
  end
  if #clients > 0 and math.random(4) == 1 then -- one goes without a word
    table.remove(clients, math.random(#clients)):close()
  end
  net.wait(function() return false end, 20)
  serve_all()
  watch_restart()
  if now() >= next_reload then next_reload = now() + 3 reload() end
  if not tool and now() >= next_restart then next_restart = now() + EVERY restart() end
  if now() >= minute then minute = minute + 60 report() end
end
local last = now() + PATIENCE
repeat
  net.wait(function() return false end, 20)
  serve_all()
  watch_restart()
  local open = 0
  for _, c in ipairs(clients) do for _ in pairs(c.open) do open = open + 1 end end
until open == 0 and not tool or now() > last
report()
for _, c in ipairs(clients) do c:close() end
local ok, message = pcall(server.stop, server, {
  "no answer", "its server", "can not find", "restart", "session does not exist",
})
if not ok then print(message) end
local bad = faults.lost + faults.doubled + faults.misdirected + faults.failed
print(bad == 0 and ok and "nothing lost, doubled or misdirected" or "FAILED")
os.exit(bad == 0 and ok and 0 or 1)
