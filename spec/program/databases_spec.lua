-- The databases of a program: tables are made before its servers, in whatever folder, once;
-- `pomelua migrate`, `pomelua backup`, `pomelua list --pools`. Tests cli/migrate.lua,
-- cli/backup.lua, store/make_tables.lua, bind/l_sqlite_backup.c and bind/l_store_sqlite.c.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    local function command(name, fn)
      app:registerAdmin(name, { monitorHandler = function(_, msg)
        return fn(app:get("databases").players, msg[1])
      end })
    end
    command("count", function(db)
      local rows, err = db:query("select count(*) as n from players")
      return rows and tostring(rows[1].n), err
    end)
    command("write", function(db, n)
      for i = 1, tonumber(n) do
        assert(db:exec("insert into players (name) values ($1)", "p" .. i))
      end
      return "written"
    end)
    app:start()
  ]],
  ["config/servers.json"] = [[{ "development": {
    "area": [{ "id": "area-1", "host": "127.0.0.1" }] } }]],
  ["config/databases.json"] = [[{ "development": {
    "players": { "kind": "sqlite", "file": "data/players.db" } } }]],
  ["app/migrations/players/001_players.sql"] =
    "create table players (id integer primary key, name text not null);\n"
    .. "insert into players (name) values ('bank');\n",
}

local function files(more)
  local all = {}
  for path, text in pairs(FILES) do all[path] = text end
  for path, text in pairs(more or {}) do all[path] = text or nil end
  return all
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

