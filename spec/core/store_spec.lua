-- core.store (bind/l_store.c): a store whose options are wrong leaves nothing behind, and a
-- command's store goes by the time that it is.
local core = require "pomelua.core"

describe("core.store", function()
  it("raises for a wrong option, and its server and its loop end all the same", function()
    local node = core.node { id = "game-1", type = "game" }
    local wrong = { host = "127.0.0.1", user = "game", connections = 0 }
    local ok, message = pcall(core.store, node, "postgres", wrong)
    assert.is_false(ok)
    assert.matches("connections must be a number from 1 to", message)
    node:close()
    assert.has_error(function() core.store(nil, "postgres", wrong) end)
    collectgarbage()
    collectgarbage()
  end)

  it("of a command counts a call's time from when it is asked", function()
    local store = assert(core.store(nil, "sqlite", { file = ":memory:" }))
    local function ask() return select(2, store:submit("query", "select 1 as one", nil, 500)) end
    assert.is_nil((ask()))
    local from = core.clock()
    while core.clock() - from < 600 do end -- the program does something else meanwhile
    assert.is_nil((ask()))
    store:close()
  end)

  it("has no answer at once of a call that a thread, or nobody, can answer", function()
    local store = assert(core.store(nil, "sqlite", { file = ":memory:" }))
    assert.is_nil(store:now("select 1", nil))
    assert.is_nil(store:now("select $1", 1, 7))
    assert.is_nil(store:now("select $1", { function() end, n = 1 })) -- submit says what is wrong
    assert.has_error(function() store:now() end)
    assert.has_error(function() store:now("select $1", 2, 7) end)
    store:close()
  end)
end)
