-- database: a database as a game has it: db:query, db:exec, db:transaction. The kinds differ in C
-- only.
local call = require "pomelua.store.call"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local handles = require "pomelua.store.handles"
local transaction = require "pomelua.store.transaction"

---What pomelua.blob gives.
---@class pomelua.Blob

---@class pomelua.Database
---@field kind string "sqlite", "postgres" or "mysql"
local methods = {}
local mt = { __name = "pomelua.Database", __index = methods }
mt.__tostring = function(db) return ("database %s"):format(db.name or db.kind) end

local database = {}

-- Inside of its own transaction a call on the database would wait for the transaction's end.
local function check_outside(self, what)
  local t = current.task
  if t and (t.tx or t.inside) and transaction.is_inside(t, self) then
    local name = what:match "%w+$"
    if name == "transaction" then transaction.refuse_inner(what) end
    errors.raise(("%s: inside of db:transaction(function(tx) ... end) of the same database write "
      .. "tx:%s(...): this call would wait for the end of the transaction"):format(what, name))
  end
end

-- query and exec take "..." apart: behind a call of C LuaJIT compiles no function that hands it on.

---Asks for rows.
---@param sql string exactly one statement; its parameters are written $1, $2, …
---@param ... any the values of $1, $2, …: strings, numbers, booleans, nil or pomelua.null,
---pomelua.blob(bytes); as last argument a function(err, rows) that is called instead of waiting
---@return table[]|nil rows tables of their columns; NULL is a field that is not there
---@return pomelua.Error|nil err err.code "TIMEOUT", "BUSY", "CLOSED", "DB" (err.sqlstate), "RANGE"
function methods:query(sql, ...)
  check_outside(self, "db:query")
  local n, a, b, c, d = select("#", ...), ...
  return call.values(self.handle, "db:query", "query", nil, sql, n, a, b, c, d,
    n > 4 and { ... } or nil)
end

---Changes rows, or tables.
---@param sql string exactly one statement; its parameters are written $1, $2, …
---@param ... any as of query; a callback gets (err, count)
---@return number|nil count how many rows were changed; 0 is no error
---@return pomelua.Error|nil err as of query
function methods:exec(sql, ...)
  check_outside(self, "db:exec")
  local n, a, b, c, d = select("#", ...), ...
  return call.values(self.handle, "db:exec", "exec", nil, sql, n, a, b, c, d,
    n > 4 and { ... } or nil)
end

---Runs f(tx) in a transaction, which ends with it: tx:query and tx:exec are as those of the
---database. When f raises, or returns nil and an error, or one of its statements has failed, all
---that it has changed is rolled back.
---@param f fun(tx: pomelua.Transaction): any
---@param cb fun(err: pomelua.Error|nil, ...: any)|nil called instead of waiting
---@return any ... what f has returned; true when it returned nothing; nil, err when it was rolled
---back
function methods:transaction(f, cb)
  check_outside(self, "db:transaction")
  if type(f) ~= "function" or cb ~= nil and type(cb) ~= "function" then
    errors.raise(("db:transaction(function(tx) ... end): a function, got a %s")
      :format(type(f) ~= "function" and type(f) or type(cb)))
  end
  return transaction.run(self, f, cb)
end

errors.guard(methods, "db")

---A database of a kind, which opens at its first call.
---@param kind string of core.store
---@param options table of core.store: the kind's, and waiting, timeout, rows, bytes
---@param name string|nil how people know it: of config/databases.json
---@return pomelua.Database
function database.new(kind, options, name)
  return setmetatable({
    kind = kind, name = name, handle = handles.of(kind, options, name),
  }, mt)
end

---A database behind which is a handle of the caller's, which may put another one in its place.
---@param handle pomelua.StoreHandle
---@return pomelua.Database
function database.of_handle(handle)
  return setmetatable({ kind = handle.kind, name = handle.name, handle = handle }, mt)
end

---Runs several statements, such as the file of a migration, in one transaction where the database
---can. Waits, as query does.
---@param db pomelua.Database
---@param text string
---@return number|nil done
---@return pomelua.Error|nil err its message begins with the line
function database.script(db, text)
  return call.make(db.handle, "script", "script", text)
end

return database