describe("the databases of a program that runs", function()
  local server
  setup(function()
    server = app.start(files { ["app/servers/area/remote/a.lua"] = "return {}" })
  end)
  teardown(function() server:stop { "/nowhere: ", "config/databases.json" } end)

  local function pomelua(...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", server.dir
    return tool.run(unpack(args))
  end

  it("have their tables before the servers, which the log says", function()
    assert(server.process:waitErr("info  pomelua app/migrations/players/001_players.sql: done\n"))
    local code, out = pomelua "count"
    assert.same({ 0, "area-1: 1\n" }, { code, out })
    assert.is_true(exists(server.dir .. "/data/players.db"))
  end)

  it("are on the list with their pools", function()
    assert.equal(0, (pomelua "count"))
    local code, out = pomelua("list", "--pools")
    assert.equal(0, code)
    assert.matches("\nserverId  pool     kind    open  busy  waiting  calls  errors  timeouts  "
      .. "refused +p50 +p99\narea%-1    players  sqlite +%d+ +0 +0 +%d+ +0 +0 +0 +%d%S* .s +"
      .. "%d%S* .s\n", out)
    local pools
    for line in select(2, pomelua("list", "--pools", "--json")):gmatch("[^\n]+") do
      local row = cjson.decode(line)
      if row.id then pools = row.status.pools end
    end
    assert.equal("players", pools[1].name)
    assert.is_true(pools[1].calls >= 1)
    assert.matches("area%-1 +databases.players.calls +%d+\n",
      (select(2, pomelua("list", "--counters"))))
  end)

  it("are copied while the game writes", function()
    local writer = tool.start { "write", "2000", "-d", server.dir }
    local target, copied = server.dir .. "/copy.db", 0
    repeat
      local code, out, err = pomelua("backup", "players", target)
      assert.same({ 0, "" }, { code, err })
      assert.equal(("players: copied to %s\n"):format(target), out)
      copied = copied + 1
    until writer.code
    assert.equal(0, writer:waitExit(app.patience))
    assert.equal(0, (pomelua("backup", "players", target)))
    local ask = assert(require("pomelua.store.definition").command {
      kind = "sqlite", options = { file = target }, limits = {},
    })
    assert.equal("ok", ask("query", "pragma quick_check", 10000)[1].quick_check)
    assert.is_true(ask("query", "select count(*) as n from players", 1000)[1].n >= 2001)
    assert.is_false(exists(target .. ".part"))
  end)

  it("are copied over an older copy, without what was left beside it", function()
    local target = server.dir .. "/old.db"
    for _, left in ipairs { "", "-wal", "-shm", "-journal" } do
      assert(io.open(target .. left, "w")):close()
    end
    assert.equal(0, (pomelua("backup", "players", target)))
    assert.is_true(exists(target))
    for _, left in ipairs { "-wal", "-shm", "-journal" } do
      assert.is_false(exists(target .. left))
    end
  end)

  it("are not copied when that cannot be", function()
    local base = server.dir
    for args, meant in pairs {
      [{ "players", base .. "/data" }] =
        ("pomelua: backup: %s/data is a folder; give the path of the copy\n"):format(base),
      [{ "players", "/nowhere/a.db" }] = "pomelua: backup: /nowhere/a.db.",
      [{ "player", base .. "/a.db" }] = "pomelua: config/databases.json has no database player in "
        .. "this environment; did you mean players?\n",
      [{ "players", base .. "/data/players.db" }] =
        ("pomelua: backup: %s/data/players.db is the database itself\n"):format(base),
    } do
      local code, out, err = pomelua("backup", args[1], args[2])
      assert.same({ 1, "" }, { code, out })
      assert.equal(meant, err:sub(1, #meant))
    end
    local code, _, err = pomelua("backup", "players", "a.db", "--state", base .. "/web")
    assert.equal(1, code)
    assert.matches("there is no folder", err, 1, true)
    code, _, err = pomelua("backup", "players")
    assert.same({ 2, "pomelua: backup: give a name and a file (see: pomelua backup --help)\n" },
      { code, err })
    assert.equal(0, (tool.run("backup", "--help")))
  end)

  it("follow their definition at a reload", function()
    local text = FILES["config/databases.json"]
    tree.write(server.dir, "config/databases.json", (text:gsub("players.db", "other.db")))
    local code, out = pomelua "reload"
    assert.equal(0, code)
    assert.matches("config/databases.json: read again", out, 1, true)
    code, out = pomelua "count"
    assert.same({ 1, "area-1: no such table: players\n" }, { code, out })
    tree.write(server.dir, "config/databases.json", text)
    assert.equal(0, (pomelua "reload"))
    assert.equal(0, (pomelua "count"))
  end)
end)

describe("tables of a program", function()
  local base
  after_each(function()
    net.closeAll()
    if base then tree.remove(base) end
  end)

  it("are not there when a migration fails, and no server is: the last line says where", function()
    base = tree.new(files { ["app/migrations/players/002_gold.sql"] =
      "create table gold (a integer);\n\ncreate tabel x (a);\n" })
    local code, out, err = tool.run("start", base)
    assert.same({ 1, "" }, { code, out })
    local line = 'app/migrations/players/002_gold.sql:3: near "tabel": syntax error'
    assert.equal(("pomelua: %s\n"):format(line), err)
    code, out, err = tool.run("start", base, "--log-json")
    assert.same({ 1, "" }, { code, out })
    assert.equal(line, cjson.decode(err).msg)
    code, out = tool.run("migrate", base, "--status")
    assert.equal(1, code)
    assert.matches("^players/001_players.sql  run at 20%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d\n"
      .. "players/002_gold.sql  not run\n$", out)
  end)

  it("need a library, which a sentence names when it is not here", function()
    base = tree.new(files { ["lib/libsqlite3.so.0"] = "no library" })
    local one = tool.start({ "start", base }, { LD_LIBRARY_PATH = base .. "/lib" })
    assert.equal(1, one:waitExit(app.patience))
    assert.equal("pomelua: config/databases.json: players (sqlite data/players.db): a database of "
      .. "kind sqlite needs the library libsqlite3, which is not here: install the Debian package "
      .. "libsqlite3-0\n", one.err)
  end)

  it("are made once, whoever comes at the same time", function()
    base = tree.new(files())
    local tools = {}
    for i = 1, 4 do tools[i] = tool.start { "migrate", base } end
    local done = 0
    for _, one in ipairs(tools) do
      assert.equal(0, one:waitExit(app.patience), one.err)
      if one.out:find("001_players.sql: done", 1, true) then done = done + 1 end
    end
    assert.equal(1, done)
  end)

  it("lie in the folder of --state, which is made", function()
    base = tree.new(files())
    local code, out = tool.run("migrate", base, "--status")
    assert.same({ 1, "players/001_players.sql  not run\n" }, { code, out })
    assert.is_false(exists(base .. "/data/players.db"))
    code, out = tool.run("migrate", base, "--state", base .. "/state")
    assert.same({ 0, "app/migrations/players/001_players.sql: done\n" }, { code, out })
    assert.is_true(exists(base .. "/state/data/players.db"))
    code, out = tool.run("migrate", base, "--state", base .. "/state")
    assert.same({ 0, "nothing to do\n" }, { code, out })
    code = tool.run("migrate", base, "--state", base .. "/state", "--status")
    assert.equal(0, code)
  end)

  it("are those of one name, when two names are one database", function()
    base = tree.new(files { ["config/databases.json"] = [[{
      "players": { "kind": "sqlite", "file": "data/players.db" },
      "ladder": { "kind": "sqlite", "file": "./data/players.db" } }]],
      ["app/migrations/ladder/001_ladder.sql"] = "create table ladder (b);" })
    local line = "config/databases.json: players: it is the same database as ladder, "
      .. "data/players.db, and both have migrations: put all of them into app/migrations/ladder, "
      .. "with numbers of their own"
    for args, status in pairs { [{ "migrate", base }] = 1, [{ "migrate", base, "--status" }] = 1,
      [{ "start", base }] = 78 } do
      local code, out, err = tool.run(unpack(args))
      assert.same({ status, "", ("pomelua: %s\n"):format(line) }, { code, out, err })
    end
    local code, out, err = tool.run("check", base)
    assert.equal(1, code)
    assert.matches("players: it is the same database as ladder, data/players.db", out .. err, 1,
      true)
    assert.is_false(exists(base .. "/data/players.db"))
    -- what another app has run in the same place
    tree.write(base, "config/databases.json", FILES["config/databases.json"])
    assert.equal(0, (tool.run("migrate", base)))
    assert(os.rename(base .. "/app/migrations/players/001_players.sql",
      base .. "/app/migrations/players/001_gold.sql"))
    for _, command in ipairs { "migrate", "start" } do
      code, out, err = tool.run(command, base)
      assert.same({ 1, "" }, { code, out })
      assert.matches("^pomelua: app/migrations/players/001_gold.sql: the database has run "
        .. "001_players.sql with this number, on [^\n]*; give the file its old name back, or a "
        .. "number above 1\n$", err)
    end
  end)

  it("and what keeps them from being made is one line", function()
    base = tree.new(files { ["config/databases.json"] = [[{
      "players": { "kind": "sqlite", "file": "data/players.db" },
      "ladder": { "kind": "sqlite", "file": "app.lua/ladder.db" } }]],
      ["app/migrations/ladder/1_a.sql"] = "create table a (b);" })
    local code, _, err = tool.run("migrate", base)
    assert.equal(1, code)
    assert.matches("^pomelua: config/databases.json: ladder %(sqlite app.lua/ladder.db%): "
      .. "[^\n]*app.lua/ladder.db: unable to open database file\n$", err)
    for args, meant in pairs {
      [{ "migrate", base, "--database", "player" }] =
        "pomelua: config/databases.json has no database player in this environment; did you mean "
        .. "players?\n",
      [{ "migrate", base, "--state", "/nowhere/x" }] = "pomelua: --state: there is no folder "
        .. "/nowhere/x, and it cannot be made\n",
    } do
      code, _, err = tool.run(unpack(args))
      assert.same({ 1, meant }, { code, err })
    end
    assert.equal(0, (tool.run("migrate", base, "--database", "players")))
    assert.equal(2, (tool.run("migrate", "--fix")))
    assert.equal(0, (tool.run("migrate", "--help")))
  end)
end)
