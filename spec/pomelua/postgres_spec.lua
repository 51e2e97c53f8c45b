-- The options of PostgreSQL (postgres.lua, store/server_options.lua), and names in statements. What
-- a real server answers is in spec/core/store_postgres_spec.lua.
local databases = require "pomelua.config.databases"
local postgres = require "pomelua.postgres"
local server_options = require "pomelua.store.server_options"

local kind = databases.kinds.postgres

local function of(options) return server_options.of("postgres.open", options, kind) end

describe("the options of PostgreSQL", function()
  it("come from a URL, in parts, or both", function()
    assert.same({ host = "db", port = 6000, user = "game", password = "a@b", database = "game",
      sslmode = "verify-full", sslrootcert = "ca.pem" },
      of { url = "postgres://game:a%40b@db:6000/game?sslmode=verify-full&sslrootcert=ca.pem" })
    assert.same({ host = "db", port = 5432, user = "game", database = "game", password = "x",
      connections = 2, waiting = 9, timeout = 100, rows = 5, bytes = 2048, idle = 1000,
      transaction = 50 },
      of { url = "postgresql://game@db/game", password = "x", connections = 2, waiting = 9,
        timeout = 100, rows = 5, bytes = 2048, idle = 1000, transaction = 50 })
    assert.same({ host = "/run/postgresql", user = "game", database = "game" },
      of { host = "/run/postgresql", user = "game", database = "game" })
  end)

  it("are refused at the game's line, without a secret in the message", function()
    local url = "postgres://game:hidden@db/game"
    local cases = {
      { "url", "a table, got a string" }, { { url = 5 }, "url must be a text, got a number" },
      { {}, "the host is missing" }, { { url = "postgres://db/game" }, "the user is missing" },
      { { url = "mysql://game:hidden@db/game" }, "mysql:// is no scheme here" },
      { { url = "postgres://game:hidden@db" }, "the name of the database is missing" },
      { { url = url .. "?sslmode=maybe" }, "sslmode is one of allow, disable" },
      { { url = url .. "?ssl=on" }, "behind ? stand sslmode and sslrootcert" },
      { { url = url .. "?sslmode=allow&sslmode=allow" }, "each once" },
      { { url = url, password = "hidden" }, "the url has the password, too" },
      { { url = url, sslmode = "" }, "sslmode must be a text" },
      { { url = url, port = 0 }, "port must be a whole number from 1 to 65535, got 0" },
      { { url = "postgres://game:hidden@db:x/game" }, "stands its port" },
      { { url = url, conections = 4 }, "there is no option conections; did you mean connections?" },
      { { url = url, connections = 0 }, "connections must be a whole number from 1 to 64, got 0" },
      { { url = url, timeout = 1.5 }, "timeout must be a whole number" },
      { { url = url, transaction = 1 }, "transaction must be a whole number from 10" },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(postgres.open, case[1])
      assert.is_false(ok)
      assert.matches(case[2], err, 1, true)
      assert.matches("^spec/pomelua/postgres_spec.lua:%d+: postgres.open", err)
      assert.is_nil(err:find("hidden", 1, true))
    end
  end)
end)

describe("postgres.ident", function()
  it("writes a name as PostgreSQL reads it", function()
    assert.equal('"players"', postgres.ident "players")
    assert.equal('"a""b"', postgres.ident 'a"b')
    for _, wrong in ipairs { "", ("x"):rep(64), "a\0b", 5 } do
      assert.matches("postgres.ident", select(2, pcall(postgres.ident, wrong)), 1, true)
    end
  end)
end)
