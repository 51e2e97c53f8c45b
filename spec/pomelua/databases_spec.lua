-- app:get("databases") in a spec's server: SQLite in memory, with the migrations of the app, empty
-- before each test; and what a change of config/databases.json replaces. Tests app/databases.lua,
-- test/databases.lua, test/dump.lua and store/figures.lua.
local databases = require "pomelua.app.databases"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{ "development": {
  "players": { "kind": "sqlite", "file": "data/players.db", "rows": 2 },
  "ladder": { "kind": "sqlite", "file": "data/ladder.db" },
  "cache": { "kind": "redis", "url": "redis://127.0.0.1" } } }]]

local FILES = {
  ["app.lua"] = 'require("pomelua").createApp():start()',
  ["config/servers.json"] = '{ "development": { "area": [{ "id": "area-1" }] } }',
  ["config/databases.json"] = CONFIG,
  ["app/migrations/players/001_players.sql"] =
    "create table players (name text primary key, gold integer not null);\n"
    .. "insert into players values ('bank', 100);\n",
  ["app/servers/area/remote/bank.lua"] = [[
    return function(app)
      local Remote = {}
      function Remote:add(name, gold)
        return app:get("databases").players:exec("insert into players values ($1, $2)", name, gold)
      end
      function Remote:names()
        local rows, err = app:get("databases").players:query("select name from players order by 1")
        if not rows then return nil, err end
        local names = {}
        for i, row in ipairs(rows) do names[i] = row.name end
        return table.concat(names, " ")
      end
      function Remote:ask(name) return app:get("databases")[name]:query("select 1") end
      function Remote:set() app:get("databases").other = 7 end
      return Remote
    end
  ]],
}

