-- The statements of a transaction that call back, and what is inside of it (store/transaction.lua,
-- store/call.lua): none is kept behind one that failed, and none waits for its own transaction.
local pomelua = require "pomelua"
local sqlite = require "pomelua.sqlite"
local world = require "spec.support.world"

describe("a transaction", function()
  local w, one, db, other, got

  local LESS = "update gold set n = n - 5 where id = 1"
  local MORE = "update gold set n = n + 5 where id = 2"
  local TWICE = "insert into ledger values (7)" -- which is there already

  local function run(fn) w:run("connector-1", fn) end

  local function open(options)
    options.file = ":memory:"
    run(function()
      db = sqlite.open(options)
      assert(db:exec "create table gold (id integer primary key, n integer)")
      assert(db:exec "create table ledger (id integer primary key)")
      assert(db:exec "insert into gold values (1, 10), (2, 10)")
      assert(db:exec "insert into ledger values (7)")
    end)
  end

  -- A callback that keeps what it got.
  local function keep(name)
    return function(err, value) got[name] = err and (err.sqlstate or err.code) or value end
  end

  local function transaction(f)
    run(function() got.value, got.err = db:transaction(f) end)
  end

  local function golds()
    local list = {}
    run(function()
      for i, row in ipairs(assert(db:query "select n from gold order by id")) do list[i] = row.n end
    end)
    return list
  end

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
    got = {}
    open {}
    run(function() other = sqlite.open { file = ":memory:", rows = 7 } end)
  end)
  after_each(function()
    assert.same({}, one.stores.txs)
    assert.same({}, one.stores.records)
    w:close()
  end)

  it("waits for the calls that its function has left under way", function()
    transaction(function(tx)
      tx:exec(LESS, function()
        got.open = not got.value
        tx:exec(MORE, keep "more")
      end)
    end)
    assert.same({ open = true, more = 1, value = true }, got)
    assert.same({ 5, 15 }, golds())
  end)

  it("keeps nothing when one of them fails, and each later one gets its error", function()
    transaction(function(tx)
      tx:exec(LESS, keep "less")
      tx:exec(TWICE, keep "twice")
      tx:exec(MORE, keep "more")
      tx:query("select 1", function(err)
        got.query = err.sqlstate
        tx:exec(MORE, keep "behind")
      end)
      return "all is well"
    end)
    assert.equal("23505", got.err and got.err.sqlstate)
    assert.same({ less = 1, twice = "23505", more = "23505", query = "23505", behind = "23505",
      err = got.err }, got)
    assert.same({ 10, 10 }, golds())
  end)

  it("keeps nothing either when it is asked for with a callback", function()
    run(function()
      db:transaction(function(tx)
        tx:exec(LESS, keep "less")
        tx:exec(TWICE, keep "twice")
      end, keep "done")
    end)
    assert.same({ less = 1, twice = "23505", done = "23505" }, got)
    assert.same({ 10, 10 }, golds())
  end)

  it("keeps nothing when a call fails that a callback makes, and waits for or not", function()
    transaction(function(tx)
      tx:exec(LESS, function() tx:exec(TWICE, keep "twice") end)
    end)
    assert.equal("23505", got.err.sqlstate)
    transaction(function(tx)
      tx:exec(LESS, function() got.n, got.inner = tx:exec(TWICE) end)
    end)
    assert.equal("23505", got.err.sqlstate)
    assert.equal(got.err, got.inner)
    assert.same({ 10, 10 }, golds())
  end)

  it("keeps nothing when a call of it is refused", function()
    open { waiting = 2 }
    transaction(function(tx)
      tx:exec(LESS, keep "less")
      tx:exec(MORE, keep "more")
      tx:exec(MORE, keep "refused")
      return true
    end)
    assert.same({ less = "BUSY", more = "BUSY", refused = "BUSY", err = got.err }, got)
    assert.equal("BUSY", got.err.code)
    assert.same({ 10, 10 }, golds())
  end)

  it("takes no statement while it is committed", function()
    local late
    transaction(function(tx)
      tx:exec(LESS, function()
        pomelua.await(function(cb) late = cb end)
        tx:exec(MORE, keep "late")
      end)
    end)
    assert.same({ value = true }, got)
    late()
    w:settle()
    assert.equal("CLOSED", got.late)
    assert.same({ 5, 10 }, golds())
  end)

  it("ends with its session while it waits for them", function()
    local sid = one.node:openSession()
    w:load("connector-1", { handlers = { h = { go = function()
      got.value, got.err = db:transaction(function(tx)
        tx:exec(LESS, function()
          one.node:closeSession(sid)
          got.n, got.inner = tx:exec(MORE)
        end)
      end)
    end } } })
    w:say("connector-1", sid, 1, "connector.h.go")
    w:settle()
    assert.is_nil(got.value)
    assert.equal("CLOSED", got.err.code)
    assert.same({ 10, 10 }, golds())
  end)

  it("is the same outside of a server", function()
    w:close()
    local own = sqlite.open { file = ":memory:" }
    assert(own:exec "create table t (x integer primary key)")
    local value, err = own:transaction(function(tx)
      tx:exec("insert into t values (1)", keep "first")
      tx:exec("insert into t values (1)", keep "twice")
      tx:exec("insert into t values (2)", keep "later")
      return true
    end)
    assert.is_nil(value)
    assert.same({ "23505", first = 1, twice = "23505", later = "23505" },
      { err.sqlstate, first = got.first, twice = got.twice, later = got.later })
    assert.same({}, own:query "select * from t")
    w = world.single()
    one = w.servers["connector-1"]
    run(function() sqlite.open { file = ":memory:" }:exec "select 1" end)
  end)

  -- Where f calls the database itself, with its function done() to go on; it must be told at once.
  local ways = {
    ["a callback"] = function(tx, done) tx:query("select 1", done) end,
    ["a callback in a callback"] = function(tx, done)
      tx:query("select 1", function() tx:query("select 1", done) end)
    end,
    ["a callback that has waited"] = function(tx, done)
      tx:query("select 1", function() tx:query "select 1" pomelua.sleep(1) done() end)
    end,
    ["pomelua.all in a callback"] = function(tx, done)
      tx:query("select 1", function() pomelua.all { done } end)
    end,
    ["pomelua.all inside of pomelua.all"] = function(_, done)
      pomelua.all { function() return pomelua.all { done } end }
    end,
    ["a callback in pomelua.all"] = function(tx, done)
      pomelua.all { function() tx:query("select 1", done) end }
    end,
    ["a transaction of another database in pomelua.all"] = function(_, done)
      pomelua.all { function() return other:transaction(done) end }
    end,
    ["a transaction of another database in a callback"] = function(tx, done)
      tx:query("select 1", function() other:transaction(done) end)
    end,
    ["a callback of a transaction of another database"] = function(_, done)
      other:transaction(function(tx) tx:query("select 1", done) end)
    end,
    ["pomelua.await"] = function(_, done) done() end,
    ["a coroutine of its own"] = function(_, done) coroutine.wrap(done)() end,
  }
  for name, way in pairs(ways) do
    it("says at once that the database waits for it, in " .. name, function()
      local told
      transaction(function(tx)
        return pomelua.await(function(cb)
          way(tx, function()
            local ok, err = pcall(db.exec, db, TWICE)
            told = not ok and tostring(err)
            cb(nil, true)
          end)
        end)
      end)
      w:advance(1)
      assert.matches("db:exec: inside of db:transaction.* write tx:exec", told)
      assert.is_true(got.value)
    end)
  end

  it("is over for whoever hears of its error", function()
    transaction(function(tx)
      tx:exec(TWICE, function() got.n = db:exec "insert into ledger values (8)" end)
    end)
    assert.equal("23505", got.err.sqlstate)
    assert.equal(1, got.n)
  end)
end)
