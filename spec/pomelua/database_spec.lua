-- Databases as a game has them (store/database.lua, store/transaction.lua, store/call.lua,
-- store/handles.lua; sqlite.lua; in C bind/l_store.c and
-- bind/l_store_sqlite.c), in memory and in a spec's time.
local figures = require "pomelua.store.figures"
local pomelua = require "pomelua"
local sqlite = require "pomelua.sqlite"
local world = require "spec.support.world"

describe("a database", function()
  local w, one, db

  local function run(fn)
    local got = {}
    w:run("connector-1", function() got.n = select("#", fn(got)) end)
    return got
  end

  -- What fn returns, which must not wait for the spec.
  local function value(fn)
    local list, n
    w:run("connector-1", function()
      local function keep(...) list, n = { ... }, select("#", ...) end
      keep(fn())
    end)
    assert(n, "it has not returned")
    return unpack(list, 1, n)
  end

  local function open(options)
    options = options or {}
    options.file = options.file or ":memory:"
    w:run("connector-1", function()
      db = sqlite.open(options)
      assert(db:exec("create table players (id integer primary key, name text not null, gold real, "
        .. "vip boolean, face blob)"))
      assert(db:exec("insert into players (id, name, gold) values ($1, $2, $3), (2, 'bob', 5)",
        1, "ann", 10))
    end)
  end

  local function gold(id)
    return value(function()
      return assert(db:query("select gold from players where id = $1", id))[1].gold
    end)
  end

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
    open()
  end)
  after_each(function() w:close() end)

  it("gives rows as plain tables, and the number of changed ones", function()
    local rows, err = value(function()
      return db:query("select id, name from players order by id")
    end)
    assert.is_nil(err)
    assert.same({ { id = 1, name = "ann" }, { id = 2, name = "bob" } }, rows)
    assert.is_nil(getmetatable(rows[1]))
    assert.equal(2, value(function() return db:exec "update players set gold = 1" end))
    assert.same({}, value(function() return db:query "update players set gold = 2" end))
    assert.equal(0, value(function() return db:exec "delete from players where id = 9" end))
    assert.same({}, (value(function() return db:query "select * from players where id = 9" end)))
  end)

  it("takes and gives each kind of value", function()
    value(function()
      return assert(db:exec("insert into players values ($1, $2, $3, $4, $5)", 3, "a\0ü", 0.5, true,
        pomelua.blob "\255\0\1"))
    end)
    assert.same({ { id = 3, name = "a\0ü", gold = 0.5, vip = true, face = "\255\0\1" } },
      (value(function() return db:query("select * from players where id = $1", 3) end)))
    -- nil and pomelua.null are NULL, and NULL is a field that is not there
    value(function()
      return assert(db:exec("update players set gold = $1, vip = $2, face = $3 where id = 3", nil,
        pomelua.null, nil))
    end)
    assert.same({ { id = 3, name = "a\0ü" } },
      (value(function() return db:query("select * from players where id = $1", 3) end)))
    local row = value(function()
      return db:query("select typeof($1) a, typeof($2) b, typeof($3) c, typeof($4) d, typeof($5) e",
        1, 1.5, "1", pomelua.blob "1", 2 ^ 60)
    end)[1]
    assert.same({ a = "integer", b = "real", c = "text", d = "blob", e = "real" }, row)
  end)

  it("takes any number of values, before a callback and without one, also when compiled", function()
    local sum = { [0] = "select 0 as sum" }
    for n = 1, 7 do
      local terms = {}
      for i = 1, n do terms[i] = ("coalesce($%d, 100)"):format(i) end
      sum[n] = ("select %s as sum"):format(table.concat(terms, " + "))
    end
    local called, wrong = 0, {}
    local function check(n, want, err, rows)
      if err or rows[1].sum ~= want then wrong[#wrong + 1] = n end
    end
    local function both(n, want, ...)
      local rows, err = db:query(sum[n], ...)
      check(n, want, err, rows)
      local values = { ... }
      values[n + 1] = function(failed, found)
        called = called + 1
        check(n, want, failed, found)
      end
      db:query(sum[n], unpack(values, 1, n + 1))
    end
    run(function()
      for _ = 1, 100 do
        both(0, 0)
        both(1, 1, 1)
        both(1, 100, nil)
        both(2, 101, 1, nil)
        both(3, 6, 1, 2, 3)
        both(4, 110, 1, 2, nil, 7)
        both(5, 115, 1, 2, 4, 8, nil)
        both(7, 28, 1, 2, 3, 4, 5, 6, 7)
      end
    end)
    w:run("connector-1", function() end)
    assert.same({}, wrong)
    assert.equal(800, called)
  end)

  it("numbers parameters as PostgreSQL does", function()
    local row = value(function()
      return db:query("select $2 as b, $1 as a, $2 as again", "one", "two")
    end)[1]
    assert.same({ a = "one", b = "two", again = "two" }, row)
    for sql, said in pairs {
      ["select $1"] = "the statement has 1 parameters, and 2 values were given",
      ["select ?, ?"] = "parameters are written $1, $2, …, not ?",
      ["select :a, $1"] = "parameters are written $1, $2, …, not :a",
      ["select $1::text, $2"] = "a type is given by cast($1 as text)",
    } do
      local rows, err = value(function() return db:query(sql, 1, 2) end)
      assert.is_nil(rows)
      assert.equal("DB", err.code)
      assert.matches(said, err.message, 1, true)
    end
  end)

  it("raises at the line of the game what it cannot take", function()
    for said, fn in pairs {
      ["spec.lua:%d+: db:query: value 2 must be a string, .*, got a table; pomelua.json.encode"] =
        function() return db:query("select $1, $2", 1, {}) end,
      ["spec.lua:%d+: db:exec: value 1 must be .*, got NaN"] =
        function() return db:exec("select $1", 0 / 0) end,
      ["spec.lua:%d+: db:query%(sql, ...%): sql must be a string, got a nil"] =
        function() return db:query() end,
      ["spec.lua:%d+: db.query: write db:query%(...%) with a colon"] =
        function() return db.query("select 1") end,
      ["spec.lua:%d+: db:transaction%(function%(tx%) ... end%): a function, got a nil"] =
        function() return db:transaction() end,
    } do
      local ok, message = value(function() return pcall(fn) end)
      assert.is_false(ok)
      assert.matches(said, message)
    end
  end)

  it("takes exactly one statement", function()
    local _, err = value(function() return db:query "select 1; delete from players" end)
    assert.equal("a call takes one statement, and this text has more of them", err.message)
    assert.equal(2, value(function() return #db:query "select 1 from players; -- the end" end))
  end)

  it("leaves transactions, other files and the connection to the product", function()
    for sql, said in pairs {
      ["begin"] = "use db:transaction(f)",
      ["commit"] = "use db:transaction(f)",
      ["savepoint a"] = "use db:transaction(f)",
      ["attach 'x.db' as x"] = "cannot attach files",
      ["pragma journal_mode = delete"] = "this PRAGMA would change how the connection works",
    } do
      local n, err = value(function() return db:exec(sql) end)
      assert.is_nil(n)
      assert.equal("42501", err.sqlstate)
      assert.matches(said, err.message, 1, true)
    end
  end)

  it("says what went wrong by code and SQLSTATE", function()
    for sql, state in pairs {
      ["insert into players (id, name) values (1, 'x')"] = "23505",
      ["insert into players (name) values (null)"] = "23502",
      ["selec 1"] = "42601",
      ["select * from nobody"] = "42P01",
      ["select level from players"] = "42703",
    } do
      local rows, err = value(function() return db:query(sql) end)
      assert.is_nil(rows)
      assert.same({ "DB", state }, { err.code, err.sqlstate })
      assert.equal(err.message, tostring(err))
    end
  end)

  it("names the column whose number is not exact", function()
    local rows, err = value(function() return db:query "select 9007199254740993 as id" end)
    assert.is_nil(rows)
    assert.equal("RANGE", err.code)
    assert.equal("column id: 9007199254740993 does not fit a number; select cast(id as text)",
      err.message)
    rows = value(function() return db:query "select 9007199254740992 as id" end)
    assert.equal(2 ^ 53, rows[1].id)
  end)

  it("limits what one answer holds", function()
    open { rows = 1 }
    local rows, err = value(function() return db:query "select * from players" end)
    assert.is_nil(rows)
    assert.equal("RANGE", err.code)
    assert.equal("more than 1 rows: add a limit to the statement", err.message)
    open { bytes = 1024 }
    rows, err = value(function() return db:query "select zeroblob(2000)" end)
    assert.is_nil(rows)
    assert.equal("RANGE", err.code)
  end)

  it("calls back when the last argument is a function, and so can be awaited", function()
    local got = {}
    w:run("connector-1", function()
      db:query("select name from players where id = $1", 1, function(err, rows)
        got.err, got.rows = err, rows
      end)
      got.at_once = got.rows ~= nil
      db:exec("nonsense", function(err, n) got.wrong, got.n = err, n end)
    end)
    assert.is_false(got.at_once)
    assert.same({ { name = "ann" } }, got.rows)
    assert.is_nil(got.err)
    assert.equal("42601", got.wrong.sqlstate)
    assert.is_nil(got.n)
    assert.same({ { name = "bob" } }, (value(function()
      return pomelua.await(db.query, db, "select name from players where id = $1", 2)
    end)))
  end)

  it("waits only where that is possible", function()
    local ok, message = value(function()
      return coroutine.resume(coroutine.create(function() return db:query "select 1" end))
    end)
    assert.is_false(ok)
    assert.matches("db:query: it waits for its answer, which is possible only inside", message)
  end)

  describe("in a transaction", function()
    it("keeps all of it, or nothing", function()
      local a, b = value(function()
        return db:transaction(function(tx)
          assert(tx:exec("update players set gold = gold - 3 where id = 1"))
          assert(tx:exec("update players set gold = gold + 3 where id = 2"))
          return tx:query("select gold from players where id = 1")[1].gold, "more"
        end)
      end)
      assert.same({ 7, "more" }, { a, b })
      assert.same({ 7, 8 }, { gold(1), gold(2) })
      assert.is_true(value(function() return db:transaction(function() end) end))
      assert.is_false(value(function() return db:transaction(function() return false end) end))
    end)

    it("rolls back when its function raises, or returns nil and an error", function()
      local n, err = value(function()
        return db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          error("no trade today", 0)
        end)
      end)
      assert.is_nil(n)
      assert.equal("no trade today", err.message)
      n, err = value(function()
        return db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          return nil, "too poor"
        end)
      end)
      assert.is_nil(n)
      assert.equal("too poor", err.message)
      assert.same({ 10, 5 }, { gold(1), gold(2) })
    end)

    it("rolls back after an error of one of its statements, whatever is returned", function()
      local got = {}
      local n, err = value(function()
        return db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          tx:exec "insert into players (id, name) values (1, 'x')"
          got.later, got.err = tx:query "select 1"
          return "all is well"
        end)
      end)
      assert.is_nil(n)
      assert.equal("23505", err.sqlstate)
      assert.is_nil(got.later)
      assert.equal(err, got.err)
      assert.equal(10, gold(1))
    end)

    it("raises at once when it is passed by", function()
      local n, err = value(function()
        return db:transaction(function() return db:query "select 1" end)
      end)
      assert.is_nil(n)
      assert.matches("db:query: inside of db:transaction.*write tx:query", err.message)
      n, err = value(function()
        return db:transaction(function()
          return pomelua.all { function() return db:exec "delete from players" end }
        end)
      end)
      assert.is_nil(n)
      assert.matches("write tx:exec", err.message)
      n, err = value(function()
        return db:transaction(function() return db:transaction(function() end) end)
      end)
      assert.is_nil(n)
      assert.matches("db:transaction: there is no transaction inside", err.message)
      assert.equal(10, gold(1))
    end)

    it("may wait, and others wait for it", function()
      local got = {}
      w:run("connector-1", function()
        got.ok = db:transaction(function(tx)
          tx:exec "update players set gold = 1"
          pomelua.sleep(50)
          return true
        end)
      end)
      w:run("connector-1", function()
        db:exec "update players set gold = gold + 1"
        got.second = true
      end)
      assert.same({}, got)
      w:advance(50)
      assert.same({ ok = true, second = true }, got)
      assert.equal(2, gold(1))
    end)

    it("ends when it takes too long", function()
      open { transaction = 100 }
      local got = {}
      w:run("connector-1", function()
        got.ok, got.err = db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          pomelua.sleep(200)
          got.inner, got.inner_err = tx:exec "update players set gold = 9"
          return true
        end)
      end)
      w:advance(100)
      assert.equal(10, gold(1))
      w:advance(100)
      assert.is_nil(got.ok)
      assert.is_nil(got.inner)
      assert.equal("TIMEOUT", got.err.code)
      assert.equal("the transaction was rolled back: it took longer than 100 ms", got.err.message)
      assert.equal(1, figures.pools(one)[1].timeouts)
      assert.equal(10, gold(1))
    end)

    it("calls back for each of its statements", function()
      local got = {}
      w:run("connector-1", function()
        db:transaction(function(tx)
          tx:query("select gold from players where id = 1", function(_, rows) got.rows = rows end)
          tx:exec("nonsense", function(err) got.first = err.sqlstate end)
          pomelua.sleep(1)
          tx:exec("select 1", function(err) got.later = err.sqlstate end)
          got.before = got.later
          return true
        end, function(err) got.err = err.sqlstate end)
      end)
      w:advance(1)
      assert.same({
        rows = { { gold = 10 } }, first = "42601", later = "42601", err = "42601",
      }, got)
    end)

    it("calls back", function()
      local got = {}
      w:run("connector-1", function()
        db:transaction(function(tx) return tx:exec "update players set gold = 4" end,
          function(err, n) got.err, got.n = err, n end)
        db:transaction(function() error("no", 0) end,
          function(err, n) got.wrong, got.none = err, n end)
      end)
      assert.same({ n = 2, wrong = got.wrong }, got)
      assert.equal("no", got.wrong.message)
    end)

    it("is rolled back when its task ends otherwise", function()
      w:run("connector-1", function()
        db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          require("pomelua.run.task").exit()
        end)
      end)
      assert.equal(10, gold(1))
    end)
  end)

  describe("for a message", function()
    local sid
    before_each(function() sid = one.node:openSession() end)

    local function handle(fn) w:load("connector-1", { handlers = { h = { go = fn } } }) end

    it("ends with its session: calls with an error, transactions with a rollback", function()
      local got = {}
      handle(function()
        got.ok, got.err = db:transaction(function(tx)
          tx:exec "update players set gold = 0"
          pomelua.sleep(500)
          got.inner, got.inner_err = tx:exec "update players set gold = 0"
          return true
        end)
      end)
      w:say("connector-1", sid, 1, "connector.h.go")
      one.node:closeSession(sid)
      w:settle()
      assert.equal(10, gold(1)) -- which would wait for the transaction
      w:advance(500)
      assert.equal("CLOSED", got.err.code)
      assert.matches("its session has ended", got.inner_err.message)
      assert.equal(10, gold(1))
    end)

    it("is made as always by a handler whose session has ended before", function()
      local got = {}
      handle(function()
        pomelua.sleep(100)
        got.n, got.err = db:exec "update players set gold = 1"
        got.kept = db:transaction(function(tx) return tx:exec "update players set gold = 3" end)
      end)
      w:say("connector-1", sid, nil, "connector.h.go")
      one.node:closeSession(sid)
      w:advance(100)
      assert.is_nil(got.err)
      assert.same({ n = 2, kept = 2 }, got)
      assert.same({}, one.stores.watched)
      assert.same({}, one.stores.records)
      assert.same({}, one.stores.txs)
    end)

    it("ends with a callback's call, too", function()
      local got, held = {}, nil
      w:run("connector-1", function()
        db:transaction(function() pomelua.await(function(cb) held = cb end) end)
      end)
      handle(function()
        db:exec("update players set gold = 0", function(err) got.err = err end)
        pomelua.sleep(1)
      end)
      w:say("connector-1", sid, nil, "connector.h.go")
      one.node:closeSession(sid)
      w:settle()
      assert.equal("CLOSED", got.err.code)
      held()
      w:settle()
      assert.equal(10, gold(1))
    end)

    it("takes no longer than what is left of the request", function()
      local got, held = {}, nil
      w:run("connector-1", function()
        db:transaction(function() pomelua.await(function(cb) held = cb end) end)
      end)
      handle(function()
        pomelua.sleep(9000)
        got.n, got.err = db:exec "update players set gold = 0"
        got.late, got.late_err = db:exec "update players set gold = 0"
      end)
      w:say("connector-1", sid, 1, "connector.h.go")
      open { transaction = 600000 }
      w:run("connector-1", function()
        db:transaction(function() pomelua.await(function(cb) held = cb end) end)
      end)
      w:advance(9000)
      assert.is_nil(got.err)
      w:advance(1000)
      assert.equal("BUSY", got.err.code)
      assert.equal("TIMEOUT", got.late_err.code)
      assert.matches("the request has ended", got.late_err.message)
      held()
      w:settle()
      assert.equal(10, gold(1))
    end)
  end)

  it("refuses calls above its limit at once", function()
    open { waiting = 3, transaction = 600000 }
    local codes, held = {}, nil
    w:run("connector-1", function()
      db:transaction(function() pomelua.await(function(cb) held = cb end) end)
    end)
    w:run("connector-1", function()
      for i = 1, 5 do
        db:exec("update players set gold = 0", function(err)
          codes[i] = err and err.code or "done"
        end)
      end
    end)
    assert.same({ [4] = "BUSY", [5] = "BUSY" }, codes)
    held()
    w:settle()
    assert.same({ "done", "done", "done", "BUSY", "BUSY" }, codes)
  end)

  it("is one for all that open it alike", function()
    local handles = require "pomelua.store.handles"
    local n = 0
    run(function()
      local again = sqlite.open { file = ":memory:" }
      assert.equal(2, #again:query "select * from players")
      sqlite.open { file = ":memory:", rows = 5 }
    end)
    handles.each(one, function() n = n + 1 end)
    assert.equal(2, n)
  end)

  it("works outside of a server, where calls wait", function()
    w:close()
    local own = sqlite.open { file = ":memory:" }
    assert.equal(0, own:exec "create table t (x integer)")
    assert.equal(7, own:transaction(function(tx)
      tx:exec("insert into t values ($1)", 7)
      return tx:query("select x from t")[1].x
    end))
    local rows, err = own:query "nonsense"
    assert.is_nil(rows)
    assert.equal("42601", err.sqlstate)
    w = world.single()
  end)

  it("prints without its options, where a password may be", function()
    local text = require("pomelua.pretty") { db, db.handle, one.stores.handles }
    assert.matches("database sqlite.*store sqlite", text)
    assert.is_nil(text:find(":memory:", 1, true))
  end)

  it("refuses options that it does not know", function()
    for said, options in pairs {
      ["file must be the path"] = {},
      ["there is no option files; did you mean file%?"] = { files = "x" },
      ["rows must be a whole number from 1 to 10000000, got 0"] = { file = "x", rows = 0 },
    } do
      local ok, message = pcall(sqlite.open, options)
      assert.is_false(ok)
      assert.matches(said, message)
    end
  end)
end)
