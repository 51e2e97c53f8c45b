-- Tasks that wait, timers of scripts, listeners of events.
-- Tests run/task.lua, run/script_timers.lua, run/timers.lua and run/event.lua.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("await", function()
  local w, one, result

  local function run(fn)
    result = nil
    w:run("connector-1", function()
      local function keep(...) result = { n = select("#", ...), ... } end
      keep(fn())
    end)
  end

  before_each(function()
    w = world.single()
    one = w:load("connector-1", { settings = { serverConfig = { awaitTimeout = 1000 } } })
  end)
  after_each(function() w:close() end)

  it("gives true for cb(nil) and for cb()", function()
    run(function() return pomelua.await(function(cb) cb(nil) end) end)
    assert.same({ n = 1, true }, result)
    run(function() return pomelua.await(function(cb) cb() end) end)
    assert.same({ n = 1, true }, result)
  end)

  it("gives the values behind the error, nils in place", function()
    run(function() return pomelua.await(function(a, cb) cb(nil, a, nil, 3) end, "x") end)
    assert.same({ n = 3, "x", nil, 3 }, result)
  end)

  it("gives nil, err for an error", function()
    run(function() return pomelua.await(function(cb) cb("bad") end) end)
    assert.same({ n = 2, nil, "bad" }, result)
  end)

  it("waits for a callback that comes later", function()
    run(function()
      return pomelua.await(function(cb) one.app:setTimeout(100, function() cb(nil, 5) end) end)
    end)
    assert.is_nil(result)
    w:advance(100)
    assert.same({ n = 1, 5 }, result)
  end)

  it("takes anything callable", function()
    local callable = setmetatable({}, { __call = function(_, x, cb) cb(nil, x) end })
    run(function() return pomelua.await(callable, 9) end)
    assert.same({ n = 1, 9 }, result)
  end)

  it("ends with TIMEOUT, each wait at its own time", function()
    local ends = {}
    for i = 1, 3 do
      w:run("connector-1", function()
        local _, err = pomelua.await(function() end)
        ends[#ends + 1] = i .. err.code
      end)
      w:advance(300)
    end
    w:advance(100)
    assert.same({ "1TIMEOUT" }, ends)
    w:advance(600)
    assert.same({ "1TIMEOUT", "2TIMEOUT", "3TIMEOUT" }, ends)
  end)

  it("drops and counts a second call, also one that comes after the deadline", function()
    local kept
    run(function()
      return pomelua.await(function(cb)
        kept = cb
        cb(nil, 1)
        cb(nil, 2)
      end)
    end)
    assert.same({ n = 1, 1 }, result)
    kept(nil, 3)
    assert.equal(2, one.tasks.dropped)
  end)

  it("lets an error of f through", function()
    run(function() return pcall(pomelua.await, function() error("no", 0) end) end)
    assert.same({ n = 2, false, "no" }, result)
  end)

  it("says so when there is nothing that could wait", function()
    assert.has_error(function() pomelua.await(function() end) end,
      "pomelua.await: only inside a function that the server called,"
      .. " and not in a coroutine of your own")
    run(function() return coroutine.wrap(function() return pcall(pomelua.sleep, 1) end)() end)
    assert.is_false(result[1])
  end)

  it("is told of a coroutine.yield in its place, with the line", function()
    w:run("connector-1", function() coroutine.yield() end)
    assert.is_true(w:logged("connector-1", "error", "task_spec.lua:" ..
      debug.getinfo(1, "l").currentline - 2 .. ": coroutine.yield outside of a coroutine"))
  end)

  it("does not mix up waits when a yield was not possible", function()
    local late
    run(function()
      pcall(function()
        table.sort({ 2, 1 }, function() pomelua.await(function(cb) late = cb end) end)
      end)
      local value = pomelua.await(function(cb)
        one.app:setTimeout(10, function() cb(nil, "right") end)
      end)
      return value
    end)
    late(nil, "wrong")
    assert.is_nil(result)
    w:advance(10)
    assert.same({ n = 1, "right" }, result)
  end)

  it("resumes a chain of waits without nesting coroutines", function()
    local callbacks, count = {}, 0
    for i = 1, 2000 do
      w:run("connector-1", function()
        pomelua.await(function(cb) callbacks[i] = cb end)
        count = count + 1
        if callbacks[i + 1] then callbacks[i + 1](nil) end
      end)
    end
    callbacks[1](nil)
    assert.equal(2000, count)
  end)
end)

describe("timers", function()
  local w, app
  before_each(function()
    w = world.single()
    app = w.servers["connector-1"].app
  end)
  after_each(function() w:close() end)

  it("fire once, or until they are cleared", function()
    local once, often = 0, 0
    app:setTimeout(10, function() once = once + 1 end)
    local id = app:setInterval(10, function() often = often + 1 end)
    w:advance(35)
    assert.equal(1, once)
    assert.equal(3, often)
    assert.is_true(app:clearTimer(id))
    w:advance(50)
    assert.equal(3, often)
    assert.is_false(app:clearTimer(id))
  end)

  it("may be cleared by their own callback", function()
    local id, n = nil, 0
    id = app:setInterval(10, function()
      n = n + 1
      app:clearTimer(id)
    end)
    w:advance(100)
    assert.equal(1, n)
  end)

  it("may wait in their callback", function()
    local done
    app:setTimeout(10, function()
      pomelua.sleep(20)
      done = true
    end)
    w:advance(10)
    assert.is_nil(done)
    w:advance(20)
    assert.is_true(done)
  end)

  it("refuse arguments in the wrong order", function()
    assert.has_error(function() app:setTimeout(print, 10) end,
      "setTimeout(ms, fn): ms must be a number of milliseconds from 0 to 2^31, got function")
  end)
end)

describe("app.event", function()
  local w, event
  before_each(function()
    w = world.single()
    event = w.servers["connector-1"].event
  end)
  after_each(function() w:close() end)

  it("calls listeners in order, once ones once, and none that is off", function()
    local seen = {}
    local function gone() seen[#seen + 1] = "gone" end
    event:on("x", function(a) seen[#seen + 1] = "a" .. a end)
    event:once("x", function() seen[#seen + 1] = "once" end)
    event:on("x", gone)
    event:off("x", gone)
    assert.is_true(event:emit("x", 1))
    assert.is_true(event:emit("x", 2))
    assert.same({ "a1", "once", "a2" }, seen)
    assert.is_false(event:emit("y"))
  end)

  it("calls a function that is on and once as often as it was asked", function()
    local n = 0
    local function f() n = n + 1 end
    event:on("x", f)
    event:once("x", f)
    event:emit("x")
    assert.equal(2, n)
    event:emit("x")
    assert.equal(3, n)
  end)

  it("logs a listener's error and goes on", function()
    local seen
    event:on("x", function() error "boom" end)
    event:on("x", function() seen = true end)
    event:emit("x")
    assert.is_true(seen)
    assert.is_true(w:logged("connector-1", "error", "listener of x: "))
  end)

  it("lets a listener wait", function()
    local seen
    event:on("x", function()
      pomelua.sleep(5)
      seen = true
    end)
    event:emit("x")
    w:advance(5)
    assert.is_true(seen)
  end)
end)
