-- Migrations, secrets and pools with real servers of PostgreSQL and MariaDB. Tests
-- store/migrate.lua, cli/migrate.lua and app/databases.lua.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local net = require "spec.support.net"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local APP = [[
  local app = require("pomelua").createApp()
  app:registerAdmin("count", { monitorHandler = function(_, msg)
    local rows, err = app:get("databases").players:query("select count(*) as n from players")
    return rows and tostring(rows[1].n), err
  end })
  app:start()
]]

local SERVERS = { postgres = "spec.support.postgres", mysql = "spec.support.mariadb" }

for kind, module in pairs(SERVERS) do
  local support = require(module)

  describe(kind .. ", as config/databases.json names it,", function()
    local db, base, files, env

    setup(function()
      db = support.start()
      -- The password stands in a variable, not in the file.
      local password = db.url:match("//game:([^@]*)@")
      local plain = password:gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
      end)
      env = { DB_PASSWORD = plain }
      local url = db.url:gsub("//game:[^@]*@", "//game:${DB_PASSWORD}@")
      files = {
        ["app.lua"] = APP,
        ["config/servers.json"] = '{ "area": [{ "id": "area-1", "host": "127.0.0.1" }] }',
        ["config/databases.json"] = ('{ "players": { "kind": "%s", "url": "%s" } }'):format(kind,
          url),
        ["app/servers/area/remote/a.lua"] = "return {}",
        ["app/migrations/players/001_players.sql"] =
          "create table players (id integer primary key, name varchar(20) not null);\n"
          .. "insert into players values (1, 'bank');\n",
      }
    end)
    teardown(function()
      support.closeAll()
      net.closeAll()
    end)
    before_each(function() base = tree.new(files) end)
    after_each(function()
      tree.remove(base)
      db:sql "drop table if exists players, gold, pomelua_migrations"
    end)

    local function run(...)
      local one = tool.start({ ... }, env)
      local code = assert(one:waitExit(app.patience))
      return code, one.out, one.err
    end

    it("runs each migration once, whoever comes at the same time", function()
      local tools = {}
      for i = 1, 4 do tools[i] = tool.start({ "migrate", base }, env) end
      local done = 0
      for _, one in ipairs(tools) do
        assert(one:waitExit(app.patience) == 0, one.err)
        if one.out:find("001_players.sql: done", 1, true) then done = done + 1 end
      end
      assert.equal(1, done)
      assert.same({ "1" }, db:sql "select count(*) from players")
      assert.same({ "1" }, db:sql "select count(*) from pomelua_migrations")
      assert.same({ 0, "nothing to do\n", "" }, { run("migrate", base) })
    end)

    it("says the line of the statement that fails, and can be mended", function()
      tree.write(base, "app/migrations/players/002_gold.sql",
        "create table gold (a integer);\n\ninsert into gold values (1), ('x;' || 2);\n"
        .. "create tabel x (a integer);\n")
      local text = "app/migrations/players/002_gold.sql:"
      local code, out, err = run("migrate", base)
      assert.equal(1, code)
      assert.equal("app/migrations/players/001_players.sql: done\n", out)
      assert.equal("pomelua: " .. text, err:sub(1, 9 + #text))
      assert.matches("sql:%d+: [^\n]+\n$", err)
      if kind == "mysql" then
        assert.matches("MySQL cannot take back CREATE TABLE and the like\n$", err)
        db:sql "drop table gold"
      end
      tree.write(base, "app/migrations/players/002_gold.sql",
        "create table gold (a integer);\ninsert into gold values (1), (2);\n")
      code, out = run("migrate", base)
      assert.same({ 0, text:sub(1, -2) .. ": done\n" }, { code, out })
      assert.same({ "2" }, db:sql "select count(*) from gold")
    end)

    it("serves a program, which tells no secret", function()
      local program = tool.start({ "start", base }, env)
      assert(program:waitLine("^ready$", app.patience))
      local code, out = run("count", "-d", base)
      assert.same({ 0, "area-1: 1\n" }, { code, out })
      code, out = run("list", "--pools", "-d", base)
      assert.equal(0, code)
      assert.matches("area%-1 +players +" .. kind .. " +1 +0 +0 +1 +0 ", out)
      program:kill "sigterm"
      assert.equal(0, program:waitExit(app.patience))
      local said = out .. program.out .. program.err
      assert.is_nil(said:find(env.DB_PASSWORD, 1, true))
    end)

    it("takes the password from a file, and reads it again when it changes", function()
      tree.write(base, "config/databases.json", files["config/databases.json"]
        :gsub(":%${DB_PASSWORD}@", "@"):gsub('" } }$', '", "password_file": "db.key" } }'))
      tree.write(base, "db.key", env.DB_PASSWORD .. "\n")
      assert.same({ 0, "app/migrations/players/001_players.sql: done\n", "" },
        { run("migrate", base) })
    end)

    it("ends a start when it cannot be asked, in one line without a secret", function()
      db:kill()
      local code, out, err = run("start", base)
      db:restart()
      assert.same({ 1, "" }, { code, out })
      local place = ("%s 127.0.0.1:%d/game"):format(kind, db.port)
      assert.matches("^pomelua: config/databases.json: players %(" .. place:gsub("%.", "%%.")
        .. "%): [^\n]+\n$", err)
      assert.is_nil(err:find(env.DB_PASSWORD, 1, true))
    end)
  end)
end

describe("redis, as config/databases.json names it,", function()
  local redis = require "spec.support.redis"
  local base
  setup(function()
    local db = redis.start()
    base = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:registerAdmin("hit", { monitorHandler = function(_, msg)
          local n, err = app:get("databases").cache:call("INCR", "hits")
          return n and tostring(n), err
        end })
        app:start()
      ]],
      ["config/servers.json"] = '{ "area": [{ "id": "area-1", "host": "127.0.0.1" }] }',
      ["config/databases.json"] = ('{ "cache": { "kind": "redis", "url": "%s" } }'):format(db.url),
      ["app/servers/area/remote/a.lua"] = "return {}",
    }
  end)
  teardown(function()
    redis.closeAll()
    net.closeAll()
    tree.remove(base)
  end)

  it("serves a program, and is on the list of pools", function()
    local program = tool.start { "start", base }
    assert(program:waitLine("^ready$", app.patience))
    for n = 1, 2 do
      local code, out = tool.run("hit", "-d", base)
      assert.same({ 0, ("area-1: %d\n"):format(n) }, { code, out })
    end
    local _, out = tool.run("list", "--pools", "-d", base)
    assert.matches("area%-1 +cache +redis +1 +0 +0 +2 +0 ", out)
    program:kill "sigterm"
    assert.equal(0, program:waitExit(app.patience))
  end)
end)
