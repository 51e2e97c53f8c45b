-- session: a client's session as a script of its frontend sees it: a new object
-- for each message, with copies of uid and settings. The truth is in C, under the
-- session's id; push writes the copy back, bind and unbind change both
-- (protocol 12.3).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local task = require "pomelua.run.task"

local session = {}

---@class pomelua.Session
---@field id number unique on its frontend
---@field frontendId string the id of the frontend it is connected to
---@field uid string|number|nil the id of the user, once the session is bound
---@field settings table the copy that get and set work on
local methods = {}
session.methods = methods

---The part of a server that belongs to this file.
function session.init(server)
  server.closers = {} -- [session id] = listeners of its end
end

local no_such = "session does not exist, sid: %s"

---Settings from their JSON text.
function session.decode_settings(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or {}
end

-- Settings are decoded when they are first read: most messages never ask.
local function index_of(own)
  return function(self, key)
    local method = own[key]
    if method ~= nil then return method end
    if key == "settings" then
      local settings = session.decode_settings(rawget(self, "_json"))
      rawset(self, "settings", settings)
      return settings
    end
  end
end
session.index_of = index_of

local mt = { __name = "pomelua.session", __index = index_of(methods) }

-- A uid or number as text: whole numbers without an exponent.
local function text_of(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  return errors.tostring(value)
end
session.text_of = text_of

-- A key of settings: they are JSON, where 7 is "7".
local function key_of(key)
  return type(key) == "number" and text_of(key) or key
end

-- Settings with text keys; the same table when they are.
local function with_text_keys(settings)
  for key in pairs(settings) do
    if type(key) == "number" then
      local list = {}
      for k, v in pairs(settings) do list[key_of(k)] = v end
      return list
    end
  end
  return settings
end
session.with_text_keys = with_text_keys

---The session of an id as it is now, or nil when there is none.
---@return pomelua.Session|nil
function session.new(server, sid)
  local uid, settings, found = server.node:session(sid)
  if not found then return nil end
  return setmetatable({
    id = sid, frontendId = server.id, uid = uid, _json = settings, _server = server,
  }, mt)
end

---A session from its parts.
---@return pomelua.Session
function session.make(server, sid, uid, settings)
  return setmetatable({
    id = sid, frontendId = server.id, uid = uid, _json = settings, _server = server,
  }, mt)
end

-- Logs the error of a call that has no callback and does not wait.
local function log_error(server, what, err)
  if err then server:warn(what .. ": " .. errors.text(err), what .. " without a callback") end
end

-- Ends a call that is already done: calls the callback. Without a callback it returns the values
-- that a call which waits would return, or logs an error where no task can wait.
local function finish(server, what, cb, err)
  if cb then
    cb(err)
  elseif not task.can_wait() then
    log_error(server, what, err)
  elseif err then
    return nil, err
  else
    return true
  end
end
session.finish = finish

-- Makes a call to another server: start(done) begins it, and done(err, ...) ends it. The callback,
-- if there is one, is done. Without a callback this waits and returns the values of done, or logs
-- an error where no task can wait.
function session.ask(server, what, cb, start)
  if cb then
    start(cb)
  elseif task.can_wait() then
    return task.await(start)
  else
    start(function(err) log_error(server, what, err) end)
  end
end

---A callback argument: nil or a function, anything else is a mistake worth raising.
function session.check_callback(what, cb)
  if cb ~= nil and type(cb) ~= "function" and cb ~= core.null then
    error(what .. ": the callback must be a function, got " .. type(cb), 3)
  end
  return type(cb) == "function" and cb or nil
end

-- The operations of the frontend, which its own remote (frontend_remote) uses as well. Each returns
-- nil or an error.

local function valid_uid(uid)
  local kind = type(uid)
  return kind == "string" and uid ~= "" or kind == "number" and uid == uid
end

---@return pomelua.Error|nil
function session.bind(server, sid, uid)
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
  local policy = server.checked.single_session
  local others = policy and node:sidsOf(uid) or {}
  if policy == "refuse" and #others > 0 then
    return errors.new("singleSession is enabled, and session has already bind with uid: "
      .. text_of(uid), "BOUND")
  end
  local ok, message, name = node:bind(sid, uid)
  if not ok then return errors.new(message, name) end
  if policy == "kick-old" then
    for i = 1, #others do node:kick(others[i], "kick") end
  end
  if server.event:has("bind_session") then
    server.event:emit("bind_session", session.new(server, sid))
  end
end

---@return pomelua.Error|nil
function session.unbind(server, sid, uid)
  local node = server.node
  local bound, _, found = node:session(sid)
  if not found then return errors.new(no_such:format(text_of(sid)), "NOENT") end
  if bound == nil or text_of(bound) ~= text_of(uid) then
    return errors.new("session has not bind with " .. text_of(bound), "INVAL")
  end
  local ok, message, name = node:unbind(sid, bound)
  if not ok then return errors.new(message, name) end
  if server.event:has("unbind_session") then
    server.event:emit("unbind_session", session.new(server, sid))
  end
end

---Writes settings over those of the session; other keys stay. `removed` is a
---list of keys to take out.
---@return pomelua.Error|nil
function session.import(server, sid, settings, removed)
  local _, text, found = server.node:session(sid)
  if not found then return errors.new(no_such:format(text_of(sid)), "NOENT") end
  local all = session.decode_settings(text)
  for i = 1, removed and #removed or 0 do all[key_of(removed[i])] = nil end
  for key, value in pairs(settings) do all[key_of(key)] = value end
  if next(all) == nil then
    text = nil
  else
    local message
    text, message = core.encode(all, "settings")
    if not text then return errors.new(message, "ENCODE") end
  end
  server.node:setSettings(sid, text)
end

---Kicks; a reason of nil closes without a KICK package.
function session.kick(server, sid, reason)
  server.node:kick(sid, reason)
end

-- The methods that are the same for a session of another server.

-- Decoded settings by their text, to be read only: most handlers read one or two settings, and the
-- text of one message is the text of the next. An entry lasts until the next garbage collection.
local known = setmetatable({}, { __mode = "v" })

---@param key string
---@return any
function methods:get(key)
  if type(key) == "number" then key = text_of(key) end
  local settings, text = rawget(self, "settings"), rawget(self, "_json")
  if settings or not text then return self.settings[key] end
  settings = known[text]
  if not settings then
    settings = session.decode_settings(text)
    known[text] = settings
  end
  local value = settings[key]
  if type(value) ~= "table" then return value end
  return self.settings[key] -- the caller's own, who may change it
end

-- The key as text. A value that is no key raises an error at the line of the game.
local function check_key(what, key)
  if type(key) == "string" then return key end
  if type(key) == "number" then return text_of(key) end
  error(what .. ": the key must be a string, got " .. type(key), 3)
end
session.check_key = check_key

---Changes this object's copy. push or pushAll makes it last.
---@param key string|table a key, or a table of keys and values
---@param value any JSON; nil takes the key out
function methods:set(key, value)
  local settings = self.settings
  if type(key) == "table" then
    for k in pairs(key) do check_key("session:set(table)", k) end
    for k, v in pairs(key) do settings[key_of(k)] = v end
    return
  end
  key = check_key("session:set(key, value)", key)
  settings[key] = value
  if value == nil then
    local removed = rawget(self, "_removed") or {}
    removed[key] = true
    rawset(self, "_removed", removed)
  end
end

---The keys that set(key, nil) took out and that are still out.
function session.removed(self)
  local list = {}
  for key in pairs(rawget(self, "_removed") or {}) do
    if self.settings[key] == nil then list[#list + 1] = key end
  end
  return list
end

---@return table {id, frontendId, uid, settings, incarnation} plain data
function methods:export()
  return {
    id = self.id, frontendId = self.frontendId, uid = self.uid, settings = self.settings,
    incarnation = self._server.node:incarnation(self.frontendId),
  }
end

-- kick(reason, cb), kick(cb), kick()
function session.kick_arguments(reason, cb)
  if type(reason) == "function" then return "kick", reason end
  if reason == core.null then reason = nil end
  if type(reason) ~= "string" then reason = nil end -- only a text is sent in a KICK
  return reason, type(cb) == "function" and cb or nil
end

-- The methods for a session of this frontend.

---Binds the session to a user. Several sessions may have one uid, unless
---sessionConfig.singleSession is "refuse" (or true) or "kick-old".
---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:bind(uid, cb)
  cb = session.check_callback("session:bind(uid, cb)", cb)
  local err = session.bind(self._server, self.id, uid)
  if not err then self.uid = uid end
  return finish(self._server, "session:bind", cb, err)
end

---@param uid string|number
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:unbind(uid, cb)
  cb = session.check_callback("session:unbind(uid, cb)", cb)
  local err = session.unbind(self._server, self.id, uid)
  if not err then self.uid = nil end
  return finish(self._server, "session:unbind", cb, err)
end

---Writes one setting back, so that later messages find it.
---@param key string
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:push(key, cb)
  cb = session.check_callback("session:push(key, cb)", cb)
  key = check_key("session:push(key, cb)", key)
  local value = self.settings[key]
  return finish(self._server, "session:push", cb,
    session.import(self._server, self.id, { [key] = value }, value == nil and { key } or nil))
end

---Writes all settings back.
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:pushAll(cb)
  cb = session.check_callback("session:pushAll(cb)", cb)
  return finish(self._server, "session:pushAll", cb,
    session.import(self._server, self.id, self.settings, session.removed(self)))
end

-- "closed" is the only event. Level 3 is the line of the game.
local function check_event(what, name, fn)
  if name ~= "closed" then
    error(what .. ": there is no event " .. tostring(name) .. ", only \"closed\"", 3)
  end
  if type(fn) ~= "function" then
    error(what .. "(\"closed\", fn): fn must be a function, got " .. type(fn), 3)
  end
end

local function listen(self, fn)
  local server = self._server
  local _, _, found = server.node:session(self.id)
  if not found then return end
  local list = server.closers[self.id]
  if not list then
    list = {}
    server.closers[self.id] = list
    server.node:watchClosed(self.id)
  end
  -- The same function again changes nothing: handlers register on each message.
  for i = 1, #list do if list[i] == fn then return end end
  list[#list + 1] = fn
end

---Calls fn(session, reason) when the session has ended. reason: the text given to
---kick, or why the server closed it; the client's WebSocket close code; for TCP
---whether there was an error; nil when it was closed without one.
---@param name "closed"
---@param fn fun(session: pomelua.Session, reason: any)
function methods:on(name, fn)
  check_event("session:on", name, fn)
  listen(self, fn)
end

---The same: a session ends once.
---@param name "closed"
---@param fn fun(session: pomelua.Session, reason: any)
function methods:once(name, fn)
  check_event("session:once", name, fn)
  listen(self, fn)
end

---Takes a listener of on or once away; without fn, all.
---@param name "closed"
---@param fn nil|fun(session: pomelua.Session, reason: any)
function methods:off(name, fn)
  check_event("session:off", name, fn == nil and check_event or fn)
  local closers = self._server.closers
  local old, list = closers[self.id], {}
  if not old then return end
  for i = 1, fn and #old or 0 do
    if old[i] ~= fn then list[#list + 1] = old[i] end
  end
  closers[self.id] = list -- an empty one, too: the end of the session is watched
end

---Ends the session. kick(cb) gives the reason "kick"; kick() sends no KICK package.
---@param reason string|nil
---@param cb fun(err: pomelua.Error|nil)|nil left out: waits
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err
function methods:kick(reason, cb)
  reason, cb = session.kick_arguments(reason, cb)
  session.kick(self._server, self.id, reason)
  return finish(self._server, "session:kick", cb)
end

errors.guard(methods, "session")

return session
