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
end)
