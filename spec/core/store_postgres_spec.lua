-- Calls to a real PostgreSQL: values and their types, errors, transactions, limits (postgres.lua;
-- in C bind/l_store_postgres.c, store/postgres_connect.c, store/postgres_run.c,
-- store/postgres_result.c and store/postgres_cancel.c). Outside of a server each call waits.
local certs = require "spec.support.certs"
local database = require "pomelua.store.database"
local files = require "spec.support.files"
local net = require "spec.support.net"
local pomelua = require "pomelua"
local postgres = require "pomelua.postgres"
local support = require "spec.support.postgres"

if support.missing() then
  describe("PostgreSQL", function() pending(support.missing()) end)
  return
end

describe("PostgreSQL", function()
  local pg, db

  local function open(more)
    local options = { url = pg.url }
    for key, value in pairs(more or {}) do options[key] = value end
    return postgres.open(options)
  end

  local function one(sql, ...) return assert(db:query(sql, ...))[1] end

  local function failure(value, err)
    assert.is_nil(value)
    return err
  end

  setup(function()
    pg = support.start {
      settings = { "ssl=on", "ssl_cert_file=@dir@/game.crt", "ssl_key_file=@dir@/game.key" },
      prepare = function(dir)
        certs.make(dir, "game")
        certs.make(dir, "other")
        os.execute(("chmod 600 '%s/game.key'"):format(dir))
      end,
    }
    pg:sql("create table players (id bigint primary key, name text not null, gold int default 0)")
    db = open()
  end)
  teardown(function()
    db.handle.store:close()
    support.closeAll()
    net.closeAll()
  end)
  before_each(function()
    assert(db:exec "truncate players")
    assert(db:exec("insert into players values ($1, $2, $3), (2, 'bob', 5)", 1, "ann", 10))
  end)

  it("gives rows as plain tables, and the number of changed ones", function()
    assert.same({ { id = 1, name = "ann" }, { id = 2, name = "bob" } },
      db:query "select id, name from players order by id")
    assert.same({}, db:query("select * from players where id = $1", 99))
    assert.equal(2, db:exec "update players set gold = gold + 1")
    assert.equal(0, db:exec("update players set gold = 1 where id = $1", 99))
    assert.equal(0, db:exec "create table if not exists other (id int)")
    assert.same({}, db:query "update players set gold = 1")
    assert.same({ { id = 2 } }, db:query "delete from players where id = 2 returning id")
  end)

  describe("has values", function()
    local cases = {
      { "1::int2", 1 }, { "2147483647", 2147483647 }, { "-5::int8", -5 },
      { "9007199254740992", 9007199254740992 }, { "-9007199254740992", -9007199254740992 },
      { "4294967295::oid", 4294967295 }, { "0.1::float8", 0.1 }, { "1.5::float4", 1.5 },
      { "'infinity'::float8", math.huge }, { "true", true }, { "false", false },
      { "12345678901234567890.10::numeric", "12345678901234567890.10" }, { "'ä'::text", "ä" },
      { "'x'::varchar(5)", "x" }, { "'\\x00ff'::bytea", "\0\255" }, { "''::bytea", "" },
      { [['{"a": [1, 2]}'::jsonb]], '{"a": [1, 2]}' }, { [['{"a":1}'::json]], '{"a":1}' },
      { "date '2024-02-03'", "2024-02-03" },
      { "timestamp '2024-01-02 03:04:05.25'", "2024-01-02 03:04:05.25" },
      { "timestamptz '2024-01-02 03:04:05+02' at time zone 'UTC'", "2024-01-02 01:04:05" },
      { "interval '1 day 2 hours'", "1 day 02:00:00" }, { "array[1, 2]", "{1,2}" },
      { "'{a,NULL}'::text[]", "{a,NULL}" }, { "null::int", nil }, { "''::text", "" },
    }
    for _, case in ipairs(cases) do
      it(("%s as a %s of Lua"):format(case[1], type(case[2])), function()
        assert.same({ v = case[2] }, one("select " .. case[1] .. " as v"))
      end)
    end

    it("as they were given as parameters", function()
      local blob = pomelua.blob "a\0b\255"
      assert.same({ a = 5, b = "o'hara", c = 0.1, d = true, e = "a\0b\255", f = false, g = "ä" },
        one("select $1::int a, $2 b, $3::float8 c, $4::bool d, $5::bytea e, $6::bool f, $7::text g",
          5, "o'hara", 0.1, true, blob, false, "ä"))
      assert.same({}, one("select $1::int a, $2::text b", pomelua.null, nil))
      assert.same({ a = -9007199254740992 }, one("select $1::int8 a", -9007199254740992))
      assert.same({ n = 0 }, one("select count(*) n from players where name = $1",
        "' or 1 = 1 --"))
    end)
  end)

  it("refuses a whole number that a number of Lua cannot hold, and names the column", function()
    local err = failure(db:query "select 1 as fine, 9007199254740993 as id")
    assert.equal("RANGE", err.code)
    assert.equal("column id: 9007199254740993 does not fit a number; select cast(id as text)",
      tostring(err))
    assert.same({ id = "9007199254740993" }, one "select cast(9007199254740993 as text) as id")
  end)

  it("refuses a text that PostgreSQL cannot keep", function()
    local err = failure(db:query("select $1::text", "a\0b"))
    assert.equal("DB", err.code)
    assert.matches("^parameter 1 is a text with a zero byte", tostring(err))
    assert.equal("22021", failure(db:query("select $1::text", "\255")).sqlstate)
    assert.same({ a = 1 }, one "select 1 a")
  end)

  it("gives errors of the database with their SQLSTATE, and goes on", function()
    local cases = {
      { "42P01", "select * from nobody", 'relation "nobody" does not exist (character 15' },
      { "42601", "selec 1", 'syntax error at or near "selec" (character 1 of the statement)' },
      { "42601", "select 1; select 2", "cannot insert multiple commands" },
      { "23505", "insert into players values (1, 'x')", "duplicate key value" },
      { "23502", "insert into players values (7, null)", 'null value in column "name"' },
      { "22012", "select 1 / 0", "division by zero" },
      { "08P01", "select $1::int", "bind message supplies 0 parameters" },
    }
    for _, case in ipairs(cases) do
      local err = failure(db:exec(case[2]))
      assert.equal("DB", err.code)
      assert.equal(case[1], err.sqlstate)
      assert.equal(case[3], tostring(err):sub(1, #case[3]))
      assert.is_nil(tostring(err):find("\n"))
    end
    assert.equal("22P02", failure(db:query("select $1::int", "x")).sqlstate)
    assert.matches("there is no statement", tostring(failure(db:query "  -- nothing")))
    assert.same({ a = 1 }, one "select 1 a")
  end)

  it("refuses COPY, and statements that begin a transaction", function()
    for _, sql in ipairs { "copy players to stdout", "copy players from stdin" } do
      assert.matches("^COPY to or from this program is not possible",
        tostring(failure(db:exec(sql))))
    end
    assert.matches("write db:transaction", tostring(failure(db:exec "begin")))
    assert.equal(0, db:exec "update players set gold = 7 where id = 77")
    assert.same({ "0" }, pg:sql(
      "select count(*) from pg_stat_activity where state like 'idle in%'"))
  end)

  it("refuses what would change a connection that others use", function()
    local err = failure(db:exec "set statement_timeout = 1")
    assert.equal("SET would change the connection for the calls of others: write SET LOCAL, in a "
      .. "transaction", tostring(err))
    assert.matches("^LISTEN would change", tostring(failure(db:query "listen news")))
    assert.same({ { level = "serializable" } }, db:transaction(function(tx)
      assert(tx:exec "set transaction isolation level serializable")
      assert(tx:exec "set local lock_timeout = 100")
      return tx:query "select current_setting('transaction_isolation') as level"
    end))
    assert.same({ level = "read committed" },
      one "select current_setting('transaction_isolation') as level")
  end)

  it("counts rows that were changed, not those that were read", function()
    assert.equal(0, db:exec "select id from players")
    assert.equal(2, db:exec "update players set gold = gold returning id")
  end)

  describe("has transactions that", function()
    local function names()
      return one("select string_agg(name, ',' order by id) as all from players").all
    end

    it("keep what they did when their function returns", function()
      assert.equal("done", db:transaction(function(tx)
        assert.equal(1, tx:exec("insert into players values ($1, $2)", 3, "cat"))
        assert.equal(3, #tx:query "select id from players")
        return "done"
      end))
      assert.equal("ann,bob,cat", names())
    end)

    it("roll back when it raises, or returns nil and an error", function()
      local err = failure(db:transaction(function(tx)
        assert(tx:exec "delete from players")
        error "no gold"
      end))
      assert.matches("no gold$", tostring(err))
      assert.equal("too late", tostring(failure(db:transaction(function(tx)
        assert(tx:exec "delete from players")
        return nil, "too late"
      end))))
      assert.equal("ann,bob", names())
    end)

    it("roll back when one of their statements has failed", function()
      local err = failure(db:transaction(function(tx)
        assert(tx:exec "delete from players where id = 2")
        tx:exec "insert into players values (1, 'x')"
        return "ignored"
      end))
      assert.equal("23505", err.sqlstate)
      assert.equal("ann,bob", names())
    end)

    it("say so when the database refuses the end", function()
      assert(db:exec("create table if not exists deferred "
        .. "(id int unique deferrable initially deferred)"))
      local err = failure(db:transaction(function(tx)
        assert(tx:exec "insert into deferred values (1), (1)")
        return "fine"
      end))
      assert.equal("23505", err.sqlstate)
    end)

    it("leave no lock of their session to whoever has their connection next", function()
      local own = open { connections = 1, timeout = 1000 }
      local function is_free()
        assert(net.wait(function() return own:query "select 1" end))
        assert.same({ "0" }, pg:sql "select count(*) from pg_locks where locktype = 'advisory'")
      end
      failure(own:transaction(function(tx)
        assert(tx:query "select pg_advisory_lock(42), pg_advisory_lock_shared(7, 8)")
        return nil, "out"
      end))
      is_free()
      assert.equal("TIMEOUT", failure(own:query "select pg_advisory_lock(42), pg_sleep(20)").code)
      is_free()
      own.handle.store:close()
    end)

    it("leave their connection clean for the next call", function()
      db:transaction(function(tx)
        assert(tx:exec "set local search_path = nowhere")
        return nil, "out"
      end)
      assert.equal("ann,bob", names())
      assert.same({ "0" }, pg:sql(
        "select count(*) from pg_stat_activity where state like 'idle in%'"))
    end)
  end)

  describe("has scripts of several statements", function()
    it("which name the line of an error", function()
      assert(database.script(db, "create table s1 (id int unique);\ninsert into s1 values (1);"))
      local err = failure(database.script(db, "insert into s1 values (2);\n\ninsert into s1\n"
        .. " values (1);"))
      assert.matches("^line 3: duplicate key", tostring(err))
      assert.equal("23505", err.sqlstate)
      assert.matches("^line 2: syntax error", tostring(failure(database.script(db,
        "insert into s1 values (3);\nselec 1;"))))
      assert.same({ n = 1 }, one "select count(*) n from s1")
    end)
  end)

  describe("has limits:", function()
    local other
    after_each(function() if other then other.handle.store:close() end end)

    it("rows of one answer", function()
      other = open { rows = 100 }
      assert.equal(100, #other:query "select * from generate_series(1, 100)")
      local err = failure(other:query "select * from generate_series(1, 1000000)")
      assert.equal("RANGE", err.code)
      assert.equal("more than 100 rows", tostring(err))
      assert.same({ { a = 1 } }, other:query "select 1 a")
    end)

    it("bytes of one answer", function()
      other = open { bytes = 100000 }
      local err = failure(other:query "select repeat('x', 1000) from generate_series(1, 9000)")
      assert.equal("RANGE", err.code)
      assert.equal("the answer is larger than 100000 bytes", tostring(err))
      assert.same({ { a = 1 } }, other:query "select 1 a")
    end)

    it("time: the call ends in time, its statement at the server too", function()
      other = open { timeout = 1000 }
      local begun = net.ms()
      local err = failure(other:query "select 'slow one', pg_sleep(20)")
      assert.equal("TIMEOUT", err.code)
      assert.is_true(net.ms() - begun < 15000) -- not the 20 s of the statement
      assert.same({ { a = 1 } }, other:query "select 1 a")
      assert(net.wait(function() -- the server hears of it a moment later
        return #pg:sql("select 1 from pg_stat_activity where query like '%slow one%' "
          .. "and state = 'active' and application_name = 'pomelua'") == 0
      end))
    end)

    it("statement_timeout at the server, a little above the deadline of the call", function()
      other = open { timeout = 1500 }
      assert.same({ statement_timeout = "2s" }, other:query("show statement_timeout")[1])
      local id, code, answer = other.handle.store:submit("query", "show statement_timeout", nil,
        9500)
      assert.equal(0, id)
      assert.is_nil(code)
      assert.same({ { statement_timeout = "10s" } }, answer)
      assert.same({ statement_timeout = "2s" }, other:query("show statement_timeout")[1])
    end)
  end)

  it("does not show a password, and says why there is no connection", function()
    local wrong = postgres.open { host = "127.0.0.1", port = pg.port, user = "game",
      password = "a wrong one", database = "game" }
    local err = failure(wrong:query "select 1")
    assert.equal("CLOSED", err.code)
    assert.matches('password authentication failed for user "game"', tostring(err), 1, true)
    assert.is_nil(tostring(err):find("a wrong one", 1, true))
    wrong.handle.store:close()
  end)

  it("goes by names of hosts, and by sockets", function()
    for _, options in ipairs {
      { host = "localhost", port = pg.port, password = pg.password },
      { host = pg.dir, port = pg.port },
    } do
      options.user, options.database = "game", "game"
      local other = postgres.open(options)
      assert.same({ { a = 1 } }, other:query "select 1 a")
      other.handle.store:close()
    end
  end)

  it("uses TLS as sslmode says", function()
    local cases = {
      { true, sslmode = "require" }, { true }, { false, sslmode = "disable" },
      { true, sslmode = "verify-full", sslrootcert = pg.dir .. "/game.crt" },
      { nil, sslmode = "verify-full", sslrootcert = pg.dir .. "/other.crt" },
    }
    for _, case in ipairs(cases) do
      local other = open { sslmode = case.sslmode, sslrootcert = case.sslrootcert }
      local rows, err = other:query "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
      if case[1] ~= nil then assert.same({ { ssl = case[1] } }, rows)
      else assert.matches("certificate verify failed", tostring(err)) end
      other.handle.store:close()
    end
  end)

  it("quotes names, which are no parameters", function()
    local name = 'odd " name; drop table players'
    assert(db:exec(("create table %s (id int)"):format(postgres.ident(name))))
    assert.same({}, db:query("select * from " .. postgres.ident(name)))
  end)

  it("does what docs/data.md shows", function()
    local text = files.read("docs/data.md"):match("\n## PostgreSQL\n(.-)\n## ")
    local n = 0
    for code in text:gmatch("\n```lua\n(.-)```") do
      local chunk = assert(loadstring(code))
      setfenv(chunk, setmetatable({ os = { getenv = function() return pg.url end } },
        { __index = _G }))()
      n = n + 1
    end
    assert.is_true(n > 0)
  end)

  it("keeps its connections while it has calls, and says so", function()
    local stats = db.handle.store:stats()
    assert.equal(0, stats.busy)
    assert.is_true(stats.calls > 20)
    assert.is_true(stats.open >= 1 and stats.open <= 4)
  end)
end)
