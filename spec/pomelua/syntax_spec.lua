-- What a compiler's message says to people who come from JavaScript.
local syntax = require "pomelua.live.syntax"

describe("a file that does not compile", function()
  local function told(line)
    local text = "local x = 1\n" .. line .. "\nreturn x\n"
    local chunk, message = load(text, "@app.lua")
    assert.is_nil(chunk)
    local whole = syntax.explain(message, text)
    assert.equal(message, whole:sub(1, #message))
    return whole:sub(#message + 1)
  end

  for line, meant in pairs {
    ["if x != 2 then end"] = "unequal is ~=", ["if x !== 2 then end"] = "unequal is ~=",
    ["if x === 2 then end"] = "equal is ==", ["x += 1"] = "x = x + 1", ["x++"] = "x = x + 1",
    ["local f = (a) => a"] = "function(a, b) ... end", ["if x && x then end"] = "`and`",
    ["local y = x || 2"] = "`or`", ["if !x then end"] = "`not`", ["// note"] = "begins with --",
    ["/* note */"] = "begins with --", ["var y = 1"] = "begins with local",
    ["let y = 1"] = "begins with local", ["const y = 1"] = "begins with local",
    ["local f = function() { return 1 }"] = "function(a, b) ... end",
    ["if (x) { }"] = "if condition then ... end", ["try {"] = "pcall(f, ...)",
    ["local y = x ? 1 : 2"] = "a and b or c", ["local y = `x`"] = "a text is written in",
    ["for i=1,2 do continue end"] = "no continue in Lua",
    ["if x then elseif x then else if x then end"] = "line 2: it is elseif in Lua",
  } do
    it("is told what was meant: " .. line, function()
      assert.truthy(told(line):find(meant, 1, true), told(line))
    end)
  end

  it("is told of as Lua does where nothing is known", function()
    for _, line in ipairs { "for", "local = 5", "x = = 2", 'print("a != b" "c" 5)',
      "x = 5 -- != 5 )\n)" } do
      assert.equal("", told(line))
    end
    assert.equal("no line", syntax.explain("no line", ""))
  end)
end)
