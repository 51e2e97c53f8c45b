-- The process in which a text is parsed before a server loads it (script/syntax_check.c), and
-- what of bind/l_watch.c there is without a loop; spec/live has the rest.
local core = require "pomelua.core"
local net = require "spec.support.net"
local uv = require "luv"

describe("pomelua --check", function()
  after_each(net.closeAll)

  local function check(text)
    local p = net.spawn(net.built "pomelua", { "--check", "app/a.lua" })
    p:write(text)
    p:write(nil)
    local code, signal = p:waitExit()
    return code, signal, p.err
  end

  it("is silent about what is Lua", function()
    for _, text in ipairs { "", "return 1", "#!shebang\nreturn 1", ("x = 1\n"):rep(50000) } do
      assert.same({ 0, 0, "" }, { check(text) })
    end
  end)

  it("names the file and the line of what is not", function()
    assert.same({ 1, 0, "app/a.lua:2: unexpected symbol near '='" }, { check "local x\nx = = 1" })
  end)

  it("takes no bytecode", function()
    local code, _, message = check(string.dump(loadstring "return 1"))
    assert.equal(1, code)
    assert.matches("attempt to load chunk with wrong mode", message)
  end)

  -- Which texts a parser does not survive differs between LuaJITs: here it has too small a stack.
  it("ends instead of the server when the parser crashes, and says no more than that", function()
    local p = net.spawn("prlimit",
      { "--stack=147456", net.built "pomelua", "--check", "app/a.lua" })
    p:write("return " .. ("function() return "):rep(90) .. "1" .. (" end"):rep(90))
    p:write(nil)
    local _, signal = p:waitExit()
    assert.same({ uv.constants.SIGSEGV, "" }, { signal, p.err })
  end)
end)

describe("a virtual node", function()
  local node
  before_each(function() node = core.node { id = "chat-1", type = "chat" } end)
  after_each(function() node:close() end)

  it("watches nothing and starts no processes", function()
    local function never() error "called" end
    assert.same({ nil, "/tmp: cannot be watched", "INVAL" }, { node:watch("/tmp", never) })
    assert.same({ nil, "no process to check the text in", "INVAL" },
      { node:check("a", "return 1", never) })
    assert.is_false(node:unwatch(1))
  end)

  it("wants a function", function()
    assert.has_error(function() node:watch("/tmp") end)
    assert.has_error(function() node:check("a", "return 1") end)
  end)

  it("knows the generation of what is open", function()
    node:entries { forwarded = function() end, call = function() end }
    node:setGeneration(1)
    node:peer("connector-1", true)
    node:deliver { from = "connector-1", kind = "forward", call = 1, ms = 1000, session = 5,
      route = "chat.a.b", msgType = 0, msgId = 1, body = "{}" }
    node:deliver { from = "connector-1", kind = "call", call = 2, ms = 1000, route = "a.b",
      body = "[]" }
    node:settle()
    assert.same({ {}, {} }, { node:older() })
    node:setGeneration(2)
    local requests, calls = node:older()
    local _, first = next(requests)
    local _, second = next(calls)
    assert.same({ 1, 1 }, { first, second })
    node:advance(20000)
    assert.same({ {}, {} }, { node:older() })
  end)
end)
