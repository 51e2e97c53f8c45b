local current = require "pomelua.base.current"
local unit = require "pomelua.run.unit"

describe("a unit", function()
  local one, ended

  before_each(function()
    one, ended = unit.new { path = "/app/x.lua", name = "x.lua" }, {}
  end)

  local function finish(made, of) ended[#ended + 1] = { made = made, unit = of } end

  it("ends each thing that it has made, once", function()
    local a, b = { name = "a" }, { name = "b" }
    one:on_end(a, finish)
    one:on_end(b, finish)
    one:on_end(a, finish)
    one:finish()
    table.sort(ended, function(x, y) return x.made.name < y.made.name end)
    assert.same({ { made = a, unit = one }, { made = b, unit = one } }, ended)
    one:finish()
    assert.equal(2, #ended)
  end)

  it("does not end what has ended by itself", function()
    local a, b = {}, {}
    one:on_end(a, finish)
    one:on_end(b, finish)
    one:forget(a)
    one:finish()
    assert.equal(1, #ended)
    assert.equal(b, ended[1].made)
  end)

  it("may be told while it ends that one thing has ended", function()
    local list = { {}, {}, {} }
    for _, made in ipairs(list) do
      one:on_end(made, function(m, of)
        ended[#ended + 1] = m
        of:forget(m)
      end)
    end
    one:finish()
    assert.equal(3, #ended)
  end)
end)

describe("what a file makes comes into force", function()
  local calls
  local function count() calls = calls + 1 end
  before_each(function() calls = 0 end)

  it("at once when its generation is", function()
    unit.when_active({ state = "active", held = {} }, count)
    assert.equal(1, calls)
  end)

  it("with its generation while that is being prepared", function()
    local gen = { state = "prepared", held = {} }
    unit.when_active(gen, count)
    assert.equal(0, calls)
    assert.same({ count }, gen.held)
  end)

  it("never when its generation is over", function()
    local gen = { state = "over", held = {} }
    unit.when_active(gen, count)
    assert.equal(0, calls)
    assert.same({}, gen.held)
  end)
end)

describe("what runs belongs to", function()
  local server, before = { generation = { number = 7 } }, nil
  before_each(function() before = current.task end)
  after_each(function() current.task = before end)

  it("the generation in force outside of any task", function()
    current.task = nil
    assert.equal(server.generation, unit.of_task(server))
    assert.is_nil(unit.loading())
    assert.is_nil(unit.prepared())
  end)

  it("the generation of its owner", function()
    local gen = { number = 3 }
    current.task = { owner = { generation = gen } }
    assert.equal(gen, unit.of_task(server))
  end)

  it("the generation that it loads, before that of its owner", function()
    local gen, one = { number = 4, state = "prepared" }, {}
    current.task = { owner = { generation = {} }, loading = gen, unit = one }
    assert.equal(gen, unit.of_task(server))
    assert.equal(gen, unit.prepared())
    assert.equal(one, (unit.loading()))
    gen.state = "active"
    assert.is_nil(unit.prepared())
  end)
end)
