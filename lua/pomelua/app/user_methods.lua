-- user_methods: the methods of app about a user on all frontends (docs/cluster.md).
local callback = require "pomelua.run.callback"
local errors = require "pomelua.base.errors"
local tables = require "pomelua.base.tables"
local users = require "pomelua.session.users"

local user_methods = {}

local function check_uid(what, uid)
  local kind = type(uid)
  if kind == "string" and uid ~= "" or kind == "number" and uid == uid then return end
  errors.raise(("%s: a uid is a string or a number, got %s"):format(what,
    uid == "" and "an empty string" or tables.shown(uid)))
end

---@class pomelua.App
local methods = {}

---Ends all sessions of a user, on every frontend. It ends when every frontend has answered, at the
---latest after sessionConfig.frontendTimeout.
---@param uid string|number
---@param reason string|nil what the clients are told; may be left out: "kick"
---@param cb nil|fun(err: nil, ended: number, silent: string[]) left out: waits
---@return number|nil ended how many sessions; nothing with a callback
---@return string[] silent ids of the frontends that have not answered: whether they have ended any
---is not known
function methods:kick(uid, reason, cb)
  local what = "app:kick(uid, reason, cb)"
  if type(reason) == "function" then reason, cb = nil, reason end
  check_uid(what, uid)
  if reason ~= nil and type(reason) ~= "string" then
    errors.raise(("%s: the reason is a text, got %s"):format(what, tables.shown(reason)))
  end
  local server = self._server
  return callback.ask(server, "app:kick", callback.check(what, cb), function(done)
    users.kick(server, uid, reason or "kick", done)
  end)
end

---Where a user is: on which frontends it has sessions. It ends when every frontend has answered, at
---the latest after sessionConfig.frontendTimeout.
---@param uid string|number
---@param cb nil|fun(err: nil, places: pomelua.UserPlace[], silent: string[]) left out: waits
---@return pomelua.UserPlace[]|nil places the frontend of the latest bind first; empty: nobody of
---that uid is connected; nothing with a callback
---@return string[] silent ids of the frontends that have not answered
function methods:locate(uid, cb)
  local what = "app:locate(uid, cb)"
  check_uid(what, uid)
  local server = self._server
  return callback.ask(server, "app:locate", callback.check(what, cb), function(done)
    users.locate(server, uid, done)
  end)
end

---Adds them to the methods of app.
---@param to table
function user_methods.add(to)
  for name, fn in pairs(methods) do to[name] = fn end
end

return user_methods
