-- call: one call to a store: submitted, waited for or called back, and ended with its owner.
--
-- A call may take as long as its store says, and not longer than what is left of the request or the
-- call of another server that it is made for. It ends, with an error, when the session ends whose
-- message its task works on.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local handles = require "pomelua.store.handles"
local task = require "pomelua.run.task"

local call = {}

-- What is left of the time of the request or call that an owner is, in ms; nil: it has none. An
-- HTTP request knows that itself (message/http_serve).
local function left_of(server, owner)
  if owner and owner.time_left then return owner:time_left() end
  local kind, id = owner and owner.kind, owner and owner.id
  if not kind or not id or owner.answered or not server.node.timeLeft then return nil end
  return server.node:timeLeft(kind, id) or 0
end

local function err_of(code, message, state)
  local err = errors.new(message, code)
  if state then err.sqlstate = state end
  return err
end

---How long something may take that is made now: the smaller of ms and what is left of the request.
---@param ms number
---@return number ms 0: the request has ended
function call.time_left(server, ms)
  local left = left_of(server, task.owner())
  return left and math.min(left, ms) or ms
end

-- The session of this frontend whose message the running task works on.
local function session_of(server)
  local t = current.task
  if t and t.sid and server.frontend and t.frontend_id == server.id then return t.sid end
end

---Remembers which session's message the running task works on: call.session_ended ends what is
---made for it.
---@param made table a record of stores.records, or a transaction: its field `session` is set. Its
---function session_ended(made), which a call of this file has not, is called then
function call.tie(server, made)
  local sid = session_of(server)
  if not sid then return end
  local stores = handles.stores_of(server)
  if not stores.watched[sid] then
    if not server.node:watchClosed(sid) then return end -- it has ended: its handler goes on
    stores.watched[sid] = true
    stores.session_ended = call.session_ended
  end
  made.session = sid
end

-- In a task of its own, which is inside of the transaction: that waits for it.
local function deliver(record, err, value)
  current.task.inside = record.tx
  if err then return record.cb(err) end
  record.cb(nil, value)
end

-- The end of a call, once.
local function finish(record, err, value)
  local handle, tx = record.handle, record.tx
  local server = handle.server
  handles.forget(server, record)
  handle.under_way = handle.under_way - 1
  if tx then
    tx.calls[record] = nil
    if err then tx.failed(tx, err) end
  end
  if record.cb then
    task.run_for(record.work, server, record.owner, deliver, record, err, value)
  else
    record.err, record.value = err, value
    task.resume(server, record)
  end
  if tx then tx.call_over(tx) end
  if handle.users <= 0 then handle:close_if_idle() end
end

---Ends a call that is under way: its waiter or callback gets the error.
---@param record table
---@param err pomelua.Error
function call.cancel(record, err)
  if not record.number then return end
  if record.handle.store then record.handle.store:cancel(record.id) end
  finish(record, err)
end

