-- presence: members of channels leave when their sessions end: those that were added with a
-- session, and with channelConfig.autoLeave all.
--
-- A member hangs on watches. A watch is a question to a frontend, about one session or about all
-- sessions of a uid, which is answered once, when that has ended (session/watched). A uid, or a
-- session, has one watch of this server, in however many channels it is. Whoever was added after
-- the question was sent may belong to a newer session than the one that has ended: then the
-- frontend is asked again, and it knows.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local later = require "pomelua.channel.later"
local text_of = require("pomelua.base.text").of
local timers = require "pomelua.run.timers"
local watched = require "pomelua.session.watched"

local presence = {}

local RETRY_MS = 1000

---The service by which frontends tell.
presence.SERVICE = "_channelRemote"

---The part of a server that belongs to this file.
function presence.init(server)
  ---@class pomelua.Presence
  server.presence = {
    clock = 0, -- counts what happens: which came first
    last = 0, -- number of the last watch
    by_key = {}, -- [frontend, uid and session] = watch
    by_number = {},
    members = {}, -- [channel id] = { [frontend and uid] = member }
    forgot = {}, -- [server] = how often: its questions are forgotten, and it may not know
  }
end

local function tick(part)
  part.clock = part.clock + 1
  return part.clock
end

local function leave(server, member, reason)
  server.node:leaveChannel(member.id, member.uid, member.sid, reason)
end

local function forget(part, watch)
  if part.by_key[watch.key] == watch then part.by_key[watch.key] = nil end
  part.by_number[watch.number] = nil
end

local ask

-- The watch of a member's uid, or of a session; it is asked for when there is none.
local function hold(server, member, session)
  local part = server.presence
  local key = ("%s\0%s\0%s"):format(member.sid, text_of(member.uid), session or "")
  local watch = part.by_key[key]
  if watch then
    member.holds[watch], watch.members[member] = tick(part), true
    return
  end
  part.last = part.last + 1
  watch = {
    key = key, number = part.last, frontend = member.sid, uid = member.uid, session = session,
    members = { [member] = true },
  }
  part.by_key[key], part.by_number[watch.number] = watch, watch
  member.holds[watch] = tick(part)
  later.run(server, function() ask(server, watch) end) -- for all that was added in this turn
end

-- The end of what a watch is about.
local function ended(server, watch, reason)
  local part = server.presence
  if part.by_number[watch.number] ~= watch then return end
  forget(part, watch)
  for member in pairs(watch.members) do
    local added = member.holds[watch]
    member.holds[watch] = nil
    if reason == "closed" and added > watch.sent then
      hold(server, member, watch.session)
    elseif next(member.holds) == nil then
      leave(server, member, reason)
    end
  end
end

local function end_later(server, watch, reason)
  later.run(server, function() ended(server, watch, reason) end)
end

local function answered(server, watch, err, there)
  if server.presence.by_number[watch.number] ~= watch then return end
  if not err and there then return end
  if not err or err.code == "NOENT" then
    return end_later(server, watch, err and "server" or "closed")
  end
  -- An error without a code is the frontend's own: it is of another version.
  server:warn(("channels: server %s was asked for the sessions of a member: %s")
    :format(watch.frontend, errors.text(err)), "members' sessions")
  if err.code then timers.start(server, RETRY_MS, { fire = function() ask(server, watch) end }) end
end

-- Asks the frontend.
function ask(server, watch)
  local part = server.presence
  if part.by_number[watch.number] ~= watch then return end
  watch.sent = tick(part)
  if watch.frontend == server.id then
    local there = server.frontend
      and watched.add(server, server.id, watch.number, watch.uid, watch.session)
    return answered(server, watch, nil, there)
  end
  server.rpc.system(watch.frontend, "watch", function(err, there)
    answered(server, watch, err, there)
  end, 4, server.id, watch.number, watch.uid, watch.session or core.null)
end

local function key_of(uid, sid) return sid .. "\0" .. text_of(uid) end

