-- store: the channels of this server, written to a store of the game's (channelConfig.store) and
-- read back when the server starts (protocol-server 17.4). The keys are Pomelo's: "<prefix>:<server
-- id>" holds the keys of channels, "<prefix>:<server id>:<channel>" its members as
-- "<frontend id>:<uid>".
--
-- The calls for one key go out one after the other, so that they arrive in the order of what
-- happened. A call that fails is one line of the log; the channel stays as it is.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local later = require "pomelua.channel.later"
local method = require "pomelua.base.method"
local presence = require "pomelua.channel.presence"
local run_all = require "pomelua.run.all"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local text_of = require("pomelua.base.text").of

local store = {}

local AT_ONCE = 32 -- channels that are loaded at the same time

---What is wrong with the value of channelConfig.store; nil: nothing.
---@param value any
---@return string|nil
function store.wrong(value)
  if type(value) ~= "table" then
    return "must be a table with the functions add, remove, load and removeAll, got "
      .. tables.shown(value)
  end
  for _, name in ipairs { "add", "remove", "load", "removeAll" } do
    local kind = type(errors.field(value, name))
    if kind ~= "function" then
      return ("must have a function %s (it needs add, remove, load and removeAll), got %s")
        :format(name, kind)
    end
  end
end

---The part of a server that belongs to this file.
function store.init(server)
  server.store = nil -- {given=, list_key=, lanes=}, when the game has a store
  server.restored = {} -- [channel id] = { [frontend id] = { [uid as text] = uid } }: not seen yet
end

---Settings take effect.
function store.configure(server)
  local given = server.checked.store
  server.store = given and {
    given = given, list_key = server.checked.store_prefix .. ":" .. server.id,
    lanes = {}, -- [key] = calls that wait, the running one first
  } or nil
end

-- The text of a member. A uid that is a string and looks like a number, or like JSON, is written as
-- JSON: so 7 and "7" come back as what they were.
local function value_of(uid, sid)
  local text = type(uid) == "number" and core.encode(uid) or uid
  if type(uid) == "string" and (tonumber(uid) or uid:sub(1, 1) == '"') then
    text = core.encode(uid)
  end
  return sid .. ":" .. text
end

local function uid_of(text)
  local first = text:sub(1, 1) == '"' and json.decode(text)
  if type(first) == "string" then return first end
  local number = tonumber(text)
  return number and core.encode(number) == text and number or text
end

-- One call of the store's, which may call back, return, or wait and return. Returns what it gives,
-- or nil, err.
local function ask(self, op, ...)
  local fn, n = errors.field(self.given, op), select("#", ...)
  local most, is_method = method.arguments(fn, n + 1), method.is(fn, n + 1)
  local takes_cb = most == nil or most > n
  local args = { ... }
  local ok, value, err = pcall(task.await, function(cb)
    local done = false
    args[n + 1] = takes_cb and function(...)
      if done then return end
      done = true
      cb(...)
    end or nil
    local a, b
    if is_method then
      a, b = fn(self.given, unpack(args, 1, n + 1))
    else
      a, b = fn(unpack(args, 1, n + 1))
    end
    if done or a == nil and b == nil and takes_cb then return end
    done = true
    if a == nil and b ~= nil then return cb(b) end
    cb(nil, a)
  end)
  if not ok then return nil, errors.of(value) end
  return value, err and errors.of(err)
end

local function failed(server, op, key, value, err)
  server:error(("channelConfig.store: %s(%q%s): %s"):format(op, key,
    value and (", %q"):format(value) or "", errors.text(err)), "errors of the channel store")
end

local function run_lane(server, self, key, lane)
  local first = 1
  while lane[first] do
    local op, value = lane[first][1], lane[first][2]
    local _, err
    if value then _, err = ask(self, op, key, value) else _, err = ask(self, op, key) end
    if err then failed(server, op, key, value, err) end
    lane[first] = nil
    first = first + 1
  end
  self.lanes[key] = nil
end

-- Puts a call into the line of its key.
local function put(server, op, key, value)
  local self = server.store
  local lane = self.lanes[key]
  if lane then
    lane.n = lane.n + 1
    lane[lane.n] = { op, value }
    return
  end
  lane = { { op, value }, n = 1 }
  self.lanes[key] = lane
  local outer = current.work
  current.work = { name = "channelConfig.store", stays = true }
  task.run(server, server:context("channelConfig.store"), run_lane, server, self, key, lane)
  current.work = outer
end

local function channel_key(server, name) return server.store.list_key .. ":" .. name end

---A channel was made.
function store.made(server, _, name)
  put(server, "add", server.store.list_key, channel_key(server, name))
end

---A member has joined.
function store.joined(server, name, uid, sid)
  put(server, "add", channel_key(server, name), value_of(uid, sid))
end

