-- transaction: db:transaction: f runs in the task that calls it, and its end is the transaction's:
-- COMMIT when it returns, ROLLBACK when it fails, when its task ends otherwise (its budget,
-- os.exit), when the session or the request ends that it works for, and when it takes too long. A
-- rollback is not waited for: it comes before anything else on its connection.
--
-- An error of a statement ends it at once, in every kind of database. So COMMIT waits until the
-- calls with a callback are over that f has left under way.
local call = require "pomelua.store.call"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local transaction = {}

local HOLDS_MS = 2000 -- how long one may take

---@class pomelua.Transaction
local methods = {}
local mt = { __name = "pomelua.Transaction", __index = methods }

---Whether a task runs inside of a transaction of a database.
---@param t table the task
---@param db pomelua.Database
---@return boolean
function transaction.is_inside(t, db)
  local tx = t.tx or t.inside
  while tx do
    if tx.handle == db.handle and tx.open then return true end
    tx = tx.around
  end
  return false
end

-- No statement of it is run any more, and it is rolled back. err: what later calls get. A COMMIT
-- that is under way is left alone: what becomes of it only the database can say.
local function roll_back(tx, err)
  tx.err = tx.err or err
  if not tx.open or tx.committing then return end
  tx.open = false
  local server, handle = tx.server, tx.handle
  handle.txs[tx] = nil
  if handle.store then handle.store:release(tx.id) end
  if not server then return end
  server.stores.txs[tx] = nil
  timers.stop(server, tx)
end

-- A call of it is over, and its callback has been called.
local function call_over(tx)
  if tx.cancelling then return end
  if not tx.open then
    tx.cancelling = true
    for record in pairs(tx.calls) do call.cancel(record, tx.err) end
    tx.cancelling = false
  end
  local waiter = tx.waiter
  if waiter and not next(tx.calls) then
    tx.waiter = nil
    task.resume(tx.server, waiter)
  end
end

-- Ends it without COMMIT. err: what later calls get, and those that are under way.
local function abandon(tx, err)
  if tx.committing then return end
  roll_back(tx, err)
  if not tx.server then return end
  call_over(tx)
  if tx.handle.users <= 0 then tx.handle:close_if_idle() end
end

local function session_over(tx)
  abandon(tx, errors.new("the transaction was rolled back: its session has ended", "CLOSED"))
end

local function too_long(_, tx)
  tx.handle.late = tx.handle.late + 1
  abandon(tx, errors.new(("the transaction was rolled back: it took longer than %d ms")
    :format(tx.ms), "TIMEOUT"))
end

local function statement(tx, what, op, sql, ...)
  local err = tx.err
  if not err and (not tx.open or tx.committing) then
    err = errors.new("the transaction has ended", "CLOSED")
  end
  if not err then return call.statement(tx.handle, what, op, tx, sql, ...) end
  return call.refuse(tx.server, call.callback_of(...), err)
end

---As db:query, in the transaction.
---@param sql string
---@param ... any
---@return table[]|nil rows
---@return pomelua.Error|nil err after which the transaction takes no more statements
function methods:query(sql, ...) return statement(self, "tx:query", "query", sql, ...) end

---As db:exec, in the transaction.
---@param sql string
---@param ... any
---@return number|nil count
---@return pomelua.Error|nil err after which the transaction takes no more statements
function methods:exec(sql, ...) return statement(self, "tx:exec", "exec", sql, ...) end

---Raises: a transaction was begun inside of one of the same database.
---@param what string the call
function transaction.refuse_inner(what)
  errors.raise(what .. ": there is no transaction inside of a transaction; all statements of tx "
    .. "are in this one")
end

function methods:transaction() transaction.refuse_inner "tx:transaction" end

errors.guard(methods, "tx")

-- The task has ended that has it, and those outside of it.
local function leave(tx)
  while tx do
    abandon(tx, errors.new("the transaction was rolled back: its task has ended", "CLOSED"))
    tx = tx.outer
  end
end

-- Waits for the calls that are under way; what their callbacks ask for belongs to it, too.
local function wait_for_calls(tx)
  if not tx.open or not next(tx.calls) then return end
  tx.waiter = {}
  task.suspend(tx.waiter)
end

local function finish(tx, ok, ...)
  local first, second = ...
  if ok and (first ~= nil or second == nil) then wait_for_calls(tx) end
  local t = current.task
  if t then t.tx = tx.outer end
  if not ok then
    abandon(tx, errors.new("the transaction has ended", "CLOSED"))
    return nil, errors.of(first)
  elseif tx.err then
    abandon(tx, tx.err)
    return nil, tx.err
  elseif first == nil and second ~= nil then
    abandon(tx, errors.new("the transaction has ended", "CLOSED"))
    return nil, errors.of(second)
  end
  tx.committing = true
  local _, err = call.make(tx.handle, "db:transaction", "commit", nil, nil, tx)
  tx.committing = false
  if err then
    abandon(tx, err)
    return nil, err
  end
  if tx.open then
    tx.open = false
    tx.handle.txs[tx] = nil
    if tx.server then
      tx.server.stores.txs[tx] = nil
      timers.stop(tx.server, tx)
    end
    if tx.handle.users <= 0 then tx.handle:close_if_idle() end
  end
  if select("#", ...) == 0 then return true end
  return ...
end

local function run(db, f)
  local handle = db.handle
  local server = handle.server
  local id, err = call.make(handle, "db:transaction", "begin")
  if not id then return nil, err end
  local t = current.task
  local tx = setmetatable({
    id = id, handle = handle, server = server, open = true, calls = {}, outer = t and t.tx,
    around = t and (t.tx or t.inside), failed = roll_back, call_over = call_over,
    fire = too_long, leave = leave,
    session_ended = session_over, owner = task.owner(),
  }, mt)
  handle.txs[tx] = true
  if t then t.tx = tx end
  if server and type(server.node) == "userdata" then
    tx.ms = math.max(1, call.time_left(server, handle.options.transaction or HOLDS_MS))
    timers.start(server, tx.ms, tx)
    server.stores.txs[tx] = true
    call.tie(server, tx)
  end
  return finish(tx, pcall(f, tx))
end

local function called_back(cb, ...)
  local first, second = ...
  if first == nil and second ~= nil then return cb(second) end
  return cb(nil, ...)
end

---db:transaction
---@param db pomelua.Database
---@param f function
---@param cb function|nil
function transaction.run(db, f, cb)
  local server = db.handle.server
  if cb and server then
    local owner = task.owner() or server:context("callback of a store")
    task.run(server, owner, function() called_back(cb, run(db, f)) end)
    return
  end
  if cb then return called_back(cb, run(db, f)) end
  return run(db, f)
end

return transaction
