-- pomelua.all: several functions at the same time.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("pomelua.all", function()
  local w, one

  local function run(fn)
    local got = {}
    w:run("connector-1", function() got.n = select("#", fn(got)) end)
    return got
  end

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
  end)
  after_each(function() w:close() end)

  it("waits as long as the slowest takes", function()
    local got, begin = {}, one.node:now()
    w:run("connector-1", function()
      got.result = pomelua.all {
        a = function() pomelua.sleep(30) return "A" end,
        b = function() pomelua.sleep(50) return "B", "second" end,
        function() return 1 end,
      }
      got.at = one.node:now() - begin
    end)
    w:advance(49)
    assert.is_nil(got.result)
    w:advance(1)
    assert.same({ a = "A", b = "B", "1" and 1 }, got.result)
    assert.equal(50, got.at)
  end)

  it("needs no wait when nothing waits", function()
    local got = run(function(got)
      got[1] = pomelua.all {}
      got[2] = pomelua.all { function() return false end, function() end, function() return 3 end }
    end)
    assert.same({ {}, { false, nil, 3 }, n = 0 }, got)
  end)

  it("returns the first error, when all have ended", function()
    local got, ended = {}, 0
    w:run("connector-1", function()
      got[1], got[2] = pomelua.all {
        function() pomelua.sleep(20) ended = ended + 1 return nil, "late" end,
        function() pomelua.sleep(10) ended = ended + 1 return nil, "early" end,
        function() pomelua.sleep(30) ended = ended + 1 return 1 end,
      }
    end)
    w:advance(10)
    w:advance(10)
    w:advance(10)
    assert.equal(3, ended)
    assert.is_nil(got[1])
    assert.equal("early", got[2].message)
  end)

  it("raises what one of them raises", function()
    local got = run(function(got)
      got[1], got[2] = pcall(pomelua.all, {
        function() error("no good", 0) end, function() return 1 end,
      })
    end)
    assert.same({ false, "no good", n = 0 }, got)
  end)

  it("gives up after awaitTimeout", function()
    local got = {}
    w:load("connector-1", { settings = { serverConfig = { awaitTimeout = 100 } } })
    w:run("connector-1", function()
      got[1], got[2] = pomelua.all { function() pomelua.sleep(500) end }
    end)
    w:advance(100)
    assert.equal("TIMEOUT", got[2].code)
    w:advance(500)
  end)

  it("says what is wrong", function()
    local function message(value)
      return run(function(got) got[1] = select(2, pcall(pomelua.all, value)) end)[1]
    end
    assert.matches("pomelua.all{ f, ... }: a table of functions, got a number", message(5), 1, true)
    assert.matches("the value at 2 is not a function but a table: write function() return",
      message { function() end, {} }, 1, true)
    assert.has_error(function() pomelua.all { function() end } end,
      "pomelua.all: only inside a function that the server called,"
      .. " and not in a coroutine of your own")
  end)
end)
