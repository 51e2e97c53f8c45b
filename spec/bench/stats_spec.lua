local stats = dofile("bench/stats.lua")

local function range(n)
  local list = {}
  for i = 1, n do list[i] = n + 1 - i end -- not in order
  return list
end

describe("statistics of the benchmark", function()
  it("the median is the middle one, or between the two of them", function()
    assert.is_nil(stats.median {})
    assert.equal(4, stats.median { 4 })
    assert.equal(2, stats.median { 3, 1, 2 })
    assert.equal(2.5, stats.median { 4, 1, 3, 2 })
  end)

  it("the interval of the median is that of the sign test's tables", function()
    for n, low in pairs { [6] = 1, [8] = 1, [9] = 2, [12] = 3, [20] = 6, [25] = 8, [50] = 18 } do
      assert.same({ low, n + 1 - low }, { stats.interval(range(n)) })
    end
  end)

  it("few values have an interval of all of them, none has none", function()
    assert.same({ 1, 5 }, { stats.interval(range(5)) })
    assert.same({ 1, 1 }, { stats.interval(range(1)) })
    assert.same({}, { stats.interval {} })
  end)
end)
