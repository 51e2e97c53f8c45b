-- channelService (core/bind/l_channel_service.c, channel/service.lua) and the pushes.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("channelService", function()
  local w, one, service, a, b

  before_each(function()
    w = world.single()
    one = w:load("connector-1", {})
    service = one.app:get("channelService")
    a, b = one.node:openSession(), one.node:openSession()
    one.app:get("sessionService"):bind(a, "ann")
    one.app:get("sessionService"):bind(b, "bob")
  end)
  after_each(function() w:close() end)

  local function channel()
    local c = service:createChannel("room")
    c:add("ann", "connector-1")
    c:add("bob", "connector-1")
    return c
  end

  -- What clients got, as "who route text".
  local function got()
    local list = {}
    for _, item in ipairs(w:got("connector-1")) do
      list[#list + 1] = (item.sid == a and "ann " or "bob ") .. item.route .. " " .. item.text
    end
    table.sort(list)
    return list
  end

  local function run(fn)
    local result
    w:run("connector-1", function()
      fn(function(...) result = { n = select("#", ...), ... } end)
    end)
    w:settle()
    return result
  end

  local both = { 'ann onX {"m":1}', 'bob onX {"m":1}' }

  it("makes a channel once, finds it and forgets it", function()
    local c = service:createChannel("room")
    assert.is_true(c == service:createChannel("room"))
    assert.is_true(c == service:getChannel("room"))
    assert.is_nil(service:getChannel("other"))
    assert.equal("other", service:getChannel("other", true).name)
    service:destroyChannel("room")
    service:destroyChannel("nobody")
    assert.is_nil(service:getChannel("room", false))
  end)

  it("is one userdata, as a Channel is", function()
    assert.equal("userdata", type(service))
    assert.is_true(rawequal(service, one.app:get("channelService")))
    assert.is_true(rawequal(service, one.app.channelService))
    assert.equal("ChannelService (connector-1)", tostring(service))
    assert.is_false(getmetatable(service))
    assert.has_error(function() service.x = 1 end)
  end)

  -- With the line of the caller, which assert.error_matches takes away.
  local function raises(fn, pattern)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches(pattern, message)
  end

  it("has nil for an unknown name, and the nearest one for a misspelled one", function()
    assert.is_nil(service.colour)
    assert.is_nil(service[1])
    raises(function() service:createChanel("x") end,
      "channel_spec.lua:%d+: channelService:createChanel: there is no such method; " ..
      "did you mean createChannel%?")
    raises(function() service:pushMessageByUid("x") end, "mean pushMessageByUids%?")
    local c = channel()
    assert.is_nil(c.colour)
    raises(function() c:getMembrs() end,
      "channel_spec.lua:%d+: channel:getMembrs: there is no such method; did you mean getMembers%?")
    raises(function() return c.userAmount end, "mean getUserAmount%?")
  end)

  it("says where a colon is missing, in every method", function()
    for _, name in ipairs { "createChannel", "getChannel", "destroyChannel", "broadcast",
      "pushMessageByUids" } do
      raises(function() service[name]("room") end,
        "channel_spec.lua:%d+: channelService." .. name .. ": write channelService:" .. name ..
        "%(...%) with a colon; the first argument is \"room\"")
      raises(function() service[name]() end, "the first argument is nothing")
      raises(function() service[name](one.node) end, "the first argument is a userdata")
    end
  end)

  it("takes a number for a name, and refuses what is none", function()
    assert.equal("7", service:createChannel(7).name)
    assert.is_true(service:getChannel("7") == service:getChannel(7))
    assert.equal("0.5", service:createChannel(0.5).name)
    service:destroyChannel(7)
    assert.is_nil(service:getChannel(7))
    raises(function() service:createChannel("") end, "channel_spec.lua:%d+: " ..
      "channelService:createChannel%(name%): the name must be a string, got an empty one")
    raises(function() service:getChannel({}) end,
      "getChannel%(name, create%): the name must be a string, got table")
    raises(function() service:destroyChannel() end, "got nil")
  end)

  for what, push in pairs {
    ["route, msg"] = function(c) c:pushMessage("onX", { m = 1 }) end,
    ["route, msg, opts"] = function(c) c:pushMessage("onX", { m = 1 }, {}) end,
    ["route, msg, nil, cb"] = function(c, cb) c:pushMessage("onX", { m = 1 }, nil, cb) end,
    ["route, msg, opts, cb"] = function(c, cb) c:pushMessage("onX", { m = 1 }, {}, cb) end,
    ["route, msg, cb"] = function(c, cb) c:pushMessage("onX", { m = 1 }, cb) end,
  } do
    it("pushes to members: pushMessage(" .. what .. ")", function()
      local c = channel()
      local result = run(function(cb) push(c, cb) end)
      assert.same(both, got())
      if what:find("cb") then
        assert.is_nil(result[1])
        assert.same({}, result[2])
      end
    end)
  end

  for what, push in pairs {
    ["msg"] = function(c) c:pushMessage { route = "onX" } end,
    ["msg, opts"] = function(c) c:pushMessage({ route = "onX" }, {}) end,
    ["msg, cb"] = function(c, cb) c:pushMessage({ route = "onX" }, cb) end,
    ["msg, opts, cb"] = function(c, cb) c:pushMessage({ route = "onX" }, {}, cb) end,
  } do
    it("takes the route from the message, and leaves it there: " .. what, function()
      local c = channel()
      run(function(cb) push(c, cb) end)
      assert.same({ 'ann onX {"route":"onX"}', 'bob onX {"route":"onX"}' }, got())
    end)
  end

  it("leaves out who is in opts.except", function()
    local c = channel()
    run(function() c:pushMessage("onX", { m = 1 }, { except = { "bob" } }) end)
    assert.same({ both[1] }, got())
  end)

  it("says who has no session", function()
    local c = channel()
    c:add("carl", "connector-1")
    local result = run(function(cb) c:pushMessage("onX", { m = 1 }, cb) end)
    assert.same({ n = 2, nil, { "carl" } }, result)
  end)

  it("pushes to a list of users, in every form", function()
    local list = { { uid = "ann", sid = "connector-1" }, { uid = "bob", sid = "connector-1" } }
    for _, push in ipairs {
      function() service:pushMessageByUids("onX", { m = 1 }, list) end,
      function(cb) service:pushMessageByUids("onX", { m = 1 }, list, cb) end,
      function(cb) service:pushMessageByUids("onX", { m = 1 }, list, {}, cb) end,
    } do
      run(push)
      assert.same(both, got())
    end
    run(function(cb) service:pushMessageByUids({ route = "onX" }, list, cb) end)
    assert.equal(2, #got())
    run(function(cb)
      service:pushMessageByUids({ route = "onX" }, list, { except = { "ann" } }, cb)
    end)
    assert.equal(1, #got())
  end)

  it("leaves out users without a frontend, and says so in the log", function()
    local result = run(function(cb)
      service:pushMessageByUids("onX", { m = 1 }, { { uid = "ann" } }, cb)
    end)
    assert.is_nil(result[1])
    assert.is_true(w:logged("connector-1", "warn", "entry 1 has no uid or no sid"))
  end)

  it("broadcasts to everyone, bound ones only when asked, in every form", function()
    one.node:openSession()
    run(function(cb) service:broadcast("connector", "onX", { m = 1 }, nil, cb) end)
    assert.equal(3, #got())
    local result = run(function(cb)
      service:broadcast("connector", "onX", { m = 1 }, { binded = true }, cb)
    end)
    assert.is_nil(result[1])
    assert.same(both, got())
    result = run(function(cb) service:broadcast("connector", "onX", { m = 1 }, cb) end)
    assert.is_nil(result[1])
    assert.equal(3, #got())
    run(function() service:broadcast("connector", { route = "onX" }) end)
    assert.equal(3, #got())
  end)

  it("asks the broadcastFilter with the session, the text and the parameter", function()
    local seen
    w:load("connector-1", { settings = { channelConfig = {
      broadcastFilter = function(session, body, param)
        seen = { body, param.least }
        return session.uid == "ann"
      end,
    } } })
    run(function()
      service:broadcast("connector", "onX", { m = 1 }, { filterParam = { least = 3 } })
    end)
    assert.same({ both[1] }, got())
    assert.equal(3, seen[2])
    assert.truthy(seen[1]:find('{"m":1}', 1, true))
  end)

  it("skips who the filter fails for", function()
    w:load("connector-1", { settings = { channelConfig = {
      broadcastFilter = function() error "boom" end,
    } } })
    run(function() service:broadcast("connector", "onX", { m = 1 }) end)
    assert.same({}, got())
    assert.is_true(w:logged("connector-1", "error", "broadcastFilter: "))
  end)

  it("knows no error when there is no server of the type", function()
    assert.is_nil(run(function(cb) service:broadcast("gate", "onX", { m = 1 }, cb) end)[1])
  end)

  it("has no error for an empty channel", function()
    local c = service:createChannel("empty")
    assert.is_nil(run(function(cb) c:pushMessage("onX", { m = 1 }, cb) end)[1])
  end)

  for text, push in pairs {
    ["channel is not running now"] = function(c, _, cb)
      c:destroy()
      c:pushMessage("onX", { m = 1 }, cb)
    end,
    ["can not send empty message."] = function(c, _, cb) c:pushMessage("onX", nil, cb) end,
    ["uids should not be empty"] = function(_, s, cb) s:pushMessageByUids("onX", {}, {}, cb) end,
    ["channel:pushMessage: the route must be a string, got nil"] = function(c, _, cb)
      c:pushMessage({ no = "route" }, cb)
    end,
    ["msg.f: a function"] = function(c, _, cb) c:pushMessage("onX", { f = print }, cb) end,
    ["route maxlength is overflow"] = function(c, _, cb) c:pushMessage(("x"):rep(256), {}, cb) end,
  } do
    it("calls back with: " .. text, function()
      local c = channel()
      local err = run(function(cb) push(c, service, cb) end)[1]
      assert.truthy(err.message:find(text, 1, true), err.message)
      assert.equal(err.message, tostring(err))
    end)
  end

  it("logs an error that nobody wants to hear", function()
    local c = channel()
    run(function() c:pushMessage("onX", { f = print }) end)
    assert.is_true(w:logged("connector-1", "warn", "msg.f: a function"))
    assert.same({}, got())
  end)

  it("can be awaited", function()
    local c = channel()
    local fails
    w:run("connector-1", function()
      fails = pomelua.await(c.pushMessage, c, "onX", { m = 1 })
    end)
    w:settle()
    assert.same({}, fails)
  end)
end)

describe("a push to a frontend that is gone", function()
  it("names its uids, at the latest at the deadline", function()
    local w = world.usual()
    local chat = w:load("chat-1", { settings = { channelConfig = { pushTimeout = 500 } } })
    local c = chat.app:get("channelService"):createChannel("room")
    c:add("ann", "connector-9")
    c:add("bob", "connector-1")
    local err, fails
    w:run("chat-1", function()
      c:pushMessage("onX", { m = 1 }, function(e, f) err, fails = e, f end)
    end)
    assert.is_nil(err)
    chat.node:advance(500)
    table.sort(fails)
    assert.same({ "ann", "bob" }, fails)
    assert.equal("all uids push message fail", err.message)
    w:close()
  end)
end)
