-- One-shot timers of a node (core/bind/l_timer, core/node/script_timers).
local core = require "pomelua.core"

describe("timers", function()
  local node, fired

  before_each(function()
    fired = {}
    node = core.node { id = "chat-1", type = "chat" }
    node:entries { timer = function(id) fired[#fired + 1] = id end }
  end)
  after_each(function() node:close() end)

  it("fire once, in order, when time has come", function()
    local late, soon, now = node:timer(30), node:timer(10), node:timer(0)
    node:settle()
    assert.same({}, fired)
    node:advance(9)
    assert.same({ now }, fired)
    node:advance(100)
    assert.same({ now, soon, late }, fired)
    assert.is_false(node:cancel(late))
    assert.equal(0, node:counts().timers)
  end)

  it("are cancelled, once", function()
    local a, b = node:timer(5), node:timer(5)
    assert.is_true(node:cancel(a))
    assert.is_false(node:cancel(a))
    assert.is_false(node:cancel(0))
    assert.is_false(node:cancel(b + 0.5))
    node:advance(10)
    assert.same({ b }, fired)
  end)

  it("may be started and cancelled inside one", function()
    local other
    node:entries { timer = function(id)
      fired[#fired + 1] = id
      if #fired == 1 then
        assert.is_true(node:cancel(other))
        assert.is_false(node:cancel(id))
        node:timer(1)
      end
    end }
    node:timer(5)
    other = node:timer(5)
    node:advance(5)
    assert.equal(1, #fired)
    node:advance(1)
    assert.equal(2, #fired)
  end)

  it("whose function raises are logged, and the rest goes on", function()
    node:entries { timer = function(id)
      fired[#fired + 1] = id
      error({ code = #fired })
    end }
    node:timer(1)
    node:timer(2)
    node:advance(5)
    assert.equal(2, #fired)
    local lines = node:lines()
    assert.equal(2, #lines)
    assert.matches("^timer: %(error object: table%)\nstack traceback", lines[1].text)
  end)

  it("raise on wrong times", function()
    for _, ms in ipairs { -1, 0 / 0, 1 / 0, 2 ^ 32 } do
      assert.error(function() node:timer(ms) end)
      assert.error(function() node:advance(ms) end)
    end
    assert.error(function() node:timer("soon") end)
    assert.error(function() node:timer() end)
    assert.error(function() node:cancel({}) end)
  end)
end)
