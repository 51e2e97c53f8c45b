-- password: hashes of passwords (require "pomelua.password"), which libcrypt (yescrypt) makes and
-- compares on threads of the server's own. See docs/data.md.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local callback = require "pomelua.run.callback"
local quiet = require "pomelua.run.quiet"
local task = require "pomelua.run.task"

---@class pomelua.password
local password = {}

local COST = 5 -- of a script that runs outside of a server

local WHY = {
  TOOBIG = { "TOOBIG", "a password may have at most 511 bytes" },
  FULL = { "BUSY", "too many passwords wait (passwordConfig.maxWaiting)" },
  TIMEOUT = { "TIMEOUT", "the password was not done in time (passwordConfig.timeout)" },
  IO = { "IO", "libcrypt gives no hash: it has no yescrypt, or there is no memory" },
}
local INVAL = {
  hash = "a password may not have a byte 0",
  verify = "the stored text is not a hash that libcrypt knows",
}

local function failure(method, name)
  local why = WHY[name]
  if why then return errors.new(why[2], why[1]) end
  return errors.new(INVAL[method], "INVAL")
end

-- What a server waits for, for its stop in order and for reloads.
local function open_of(server)
  local open = server.passwords
  if not open then
    open = {}
    server.passwords = open
    quiet.add_records(server, open)
    table.insert(server.live.each_owner, function(_, fn)
      for one in pairs(open) do fn(one.owner) end
    end)
  end
  return open
end

-- begin(done) asks C, which calls done(value, message, name) later.
local function start(server, what, method, begin, cb)
  local open = open_of(server)
  local one = {
    owner = task.owner() or server:context("callback of " .. what), work = task.work(),
  }
  local function ended(value, _, name)
    open[one] = nil
    local err
    if value == nil then err = failure(method, name) end
    task.run_for(one.work, server, one.owner, cb, err, value)
  end
  local ok, _, name = begin(ended)
  if ok then
    open[one] = one
  else
    cb(failure(method, name))
  end
end

local function check(what, ...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) ~= "string" then
      errors.raise(("%s: %s must be a string, got a %s")
        :format(what, i == 1 and "text" or "hash", type(value)))
    end
  end
end

-- A script that `pomelua run` runs has no loop that it would hold up.
local function at_once(method, cb, value, _, name)
  local err
  if value == nil then err = failure(method, name) end
  if cb then return cb(err, value) end
  return value, err
end

local function server_of(what)
  local server = current.server or current.only
  if not server then error(what .. ": only in the scripts of a server", 3) end
  return server
end

---Makes the hash of a password, with a salt of its own: what a database keeps. It takes some tens
---of milliseconds on a thread of its own, so that the server goes on meanwhile.
---@param text string the password, at most 511 bytes
---@param cb fun(err: pomelua.Error|nil, hash: string|nil)|nil without it this waits
---@return string|nil hash "$y$j9T$..."
---@return pomelua.Error|nil err err.code "TOOBIG", "INVAL" (a byte 0), "BUSY" (too many wait),
---"TIMEOUT"
function password.hash(text, cb)
  local what = "pomelua.password.hash(text)"
  check(what, text)
  cb = callback.check(what, cb)
  local server = server_of(what)
  if not server.app then return at_once("hash", cb, core.hash_password(text, COST)) end
  return callback.ask(server, what, cb, function(done)
    start(server, what, "hash", function(ended) return server.node:hashPassword(text, ended) end,
      done)
  end)
end

---Compares a password with a hash that password.hash has made, or another program by any method of
---crypt(5).
---@param text string what the player has typed
---@param hash string
---@param cb fun(err: pomelua.Error|nil, same: boolean|nil)|nil without it this waits
---@return boolean|nil same
---@return pomelua.Error|nil err err.code "INVAL" (hash is no hash), "BUSY" (too many wait),
---"TIMEOUT"
function password.verify(text, hash, cb)
  local what = "pomelua.password.verify(text, hash)"
  check(what, text, hash)
  cb = callback.check(what, cb)
  local server = server_of(what)
  if not server.app then return at_once("verify", cb, core.verify_password(text, hash)) end
  return callback.ask(server, what, cb, function(done)
    start(server, what, "verify",
      function(ended) return server.node:verifyPassword(text, hash, ended) end, done)
  end)
end

return password
