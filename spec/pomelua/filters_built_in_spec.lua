-- The filters that come with Pomelua.
-- Tests filter/serial.lua, filter/time.lua, filter/timeout.lua, filter/toobusy.lua, filter/lag.lua,
-- filter/rpc_log.lua and filter/request_log.lua.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("the filter", function()
  local w, sid, front, seen

  local function handler(fn)
    front = w:load("connector-1", { handlers = { h = { m = fn } } })
  end
  local function say(id, body, from)
    w:say("connector-1", from or sid, id, "connector.h.m", body)
  end
  local function order() return table.concat(seen, " ") end
  local function lines(text)
    local found = {}
    for _, line in ipairs(front.node:lines()) do
      if line.text:find(text, 1, true) then found[#found + 1] = line end
    end
    return found
  end

  before_each(function()
    seen = {}
    w = world.usual()
    front = w.servers["connector-1"]
    sid = front.node:openSession()
  end)
  after_each(function() w:close() end)

  describe("serial", function()
    -- A handler that waits as long as the message says.
    local function slow(_, msg)
      seen[#seen + 1] = "+" .. msg.n
      pomelua.sleep(msg.ms or 10)
      seen[#seen + 1] = "-" .. msg.n
      return { n = msg.n }
    end

    it("lets the messages of a session run one after the other", function()
      front.app:filter(pomelua.serial())
      handler(slow)
      local other = front.node:openSession()
      say(1, { n = 1 })
      say(2, { n = 2 })
      say(3, { n = 3 }, other)
      assert.equal("+1 +3", order())
      w:advance(10)
      assert.equal("+1 +3 -1 +2 -3", order())
      w:advance(10)
      assert.equal("+1 +3 -1 +2 -3 -2", order())
      assert.is_nil(next(front.filters.queues))
    end)

    it("keeps sessions of different frontends with the same id apart", function()
      local back = w:load("chat-1", { handlers = { h = { m = slow } } })
      back.app:filter(pomelua.serial())
      for i, from in ipairs { "connector-1", "connector-9" } do
        back.node:peer(from, true)
        back.node:deliver { from = from, kind = "forward", call = i, ms = 60000, session = 7,
          route = "chat.h.m", msgType = 0, msgId = 1, body = ('{"n":%d}'):format(i) }
      end
      w:settle()
      assert.equal("+1 +2", order())
      w:advance(10)
      assert.is_nil(next(back.filters.queues)) -- on a backend, too, nothing stays
    end)

    it("begins the next message when one takes too long, whose own answer stays", function()
      front.app:filter(pomelua.serial(100))
      handler(slow)
      say(1, { n = 1, ms = 300 })
      w:advance(60)
      say(2, { n = 2, ms = 5 })
      w:advance(39)
      assert.equal("+1", order())
      w:advance(1)
      assert.equal("+1 +2", order())
      assert.equal(1, #lines "serial: connector.h.m has not ended within 100 ms")
      w:advance(200)
      local got = {}
      for _, one in ipairs(w:got("connector-1")) do got[one.id] = one.text end
      assert.same({ '{"n":1}', '{"n":2}' }, got)
      assert.is_nil(next(front.filters.queues))
    end)

    it("frees a queue whose handler never ends", function()
      front.app:filter(pomelua.serial(100))
      handler(function(_, msg) return msg.n == 2 and { n = 2 } or nil end)
      say(1, { n = 1 })
      say(2, { n = 2 })
      w:advance(100)
      assert.equal('{"n":2}', w:got("connector-1")[1].text)
      assert.is_nil(next(front.filters.queues))
    end)

    it("goes on when the handler of a notify that declares no next returns", function()
      front.app:filter(pomelua.serial())
      front.app:after(function(_, msg) seen[#seen + 1] = "after " .. msg.n end)
      handler(function(_, msg)
        if msg.n == 2 then pomelua.sleep(10) end
        seen[#seen + 1] = msg.n
      end)
      for i = 1, 3 do say(nil, { n = i }) end
      assert.equal("1 after 1", order())
      w:advance(10)
      assert.equal("1 after 1 2 after 2 3 after 3", order())
      assert.is_nil(next(front.filters.queues))
      assert.same({}, lines "has not ended")
    end)

    it("waits for the next of a notify whose handler declares it", function()
      front.app:filter(pomelua.serial())
      local kept
      handler(function(_, msg, _, next)
        seen[#seen + 1] = msg.n
        kept = kept or next
      end)
      say(nil, { n = 1 })
      say(nil, { n = 2 })
      assert.equal("1", order())
      front.app:setTimeout(10, function() kept() end)
      w:advance(10)
      assert.equal("1 2", order())
    end)

    it("frees the queue of a session that has nothing more to say", function()
      front.app:filter(pomelua.serial(200))
      handler(function(_, _, _, _) end)
      say(nil, { n = 1 })
      w:advance(100)
      say(nil, { n = 2 }, front.node:openSession())
      assert.is_truthy(next(front.filters.queues))
      assert.is_true(front.filters.sweep.of_framework) -- no task that a spec has left
      w:advance(100)
      w:advance(200)
      assert.is_nil(next(front.filters.queues))
      assert.is_nil(front.filters.sweep)
      assert.same({}, lines "has not ended")
    end)

    it("may stand among the global and the local filters", function()
      front.app:globalFilter(pomelua.serial()):filter(pomelua.serial())
      handler(slow)
      say(1, { n = 1 })
      say(2, { n = 2 })
      assert.equal("+1", order())
      w:advance(10)
      w:advance(10)
      assert.equal("+1 -1 +2 -2", order())
      assert.is_nil(next(front.filters.queues))
    end)

    it("lets a message go that fails while it waits", function()
      front.app:before(function(msg)
        if msg.n == 2 then front.app:setTimeout(50, function() error "boom" end) end
      end)
      front.app:filter(pomelua.serial(1000))
      handler(slow)
      say(1, { n = 1, ms = 200 })
      say(2, { n = 2 })
      w:advance(50)
      assert.equal('{"code":500}', w:got("connector-1")[1].text)
      w:advance(200)
      assert.equal("+1 -1", order())
      assert.is_nil(next(front.filters.queues))
    end)

    it("counts what waits for serverConfig.maxInFlight, notifies too", function()
      front = w:load("connector-1", {
        handlers = { h = { m = slow } }, settings = { serverConfig = { maxInFlight = 4 } },
      })
      front.app:filter(pomelua.serial())
      for i = 1, 9 do say(nil, { n = i }) end
      assert.equal(5, front.node:counts().overInFlight)
    end)
  end)

  describe("timeout", function()
    it("is not for a notify whose handler has returned and declares no next", function()
      front.app:filter(pomelua.timeout(100))
      handler(function() seen[#seen + 1] = "+" end)
      say(nil, {})
      w:advance(200)
      assert.equal("+", order())
      assert.same({}, lines "timeout.")
    end)

    it("answers a request whose handler takes too long", function()
      front.app:filter(pomelua.timeout(100))
      front.app:set("errorHandler", function(err, _, _, _, next)
        seen[#seen + 1] = err.code
        next(err)
      end)
      handler(function() pomelua.sleep(300) return { late = true } end)
      say(1)
      w:advance(100)
      assert.equal('{"code":500}', w:got("connector-1")[1].text)
      assert.equal("TIMEOUT", order())
      assert.equal("error", lines("request connector.h.m timeout.")[1].level)
      w:advance(300)
      assert.same({}, w:got("connector-1"))
      assert.equal(0, #lines "answered twice")
    end)

    it("forgets requests whose handlers never end, and stays on", function()
      front.app:filter(pomelua.timeout(100, 2))
      handler(function() end)
      for round = 1, 3 do
        say(2 * round - 1)
        say(2 * round)
        w:advance(100)
        assert.equal(2, #w:got("connector-1"))
      end
    end)

    it("answers for another server that takes too long, as a global filter", function()
      local late
      w:load("chat-1", { handlers = { h = { m = function(_, _, _, next) late = next end } } })
      front.app:route("chat", function() return "chat-1" end)
      front.app:globalFilter(pomelua.timeout(100))
      w:say("connector-1", sid, 1, "chat.h.m")
      w:advance(100)
      assert.equal('{"code":500}', w:got("connector-1")[1].text)
      w:run("chat-1", function() late(nil, { late = true }) end)
      assert.same({}, w:got("connector-1"))
      assert.is_nil(next(front.filters.sent_on))
      assert.equal(0, front.node:counts().requestsOpen)
    end)

    it("leaves requests alone that end in time, and those above max", function()
      local filter = pomelua.timeout(100, 1)
      front.app:filter(filter)
      handler(function() pomelua.sleep(150) return { ok = true } end)
      say(1)
      say(2)
      w:advance(100)
      assert.equal(1, #w:got("connector-1"))
      w:advance(50)
      assert.equal('{"ok":true}', w:got("connector-1")[1].text)
      handler(function() return { ok = true } end)
      say(3)
      assert.equal(0, filter.count)
      assert.is_nil(next(front.timers))
    end)

    it("refuses what is no time", function()
      assert.error_matches(function() pomelua.timeout "1" end, "from 1 and max a number")
      assert.error_matches(function() pomelua.timeout(10, 0 / 0) end, "a number from 0")
      assert.error_matches(function() pomelua.serial(0) end, "milliseconds from 1, got 0")
      assert.error_matches(function() pomelua.toobusy {} end, "must be a number")
    end)
  end)

  it("time writes a line for each request", function()
    front.app:filter(pomelua.time())
    front.app:globalFilter(pomelua.filters.time())
    handler(function() pomelua.sleep(20) return {} end)
    say(1, { x = 1 })
    w:advance(20)
    local found = lines "[con-log] "
    assert.equal(2, #found)
    local value = pomelua.json.decode(found[1].text:match "con%-log%] (.*)")
    assert.equal("connector.h.m", value.route)
    assert.equal(20, value.timeUsed)
    assert.equal(1, value.args.x)
    value = pomelua.json.decode(found[2].text:match "con%-log%] (.*)")
    assert.equal(1, value.args.body.x)
    assert.equal("connector.h.m", value.args.route)
  end)

  it("time writes the beginning of a long message", function()
    front.app:filter(pomelua.time())
    handler(function() return {} end)
    for _, s in ipairs { ("x"):rep(60000), ("\228\189\160"):rep(9000),
      ("x\228\189\160"):rep(9000) } do
      say(1, { s = s })
      local found = lines "[con-log] "
      local text = found[#found].text
      assert.is_true(#text > 4000 and #text < 6000)
      local args = pomelua.json.decode(text:match "con%-log%] (.*)").args
      assert.truthy(args:find(s:sub(1, 600), 1, true))
      assert.equal("...", args:sub(-3))
    end
  end)

  describe("toobusy", function()
    it("refuses messages while the loop is late", function()
      front.life.state = "started"
      front.app:before(pomelua.toobusy(50))
      handler(function() return { ok = true } end)
      assert.equal('{"ok":true}', w:ask("connector-1", sid, "connector.h.m"))
      front.filters.meter.due = front.node:now() - 300 -- a look is 400 ms late
      w:advance(100)
      assert.equal('{"code":500}', w:ask("connector-1", sid, "connector.h.m"))
      w:advance(500)
      assert.equal('{"ok":true}', w:ask("connector-1", sid, "connector.h.m"))
    end)

    it("does not count a start, which holds the loop up: the first clients are answered", function()
      front.life.state = "loaded"
      front.app:before(pomelua.toobusy(50))
      handler(function() return { ok = true } end)
      front.filters.meter.due = front.node:now() - 3000
      front.life.state = "started"
      w:advance(100)
      assert.equal('{"ok":true}', w:ask("connector-1", sid, "connector.h.m"))
      front.filters.meter.due = front.node:now() - 300
      w:advance(100)
      assert.equal('{"code":500}', w:ask("connector-1", sid, "connector.h.m"))
    end)

    it("measures only while it is there", function()
      assert.is_nil(front.filters.meter)
      front.app:before(pomelua.toobusy())
      assert.is_not_nil(front.filters.meter)
    end)
  end)

  it("are refused where they see nothing, and when they are not called", function()
    local app = front.app
    for text, add in pairs {
      ["app:filter(f): this is a filter of calls, which app:rpcFilter(f) adds"] =
        function() app:filter(pomelua.rpcLog()) end,
      ["app:globalBefore(f): this is a filter of calls"] =
        function() app:globalBefore(pomelua.rpcLog()) end,
      ["app:rpcFilter(f): this is a filter of messages, which app:filter(f) or"] =
        function() app:rpcFilter(pomelua.serial()) end,
      ["app:rpcBefore(f): this is a filter of messages"] =
        function() app:rpcBefore(pomelua.timeout()) end,
      ["app:rpcAfter(f): this is a filter of messages"] =
        function() app:rpcAfter(pomelua.time()) end,
      ["app:before(f): this function makes a filter; call it, pomelua.serial()"] =
        function() app:before(pomelua.serial) end,
      ["app:filter(f): this function makes a filter; call it"] =
        function() app:filter(pomelua.toobusy) end,
    } do
      local ok, err = pcall(add)
      assert.is_false(ok)
      assert.matches("^[^\n]*filters_built_in_spec.lua:%d+: ", err)
      assert.matches(text, err, 1, true)
    end
    for _, class in ipairs { { filters = "calls" }, { filters = {} } } do
      app:before(setmetatable({ before = function() end }, class)) -- a class of the game's
    end
  end)

  it("rpcLog writes a line for each call, toobusy refuses them", function()
    local back
    back = w:load("chat-1", { remotes = { r = { add = function(_, a, b, cb)
      back.app:setTimeout(10, function() cb(nil, a + b) end)
    end } } })
    front.app:rpcFilter(pomelua.rpcLog())
    front.life.state = "started"
    front.app:rpcFilter(pomelua.rpcFilters.toobusy(50))
    local got
    w:run("connector-1", function()
      front.app.rpc.chat.r.add.toServer("chat-1", 1, 2, function(...) got = { ... } end)
    end)
    w:advance(10)
    assert.same({ nil, 3 }, got)
    local value = pomelua.json.decode(lines("[rpc-log] ")[1].text:match "rpc%-log%] (.*)")
    assert.same({ "r.add", { 1, 2 }, 10 }, { value.route, value.args, value.timeUsed })
    w:run("connector-1", function()
      front.app.rpc.chat.r.none.toServer("chat-1", function() end)
    end)
    w:advance(10)
    assert.matches('"args":[]', lines("[rpc-log] ")[2].text, 1, true)
    front.filters.meter.ms = 100
    w:run("connector-1", function()
      front.app.rpc.chat.r.add.toServer("chat-1", 1, 2, function(...) got = { ... } end)
    end)
    assert.equal("BUSY", got[1].code)
  end)
end)
