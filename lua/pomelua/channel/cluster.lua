-- cluster: the methods of cluster channels that ask frontends. The members of such a channel are
-- sessions, and live where these live: each frontend knows its own (core/node/cluster_members), and
-- a server that pushes knows which frontends have any (core/node/cluster). So a join is a call to
-- the member's frontend, and to list the members is to ask all frontends that have some.
local callback = require "pomelua.run.callback"
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local frontend_remote = require "pomelua.session.frontend_remote"
local json = require "pomelua.base.json"
local tables = require "pomelua.base.tables"
local text_of = require("pomelua.base.text").of
local where = require "pomelua.base.where"

local cluster = {}

local UID_MAX = 4096 -- bytes of a uid, as in the core

---The part of a server that belongs to this file.
function cluster.init(server) server.node:clusterOwner(server) end

-- The server and the name of a channel; raises when a method was called with a dot.
local function of(channel, method)
  local server, name = core.cluster_channel(channel)
  if not server then errors.wrong_self("channel", method, channel) end
  return server, name
end

-- Calls the remote of a frontend's sessions (session/frontend_remote), also of this server's own.
local function call(server, frontend, method, done, n, ...)
  if frontend ~= server.id then return server.rpc.system(frontend, method, done, n, ...) end
  local remote = server.live.own_remotes[frontend_remote.SERVICE]
  if not remote then
    return done(errors.new("server " .. frontend .. " is no frontend", "NOENT"))
  end
  local args = { ... }
  args[n + 1] = done
  remote[method](remote, unpack(args, 1, n + 1))
end

-- Who joins or leaves -----------------------------------------------------------------------

local function is_uid(uid)
  return type(uid) == "number" and uid == uid or type(uid) == "string" and uid ~= ""
    and #uid <= UID_MAX
end

-- A session of this or another server: its uid, frontend, id and callback.
local function of_session(method, session, cb)
  local id, sid, uid = session.id, session.frontendId, session.uid
  if type(id) ~= "number" or type(sid) ~= "string" then
    errors.raise(("channel:%s(session, cb): the table is no session"):format(method))
  end
  if uid == nil then
    errors.raise(("channel:%s(session, cb): the session has no uid, bind it first"):format(method))
  end
  return uid, sid, id, cb, session.incarnation
end

-- The arguments of add and leave, (uid, sid, cb) or (session, cb).
local function who(method, a, b, c)
  local uid, sid, id, cb, incarnation = a, b, core.null, c, nil
  if type(a) == "table" then uid, sid, id, cb, incarnation = of_session(method, a, b) end
  if not is_uid(uid) then
    errors.raise(("channel:%s(uid, sid, cb): uid must be a string of at most %d bytes or a number,"
      .. " got %s"):format(method, UID_MAX, tables.shown(uid)))
  end
  if type(sid) ~= "string" or sid == "" then
    errors.raise(("channel:%s(uid, sid, cb): sid must be the id of the user's frontend, got %s; a "
      .. "cluster channel keeps no user who is not connected"):format(method, tables.shown(sid)))
  end
  cb = callback.check(("channel:%s(%s, cb)"):format(method, id == core.null and "uid, sid"
    or "session"), cb)
  return { uid = uid, sid = sid, id = id, incarnation = incarnation }, cb
end

-- Asks the frontend of one user.
local function ask(channel, method, remote_method, a, b, c)
  local server, name = of(channel, method)
  local user, cb = who(method, a, b, c)
  return callback.ask(server, "channel:" .. method, cb, function(done)
    if user.incarnation and server.node:incarnation(user.sid) ~= user.incarnation then
      return done(errors.new(("session does not exist, sid: %s: server %s is gone, or was "
        .. "restarted since"):format(text_of(user.id), user.sid), "NOENT"))
    end
    call(server, user.sid, remote_method, done, 3, name, user.uid, user.id)
  end)
end

local methods = core.cluster_channel_methods

---@param uid string|number all sessions of this user on that frontend join
---@param sid string id of the frontend
---@param cb nil|fun(err: pomelua.Error|nil, ok: true|nil) left out: waits
function methods:add(uid, sid, cb) return ask(self, "add", "channelJoin", uid, sid, cb) end

---@param cb nil|fun(err: pomelua.Error|nil, was: boolean|nil) was: whether it was a member
function methods:leave(uid, sid, cb) return ask(self, "leave", "channelLeave", uid, sid, cb) end

-- All members --------------------------------------------------------------------------------

-- A frontend that is gone has taken its members with it; one that cannot be reached has not.
local function is_gone(server, frontend, err)
  return err.code == "NOENT" and server.node:incarnation(frontend) == nil
end

-- Asks all frontends that have, or may have, members: take(value, frontend) gets what each answers,
-- and done(err, result()) ends it, with the first error.
local function ask_all(server, name, remote_method, done, take, result, n, ...)
  local places = server.node:clusterPlaces(name)
  if server.frontend then places[#places + 1] = server.id end
  local left, failed = #places, nil
  if left == 0 then return done(nil, result()) end
  for i = 1, #places do
    local frontend = places[i]
    call(server, frontend, remote_method, function(err, value)
      if not err then
        take(value, frontend)
      elseif not failed and not is_gone(server, frontend, err) then
        failed = err
      end
      left = left - 1
      if left > 0 then return end
      if failed then return done(failed) end
      done(nil, result())
    end, n, ...)
  end
end

---@param cb nil|fun(err: pomelua.Error|nil, uids: (string|number)[]|nil) left out: waits
function methods:getMembers(cb)
  local server, name = of(self, "getMembers")
  cb = callback.check("channel:getMembers(cb)", cb)
  return callback.ask(server, "channel:getMembers", cb, function(done)
    local list = json.array {}
    ask_all(server, name, "channelMembers", done, function(uids)
      for i = 1, #uids do list[#list + 1] = uids[i] end
    end, function() return list end, 1, name)
  end)
end

---@param cb nil|fun(err: pomelua.Error|nil, n: number|nil) left out: waits
function methods:getUserAmount(cb)
  local server, name = of(self, "getUserAmount")
  cb = callback.check("channel:getUserAmount(cb)", cb)
  return callback.ask(server, "channel:getUserAmount", cb, function(done)
    local sum = 0
    ask_all(server, name, "channelCount", done, function(n) sum = sum + n end,
      function() return sum end, 1, name)
  end)
end

---@param uid string|number
---@param cb nil|fun(err: pomelua.Error|nil, member: {uid: string|number, sid: string}|nil)
function methods:getMember(uid, cb)
  local server, name = of(self, "getMember")
  cb = callback.check("channel:getMember(uid, cb)", cb)
  if not is_uid(uid) then
    errors.raise("channel:getMember(uid, cb): uid must be a string or a number, got "
      .. tables.shown(uid))
  end
  return callback.ask(server, "channel:getMember", cb, function(done)
    local member
    ask_all(server, name, "channelMember", done, function(found, sid)
      if found ~= nil then member = { uid = found, sid = sid } end
    end, function() return member end, 2, name, uid)
  end)
end

---@param cb nil|fun(err: pomelua.Error|nil, ok: true|nil) left out: waits
function methods:destroy(cb)
  local server, name = of(self, "destroy")
  cb = callback.check("channel:destroy(cb)", cb)
  return callback.ask(server, "channel:destroy", cb, function(done)
    ask_all(server, name, "channelLeave", done, function() end, function() return true end, 3, name,
      core.null, core.null)
  end)
end

where.name(methods, "channel:")

return cluster
