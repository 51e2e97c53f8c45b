-- Members of channels that leave by themselves (channel/presence.lua, channel/later.lua,
-- session/watched.lua, core/node/membership, core/bind/l_membership.c), and the functions of
-- channelConfig that hear of it (channel/members).
local core = require "pomelua.core"
local world = require "spec.support.world"

local FRONT = "connector-1"

describe("members of channels", function()
  local w, front, chat, service, seen

  before_each(function()
    w = world.usual()
    seen = {}
  end)
  after_each(function() w:close() end)

  -- The chat server, with settings of channelConfig.
  local function start(channel_config)
    front = w:load(FRONT, {})
    chat = w:load("chat-1", { settings = { channelConfig = channel_config or {} } })
    service = chat.app:get("channelService")
  end

  local function open(uid)
    local sid = front.node:openSession()
    if uid then assert(front.app:get("sessionService"):bind(sid, uid) == nil) end
    return sid
  end

  local function close(sid)
    front.node:closeSession(sid)
    w:settle()
  end

  -- A session as a handler of the chat server gets it.
  local function session_of(sid, uid)
    return chat.app:get("backendSessionService"):create {
      id = sid, frontendId = FRONT, uid = uid, settings = {},
    }
  end

  local function members(name)
    local c = service:getChannel(name)
    if not c then return nil end
    local list = c:getMembers()
    table.sort(list)
    assert.equal(#list, c:getUserAmount())
    return setmetatable(list, nil)
  end

  local function noting()
    return {
      onJoin = function(channel, uid, sid)
        seen[#seen + 1] = ("+%s %s %s %d"):format(channel.name, uid, sid, channel:getUserAmount())
      end,
      onLeave = function(channel, uid, sid, reason)
        seen[#seen + 1] = ("-%s %s %s %d %s"):format(channel.name, uid, sid,
          channel:getUserAmount(), reason)
      end,
    }
  end

  local function taken()
    local list = seen
    seen = {}
    return list
  end

  -- What crosses between servers, by the route.
  local function count_calls(method)
    local n, node = 0, chat.node
    chat.node = setmetatable({ call = function(_, to, name, ...)
      if name:find(method, 1, true) then n = n + 1 end
      return node:call(to, name, ...)
    end }, { __index = function(_, key)
      return function(_, ...) return node[key](node, ...) end
    end })
    return function()
      chat.node = node
      return n
    end
  end

  it("stay when nothing was asked for, and no server is asked for anything", function()
    start()
    local calls = count_calls("")
    local sid = open "ann"
    service:createChannel("room"):add("ann", FRONT)
    w:settle()
    close(sid)
    assert.same({ "ann" }, members "room")
    assert.equal(0, calls())
    assert.same({}, front.watched.by_uid)
  end)

  describe("with autoLeave", function()
    it("leave with the last session of their uid on that frontend", function()
      start { autoLeave = true }
      local one, two = open "ann", open "ann"
      open "bob"
      for _, name in ipairs { "room", "hall" } do
        service:createChannel(name):add("ann", FRONT)
        service:createChannel(name):add("bob", FRONT)
      end
      w:settle()
      close(one)
      assert.same({ "ann", "bob" }, members "room")
      close(two)
      assert.same({ "bob" }, members "room")
      assert.same({ "bob" }, members "hall")
    end)

    it("leave when the session was unbound", function()
      start { autoLeave = true }
      local sid = open(7)
      service:createChannel("room"):add(7, FRONT)
      w:settle()
      front.app:get("sessionService"):unbind(sid, 7)
      w:settle()
      assert.same({}, members "room")
    end)

    it("leave when their session had ended before they were added", function()
      start { autoLeave = true }
      close(open "ann")
      service:createChannel("room"):add("ann", FRONT)
      assert.same({ "ann" }, members "room")
      w:settle()
      assert.same({}, members "room")
    end)

    it("leave when their frontend has gone, or was never there", function()
      start { autoLeave = true }
      open "ann"
      service:createChannel("room"):add("ann", FRONT)
      service:createChannel("room"):add("bob", "connector-9")
      w:settle()
      assert.same({ "ann" }, members "room")
      chat.node:peer(FRONT, false)
      w:settle()
      assert.same({}, members "room")
      assert.same({}, chat.presence.by_key)
      assert.same({}, chat.presence.members)
    end)

    it("ask once for a uid, in however many channels it is", function()
      start { autoLeave = true }
      open "ann"
      local calls = count_calls("watch")
      for i = 1, 20 do
        service:createChannel("room" .. i):add("ann", FRONT)
        service:createChannel("room" .. i):leave("ann", FRONT)
        service:createChannel("room" .. i):add("ann", FRONT)
        w:settle()
      end
      assert.equal(1, calls())
      assert.equal(1, #front.watched.by_uid.ann)
    end)

    it("stay when the user has come back before the news of the end arrives", function()
      start { autoLeave = true }
      local old = open "ann"
      service:createChannel("room"):add("ann", FRONT)
      service:createChannel("old"):add("ann", FRONT)
      w:settle()
      front.node:closeSession(old)
      front.node:settle()
      local late = front.node:outbox() -- the news
      assert.equal("_channelRemote.ended", late[1].route)
      open "ann"
      service:createChannel("room"):add("ann", FRONT) -- by another way than the frontend's
      late[1].from, late[1].ms = FRONT, 60000
      chat.node:deliver(late[1]) -- in the same turn
      w:settle()
      assert.same({ "ann" }, members "room")
      assert.same({}, members "old")
      assert.equal(1, #front.watched.by_uid.ann)
    end)

    it("stay in channels that they have joined since, when the user has another session", function()
      start { autoLeave = true }
      local old = open "ann"
      service:createChannel("room"):add("ann", FRONT)
      w:settle()
      service:createChannel("later"):add("ann", FRONT)
      w:settle()
      front.node:closeSession(old)
      w:settle()
      assert.same({}, members "room")
      assert.same({}, members "later") -- the frontend was asked again
      assert.same({}, front.watched.by_uid)
    end)

    it("are asked for again when the frontend does not answer in time", function()
      start { autoLeave = true }
      chat.node:peer("connector-1", true)
      local sid = open "ann"
      service:createChannel("room"):add("ann", FRONT)
      chat.node:settle()
      assert.equal("_sessionRemote.watch", chat.node:outbox()[1].route) -- and is lost
      close(sid)
      chat.node:advance(5000)
      assert.is_true(w:logged("chat-1", "warn",
        "channels: server connector-1 was asked for the sessions of a member"))
      assert.same({ "ann" }, members "room")
      w:advance(1000)
      assert.same({}, members "room")
    end)

    it("leave on the frontend itself, too", function()
      front = w:load(FRONT, { settings = { channelConfig = { autoLeave = true } } })
      chat, service = front, front.app:get("channelService")
      local sid = open "ann"
      service:createChannel("room"):add("ann", FRONT)
      w:settle()
      close(sid)
      assert.same({}, members "room")
    end)

    it("leave also when their frontend alone had taken their server for gone", function()
      start { autoLeave = true }
      local sid, other = open "ann", open "bob"
      service:createChannel("room"):add("ann", FRONT)
      service:createChannel("room"):add("bob", FRONT)
      w:settle()
      front.node:peer("chat-1", false)
      w:settle()
      close(other) -- meanwhile
      assert.same({ "ann", "bob" }, members "room")
      front.node:peer("chat-1", true)
      w:settle()
      assert.same({ "ann" }, members "room")
      assert.same({}, front.presence.forgot)
      close(sid)
      assert.same({}, members "room")
    end)

    it("leave no question behind on a frontend when their server goes", function()
      start { autoLeave = true }
      open "ann"
      service:createChannel("room"):add("ann", FRONT)
      service:createChannel("tied"):add(session_of(open "bob", "bob"))
      w:settle()
      front.node:peer("chat-1", false)
      assert.same({}, front.watched.by_uid)
      assert.same({}, front.watched.by_sid)
    end)
  end)

  describe("added with a session", function()
    it("leave with it, whatever other sessions the user has", function()
      start()
      local one = open "ann"
      open "ann"
      local room = service:createChannel("room")
      assert.is_true(room:add(session_of(one, "ann")))
      assert.is_true(room:add(session_of(one, "ann")))
      service:createChannel("plain"):add("ann", FRONT)
      w:settle()
      assert.same({ "ann" }, members "room")
      close(one)
      assert.same({}, members "room")
      assert.same({ "ann" }, members "plain")
    end)

    it("leave with the last one that they were added with", function()
      start { autoLeave = true }
      local one, two, three = open "ann", open "ann", open "ann"
      local room = service:createChannel("room")
      room:add("ann", FRONT)
      room:add(session_of(one, "ann"))
      room:add(session_of(two, "ann"))
      w:settle()
      close(one)
      assert.same({ "ann" }, members "room")
      close(two)
      assert.same({}, members "room")
      close(three)
    end)

    it("leave at once when it has ended already, or has lost its uid", function()
      start()
      local one, two = open "ann", open "bob"
      close(one)
      front.app:get("sessionService"):unbind(two, "bob")
      service:createChannel("room"):add(session_of(one, "ann"))
      service:createChannel("room"):add(session_of(two, "bob"))
      w:settle()
      assert.same({}, members "room")
    end)

    it("leave when a script says so with the session", function()
      start()
      local s = session_of(open "ann", "ann")
      service:createChannel("room"):add(s)
      assert.is_true(service:getChannel("room"):leave(s))
      assert.is_false(service:getChannel("room"):leave(s))
      assert.same({}, members "room")
    end)

    it("must have a uid", function()
      start()
      local room = service:createChannel("room")
      for text, bad in pairs {
        ["channel:add%(session%): the session has no uid, bind it first"] = session_of(open(), nil),
        ["channel:add%(session%): the table is no session"] = { uid = "ann" },
      } do
        local ok, message = pcall(function() room:add(bad) end)
        assert.is_false(ok)
        assert.matches("members_spec.lua:%d+: " .. text, message)
      end
      assert.same({}, members "room")
    end)
  end)

  describe("as onJoin and onLeave hear of them", function()
    it("join once and leave once, with a right count and the reason", function()
      local config = noting()
      config.autoLeave = true
      start(config)
      local sid = open "ann"
      local room = service:createChannel("room")
      room:add("ann", FRONT)
      room:add("ann", FRONT)
      w:settle()
      assert.same({ "+room ann connector-1 1" }, taken())
      room:add(7, "chat-9")
      room:leave(7, "chat-9")
      room:leave(7, "chat-9")
      chat.node:settle()
      assert.same({ "+room 7 chat-9 1", "-room 7 chat-9 1 leave" }, taken())
      close(sid)
      assert.same({ "-room ann connector-1 0 closed" }, taken())
    end)

    it("leave with their channel, which has no members then", function()
      start(noting())
      local room = service:createChannel("room")
      room:add("ann", FRONT)
      room:add("bob", FRONT)
      w:settle()
      taken()
      room:destroy()
      w:settle()
      assert.same({ "-room ann connector-1 0 destroy", "-room bob connector-1 0 destroy" }, taken())
    end)

    it("leave when another server has come under their frontend's id", function()
      start(noting())
      service:createChannel("room"):add("ann", FRONT)
      w:settle()
      taken()
      chat.node:peer(FRONT, false)
      w:settle()
      assert.same({}, taken())
      chat.node:peer(FRONT, true)
      w:settle()
      assert.same({ "-room ann connector-1 0 server" }, taken())
    end)

    it("were there before, when the channel was filled before the start", function()
      front = w:load(FRONT, {})
      chat = w.servers["chat-1"]
      service = chat.app:get("channelService")
      service:createChannel("early"):add("ann", FRONT)
      start(noting())
      w:settle()
      assert.same({ "+early ann connector-1 1" }, taken())
    end)

    it("may wait, may change channels, and an error of one is logged", function()
      local pomelua = require "pomelua"
      start {
        onJoin = function(channel, uid, sid)
          if uid == "bad" then error("not you") end
          pomelua.sleep(10)
          service:createChannel("second"):add(uid, sid)
          channel:leave(uid, sid)
        end,
      }
      service:createChannel("second"):add("bad", FRONT)
      w:settle()
      assert.is_true(w:logged("chat-1", "error", "not you"))
      service:createChannel("room"):add("ann", FRONT)
      w:advance(10)
      assert.same({}, members "room")
      assert.same({ "ann", "bad" }, members "second")
      w:advance(10)
    end)
  end)

  describe("of a user", function()
    local function sorted(list)
      assert.equal(core.array_mt, getmetatable(list) or core.array_mt)
      table.sort(list)
      return setmetatable(list, nil)
    end

    it("are found by uid, each channel once, and leave together", function()
      start(noting())
      for _, name in ipairs { "a", "b", "c" } do service:createChannel(name) end
      assert.same({}, sorted(service:channelsOf("ann")))
      service:getChannel("a"):add("ann", FRONT)
      service:getChannel("a"):add("ann", "connector-2")
      service:getChannel("b"):add("ann", FRONT)
      service:getChannel("b"):add(7, FRONT)
      assert.same({ "a", "b" }, sorted(service:channelsOf("ann")))
      assert.same({ "b" }, sorted(service:channelsOf("7")))
      assert.same({ "a", "b", "c" }, sorted(service:getChannelNames()))
      w:settle()
      taken()
      assert.equal(3, service:leaveAll("ann"))
      assert.equal(0, service:leaveAll("ann"))
      assert.same({}, sorted(service:channelsOf("ann")))
      assert.same({ 7 }, members "b")
      w:settle()
      assert.equal(3, #taken())
      service:destroyChannel("b")
      assert.same({}, sorted(service:channelsOf(7)))
      assert.same({ "a", "c" }, sorted(service:getChannelNames()))
      assert.equal("[]", core.encode(service:channelsOf("nobody")))
    end)

    it("must be a user", function()
      start()
      for _, call in ipairs { "channelsOf", "leaveAll" } do
        local ok, message = pcall(function() service[call](service, {}) end)
        assert.is_false(ok)
        assert.matches("members_spec.lua:%d+: channelService:" .. call .. "%(uid%): a uid is a ",
          message)
      end
    end)
  end)

  describe("that were the last ones", function()
    it("leave an empty channel behind, which stays", function()
      start()
      service:createChannel("room"):add("ann", FRONT)
      service:getChannel("room"):leave("ann", FRONT)
      w:settle()
      assert.same({}, members "room")
    end)

    it("take the channel with them with removeEmpty, when the turn is over", function()
      start { removeEmpty = true }
      local room = service:createChannel("room")
      local never = service:createChannel("never")
      w:settle()
      room:add("ann", FRONT)
      room:leave("ann", FRONT)
      assert.is_true(room:add("bob", FRONT)) -- in the same turn: it lives on
      w:settle()
      assert.same({ "bob" }, members "room")
      room:leave("bob", FRONT)
      w:settle()
      assert.is_nil(service:getChannel("room"))
      assert.is_false(room:add("ann", FRONT))
      assert.is_true(never == service:getChannel("never")) -- nobody has left it
      assert.same({ "never" }, setmetatable(service:getChannelNames(), nil))
    end)

    it("are said to have left while the channel is still there", function()
      local said = {}
      start {
        removeEmpty = true,
        onLeave = function(channel, uid)
          channel:pushMessage("onLeave", { user = uid }, function(err)
            said[#said + 1] = uid .. " " .. tostring(err)
          end)
        end,
      }
      local room = service:createChannel("room")
      for _, uid in ipairs { "ann", "bob" } do room:add(uid, FRONT) end
      w:settle()
      for _, uid in ipairs { "ann", "bob" } do room:leave(uid, FRONT) end
      w:settle()
      assert.same({ "ann nil", "bob nil" }, said)
      assert.is_nil(service:getChannel("room"))
    end)

    it("are there for each other, also when one's leaving makes another leave", function()
      local said, room = {}, nil
      start {
        removeEmpty = true,
        onLeave = function(channel, uid)
          if uid == "ann" then room:leave("bob", FRONT) end
          channel:pushMessage("onLeave", { user = uid }, function(err)
            said[#said + 1] = uid .. " " .. tostring(err)
          end)
        end,
      }
      room = service:createChannel("room")
      for _, uid in ipairs { "ann", "bob" } do room:add(uid, FRONT) end
      w:settle()
      room:leave("ann", FRONT)
      w:settle()
      assert.same({ "ann nil", "bob nil" }, said)
      assert.is_nil(service:getChannel("room"))
    end)

    it("do so when they leave by themselves, too", function()
      start { removeEmpty = true, autoLeave = true }
      local sid = open "ann"
      service:createChannel("room"):add("ann", FRONT)
      w:settle()
      close(sid)
      assert.is_nil(service:getChannel("room"))
    end)
  end)
end)
