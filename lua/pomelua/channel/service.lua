-- service: channelService, and what the pushes of scripts come to. Members, overloads and fan-out
-- live in C (core/bind/l_push); here are the callbacks, which run in tasks.
local cluster = require "pomelua.channel.cluster"
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local later = require "pomelua.channel.later"
local members = require "pomelua.channel.members"
local near = require "pomelua.base.near"
local presence = require "pomelua.channel.presence"
local quiet = require "pomelua.run.quiet"
local store = require "pomelua.channel.store"
local task = require "pomelua.run.task"
local where = require "pomelua.base.where"

local channel = {}

-- What tasks run: callbacks get the arguments they are due, no nils behind them.
local function call_error(cb, err) cb(err) end
local function call_fails(cb, fails) cb(nil, fails) end
local function call_both(cb, err, fails) cb(err, fails) end

-- Called inside of a push that has a callback or was not sent: see node:onPush.
local function ended(server, what, cb, push, message, name)
  if not cb then
    return server:warn(errors.without_callback(what, message), "pushes that cannot be sent")
  end
  local owner = task.owner() or server:context("callback of " .. what)
  if not push then
    task.defer(server, owner, call_error, cb, errors.new(message, name))
  elseif push == true then
    task.defer(server, owner, call_fails, cb, json.array())
  else
    server.channels.pushes[push] = { cb = cb, owner = owner, work = task.work() }
  end
end

---The parts of a server that belong to this folder.
function channel.init(server)
  later.init(server)
  presence.init(server)
  store.init(server)
end

---Settings take effect.
function channel.configure(server)
  store.configure(server)
  members.configure(server)
end

function channel.new(server)
  local pushes = {} -- those that wait to be acknowledged, by the number that C gave them
  quiet.add_records(server, pushes)
  server.channels = { pushes = pushes }
  cluster.init(server)
  where.name(core.channel_methods, "channel:")
  where.name(core.channel_service_methods, "channelService:")
  server.node:onPush(function(...) ended(server, ...) end)
  return server.node:channelService()
end

---entries.pushed
function channel.pushed(server, push, message, fails)
  local record = server.channels.pushes[push]
  if not record then return end
  server.channels.pushes[push] = nil
  task.run_for(record.work, server, record.owner, call_both, record.cb,
    message and errors.new(message) or nil, json.array(fails))
end

---Calls fn(owner) for each push that waits to be acknowledged.
function channel.each_owner(server, fn)
  for _, record in pairs(server.channels.pushes) do fn(record.owner) end
end

core.nearest_name(near.to)

return channel
