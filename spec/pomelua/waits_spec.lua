-- The line of awaits (run/waits.lua) on the timers of a node (run/timers.lua) that the spec plays.
local timers = require "pomelua.run.timers"
local waits = require "pomelua.run.waits"

describe("waits with one deadline", function()
  local server, now, running, woken, started

  before_each(function()
    now, running, woken, started = 0, {}, {}, 0
    local node = {}
    function node.now() return now end
    function node.timer(_, ms)
      started = started + 1
      running[started] = now + ms
      return started
    end
    function node.cancel(_, id) running[id] = nil end
    server = { node = node }
    timers.init(server)
    server.tasks = {
      waits = waits.new(), listed = {},
      wake = function(_, wait) woken[#woken + 1] = wait.name end,
    }
  end)

  local function advance(ms)
    now = now + ms
    for id, due in pairs(running) do
      if due <= now then
        running[id] = nil
        timers.expired(server, id)
      end
    end
  end

  local function link(name, ms)
    local wait = { name = name, task = { owner = name } }
    waits.link(server, wait, ms or 100)
    return wait
  end

  local function owners()
    local list = {}
    waits.each_owner(server, function(owner) list[#list + 1] = owner end)
    return list
  end

  it("need one timer for all of them", function()
    for i = 1, 5 do link("w" .. i) end
    assert.equal(1, started)
    assert.same({ "w1", "w2", "w3", "w4", "w5" }, owners())
  end)

  it("expire each at its own time, in order", function()
    link "a"
    advance(30)
    link "b"
    advance(69)
    assert.same({}, woken)
    advance(1)
    assert.same({ "a" }, woken)
    advance(30)
    assert.same({ "a", "b" }, woken)
    assert.same({}, owners())
    assert.is_nil(next(server.timers))
  end)

  it("that have ended do not expire, wherever in the line they stand", function()
    local first, middle, last = link "first", link "middle", link "last"
    link "stays"
    for _, wait in ipairs { middle, first, last } do
      waits.unlink(server, wait)
      assert.is_false(wait.linked)
    end
    assert.same({ "stays" }, owners())
    advance(200)
    assert.same({ "stays" }, woken)
  end)

  it("say of themselves that they came too late, and how long they have waited", function()
    local wait = link("a", 50)
    advance(50)
    assert.is_true(wait.late)
    assert.is_true(wait.done)
    assert.equal(50, wait.ms)
  end)

  it("go on when the node had no timer for the first", function()
    local timer = server.node.timer
    server.node.timer = function() return 0 end
    link "a"
    server.node.timer = timer
    link "b" -- its timer is that of the first
    advance(100)
    assert.same({ "a", "b" }, woken)
  end)

  it("of a list count as well", function()
    server.tasks.listed[{ task = { owner = "in a list" } }] = true
    assert.same({ "in a list" }, owners())
  end)
end)

describe("a timer", function()
  it("that is stopped does not fire, and is stopped once", function()
    local cancelled
    local server = { node = { timer = function() return 9 end,
      cancel = function(_, id) cancelled = id end } }
    timers.init(server)
    local record = timers.start(server, 5, { fire = error })
    assert.is_true(timers.stop(server, record))
    assert.equal(9, cancelled)
    assert.is_false(timers.stop(server, record))
    timers.expired(server, 9)
  end)
end)
