-- What scripts and the framework write into the log, and values as texts.
-- Tests base/log.lua, base/pretty.lua and pretty.lua.
local world = require "spec.support.world"

describe("the log", function()
  local w, sid, one

  local function handler(fn)
    one = w:load("connector-1", { handlers = { h = { m = fn } } })
  end
  local function ask(body) return w:ask("connector-1", sid, "connector.h.m", body) end
  local function lines(pattern)
    local n = 0
    for _, line in ipairs(one.node:lines()) do
      if line.text:find(pattern) then n = n + 1 end
    end
    return n
  end

  before_each(function()
    w = world.single()
    one = w.servers["connector-1"]
    sid = one.node:openSession()
  end)
  after_each(function() w:close() end)

  it("takes ten lines a second of a kind that a client can cause, and then tells how many more",
    function()
      handler(function(_, _, _, next)
        next(nil, {})
        next(nil, {})
      end)
      for _ = 1, 100 do ask() end
      assert.equal(10, lines("answered twice"))
      w:advance(1000)
      assert.equal(1, lines("^90 more: second answers: connector.h.m$"))
      assert.equal(90, one.node:counts().linesLeftOut)
    end)

  it("takes so many from notifies that answer, errors and unknown methods", function()
    local function flood(pattern, send)
      local before = one.node:counts().linesLeftOut
      for i = 1, 50 do send(i) end
      assert.equal(10, lines(pattern), pattern)
      assert.equal(40, one.node:counts().linesLeftOut - before)
      w:advance(1000)
    end
    handler(function(_, msg, _, next)
      if msg.err then return next(msg.err) end
      return { code = 200 }
    end)
    flood("response to a notify", function()
      w:say("connector-1", sid, nil, "connector.h.m", {})
    end)
    flood("^connector.h.m: bad %d+$", function(i) ask { err = "bad " .. i } end)
    flood("fail to find handler", function(i) w:ask("connector-1", sid, "connector.h.no" .. i) end)
  end)

  it("tells a request's error five times in a minute, and then how many more there were", function()
    handler(function() error("boom") end)
    for _ = 1, 100 do assert.equal('{"code":500}', ask()) end
    assert.equal(5, lines("boom\nstack traceback"))
    w:advance(60000)
    assert.equal(1, lines("^95 more: connector.h.m: .*boom"))
    ask()
    assert.equal(6, lines("boom\nstack traceback"))
  end)

  it("takes twenty errors a second when each is another", function()
    handler(function(_, msg) error("boom " .. msg.i) end)
    for i = 1, 1000 do ask { i = i } end
    assert.is_true(lines("stack traceback") <= 20)
    assert.is_true(one.node:counts().linesLeftOut >= 980)
  end)

  it("tells the error of an interval once, and counts the others", function()
    w:run("connector-1", function()
      one.app:setInterval(100, function() error("tick") end)
    end)
    w:advance(10000)
    one.node:closeSession(sid)
    assert.equal(1, lines("tick\nstack traceback"))
    w:advance(51000)
    assert.equal(1, lines("^%d%d%d more: .*tick"))
  end)

  it("holds no line of a script back", function()
    handler(function()
      require("pomelua").log.info("mine")
      return {}
    end)
    for _ = 1, 100 do ask() end
    assert.equal(100, lines("^mine$"))
  end)

  it("writes %j as JSON, and what is none as a person reads it", function()
    local pomelua = require "pomelua"
    handler(function()
      pomelua.log.info("%j", { b = { 1, 2 } })
      pomelua.log.info("100%% of %s: %j and %5.1f", "x", { a = "é" }, 1.5)
      pomelua.log.info("%j %j", nil, print)
      pomelua.log.info("%j", { f = print })
      pomelua.log.info("json %d", "no number")
      return {}
    end)
    ask()
    assert.equal(1, lines('^{"b":%[1,2%]}$'))
    assert.equal(1, lines('^100%% of x: {"a":"é"} and   1.5$'))
    assert.equal(1, lines("^null function"))
    assert.equal(1, lines("^{ f = function: "))
    assert.equal(1, lines("^json %%d no number$"))
  end)

  it("takes values whose metamethods fail", function()
    local pomelua = require "pomelua"
    local bad = setmetatable({ a = 1 }, {
      __tostring = function() error("no") end, __index = function() error("no") end,
    })
    handler(function()
      require("pomelua.base.log").print("x", bad)
      pomelua.log.info(bad)
      pomelua.log.info("%j %s", bad, "y")
      return {}
    end)
    assert.equal("{}", ask())
    assert.equal(2, lines("table"))
    assert.equal(1, lines('^{"a":1} y$'))
  end)
end)

describe("pomelua.pretty", function()
  local pretty = require("pomelua").pretty

  it("is the module of that name, too", function()
    assert.equal(require "pomelua.base.pretty", require "pomelua.pretty")
  end)

  it("sorts keys, names what is seen already, and ends at a depth and a size", function()
    local t = { b = 1, a = { "x", "y" }, [3] = true }
    assert.equal('{ [3] = true, a = { "x", "y" }, b = 1 }', pretty(t))
    t = {}
    t.me = t
    assert.equal("{ me = (seen above) }", pretty(t))
    assert.equal("{ a = { a = { a = { a = {…} } } } }",
      pretty { a = { a = { a = { a = { a = {} } } } } })
    local wide = {}
    for i = 1, 300 do
      wide[i] = {}
      for k = 1, 300 do wide[i][k] = { k } end
    end
    assert.is_true(#pretty(wide) < 50000)
    assert.is_true(#pretty { ("x"):rep(1e6) } < 2000)
  end)

  it("writes whole numbers to 2^53 with all their digits", function()
    assert.equal("{ 9007199254740992, 1795843200123456, -7, 0.5, 1e+300, inf }",
      pretty { 2 ^ 53, 1795843200123456, -7, 0.5, 1e300, 1 / 0 })
    assert.equal("9007199254740991", pretty(2 ^ 53 - 1))
    assert.equal("{ [9007199254740991] = 1 }", pretty { [2 ^ 53 - 1] = 1 })
  end)

  it("has of the framework's objects what scripts may use", function()
    local w = world.single()
    local one = w:load("connector-1", {})
    local sid = one.node:openSession()
    local session = require("pomelua.session.session").new(one, sid)
    session:set("rid", { "lobby" })
    assert.equal(('pomelua.session {\n  frontendId = "connector-1",\n  id = %d,\n  settings = '
      .. '{ rid = { "lobby" } }\n}'):format(sid), pretty(session))
    local text = pretty(one.app)
    assert.matches("^pomelua%.app {", text)
    assert.is_nil(text:find("_server", 1, true))
    assert.equal("{ null }", pretty { require("pomelua").null })
    w:close()
  end)

  it("reads raw", function()
    local t = setmetatable({ 1 }, { __index = error, __len = error, __metatable = "no" })
    assert.equal("{ 1 }", pretty(t))
    local key = setmetatable({}, { __tostring = function() error("no") end })
    assert.is_truthy(pretty({ [key] = 1 }):find("table", 1, true))
  end)
end)
