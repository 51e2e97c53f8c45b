local test = require "pomelua.test"

-- The game's folder is the one above this file.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("the table", function()
  local server

  before_each(function()
    server = test.server { base = base, type = "table", id = "table-1" }
  end)

  local function join(name)
    return server:rpc("tableRemote.join", name, "connector-1")
  end

  local function roll(name)
    return server:request("table.tableHandler.roll", {}, { uid = name, frontendId = "connector-1" })
  end

  it("tells who sits at it, and tells the others who comes", function()
    local _, players = join "ann"
    assert.same({ "ann" }, players)
    _, players = join "bob"
    assert.same({ "ann", "bob" }, players)
    assert.same({ { route = "onJoin", msg = { name = "bob" }, to = { "ann" } } }, server:pushed())
  end)

  it("has a name once", function()
    join "ann"
    assert.equal("this name is taken", join("ann").message)
  end)

  it("shows every roll to everybody", function()
    join "ann"
    join "bob"
    server:pushed()
    local answer = roll "ann"
    assert.equal(200, answer.code)
    assert.is_true(answer.points >= 1 and answer.points <= 6)
    local push = server:pushed()[1]
    assert.same({ "ann", "bob" }, push.to)
    assert.same({ name = "ann", points = answer.points, score = answer.score }, push.msg)
  end)

  it("lets only those roll who sit", function()
    assert.equal(403, roll("carol").code)
  end)
end)
