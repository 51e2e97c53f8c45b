-- logins: one session of a user on all frontends: sessionConfig.singleSession = "kick-old".
--
-- Each bind has an order: the time in milliseconds, and more than every order that this frontend
-- has given or heard of before. So a bind that is made after another one is known has the higher
-- order, however the clocks of the machines are set. Of two sessions of a uid the one with the
-- higher order stays; of equal ones that of the frontend whose id is the greater.
--
-- A frontend tells the others of its binds: of the first at once, of those that come while an
-- answer is awaited together with the next. Whoever is told ends its older sessions of the uid, and
-- answers which of the binds lose against a later one; the teller ends those itself. No login waits
-- for any of this. A frontend that could not be told is behind: when it answers again, it is told
-- of all binds since. When a frontend meets another one for the first time, or again, it asks for
-- its order and tells it of all its sessions, unless the other has none. Each of them does: one may
-- have taken the other for gone, and bound meanwhile, while the other saw it all the time.
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local timers = require "pomelua.run.timers"

local logins = {}

local MOST = 500 -- binds in a call
local LOOKS = 5000 -- sessions that are looked at in a turn
local QUEUED = 10000 -- binds that wait for an answer; above it all sessions are walked
local RETRY = 1000 -- ms until a frontend that is behind is asked again
local LAST = 2 ^ 52 -- no order is above it

---@class pomelua.LoginPeer another frontend, in one of its lives
---@field id string
---@field incarnation number
---@field met boolean whether orders were told since it is there
---@field busy boolean whether an answer is awaited
---@field waits boolean whether it is asked again later
---@field queue table[] binds to tell: {sid=, uid=, order=}
---@field since number|nil it is behind: no bind from this order on was told, and none is queued
---@field walk table|nil {sids=, at=, since=}: all sessions, while it is told of those behind since

---The part of a server that belongs to this file.
function logins.init(server)
  ---@class pomelua.Logins
  server.logins = {
    order = 0, -- the highest that was given or heard of
    peers = {}, -- [id] = pomelua.LoginPeer
    timer = nil, -- runs while a peer is behind
    counts = { -- for server:counters
      sessionsReplaced = 0, -- ended here because their uid was bound later
      loginsUntold = 0, -- calls with binds that a frontend has not answered
    },
  }
end

---The order of a bind that is made now.
---@param server pomelua.Server
---@return number
function logins.next_order(server)
  local own = server.logins
  own.order = math.max(math.floor(server.wall() * 1000), own.order + 1)
  return own.order
end

local function hear(server, order)
  if type(order) == "number" and order % 1 == 0 and order < LAST then
    server.logins.order = math.max(server.logins.order, order)
  end
end

local function kicks_old(server) return server.checked.single_session == "kick-old" end

-- --- what a frontend is told ----------------------------------------------------------------

-- Ends a session whose uid was bound later, somewhere.
local function replace(server, sid)
  server.logins.counts.sessionsReplaced = server.logins.counts.sessionsReplaced + 1
  server.node:kick(sid, "kick")
end

-- Ends the sessions of a uid that are older than a bind of another frontend. Whether one is newer.
local function make_way(server, from, uid, order)
  local sids, newer = server.node:sidsOf(uid), false
  for i = 1, #sids do
    local own = server.node:bindOrder(sids[i]) or 0
    if own < order or own == order and server.id < from then
      replace(server, sids[i])
    else
      newer = true
    end
  end
  return newer
end

