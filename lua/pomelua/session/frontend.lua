-- frontend: what a frontend does with its sessions: binding, settings, the end. Its own remote
-- (session/frontend_remote) and its service do it as well. Here are also the methods of a session
-- that do so.
local core = require "pomelua.core"
local banned = require "pomelua.session.banned"
local callback = require "pomelua.run.callback"
local errors = require "pomelua.base.errors"
local logins = require "pomelua.session.logins"
local session = require "pomelua.session.session"
local text_of = require("pomelua.base.text").of
local watched = require "pomelua.session.watched"

-- Each returns nil or an error; address returns the address first.
local frontend = {}

local no_such = "session does not exist, sid: %s"

local function valid_uid(uid)
  local kind = type(uid)
  return kind == "string" and uid ~= "" or kind == "number" and uid == uid
end

---@return pomelua.Error|nil
function frontend.bind(server, sid, uid)
  if not valid_uid(uid) then
    return errors.new("bind: a uid is a string or a number, got "
      .. (uid == "" and "an empty string" or type(uid)), "INVAL")
  end
  local node = server.node
  local bound, _, found = node:session(sid)
  if not found then return errors.new(no_such:format(text_of(sid)), "NOENT") end
  if bound ~= nil and text_of(bound) == text_of(uid) then return nil end
  if bound ~= nil then
    return errors.new("session has already bind with " .. text_of(bound), "BOUND")
  end
  local ban = banned.of(server, uid)
  if ban then return errors.new("bind: " .. banned.kick(server, sid, ban), "BANNED") end
  local policy = server.checked.single_session
  local others = policy and node:sidsOf(uid) or {}
  local order = logins.next_order(server)
  if policy == "refuse" and #others > 0 then
    return errors.new("singleSession is enabled, and session has already bind with uid: "
      .. text_of(uid), "BOUND")
  end
  local ok, message, name = node:bind(sid, uid, order)
  if not ok then return errors.new(message, name) end
  if policy == "kick-old" then logins.won(server, others, sid, uid, order) end
  if server.event:has("bind_session") then
    server.event:emit("bind_session", session.new(server, sid))
  end
end

---@return pomelua.Error|nil
function frontend.unbind(server, sid, uid)
  local node = server.node
  local bound, _, found = node:session(sid)
  if not found then return errors.new(no_such:format(text_of(sid)), "NOENT") end
  if bound == nil or text_of(bound) ~= text_of(uid) then
    return errors.new("session has not bind with " .. text_of(bound), "INVAL")
  end
  local ok, message, name = node:unbind(sid, bound)
  if not ok then return errors.new(message, name) end
  watched.ended(server, sid, bound)
  if server.event:has("unbind_session") then
    server.event:emit("unbind_session", session.new(server, sid))
  end
end

---Writes settings over those of the session; other keys stay. `removed` is a
---list of keys to take out.
---@return pomelua.Error|nil
function frontend.import(server, sid, settings, removed)
  local _, text, found = server.node:session(sid)
  if not found then return errors.new(no_such:format(text_of(sid)), "NOENT") end
  if type(settings) ~= "table" then
    return errors.new("settings must be a table, got " .. type(settings), "INVAL")
  end
  local all = session.decode_settings(text)
  for i = 1, type(removed) == "table" and #removed or 0 do all[session.key_of(removed[i])] = nil end
  for key, value in pairs(settings) do all[session.key_of(key)] = value end
  if next(all) == nil then
    text = nil
  else
    local message
    text, message = core.encode(all, "settings")
    if not text then return errors.new(message, "ENCODE") end
  end
  server.node:setSettings(sid, text)
end

---Where the client of a session is connected from.
---@return {ip: string, port: number}|nil
---@return pomelua.Error|nil
function frontend.address(server, sid)
  local ip, port = server.node:address(sid)
  if not ip then return nil, errors.new(no_such:format(text_of(sid)), "NOENT") end
  return { ip = ip, port = port }
end

---Kicks; a reason of nil closes without a KICK package.
function frontend.kick(server, sid, reason)
  server.node:kick(sid, reason)
end

-- The methods.

---@class pomelua.Session
local methods = {}

---Binds the session to a user. Several sessions may have one uid, unless
---sessionConfig.singleSession is "refuse" (or true: one on this frontend) or "kick-old" (one on all
---frontends: the older ones end, and nobody waits for them).
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:bind(uid, cb)
  cb = callback.check_uid("session:bind(uid, cb)", uid, cb)
  local err = frontend.bind(self._server, self.id, uid)
  if not err then self.uid = uid end
  return callback.finish(self._server, "session:bind", cb, err)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(uid, cb)
  cb = callback.check_uid("session:unbind(uid, cb)", uid, cb)
  local err = frontend.unbind(self._server, self.id, uid)
  if not err then self.uid = nil end
  return callback.finish(self._server, "session:unbind", cb, err)
end

---Writes one setting back, so that later messages find it.
---@param key string
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:push(key, cb)
  cb = callback.check("session:push(key, cb)", cb)
  key = session.check_key("session:push(key, cb)", key)
  local value = self.settings[key]
  return callback.finish(self._server, "session:push", cb,
    frontend.import(self._server, self.id, { [key] = value }, value == nil and { key } or nil))
end

---Writes all settings back.
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:pushAll(cb)
  cb = callback.check("session:pushAll(cb)", cb)
  return callback.finish(self._server, "session:pushAll", cb,
    frontend.import(self._server, self.id, self.settings, session.removed(self)))
end

---Where its client is connected from; behind a proxy that trustedProxies has not, the proxy's.
---@param cb nil|fun(err: pomelua.Error|nil, address: table|nil) left out: returns it
---@return {ip: string, port: number}|nil address nothing with a callback
---@return pomelua.Error|nil err "NOENT" when the session has ended
function methods:address(cb)
  cb = callback.check("session:address(cb)", cb)
  local address, err = frontend.address(self._server, self.id)
  if not cb then return address, err end
  cb(err, address)
end

---Ends the session. kick(cb) gives the reason "kick"; kick() sends no KICK package.
---@param reason string|nil
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kick(reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  frontend.kick(self._server, self.id, reason)
  return callback.finish(self._server, "session:kick", cb)
end

errors.guard(methods, "session")
for name, method in pairs(methods) do session.methods[name] = method end

return frontend