---A session of this frontend has ended: so do the calls and transactions that are made for it.
---@param sid number
function call.session_ended(server, sid)
  local stores = server.stores
  if not stores.watched[sid] then return end
  stores.watched[sid] = nil
  for tx in pairs(stores.txs) do
    if tx.session == sid then tx.session_ended(tx) end
  end
  local err = errors.new("the session has ended for which this was asked", "CLOSED")
  local list = {}
  for _, record in pairs(stores.records) do
    if record.session == sid then list[#list + 1] = record end
  end
  for i = 1, #list do
    local record = list[i]
    if record.session_ended then record.session_ended(record) else call.cancel(record, err) end
  end
end

---Ends a call that is not made.
---@param server pomelua.Server|nil nil: there is none
---@param cb function|nil nil: it returns nil, err
---@param err pomelua.Error
local function refuse(server, cb, err)
  if not cb then return nil, err end
  if not server then return cb(err) end
  task.defer(server, task.owner() or server:context("callback of a store"), cb, err)
end

-- Outside of a server: the answer is there already.
local function answered_now(cb, tx, code, value, state)
  local err = code and err_of(code, value, state)
  if err then value = nil end
  if err and tx then tx.failed(tx, err) end
  if cb then return cb(err, value) end
  return value, err
end

local function ms_of(server, handle, ms)
  local own = ms or handle.options.timeout or 4000
  local left = left_of(server, task.owner())
  return left and math.min(left, own) or own
end

-- C has the answer of a call.
handles.answered = function(server, number, code, value, state)
  local record = server.stores.records[number]
  if code then return finish(record, err_of(code, value, state)) end
  finish(record, nil, value)
end

-- Outside of a server each call waits in C.
local function make_now(store, what, op, text, tx, cb, ms, params, a, b, c, d)
  local id, code, value, state = store:submit(op, text, params, ms, tx and tx.id, nil, a, b, c, d)
  if not id then errors.raise(what .. ": " .. code) end
  return answered_now(cb, tx, code, value, state)
end

---Raises, at the line of the game: a call without a callback cannot wait there.
---@param what string the function of the game's call
function call.cannot_wait(what)
  errors.raise(what .. ": it waits for its answer, which is possible only inside a function that "
    .. "the server called and not in a coroutine of your own; with a function as last argument "
    .. "it calls that instead")
end

-- Submits a call. Returns its record, or nil, err: it is not made. A call that is waited for has
-- the record of its task, which makes one call at a time.
local function begin(handle, store, what, op, text, tx, cb, ms, params, a, b, c, d)
  local server, t = handle.server, current.task
  ms = ms_of(server, handle, ms)
  if ms <= 0 then
    return nil, errors.new("the request has ended for which this was asked", "TIMEOUT")
  end
  local record
  if cb then
    record = {
      cb = cb, work = task.work(),
      owner = task.owner() or server:context("callback of a store"),
    }
  else
    record = t.asked
    if not record then
      record = {}
      t.asked = record
    end
  end
  record.handle, record.tx = handle, tx
  local number = handles.remember(server, record)
  local id, message, name = store:submit(op, text, params, ms, tx and tx.id, number, a, b,
    c, d)
  if not id then
    handles.forget(server, record)
    if name == "INVAL" then errors.raise(what .. ": " .. message) end
    return nil, errors.new(message, "BUSY")
  end
  record.id = id
  handle.under_way = handle.under_way + 1
  if tx then tx.calls[record] = true else call.tie(server, record) end
  return record
end

-- params: a table of values, or how many of a, b, c and d are values. They are not "...", which
-- LuaJIT does not compile behind a call of C.
local function make(handle, what, op, text, tx, cb, ms, params, a, b, c, d)
  local server = handle.server
  if server and not cb and not task.can_wait() then call.cannot_wait(what) end
  local store, err = handle.store
  if not store then
    store, err = handle:open()
    if not store and tx then tx.failed(tx, err) end
    if not store and server then return refuse(server, cb, err) end
    if not store then return answered_now(cb, nil, err.code, err.message) end
  end
  if not server or type(server.node) ~= "userdata" then
    return make_now(store, what, op, text, tx, cb, ms, params, a, b, c, d)
  end
  -- One that waits may find its answer there already: an SQLite row that is in memory.
  if op == "query" and not cb and not tx and handle.kind == "sqlite" then
    local rows = store:now(text, params, a, b, c, d)
    if rows then return rows end
  end
  local record
  record, err = begin(handle, store, what, op, text, tx, cb, ms, params, a, b, c, d)
  if not record then
    if tx then tx.failed(tx, err) end
    return refuse(server, cb, err)
  end
  if cb then return end
  task.suspend(record)
  local value
  value, err = record.value, record.err
  record.value, record.err, record.tx, record.session = nil, nil, nil, nil
  if err then return nil, err end
  return value
end

---Makes a call. With cb it calls cb(err, value); without it waits, and returns value or nil, err.
---A value that the store cannot take raises at the line of the game.
---@param handle pomelua.StoreHandle
---@param what string the function of the game's call, for errors: "db:query"
---@param op string of core.store's submit
---@param text string|nil
---@param params table|nil values, n= how many
---@param tx table|nil the transaction: its field id; calls, the set of its calls; its functions
---failed(tx, err), called at once, and call_over(tx), called behind the callback
---@param cb function|nil
---@param ms number|nil milliseconds; those of the store when left out
---@return any value
---@return pomelua.Error|nil err
function call.make(handle, what, op, text, params, tx, cb, ms)
  return make(handle, what, op, text, tx, cb, ms, params)
end

call.refuse = refuse

---The function that is the last of some values.
---@return function|nil
function call.callback_of(...)
  local n = select("#", ...)
  local last = n > 0 and select(n, ...)
  return type(last) == "function" and last or nil
end

---Makes the call of a statement with n values, of which the last may be a callback. As call.make
---otherwise.
---@param sql any raises when it is no string
---@param n number
---@param a any the first four
---@param more any[]|nil all of them, when there are more than four
function call.values(handle, what, op, tx, sql, n, a, b, c, d, more)
  if type(sql) ~= "string" then
    errors.raise(("%s(sql, ...): sql must be a string, got a %s"):format(what, type(sql)))
  end
  local last
  if n == 1 then last = a
  elseif n == 2 then last = b
  elseif n == 3 then last = c
  elseif n == 4 then last = d
  elseif more then last = more[n]
  end
  local cb = type(last) == "function" and last or nil
  if cb then n = n - 1 end
  if not more then return make(handle, what, op, sql, tx, cb, nil, n, a, b, c, d) end
  more.n = n
  return make(handle, what, op, sql, tx, cb, nil, more)
end

---The same; the values follow.
function call.statement(handle, what, op, tx, sql, ...)
  local n, a, b, c, d = select("#", ...), ...
  return call.values(handle, what, op, tx, sql, n, a, b, c, d, n > 4 and { ... } or nil)
end

return call
