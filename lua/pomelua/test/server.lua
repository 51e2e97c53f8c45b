-- test.server: one server of a game in a spec, on a virtual node. The spec plays
-- the clients, the other servers and the clock.
local bans = require "pomelua.test.bans"
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local data = require "pomelua.run.data"
local databases = require "pomelua.test.databases"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local generation = require "pomelua.live.generation"
local http = require "pomelua.test.http"
local http_in = require "pomelua.test.http_in"
local kept = require "pomelua.test.kept"
local json = require "pomelua.base.json"
local leftovers = require "pomelua.test.leftovers"
local lifecycle = require "pomelua.app.lifecycle"
local loader = require "pomelua.live.loader"
local modules = require "pomelua.ops.modules"
local near = require "pomelua.base.near"
local option_kinds = require "pomelua.test.options"
local restart = require "pomelua.test.restart"
local resume = require "pomelua.test.resume"
local records = require "pomelua.test.records"
local app_server = require "pomelua.app.server"
local sessions = require "pomelua.test.sessions"
local task = require "pomelua.run.task"
local tokens = require "pomelua.session.tokens"
local token_keys = require "pomelua.base.token_keys"

local REQUEST, NOTIFY = 0, 1
local START_MS = 120000 -- how long a start may take, in the server's time
local ANSWER_MS = 11000 -- how long a frontend waits for a forwarded request
local CALLER = "spec" -- the server that server:rpc plays

---@class pomelua.test.Server
---@field app pomelua.App
local methods = {}
local mt = { __name = "pomelua.test.server", __index = methods }

local kit = {}

local function find_entry(options, entries)
  for _, entry in ipairs(entries) do
    if entry.serverType == options.type and (not options.id or entry.id == options.id) then
      return entry
    end
  end
  error(("test.server: config/servers.json has no server of type %q%s"):format(
    tostring(options.type), options.id and (" with the id %q"):format(options.id) or ""), 4)
end

-- The last error line of a server that did not start.
local function why(one, node)
  if one.life.failure then return one.life.failure end
  local lines = node:lines()
  for i = #lines, 1, -1 do
    if lines[i].level == "error" then return lines[i].text end
  end
  return "app:start() has not been called"
end

-- Time moves on until a step of the start has ended: components and beforeStartup may wait.
local function await(self, over)
  self:settle()
  local last = self.node:now() + START_MS
  while not over() and self.node:now() < last and self.inner.life.state ~= "failed" do
    self:tick(10)
  end
end

local function run_app(self, entries)
  local one, failed = self.inner, nil
  local owner = { name = "app.lua", failed = function(_, err) failed = errors.text(err) end }
  if kit.limit then kit.limit:enter() end
  task.run(one, owner, function()
    loader.load_app(one)
  end)
  if kit.limit then kit.limit:leave() end
  await(self, function() return failed or one.life.state ~= "starting" end)
  if failed or one.life.state ~= "loaded" then return failed or why(one, self.node) end
  local up = false
  lifecycle.up(one, function() end, function(err) up, failed = true, err and err.message end)
  await(self, function() return up end)
  if failed or not up then return failed or why(one, self.node) end
  one.event:emit("add_servers", entries)
  lifecycle.started(one)
  self:settle()
end

-- A process begins: a node, a server on it, its start. A failure is raised at this level.
local function begin(self, level)
  local options = self.options
  local info = options.info
  local node = core.node { id = info.id, type = info.serverType, frontend = info.frontend }
  self.node, self.last_call, self.answers, self.results = node, 0, {}, {}
  self.kept, self.stubs, self.pushes, self.kicks = {}, self.stubs or {}, {}, {}
  self.at_start = nil
  self.inner = app_server.new(node, {
    base = self.base, env = options.env, info = info, servers = options.entries, shared = true,
    virtual = true, time = options.time,
  })
  self.inner.http_stub = http.send
  databases.place(self)
  kept.keep(self)
  self.app = self.inner.app
  -- The clients of other servers stay connected when a backend is restarted.
  if info.frontend or not self.sessions then self.sessions = sessions.new(self) end
  bans.begin(self)
  for _, entry in ipairs(options.entries) do node:peer(entry.id, true) end
  node:peer(CALLER, true)
  local failure = databases.begin(self, options.defined, options.objects)
    or run_app(self, options.entries)
  if failure then
    self:close()
    error("test.server: " .. failure, level)
  end
  self.at_start, self.wrong = leftovers.count(self.inner), nil
