-- test.frontends: the frontends that a backend in a spec speaks to. Their sessions are the
-- tables of the spec; what is asked of them is answered by the code of a real frontend
-- (session, frontend_remote) over a node that keeps its sessions in those tables.
local channels = require "pomelua.test.channels"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local uid_text = require("pomelua.base.text").of
local frontend_remote = require "pomelua.session.frontend_remote"
local logins = require "pomelua.session.logins"
local presence = require "pomelua.channel.presence"
local users = require "pomelua.session.users"
local watched = require "pomelua.session.watched"

local UID_MAX = 4096 -- bytes of a uid, as in the core

local frontends = {}

-- The part of a node's methods that sessions need ---------------------------------------

local node = {}
node.__index = node

local function text_of(uid) return uid ~= nil and uid_text(uid) or nil end

function node:session(sid)
  local one = self.by_sid[sid]
  if not one then return nil, nil, false end
  local settings = one.settings
  if type(settings) ~= "table" or next(settings) == nil then return one.uid, nil, true end
  return one.uid, assert(core.encode(settings, "settings")), true
end

-- When a table became this uid's: sessions of a uid stand in the order of binding.
local function note(self, one)
  local known, uid = self.bound[one], text_of(one.uid)
  if known and known.uid == uid then return known.at end
  self.last = self.last + 1
  self.bound[one] = { uid = uid, at = self.last, time = self.server.inner.wall() }
  return self.last
end

function node:bind(sid, uid, order)
  if type(uid) == "string" and #uid > UID_MAX then
    return nil, "a uid is a string or a number", "INVAL"
  end
  local one = self.by_sid[sid]
  one.uid = uid
  note(self, one)
  self.bound[one].order = order
  return true
end

function node:unbind(sid)
  channels.forget(self, sid)
  self.by_sid[sid].uid = nil
  return true
end

-- Fills the spec's own table of settings, so that a spec which keeps it sees the new values.
function node:setSettings(sid, text)
  local one = self.by_sid[sid]
  local settings = text and json.decode(text) or {}
  for key in pairs(one.settings) do one.settings[key] = nil end
  for key, value in pairs(settings) do one.settings[key] = value end
  return true
end

function node.watchClosed() return true end

function node:address(sid)
  if self.by_sid[sid] then return "127.0.0.1", 1 end
end

-- The session is gone at once, as on a frontend.
function node:kick(sid, reason)
  local one = self.by_sid[sid]
  if not one then return false end
  self:forget(one, "has been kicked")
  table.insert(self.server.kicks, { uid = one.uid, sid = sid, reason = reason })
  return true
end

function node.refuseBanned() return false end -- these have answered every handshake

function node:endBanned(sid, reason) return self:kick(sid, reason) end

function node:sidsOf(uid)
  local wanted, list = text_of(uid), {}
  if wanted == nil then return list end
  for sid, one in pairs(self.by_sid) do
    if text_of(one.uid) == wanted then list[#list + 1] = sid end
  end
  table.sort(list, function(a, b)
    return note(self, self.by_sid[a]) < note(self, self.by_sid[b])
  end)
  return list
end

function node:boundAt(sid)
  local one = self.by_sid[sid]
  if not one or one.uid == nil then return nil end
  note(self, one)
  return math.floor(self.bound[one].time)
end

function node:bindOrder(sid)
  local one = self.by_sid[sid]
  if not one or one.uid == nil then return nil end
  note(self, one)
  return self.bound[one].order or 0
end

node.clusterJoin, node.clusterLeave = channels.join, channels.leave
node.clusterMembers, node.clusterCount = channels.members, channels.count
node.clusterMember = channels.member

function node:incarnation(id) return self.server.node:incarnation(id) end

function node:alive(id) return self.server.node:alive(id) end

function node:sids()
  local list = {}
  for sid in pairs(self.by_sid) do list[#list + 1] = sid end
  table.sort(list)
  return list
end

function node:counts()
  local bound = 0
  for _, one in pairs(self.by_sid) do bound = bound + (one.uid ~= nil and 1 or 0) end
  return { bound = bound }
end

---The client of a table is there.
function node:add(one)
  local before = self.ids[one]
  if before ~= nil and before ~= one.id and self.by_sid[before] == one then
    self.by_sid[before] = nil
  end
  self.ids[one] = one.id
  self.by_sid[one.id] = one
  note(self, one)
end

---The client has gone; why is for an error when the spec uses the table again.
function node:forget(one, why)
  channels.forget(self, one.id)
  self.by_sid[one.id] = nil
  self.gone[one] = why
  watched.ended(self.front, one.id, one.uid)
end

-- Their frontends ----------------------------------------------------------------------

local methods = {}
local mt = { __index = methods }

---@param server pomelua.test.Server
---@param gone table [table of the spec] = why its client has gone
function frontends.new(server, gone)
  return setmetatable({ server = server, by_id = {}, gone = gone }, mt)
end

-- What a frontend tells the server of the spec.
local function tell(front, _, number)
  front.node.server.node:deliver {
    from = front.id, kind = "call", route = presence.SERVICE .. ".ended",
    body = core.encode(json.array { number }),
  }
end

local make

-- What one frontend asks another one.
local function ask(self, to, method, cb, n, ...)
  local other, args = self.by_id[to] or make(self, to), { ... }
  args[n + 1] = cb
  other.remote[method](other.remote, unpack(args, 1, n + 1))
end

function make(self, id)
  local weak = { __mode = "k" }
  local inner = self.server.inner
  local front = {
    id = id, event = { has = function() return false end }, bans = inner.bans, wall = inner.wall,
    info_line = function(_, ...) inner:info_line(...) end, frontend = true,
    by_id = inner.by_id, checked = inner.checked,
    rpc = { apart = function(to, method, _, cb, n, ...) ask(self, to, method, cb, n, ...) end },
  }
  front.node = setmetatable({
    server = self.server, gone = self.gone, by_sid = {}, last = 0,
    channels = {}, ids = setmetatable({}, weak), bound = setmetatable({}, weak),
  }, node)
  front.node.front = front
  watched.init(front)
  users.init(front)
  logins.init(front)
  front.watched.tell = tell
  front.remote = frontend_remote.new(front)
  self.by_id[id] = front
  return front
end

---The sessions of a frontend.
---@param id string
function methods:node(id) return (self.by_id[id] or make(self, id)).node end

---A frontend begins anew, without sessions.
---@param id string
function methods:restarted(id)
  local front = self.by_id[id]
  self.by_id[id] = nil
  for _, one in pairs(front and front.node.by_sid or {}) do
    self.gone[one] = "has gone with its frontend, which was restarted"
  end
end

---What answers a call to the sessions of a frontend; nil when the call is another; and why
---there is nothing that answers.
function methods:remote(record)
  local service, method = record.route:match("^([^.]+)%.(.+)$")
  if service ~= frontend_remote.SERVICE then return nil end
  local inner = self.server.inner
  local entry = inner.by_id[record.to]
  local front = self.by_id[record.to]
  if not front and entry and entry.frontend then front = make(self, record.to) end
  if not front then return nil, "no such service:" .. service end
  local fn = front.remote[method]
  if not fn then return nil, "no such method:" .. method end
  front.checked = inner.checked
  return function(...) return fn(front.remote, ...) end
end

return frontends
