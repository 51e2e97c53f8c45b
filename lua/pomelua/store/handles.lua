-- handles: the stores of a server: databases, caches, HTTP. Each is opened on the server's loop at
-- its first call, shared by all that define it alike, and closed when the last of them has ended,
-- or with the server. A server without one has no part of this.
--
-- Outside of a server (a command, a script of `pomelua run`) each call waits for its answer.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local quiet = require "pomelua.run.quiet"
local tables = require "pomelua.base.tables"
local unit = require "pomelua.run.unit"

local handles = {}

---@class pomelua.StoreHandle
---@field kind string "sqlite", "postgres", …
---@field options table of core.store for this kind, limits included
---@field store userdata|nil C's part, once it is open
---@field users number of those that have defined it
---@field name string|nil of config/databases.json
---@field under_way number calls that are
---@field txs table<table, true> transactions that are open
---@field late number transactions that took too long
local methods = {}
local mt = { __name = "pomelua.store handle", __index = methods }
-- What prints a server, such as the console, prints this and not the password in the options.
mt.__tostring = function(handle) return ("store %s"):format(handle.name or handle.kind) end

-- The calls under way are works, which a stop waits for, and belong to a generation.
local function each_owner(server, fn)
  for _, record in pairs(server.stores.records) do fn(record.owner or record.task.owner) end
end

-- The part of a server that belongs to this file, made when it is needed first.
local function stores_of(server)
  local stores = server.stores
  if stores then return stores end
  stores = {
    handles = {}, -- [identity] = handle
    records = {}, -- [number] = record of a call under way
    free = {}, -- numbers that have been used, to be used again
    last = 0,
    txs = {}, -- [transaction that is open] = true
    watched = {}, -- [id of a session of this frontend whose end will be told] = true
    session_ended = nil, -- store/call
  }
  server.stores = stores
  quiet.add_records(server, stores.records)
  if server.live then table.insert(server.live.each_owner, each_owner) end
  return stores
end
handles.stores_of = stores_of

---Gives a call that is under way a number, record.number.
---@return number
function handles.remember(server, record)
  local stores = server.stores
  local n = #stores.free
  local number = stores.free[n]
  if number then
    stores.free[n] = nil
  else
    number = stores.last + 1
    stores.last = number
  end
  stores.records[number] = record
  record.number = number
  return number
end

---Its end.
function handles.forget(server, record)
  local stores, number = server.stores, record.number
  record.number = nil
  stores.records[number] = nil
  stores.free[#stores.free + 1] = number
end

---handles.answered(server, number, code | nil, value, state): set by store/call.
handles.answered = nil

local function let_go(handle)
  handle.users = handle.users - 1
  handle:close_if_idle()
end

---The store of a definition for the server that runs now. What a file makes while it loads ends
---with that file's code; all else with the server.
---@param kind string
---@param options table
---@param name string|nil how people know it
---@param keeper pomelua.Server|nil a server that has it as long as it lives, whoever runs now
---@return pomelua.StoreHandle
function handles.of(kind, options, name, keeper)
  local server = keeper or current.server or current.only or nil
  local identity = ("%s %s %s"):format(kind, name or "", core.digest("sha256",
    tables.identity(options)))
  local known = server and stores_of(server).handles
  local handle = known and known[identity]
  if not handle then
    handle = setmetatable({
      kind = kind, options = options, name = name, users = 0, server = server,
      identity = identity, under_way = 0, txs = {}, late = 0,
    }, mt)
    if known then known[identity] = handle end
  end
  handle.users = handle.users + 1
  local one = not keeper and server and server.live and unit.loading()
  if one then one:on_end({}, function() let_go(handle) end) end
  return handle
end

---Opens it, when it is not open.
---@return userdata|nil store
---@return pomelua.Error|nil err the library is missing
function methods:open()
  if self.store then return self.store end
  local server = self.server
  local node = server and type(server.node) == "userdata" and server.node or nil
  local answered = node and function(number, code, value, state)
    return handles.answered(server, number, code, value, state)
  end
  local store, message = core.store(node, self.kind, self.options, answered)
  if not store then return nil, errors.new(message, "DB") end
  self.store = store
  if server then -- one that was closed, and is used again
    stores_of(server).handles[self.identity] = stores_of(server).handles[self.identity] or self
  end
  return store
end

---Closes it, when nobody has it any more and nothing is under way.
function methods:close_if_idle()
  if self.users > 0 or self.under_way > 0 or next(self.txs) then return end
  local known = self.server and stores_of(self.server).handles
  if known and known[self.identity] == self then known[self.identity] = nil end
  if self.store then self.store:close() end
  self.store = nil
end

---The user of a handle that is no file's code has ended.
---@param handle pomelua.StoreHandle
function handles.let_go(handle) let_go(handle) end

---Calls fn(handle) for each store of a server.
---@param server pomelua.Server
---@param fn fun(handle: pomelua.StoreHandle)
function handles.each(server, fn)
  for _, handle in pairs(server.stores and server.stores.handles or {}) do fn(handle) end
end

return handles
