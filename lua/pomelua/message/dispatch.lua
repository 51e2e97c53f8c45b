-- dispatch: the functions that C calls. Each starts a task, or resumes one, and
-- returns; nothing here waits.
local admin = require "pomelua.ops.admin"
local backend_session = require "pomelua.session.backend"
local channel = require "pomelua.channel.service"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local handshake = require "pomelua.message.handshake"
local in_flight = require "pomelua.run.waiting"
local json = require "pomelua.base.json"
local lifecycle = require "pomelua.app.lifecycle"
local quiet = require "pomelua.run.quiet"
local request = require "pomelua.message.request"
local rpc = require "pomelua.message.rpc"
local session = require "pomelua.session.session"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local dispatch = {}

-- What the handler returned: nothing, or one nil, leaves the answer to next.
local function finish(req, first, second)
  if first ~= nil then
    req:answer(nil, first)
  elseif second ~= nil then
    req:answer(second)
  end
end

local function run(req, entry, from, body)
  task.works_for(from)
  local server = req.generation.server
  local msg, ok = server.decode_body(body)
  if not ok then server.bad_bodies = server.bad_bodies + 1 end
  -- A field of the client's of that name must not win; an array has no fields.
  if type(msg) == "table" and not json.is_array(msg) then msg.__route__ = req.name end
  finish(req, entry.fn(entry.owner, msg, from, function(err, resp) req:answer(err, resp) end))
end

-- A client that asks for `constructor` tries what it could do to Pomelo.
local function unknown(server, id, route, from)
  local req = request.new(server, id, route)
  if route:sub(-12) == ".constructor" then
    server:warn("attack: " .. route, "attacks")
    req:drop()
    return task.run(server, req, from.kick, from, "attack")
  end
  server:info_line(route .. ": fail to find handler for " .. route, "messages without a handler")
  req:failed()
end

-- A client's message, id nil: a notify.
local function received(server, id, from, route, body)
  if in_flight.is_full(server, from) then
    if id then server.node:answer(id, { code = 500 }) end
    return
  end
  local entry = server.registry:handler(route)
  if not entry then return unknown(server, id, route, from) end
  local req = request.new(server, id, route)
  task.run(server, req, run, req, entry, from, body)
end

local function entries(server)
  local e = {}

  function e.message(id, sid, uid, settings, _, _, route, body)
    received(server, id, session.make(server, sid, uid, settings), route, body)
  end

  function e.forwarded(id, frontend_id, sid, uid, settings, _, _, route, body, incarnation)
    local from = backend_session.new(server, frontend_id, sid, uid, settings, incarnation)
    received(server, id, from, route, body)
  end

  function e.call(id, from, name, args, aside)
    rpc.called(server, id, from, name, args, aside)
  end
  function e.answered(call, status, text) rpc.answered(server, call, status, text) end
  function e.pushed(push, message, fails) channel.pushed(server, push, message, fails) end
  function e.handshake(sid, body) handshake.asked(server, sid, body) end
  function e.timer(id) timers.expired(server, id) end

  function e.route(pending, stype, sid, msg_type, id, route, body)
    server.router:asked(pending, stype, sid, msg_type, id, route, body)
  end

  local function tell(listener, gone, reason) listener(gone, reason) end

  function e.closed(sid, uid, settings, reason)
    local listeners = server.closers[sid]
    server.closers[sid] = nil
    local gone = session.make(server, sid, uid, settings)
    local outer = current.work
    current.work = { name = "closed listener", stays = true }
    server.event:emit("close_session", gone)
    for i = 1, listeners and #listeners or 0 do
      task.run(server, server:context("closed listener"), tell, listeners[i], gone, reason)
    end
    current.work = outer
  end

  -- The parameter is the same text for every session of a broadcast.
  local param_text, param

  function e.filter(sid, uid, settings, body, text)
    local filter = server.checked.broadcast_filter
    if not filter then return true end
    if text ~= param_text then
      param_text, param = text, text and json.decode(text)
      if param == json.null then param = nil end
    end
    local from = session.make(server, sid, uid, settings)
    local ok, keep = task.hold(server, filter, from, body, param)
    if not ok then
      server:error("broadcastFilter: " .. errors.text(keep), "errors of the broadcastFilter")
      return false
    end
    return keep and true or false
  end

  function e.start() lifecycle.start(server) end
  function e.started() lifecycle.started(server) end
  function e.control(call, text) admin.asked(server, call, text) end
  function e.stop(step, number) lifecycle.stop(server, step, number) end
  function e.pending() return quiet.pending(server) end

  return e
end

---Gives C the functions to call.
function dispatch.install(server)
  server.node:entries(entries(server))
end

return dispatch
