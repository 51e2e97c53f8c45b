-- frontend_remote: the remote of a frontend by which other servers change its sessions and ask for
-- them. Its name begins with "_", as no remote of a game may.
local core = require "pomelua.core"
local session = require "pomelua.session.session"

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
    cb(session.bind(server, sid, uid))
  end

  function remote:unbind(sid, uid, cb)
    cb(session.unbind(server, sid, uid))
  end

  function remote:push(sid, key, value, cb)
    value = plain(value)
    cb(session.import(server, sid, { [key] = value }, value == nil and { key } or nil))
  end

  function remote:pushAll(sid, settings, removed, cb)
    cb(session.import(server, sid, settings, removed))
  end

  function remote:getBackendSessionBySid(sid, cb)
    cb(nil, exported(server, sid))
  end

  function remote:getBackendSessionsByUid(uid, cb)
    local list = {}
    for _, sid in ipairs(server.node:sidsOf(uid)) do list[#list + 1] = exported(server, sid) end
    cb(nil, #list > 0 and list or nil)
  end

  function remote:kickBySid(sid, reason, cb)
    session.kick(server, sid, plain(reason))
    cb(nil)
  end

  function remote:kickByUid(uid, reason, cb)
    for _, sid in ipairs(server.node:sidsOf(uid)) do session.kick(server, sid, plain(reason)) end
    cb(nil)
  end

  return remote
end

return frontend_remote