end

---@param options pomelua.test.Options
---@return pomelua.test.Server
function kit.new(options)
  local wrong = option_kinds.wrong("test.server", options, option_kinds.SERVER)
  if wrong then error(wrong, 3) end
  local base = files.absolute(options.base)
  local state, missing = databases.state_of(options, base)
  if missing then error("test.server: there is no folder " .. missing, 3) end
  local env = options.env or "development"
  local entries, message = config.servers(base, env)
  if not entries then error("test.server: " .. message, 3) end
  local info = find_entry(options, entries)
  local defined, objects
  defined, message, objects = databases.read(base, env, options.databases)
  if message then error("test.server: " .. message, 3) end
  local self = setmetatable({
    base = base, options = {
      env = env, info = info, entries = entries, time = options.time, defined = defined,
      objects = objects, state = state,
    },
    memory = {},
  }, mt)
  begin(self, 4)
  return self
end

---A command of the game's for its operator, `pomelua NAME` (app:registerAdmin).
---@param name string
---@param msg table|nil what stands behind the name: { "word", key = "value" }
---@return any answer nil when there is none yet
---@return any err
function methods:command(name, msg)
  local value, err, failed
  local found = true
  local owner = { name = "command " .. tostring(name), generation = self.inner.generation }
  function owner.failed(_, wrong) failed = errors.of(wrong) end
  task.run(self.inner, owner, function()
    found = modules.run(self.inner, name, msg or {}, function(wrong, answer)
      if value == nil and err == nil then err, value = wrong, answer end
    end)
  end)
  self:settle()
  if not found then
    error(("server:command: there is no command %s%s"):format(tostring(name),
      near.hint(name, self.inner.admin_modules)), 2)
  end
  return value, failed or err
end

---Stops the server in order, as a program that ends would: listeners of stop_server,
---beforeShutdown, the components. What takes its time goes on with server:tick.
---@return boolean whether it is done
function methods:stop()
  self.stopped = false
  lifecycle.stop_all(self.inner, function() self.stopped = true end)
  self:settle()
  return self.stopped
end

---Ends the server; its timers, sessions and channels with it.
function methods:close()
  if not self.node then return end
  self.node:close()
  self.node = nil
  databases.leave(self)
  if current.server == self.inner then current.server, current.task = nil, nil end
end

---Runs what is ready, until nothing is. Raises when a script has asked for what the spec gave not.
function methods:settle()
  records.settle(self)
  local wrong = self.at_start and self.wrong
  if not wrong then return end
  self.wrong = nil
  error("test.server: " .. wrong, 0)
end

local function check_route(self, route)
  if route == tokens.REFRESH and self.inner.auth.keys then return end
  if type(route) ~= "string" or not route:find("^[^.]+%.[^.]+%.[^.]+$") then
    error("a route is type.handler.method, got " .. tostring(route), 3)
  end
  local stype = route:match("^[^.]+")
  if not self.inner.frontend and stype ~= self.inner.type then
    error(("this server is of type %s, the route is %s"):format(self.inner.type, route), 3)
  end
end

-- A client's message as a backend gets it. By a definition of clientProtos it is what is left of
-- it when a client has encoded it: fractions of whole numbers are cut. A frontend's own clients
-- encode it by the definitions that they hold: see test/sessions.
local function encode(self, route, msg)
  if type(msg) == "string" then return msg end -- raw bytes of a body
  local text, message = core.encode(msg == nil and {} or msg)
  if not text then error("the message is not JSON: " .. message, 4) end
  local protos = self.inner.registry.set.protos
  if self.inner.frontend or not protos or not protos:has("client", route) then return text end
  local bytes
  bytes, message = protos:encode("client", route, text, true)
  if not bytes then
    error(("the message does not fit its definition: %s (clientProtos, %q)")
      :format(message, route), 4)
  end
  return protos:decode("client", route, bytes)
end

local function forward(self, route, body, session, msg_type)
  local given = self.sessions:given(session)
  local waiting = { done = false }
  local call
  if msg_type == REQUEST then
    self.last_call = self.last_call + 1
    call = self.last_call
    self.answers[call] = waiting
  end
  self.node:deliver {
    from = given.frontendId, kind = "forward", call = call, ms = ANSWER_MS, session = given.id,
    uid = given.uid, settings = next(given.settings) and core.encode(given.settings) or nil,
    route = route, msgType = msg_type, msgId = call and 1 or 0, body = body,
  }
  return waiting
