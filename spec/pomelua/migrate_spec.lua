-- Migrations are run once and in order, in transactions that hold a lock. Tests store/migrate.lua
-- and store/definition.lua.
local databases = require "pomelua.config.databases"
local definition = require "pomelua.store.definition"
local migrate = require "pomelua.store.migrate"
local migrations = require "pomelua.config.migrations"
local tree = require "spec.support.tree"

local NO_TABLE = { message = "no such table", code = "DB", sqlstate = "42P01" }
local FIRST = "create table players (name text);\ninsert into players values ('ann');\n"

describe("migrations", function()
  local base, close
  after_each(function()
    if close then close() end
    close = nil
    tree.remove(base)
  end)

  local function game(files)
    local all = { ["config/databases.json"] =
      '{ "players": { "kind": "sqlite", "file": "data/deep/players.db" } }' }
    for name, text in pairs(files) do all["app/migrations/players/" .. name] = text end
    base = tree.new(all)
  end

  local function list() return assert(migrations.read(base, "players")) end

  local function open()
    local ask
    local one = assert(databases.read(base, "development", base)).players
    ask, close = assert(definition.command(one))
    return ask
  end

  local function names(ask)
    return (assert(ask("query", "select name from players order by name", 1000)))
  end

  it("make the tables of a database, its file and the folders above it", function()
    game { ["001_a.sql"] = FIRST, ["002_b.sql"] = "insert into players values ('bob');" }
    local ask = open()
    assert.same({ "001_a.sql", "002_b.sql" }, migrate.run(ask, "sqlite", "players", list()))
    assert.same({ { name = "ann" }, { name = "bob" } }, names(ask))
  end)

  it("are run once", function()
    game { ["001_a.sql"] = FIRST }
    local ask = open()
    assert(migrate.run(ask, "sqlite", "players", list()))
    tree.write(base, "app/migrations/players/002_b.sql", "insert into players values ('bob');")
    local pending, notes = migrate.status(ask, "players", list())
    assert.equal("002_b.sql", pending[1].name)
    assert.same({}, notes)
    assert.same({ "002_b.sql" }, migrate.run(ask, "sqlite", "players", list()))
    assert.same({}, migrate.run(ask, "sqlite", "players", list()))
    assert.equal(2, #names(ask))
  end)

  it("are not said to be undone when the table that remembers them cannot be read", function()
    game { ["001_a.sql"] = FIRST }
    local pending, message = migrate.status(function(op)
      assert.equal("query", op)
      return nil, { message = "permission denied", code = "DB", sqlstate = "42501" }
    end, "players", list())
    assert.is_nil(pending)
    assert.equal("permission denied", message)
  end)

  it("leave no trace when one of their statements fails, and name its line", function()
    game { ["001_a.sql"] = FIRST,
      ["002_b.sql"] = "insert into players values ('bob');\n\ncreate tabel x (a);\n" }
    local ask = open()
    local done, message, before = migrate.run(ask, "sqlite", "players", list())
    assert.is_nil(done)
    assert.equal('app/migrations/players/002_b.sql:3: near "tabel": syntax error', message)
    assert.same({ "001_a.sql" }, before)
    assert.same({ { name = "ann" } }, names(ask))
    tree.write(base, "app/migrations/players/002_b.sql", "insert into players values ('bob');")
    assert.same({ "002_b.sql" }, migrate.run(ask, "sqlite", "players", list()))
  end)

  it("that have changed, or are gone, are said and not undone", function()
    game { ["001_a.sql"] = FIRST, ["002_b.sql"] = "insert into players values ('bob');" }
    local ask = open()
    assert(migrate.run(ask, "sqlite", "players", list()))
    tree.write(base, "app/migrations/players/001_a.sql", "create table other (a);")
    os.remove(base .. "/app/migrations/players/002_b.sql")
    local done, notes = migrate.run(ask, "sqlite", "players", list())
    assert.same({}, done)
    assert.matches("001_a.sql: it was run as 001_a.sql on 2", notes[1], 1, true)
    assert.matches("002_b.sql: it was run on 2", notes[2], 1, true)
    assert.equal(2, #names(ask))
  end)

  it("say which database cannot be asked", function()
    game { ["001_a.sql"] = FIRST }
    tree.write(base, "data", "a file in the place of the folder")
    local done, message = migrate.run(open(), "sqlite", "players", list())
    assert.is_nil(done)
    assert.matches("data/deep/players.db", message, 1, true)
  end)

  describe("of", function()
    local asked, answers

    -- A database that answers what the spec says: by the beginning of a statement, or "begin".
    local function fake(op, text)
      local what = text and op ~= "script" and (text:match("^%a+ [%w_]+") or text) or op
      asked[#asked + 1] = what
      local answer = answers[what]
      if type(answer) == "function" then answer = answer() end
      if type(answer) == "table" and answer.err then return nil, answer.err end
      return answer or {}
    end

    before_each(function()
      game { ["001_a.sql"] = FIRST }
      asked, answers = {}, { begin = 7, ["select get_lock"] = { { got = 1 } } }
      answers["select number"] = function()
        if #asked < 3 then return { err = NO_TABLE } end
        return {}
      end
    end)

    it("PostgreSQL have a lock that ends with their transaction", function()
      assert.same({ "001_a.sql" }, migrate.run(fake, "postgres", "players", list()))
      assert.same({ "select number", "begin", "select pg_advisory_xact_lock", "create table",
        "select number", "script", "insert into", "commit" }, asked)
    end)

    it("MySQL have a lock that is given back behind the end, and may be there in part", function()
      assert.same({ "001_a.sql" }, migrate.run(fake, "mysql", "players", list()))
      assert.same({ "select number", "begin", "select get_lock", "create table",
        "select number", "script", "insert into", "commit", "select release_lock",
        "commit" }, asked)
      asked, answers.script = {}, { err = { message = "line 2: no", code = "DB" } }
      local done, message = migrate.run(fake, "mysql", "players", list())
      assert.is_nil(done)
      assert.equal("app/migrations/players/001_a.sql:2: no; what stands before it may have been "
        .. "run: MySQL cannot take back CREATE TABLE and the like", message)
      assert.same({ "script", "rollback", "select release_lock", "rollback" },
        { unpack(asked, #asked - 3) })
    end)

    it("MySQL are not run when another process keeps the lock", function()
      answers["select get_lock"] = { { got = 0 } }
      local done, message = migrate.run(fake, "mysql", "players", list())
      assert.is_nil(done)
      assert.equal("another process has held the lock of the migrations for 600 s", message)
      assert.equal("rollback", asked[#asked])
    end)

    it("SQLite wait until another process has written", function()
      local tries = 0
      function answers.begin()
        tries = tries + 1
        return tries < 3 and { err = { message = "busy", code = "BUSY" } } or 7
      end
      assert.same({ "001_a.sql" }, migrate.run(fake, "sqlite", "players", list()))
      assert.equal(3, tries)
    end)

    it("a database that another process has made ready meanwhile are not run again", function()
      local one = list()[1]
      answers["select number"] = function()
        if #asked < 3 then return { err = NO_TABLE } end
        return { { number = 1, name = one.name, checksum = one.checksum, run_at = "now" } }
      end
      assert.same({}, migrate.run(fake, "postgres", "players", list()))
      assert.equal("commit", asked[#asked])
    end)

    it("a database that does not answer are not begun", function()
      answers["select number"] = { err = { message = "connection refused", code = "CLOSED" } }
      local done, message, before = migrate.run(fake, "postgres", "players", list())
      assert.same({ nil, "connection refused", {} }, { done, message, before })
      assert.same({ "select number" }, asked)
    end)
  end)
end)
