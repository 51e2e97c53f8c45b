-- redis: a Redis server as a game has it: redis:call, redis:pipeline, redis:multi, redis:subscribe.
local call = require "pomelua.store.call"
local errors = require "pomelua.base.errors"
local handles = require "pomelua.store.handles"
local subscriptions = require "pomelua.store.redis_subscriptions"
local tables = require "pomelua.base.tables"

local WHOLE = 2 ^ 53 -- up to here each whole number is exact
local COMMANDS = 10000 -- of one list

---@class pomelua.Redis
---@field kind string "redis"
local methods = {}
local mt = { __name = "pomelua.Redis", __index = methods }
mt.__tostring = function(self) return ("redis %s"):format(self.name or "") end

local redis = {}

-- Raises unless the value is a word of a command.
local function check_word(what, at, value)
  local kind = type(value)
  if kind == "string" then return end
  if kind ~= "number" then
    errors.raise(("%s: %s must be a string or a number, got %s"):format(what, at,
      tables.kind(value)))
  end
  local whole = value % 1 == 0
  if value ~= value or not whole and value - value ~= 0
    or whole and (value > WHOLE or value < -WHOLE) then
    errors.raise(("%s: %s is %s, which is not written exactly; pass the text that you mean, as a "
      .. "string"):format(what, at, tostring(value)))
  end
end

-- Errors inside of an answer, which are tables with a field error, as errors of ours.
local function revive(value)
  if type(value) ~= "table" then return value end
  if type(value.error) == "string" then return errors.new(value.error, "DB") end
  for i = 1, #value do
    if type(value[i]) == "table" then value[i] = revive(value[i]) end
  end
  return value
end

-- With a callback, or without one.
local function made(handle, what, text, params, cb)
  if cb then
    return call.make(handle, what, "command", text, params, nil, function(err, value)
      return cb(err, revive(value))
    end)
  end
  local value, err = call.make(handle, what, "command", text, params)
  if err then return nil, err end
  return revive(value)
end

---Sends one command.
---@param command string "GET", "HSET", …
---@param ... string|number its words: numbers are written exactly, fractions with 17 digits; as
---last argument a function(err, value) that is called instead of waiting
---@return string|number|table|nil value nil for Redis' nil; arrays have pomelua.null for it, and
---errors of ours for errors inside of them
---@return pomelua.Error|nil err err.code "TIMEOUT", "BUSY", "CLOSED", "RANGE", and "DB" for an
---error of Redis, whose text is the message
function methods:call(command, ...)
  local n = select("#", ...) + 1
  local params = { n = n, command, ... }
  local cb = params[n]
  if type(cb) == "function" then
    params[n], n = nil, n - 1
    params.n = n
  else
    cb = nil
  end
  if type(command) ~= "string" then
    errors.raise("redis:call(command, ...): the command must be a string, got "
      .. tables.kind(command))
  end
  for i = 2, n do check_word("redis:call", "word " .. i, params[i]) end
  return made(self.handle, "redis:call", nil, params, cb)
end

-- { { "GET", "a" }, { "INCR", "b" } } as what C takes: how many words, and the words.
local function params_of(what, list)
  if type(list) ~= "table" or #list == 0 or #list > COMMANDS then
    errors.raise(("%s(list): a list of 1 to %d commands, each a table of its words, such as "
      .. '{ "INCR", key }; got %s'):format(what, COMMANDS, type(list) == "table"
      and ("a table with " .. #list) or tables.kind(list)))
  end
  local params, n = {}, 0
  for i = 1, #list do
    local words = list[i]
    if type(words) ~= "table" or type(words[1]) ~= "string" then
      errors.raise(("%s: command %d must be a table of its words, the first one a string, got %s")
        :format(what, i, tables.kind(words)))
    end
    local count = words.n or table.maxn(words)
    n = n + 1
    params[n] = count
    for j = 1, count do
      check_word(what, ("word %d of command %d"):format(j, i), words[j])
      params[n + j] = words[j]
    end
    n = n + count
  end
  params.n = n
  return params
end

local function list_of(self, what, text, list, cb)
  if cb ~= nil and type(cb) ~= "function" then
    errors.raise(("%s(list, fn): fn must be a function, got %s"):format(what, tables.shown(cb)))
  end
  return made(self.handle, what, text, params_of(what, list), cb)
end

---Sends several commands at once, which are done one after the other; commands of others may be
---done between them.
---@param list (string|number)[][] { { "INCR", key }, { "EXPIRE", key, 60 } }
---@param cb fun(err: pomelua.Error|nil, values: table|nil)|nil called instead of waiting
---@return table|nil values one for each command: pomelua.null for nil, an error of ours (its field
---message) for a command that has failed
---@return pomelua.Error|nil err as of redis:call: no command has an answer
function methods:pipeline(list, cb) return list_of(self, "redis:pipeline", "LIST", list, cb) end

---The same as a transaction of Redis (MULTI, EXEC): all commands are done, and nothing of others
---between them; or none, when Redis refuses one of them. A command that fails while they are done
---does not take the others back.
---@param list (string|number)[][]
---@param cb fun(err: pomelua.Error|nil, values: table|nil)|nil called instead of waiting
---@return table|nil values as of redis:pipeline
---@return pomelua.Error|nil err as of redis:call: nothing was done when its code is "DB"
function methods:multi(list, cb) return list_of(self, "redis:multi", "MULTI", list, cb) end

---Calls fn(message) for each message that is published to a channel. When the connection was lost
---and is back, it is called with nil and an error whose code is "CLOSED": messages may have been
---missed, so what they tell has to be read anew. A channel that Redis refuses gives nil and an
---error with the code "DB", once.
---
---Calls begin in the order of the messages; one that waits does not hold up the next one. What a
---file subscribes to while it loads ends when the file is replaced.
---@param channel string
---@param fn fun(message: string|nil, err: pomelua.Error|nil)
---@return pomelua.Subscription subscription its close() ends it
function methods:subscribe(channel, fn)
  return subscriptions.new(self.handle, channel, fn)
end

errors.guard(methods, "redis")

---@param handle pomelua.StoreHandle
---@return pomelua.Redis
function redis.of_handle(handle)
  return setmetatable({ kind = "redis", name = handle.name, handle = handle }, mt)
end

---A server, to which connections are made when calls need them.
---@param options table of core.store
---@return pomelua.Redis
function redis.new(options) return redis.of_handle(handles.of("redis", options)) end

return redis