end

local function send(self, route, msg, session, msg_type)
  local waiting
  local body = encode(self, route, msg)
  if self.inner.frontend then
    waiting = self.sessions:client_sends(session, route, body, msg_type, type(msg) == "string")
  else
    waiting = forward(self, route, body, session, msg_type)
  end
  self:settle()
  return waiting
end

---Makes a token by the keys of this server's connectorConfig.auth, as pomelua.token.sign does.
---@param claims table with sub
---@param opts {kid: string|nil, ttl: number|nil}|nil
---@return string token
function methods:sign(claims, opts)
  local keys = self.inner.auth.keys
  if not keys then error("server:sign: connectorConfig.auth is not set for this server", 2) end
  local text, message = token_keys.sign(keys, claims, opts, self.inner.wall())
  return text or error("server:sign: " .. message, 2)
end

---A client connects to a frontend, as its first message would do. With connectorConfig.auth it
---needs a token, { user = { token = ... } }, unless the spec gives its uid; resume: test/resume.
---@param session table
---@return number code of the handshake's answer: 200, or what it is refused with
---@return string|nil why
function methods:connect(session)
  if not self.inner.frontend then error("server:connect: clients connect to frontends", 2) end
  local sid, code, reason = self.sessions:connect(session)
  self:settle()
  return sid and 200 or code, reason
end
methods.cut = resume.cut

---A client's request. The session is a table {uid=, frontendId=, settings={}}; what handlers
---do to it (bind, push) is seen in it. A string as msg is the body's bytes.
---@param route string
---@param msg any
---@param session table|nil
---@return any answer nil when there is none yet
---@return table pending pending.done, pending.value: filled when the answer comes (server:tick)
function methods:request(route, msg, session)
  check_route(self, route)
  local waiting = send(self, route, msg, session, REQUEST)
  return waiting.value, waiting
end

---A client's notify.
---@param route string
---@param msg any
---@param session table|nil
function methods:notify(route, msg, session)
  check_route(self, route)
  send(self, route, msg, session, NOTIFY)
end

---A client's handshake, on a frontend: what checkClient and connectorConfig.handshake make of it.
---The client is a new one; in its table `address` ({ ip =, port = }) and `headers` (by name) say
---where it comes from.
---@param msg table|nil { sys = { type =, version = }, user = }; sys is filled in
---@param session table|nil
---@return table|nil answer { code =, sys =, user = }; nil when there is none yet
---@return table pending pending.done, pending.value: filled when the answer comes (server:tick)
function methods:handshake(msg, session)
  if not self.inner.frontend then error("server:handshake: this server is no frontend", 2) end
  if msg ~= nil and type(msg) ~= "table" then
    error("server:handshake(msg, session): msg must be a table, got a " .. type(msg), 2)
  end
  local whole = {}
  for key, value in pairs(msg or {}) do whole[key] = value end
  whole.sys = whole.sys or { type = "spec", version = "1" }
  local waiting = self.sessions:shakes(session, whole)
  return waiting.value, waiting
end

---An HTTP request for a route of app:http, as the page server hands it over.
---@param method string "POST"
---@param path string "/pay?order=7"
---@param options {body: string|nil, json: any, headers: table<string, string>|nil, address:
---string|nil}|nil json is sent in the place of a body
---@return pomelua.test.HttpAnswer|nil answer nil when there is none yet
---@return table pending pending.done, pending.value: filled when the answer comes (server:tick)
function methods:http(method, path, options)
  local waiting = http_in.ask(self, method, path, options)
  self:settle()
  return waiting.value, waiting
end

---Calls a remote of this server, as another server would.
---@param name string "chatRemote.add"
---@return any ... what the remote gave its callback; an error first when it raised
function methods:rpc(name, ...)
  self.last_call = self.last_call + 1
  local call, result = self.last_call, { done = false }
  self.results[call] = result
  local args = { ... }
  for i = 1, select("#", ...) do
    if args[i] == nil then args[i] = json.null end
  end
  self.node:deliver {
    from = CALLER, kind = "call", call = call, ms = records.CALL_MS, route = name,
    body = assert(core.encode(json.array(args))),
  }
  self:settle()
  if not result.done then return errors.new(name .. " has not answered yet", "PENDING") end
  for i = 1, result.n do
    if result.values[i] == json.null then result.values[i] = nil end
  end
  errors.revive(result.values[1])
  return unpack(result.values, 1, result.n)
end

