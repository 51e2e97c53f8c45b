-- What a client says of wrong arguments, at the line of the script. Tests client/arguments.lua and
-- client/options.lua.
local arguments = require "pomelua.client.arguments"
local client = require "pomelua.client"

local ROUTE = 'route must be a text such as "chat.chatHandler.send", got '

-- A client without a connection: what is checked is checked before one is needed.
local function offline()
  local methods, seen = {}, {}
  for name in ("request notify on expect kicked closed cut close"):gmatch "%a+" do
    methods[name] = function(_, ...)
      seen[#seen + 1] = { name, ... }
      return name, ...
    end
  end
  local module = arguments.guard({ wait = function(ms) return ms end }, methods)
  return methods, seen, module
end

describe("a client", function()
  for text, call in pairs {
    ["client:request(route, msg, ms): " .. ROUTE .. "nil"] = function(c) c:request() end,
    ["client:request(route, msg, ms): ms must be a number of milliseconds, got \"x\""] = function(c)
      c:request("a.b.c", {}, "x")
    end,
    ["client:request(route, msg, ms): ms must be a number of milliseconds, got nan"] = function(c)
      c:request("a.b.c", {}, 0 / 0)
    end,
    ["client:notify(route, msg): " .. ROUTE .. "5"] = function(c) c:notify(5) end,
    ["client:on(route, fn): fn must be a function, got a table"] = function(c) c:on("onA", {}) end,
    ["client:expect(route, match, ms): ms must be a number of milliseconds, got -1"] = function(c)
      c:expect("onA", nil, -1)
    end,
    ["client:kicked(ms): ms must be a number of milliseconds, got a table"] = function(c)
      c:kicked {}
    end,
    ["client:closed(ms): ms must be"] = function(c) c:closed "now" end,
    ['client:cut(how): how must be "rst" or "fin", got "rts"'] = function(c) c:cut "rts" end,
    ["client.request: write client:request(...) with a colon; the first argument is \"a.b.c\""] =
      function(c) c.request("a.b.c") end,
    ["client.wait(ms, check): ms must be a number of milliseconds, got nil"] = function(_, module)
      module.wait()
    end,
    ["client.wait(ms, check): check must be a function, got 5"] = function(_, module)
      module.wait(5, 5)
    end,
  } do
    it("says " .. text, function()
      local c, seen, module = offline()
      local ok, err = pcall(function() call(c, module) end)
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
      assert.matches("^[^\n]*client_arguments_spec%.lua:%d+: ", err)
      assert.same({}, seen)
    end)
  end

  it("gets what is right as it is", function()
    local c, seen, module = offline()
    assert.same({ "request", "a.b.c", false, 5 }, { c:request("a.b.c", false, 5) })
    c:notify("a.b.c")
    c:on("onA", nil)
    c:expect("onA", { a = 1 })
    c:cut()
    c:close()
    assert.same({
      { "request", "a.b.c", false, 5 }, { "notify", "a.b.c" }, { "on", "onA" },
      { "expect", "onA", { a = 1 } }, { "cut" }, { "close" },
    }, seen)
    assert.equal(math.huge, module.wait(math.huge, function() end))
  end)

  for text, options in pairs {
    ["there is no option prt; did you mean port?"] = { prt = 3010 },
    ["port is a number from 1 to 65535, got \"3010\""] = { port = "3010" },
    ["port is a number from 1 to 65535, got 70000"] = { port = 70000 },
    ["deadline is a number of milliseconds, got \"5s\""] = { port = 1, deadline = "5s" },
    ["move is true or false"] = { port = 1, move = "no" },
  } do
    it("is not connected when " .. text, function()
      local ok, err = pcall(function() return (client.connect(options)) end)
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
    end)
  end
end)
