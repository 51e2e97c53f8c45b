-- busted runs under PUC Lua unless .busted says otherwise; then the specs would
-- test another language than the one that handlers are written in.
describe("the specs", function()
  it("run on LuaJIT", function()
    assert.is_table(jit)
    assert.matches("^LuaJIT 2%.1", jit.version)
  end)

  it("run with the compiler on or off as asked", function()
    assert.equal(os.getenv("POMELUA_JIT") ~= "off", (jit.status()))
  end)

  -- A LuaJIT of before August 2022 loses arguments here once the loop is compiled.
  it("run on a LuaJIT that keeps its arguments", function()
    local function first(...)
      local kept
      for _ = 1, 200 do
        local a = ...
        kept = a
      end
      return kept
    end
    for _ = 1, 200 do assert.equal("a", first("a", "b")) end
  end)
end)
