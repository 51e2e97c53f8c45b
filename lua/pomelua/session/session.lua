-- session: a client's session as a script of its frontend sees it: a new object for each message,
-- with copies of uid and settings. The truth is in C, under the session's id (protocol 12.3). The
-- methods that change the truth are in session/frontend.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"

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

local text_of = require("pomelua.base.text").of

-- A key of settings: they are JSON, where 7 is "7".
local function key_of(key)
  return type(key) == "number" and text_of(key) or key
end
session.key_of = key_of

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
  errors.raise(what .. ": the key must be a string, got " .. type(key))
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

---Takes a key out of this object's copy, as set(key, nil) does.
---@param key string
function methods:remove(key)
  return self:set(check_key("session:remove(key)", key), nil)
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

-- What Pomelo's sessions emit besides, and where it is heard here.
local ELSEWHERE = {
  bind = "; app.event has bind_session", unbind = "; app.event has unbind_session",
}

-- "closed" is the only event. Level 3 is the line of the game.
local function check_event(what, name, fn)
  if name ~= "closed" then
    errors.raise(what .. ": there is no event " .. tostring(name) .. ", only \"closed\""
      .. (ELSEWHERE[name] or ""))
  end
  if type(fn) ~= "function" then
    errors.raise(what .. "(\"closed\", fn): fn must be a function, got " .. type(fn))
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

-- Ends a push to one session: ok, message and name are the results of node:send. That a session has
-- ended is no mistake, so it is not logged.
function session.sent(server, what, ok, message, name)
  if ok then return true end
  if name ~= "NOENT" then
    server:warn(errors.without_callback(what, message), "pushes that cannot be sent")
  end
  return nil, errors.new(message, name)
end

---Pushes to the client of this session only, bound or not, and waits for nobody. send(msg, opts)
---takes the route from msg.route. Raises when an option is wrong.
---@param route string
---@param msg any JSON
---@param opts {delivery: string|nil, key: string|number|nil}|nil see pomelua.PushOptions
---@param cb nil raises: nobody is waited for
---@return true|nil ok sent; on another server, that server is there
---@return pomelua.Error|nil err "NOENT" when the session has ended; others are logged as well
---@overload fun(self: pomelua.Session, msg: table, opts?: table): true|nil, pomelua.Error|nil
function methods:send(route, msg, opts, cb)
  local server, what = self._server, "session:send"
  return session.sent(server, what,
    server.node:send(what, self.frontendId, self.incarnation, self.id, route, msg, opts, cb))
end

errors.guard(methods, "session")

return session
