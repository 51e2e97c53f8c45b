local probe = require "pomelua.run.jit_probe"

describe("the compiler's probe", function()
  it("finds nothing wrong with the LuaJIT that runs this", function()
    assert.is_nil(probe())
  end)

  it("says what is wrong with one that loses arguments", function()
    local calls = 0
    local function wrong_when_hot(...)
      calls = calls + 1
      return (select(calls < 3 and 1 or 2, ...))
    end
    assert.equal("it loses arguments of vararg functions", probe(wrong_when_hot))
  end)
end)
