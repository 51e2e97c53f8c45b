-- filters: the filters and error handlers that an app has registered, and what they make of a
-- message's way through this server (protocol 14). What a file registers while it loads belongs to
-- it and ends with it; a message that has begun keeps the filters that it began with.
local errors = require "pomelua.base.errors"
local filtered = require "pomelua.message.filtered"
local near = require "pomelua.base.near"
local units = require "pomelua.run.unit"
local where = require "pomelua.base.where"

local filters = {}

-- Which method of a table is meant, and how many arguments come before and with `next`.
local kinds = {
  before = { method = "before", count = 3, args = "msg, session, next" },
  after = { method = "after", count = 5, args = "err, msg, session, resp, next" },
  globalBefore = { method = "before", count = 3, args = "msg, session, next" },
  globalAfter = { method = "after", count = 5, args = "err, msg, session, resp, next" },
  rpcBefore = { method = "before", count = 4, args = "serverId, msg, opts, next", calls = true },
  rpcAfter = { method = "after", count = 4, args = "serverId, msg, opts, next", calls = true },
}

local handlers = {
  errorHandler = { count = 5, args = "err, msg, resp, session, next" },
  globalErrorHandler = { count = 5, args = "err, msg, resp, session, next" },
  rpcErrorHandler = { count = 4, args = "err, serverId, msg, next" },
}

---`next` may be left out, in functions and methods: see docs/filters.md.
---@class pomelua.Filter
---@field before nil|fun(self: table, msg: any, session: pomelua.Session, next: function): any, any
---@field after nil|function (self, err, msg, session, resp, next)

-- Each ends by next, or by returning: nothing (it goes on), a table (the answer; of before filters
-- alone) or nil, err. A global filter gets the whole message: {id, type, route, body}.
---@alias pomelua.BeforeFilter fun(msg: any, session: pomelua.Session, next: function): any, any
---@alias pomelua.AfterFilter function (err, msg, session, resp, next)
---@alias pomelua.RpcFilter fun(serverId: string, msg: table, opts: table, next: function): any, any

---The part of a server that belongs to this file.
---@param server pomelua.Server
function filters.init(server)
  server.filters = {
    lists = {}, -- [kind] = entries in the order in which they were registered
    handlers = {}, -- [key] = the entry of an error handler
    places = {}, -- [kind and file] = the places in the order that its filters had, for a reload
    last = 0, -- the last place that was given
    queues = {}, -- see filter/serial
    sweep = nil, -- the same
    meter = nil, -- see filter/lag
    sent_on = {}, -- [request] = its message at another server, of which the answer is wanted
    decode = function(body) -- the body of a message that a global filter reads
      local value, ok = server.decode_body(body)
      if not ok then server.bad_bodies = server.bad_bodies + 1 end
      return value
    end,
  }
  server.plans = nil -- the ways of messages; nil: no filter is in their way
  server.rpc_plan = nil -- the same for calls
end

local EMPTY = {}

---What has been registered has changed: makes the ways of messages and calls anew.
---@param server pomelua.Server
function filters.changed(server)
  local own = server.filters
  local lists, by_key = own.lists, own.handlers
  local function of(kind) return lists[kind] or EMPTY end
  local global = server.frontend and {
    before = of "globalBefore", after = of "globalAfter", handler = by_key.globalErrorHandler,
  } or { before = EMPTY, after = EMPTY }
  local is_global = global.before[1] ~= nil or global.after[1] ~= nil
  local log = server.checked.forward_log
  if is_global or of("before")[1] or of("after")[1] or by_key.errorHandler or log then
    server.plans = filtered.plans(server, global, {
      before = of "before", after = of "after", handler = by_key.errorHandler, log = log,
    })
  else
    server.plans = nil
  end
  if server.frontend then server.node:setFiltered(is_global) end
  if of("rpcBefore")[1] or of("rpcAfter")[1] or by_key.rpcErrorHandler then
    server.rpc_plan = {
      before = of "rpcBefore", after = of "rpcAfter", handler = by_key.rpcErrorHandler,
    }
  else
    server.rpc_plan = nil
  end
end

-- Registering -------------------------------------------------------------------------

local function first_name(fn) return debug.getlocal(fn, 1) end

-- A function with the arguments of `kind`; `of`: the table whose method it is.
local function entry_of(what, kind, fn, of)
  local info = debug.getinfo(fn, "uS")
  local name, shift = first_name(fn), of and 1 or 0
  if of and name == kind.args:match("^%w+") then
    errors.raise(("%s: the filter's method %s is called with a colon, write"
      .. " `function Filter:%s(%s)`"):format(what, kind.method, kind.method, kind.args))
  elseif not of and name == "self" then
    errors.raise(("%s: the function is a method, its first parameter is self; give the table that"
      .. " has it"):format(what))
  end
  return {
    fn = fn, of = of, takes = info.isvararg or info.nparams >= kind.count + shift,
    place = info.what ~= "C" and ("%s:%d"):format(info.short_src, info.linedefined) or "C",
  }
end

