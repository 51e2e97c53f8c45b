-- What a push costs on the bus, counted at the process that sends it: over two processes and a real
-- broker. Tests bus/lists.c, bus/held.c, bus/outbox.c and bus/inbox.c together.
local broker = require "spec.support.broker"
local cjson = require "cjson"
local core = require "pomelua.core"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local probe = require "spec.support.probe"

local BODY = '{"text":"' .. ("x"):rep(80) .. '"}'

-- The members of a channel of chat-1: the user of the client, and others who are not there.
local FILL = [[
  local channel = app:get("channelService"):getChannel(args.name, true)
  for i = 1, args.members do channel:add(("user-%06d"):format(i), "connector-1") end
  return { members = channel:getUserAmount() }
]]
local CHANGE = [[
  local channel = app:get("channelService"):getChannel(args.name, false)
  if args.join then channel:add(args.join, "connector-1") end
  if args.leave then channel:leave(args.leave, "connector-1") end
  channel:pushMessage("onSpec", { text = ("x"):rep(80) })
  return true
]]
-- So many pushes, each in a turn of its own.
local PUSH = [[
  local channel, left = app:get("channelService"):getChannel(args.name, false), args.times
  local function push()
    channel:pushMessage("onSpec", { text = ("x"):rep(80) })
    left = left - 1
    if left > 0 then app:setTimeout(1, push) end
  end
  push()
  return true
]]
local TOGETHER = [[
  local service = app:get("channelService")
  local channel = service:getChannel("together", true)
  channel:add("user-000001", "connector-1")
  for _ = 1, 10 do
    channel:pushMessage("onSpec", {})
    service:pushMessageByUids("onSpec", {}, {
      { uid = "user-000001", sid = "connector-1" }, { uid = "nobody", sid = "connector-1" },
    })
    service:broadcast("connector", "onSpec", {})
  end
  return true
]]

describe("a push over the bus", function()
  local one, game, chat, front, client

  local function connect()
    front = probe.of(game:start("connector-1"))
    client = front:client()
    net.wait(function() return client:run("chat", "return { up = true }").up end, broker.patience)
    client:bind("user-000001")
  end

  setup(function()
    one = broker.start()
    -- Nothing is sent but what the spec asks for.
    game = parts.new(probe.files(), { urls = { one.url }, heartbeat = 60, timeout = 600 })
    chat = game:start("chat-1")
    connect()
  end)

  teardown(function()
    game:close()
    broker.closeAll()
    net.closeAll()
  end)

  -- What went over the bus of that process; asked at its socket, so that nothing goes over the bus.
  local function counters()
    local path = ("%s/.pomelua/%d.sock"):format(game.dir, chat.process.pid)
    local lines = assert(core.ask(path, cjson.encode {
      command = "list", counters = true, here = true,
    }, broker.patience))
    for _, line in ipairs(lines) do
      local reply = cjson.decode(line)
      if reply.bus then return reply.bus end
    end
    error("it is on no bus")
  end

  -- How far the counters rise by what fn does: a message is counted before it goes out.
  local function cost(fn)
    local before = counters()
    fn()
    local risen = counters()
    for name, n in pairs(risen) do risen[name] = n - before[name] end
    return risen
  end

  local function fill(name, members)
    assert.equal(members, client:run("chat", FILL, { name = name, members = members }).members)
  end

  -- The client gets so many, and no more before the answer to what it asks next.
  local function arrive(times)
    for i = 1, times do
      local push = client:push()
      assert.equal("onSpec", push and push.route, i)
    end
    assert.equal("", (client:pushed()))
  end

  local function push(name, times)
    client:run("chat", PUSH, { name = name, times = times })
    arrive(times)
  end

  local function change(name, what)
    what.name = name
    return cost(function()
      client:run("chat", CHANGE, what)
      arrive(1)
    end).bytesSent
  end

  for _, members in ipairs { 10, 10000 } do
    local name = "room-" .. members

    it(("to %d members that do not change takes 200 bytes and the body"):format(members), function()
      fill(name, members)
      local first = cost(function() push(name, 1) end)
      assert.is_true(first.bytesSent > members * 14)
      assert.equal(1, first.listsWhole)
      local times = 50
      local more = cost(function() push(name, times) end)
      assert.equal(times, more.listsSame)
      assert.equal(0, more.listsWhole + more.listsChanged)
      local each = more.bytesSent / times - #BODY
      assert.is_true(each <= 200, each)
    end)

    it(("to %d members sends the one that joins or leaves"):format(members), function()
      local none = change(name, {})
      local join = change(name, { join = "new-member" }) - none
      local leave = change(name, { leave = "user-000005" }) - none
      assert.is_true(join <= #"new-member" + 20, join)
      assert.is_true(leave <= 20, leave)
    end)
  end

  it("is one record for each frontend, and those of a turn are one message", function()
    local function records()
      return client:run("chat", "return { n = node:counts().pushRecords }").n
    end
    local before = records()
    local all = cost(function()
      client:run("chat", TOGETHER)
      arrive(30)
    end)
    assert.equal(1, all.messagesSent) -- with the answer
    assert.equal(30, records() - before)
  end)

  it("is whole again for a frontend that is another one", function()
    front:clear()
    front:stop { "chat", "more: undeliverable messages" } -- asked for before it was there
    connect()
    fill("room-10000", 10000)
    local first = cost(function() push("room-10000", 1) end)
    assert.equal(1, first.listsWhole)
    local next = cost(function() push("room-10000", 10) end)
    assert.equal(10, next.listsSame)
  end)

  it("goes on with numbers when the broker was gone", function()
    one:kill()
    one:restart()
    net.wait(function() return client:run("chat", "return { up = true }").up end, broker.patience)
    local next = cost(function() push("room-10000", 10) end)
    assert.equal(10, next.listsSame)
    assert.equal(0, next.listsWhole)
  end)
end)