---A member has left.
function store.left(server, name, uid, sid)
  put(server, "remove", channel_key(server, name), value_of(uid, sid))
end

---A channel was destroyed.
function store.gone(server, name)
  put(server, "remove", server.store.list_key, channel_key(server, name))
  put(server, "removeAll", channel_key(server, name))
end

-- Reading back ---------------------------------------------------------------------------

-- A copy of the list that the store gives, since the store may go on changing it; nil: it failed.
local function load(server, key)
  local list, err = ask(server.store, "load", key)
  if list == true or list == nil and not err or rawequal(list, core.null) then return {} end
  if not err and type(list) ~= "table" then
    err = "it must give an array of strings, or nil, got " .. type(list)
  end
  if not err then
    local copy = {}
    for i = 1, #list do copy[i] = list[i] end
    return copy
  end
  failed(server, "load", key, nil, err)
end

-- The frontend and the uid of a member's text; nil when it names no frontend of this app.
local function member_of(server, value)
  local best
  for id, entry in pairs(server.by_id) do
    if entry.frontend and value:sub(1, #id + 1) == id .. ":" and (not best or #id > #best) then
      best = id
    end
  end
  local text = best and value:sub(#best + 2)
  if text and text ~= "" then return best, uid_of(text) end
end

local function restore_channel(server, key)
  local name = key:sub(#server.store.list_key + 2)
  local list, members = load(server, key), {}
  for _, value in ipairs(list or {}) do
    local sid, uid
    if type(value) == "string" then sid, uid = member_of(server, value) end
    if sid then
      members[#members + 1] = uid
      members[#members + 1] = sid
    else
      server:warn(("channelConfig.store: %q holds %s, which names no frontend and uid; it is taken"
        .. " out"):format(key, type(value) == "string" and ("%q"):format(value) or type(value)),
        "wrong members in the channel store")
      if type(value) == "string" then put(server, "remove", key, value) end
    end
  end
  local ok, made, message = pcall(server.node.restoreChannel, server.node, name, members)
  if not ok or not made then
    failed(server, "load", key, nil, ok and "no room for another channel" or message or made)
  end
end

---Makes the channels that the store holds. It may wait; when it returns all members are there.
function store.restore(server)
  if not server.store then return end
  local prefix, keys = server.store.list_key .. ":", {}
  for _, key in ipairs(load(server, server.store.list_key) or {}) do
    if type(key) == "string" and key:sub(1, #prefix) == prefix and #key > #prefix then
      keys[#keys + 1] = key
    else
      server:warn(("channelConfig.store: %q holds %s, which is no key of a channel: it must begin "
        .. "with %q"):format(server.store.list_key, errors.tostring(key), prefix),
        "wrong keys in the channel store")
    end
  end
  for first = 1, #keys, AT_ONCE do
    local some = {}
    for i = first, math.min(first + AT_ONCE - 1, #keys) do
      some[i] = function() restore_channel(server, keys[i]) end
    end
    run_all(some)
  end
end

---A member has come back from the store.
function store.restored(server, id, uid, sid)
  local by_frontend = server.restored[id] or {}
  server.restored[id] = by_frontend
  by_frontend[sid] = by_frontend[sid] or {}
  by_frontend[sid][text_of(uid)] = uid
end

---A script has spoken of a member.
---@return boolean restored whether it was one of which nobody knew whether it was still there
function store.confirmed(server, id, uid, sid)
  local by_frontend = server.restored[id]
  local some = by_frontend and by_frontend[sid]
  local text = some and text_of(uid)
  if not some or some[text] == nil then return false end
  some[text] = nil
  if next(some) == nil then by_frontend[sid] = nil end
  if next(by_frontend) == nil then server.restored[id] = nil end
  return true
end

-- Those of a frontend: who is absent leaves, and of the others we know.
local function checked(server, id, sid, uids, absent, reason)
  local gone = {}
  for i = 1, #absent do gone[text_of(absent[i])] = true end
  for _, uid in ipairs(uids) do
    if store.confirmed(server, id, uid, sid) then
      if gone[text_of(uid)] then
        server.node:leaveChannel(id, uid, sid, reason)
      elseif server.checked.auto_leave then
        presence.joined(server, id, uid, sid)
      end
    end
  end
end

---A channel with members from the store is pushed to for the first time: those without a session
---leave.
function store.pushed(server, id)
  for sid, some in pairs(server.restored[id] or {}) do
    local uids = {}
    for _, uid in pairs(some) do uids[#uids + 1] = uid end
    presence.absent(server, sid, uids, function(err, absent)
      later.run(server, function()
        if not err then return checked(server, id, sid, uids, absent, "absent") end
        if err.code == "NOENT" then return checked(server, id, sid, uids, uids, "server") end
        server.node:markChannel(id) -- the next push asks again
      end)
    end)
  end
end

return store