-- pomelua.serial in the place of pomelua.serial(), and rpcLog() for messages.
local function check_own(what, kind, f)
  if type(f) == "function" then
    if not where.is_own(debug.getinfo(f, "S").short_src) then return end
    errors.raise(what .. ": this function makes a filter; call it, pomelua.serial()")
  end
  local mt = debug.getmetatable(f)
  local of = type(mt) == "table" and rawget(mt, "__name") == "pomelua.filter"
    and rawget(mt, "filters")
  if not of or of == "both" or (of == "calls") == (kind.calls == true) then return end
  errors.raise(("%s: this is a filter of %s, which %s adds"):format(what, of,
    of == "calls" and "app:rpcFilter(f)" or "app:filter(f) or app:globalFilter(f)"))
end

local function check(what, kind, f)
  check_own(what, kind, f)
  if type(f) == "function" then return entry_of(what, kind, f) end
  local fn = type(f) == "table" and errors.field(f, kind.method)
  if type(fn) == "function" then return entry_of(what, kind, fn, f) end
  errors.raise(("%s: a filter is a function (%s), or a table with a method `%s`; got %s"):format(
    what, kind.args, kind.method,
    type(f) == "table" and "a table without it" or f == nil and "nothing" or "a " .. type(f)))
end

-- The filters of a file stand where those stood that the file registered before it was reloaded.
local function place_of(server, kind, unit, n)
  local own = server.filters
  local key = unit and kind .. " " .. unit.path
  local known = key and own.places[key]
  if key and not known then
    known = {}
    own.places[key] = known
  end
  local place = known and known[n]
  if not place then
    own.last = own.last + 1
    place = own.last
    if known then known[n] = place end
  end
  return place
end

local function with(list, entry)
  local copy, placed = {}, false
  for _, one in ipairs(list or EMPTY) do
    if not placed and one.at > entry.at then
      copy[#copy + 1], placed = entry, true
    end
    copy[#copy + 1] = one
  end
  if not placed then copy[#copy + 1] = entry end
  return copy
end

local function without(list, entry)
  local copy = {}
  for _, one in ipairs(list or EMPTY) do
    if one ~= entry then copy[#copy + 1] = one end
  end
  return copy
end

-- A filter of pomelua's own that does something beside messages says when that begins and ends.
local function tell(entry, name, server)
  local fn = entry.of and rawget(entry.of, name)
  if fn then fn(entry.of, server) end
end

local function put(server, kind, entry)
  if entry.gone then return end
  entry.inside = true
  server.filters.lists[kind] = with(server.filters.lists[kind], entry)
  tell(entry, "_begin", server)
  filters.changed(server)
end

local function take(server, kind, entry)
  entry.gone = true
  if not entry.inside then return end
  server.filters.lists[kind] = without(server.filters.lists[kind], entry)
  tell(entry, "_end", server)
  filters.changed(server)
end

---Registers a filter. Raises at the line of the game when it is none.
---@param server pomelua.Server
---@param what string what the game has called, for the error
---@param kind string "before", "after", "globalBefore", …
---@param f any
function filters.add(server, what, kind, f)
  local entry = check(what, kinds[kind], f)
  local unit, gen = units.loading()
  if not unit then
    entry.at = place_of(server, kind)
    return put(server, kind, entry)
  end
  unit.filters = unit.filters or {}
  unit.filters[kind] = (unit.filters[kind] or 0) + 1
  entry.at = place_of(server, kind, unit, unit.filters[kind])
  unit:on_end(entry, function() take(server, kind, entry) end)
  units.when_active(gen, function() put(server, kind, entry) end)
end

---Registers a table as both kinds.
---@param what string
---@param before string
---@param after string
---@param f any a table with one of the methods, or both
function filters.add_both(server, what, before, after, f)
  check_own(what, kinds[before], f)
  local has = type(f) == "table" and {
    [before] = errors.field(f, "before") ~= nil, [after] = errors.field(f, "after") ~= nil,
  }
  if not has or not has[before] and not has[after] then
    errors.raise(("%s: the filter must be a table with the methods before and after, or one of"
      .. " them; got %s. A function is for app:%s or app:%s"):format(what,
      has and "a table without both" or f == nil and "nothing" or "a " .. type(f), before, after))
  end
  if has[before] then filters.add(server, what, before, f) end
  if has[after] then filters.add(server, what, after, f) end
end

---Whether app:set of that key sets an error handler.
---@param key string
---@return boolean
function filters.is_handler(key) return handlers[key] ~= nil end

---The error handler that a key is nearly the name of.
---@param key string
---@return string|nil
function filters.nearly_handler(key) return near.to(key, handlers, 2) end

---app:set of an error handler. It belongs to the file that sets it, as filters do.
---@param key string
---@param fn function|nil
---@param done fun(fn: function|nil) called when it comes into force, and with nil when it ends
function filters.set_handler(server, key, fn, done)
  local what = ("app:set(%q, fn)"):format(key)
  if fn ~= nil and type(fn) ~= "function" then
    errors.raise(("%s: fn must be a function (%s), got a %s"):format(what, handlers[key].args,
      type(fn)))
  end
  local own = server.filters.handlers
  local entry = fn and entry_of(what, handlers[key], fn)
  local function set()
    if entry and entry.gone then return end
    own[key] = entry
    done(fn)
    filters.changed(server)
  end
  local unit, gen = units.loading()
  if not unit then return set() end
  if entry then
    unit:on_end(entry, function()
      entry.gone = true
      if own[key] ~= entry then return end
      own[key] = nil
      done(nil)
      filters.changed(server)
    end)
  end
  units.when_active(gen, set)
end

return filters
