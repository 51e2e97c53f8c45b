-- core.scratch (core/bind/l_scratch, core/script/scratch): one call in a Lua state of its own.
local core = require "pomelua.core"
local tree = require "spec.support.tree"

describe("core.scratch", function()
  local folder, path = nil, package.path

  setup(function()
    folder = tree.new()
    package.path = folder .. "/?.lua;" .. path
  end)
  teardown(function()
    package.path = path
    tree.remove(folder)
  end)

  -- Runs a module's function in the other state.
  local function run(body, text, ms, mib)
    tree.write(folder, "one.lua", "return function(text) " .. body .. " end")
    return core.scratch("one", text or "", ms or 0, mib or 0)
  end

  it("gives what the function returns, byte by byte", function()
    assert.equal("<a\0b>", run("return '<' .. text .. '>'", "a\0b"))
  end)

  it("shares nothing with this state", function()
    assert.equal("nil", run "mine = 1; return tostring(yours)")
    assert.is_nil(rawget(_G, "mine"))
    assert.is_nil(package.loaded.one)
  end)

  it("gives an error as a message", function()
    local text, message, name = run "error('on purpose')"
    assert.is_nil(text)
    assert.matches("one.lua:1: on purpose", message, 1, true)
    assert.equal("SCRIPT", name)
    assert.matches("gave no text", select(2, run "return {}"), 1, true)
    assert.matches("one", select(2, run "return ("), 1, true)
    assert.matches("not found", select(2, core.scratch("no.such.module", "", 0, 0)), 1, true)
  end)

  it("stops what takes too long, wherever it runs", function()
    for _, body in ipairs {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "coroutine.wrap(function() while true do end end)()",
      "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) "
        .. "while true do pcall(function() return t[1] end) end",
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
    } do
      local text, message = run(body, "", 50)
      assert.is_nil(text)
      assert.matches("stopped: over its budget of 50 ms", message, 1, true)
    end
  end)

  it("stops what holds too much memory", function()
    local text, message = run("local t = {} while true do t[#t + 1] = {} end", "", 5000, 20)
    assert.is_nil(text)
    assert.matches("it holds more than 20 MiB", message, 1, true)
  end)

  it("raises on wrong types", function()
    for _, args in ipairs {
      {}, { "one" }, { "one", "" }, { "one", "", 1 }, { "one", "", -1, 0 }, { "one", "", 0, -1 },
      { "one", "", 0 / 0, 0 }, { "o\0ne", "", 0, 0 },
    } do assert.has_error(function() core.scratch(unpack(args, 1, 4)) end) end
  end)
end)
