-- redis_subscriptions: redis:subscribe. The subscriptions of a server to one Redis share a
-- connection, and those to one channel are one for Redis. A subscription that a file makes while it
-- loads begins when the file comes into force, and ends with it; every other one ends with close(),
-- or with its server.
--
-- A channel without subscriptions is given up a second later, so that a reload, which ends the old
-- subscription and makes the new one, loses no message.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local handles = require "pomelua.store.handles"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"
local units = require "pomelua.run.unit"

local subscriptions = {}

local LINGER = 1000 -- ms that a channel stays without subscriptions
local WAITING = 1024 -- calls of one subscription that wait; more messages are dropped
local MOST = 1024 -- subscriptions to one channel

---@class pomelua.Subscription
---@field channel string
local methods = {}
local mt = { __name = "pomelua.Subscription", __index = methods }

-- ---- messages ----

local function call(sub, record, text, err)
  record.task = current.task
  sub.fn(text, err)
end

-- Those of its calls that still wait. A task is used again, so one counts while it has its owner.
local function count_waiting(sub)
  local still = {}
  for _, record in ipairs(sub.waiting) do
    if record.task.owner == record.owner then still[#still + 1] = record end
  end
  sub.waiting = still
  return #still
end

local function tell(sub, text, err)
  local server = sub.server
  local record = { owner = {
    name = sub.name, generation = sub.generation or server.generation,
  } }
  task.run(server, record.owner, call, sub, record, text, err)
  if record.task and record.task.owner == record.owner then
    sub.waiting[#sub.waiting + 1] = record
  end
end

local function missed(sub, why)
  return errors.new(("messages of the channel %s may have been missed: %s"):format(sub.channel,
    why), "CLOSED")
end

local function deliver(sub, text)
  if #sub.waiting >= WAITING and count_waiting(sub) >= WAITING then
    sub.full = true
    sub.server:warn(("%s: a message was dropped, since %d calls of its function still wait")
      :format(sub.name, WAITING), "messages of subscriptions")
    return
  end
  if sub.full then
    sub.full = false
    tell(sub, nil, missed(sub, ("%d calls of the function waited"):format(WAITING)))
  end
  tell(sub, text)
end

-- fn(sub, a) for each subscription to a channel; any of them may end others.
local function each(hub, name, fn, a)
  local channel = hub.channels[name]
  if not channel then return end
  local list = {}
  for i = 1, #channel.subs do list[i] = channel.subs[i] end
  for i = 1, #list do
    if not list[i].ended then fn(list[i], a) end
  end
end

local function refused(sub, why)
  tell(sub, nil, errors.new(("redis refuses the channel %s: %s"):format(sub.channel, why), "DB"))
end

local news = {}

function news.message(hub, name, text) each(hub, name, deliver, text) end

function news.missed(hub, name, why)
  each(hub, name, function(sub) tell(sub, nil, missed(sub, why)) end)
end

-- C has forgotten the channel; its subscriptions stay as ones that hear nothing.
function news.refused(hub, name, why)
  local channel = hub.channels[name]
  if not channel then return end
  channel.refused = true
  each(hub, name, refused, why)
end

function news.lost(hub, _, why)
  hub.server:warn(("redis:subscribe: %s; the subscriptions are made again when it is back")
    :format(why), "lost connections of subscriptions")
end

-- ---- channels ----

local function hub_of(server, handle)
  local stores = handles.stores_of(server)
  stores.hubs = stores.hubs or {}
  local hub = stores.hubs[handle]
  if hub then return hub end
  hub = { server = server, handle = handle, channels = {} }
  local function hear(what, name, text) news[what](hub, name, text) end
  local listener, message = core.redisListener(server.node, handle.options, hear)
  if not listener then return nil, message end
  hub.listener = listener
  stores.hubs[handle] = hub
  return hub
end

local function close_if_idle(hub)
  if next(hub.channels) then return end
  hub.listener:close()
  handles.stores_of(hub.server).hubs[hub.handle] = nil
end

local function give_up(_, channel)
  local hub = channel.hub
  hub.channels[channel.name] = nil
  if not channel.refused then hub.listener:remove(channel.name) end
  close_if_idle(hub)
end

local function channel_of(hub, name)
  local channel = hub.channels[name]
  if channel then
    timers.stop(hub.server, channel)
    if not channel.refused then return channel end
  end
  local ok, message = hub.listener:add(name)
  if not ok then return nil, message end
  channel = channel or { hub = hub, name = name, subs = {}, fire = give_up, of_framework = true }
  channel.refused = false
  hub.channels[name] = channel
  return channel
end

-- Returns a message when it cannot begin.
local function begin(sub)
  if sub.ended then return end
  local hub, message = hub_of(sub.server, sub.handle)
  if not hub then return message end
  local channel
  channel, message = channel_of(hub, sub.channel)
  if not channel then
    close_if_idle(hub)
    return message
  end
  if #channel.subs >= MOST then return ("%d subscriptions to one channel"):format(MOST) end
  channel.subs[#channel.subs + 1] = sub
  sub.of = channel
end

local function finish(sub)
  if sub.ended then return end
  sub.ended = true
  local channel = sub.of
  if not channel then return end
  sub.of = nil
  for i = 1, #channel.subs do
    if channel.subs[i] == sub then
      table.remove(channel.subs, i)
      break
    end
  end
  if #channel.subs > 0 then return end
  if not timers.start(sub.server, LINGER, channel) then give_up(nil, channel) end
end

---Ends it: its function is not called any more. Harmless when it has ended.
function methods:close()
  if self.unit then self.unit:forget(self) end
  finish(self)
end

errors.guard(methods, "subscription")

local function check(name, fn)
  if type(name) ~= "string" or name == "" or #name > 512 then
    errors.raise("redis:subscribe(channel, fn): channel must be a string of 1 to 512 bytes, got "
      .. tables.shown(name))
  elseif type(fn) ~= "function" then
    errors.raise("redis:subscribe(channel, fn): fn must be a function, got " .. tables.shown(fn))
  end
end

---redis:subscribe
---@param handle pomelua.StoreHandle
---@param name string
---@param fn fun(text: string|nil, err: pomelua.Error|nil)
---@return pomelua.Subscription
function subscriptions.new(handle, name, fn)
  check(name, fn)
  local server = handle.server
  if not server then
    errors.raise("redis:subscribe: only a server has subscriptions")
  end
  local sub = setmetatable({ channel = name, fn = fn, handle = handle, server = server,
    waiting = {}, name = "subscription to " .. name }, mt)
  -- In a spec's time, and where a file is only looked at, there is nothing to hear.
  if type(server.node) ~= "userdata" or server.virtual then return sub end
  local unit, gen = units.loading()
  if not unit then
    sub.generation = units.of_task(server)
    local message = begin(sub)
    if message then errors.raise("redis:subscribe: " .. message) end
    return sub
  end
  sub.unit, sub.name = unit, sub.name .. " of " .. unit.name
  unit:on_end(sub, finish)
  units.when_active(gen, function()
    local message = begin(sub)
    if message then server:error(("%s: %s"):format(sub.name, message)) end
  end)
  return sub
end

return subscriptions
