-- pomelua.mysql with a real MariaDB that stands still, is killed while statements run, or is slow:
-- what each call gets, how soon, and that nothing else waits. spec/core/store_mysql_spec.lua has
-- what is quick.
local mariadb = require "spec.support.mariadb"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local uv = require "luv"

local why = mariadb.missing()
if why then
  describe("pomelua.mysql", function() pending(why) end)
  return
end

local HANDLER = [[
local mysql = require "pomelua.mysql"
local db = mysql.open { host = "127.0.0.1", port = %d, user = "game", password = "se:cret@1",
  database = "game", connections = 2, timeout = 1500 }

local Handler = {}
local ended = {}

function Handler:query(msg)
  local rows, err = db:query(msg.sql)
  return { rows = rows, code = err and err.code, text = err and tostring(err) }
end

-- Asks until a query gives rows.
function Handler:works()
  for _ = 1, 100 do
    local rows = db:query("select 1 as a")
    if rows then return { ok = true } end
    require("pomelua").sleep(50)
  end
end

-- For a notify: what became of it is asked for by `ended`.
function Handler:slow(msg)
  local rows, err = db:query(msg.sql)
  ended[#ended + 1] = rows and "done" or err.code
end

function Handler:ended(msg)
  while #ended < msg.n do require("pomelua").sleep(1) end
  local all = ended
  ended = {}
  return all
end

function Handler:ping() return { pong = true } end

-- Holds a row until it may end.
local free = false
function Handler:free() free = true return {} end
function Handler:hold(msg)
  db:transaction(function(tx)
    tx:exec("update held set n = n + 1 where id = 1")
    while not free do require("pomelua").sleep(5) end
  end)
end

return Handler
]]

describe("pomelua.mysql under faults", function()
  local server, cluster, client

  setup(function()
    server = mariadb.start()
    server:sql "create table held (id int primary key, n int)"
    server:sql "insert into held values (1, 0)"
    cluster = test.cluster { base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"game": [{"id": "game-1",
        "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
      ["app/servers/game/handler/h.lua"] = HANDLER:format(server.port),
    } }
    client = cluster:client()
  end)

  teardown(function()
    if server then server:thaw() end
    if cluster then cluster:stop() end
    mariadb.closeAll()
    net.closeAll()
  end)

  local function ask(method, msg) return assert(client:request("game.h." .. method, msg or {})) end

  local function milliseconds(f)
    local begun = uv.hrtime()
    local got = f()
    return (uv.hrtime() - begun) / 1e6, got
  end

  -- Asks until the answer is one that fits.
  local function until_ok(what, f)
    local last = os.time() + 20
    local got
    repeat got = f() until got or os.time() > last
    assert(got, what)
    return got
  end

  local function works()
    assert.same({ ok = true }, ask "works")
  end

  -- A call that has reached a connection is TIMEOUT, one that has waited for one BUSY.
  local function late(code) return code == "TIMEOUT" or code == "BUSY" end

  -- A statement of the game runs at the server.
  local function running(text)
    until_ok("it does not run", function()
      return #server:sql(("select id from information_schema.processlist where info like '%%%s%%' "
        .. "and id <> connection_id()"):format(text)) > 0
    end)
  end

  before_each(works)

  it("frozen: calls end at their deadline, nothing else waits, and it goes on afterwards",
    function()
      finally(function() server:thaw() end)
      server:freeze()
      client:notify("game.h.slow", { sql = "select 2" })
      client:notify("game.h.slow", { sql = "select 3" })
      once_of(3, function()
        for _ = 1, 20 do
          local ms = milliseconds(function() return ask "ping" end)
          assert.is_true(ms < 500, "a ping took " .. ms .. " ms")
        end
      end)
      local ms, got = milliseconds(function() return ask("query", { sql = "select 1" }) end)
      assert.is_true(late(got.code), got.code)
      assert.is_true(ms > 1300 and ms < 15000, "it took " .. ms .. " ms")
      for _, code in ipairs(ask("ended", { n = 2 })) do assert.is_true(late(code), code) end
      -- New connections are taken by the system, and nobody greets in them.
      assert.is_not_nil(ask("query", { sql = "select 1" }).code)
      server:thaw()
      works()
    end)

  it("killed while statements run: they are CLOSED at once", function()
    -- Before their deadline, that is.
    once_of(3, function()
      if not server:runs() then
        server:restart()
        works()
      end
      client:notify("game.h.slow", { sql = "select sleep(30) /* killed */ as a" })
      client:notify("game.h.slow", { sql = "select sleep(30) /* killed */ as a" })
      running "killed"
      local ms, all = milliseconds(function()
        server:kill()
        return ask("ended", { n = 2 })
      end)
      assert.same({ "CLOSED", "CLOSED" }, all)
      assert.is_true(ms < 1000, "it took " .. ms .. " ms")
    end)
    local got = ask("query", { sql = "select 1" })
    assert.equal("CLOSED", got.code)
    server:restart()
    works()
  end)

  it("a statement may take longer than a connection may take to come up", function()
    local mysql = require "pomelua.mysql"
    local db = mysql.open { host = "127.0.0.1", port = server.port, user = "game",
      password = server.password, database = "game", timeout = 9000 }
    assert.same({ { a = 0 } }, db:query "select sleep(3.5) as a")
  end)

  it("slow: one call ends at its deadline, others go on, and the server has ended it", function()
    client:notify("game.h.slow", { sql = "select sleep(30) /* endless */ as a" })
    running "endless"
    local ms, got = milliseconds(function() return ask("query", { sql = "select 1 as a" }) end)
    assert.same({ { a = 1 } }, got.rows)
    assert.is_true(ms < 1000, "it took " .. ms .. " ms")
    assert.same({ "TIMEOUT" }, ask("ended", { n = 1 }))
    until_ok("it runs on", function()
      return #server:sql("select id from information_schema.processlist where info like "
        .. "'%endless%' and id <> connection_id()") == 0
    end)
  end)

  -- The transactions that are open. The server's table of them is a copy, which it makes anew when
  -- nobody has read it for a tenth of a second.
  local function open()
    net.wait(function() end, 150)
    return #server:sql("select trx_id from information_schema.innodb_trx")
  end

  it("a session that ends leaves its transaction rolled back, and its row free", function()
    local other = cluster:client()
    other:notify("game.h.hold", {})
    until_ok("it holds nothing", function() return open() > 0 end)
    other:drop()
    until_ok("the row is held", function() return open() == 0 end)
    assert.same({ "0" }, server:sql "select n from held")
    ask "free"
  end)

  it("restarted again and again under calls: each is answered", function()
    for _ = 1, 3 do
      for _ = 1, 10 do client:notify("game.h.slow", { sql = "select 1" }) end
      server:restart()
      works()
    end
    assert.equal(30, #ask("ended", { n = 30 }))
  end)
end)
