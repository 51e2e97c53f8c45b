-- router: which server of a type gets a message or a call. app:route functions decide; without one
-- C does, as proxyConfig.routerType says; when that is not set it is the CRC-32 of the uid, so that
-- a user stays on a server (protocol 15, protocol 16).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local session = require "pomelua.session.session"
local text_of = require("pomelua.base.text").of
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local units = require "pomelua.run.unit"

---@class pomelua.Router
local methods = {}
local mt = { __name = "pomelua.router", __index = methods }

local router = {}

function router.new(server)
  return setmetatable({ _server = server, _routes = {}, _units = {} }, mt)
end

---@param stype string a server type, or "default" for every type without its own
---@param fn fun(session: pomelua.Session, msg: table, app: pomelua.App, cb: function): string|nil
function methods:set(stype, fn)
  local unit, gen = units.loading()
  local function put()
    self._routes[stype], self._units[stype] = fn, unit
    self._server.node:setRouted(stype, true)
  end
  if not unit then return put() end
  unit:on_end(self, methods.drop)
  units.when_active(gen, put)
end

---Takes away the route functions that a unit has set.
---@param unit pomelua.Unit
function methods:drop(unit)
  for stype, one in pairs(self._units) do
    if one == unit then
      self._routes[stype], self._units[stype] = nil, nil
      self._server.node:setRouted(stype, false)
    end
  end
end

---@param stype string
---@return function|nil
function methods:find(stype)
  return self._routes[stype] or self._routes.default
end

local function nobody(stype)
  return errors.new("can not find server info for type:" .. stype, "NOENT")
end

---The servers of a type that are there now, in the order of servers.json.
---@param stype string
---@return string[]
function methods:alive(stype)
  local node, ids = self._server.node, {}
  for _, entry in ipairs(self._server.by_type[stype] or {}) do
    if node:alive(entry.id) then ids[#ids + 1] = entry.id end
  end
  return ids
end

-- The text that is hashed to route a call: the uid, when the first argument is a session; with
-- rendezvous hashing a text or a number stands for itself.
local function key_of(param)
  local kind = type(param)
  if kind == "string" or kind == "number" then return text_of(param) end
  local uid = kind == "table" and errors.field(param, "uid") or nil
  if uid == nil or rawequal(uid, core.null) then return "" end
  return text_of(uid)
end

---@param stype string
---@param param any a session, or what else names what the call is about
---@return string|nil id
---@return pomelua.Error|nil
function methods:default(stype, param)
  local id = self._server.node:defaultRoute(stype, key_of(param))
  if not id then return nil, nobody(stype) end
  return id
end

---Runs a route function; done(err, id) comes once. ms is how long it may take to
---call back, nil when the caller has a deadline of its own.
local function ask(self, fn, stype, param, msg, ms, done)
  local server, ended, watch = self._server, false, nil
  local function choose(err, id)
    if ended then return end
    ended = true
    if watch then timers.stop(server, watch) end
    if err and not rawequal(err, core.null) then
      done(errors.of(err))
    elseif type(id) ~= "string" then
      done(errors.new(("the route function of %s gave no server id but %s")
        :format(stype, id == nil and "nil" or "a " .. type(id))))
    else
      done(nil, id)
    end
  end
  local owner = {
    name = "route function of " .. stype, generation = server.generation,
    failed = function(_, err) choose(errors.of(err)) end,
  }
  task.run(server, owner, function()
    local id, err = fn(param, msg, server.app, function(err, id) choose(err, id) end)
    if id ~= nil or err ~= nil then choose(err, id) end
  end)
  if not ended and ms then
    local call = task.owner() or server:context("route function of " .. stype)
    watch = timers.start(server, ms, { fire = function()
      task.run(server, call, choose,
        errors.new("the route function of " .. stype .. " did not answer", "TIMEOUT"))
    end })
  end
end

---Finds the server for a call.
---@param stype string
---@param param any what the call was given to route by, a session as a rule
---@param msg table what route functions get to see
---@param done fun(err: pomelua.Error|nil, id: string|nil) called once, perhaps at once
---@param ms number|nil how long a route function may take; nil: proxyConfig.timeout
function methods:pick(stype, param, msg, done, ms)
  local fn = self:find(stype)
  if fn then return ask(self, fn, stype, param, msg, ms or self._server.checked.rpc_ms, done) end
  local id, err = self:default(stype, param)
  done(err, id)
end

-- A client's message as route functions see it: its body is decoded when it is read.
local message_mt = { __name = "pomelua.message" }
message_mt.__index = function(self, key)
  if key == "body" then
    local body = rawget(self, "_decode")(rawget(self, "_bytes"))
    rawset(self, "body", body)
    return body
  elseif key == "args" then
    local args = { self, rawget(self, "_session") }
    rawset(self, "args", args)
    return args
  end
end

---@return table message {route, type, id, body} and Pomelo's fields of a forwarded one
function router.message(server, stype, msg_type, id, route, bytes, from)
  return setmetatable({
    route = route, type = msg_type, id = id, serverType = stype,
    namespace = "sys", service = "msgRemote", method = "forwardMessage",
    _bytes = bytes, _decode = server.decode_body, _session = from,
  }, message_mt)
end

---entries.route: C asks which server a client's message goes to.
function methods:asked(pending, stype, sid, msg_type, id, route, bytes)
  local server = self._server
  local fn = self:find(stype)
  local from = session.new(server, sid)
  local function done(err, to)
    if err then server:error(route .. ": " .. errors.text(err), "messages without a server") end
    local ok, message, name = server.node:forward(pending, to)
    if not ok and name ~= "CLOSED" then
      server:warn(route .. ": " .. tostring(message), "messages that cannot be forwarded")
    end
  end
  if not from then return done(nil, nil) end
  if fn then
    ask(self, fn, stype, from, router.message(server, stype, msg_type, id, route, bytes, from),
      nil, done)
  else
    local to, err = self:default(stype, from)
    done(err, to)
  end
end

return router
