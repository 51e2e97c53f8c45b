-- SQLite in a running program that is killed, that stops, and whose file another process locks.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local core = require "pomelua.core"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local sqlite = require "spec.support.sqlite"
local tree = require "spec.support.tree"

describe("SQLite in a program", function()
  local game

  before_each(function()
    game = sqlite.start()
    game:clear()
  end)
  after_each(function()
    pomelo.closeAll()
    net.closeAll()
    tree.remove(game.dir)
  end)

  -- How many rows the file has, when no program has it open.
  local function count(where, ...)
    local file = assert(core.store(nil, "sqlite", { file = game.file }))
    local sql = "select count(*) as n from t where " .. where
    local _, err, rows = file:submit("query", sql, { ... })
    file:close()
    assert.is_nil(err)
    return rows[1].n
  end

  it("answers BUSY when another process keeps the lock", function()
    local other = assert(core.store(nil, "sqlite", { file = game.file }))
    local _, _, tx = other:submit("begin")
    local answer = game:insert(game.one, 1) -- after 2 s
    assert.equal("BUSY", answer.failed)
    assert.equal("another process holds the lock of the file", answer.message)
    assert.equal(0, game:count()) -- reading goes on
    other:submit("rollback", nil, nil, nil, tx)
    other:close()
    assert.equal(1, game:insert(game.one, 1).value)
    pomelo.closeAll()
    game.server:stop()
  end)

  it("keeps what was answered when it is killed in the middle of writes", function()
    local asked = {}
    for i = 1, 300 do
      asked[i] = game:begin(game.one, "exec", "insert into t values (" .. i .. ")")
    end
    for i = 1, 40 do assert.equal(1, game:answer(game.one, asked[i]).value) end
    game.server.process:kill("sigkill")
    game.server.process:waitExit(app.patience)
    assert.equal(40, count("x <= $1", 40))
  end)

  it("rolls back what is open when it stops, and leaves one file", function()
    game:insert(game.one, 1)
    game:ask(game.one, "linger", "insert into t values (2)")
    game:waitHeld(game.one)
    pomelo.closeAll()
    game.server.process:kill("sigint")
    assert.equal(0, game.server.process:waitExit(app.patience))
    assert.same({}, game.server:complaints {})
    assert.is_nil(io.open(game.file .. "-wal"))
    assert.equal(1, count("true"))
  end)
end)
