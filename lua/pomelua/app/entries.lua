-- entries: the functions that C calls. Each starts a task, or resumes one, and
-- returns; nothing here waits.
local admin = require "pomelua.ops.admin"
local backend_session = require "pomelua.session.backend"
local channel = require "pomelua.channel.service"
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local handshake = require "pomelua.message.handshake"
local http_routes = require "pomelua.app.http_routes"
local json = require "pomelua.base.json"
local lifecycle = require "pomelua.app.lifecycle"
local logins = require "pomelua.session.logins"
local members = require "pomelua.channel.members"
local presence = require "pomelua.channel.presence"
local quiet = require "pomelua.run.quiet"
local receive = require "pomelua.message.receive"
local resume = require "pomelua.session.resume"
local rpc_call = require "pomelua.message.rpc_call"
local rpc_serve = require "pomelua.message.rpc_serve"
local send_on = require "pomelua.message.send_on"
local session = require "pomelua.session.session"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local tokens = require "pomelua.session.tokens"
local watched = require "pomelua.session.watched"

local entries = {}

local function functions_of(server)
  local e = {}

  function e.message(id, sid, uid, settings, _, msg_id, route, body)
    if route == tokens.REFRESH and server.auth.keys then
      return tokens.refresh(server, id, sid, body)
    end
    receive(server, id, session.make(server, sid, uid, settings), route, body, msg_id)
  end

  function e.forwarded(id, frontend_id, sid, uid, settings, _, msg_id, route, body, incarnation)
    local from = backend_session.new(server, frontend_id, sid, uid, settings, incarnation)
    receive(server, id, from, route, body, msg_id)
  end

  function e.returned(id, status, text) send_on.returned(server, id, status, text) end
  function e.call(id, from, name, args, aside)
    rpc_serve.called(server, id, from, name, args, aside)
  end
  function e.answered(call, status, text) rpc_call.answered(server, call, status, text) end
  function e.pushed(push, message, fails) channel.pushed(server, push, message, fails) end
  function e.handshake(sid, body) handshake.asked(server, sid, body) end
  function e.lost(sid, uid, settings) resume.lost(server, sid, uid, settings) end
  function e.resumed(sid, uid, settings) resume.resumed(server, sid, uid, settings) end
  function e.timer(id) timers.expired(server, id) end

  function e.route(pending, stype, sid, msg_type, id, route, body)
    server.router:asked(pending, stype, sid, msg_type, id, route, body)
  end

  function e.member(...) members.changed(server, ...) end
  function e.peer(id, up)
    local what = up and "came" or "gone"
    presence[what](server, id)
    logins[what](server, id)
  end

  local function tell(listener, gone, reason) listener(gone, reason) end

  function e.closed(sid, uid, settings, reason)
    local listeners = server.closers[sid]
    server.closers[sid] = nil
    local gone = session.make(server, sid, uid, settings)
    watched.ended(server, sid, uid)
    tokens.ended(server, sid)
    local stores = server.stores
    if stores and stores.session_ended then stores.session_ended(server, sid) end
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

  function e.web(id, method, pattern, asked, path, query, address, body, params, headers,
    due)
    http_routes.asked(server, {
      method = method, pattern = pattern, asked = asked, path = path, query = query,
      address = address, body = body, params = params, headers = headers,
    }, {
      send = function(status, list, text) return server.node:answerHttp(id, status, list, text) end,
      waits = function() return server.node:waitsHttp(id) end,
      left = function() return math.max(0, due - core.now()) end,
    })
  end

  function e.start() lifecycle.start(server) end
  function e.started() lifecycle.started(server) end
  function e.control(call, text) admin.asked(server, call, text) end
  function e.stop(step, number) lifecycle.stop(server, step, number) end
  function e.pending() return quiet.pending(server) end

  return e
end

---Gives C the functions to call.
function entries.install(server)
  server.node:entries(functions_of(server))
end

return entries
