-- Cluster channels (channel/cluster.lua, session/frontend_remote.lua,
-- core/bind/l_cluster_channel.c), with two frontends and three backends, and those of the test kit
-- (test/channels.lua).
local pomelua = require "pomelua"
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local world = require "spec.support.world"

local FRONTS = { "connector-1", "connector-2" }
local BACKS = { "chat-1", "chat-2", "chat-3" }

describe("a cluster channel", function()
  local w, sessions, settings

  before_each(function()
    settings = {}
    local entries = {}
    for i, id in ipairs(FRONTS) do
      entries[i] = { id = id, serverType = "connector", frontend = true, clientPort = 3010 + i }
    end
    for _, id in ipairs(BACKS) do entries[#entries + 1] = { id = id, serverType = "chat" } end
    w = world.new(entries)
    for _, one in ipairs(w.order) do w:load(one.id, { settings = settings[one.id] or {} }) end
    sessions = {}
  end)
  after_each(function() w:close() end)

  -- A client of a frontend, as the handlers of chat servers get its session.
  local function client(front, uid)
    local node = w.servers[front].node
    local sid = node:openSession()
    if uid then assert(node:bind(sid, uid)) end
    sessions[#sessions + 1] = { front = front, sid = sid }
    return { id = sid, uid = uid, frontendId = front }
  end

  local function channel(id, name)
    return w.servers[id].app:get("channelService"):getChannel(name or "hall", true,
      { scope = "cluster" })
  end

  -- Calls a method in a task of a server, and gives what it returns.
  local function at(id, method, ...)
    local args, result = { n = select("#", ...), ... }, nil
    w:run(id, function()
      local c = channel(id)
      result = { c[method](c, unpack(args, 1, args.n)) }
    end)
    assert(result, method .. " has not returned")
    return result[1], result[2]
  end

  local function push(id, msg, opts)
    channel(id):pushMessage("onX", msg or { 1 }, opts)
    w:settle()
  end

  -- How many pushes each client has got since the last time.
  local function got()
    local counts, by = {}, {}
    for _, front in ipairs(FRONTS) do
      by[front] = {}
      for _, item in ipairs(w:got(front)) do
        if item.kind == "data" then by[front][item.sid] = (by[front][item.sid] or 0) + 1 end
      end
    end
    for i, one in ipairs(sessions) do counts[i] = by[one.front][one.sid] or 0 end
    return table.concat(counts, " ")
  end

  local function members(id)
    local list = assert(at(id, "getMembers"))
    table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
    assert.equal(#list, at(id, "getUserAmount"))
    return table.concat(list, " ")
  end

  local function counter(id, name) return w.servers[id].node:counts()[name] end

  it("is one for all servers: joined by any, pushed to by any, each member once", function()
    local ann, bob = client("connector-1", "ann"), client("connector-2", "bob")
    client("connector-2", "cat")
    assert.is_true((at("chat-1", "add", ann)))
    assert.is_true((at("chat-2", "add", "bob", "connector-2")))
    assert.is_true((at("chat-3", "add", bob)))
    for _, id in ipairs(BACKS) do push(id) end
    push "connector-1"
    assert.equal("4 4 0", got())
    for _, id in ipairs { "chat-1", "chat-3", "connector-2" } do
      assert.equal("ann bob", members(id))
    end
    assert.same({ uid = "bob", sid = "connector-2" }, (at("chat-1", "getMember", "bob")))
    assert.is_nil((at("chat-1", "getMember", "cat")))
    push("chat-2", { 1 }, { except = { "ann" } })
    assert.equal("0 1 0", got())
    assert.is_true((at("connector-1", "leave", ann)))
    assert.is_false((at("connector-1", "leave", ann)))
    assert.equal("bob", members "chat-2")
  end)

  it("has each session of a user as a member, and the user once", function()
    local phone, laptop = client("connector-1", 7), client("connector-1", 7)
    client("connector-2", "7")
    assert.is_true((at("chat-1", "add", phone)))
    push "chat-2"
    assert.equal("1 0 0", got())
    at("chat-1", "add", "7", "connector-1")
    at("chat-1", "add", 7, "connector-2")
    push "chat-2"
    assert.equal("1 1 1", got())
    assert.equal("7 7", members "chat-3") -- one of each frontend
    at("chat-2", "leave", laptop)
    push "chat-2"
    assert.equal("1 0 1", got())
  end)

  it("is left by a session that ends, and by one that loses its uid", function()
    local ann, bob = client("connector-1", "ann"), client("connector-1", "bob")
    at("chat-1", "add", ann)
    at("chat-1", "add", bob)
    w.servers["connector-1"].node:closeSession(ann.id)
    w:settle()
    assert.equal("bob", members "chat-2")
    assert(w.servers["connector-1"].node:unbind(bob.id, "bob"))
    w:settle()
    assert.equal("", members "chat-2")
    assert.equal(0, counter("connector-1", "clusterChannels"))
    assert.equal(0, counter("chat-1", "clusterKnown"))
    assert.equal(2, counter("connector-1", "clusterLeaves"))
  end)

  it("sends a push only to frontends with members, as one record without uids", function()
    at("chat-1", "add", client("connector-1", "ann"))
    channel "chat-2"
    w:settle()
    local before = counter("chat-2", "pushRecords")
    local seen = {}
    w.lost = function(item)
      if item.kind == "channel" then seen[#seen + 1] = item.to .. " " .. item.route end
    end
    push "chat-2"
    channel("chat-2", "elsewhere"):pushMessage("onX", { 1 })
    w:settle()
    assert.same({ "connector-1 hall" }, seen)
    assert.equal(1, counter("chat-2", "pushRecords") - before)
  end)

  it("is ended everywhere by destroy, and there again with the next member", function()
    local ann, bob = client("connector-1", "ann"), client("connector-2", "bob")
    at("chat-1", "add", ann)
    at("chat-1", "add", bob)
    assert.is_true((at("chat-3", "destroy")))
    push "chat-1"
    assert.equal("0 0", got())
    assert.equal("", members "chat-1")
    at("chat-2", "add", ann)
    push "chat-1"
    assert.equal("1 0", got())
  end)

  it("keeps its members when a backend is restarted, and when all are", function()
    at("chat-1", "add", client("connector-1", "ann"))
    at("chat-1", "add", client("connector-2", "bob"))
    for _, id in ipairs(BACKS) do
      for _, front in ipairs(FRONTS) do
        w.servers[front].node:peer(id, false)
        w.servers[front].node:peer(id, true)
      end
    end
    w:settle()
    assert.equal("ann bob", members "chat-2")
    push "chat-3"
    assert.equal("1 1", got())
  end)

  it("loses exactly the members of a frontend that is gone or was restarted", function()
    at("chat-1", "add", client("connector-1", "ann"))
    at("chat-1", "add", client("connector-2", "bob"))
    channel "chat-2"
    w:settle()
    for _, id in ipairs(BACKS) do w.servers[id].node:peer("connector-1", false) end
    push "chat-2"
    assert.equal("0 1", got())
    assert.equal("bob", members "chat-2")
    local _, err = at("chat-2", "add", "ann", "connector-1")
    assert.equal("NOENT", err.code)
  end)

  it("reaches a member although its frontend's news was lost, within a second", function()
    channel "chat-1"
    channel "chat-2"
    w:settle()
    w.lost = function(item) return item.kind == "interest" and item.to == "chat-2" end
    at("chat-1", "add", client("connector-1", "ann"))
    w.lost = nil
    push "chat-1"
    assert.equal("1", got())
    push "chat-2"
    assert.equal("0", got())
    w:advance(1000)
    push "chat-2"
    assert.equal("1", got())
    -- A later change tells at once that one is missing.
    w.lost = function(item) return item.kind == "interest" and item.to == "chat-2" end
    w:run("chat-1", function() channel("chat-1", "lost"):add("ann", "connector-1") end)
    w.lost = nil
    w:run("chat-1", function() channel("chat-1", "seen"):add("ann", "connector-1") end)
    assert.equal(1, counter("chat-2", "clusterMissed"))
    channel("chat-2", "lost"):pushMessage("onX", { 1 })
    w:settle()
    assert.equal("1", got())
  end)

  it("takes pushes from the start, before the frontends have answered", function()
    at("chat-1", "add", client("connector-2", "ann"))
    channel("chat-3"):pushMessage("onX", { 1 })
    w:settle()
    assert.equal("1", got())
  end)

  it("lets joins, leaves and pushes of several servers race, and ends as the last said", function()
    local ann = client("connector-1", "ann")
    for i = 1, 50 do
      w:run("chat-1", function() channel("chat-1"):add(ann, function() end) end)
      channel("chat-2"):pushMessage("onX", { i })
      w:run("chat-3", function() channel("chat-3"):leave(ann, function() end) end)
    end
    w:settle()
    assert.equal("", members "chat-2")
    at("chat-1", "add", ann)
    got()
    for _, id in ipairs(BACKS) do push(id) end
    assert.equal("3", got())
    assert.equal(1, counter("connector-1", "clusterMembers"))
  end)

  it("agrees with a plain list after any joins, leaves, ends and losses", function()
    local NAMES, seed = { "a", "b", "c" }, 7
    local function random(n) -- the same in every run
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % n + 1
    end
    local clients, truth = {}, {}
    local function come(i)
      clients[i] = client(FRONTS[random(2)], "u" .. i % 4)
      truth[i] = {}
    end
    for i = 1, 6 do come(i) end
    local changes = {
      function(i, name, back)
        w:run(back, function() assert(channel(back, name):add(clients[i])) end)
        truth[i][name] = true
      end,
      function(i, name, back)
        local was
        w:run(back, function() was = channel(back, name):leave(clients[i]) end)
        assert.equal(truth[i][name] or false, was)
        truth[i][name] = nil
      end,
      function(i)
        w.servers[clients[i].frontendId].node:closeSession(clients[i].id)
        w:settle()
        come(i)
      end,
    }
    for _ = 1, 8 do
      w.lost = function(item) return item.kind == "interest" and random(4) == 1 end
      for _ = 1, 25 do
        changes[random(5) % 3 + 1](random(6), NAMES[random(3)], BACKS[random(3)])
      end
      w.lost = nil
      w:advance(1000)
      got()
      for _, name in ipairs(NAMES) do
        for _, back in ipairs(BACKS) do channel(back, name):pushMessage("onX", { 1 }) end
      end
      w:settle()
      local pushes, counts = got(), {}
      for n in pushes:gmatch "%d+" do counts[#counts + 1] = tonumber(n) end
      for k, one in ipairs(sessions) do
        local expected = 0
        for i, at_front in ipairs(clients) do
          local same = at_front.id == one.sid and at_front.frontendId == one.front
          for _ in pairs(same and truth[i] or {}) do expected = expected + #BACKS end
        end
        assert.equal(expected, counts[k])
      end
    end
    assert.is_true(counter("chat-1", "clusterMissed") > 0)
  end)

  it("takes callbacks in place of waiting", function()
    local ann, list = client("connector-1", "ann"), {}
    local function note(err, value)
      list[#list + 1] = err and err.code or pomelua.pretty(value)
    end
    w:run("chat-1", function()
      local c = channel "chat-1"
      c:add(ann, note)
      c:add("nobody", "connector-1", note)
      c:add("ann", "connector-9", note)
    end)
    w:run("chat-1", function()
      local c = channel "chat-1"
      c:getMembers(note)
      c:getUserAmount(note)
      c:getMember("ann", note)
      c:leave("ann", "connector-1", note)
      c:destroy(note)
    end)
    table.sort(list)
    assert.same({ "1", "NOENT", "NOENT", "true", "true", "true", '{ "ann" }',
      '{ sid = "connector-1", uid = "ann" }' }, list)
  end)

  it("tells a push's callback that a frontend has not acknowledged it", function()
    at("chat-1", "add", client("connector-1", "ann"))
    at("chat-1", "add", client("connector-2", "bob"))
    local list = {}
    local function send()
      w:run("chat-1", function()
        channel("chat-1"):pushMessage("onX", { 1 }, function(err, fails)
          list[#list + 1] = { err and err.message or "good", #fails }
        end)
      end)
    end
    send()
    w.lost = function(item) return item.to == "connector-2" end
    send()
    w:advance(3000)
    assert.same({ { "good", 0 }, { "a frontend has not acknowledged the push", 0 } }, list)
  end)

  it("is refused to sessions that are not there any more, or belong to another", function()
    local ann = client("connector-1", "ann")
    local function refused(session, code, text)
      local _, err = at("chat-1", "add", session)
      assert.equal(code, err.code)
      assert.matches(text, err.message, 1, true)
    end
    refused({ id = ann.id, uid = "bob", frontendId = "connector-1" }, "NOENT", "its uid is another")
    refused({ id = ann.id + 1, uid = "ann", frontendId = "connector-1" }, "NOENT",
      "no such session")
    refused({ id = ann.id, uid = "ann", frontendId = "connector-1", incarnation = 1e15 }, "NOENT",
      "restarted since")
    refused({ id = ann.id, uid = "ann", frontendId = "chat-1" }, "NOENT", "no frontend")
    local _, err = at("chat-1", "add", "ann", "chat-2")
    assert.matches("no such service", err.message, 1, true)
  end)

  it("is bounded by the frontend: its channels, those of a session, and names", function()
    w:load("connector-1", { settings = { channelConfig =
      { clusterChannels = 2, clusterPerSession = 1 } } })
    local ann = client("connector-1", "ann")
    for i, uid in ipairs { "bob", "cat" } do
      local one = client("connector-1", uid)
      w:run("chat-1", function() assert(channel("chat-1", "c" .. i):add(one)) end)
    end
    local _, err = at("chat-1", "add", ann)
    assert.equal("FULL", err.code)
    assert.matches("channelConfig.clusterChannels", err.message, 1, true)
    w:run("chat-1", function() _, err = channel("chat-1", "c1"):add("cat", "connector-1") end)
    assert.equal("TOOBIG", err.code)
    assert.matches("channelConfig.clusterPerSession", err.message, 1, true)
    assert.equal(2, counter("connector-1", "clusterFull"))
    assert.has_error(function() channel("chat-1", ("x"):rep(257)) end, "channelService:getChannel("
      .. "name, create, opts): the name of a cluster channel has at most 256 bytes "
      .. "(channelConfig.clusterNameSize), got 257")
    assert.error_matches(function() channel("chat-1", "\255") end, "must be UTF%-8")
    assert.is_not_nil(channel("chat-1", ("x"):rep(256)))
  end)

  describe("and its handle", function()
    it("is one for each name, beside the local channel of that name", function()
      local service = w.servers["chat-1"].app:get("channelService")
      local c = channel "chat-1"
      assert.is_true(c == channel "chat-1")
      assert.is_true(c == service:createChannel("hall", { scope = "cluster" }))
      assert.is_true(c == service:getChannel("hall", false, { scope = "cluster" }))
      assert.is_nil(service:getChannel("hall"))
      local here = service:getChannel("hall", true, { scope = "local" })
      assert.is_false(c == here)
      assert.is_true(here == service:createChannel("hall"))
      assert.equal("hall", c.name)
      assert.equal("cluster", c.scope)
      assert.equal("Channel hall (cluster)", tostring(c))
      assert.is_nil(c.nothing)
      assert.error_matches(function() return c.getMember_ end, "did you mean getMember")
      assert.is_true(channel("chat-1", 5) == channel("chat-1", "5"))
    end)

    it("says what is wrong with arguments", function()
      local c = channel "chat-1"
      local service = w.servers["chat-1"].app:get("channelService")
      local function raises(text, fn, ...)
        local args = { n = select("#", ...), ... }
        local message
        w:run("chat-1", function()
          local _
          _, message = pcall(fn, unpack(args, 1, args.n))
        end)
        assert.matches(text, tostring(message), 1, true)
      end
      raises("write channel:add(...) with a colon", c.add, "ann", "connector-1")
      raises("sid must be the id of the user's frontend, got nil", c.add, c, "ann")
      raises("uid must be a string of at most 4096 bytes or a number", c.leave, c, true, "x")
      raises("the table is no session", c.add, c, { id = 1 })
      raises("the session has no uid, bind it first", c.add, c, { id = 1, frontendId = "x" })
      raises("the callback must be a function, got string", c.getMembers, c, "x")
      raises("uid must be a string or a number, got nil", c.getMember, c)
      raises('opts.scope must be "local" or "cluster", got world', service.getChannel, service,
        "a", true, { scope = "world" })
      raises("opts has no key scop", service.createChannel, service, "a", { scop = "cluster" })
      raises("opts must be a table, got string", service.createChannel, service, "a", "cluster")
      raises("opts is the third argument", service.getChannel, service, "a", { scope = "cluster" })
      for _, name in ipairs { "channelsOf", "leaveAll", "destroyChannel" } do
        raises("is about local channels", service[name], service, "a", { scope = "cluster" })
      end
      raises("is about local channels", service.getChannelNames, service, { scope = "cluster" })
    end)
  end)

  it("costs nothing on servers that do not use it", function()
    at("chat-1", "add", client("connector-1", "ann"))
    local asked = {}
    w.lost = function(item)
      if item.kind == "interest" then asked[item.from .. " " .. item.to] = true end
    end
    w:advance(3000)
    assert.same({ ["chat-1 connector-1"] = true, ["chat-1 connector-2"] = true }, asked)
  end)
end)

describe("a cluster channel in the test kit", function()
  local folder, server

  before_each(function()
    folder = tree.new {
      ["app.lua"] = 'require("pomelua").createApp():start()',
      ["config/servers.json"] = '{ "connector": [{ "id": "connector-1", "host": "127.0.0.1", '
        .. '"clientPort": 0, "frontend": true }, { "id": "connector-2", "host": "127.0.0.1", '
        .. '"clientPort": 0, "frontend": true }], "chat": [{ "id": "chat-1", '
        .. '"host": "127.0.0.1" }] }',
      ["app/servers/chat/handler/chat.lua"] = [[
        return function(app)
          local Handler = {}
          local function hall()
            return app:get("channelService"):getChannel("hall", true, { scope = "cluster" })
          end
          function Handler:call(msg, session)
            local c = hall()
            local args = msg.session and { session } or msg.args or {}
            local value, err = c[msg.method](c, unpack(args))
            return { value = value, err = err and err.code }
          end
          return Handler
        end
      ]],
    }
    server = test.server { base = folder, type = "chat" }
  end)
  after_each(function() tree.remove(folder) end)

  local function call(session, method, ...)
    local answer = server:request("chat.chat.call", { method = method, args = { ... } }, session)
    if answer.err then return nil, answer.err end
    return answer.value
  end

  local function join(session)
    return server:request("chat.chat.call", { method = "add", session = true }, session).value
  end

  it("has the members of all frontends, and loses them as a running one does", function()
    local ann, bob = { uid = "ann", frontendId = "connector-1" },
      { uid = "bob", frontendId = "connector-2" }
    assert.is_true(join(ann))
    assert.is_true(join(bob))
    assert.is_true(join(bob))
    assert.same({ "ann", "bob" }, call(ann, "getMembers"))
    assert.equal(2, call(ann, "getUserAmount"))
    assert.same({ uid = "bob", sid = "connector-2" }, call(ann, "getMember", "bob"))
    call(ann, "pushMessage", "onX", { 1 })
    local pushed = server:pushed()
    assert.equal(1, #pushed)
    table.sort(pushed[1].to)
    assert.same({ "ann", "bob" }, pushed[1].to)
    server:restart "connector-2"
    assert.same({ "ann" }, call(ann, "getMembers"))
    assert.same({ nil, "NOENT" }, { call(ann, "add", "bob", "connector-2") })
    assert.is_true(call(ann, "leave", "ann", "connector-1"))
    call(ann, "pushMessage", "onX", { 1 })
    assert.same({}, server:pushed())
    join(ann)
    assert.is_true(call(ann, "destroy"))
    assert.same({}, call(ann, "getMembers"))
  end)

  it("has one member for each session, and none without its uid", function()
    local phone, laptop = { uid = 7, frontendId = "connector-1" },
      { uid = "7", frontendId = "connector-1" }
    join(phone)
    join(laptop)
    assert.equal(1, call(phone, "getUserAmount"))
    server:disconnect(laptop)
    assert.equal(1, call(phone, "getUserAmount"))
    server:disconnect(phone)
    assert.equal(0, call({ uid = "x", frontendId = "connector-1" }, "getUserAmount"))
  end)
end)
