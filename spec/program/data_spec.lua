-- The walk of docs/data.md, in the game that `pomelua init` writes: a table, a query and a spec.
-- The blocks of the document that name a file are that file.
local document = require "spec.support.document"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local TEXT = read "docs/data.md"

-- The part of the document that is the walk.
local WALK = TEXT:sub(assert(TEXT:find("\n## In ten minutes\n", 1, true)),
  assert(TEXT:find("\n## Which databases there are", 1, true)))

describe("the walk of docs/data.md", function()
  local base, game

  setup(function()
    base = tree.new {}
    game = base .. "/game"
    assert.equal(0, (tool.run("init", game)))
    local files = document.files(WALK)
    for _, path in ipairs { "config/databases.json", "spec/table_spec.lua",
      "app/migrations/players/001_players.sql", "app/servers/table/handler/tableHandler.lua" } do
      tree.write(game, path, assert(files[path], path))
    end
  end)
  teardown(function()
    net.closeAll()
    os.execute(("rm -rf '%s'"):format(base)) -- with the files whose names begin with a dot
  end)

  it("adds a line to the page behind one that is there", function()
    local line = assert(WALK:match("\n```js\n([^\n]+\n)"))
    assert.truthy(read("lua/pomelua/template/web/index.html"):find(line, 1, true))
  end)

  it("makes a game without faults", function()
    local code, out = tool.run("check", game)
    assert.equal(0, code)
    assert.matches("^0 faults, 0 warnings in ", out)
  end)

  it("makes a game that passes its spec", function()
    local process = net.spawn(net.built("pomelua"), { "test", game }, { preload = true })
    local status = assert(process:waitExit(60000))
    assert(status == 0, process.out .. process.err)
    assert.matches("3 successes / 0 failures / 0 errors / 0 pending", process.out)
  end)

  it("makes the tables of the game", function()
    local code, out = tool.run("migrate", game)
    assert.same({ 0, "app/migrations/players/001_players.sql: done\n" }, { code, out })
    assert(io.open(game .. "/data/players.db")):close()
  end)
end)
