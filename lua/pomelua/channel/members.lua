-- members: C tells what happens to channels and their members (core/node/membership), at the end of
-- the turn and in order. It goes to the functions of channelConfig, to presence and to the store.
local current = require "pomelua.base.current"
local later = require "pomelua.channel.later"
local presence = require "pomelua.channel.presence"
local store = require "pomelua.channel.store"
local task = require "pomelua.run.task"

local members = {}

---Says what C has to tell, by the settings.
function members.configure(server)
  local checked = server.checked
  server.node:watchChannels(checked.auto_leave or checked.on_join ~= nil
    or checked.on_leave ~= nil or checked.store ~= nil, checked.remove_empty)
end

-- Calls a function of channelConfig in a task of its own.
local function call(server, name, fn, id, channel, uid, sid, reason)
  if not fn then return end
  local outer = current.work
  current.work = { name = "channelConfig." .. name, stays = true }
  task.run(server, server:context("channelConfig." .. name), fn,
    server.node:channelHandle(id, channel), uid, sid, reason)
  current.work = outer
end

local changes = {}

function changes.made(server, id, name, _, _, _, restored)
  if server.store and not restored then store.made(server, id, name) end
end

function changes.joined(server, id, name, uid, sid, _, restored)
  if restored then
    store.restored(server, id, uid, sid)
  else
    if server.store then store.joined(server, name, uid, sid) end
    if server.checked.auto_leave then presence.joined(server, id, uid, sid) end
  end
  call(server, "onJoin", server.checked.on_join, id, name, uid, sid)
end

function changes.again(server, id, _, uid, sid)
  if store.confirmed(server, id, uid, sid) and server.checked.auto_leave then
    return presence.joined(server, id, uid, sid)
  end
  presence.again(server, id, uid, sid)
end

function changes.tied(server, id, _, uid, sid, session)
  store.confirmed(server, id, uid, sid)
  presence.tied(server, id, uid, sid, session)
end

function changes.left(server, id, name, uid, sid, reason)
  store.confirmed(server, id, uid, sid)
  presence.left(server, id, uid, sid)
  if server.store then store.left(server, name, uid, sid) end
  call(server, "onLeave", server.checked.on_leave, id, name, uid, sid, reason)
end

function changes.pushed(server, id) store.pushed(server, id) end

function changes.gone(server, _, name)
  if server.store then store.gone(server, name) end
end

function changes.after(server, number) later.reached(server, number) end

---entries.member
function members.changed(server, change, id, name, uid, sid, extra, restored)
  changes[change](server, id, name, uid, sid, extra, restored)
end

return members
