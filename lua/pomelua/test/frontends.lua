-- test.frontends: the frontends that a backend in a spec speaks to. Their sessions are the
-- tables of the spec; what is asked of them is answered by the code of a real frontend
-- (session, frontend_remote) over a node that keeps its sessions in those tables.
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local real_session = require "pomelua.session.session"
local frontend_remote = require "pomelua.session.frontend_remote"

local UID_MAX = 4096 -- bytes of a uid, as in the core

local frontends = {}

-- The part of a node's methods that sessions need ---------------------------------------

local node = {}
node.__index = node

local function text_of(uid) return uid ~= nil and real_session.text_of(uid) or nil end

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
  self.bound[one] = { uid = uid, at = self.last }
  return self.last
end

function node:bind(sid, uid)
  if type(uid) == "string" and #uid > UID_MAX then
    return nil, "a uid is a string or a number", "INVAL"
  end
  local one = self.by_sid[sid]
  one.uid = uid
  note(self, one)
  return true
end

function node:unbind(sid)
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

-- The session is gone at once, as on a frontend.
function node:kick(sid, reason)
  local one = self.by_sid[sid]
  if not one then return false end
  self:forget(one, "has been kicked")
  table.insert(self.server.kicks, { uid = one.uid, sid = sid, reason = reason })
  return true
end

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

function node:incarnation(id) return self.server.node:incarnation(id) end

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
  self.by_sid[one.id] = nil
  self.gone[one] = why
end

-- Their frontends ----------------------------------------------------------------------

local methods = {}
local mt = { __index = methods }

---@param server pomelua.test.Server
---@param gone table [table of the spec] = why its client has gone
function frontends.new(server, gone)
  return setmetatable({ server = server, by_id = {}, gone = gone }, mt)
end

local function make(self, id)
  local weak = { __mode = "k" }
  local front = { id = id, event = { has = function() return false end } }
  front.node = setmetatable({
    server = self.server, gone = self.gone, by_sid = {}, last = 0,
    ids = setmetatable({}, weak), bound = setmetatable({}, weak),
  }, node)
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
