-- What config/databases.json may hold, and what is refused. Tests config/databases.lua and
-- config/database_url.lua.
local databases = require "pomelua.config.databases"
local files = require "pomelua.base.files"
local pretty = require "pomelua.pretty"
local tree = require "spec.support.tree"

local FORM = "url: must be mysql://user@host:port/database"

describe("databases.json", function()
  local base
  after_each(function() tree.remove(base) end)

  local function read(text, env)
    base = tree.new { ["config/databases.json"] = text, ["p.txt"] = "s3cret\n",
      ["two.txt"] = "a\nb\n" }
    return databases.read(base, env or "development", "/state")
  end

  local function one(json) return read(('{ "players": %s }'):format(json)) end

  it("is optional", function()
    assert.same({}, assert(read(nil)))
  end)

  it("has the databases of each environment, with the limits that are documented", function()
    local found = assert(read [[{ "development": {
      "players": { "kind": "sqlite", "file": "data/players.db" },
      "ladder": { "kind": "postgres", "url": "postgres://game@db:5433/game" },
      "old": { "kind": "mysql", "url": "mariadb://me@db/game" },
      "cache": { "kind": "redis", "url": "redis://cache/3", "idle": 2000, "connections": 9,
        "timeout": 50, "waiting": 7, "rows": 8, "bytes": 2048 } } }]])
    assert.same({ file = "/state/data/players.db" }, found.players.options)
    assert.same({ waiting = 1024, timeout = 4000, rows = 10000, bytes = 2 ^ 24,
      transaction = 2000 },
      found.players.limits)
    assert.equal("data/players.db", found.players.shown)
    assert.same({ host = "db", port = 5433, user = "game", database = "game" },
      found.ladder.options)
    assert.same({ connections = 4, waiting = 1024, timeout = 4000, rows = 10000, bytes = 2 ^ 24,
      transaction = 2000, idle = 300000 }, found.ladder.limits)
    assert.equal("db:5433/game", found.ladder.shown)
    assert.same({ host = "db", port = 3306, user = "me", database = "game" }, found.old.options)
    assert.same({ host = "cache", port = 6379, database = "3" }, found.cache.options)
    assert.same({ connections = 9, waiting = 7, timeout = 50, rows = 8, bytes = 2048,
      idle = 2000 }, found.cache.limits)
  end)

  it("may leave the environment out, and need not have every one", function()
    assert.truthy(assert(one '{ "kind": "sqlite", "file": "/a/b.db" }').players)
    tree.remove(base)
    assert.same({}, assert(read('{ "production": { "a": { "kind": "sqlite", "file": "b" } } }')))
  end)

  for text, message in pairs {
    ['{ "players": { "file": "a.db" } }'] = "players.kind: must be mysql, postgres, redis or "
      .. "sqlite, got nil",
    ['{ "players": { "driver": "sqlite", "file": "a.db" } }'] = "players.kind: must be",
    ['{ "players": "a.db" }'] = 'players: must be an object, got a string',
    ['{ "development": { "players": "a.db" } }'] = "development.players: must be an object",
  } do
    it("takes a database without its kind for no environment: " .. text, function()
      local found, why = read(text)
      assert.is_nil(found)
      assert.truthy(why:find(message, 1, true), why)
    end)
  end

  it("takes a variable of the environment for any part of a URL", function()
    local home = os.getenv "HOME" -- a path, which no URL could hold as it is
    local found = assert(one '{ "kind": "postgres", "url": "postgres://a%40b:${HOME}@[::1]/c" }')
    assert.same({ host = "::1", port = 5432, user = "a@b", password = home, database = "c" },
      found.players.options)
    assert.equal("::1:5432/c", found.players.shown)
  end)

  it("takes the password from a file", function()
    local found = assert(one [[{ "kind": "mysql", "url": "mysql://db/game", "user": "ann",
      "password_file": "p.txt" }]])
    assert.equal("ann", found.players.options.user)
    assert.equal("s3cret", found.players.options.password)
  end)

  it("has tls for MySQL: true, or the file of an authority", function()
    local text = '{ "kind": "mysql", "url": "mysql://me@db/game", "tls": %s }'
    for value, meant in pairs { ["true"] = true, ['"/ca.pem"'] = "/ca.pem" } do
      assert.equal(meant, assert(one(text:format(value))).players.options.tls)
      tree.remove(base)
    end
    assert.is_nil(assert(one(text:format "false")).players.options.tls)
    tree.remove(base)
    local found = assert(one(text:format '"ca.pem"'))
    assert.equal(base .. "/ca.pem", found.players.options.tls)
  end)

  it("tells whether a definition has changed, its secret included", function()
    local text = '{ "kind": "redis", "url": "redis://:%s@cache/0" }'
    local first = assert(one(text:format "a")).players.identity
    tree.remove(base)
    assert.equal(first, assert(one(text:format "a")).players.identity)
    tree.remove(base)
    assert.not_equal(first, assert(one(text:format "b")).players.identity)
  end)

  it("prints without its secret", function()
    local found = assert(one '{ "kind": "redis", "url": "redis://:hush@cache/0" }')
    assert.equal("database players (cache:6379/0)", tostring(found.players))
    assert.is_nil(pretty(found):find("hush", 1, true))
    assert.is_nil(found.players.identity:find("hush", 1, true))
  end)

  for text, meant in pairs {
    ['{}'] = "players.kind: must be mysql, postgres, redis or sqlite, got nil",
    ['{"kind":"sqlit"}'] = 'players.kind: must be mysql, postgres, redis or sqlite, got a string; '
      .. "did you mean sqlite?",
    ['{"kind":"sqlite"}'] = "players.file: missing",
    ['{"kind":"sqlite","file":7}'] = "players.file: must be a text, got a number",
    ['{"kind":"sqlite","file":":memory:"}'] = "players.file: must be the path of a file; a da",
    ['{"kind":"sqlite","file":"data/"}'] = "players.file: must be the path of a file, not of",
    ['{"kind":"sqlite","fil":"a"}'] = "players.fil: sqlite has no such key; there are bytes, file, "
      .. "kind, rows, timeout, transaction, waiting; did you mean file?",
    ['{"kind":"sqlite","file":"a","connections":2}'] =
      "players.connections: sqlite has no such key",
    ['{"kind":"sqlite","file":"a","rows":0}'] =
      "players.rows: must be a whole number from 1 to 10000000, got 0",
    ['{"kind":"sqlite","file":"a","timeout":"4"}'] =
      'players.timeout: must be a whole number from 10 to 600000, got a string',
    ['{"kind":"sqlite","file":"${NO_SUCH_NAME}"}'] =
      "players.file: the environment has no variable NO_SUCH_NAME",
    ['{"kind":"sqlite","file":"${a-b}"}'] = "players.file: ${NAME} needs the name of an",
    ['{"kind":"sqlite","file":"${HOME"}'] = "players.file: behind ${NAME a } is missing",
    ['{"kind":"postgres","url":"postgres://a:${HOME@db/game"}'] = "players.url: behind ${NAME a }",
    ['{"kind":"sqlite","file":"a","waiting":"${HOME}"}'] =
      "players.waiting: must be a whole number "
        .. "from 1 to 65536, got another value of the environment",
    ['{"kind":"mysql","url":"mysql://me@db/a","tls":7}'] =
      "players.tls: must be true, false or the path of a file, got a number",
    ['{"kind":"mysql"}'] = "players.url: missing",
    ['{"kind":"mysql","url":7}'] = "players.url: must be a text, got a number",
    ['{"kind":"mysql","url":"me:s3cret@db"}'] = "players." .. FORM:gsub("mysql", "mariadb"),
    ['{"kind":"mysql","url":"mysq://me:s3cret@db/a"}'] =
      "players.url: mysq:// is no scheme here; must be mariadb://user@host:port/database; did you "
      .. "mean mysql?",
    ['{"kind":"mysql","url":"mysql://me:s3/cret@db/a"}'] = "players.url: a / in a password is "
      .. "written %2F, a ? is %3F and a # is %23; or write password beside url",
    ['{"kind":"mysql","url":"mysql://db/a?x=s3cret"}'] =
      "players.url: nothing may follow the name of the database; other keys stand beside url",
    ['{"kind":"mysql","url":"mysql://me@db"}'] = "players.url: the name of the database is missing",
    ['{"kind":"mysql","url":"mysql://db:99999/a"}'] = "players.url: behind the host and : stands",
    ['{"kind":"mysql","url":"mysql://me:s3cret"}'] = "players.url: behind the host and : stands",
    ['{"kind":"redis","url":"rediss://:s3cret@db"}'] =
      "players.url: rediss:// is TLS, which is not supported: let a TLS proxy such as stunnel",
    ['{"kind":"redis","url":"redis://:s3cret%zz@db"}'] =
      "players.url: has a % without the two hex digits of a character (%00 is none, % itself is",
    ['{"kind":"postgres","url":"postgres://me:s3cret%00@db/a"}'] = "players.url: has a % without",
    ['{"kind":"redis","url":"redis://db/a"}'] = "players.url: behind the port stands a number",
    ['{"kind":"postgres","url":"postgres://db/a"}'] = "players.user: missing, also in the url",
    ['{"kind":"redis","url":"redis://me@db/1"}'] =
      "players.url: there is a user without a password",
    ['{"kind":"redis","url":"redis://db/1","user":"me"}'] =
      "players.url: there is a user without a password; write password or password_file",
    ['{"kind":"mysql","url":"mysql://me:s3cret@db/a","password":"s3cret"}'] =
      "players.password: the url has the password, too; write it once",
    ['{"kind":"mysql","url":"mysql://me:s3cret@db/a","password_file":"p.txt"}'] =
      "players.password_file: must not stand beside a password",
    ['{"kind":"mysql","url":"mysql://db/a","password_file":"two.txt"}'] =
      "players.password_file: the file must hold the password alone",
    ['{"kind":"mysql","url":"mysql://db/a","password_file":"none.txt"}'] =
      "players.password_file: ",
    ['{"kind":"mysql","url":"mysql://db/a","password":""}'] = "players.password: must be a text",
    ['{"kind":"mysql","url":"mysql://me@db/a","password":35323}'] =
      "players.password: must be a text, got a number",
    ['{"kind":"mysql","url":"mysql://db/a","user":["s3cret"]}'] =
      "players.user: must be a text, got a table",
    ['{"kind":"postgres://me:s3cret@db/a"}'] = "players.kind: must be mysql, postgres, redis or "
      .. "sqlite, got a string",
    ['{"kind":"redis","url":["redis://:s3cret@db"]}'] = "players.url: must be a text, got a table",
    ['{"kind":"redis","redis://:s3cret@db":1}'] = "players.(a name that is not shown: it may be a "
      .. "secret): redis has no such key",
    ['{"kind":"redis","url":"redis://db","idle":"s3cret"}'] = "players.idle: must be a whole "
      .. "number from 1000 to 86400000, got a string",
    ['{"kind":"sqlite","file":"postgres://me:s3cret@db/a"}'] =
      "players.file: must be the path of a file, not a URL",
    ['"postgres://me:s3cret@db:5432/a"'] = "development.players: must be an object, got a string",
    ['7'] = "config/databases.json: must be an object",
  } do
    it("with " .. text .. " is refused with its key, and without a secret", function()
      local whole = text:find('^[{"]') and ('{ "development": { "players": %s } }'):format(text)
      local found, message = read(whole or text)
      assert.is_nil(found)
      assert.truthy(message:find(meant, 1, true), message)
      assert.equal("config/databases.json", message:match("^[^:]+"))
      assert.is_nil(message:find "s3[c/]") -- the name of a folder may have an s3 in it
      assert.is_nil(message:find("35323", 1, true))
      assert.is_nil(message:find "\n")
    end)
  end

  it("may call a database by a name that a script can write", function()
    for _, name in ipairs { "7up", "a-b", "", ("a"):rep(65) } do
      local found, message = read(('{ "%s": { "kind": "sqlite", "file": "x" } }'):format(name))
      assert.is_nil(found)
      assert.matches("the name of a database is letters, digits and _, 64 at most", message)
      tree.remove(base)
    end
  end)

  it("shows no name that may be a URL", function()
    local url = "postgres://game:s3cret@db:5432/game"
    for _, text in ipairs { '{ "%s": { "kind": "sqlite", "file": "x" } }', '{ "%s": 1 }',
      '{ "development": { "%s": { "kind": "sqlite", "file": "x" } } }',
      '{ "development": {}, "%s": [1] }', '{ "%s": 1, "%s": 2 }' } do
      local found, message = read((text:gsub("%%s", url)))
      assert.is_nil(found)
      assert.matches("a name that is not shown: it may be a secret", message, 1, true)
      assert.is_nil(message:find "s3c")
      tree.remove(base)
    end
  end)

  describe("with two names of one database", function()
    local MIGRATIONS = { ["app/migrations/players/001_a.sql"] = "select 1;",
      ["app/migrations/ladder/001_b.sql"] = "select 2;" }

    local function two(players, ladder, more)
      local all = { ["config/databases.json"] =
        ('{ "development": { "players": %s, "ladder": %s } }'):format(players, ladder) }
      for path, text in pairs(more) do all[path] = text end
      base = tree.new(all)
      tree.write(base, "data/old.db", "")
      assert(files.symlink("data", base .. "/link"))
      return databases.read(base, "development", base)
    end

    local function sqlite(file) return ('{ "kind": "sqlite", "file": "%s" }'):format(file) end
    local function url(kind, text) return ('{ "kind": "%s", "url": "%s" }'):format(kind, text) end

    it("has migrations for one of them alone", function()
      for pair, shown in pairs {
        [{ sqlite "a.db", sqlite "a.db" }] = "a.db",
        [{ sqlite "new/../x/a.db", sqlite "./x//a.db" }] = "./x//a.db",
        [{ sqlite "data/old.db", sqlite "link/old.db" }] = "link/old.db",
        [{ sqlite "data/new.db", sqlite "link/new.db" }] = "link/new.db",
        [{ url("postgres", "postgres://a:s3cret@DB/game"),
          url("postgres", "postgresql://b@db:5432/game?sslmode=require") }] = "db:5432/game",
        [{ url("mysql", "mysql://a:s3cret@db/game"), url("mysql", "mariadb://b@db/game") }] =
          "db:3306/game",
      } do
        local found, message = two(pair[2], pair[1], MIGRATIONS)
        assert.is_nil(found)
        assert.equal("config/databases.json: development.players: it is the same database as "
          .. "ladder, " .. shown .. ", and both have migrations: put all of them "
          .. "into app/migrations/ladder, with numbers of their own", message)
        local faults = {}
        databases.check(base, { "development" }, function(text) faults[#faults + 1] = text end,
          function() end)
        assert.same({ message }, faults)
        tree.remove(base)
        assert(two(pair[1], pair[2], { ["app/migrations/players/001_a.sql"] = "select 1;" }))
        tree.remove(base)
      end
    end)

    it("knows two databases as two", function()
      for _, pair in ipairs {
        { sqlite "a.db", sqlite "b.db" }, { sqlite "x/a.db", sqlite "a.db" },
        { url("postgres", "postgres://a@db/game"), url("postgres", "postgres://a@db/other") },
        { url("postgres", "postgres://a@db/game"), url("postgres", "postgres://a@db:5433/game") },
        { url("postgres", "postgres://a@db:1/game"), url("mysql", "mysql://a@db:1/game") },
        { url("redis", "redis://db/1"), url("redis", "redis://db/1") },
      } do
        assert(two(pair[1], pair[2], MIGRATIONS))
        tree.remove(base)
      end
    end)
  end)

  describe("under pomelua check", function()
    local function check(text, envs)
      base = tree.new { ["config/databases.json"] = text }
      local faults, warnings = {}, {}
      local kinds = databases.check(base, envs or { "development" },
        function(line) faults[#faults + 1] = line end,
        function(line) warnings[#warnings + 1] = line end)
      return faults, warnings, kinds
    end

    it("has a line for each database that is wrong", function()
      local faults, warnings, kinds = check [[{ "a": { "kind": "sqlite" },
        "b": { "kind": "redis", "url": "x" }, "c": { "kind": "sqlite", "file": "c" } }]]
      assert.same({ "config/databases.json: a.file: missing",
        "config/databases.json: b.url: must be redis://user@host:port/database" }, faults)
      assert.same({}, warnings)
      assert.same({ c = "sqlite" }, kinds)
    end)

    it("does not need the variables of the machine that runs the game", function()
      local faults, warnings = check [[{ "development": { "a": { "kind": "postgres",
        "url": "postgres://me:${NO_SUCH_NAME}@db/game", "connections": "${NO_NUMBER}" } } }]]
      assert.same({}, faults)
      local text = "config/databases.json: development.a.%s: the environment has no variable %s, "
        .. "so that not everything was checked"
      table.sort(warnings)
      assert.same({ text:format("connections", "NO_NUMBER"), text:format("url", "NO_SUCH_NAME") },
        warnings)
    end)

    it("warns of a password in the file, and of an environment that there is not", function()
      local faults, warnings = check [[{ "developmnt": {}, "development": { "a": {
        "kind": "mysql", "url": "mysql://me:s3cret@db/game" } } }]]
      assert.same({}, faults)
      assert.same({ "config/databases.json: developmnt: config/servers.json has no environment of "
        .. "this name; did you mean development?",
        "config/databases.json: development.a.url: the password stands in the file; write "
        .. "${NAME}, or password_file" }, warnings)
    end)
  end)
end)
