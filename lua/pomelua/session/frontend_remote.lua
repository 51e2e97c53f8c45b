-- frontend_remote: the remote of a frontend by which other servers change its sessions and ask for
-- them. Its name begins with "_", as no remote of a game may.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local frontend = require "pomelua.session.frontend"
local json = require "pomelua.base.json"
local logins = require "pomelua.session.logins"
local session = require "pomelua.session.session"
local users = require "pomelua.session.users"
local watched = require "pomelua.session.watched"

local frontend_remote = {}

frontend_remote.SERVICE = "_sessionRemote"

---Whether a call is one of these.
---@param name string "service.method"
---@return boolean
function frontend_remote.is(name) return name:match("^[^.]*") == frontend_remote.SERVICE end

local function plain(value)
  if value == core.null then return nil end
  return value
end

local function exported(server, sid)
  local found = session.new(server, sid)
  return found and found:export()
end

---@return table methods by name
function frontend_remote.new(server)
  local remote = {}

  function remote:bind(sid, uid, cb)
    cb(frontend.bind(server, sid, uid))
  end

  function remote:unbind(sid, uid, cb)
    cb(frontend.unbind(server, sid, uid))
  end

  function remote:push(sid, key, value, cb)
    value = plain(value)
    cb(frontend.import(server, sid, { [key] = value }, value == nil and { key } or nil))
  end

  function remote:pushAll(sid, settings, removed, cb)
    cb(frontend.import(server, sid, settings, removed))
  end

  function remote:getBackendSessionBySid(sid, cb)
    cb(nil, exported(server, sid))
  end

  function remote:getBackendSessionsByUid(uid, cb)
    local list = {}
    for _, sid in ipairs(server.node:sidsOf(uid)) do list[#list + 1] = exported(server, sid) end
    cb(nil, #list > 0 and list or nil)
  end

  function remote:address(sid, cb)
    local address, err = frontend.address(server, sid)
    cb(err, address)
  end

  function remote:kickBySid(sid, reason, cb)
    frontend.kick(server, sid, plain(reason))
    cb(nil)
  end

  function remote:kickByUid(uid, reason, cb)
    local sids = server.node:sidsOf(uid)
    for i = 1, #sids do frontend.kick(server, sids[i], plain(reason)) end
    cb(nil, #sids)
  end

  function remote:locate(uid, cb)
    cb(nil, users.here(server, uid))
  end

  function remote:meet(_, highest, cb)
    cb(nil, logins.met(server, highest))
  end

  function remote:bound(from, highest, binds, cb)
    cb(nil, logins.told(server, from, highest, binds))
  end

  function remote:watch(from, number, uid, sid, cb)
    cb(nil, watched.add(server, from, number, uid, plain(sid)))
  end

  function remote:absent(uids, cb)
    cb(nil, json.array(watched.absent(server, uids)))
  end

  -- Cluster channels: their members are sessions of this frontend (core/node/cluster_members).
  function remote:channelJoin(name, uid, sid, cb)
    local joined, message, code = server.node:clusterJoin(name, uid, plain(sid))
    if not joined then return cb(errors.new(message, code)) end
    cb(nil, true)
  end

  function remote:channelLeave(name, uid, sid, cb)
    cb(nil, server.node:clusterLeave(name, plain(uid), plain(sid)) > 0)
  end

  function remote:channelMembers(name, cb)
    cb(nil, json.array(server.node:clusterMembers(name)))
  end

  function remote:channelCount(name, cb)
    cb(nil, server.node:clusterCount(name))
  end

  function remote:channelMember(name, uid, cb)
    cb(nil, server.node:clusterMember(name, uid))
  end

  return remote
end

return frontend_remote