---Another frontend tells of its binds.
---@param server pomelua.Server
---@param from string its id
---@param highest number the highest order that it knows of
---@param binds any[] uid and order of each, one behind the other
---@return number highest the highest order known here
---@return number[] lost which of them lose against a session of this frontend
function logins.told(server, from, highest, binds)
  hear(server, highest)
  local lost = {}
  for i = 1, #binds, 2 do
    local uid, order = binds[i], binds[i + 1]
    if type(order) == "number" and make_way(server, from, uid, order) and kicks_old(server) then
      lost[#lost + 1] = (i + 1) / 2
    end
  end
  return server.logins.order, lost
end

---Another frontend has come, or has met this one.
---@param server pomelua.Server
---@param highest number the highest order that it knows of
---@return number highest the highest order known here
---@return number bound how many sessions here have a uid
function logins.met(server, highest)
  hear(server, highest)
  return server.logins.order, server.node:counts().bound or 0
end

-- --- telling the others ----------------------------------------------------------------------

local next_call

-- A call to a peer; answered(...) gets what it has answered; a life that is over does not matter.
local function call(server, peer, method, orders, answered, n, a, b, c)
  peer.busy = true
  server.rpc.apart(peer.id, method, server.checked.frontend_ms, function(err, ...)
    if server.logins.peers[peer.id] ~= peer then return end
    peer.busy = false
    if not err then
      answered(...)
      return next_call(server, peer)
    end
    local counts = server.logins.counts
    counts.loginsUntold = counts.loginsUntold + 1
    server:warn(("singleSession: the frontend %s was not told of binds: %s; it is asked again")
      :format(peer.id, errors.text(err)), "binds that a frontend was not told of")
    logins.behind(server, peer, orders)
  end, n, a, b, c)
end

-- The retries of all peers that are behind, once a second while there are any.
local function arm(server)
  local own = server.logins
  if own.timer then return end
  own.timer = timers.start(server, RETRY, { of_framework = true, fire = function()
    own.timer = nil
    for _, peer in pairs(own.peers) do
      if peer.waits and server.node:alive(peer.id) then
        peer.waits = false
        next_call(server, peer)
      end
    end
  end })
end

-- A peer is behind from an order on; binds that wait for it are left to the walk.
local function fall_behind(peer, order)
  for i = 1, #peer.queue do order = math.min(order, peer.queue[i].order) end
  if peer.walk then order = math.min(order, peer.walk.since) end
  peer.since = math.min(peer.since or order, order)
  peer.queue, peer.walk = {}, nil
end

---A peer was not told of binds from this order on, nor of those that wait.
---@param server pomelua.Server
---@param peer pomelua.LoginPeer
---@param order number
function logins.behind(server, peer, order)
  fall_behind(peer, order)
  peer.waits = true
  arm(server)
end

local function meet(server, peer)
  call(server, peer, "meet", math.huge, function(highest, bound)
    hear(server, highest)
    peer.met = true
    if peer.since == math.huge then peer.since = nil end
    if (tonumber(bound) or 0) > 0 then fall_behind(peer, 0) end
  end, 2, server.id, server.logins.order)
end

-- The next binds for a peer: those that wait, then of the walk those that it was not told. Gives
-- the lowest order that is not told when the peer does not take them.
local function some(server, peer)
  local list, queue, walk = {}, peer.queue, peer.walk
  for i = 1, math.min(#queue, MOST) do list[i] = queue[i] end
  if #list > 0 then peer.queue = { unpack(queue, #list + 1) } end
  local last = walk and math.min(walk.at + LOOKS, #walk.sids) or 0
  while walk and #list < MOST and walk.at < last do
    walk.at = walk.at + 1
    local sid = walk.sids[walk.at]
    local order = server.node:bindOrder(sid)
    if order and order >= walk.since then
      list[#list + 1] = { sid = sid, uid = server.node:session(sid), order = order }
    end
  end
  if walk and walk.at == #walk.sids then peer.walk = nil end
  return list, walk and walk.since or math.huge
end

-- Those of our binds that lose against later ones.
local function end_lost(server, list, lost)
  for _, i in ipairs(type(lost) == "table" and lost or {}) do
    local bind = list[i]
    if bind and server.node:bindOrder(bind.sid) == bind.order then replace(server, bind.sid) end
  end
end

local function tell(server, peer)
  local list, lowest = some(server, peer)
  if #list == 0 then
    if peer.walk then -- on with it in a later turn
      timers.start(server, 1, {
        of_framework = true, fire = function() next_call(server, peer) end,
      })
    end
    return
  end
  local binds = json.array()
  for i, bind in ipairs(list) do
    binds[2 * i - 1], binds[2 * i] = bind.uid, bind.order
    lowest = math.min(lowest, bind.order)
  end
  call(server, peer, "bound", lowest, function(highest, lost)
    hear(server, highest)
    end_lost(server, list, lost)
  end, 3, server.id, server.logins.order, binds)
end

function next_call(server, peer)
  if peer.busy or peer.waits then return end
  if not peer.met then return meet(server, peer) end
  if peer.since then
    peer.walk = { sids = server.node:sids(), at = 0, since = peer.since }
    peer.since = nil
  end
  if peer.walk or #peer.queue > 0 then tell(server, peer) end
end

-- Calls fn(peer) for each other frontend that is there, in its present life. One that is not hears
-- of it when it comes: frontends that meet tell of all their sessions.
local function each_peer(server, fn)
  local peers = server.logins.peers
  for id, entry in pairs(server.by_id) do
    local now = entry.frontend and id ~= server.id and server.node:incarnation(id)
    if now then
      local peer = peers[id]
      if not peer or peer.incarnation ~= now then
        peer = { id = id, incarnation = now, met = false, busy = false, waits = false, queue = {} }
        peers[id] = peer
      end
      fn(peer)
    end
  end
end

local function queue(peer, bind)
  if peer.since or #peer.queue == QUEUED then return fall_behind(peer, bind.order) end
  peer.queue[#peer.queue + 1] = bind
end

---A session was bound: the others hear of it.
---@param server pomelua.Server
---@param sid number
---@param uid string|number
---@param order number
function logins.bound(server, sid, uid, order)
  each_peer(server, function(peer)
    queue(peer, { sid = sid, uid = uid, order = order })
    next_call(server, peer)
  end)
end

-- A server that is not up yet may not be known to other processes, so that what it sends is lost.
local NOT_UP = { starting = true, loaded = true, stopping = true, failed = true }

---The list of servers has changed, or this one is up: frontends that are there tell each other
---their orders before the first bind.
---@param server pomelua.Server
function logins.look(server)
  if not server.frontend or not kicks_old(server) or NOT_UP[server.life.state] then return end
  each_peer(server, function(peer) next_call(server, peer) end)
  for id in pairs(server.logins.peers) do
    if not server.by_id[id] then server.logins.peers[id] = nil end
  end
end

---A server is there. It may be one that was gone for a while, with its sessions.
---@param server pomelua.Server
---@param id string
function logins.came(server, id)
  local peer = server.logins.peers[id]
  if peer then peer.waits = false end
  logins.look(server)
end

---A server is gone.
---@param server pomelua.Server
---@param id string
function logins.gone(server, id)
  local peer = server.logins.peers[id]
  if peer then peer.met = false end
end

---A session of this frontend was bound, and others had the uid before.
---@param server pomelua.Server
---@param others number[] their ids
---@param sid number
---@param uid string|number
---@param order number of the bind
function logins.won(server, others, sid, uid, order)
  for i = 1, #others do replace(server, others[i]) end
  logins.bound(server, sid, uid, order)
end

return logins