local function member_of(server, id, uid, sid, make)
  local all = server.presence.members
  local some = all[id]
  if not some then
    if not make then return nil end
    some = {}
    all[id] = some
  end
  local key = key_of(uid, sid)
  local member = some[key]
  if not member and make then
    member = { id = id, uid = uid, sid = sid, tied = false, holds = {} }
    some[key] = member
  end
  return member
end

---A member leaves with the last session of its uid.
---@param id number of the channel
function presence.joined(server, id, uid, sid)
  local member = member_of(server, id, uid, sid, true)
  if not member.tied then hold(server, member, nil) end
end

local function let_go(member)
  for watch in pairs(member.holds) do watch.members[member] = nil end
  member.holds = {}
end

---A member leaves with a session; with the last one of those that it was added with.
function presence.tied(server, id, uid, sid, session)
  local member = member_of(server, id, uid, sid, true)
  if not member.tied then let_go(member) end
  member.tied = true
  hold(server, member, session)
end

---A member was added again without a session.
function presence.again(server, id, uid, sid)
  local member = member_of(server, id, uid, sid, false)
  if member and not member.tied then hold(server, member, nil) end
end

---A member has left.
function presence.left(server, id, uid, sid)
  local member = member_of(server, id, uid, sid, false)
  if not member then return end
  let_go(member)
  local some = server.presence.members[id]
  some[key_of(uid, sid)] = nil
  if next(some) == nil then server.presence.members[id] = nil end
end

---A frontend tells that what a watch is about has ended.
---@param number number
function presence.told(server, number)
  local watch = server.presence.by_number[number]
  if watch then end_later(server, watch, "closed") end
end

-- The watches that a frontend answers.
local function watches_of(server, frontend)
  local list = {}
  for _, watch in pairs(server.presence.by_number) do
    if watch.frontend == frontend then list[#list + 1] = watch end
  end
  return list
end

---A server is gone. Its sessions have ended with it, and it wants to hear nothing.
---@param id string
function presence.gone(server, id)
  local forgot = server.presence.forgot
  if watched.gone(server, id) then forgot[id] = (forgot[id] or 0) + 1 end
  for _, watch in ipairs(watches_of(server, id)) do end_later(server, watch, "server") end
end

---A server is there. It may be one that this server alone had taken for gone: then it does not know
---that its questions are forgotten, and asks them again when it is told.
---@param id string
function presence.came(server, id)
  local forgot = server.presence.forgot
  local times = forgot[id]
  if not times then return end
  server.rpc.own(id, presence.SERVICE .. ".forgot", function(err)
    if forgot[id] ~= times or err and err.code == "NOENT" then return end
    if not err or not err.code then
      forgot[id] = nil
    else
      timers.start(server, RETRY_MS, { fire = function() presence.came(server, id) end })
    end
  end, 1, server.id)
end

---A frontend has forgotten what it was asked.
---@param frontend string
function presence.forgotten(server, frontend)
  for _, watch in ipairs(watches_of(server, frontend)) do ask(server, watch) end
end

-- Tells another server, or this one, of an end that it wants to hear of.
local function tell(server, from, number)
  if from == server.id then return presence.told(server, number) end
  server.rpc.own(from, presence.SERVICE .. ".ended", function(err)
    if not err or not err.code or err.code == "NOENT" then return end
    timers.start(server, RETRY_MS, { fire = function() tell(server, from, number) end })
  end, 1, number)
end

---The remote of this server that frontends call.
---@return table methods by name
function presence.remote(server)
  server.watched.tell = tell
  local remote = {}
  function remote:ended(number, cb)
    presence.told(server, number)
    cb(nil)
  end
  function remote:forgot(frontend, cb)
    presence.forgotten(server, frontend)
    cb(nil)
  end
  return remote
end

---Asks a frontend who of some uids has no session there.
---@param frontend string
---@param uids (string|number)[]
---@param cb fun(err: pomelua.Error|nil, absent: (string|number)[]|nil)
function presence.absent(server, frontend, uids, cb)
  if frontend == server.id then return cb(nil, watched.absent(server, uids)) end
  server.rpc.system(frontend, "absent", cb, 1, uids)
end

return presence
