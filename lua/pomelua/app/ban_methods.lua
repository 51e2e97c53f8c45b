-- ban_methods: the methods of app about bans (docs/bans.md). Any server may call them; the program
-- keeps the list, and what they do is in force on all frontends of the app when they have answered.
local ban_list = require "pomelua.base.ban_list"
local callback = require "pomelua.run.callback"
local duration = require "pomelua.base.duration"
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local wish = require "pomelua.run.wish"

local ban_methods = {}

local OPTIONS = { time = true, reason = true }

---@class pomelua.BanOptions
---@field time string|number|nil how long: "24h", "7d", or seconds; nil: until unban
---@field reason string|nil what the client is told: at most 512 bytes; nil: "banned"

---@class pomelua.BanEntry
---@field uid string|nil this user, as text,
---@field address string|nil or this address or network
---@field since number seconds since 1970
---@field till number|nil seconds since 1970; nil: until unban
---@field reason string|nil

-- Raises at the line of the game.
local function check(what, ok, message)
  if not ok then errors.raise(what .. ": " .. message) end
end

local function options_of(what, opts, cb)
  if type(opts) == "function" then opts, cb = nil, opts end
  opts = opts == nil and {} or opts
  check(what, type(opts) == "table", "the options are a table, got a " .. type(opts))
  for key in pairs(opts) do
    check(what, OPTIONS[key], ("there is no option %s, only time and reason%s"):format(
      errors.tostring(key), near.hint(errors.tostring(key), OPTIONS)))
  end
  if opts.time ~= nil then
    local seconds, message = duration.seconds(opts.time)
    check(what, seconds, "time " .. tostring(message))
  end
  local _, message = ban_list.check_reason(opts.reason)
  check(what, not message, message)
  return opts, cb
end

-- Asks the program; ends as a function with a callback does.
local function ask(server, what, cb, request)
  return callback.ask(server, what, cb, function(done)
    wish.ask(server, what, request, function(err, answer)
      if err then done(err) else done(nil, answer.ended or 0, answer.silent or {}) end
    end)
  end)
end

local function uid_of(what, uid)
  local text, message = ban_list.uid(uid)
  check(what, text, message)
  return text
end

local function address_of(what, address)
  local text, message = ban_list.address(address)
  check(what, text, message)
  return text
end

---@class pomelua.App
local methods = {}

---Bans a user: sessions of that uid end at once on all frontends, with the reason, and no session
---can bind it until the time is over or app:unban. A uid is always a uid here, also one that reads
---as an address. A second ban of the same uid takes the place of the first.
---@param uid string|number 7 and "7" are the same user
---@param opts pomelua.BanOptions|nil may be left out
---@param cb nil|fun(err: pomelua.Error|nil, ended: number, silent: string[]) left out: waits until
---all frontends have answered, or have not in time
---@return number|nil ended how many sessions; nothing with a callback
---@return string[]|pomelua.Error silent the frontends (or programs, HOST:PID) that have not
---answered, which take it over later; or err: "IO": the file cannot be written, and nothing has
---changed; "FULL"; "TIMEOUT"
function methods:ban(uid, opts, cb)
  local what = "app:ban(uid, opts, cb)"
  uid = uid_of(what, uid)
  opts, cb = options_of(what, opts, cb)
  return ask(self._server, "app:ban", callback.check(what, cb),
    { command = "ban", uid = uid, seconds = opts.time, reason = opts.reason })
end

---Bans an address or a network: its clients end at once, and are refused at the handshake.
---@param address string "203.0.113.7", "203.0.113.0/24", "2001:db8::/32"
---@param opts pomelua.BanOptions|nil may be left out
---@param cb nil|fun(err: pomelua.Error|nil, ended: number, silent: string[]) see ban
---@return number|nil ended nothing with a callback
---@return string[]|pomelua.Error silent or err: see ban
function methods:banAddress(address, opts, cb)
  local what = "app:banAddress(address, opts, cb)"
  address = address_of(what, address)
  opts, cb = options_of(what, opts, cb)
  return ask(self._server, "app:banAddress", callback.check(what, cb),
    { command = "ban", address = address, seconds = opts.time, reason = opts.reason })
end

---Takes the ban of a user off.
---@param uid string|number
---@param cb nil|fun(err: pomelua.Error|nil, ended: number, silent: string[]) left out: waits
---@return number|nil ended 0; nothing with a callback
---@return string[]|pomelua.Error silent or err: "NOENT": that user is not banned; see ban
function methods:unban(uid, cb)
  local what = "app:unban(uid, cb)"
  uid = uid_of(what, uid)
  return ask(self._server, "app:unban", callback.check(what, cb), { command = "unban", uid = uid })
end

---Takes the ban of an address or a network off: of the one that was banned, not of a part of it.
---@param address string
---@param cb nil|fun(err: pomelua.Error|nil, ended: number, silent: string[]) left out: waits
---@return number|nil ended 0; nothing with a callback
---@return string[]|pomelua.Error silent or err: "NOENT": that address is not banned; see ban
function methods:unbanAddress(address, cb)
  local what = "app:unbanAddress(address, cb)"
  address = address_of(what, address)
  return ask(self._server, "app:unbanAddress", callback.check(what, cb),
    { command = "unban", address = address })
end

---The bans that are in force, the oldest first.
---@param cb fun(err: pomelua.Error|nil, bans: pomelua.BanEntry[]|nil)|nil left out: waits
---@return pomelua.BanEntry[]|nil bans nothing with a callback
---@return pomelua.Error|nil err
function methods:bans(cb)
  local server = self._server
  cb = callback.check("app:bans(cb)", cb)
  local function start(done)
    wish.ask(server, "app:bans", { command = "bans" }, function(err, answer)
      if err then done(err) else done(nil, answer.bans) end
    end)
  end
  return callback.ask(server, "app:bans", cb, start)
end

---Adds them to the methods of app.
---@param to table
function ban_methods.add(to)
  for name, fn in pairs(methods) do to[name] = fn end
end

return ban_methods