---Answers calls that this server makes to a remote of another: fn(args..., cb).
---@param name string "chatRemote.add"
---@param fn function|nil nil takes it away
function methods:stub(name, fn)
  if type(name) ~= "string" or fn ~= nil and type(fn) ~= "function" then
    error(("server:stub(name, fn): name must be a string and fn a function or nil, got %s and %s")
      :format(type(name), type(fn)), 2)
  end
  self.stubs[name] = fn
end

---The calls and forwards that no stub took, since the last time.
---@return table[] {to=, name=, args=} or {to=, route=, msg=}
function methods:calls()
  local list = self.kept
  self.kept = {}
  return list
end

---The pushes since the last time, in order.
---@return table[] {route=, msg=, to={uid, ...}, everyone=, delivery="latest" or "drop"}
function methods:pushed()
  local list = self:peek()
  self.pushes = {}
  return list
end

---The same, and they stay.
---@return table[]
function methods:peek()
  local list = {}
  for i, record in ipairs(self.pushes) do
    local message = core.read_message(record.bytes)
    list[i] = {
      route = message.route, msg = records.decode(message.body), to = record.to,
      everyone = record.everyone, delivery = record.delivery,
    }
  end
  return list
end

---Clients that were kicked or closed since the last time.
---@return table[] {uid=, sid=, reason=}
function methods:kicked()
  local list = self.kicks
  self.kicks = {}
  return list
end

---Moves this server's time on; timers and deadlines fire in order.
---@param ms number
function methods:tick(ms)
  if type(ms) ~= "number" or not (ms >= 0 and ms < 2 ^ 31) then
    error("server:tick(ms): ms must be a number of milliseconds from 0 to 2^31, got "
      .. tostring(ms), 2)
  end
  local due = self.node:now() + ms
  while self.node:now() < due do
    -- In small steps, so that an answer of a stub comes before the next deadline; at once over a
    -- time in which nothing is due.
    local step = math.max(10, self.node:idle() or ms)
    self.node:advance(math.min(step, due - self.node:now()))
    self:settle()
  end
end

---Reloads what has changed in the app's folder, as a running server would.
---@param options table|nil modules=, force=, dry=
---@return table|nil result {generation=, modules=, removed=, gone=, warnings=, unknown=, running=}
---@return pomelua.Error|nil err
function methods:reload(options)
  local err, result
  local given = {}
  for key, value in pairs(options or {}) do given[key] = value end
  given.cb = function(e, r) err, result = e, r end
  data.look(self.inner)
  self.inner:reload(given)
  self:settle()
  return result, err
end

---A client goes.
---@param session table the table given to request
---@param reason string|number|boolean|nil what a listener of "closed" gets (frontends)
function methods:disconnect(session, reason)
  self.sessions:disconnect(session, reason)
  self:settle()
end

---With the id of another server of config/servers.json that one is restarted. A frontend's clients
---have gone with it, calls that wait for an answer fail, and listeners of "remove_servers" and
---"add_servers" hear of it.
---
---Without an id this server itself is: it stops in order, and starts again as a new process would.
---What its files keep (state.__keep) is there again, and its databases; its timers, channels,
---everything else in memory and, on a frontend, its sessions are gone. server.app is another one
---then.
---@param how string|{killed: boolean|nil}|nil killed: it does not stop, as after kill -9: what was
---not saved yet is lost
function methods:restart(how)
  local message = restart.wrong(self, how)
  if not message and type(how) == "string" then return restart.other(self, how) end
  message = message or restart.leave(self, how and how.killed)
  if message then error("server:restart: " .. message, 2) end
  begin(self, 3)
end

---A module of the app as this server's scripts have it: the same table that their require
---gives, of the code that is in force.
---@param name string "app.rules"
---@return any
function methods:require(name)
  local value, failed
  local require_one = generation.require_of(self.inner, { requires = {}, names = {} })
  local owner = {
    name = "require " .. tostring(name), level = "debug", generation = self.inner.generation,
    failed = function(_, err) failed = errors.text(err) end,
  }
  task.run(self.inner, owner, function() value = require_one(name) end)
  self:settle()
  if failed then error("server:require: " .. failed, 2) end
  return value
end

---A database of the option `databases`, for the spec: its query and exec answer at once.
---@param name string
---@return table database
function methods:database(name) return databases.of(self, name) end

---The log so far.
---@return table[] {level=, text=}
function methods:log()
  return self.node:lines()
end

return kit
