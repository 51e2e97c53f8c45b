-- test.server: one server of a game in a spec, on a virtual node. The spec plays
-- the clients, the other servers and the clock.
local config = require "pomelua.config.servers"
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local data = require "pomelua.run.data"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local generation = require "pomelua.live.generation"
local json = require "pomelua.base.json"
local leftovers = require "pomelua.test.leftovers"
local lifecycle = require "pomelua.app.lifecycle"
local loader = require "pomelua.live.loader"
local near = require "pomelua.base.near"
local records = require "pomelua.test.records"
local app_server = require "pomelua.app.server"
local sessions = require "pomelua.test.sessions"
local task = require "pomelua.run.task"

local REQUEST, NOTIFY = 0, 1
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

local function run_app(self, entries)
  local one, failed = self.inner, nil
  local owner = { name = "app.lua", failed = function(_, err) failed = errors.text(err) end }
  if kit.limit then kit.limit:enter() end
  task.run(one, owner, function()
    loader.load_app(one)
  end)
  if kit.limit then kit.limit:leave() end
  self:settle()
  if failed or one.life.state ~= "loaded" then return failed or why(one, self.node) end
  one.life.state = "started"
  lifecycle.run(one, "afterStartup", function(err) failed = err and err.message end)
  self:settle()
  if failed then return failed end
  one.event:emit("start_server", one.id)
  one.event:emit("add_servers", entries)
  lifecycle.started(one)
  self:settle()
end

---@param options pomelua.test.Options
---@return pomelua.test.Server
function kit.new(options)
  if type(options) ~= "table" or type(options.base) ~= "string"
    or type(options.type) ~= "string" then
    error("test.server{ base =, type =, id = }: base and type are strings", 3)
  end
  for key in pairs(options) do
    if key ~= "base" and key ~= "type" and key ~= "id" and key ~= "env" then
      error(("test.server: there is no option %s%s"):format(tostring(key),
        near.hint(key, { "base", "type", "id", "env" })), 3)
    end
  end
  local base = files.absolute(options.base)
  if not base then error("test.server: there is no folder " .. options.base, 3) end
  local env = options.env or "development"
  local entries, message = config.servers(base, env)
  if not entries then error("test.server: " .. message, 3) end
  local info = find_entry(options, entries)
  local node = core.node { id = info.id, type = info.serverType, frontend = info.frontend }
  local self = setmetatable({
    node = node, base = base, last_call = 0, answers = {}, results = {}, kept = {},
    stubs = {}, pushes = {}, kicks = {},
  }, mt)
  self.inner = app_server.new(node, {
    base = base, env = env, info = info, servers = entries, shared = true, virtual = true,
  })
  self.app = self.inner.app
  self.sessions = sessions.new(self)
  for _, entry in ipairs(entries) do node:peer(entry.id, true) end
  node:peer(CALLER, true)
  local failure = run_app(self, entries)
  if failure then
    self:close()
    error("test.server: " .. failure, 3)
  end
  self.at_start = leftovers.count(self.inner)
  return self
end

---Ends the server; its timers, sessions and channels with it.
function methods:close()
  if not self.node then return end
  self.node:close()
  self.node = nil
  if current.server == self.inner then current.server, current.task = nil, nil end
end

---Runs what is ready, until nothing is.
function methods:settle() records.settle(self) end

local function check_route(self, route)
  if type(route) ~= "string" or not route:find("^[^.]+%.[^.]+%.[^.]+$") then
    error("a route is type.handler.method, got " .. tostring(route), 3)
  end
  local stype = route:match("^[^.]+")
  if not self.inner.frontend and stype ~= self.inner.type then
    error(("this server is of type %s, the route is %s"):format(self.inner.type, route), 3)
  end
end

local function encode(msg)
  if type(msg) == "string" then return msg end -- raw bytes of a body
  local text, message = core.encode(msg == nil and {} or msg)
  if not text then error("the message is not JSON: " .. message, 3) end
  return text
end

local function forward(self, route, msg, session, msg_type)
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
    route = route, msgType = msg_type, msgId = call and 1 or 0, body = encode(msg),
  }
  return waiting
end

local function send(self, route, msg, session, msg_type)
  local waiting
  if self.inner.frontend then
    waiting = self.sessions:client_sends(session, route, encode(msg), msg_type)
  else
    waiting = forward(self, route, msg, session, msg_type)
  end
  self:settle()
  return waiting
end

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
---@return table[] {route=, msg=, to={uid, ...}}; everyone=true for a broadcast
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
      everyone = record.everyone,
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
    -- In small steps, so that an answer of a stub comes before the next deadline.
    self.node:advance(math.min(10, due - self.node:now()))
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

---Another server of the app is restarted. A frontend's clients have gone with it, calls that wait
---for an answer fail, and listeners of "remove_servers" and "add_servers" hear of it.
---@param id string of config/servers.json
function methods:restart(id)
  local inner = self.inner
  local entry = inner.by_id[id]
  if not entry or id == inner.id then
    error(("server:restart: there is no other server %s%s"):format(tostring(id),
      near.hint(id, inner.by_id)), 2)
  end
  self.sessions:restarted(id)
  self.node:peer(id, false)
  inner.event:emit("remove_servers", { id })
  self:settle()
  self.node:peer(id, true)
  inner.event:emit("add_servers", { entry })
  self:settle()
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

---The log so far.
---@return table[] {level=, text=}
function methods:log()
  return self.node:lines()
end

return kit
