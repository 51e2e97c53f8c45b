-- PostgreSQL as handlers use it, on a real one: calls that wait and that call back, transactions
-- and their owners, limits. Faults of the database are in spec/slow/postgres_faults_spec.lua.
-- It measures nothing: another one may run beside it.
local game = require "spec.support.postgres_game"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local support = require "spec.support.postgres"

if support.missing() then
  describe("handlers that ask PostgreSQL", function() pending(support.missing()) end)
  return
end

describe("handlers that ask PostgreSQL", function()
  local pg, server, client

  local function ask(name, body, ms) return assert(client:request("connector.dbHandler." .. name,
    body, ms)) end

  local function gold() return pg:sql("select gold from players where id = 1")[1] end

  -- Waits until the server's processes are as asked; the count is that of a condition.
  local function sees(n, condition)
    local seen
    local till = net.ms() + 5000
    repeat
      seen = pg:sql("select count(*) from pg_stat_activity where application_name = 'pomelua' and "
        .. condition)[1]
    until seen == tostring(n) or net.ms() > till
    assert.equal(tostring(n), seen)
  end

  setup(function()
    pg = support.start()
    pg:sql("create table players (id int primary key, gold int); "
      .. "insert into players values (1, 10), (2, 0)")
    server = game.start(pg, "timeout = 3000, waiting = 20, transaction = 3000")
    client = pomelo.connect(server.port)
  end)
  teardown(function()
    pomelo.closeAll()
    server:stop()
    support.closeAll()
    net.closeAll()
  end)
  before_each(function()
    pg:sql("update players set gold = case id when 1 then 10 else 0 end")
  end)

  it("wait for the answer, or are called back", function()
    assert.same({ value = { { gold = 10 } } },
      ask("query", { sql = "select gold from players where id = $1", args = { 1 } }))
    assert.same({ value = { { a = 1 } } }, ask("callback", { sql = "select 1 as a" }))
    assert.equal("42P01", ask("callback", { sql = "select * from nobody" }).err.sqlstate)
    assert.same({ value = 2 }, ask("exec", { sql = "update players set gold = 3" }))
  end)

  it("are told at once when they would wait for their own transaction", function()
    local err = ask("inside").err
    assert.matches("inside of db:transaction", err.message, 1, true)
    sees(0, "state like 'idle in%'")
  end)

  it("keep or roll back their transactions", function()
    local pay = "update players set gold = gold - 4 where id = 1"
    assert.same({ value = "done" }, ask("transaction", { sql = { pay } }))
    assert.equal("6", gold())
    assert.equal("22012", ask("transaction", { sql = { pay, "select 1 / 0" } }).err.sqlstate)
    assert.equal("6", gold())
    assert.equal("22012", ask("transaction", { sql = { "select 1 / 0", pay }, goOn = true }).err
      .sqlstate)
    assert.equal("6", gold())
  end)

  it("may leave statements of a transaction to callbacks: it waits, and keeps all or nothing",
    function()
      local pay = "update players set gold = gold - 4 where id = 1"
      assert.same({ value = true, states = { 1, 1 } }, ask("left", { sql = { pay, pay } }))
      local got = ask("left", { sql = { pay, "select 1 / 0", pay } })
      assert.same({ 1, "22012", "22012" }, got.states)
      assert.equal("22012", got.err.sqlstate)
      assert.equal("2", gold())
      got = ask("left", { sql = { pay, "select pg_sleep(30)", pay } }, 7000)
      assert.same({ 1, "TIMEOUT", "TIMEOUT" }, got.states)
      assert.equal("TIMEOUT", got.err.code)
      sees(0, "state like 'idle in%'")
      assert.equal("2", gold())
    end)

  it("lose a transaction that takes too long, and its locks", function()
    local begun = net.ms()
    local err = ask("transaction", { sql = { "update players set gold = 0 where id = 1" },
      ms = 6000 }, 7000).err
    assert.equal("TIMEOUT", err.code)
    assert.is_true(net.ms() - begun >= 3000)
    sees(0, "state like 'idle in%'")
    assert.equal("10", gold())
  end)

  it("give back what a client held who has left", function()
    local other = pomelo.connect(server.port)
    other:ask("connector.dbHandler.transaction",
      { sql = { "update players set gold = 0 where id = 1" }, ms = 6000 })
    sees(1, "state = 'idle in transaction'")
    other:close()
    sees(0, "state like 'idle in%'")
    assert.equal("10", gold())
    -- A statement that runs, in a transaction and alone.
    for _, name in ipairs { "transaction", "query" } do
      other = pomelo.connect(server.port)
      local sql = "select 'left behind', pg_sleep(30)"
      other:ask("connector.dbHandler." .. name, { sql = name == "query" and sql or { sql } })
      sees(1, "state = 'active' and query like '%left behind%'")
      other:close()
      sees(0, "state = 'active' and query like '%left behind%'")
    end
    sees(0, "state like 'idle in%'")
  end)

  it("have four connections, and the rest waits", function()
    local id = client:ask("connector.dbHandler.many", { n = 8, sql = "select pg_sleep(1)" })
    sees(4, "state = 'active'")
    assert.same({ OK = 8 }, client:answer(id))
    sees(4, "true")
  end)

  it("are refused at once when too many wait", function()
    local id = client:ask("connector.dbHandler.many", { n = 30, sql = "select pg_sleep(0.1)" })
    assert.same({ OK = 20, BUSY = 10 }, client:answer(id))
    local stats = ask("stats")
    assert.equal(10, stats.refused)
    assert.equal(0, stats.waiting)
  end)

  it("end slow statements at the server, too", function()
    local id = client:ask("connector.dbHandler.query", { sql = "select 'too slow', pg_sleep(30)" })
    sees(1, "state = 'active' and query like '%too slow%'")
    assert.equal("TIMEOUT", assert(client:answer(id)).err.code)
    sees(0, "state = 'active' and query like '%too slow%'")
    assert.same({ value = { { a = 1 } } }, ask("query", { sql = "select 1 as a" }))
  end)

  it("come back when the database has closed their connections", function()
    ask("many", { n = 10, sql = "select pg_sleep(0.01)" })
    pg:sql("select pg_terminate_backend(pid) from pg_stat_activity "
      .. "where application_name = 'pomelua'")
    sees(0, "true")
    assert.same({ value = { { a = 1 } } }, ask("query", { sql = "select 1 as a" }))
    local id = client:ask("connector.dbHandler.query", { sql = "select 'cut off', pg_sleep(30)" })
    sees(1, "state = 'active' and query like '%cut off%'")
    pg:sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%cut off%' "
      .. "and application_name = 'pomelua'")
    local err = assert(client:answer(id)).err
    assert.equal("CLOSED", err.code)
    assert.matches("^the connection to the database broke: .*administrator command", err.message)
    assert.same({ value = { { a = 1 } } }, ask("query", { sql = "select 1 as a" }))
  end)
end)