describe("app:get(\"databases\")", function()
  local base
  setup(function() base = tree.new(FILES) end)
  teardown(function() tree.remove(base) end)

  local function serve(given)
    return test.server { base = base, type = "area", databases = given }
  end

  describe("of a server that outlives a test", function()
    local server
    setup(function() server = serve { players = test.sqlite() } end)
    teardown(function() server:close() end)

    for _, name in ipairs { "ann", "bob" } do
      it("has what the migrations have made, and nothing of another test: " .. name, function()
        local err, changed = server:rpc("bank.add", name, 5)
        assert.is_nil(err)
        assert.equal(1, changed)
        err, changed = server:rpc "bank.names"
        assert.is_nil(err)
        assert.equal("bank", changed:match("bank"))
        assert.equal(name .. " bank", name < "bank" and changed or name .. " bank")
        assert.is_nil(changed:find(name == "ann" and "bob" or "ann"))
      end)
    end
  end)

  it("is in memory, whatever the file is in the config", function()
    serve { players = test.sqlite() }
    assert.is_nil(io.open(base .. "/data/players.db"))
  end)

  it("has the limits of the config", function()
    local server = serve { players = test.sqlite() }
    server:rpc("bank.add", "ann", 1)
    server:rpc("bank.add", "bob", 1)
    local err = server:rpc "bank.names"
    assert.equal("RANGE", err.code)
  end)

  it("has a database for each name, apart from the others", function()
    local server = serve { players = test.sqlite(), ladder = test.sqlite() }
    local err, rows = server:rpc("bank.ask", "ladder")
    assert.is_nil(err)
    assert.same({ { ["1"] = 1 } }, rows)
    assert.equal("database ladder", tostring(server.app:get("databases").ladder))
    assert.not_equal(server.app:get("databases").ladder.handle.store,
      server.app:get("databases").players.handle.store)
  end)

  it("counts what was asked of each", function()
    local server = serve { players = test.sqlite(), ladder = test.sqlite() }
    local counts = server.app:getCounters()
    local before, wrong = counts["databases.players.calls"], counts["databases.players.errors"]
    server:rpc("bank.add", "ann", 1)
    server:rpc("bank.add", "ann", 1) -- a second time: the name is there
    counts = server.app:getCounters()
    assert.equal(before + 2, counts["databases.players.calls"])
    assert.equal(wrong + 1, counts["databases.players.errors"])
    assert.equal(0, counts["databases.players.refused"])
    assert.equal(0, counts["databases.players.waiting"])
    local pools = require("pomelua.store.figures").pools(server.inner)
    assert.same({ "ladder", "players" }, { pools[1].name, pools[2].name })
    assert.equal("sqlite", pools[2].kind)
    assert.equal(before + 2, pools[2].calls)
    assert.truthy(pools[2].p50 and pools[2].p99)
  end)

  describe("over server:restart of the test kit", function()
    it("is what it was, with its tables, indexes and triggers", function()
      local server = serve { players = test.sqlite(), ladder = test.sqlite() }
      local db = server:database "players"
      for _, sql in ipairs {
        "create table things (id integer primary key, owner text references players (name), "
          .. "\"odd \"\" name\" blob, real real, double integer generated always as (id * 2))",
        "create index things_owner on things (owner)",
        "create trigger ends after delete on players begin delete from things; end",
        "insert into players (name, gold) values ('it''s; ann', 7)",
        "insert into things (id, owner, \"odd \"\" name\", real) "
          .. "values (5, 'it''s; ann', x'00ff', 0.1)",
      } do
        assert(db:exec(sql))
      end
      local function all()
        return { db:query "select * from players", db:query "select * from things",
          db:query "select type, name, sql from sqlite_master order by name" }
      end
      local before = all()
      server:restart { killed = true }
      assert.same(before, all())
      server:restart()
      assert.same(before, all())
    end)

    it("forgets what was not committed", function()
      local server = serve { players = test.sqlite() }
      server:rpc("bank.add", "ann", 5)
      server:restart { killed = true }
      local _, names = server:rpc "bank.names"
      assert.equal("ann bank", names)
    end)
  end)

  it("answers the spec, with the errors that a script gets", function()
    local server = serve { players = test.sqlite() }
    local db = server:database "players"
    assert.equal(1, db:exec("insert into players values ($1, $2)", "eve", 3))
    assert.same({ { gold = 3 } }, db:query("select gold from players where name = $1", "eve"))
    local none, err = db:query "select nothing from players"
    assert.is_nil(none)
    assert.equal("DB", err.code)
    assert.error_matches(function() db:query(7) end, "server:database: .*sql must be a string")
  end)

  it("fails a spec that asks for a database it did not give", function()
    local server = serve { players = test.sqlite() }
    assert.error_matches(function() server:rpc("bank.ask", "ladder") end,
      "test.server: this spec gave no database ladder: test.server { databases = { ladder = "
        .. "test.sqlite() } }", 1, true)
    assert.equal("bank", select(2, server:rpc "bank.names")) -- the spec may go on
    local lines = server:log()
    assert.matches("app/servers/area/remote/bank.lua:13: app:get(\"databases\"): this spec gave no",
      lines[#lines].text, 1, true)
  end)

  it("may be played by the spec", function()
    local asked
    local server = serve { cache = { query = function(_, text)
      asked = text
      return { { answer = 42 } }
    end } }
    local err, rows = server:rpc("bank.ask", "cache")
    assert.same({ nil, { { answer = 42 } }, "select 1" }, { err, rows, asked })
    server = serve()
    assert.error_matches(function() server:rpc("bank.ask", "cache") end, "this spec gave no "
      .. "database cache: test.server { databases = { cache = { call = function(self, command, "
      .. "...) ... end } } }", 1, true)
  end)

  it("cannot be written to", function()
    local server = serve { players = test.sqlite() }
    local err = server:rpc "bank.set"
    assert.matches("databases are defined in config/databases.json", err.message, 1, true)
  end)

  for meant, given in pairs {
    ["databases must be a table, { players = test.sqlite() }"] = 7,
    ["databases.players must be test.sqlite(), or an object of the spec's with the methods that "
      .. "the game calls, got \"sqlite\""] = { players = "sqlite" },
    ["databases.player: config/databases.json has no database of this name; did you mean players?"]
      = { player = test.sqlite() },
  } do
    it("says what a spec gave wrongly: " .. meant, function()
      assert.error_matches(function() serve(given) end, "test.server: " .. meant, 1, true)
    end)
  end

  it("says which migration has failed", function()
    local path = "app/migrations/players/002_more.sql"
    tree.write(base, path, "select 1;\ncreate tabel x (a);\n")
    assert.error_matches(function() serve { players = test.sqlite() } end,
      "test.server: " .. path .. ":2: near \"tabel\": syntax error", 1, true)
    os.remove(base .. "/" .. path)
  end)

  it("of a cluster is real, in a folder of the cluster's own that goes with it", function()
    local path = "app/servers/area/lifecycle.lua"
    tree.write(base, path, [[return { beforeStartup = function(app, cb)
      app:get("databases").players:query("select name from players", function(err, rows)
        cb(err or rows[1].name ~= "bank" and "no bank" or nil)
      end)
    end }]])
    local cluster = test.cluster { base = base }
    local folder = cluster.data
    assert.truthy(io.open(folder .. "/data/players.db"))
    assert.equal(0, cluster:stop())
    assert.is_nil(io.open(folder))
    assert.is_nil(io.open(base .. "/data"))
    os.remove(base .. "/" .. path)
  end)

  describe("of a config that changes", function()
    local server
    before_each(function()
      server = serve()
      assert.is_nil(databases.open(server.inner, base))
    end)
    after_each(function() tree.write(base, "config/databases.json", CONFIG) end)

    local function change(text)
      tree.write(base, "config/databases.json", text)
      return server:reload()
    end

    it("keeps what is defined as before, and replaces the rest", function()
      local object = server.app:get("databases")
      local players, ladder = object.players.handle, object.ladder.handle
      local result = assert(change((CONFIG:gsub("ladder.db", "other.db"))))
      assert.same({ "config/databases.json" }, result.files)
      assert.equal(players, object.players.handle)
      assert.not_equal(ladder, object.ladder.handle)
      assert.equal(base .. "/data/other.db", object.ladder.handle.options.file)
    end)

    it("leaves calls and transactions that are under way where they began", function()
      local object = server.app:get("databases")
      local old, closed = object.ladder.handle, false
      local store = { close = function() closed = true end }
      old.store, old.under_way, old.txs.tx = store, 1, true
      assert(change((CONFIG:gsub("ladder.db", "other.db"))))
      assert.is_false(closed)
      old.under_way = 0
      old:close_if_idle()
      assert.is_false(closed)
      old.txs.tx = nil
      old:close_if_idle()
      assert.is_true(closed)
    end)

    it("ends a database that is gone, and has it again when it is back", function()
      local ladder = server.app:get("databases").ladder
      assert(change '{ "players": { "kind": "sqlite", "file": "data/players.db", "rows": 2 } }')
      local err = server:rpc("bank.ask", "ladder")
      assert.same({ "config/databases.json has no database ladder any more", "CLOSED" },
        { err.message, err.code })
      assert(change(CONFIG))
      assert.equal(ladder, server.app:get("databases").ladder)
      assert.equal(base .. "/data/ladder.db", ladder.handle.options.file)
    end)

    it("stays as it was when the file is wrong, which is said", function()
      local ladder = server.app:get("databases").ladder.handle
      local result = assert(change '{ "players": { "kind": "sqlit" } }')
      assert.matches("config/databases.json: players.kind: must be mysql, postgres, redis or "
        .. 'sqlite, got a string; did you mean sqlite?; what was read before stays in force',
        result.stays[1], 1, true)
      assert.equal(ladder, server.app:get("databases").ladder.handle)
    end)

    it("names a name that there is not, with the one that was meant", function()
      local err = server:rpc("bank.ask", "laddr")
      assert.matches("config/databases.json: there is no database laddr in the environment "
        .. "development; did you mean ladder?", err.message, 1, true)
    end)

    it("does not make another kind of object of one that is in use", function()
      local _ = server.app:get("databases").ladder
      local result = assert(change((CONFIG:gsub('"sqlite", "file": "data/ladder.db"',
        '"redis", "url": "redis://127.0.0.1"'))))
      assert.matches("ladder: redis in the place of sqlite takes effect when the server starts "
        .. "again", result.stays[1], 1, true)
    end)
  end)
end)
