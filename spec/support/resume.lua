-- Sessions that wait for their clients, over real sockets: an app whose handlers tell what became
-- of them, and clients that lose their line and come back. These clients do one thing after the
-- other; spec/support/returning has some that live by events.
--
--   local server = resume.start { resume = "{ grace = 30 }" }
--   local ann = resume.enter(server, "ann")          WORKING, bound, a member of the room
--   ann:lose()                                       the line is cut; waits until the server knows
--   local back = resume.back(ann)                    recovered; back:line() is the next push
--   server.events()                                  { "lost ann", "resumed ann", … }
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local resume = {}

local handler = [[
local pomelua = require "pomelua"
local events, held = {}, nil

return function(app)
  local Handler, channels = {}, app:get("channelService")
  local sessions = app:get("sessionService")
  local function room() return channels:getChannel("room", true) end
  local function note(...)
    local words = { ... }
    for i = 1, #words do words[i] = tostring(words[i]) end
    events[#events + 1] = table.concat(words, " ")
  end
  app.event:on("session_lost", function(session) note("lost", session.uid) end)
  app.event:on("session_resumed", function(session) note("resumed", session.uid) end)

  function Handler:enter(msg, session, next)
    session:bind(msg.uid, function(err)
      if err then return next(err) end
      session:set("uid", msg.uid)
      session:push("uid")
      session:on("closed", function(gone, reason) note("closed", gone.uid, reason) end)
      room():add(msg.uid, app:getServerId(), nil)
      next(nil, { code = 200 })
    end)
  end
  function Handler:who(_, session) return { uid = session.uid, set = session:get("uid") } end
  function Handler:events() return { list = events } end
  function Handler:members() return { list = room():getMembers() } end
  function Handler:counts()
    local counts = app._server.node:counts()
    counts.inSessions = sessions:getSessionsCount()
    return counts
  end

  -- n pushes with the numbers from msg.i on.
  function Handler:push(msg)
    for i = msg.i or 1, (msg.i or 1) + (msg.n or 1) - 1 do
      room():pushMessage("onLine", { i = i, pad = ("x"):rep(msg.pad or 0) }, msg.opts)
    end
    return { code = 200 }
  end

  -- Is answered when another one asks for it.
  function Handler:hold(_, _, next) held = next end
  function Handler:release(msg)
    held(nil, { code = 200, n = msg.n })
    return { code = 200 }
  end

  local ran = 0
  function Handler:run() ran = ran + 1 return { ran = ran } end
  function Handler:tell() ran = ran + 1 end
  function Handler:ran() return { ran = ran } end

  function Handler:kick(msg) sessions:kick(msg.uid, "out", function() end) return { code = 200 } end
  function Handler:ban(msg)
    if msg.address then app:banAddress(msg.address) else app:ban(msg.uid) end
    return { code = 200 }
  end
  function Handler:unban(msg)
    if msg.address then app:unbanAddress(msg.address) else app:unban(msg.uid) end
    return { code = 200 }
  end
  function Handler:generation() return { n = 1 } end

  return Handler
end
]]

local chat = [[
return function()
  local Handler = {}
  function Handler:who(_, session) return { uid = session.uid, set = session:get("uid") } end
  return Handler
end
]]

resume.HANDLER = "app/servers/connector/handler/lineHandler.lua"
resume.handler = handler
local line = "connector.lineHandler."

-- ---- servers ----

---@param opts table|nil resume: the setting as Lua text, "true" when left out; config: more of
---connectorConfig; code, files, max: as of talk.start
---@return table server as of talk.start; ask(name, body) asks its handler over a line of its own
function resume.start(opts)
  opts = opts or {}
  local files = { [resume.HANDLER] = handler, ["app/servers/chat/handler/lineHandler.lua"] = chat }
  for path, text in pairs(opts.files or {}) do files[path] = text end
  local server = talk.start {
    config = ("resume = %s, %s"):format(opts.resume or "true", opts.config or ""), files = files,
    code = 'app:set("channelConfig", { autoLeave = true })\n' .. (opts.code or ""),
    server = opts.server, max = opts.max, proxy = opts.proxy,
  }

  -- A new client for each: nothing has to be kept alive.
  function server.ask(name, body)
    local client = pomelo.connect(server.port, "tcp", opts.hello and opts.hello())
    local answer = assert(client:request(line .. name, body or {}))
    client:leave()
    return answer
  end
  function server.events() return server.ask("events").list end
  function server.members() return server.ask("members").list end
  function server.counts() return server.ask("counts") end

  ---Waits until the app was told of it.
  function server.heard(text, ms)
    local till = net.ms() + (ms or net.deadline)
    local list
    repeat
      list = server.events()
      for _, event in ipairs(list) do if event == text then return true end end
    until net.ms() > till
    error(("no %q: %s"):format(text, table.concat(list, ", ")), 2)
  end
  return server
end

-- ---- clients ----

-- What a client of these has beside those of spec/support/pomelo.
local methods = {}

local function hello(given, user)
  local all = { resume = given }
  for key, value in pairs(user or {}) do all[key] = value end
  return cjson.encode { sys = { type = "spec", version = "1" }, user = all }
end

local function dressed(client, server, transport)
  for name, fn in pairs(methods) do client[name] = fn end
  client.server, client.transport, client.taken = server, transport, 0
  local next_of = client.next
  function client:next(ms)
    local p, err = next_of(self, ms)
    if p and p.type == pomelo.DATA then self.taken = self.taken + 1 end
    return p, err
  end
  return client
end

---Connects and shakes hands, with what a client says of resume; no ACK is sent.
---@param server table
---@param given table|any user.resume
---@param opts table|nil transport; user: more of `user`; from: the address it comes from
---@return table client said: the answer
function resume.shake(server, given, opts)
  opts = opts or {}
  local client
  if opts.from then
    client = pomelo.on(assert(net.connect(server.port, nil, opts.from)), opts.transport == "ws")
    if client.ws then assert(client.conn:upgrade()) end
  else
    client = assert(pomelo.open(server.port, opts.transport))
  end
  client = dressed(client, server, opts.transport)
  client.said = cjson.decode(assert(client:handshake(hello(given, opts.user))))
  client.resume = type(client.said.user) == "table" and client.said.user.resume or nil
  client.token = client.resume and client.resume.token
  return client
end

---A first connection, WORKING.
function resume.connect(server, opts)
  local client = resume.shake(server, {}, opts)
  assert(client.said.code == 200 and client.resume, cjson.encode(client.said))
  assert(client.resume.recovered == false and client.resume.received == 0)
  client:ack()
  return client
end

---The same, bound and in the room.
function resume.enter(server, uid, opts)
  local client = resume.connect(server, opts)
  client.uid = uid
  local answer = assert(client:request(line .. "enter", { uid = uid }))
  assert(answer.code == 200, cjson.encode(answer))
  return client
end

---Cuts its line, and waits until the server knows. way: "rst" (when left out) or "fin".
function methods:lose(way)
  local before = self.server.counts().resumeLost
  if way == "fin" then self.conn:close() else self.conn:reset() end
  local till = net.ms() + net.deadline
  while self.server.counts().resumeLost == before do
    assert(net.ms() < till, "the server does not know that the line is lost")
  end
end

---The client comes back: shakes hands, without ACK. opts as of resume.shake; token, received: in
---the place of its own.
function resume.return_of(client, opts)
  opts = opts or {}
  local new = resume.shake(client.server, {
    token = opts.token or client.token, received = opts.received or client.taken,
  }, { transport = opts.transport or client.transport, from = opts.from, user = opts.user })
  new.taken, new.uid, new.id = client.taken, client.uid, client.id
  return new
end

---The client comes back and is recovered, WORKING.
function resume.back(client, opts)
  local new = resume.return_of(client, opts)
  assert(new.said.code == 200 and new.resume.recovered, cjson.encode(new.said))
  assert(new.token ~= client.token)
  new:ack()
  return new
end

---The client comes back and gets a new session: WORKING, from 0.
function resume.anew(client, opts)
  local new = resume.return_of(client, opts)
  assert(new.said.code == 200 and new.resume.recovered == false, cjson.encode(new.said))
  assert(new.resume.received == 0)
  new.taken = 0
  new:ack()
  return new
end

---The number of the next push.
function methods:line(ms) return assert(self:push(ms)).msg.i end

---Who the session of this client is.
function methods:who() return assert(self:request(line .. "who", {})).uid end

---Asks a function of the handler.
function methods:call(name, body) return assert(self:request(line .. name, body or {})) end

resume.line = line

return resume
