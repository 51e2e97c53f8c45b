-- pomelua.mysql with a real MariaDB: values and their types, errors, transactions, limits, and what
-- becomes of a server that goes away. spec/slow/mysql_spec.lua has what takes longer.
local certs = require "spec.support.certs"
local mariadb = require "spec.support.mariadb"
local mysql = require "pomelua.mysql"
local net = require "spec.support.net"
local pomelua = require "pomelua"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local why = mariadb.missing()
if why then
  describe("pomelua.mysql", function() pending(why) end)
  return
end

local server

local function open(options)
  local all = { host = "127.0.0.1", port = server.port, user = "game", password = server.password,
    database = "game" }
  for key, value in pairs(options or {}) do all[key] = value end
  return mysql.open(all)
end

setup(function() server = mariadb.start { tls = true } end)
teardown(function()
  mariadb.closeAll()
  net.closeAll()
end)

describe("pomelua.mysql", function()
  local db

  setup(function() db = open() end)

  local function one(sql, ...)
    local rows, err = db:query(sql, ...)
    assert(rows, tostring(err))
    assert.equal(1, #rows)
    return rows[1]
  end

  local function fails(code, message, rows, err)
    assert.is_nil(rows)
    assert.equal(code, err.code)
    assert.matches(message, tostring(err))
    return err
  end

  it("gives rows of columns, and the number of rows that were changed", function()
    assert.equal(0,
      db:exec "create table players (id int primary key, name varchar(40), gold int)")
    assert.equal(2, db:exec("insert into players values ($1, $2, $3), ($4, 'bob', 5)", 1, "änn",
      10, 2))
    assert.same({ { id = 1, name = "änn", gold = 10 }, { id = 2, name = "bob", gold = 5 } },
      db:query("select * from players order by id"))
    assert.same({}, db:query("select * from players where id = ?", 3))
    assert.equal(1, db:exec("update players set gold = 5 where id = ?", 2)) -- found, not changed
    assert.equal(0, db:exec("update players set gold = 5 where id = ?", 3))
  end)

  it("takes $1 in any order, and ?", function()
    assert.same({ a = "x", b = 7, c = "x" }, one("select $2 as a, $1 as b, $2 as c", 7, "x"))
    assert.same({ a = 7, b = "$1 ?" }, one("select ? as a, '$1 ?' as b", 7))
    fails("DB", "both", db:query("select $1, ?", 1, 2))
    fails("DB", "the statement has 2 values, 1 was given", db:query("select ?, ?", 1))
    fails("DB", "the statement has 1 value, 2 were given", db:query("select $1", 1, 2))
  end)

  it("gives each type of column as its type says", function()
    db:exec [[create table kinds (ti tinyint, bo boolean, si smallint, i int, bi bigint,
      ub bigint unsigned, ye year, bt bit(1), b6 bit(40), f float, d double, de decimal(12,4),
      ch char(3), vc varchar(20), tx text, en enum('a','b'), st set('x','y'), js json, da date,
      tm time(3), dt datetime, ts timestamp(6), bl blob, vb varbinary(8), nu int)]]
    assert.equal(1, db:exec([[insert into kinds values (-128, true, -32768, 2147483647,
      -9007199254740992, 9007199254740992, 2026, b'1', 0x0102030405, 0.1, 0.1, 12.5, 'abc', 'äö',
      repeat('x', 1000), 'b', 'x,y', '{"a": [1]}', '2026-11-27', '-10:11:12.5',
      '2026-11-27 10:11:12', '2026-11-27 10:11:12.25', ?, ?, null)]],
      pomelua.blob "a\0\255'", pomelua.blob "\0\1"))
    assert.same({
      ti = -128, bo = 1, si = -32768, i = 2147483647, bi = -9007199254740992, ub = 9007199254740992,
      ye = 2026, bt = 1, b6 = 0x0102030405, f = 0.1, d = 0.1, de = "12.5000", ch = "abc", vc = "äö",
      tx = ("x"):rep(1000), en = "b", st = "x,y", js = '{"a": [1]}', da = "2026-11-27",
      tm = "-10:11:12.500", dt = "2026-11-27 10:11:12", ts = "2026-11-27 10:11:12.250000",
      bl = "a\0\255'", vb = "\0\1",
    }, one "select * from kinds")
  end)

  it("takes each type of value", function()
    assert.same({ a = 1, b = 0, d = -0.5, e = 9007199254740991, f = "it's", g = "a\0b" },
      one("select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f, ? as g", true, false, nil, -0.5,
        9007199254740991, "it's", pomelua.blob "a\0b"))
    assert.same({ n = 1 }, one("select ? is null as n", pomelua.null))
    assert.same({ n = 100000 }, one("select length(?) as n", ("x"):rep(100000)))
  end)

  it("refuses whole numbers that a number cannot hold, with their column", function()
    fails("RANGE", "^column id: 9007199254740993 does not fit a number; "
      .. "select cast%(id as char%)$", db:query "select 9007199254740993 as id")
    fails("RANGE", "^column id: 18446744073709551615 does", db:query "select ~0 as id")
    fails("RANGE", "^column b: 9007199254740993 ", db:query(
      "select cast(9007199254740993 as unsigned) | 0 as b"))
    assert.same({ id = "9007199254740993" }, one "select cast(9007199254740993 as char) as id")
  end)

  it("gives the server's errors with their SQLSTATE", function()
    db:exec "create table once (id int primary key)"
    db:exec "insert into once values (1)"
    local err = fails("DB", "^Duplicate entry '1'", db:exec "insert into once values (1)")
    assert.equal("23000", err.sqlstate)
    assert.equal("42S02", fails("DB", "doesn't exist", db:query "select * from nosuch").sqlstate)
    assert.equal("42000", fails("DB", "syntax", db:query "selec 1").sqlstate)
    assert.equal("42000", fails("DB", "syntax", db:query "select 1; select 2").sqlstate)
    assert.same({ a = 1 }, one "select 1 as a") -- the connection is fine
  end)

  it("bounds rows and bytes", function()
    local small = open { rows = 3, bytes = 4096 }
    assert.equal(3, #small:query "select seq from seq_1_to_3")
    fails("RANGE", "more than 3 rows", small:query "select seq from seq_1_to_4")
    fails("RANGE", "larger than 4096 bytes", small:query "select repeat('x', 5000) as a")
    assert.same({ { a = 1 } }, small:query "select 1 as a")
    assert.equal(0, small:exec "select seq from seq_1_to_4") -- read, not kept
  end)

  it("ends a statement at its deadline, at the server too", function()
    local quick = open { timeout = 200 }
    fails("TIMEOUT", "no answer in 200 ms", quick:query "select sleep(20) /* slow */ as a")
    assert.same({ { a = 1 } }, quick:query "select 1 as a")
    local last = os.time() + 10
    local rows
    repeat
      rows = db:query("select id from information_schema.processlist where info like "
        .. "'%sleep(20) /* slow%' and id <> connection_id()")
    until #rows == 0 or os.time() > last
    assert.same({}, rows)
  end)

  it("says why it cannot connect, without the password", function()
    local err = fails("CLOSED", "Access denied for user 'game'@",
      open { password = "wrong-one" }:query "select 1")
    assert.is_nil(tostring(err):find("wrong-one", 1, true))
    fails("CLOSED", "Unknown database 'nosuch'", open { database = "nosuch" }:query "select 1")
    fails("CLOSED", "the database cannot be reached", open { host = "/nosuch" }:query "select 1")
    assert.same({ { a = 1 } }, open { host = server.dir .. "/socket" }:query "select 1 as a")
    assert.same({ { a = 1 } }, mysql.open { url = server.url }:query "select 1 as a")
  end)

  -- Newer libraries believe a certificate, too, when the server proves that it knows the password:
  -- this user has none.
  it("encrypts, and believes only its authority", function()
    local function encrypted(tls)
      return mysql.open({ host = "localhost", port = server.port, user = "bare", database = "game",
        tls = tls }):query "show session status like 'Ssl_version'"
    end
    assert.matches("^TLSv1", encrypted(server.dir .. "/server.crt")[1].Value)
    assert.equal("", encrypted(false)[1].Value)
    certs.make(server.dir, "other")
    fails("CLOSED", "certificate", encrypted(server.dir .. "/other.crt"))
    fails("CLOSED", "certificate", encrypted(true)) -- the system does not know it
  end)

  it("refuses what would change a connection that others use", function()
    for _, sql in ipairs { "set session sql_mode = ''", "lock tables mysql.user write",
      "use mysql" } do
      local _, err = db:exec(sql)
      assert.equal("DB", err.code)
      assert.equal(sql:match("%a+"):upper()
        .. " would change the connection for the calls of others", tostring(err))
    end
    assert.equal(0, db:exec "set @a = 1")
  end)

  it("counts rows that were changed, not those that were read", function()
    assert.equal(0, db:exec "select 1")
    assert.same({}, db:query "set @a = 1")
  end)

  it("refuses a statement that begins a transaction, since another call might be in it", function()
    db:exec "create table begun (id int)"
    fails("DB", "db:transaction", db:exec "begin")
    assert.equal(1, db:exec "insert into begun values (1)")
    assert.same({ "1" }, server:sql "select * from begun")
  end)

  it("makes idle connections anew that a restart has ended, before anything is sent", function()
    local own = open()
    assert.same({ { a = 1 } }, own:query "select 1 as a")
    server:restart()
    assert.same({ { a = 1 } }, own:query "select 1 as a")
    assert.same({ { a = 1 } }, db:query "select 1 as a")
  end)
end)

-- On a running server: transactions, what waits, and what goes on meanwhile.
describe("pomelua.mysql of a running server", function()
  local cluster, client

  local HANDLER = [[
local mysql = require "pomelua.mysql"
local pomelua = require "pomelua"
local db = mysql.open { host = "127.0.0.1", port = %d, user = "game", password = "se:cret@1",
  database = "game", connections = 2, waiting = 4, timeout = 3000 }

local Handler = {}

local function said(err)
  return err and { code = err.code, text = tostring(err), state = err.sqlstate }
end

function Handler:query(msg)
  local rows, err = db:query(msg.sql, unpack(msg.values or {}))
  return { rows = rows, err = said(err) }
end

function Handler:ping() return { pong = true } end

function Handler:many(msg)
  local codes, list = {}, {}
  for i = 1, 6 do
    list[i] = function()
      local rows, err = db:query("select sleep(0.1) as a")
      codes[#codes + 1] = rows and "done" or err.code
    end
  end
  pomelua.all(list)
  table.sort(codes)
  return { codes = codes }
end

-- Runs the texts of msg.first in a transaction, which fails at the end when msg.fails is there.
function Handler:together(msg)
  local done, err = db:transaction(function(tx)
    for _, sql in ipairs(msg.first) do
      local n, wrong = tx:exec(sql)
      if not n and not msg.goes_on then return nil, wrong end
    end
    if msg.raises then error(msg.raises, 0) end
    return "done"
  end)
  return { done = done, err = said(err) }
end

-- The same, with callbacks.
function Handler:called(msg)
  local states = {}
  local done, err = db:transaction(function(tx)
    for i, sql in ipairs(msg.first) do
      tx:exec(sql, function(wrong, n) states[i] = wrong and wrong.sqlstate or n end)
    end
  end)
  return { done = done, err = said(err), states = states }
end

-- Two transactions that wait for each other.
function Handler:deadlock()
  local errs, holding = {}, 0
  local function one(first, second)
    return function()
      local done, err = db:transaction(function(tx)
        assert(tx:exec("update dead set n = n + 1 where id = ?", first))
        holding = holding + 1
        while holding < 2 do pomelua.sleep(1) end
        local n, wrong = tx:exec("update dead set n = n + 1 where id = ?", second)
        if n then return true end
        local _, later = tx:exec("update dead set n = 100 where id = ?", first)
        errs[1] = wrong.sqlstate
        errs[2] = later and later.sqlstate or "went on"
        return nil, wrong
      end)
    end
  end
  pomelua.all { one(1, 2), one(2, 1) }
  return { errs = errs, rows = db:query("select id, n from dead order by id") }
end

return Handler
]]

  setup(function()
    cluster = test.cluster { base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"game": [{"id": "game-1",
        "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
      ["app/servers/game/handler/h.lua"] = HANDLER:format(server.port),
    } }
    client = cluster:client()
  end)
  teardown(function() if cluster then cluster:stop() end end)

  local function ask(method, msg) return assert(client:request("game.h." .. method, msg or {})) end

  -- Asks until a query gives rows.
  local function goes_on()
    local last = os.time() + 10
    repeat
      if ask("query", { sql = "select 1" }).rows then return true end
    until os.time() > last
  end

  it("lets the server go on while a statement runs, and says BUSY above its limit", function()
    assert.same({ codes = { "BUSY", "BUSY", "done", "done", "done", "done" } }, ask "many")
    client:notify("game.h.many", {})
    assert.same({ pong = true }, ask "ping")
    assert.equal("BUSY", ask("query", { sql = "select 1" }).err.code)
    assert.is_true(goes_on())
  end)

  it("commits, and rolls back what fails or raises", function()
    server:sql "create table bank (id int primary key, gold int)"
    assert.same({ done = "done" },
      ask("together", { first = { "insert into bank values (1, 10)" } }))
    local got = ask("together", { first = { "insert into bank values (2, 10)",
      "insert into bank values (1, 10)" } })
    assert.equal("23000", got.err.state)
    got = ask("together", { first = { "insert into bank values (3, 10)" }, raises = "no" })
    assert.equal("no", got.err.text)
    assert.same({ "1\t10" }, server:sql "select * from bank")
  end)

  it("does nothing more behind an error, as other databases do", function()
    server:sql "create table stops (id int primary key)"
    local got = ask("together", { goes_on = true, first = {
      "insert into stops values (1)", "insert into stops values (1)",
      "insert into stops values (2)" } })
    assert.equal("23000", got.err.state)
    assert.same({}, server:sql "select * from stops")
  end)

  it("runs nothing behind an error, also where a callback gets it", function()
    server:sql "create table calls (id int primary key)"
    local got = ask("called", { first = { "insert into calls values (1)",
      "insert into calls values (1)", "create table behind (id int)" } })
    assert.equal("23000", got.err.state)
    assert.same({ 1, "23000", "23000" }, got.states)
    assert.same({}, server:sql "select * from calls")
    assert.same({}, server:sql "show tables like 'behind'")
    got = ask("called", { first = { "insert into calls values (1)",
      "insert into calls values (2)" } })
    assert.same({ done = true, states = { 1, 1 } }, got)
  end)

  it("begins another transaction behind a statement that ends one", function()
    server:sql "create table ends (id int primary key)"
    ask("together", { raises = "no", first = { "insert into ends values (1)",
      "create table made (id int)", "insert into ends values (2)" } })
    assert.same({ "1" }, server:sql "select * from ends")
  end)

  it("ends a transaction that MySQL has rolled back for a deadlock", function()
    server:sql "create table dead (id int primary key, n int)"
    server:sql "insert into dead values (1, 0), (2, 0)"
    local got = ask "deadlock"
    assert.same({ "40001", "40001" }, got.errs)
    assert.same({ { id = 1, n = 1 }, { id = 2, n = 1 } }, got.rows)
  end)

  it("answers CLOSED when the server is away, and goes on when it is back", function()
    server:kill()
    local got = ask("query", { sql = "select 1" })
    assert.equal("CLOSED", got.err.code)
    assert.matches("Can.t connect to server", got.err.text)
    server:restart()
    assert.is_true(goes_on())
  end)
end)
