-- What counts as a call of old code that still runs (live/census.lua).
local world = require "spec.support.world"
local census = require "pomelua.live.census"

describe("a call of an old generation counts", function()
  local w, one, old

  before_each(function()
    w = world.single()
    one = w:load("connector-1", { settings = { serverConfig = { awaitTimeout = 60000 } } })
    old = one.generation
  end)
  after_each(function() w:close() end)

  -- A generation comes into force while what fn began goes on.
  local function count_of(fn)
    w:run("connector-1", fn)
    one.generation = setmetatable({ number = old.number + 1 }, { __index = old })
    local counts = census.running(one)
    one.generation = old
    return counts
  end

  local pomelua = require "pomelua"
  for what, fn in pairs {
    ["while it waits for a callback"] = function() pomelua.await(function() end) end,
    ["while it sleeps"] = function() pomelua.sleep(1000) end,
    ["while its timer runs"] = function(server) server.app:setTimeout(1000, function() end) end,
    ["once, whatever it waits for"] = function(server)
      server.app:setTimeout(1000, function() end)
      pomelua.await(function() end)
    end,
  } do
    it(what, function()
      assert.same({ calls = 1, by = { [old.number] = 1 } }, count_of(function() fn(one) end))
    end)
  end

  it("no more when it has ended", function()
    assert.same({ calls = 0, by = {} }, count_of(function() end))
  end)

  it("not when it is of the code in force", function()
    w:run("connector-1", function() pomelua.await(function() end) end)
    assert.same({ calls = 0, by = {} }, census.running(one))
  end)
end)
