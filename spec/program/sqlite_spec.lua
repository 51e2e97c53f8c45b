-- SQLite in a running program: two servers on one file (store/sqlite_file.c), and what becomes of
-- calls and transactions when a handler, a session or a statement ends otherwise than it should.
local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local sqlite = require "spec.support.sqlite"
local tree = require "spec.support.tree"

local ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) "
  .. "select count(*) from r"

describe("SQLite in a program", function()
  local game, one, two

  setup(function()
    game = sqlite.start()
    one, two = game.one, game.two
  end)
  teardown(function()
    pomelo.closeAll()
    game.server:stop { "over its budget of 200 ms" }
  end)
  before_each(function() game:clear() end)

  it("is one file for all servers, written by all of them at the same time", function()
    local asked = {}
    for i = 1, 100 do
      for _, client in ipairs { one, two } do
        local id = game:begin(client, "exec", "insert into t values (" .. i .. ")")
        asked[#asked + 1] = { client, id }
      end
    end
    for _, item in ipairs(asked) do assert.equal(1, game:answer(item[1], item[2]).value) end
    assert.equal(200, game:count())
  end)

  it("reads while another server's transaction is open", function()
    game:insert(one, 1)
    local id = game:begin(one, "hold", "insert into t values (2)")
    local other = game:connect "connector-1"
    game:waitHeld(other)
    assert.equal(1, game:count())
    game:ask(other, "release")
    assert.equal(1, game:answer(one, id).value)
    assert.equal(3, game:count())
    other:close()
  end)

  it("rolls back the transaction of a handler that is stopped by its budget", function()
    assert.equal(500, game:ask(one, "spin", "insert into t values (1)").code)
    assert.equal(1, game:insert(two, 2).value)
    assert.equal(1, game:count())
  end)

  it("rolls back the transaction of a session that ends", function()
    local third = game:connect "connector-1"
    third:notify("connector.h.hold", { sql = "insert into t values (1)" })
    game:waitHeld(one)
    third:close()
    assert.equal(1, game:insert(two, 2).value)
    game:ask(one, "release")
    assert.equal(1, game:count())
  end)

  it("interrupts a statement at its deadline, and goes on", function()
    assert.equal("TIMEOUT", game:ask(one, "hasty", ENDLESS).failed)
    assert.equal(1, game:insert(one, 1).value)
    assert.equal(1, game:count())
  end)

  it("says which file cannot be opened, each time, and does the rest", function()
    for _ = 1, 2 do
      local answer = game:ask(one, "folder")
      assert.same({ "DB", "58030" }, { answer.failed, answer.state })
      assert.matches("/app: unable to open database file$", answer.message)
    end
    assert.equal(1, game:insert(one, 1).value)
  end)

  it("lets a transaction of the code before a reload finish", function()
    local id = game:begin(two, "hold", "insert into t values (1)")
    local other = game:connect "connector-2"
    game:waitHeld(other)
    tree.write(game.dir, "app/servers/connector/handler/h.lua",
      (sqlite.HANDLER:gsub("version = 1", "version = 2")))
    local reload = net.spawn(net.built("pomelua"), { "reload", game.dir })
    assert.equal(0, reload:waitExit(app.patience))
    assert.equal(2, game:ask(other, "held").version)
    game:ask(other, "release")
    local answer = game:answer(two, id)
    assert.same({ 1, 1 }, { answer.value, answer.version })
    assert.equal(2, game:count())
    other:close()
  end)
end)
