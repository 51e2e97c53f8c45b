-- Delivery of pushes as scripts see it (core/bind/push_options.c), and pushes to one session
-- (session:send, sessionService:sendMessage), on virtual nodes.
local core = require "pomelua.core"
local world = require "spec.support.world"

-- A server that pushes to frontends which are not there but as names.
local function backend()
  local w = world.new {
    { id = "chat-1", serverType = "chat" },
    { id = "gate-1", serverType = "gate", frontend = true },
  }
  return w, w:load("chat-1", {})
end

describe("the delivery of a push", function()
  local w, chat, service, room

  before_each(function()
    w, chat = backend()
    service = chat.app:get("channelService")
    room = service:createChannel("room")
    room:add("ann", "gate-1")
  end)
  after_each(function() w:close() end)

  -- The records that went to the frontend, without their bodies.
  local function sent(fn)
    assert(pcall(fn))
    local list = {}
    for i, record in ipairs(chat.node:outbox()) do
      list[i] = record.kind .. " " .. tostring(record.delivery)
    end
    return list
  end

  it("travels with each kind of push", function()
    local latest, drop = { delivery = "latest", key = "ann" }, { delivery = "drop" }
    assert.same({ "push latest", "push drop", "push nil", "push nil" }, sent(function()
      room:pushMessage("onMove", { x = 1 }, latest)
      room:pushMessage({ route = "onMove" }, drop)
      room:pushMessage("onMove", { x = 1 }, { delivery = "reliable" })
      room:pushMessage("onMove", { x = 1 })
    end))
    local ann = { { uid = "ann", sid = "gate-1" } }
    assert.same({ "push latest", "push drop" }, sent(function()
      service:pushMessageByUids("onMove", { x = 1 }, ann, latest)
      service:pushMessageByUids({ route = "onMove" }, ann, drop)
    end))
    assert.same({ "broadcast latest", "broadcast drop" }, sent(function()
      service:broadcast("gate", "onMove", { x = 1 }, latest)
      service:broadcast("gate", { route = "onMove" }, drop)
    end))
  end)

  it("has an identity of route and key, whichever function pushes", function()
    local function identities(fn)
      assert(pcall(fn))
      local list = {}
      for i, record in ipairs(chat.node:outbox()) do list[i] = record.identity end
      return list
    end
    local ann = { { uid = "ann", sid = "gate-1" } }
    local function latest(key) return { delivery = "latest", key = key } end
    local ids = identities(function()
      room:pushMessage("onMove", { x = 1 }, latest("7"))
      service:pushMessageByUids("onMove", { x = 2 }, ann, latest(7))
      service:broadcast("gate", "onMove", { x = 3 }, latest("7"))
      room:pushMessage("onMove", { x = 1 }, latest("8"))
      room:pushMessage("onMove", { x = 1 }, latest())
      room:pushMessage("onTurn", { x = 1 }, latest("7"))
    end)
    assert.equal(ids[1], ids[2])
    assert.equal(ids[1], ids[3])
    local seen = {}
    for i = 3, 6 do
      assert.is_nil(seen[ids[i]])
      seen[ids[i]] = true
    end
  end)

  it("that is none of the three raises at the line of the game, with the nearest name", function()
    local function wrong(opts, text)
      for _, push in ipairs {
        function() room:pushMessage("onX", { m = 1 }, opts) end,
        function()
          service:pushMessageByUids("onX", { m = 1 }, { { uid = 1, sid = "gate-1" } }, opts)
        end,
        function() service:broadcast("gate", "onX", { m = 1 }, opts) end,
      } do
        local ok, message = pcall(push)
        assert.is_false(ok)
        assert.matches("^[^\n]*delivery_spec%.lua:%d+: channel%w*:%w+: ", message)
        assert.equal(text, message:match(": (opts%..*)$"))
      end
      assert.same({}, chat.node:outbox())
    end
    local three = 'opts.delivery must be "reliable", "latest" or "drop", got '
    wrong({ delivery = "lattest" }, three .. '"lattest"; did you mean "latest"?')
    wrong({ delivery = "volatile" }, three .. '"volatile"')
    wrong({ delivery = true }, three .. "boolean")
    local key = 'opts.key belongs to opts.delivery = "latest", got '
    wrong({ key = "ann" }, key .. "no delivery")
    wrong({ key = "ann", delivery = "drop" }, key .. "drop")
    local kind = "opts.key must be a string of at most 4096 bytes or a number, got "
    wrong({ key = {}, delivery = "latest" }, kind .. "table")
    wrong({ key = ("k"):rep(4097), delivery = "latest" }, kind .. "a longer one")
  end)

  it("that is nearly an option is named in the log", function()
    pcall(function() room:pushMessage("onX", { m = 1 }, { delivry = "latest" }) end)
    assert.is_true(w:logged("chat-1", "warn", "opts.delivry does nothing; did you mean delivery?"))
  end)
end)

describe("a push to one session", function()
  describe("of this frontend", function()
    local w, one, sid, other
    before_each(function()
      w = world.single()
      one = w:load("connector-1", {})
      sid, other = one.node:openSession(), one.node:openSession()
    end)
    after_each(function() w:close() end)

    local function got()
      local list = {}
      for _, item in ipairs(w:got("connector-1")) do
        local who = item.sid == sid and "mine " or "other "
        list[#list + 1] = who .. item.route .. " " .. item.text
      end
      return list
    end

    it("reaches it bound or not, and no other", function()
      local sessions = one.app:get("sessionService")
      assert.is_true(sessions:get(sid):send("onX", { m = 1 }))
      sessions:bind(sid, "ann")
      sessions:bind(other, "ann")
      assert.is_true(sessions:get(sid):send({ route = "onY" }, { delivery = "drop" }))
      assert.same({ 'mine onX {"m":1}', 'mine onY {"route":"onY"}' }, got())
    end)

    it("tells that the session has ended, and logs nothing", function()
      local session = one.app:get("sessionService"):get(sid)
      one.node:closeSession(sid)
      local ok, err = session:send("onX", { m = 1 })
      assert.is_nil(ok)
      assert.equal("NOENT", err.code)
      assert.matches("session does not exist, sid: " .. ("%.0f"):format(sid), err.message, 1, true)
    end)

    it("tells what cannot be sent", function()
      local session = one.app:get("sessionService"):get(sid)
      local ok, err = session:send("onX", nil)
      assert.is_nil(ok)
      assert.equal("can not send empty message.", err.message)
      ok, err = session:send("onX", { f = print })
      assert.is_nil(ok)
      assert.equal("ENCODE", err.code)
      ok, err = session:send(7, { m = 1 })
      assert.is_nil(ok)
      assert.equal("session:send: the route must be a string, got number", err.message)
      ok, err = session:send("", { m = 1 })
      assert.is_nil(ok)
      assert.equal("session:send: the route must be a string, got an empty one", err.message)
      local raised, message = pcall(function()
        session:send("onX", { m = 1 }, { delivery = "last" })
      end)
      assert.is_false(raised)
      assert.matches("^[^\n]*delivery_spec%.lua:%d+: session:send: opts%.delivery must be", message)
      assert.same({}, got())
    end)

    it("takes no callback, which would never be called", function()
      local sessions = one.app:get("sessionService")
      local session = sessions:get(sid)
      sessions:bind(sid, "ann")
      for _, call in ipairs {
        function(cb) session:send("onX", { m = 1 }, cb) end,
        function(cb) session:send("onX", { m = 1 }, {}, cb) end,
        function(cb) session:send({ route = "onX" }, cb) end,
        function(cb) sessions:sendMessage(sid, "onX", { m = 1 }, cb) end,
        function(cb) sessions:sendMessageByUid("ann", "onX", { m = 1 }, nil, cb) end,
      } do
        local raised, message = pcall(call, function() end)
        assert.is_false(raised)
        assert.matches("^[^\n]*delivery_spec%.lua:%d+: %w+:%w+: it waits for nobody", message)
      end
      assert.same({}, got())
    end)

    it("is warned of options that only other pushes have", function()
      local sessions = one.app:get("sessionService")
      assert.is_true(sessions:get(sid):send("onX", { m = 1 }, { except = { "ann" } }))
      assert.is_true(w:logged("connector-1", "warn", "session:send: opts.except does nothing here"))
      one.app:get("channelService"):getChannel("c", true):pushMessage("onX", {}, { binded = true })
      assert.is_true(w:logged("connector-1", "warn", "opts.binded does nothing here"))
    end)

    it("goes by id or by uid through sessionService", function()
      local sessions = one.app:get("sessionService")
      sessions:bind(sid, "ann")
      sessions:bind(other, "ann")
      assert.is_true(sessions:sendMessage(sid, "onX", { m = 1 }))
      assert.is_false(sessions:sendMessage(4711, "onX", { m = 1 }))
      assert.is_false(sessions:sendMessage(nil, "onX", { m = 1 }))
      assert.is_true(sessions:sendMessageByUid("ann", "onY", { m = 2 }))
      assert.is_false(sessions:sendMessageByUid("zoe", "onY", { m = 2 }))
      assert.same({ 'mine onX {"m":1}', 'mine onY {"m":2}', 'other onY {"m":2}' }, got())
    end)
  end)

  describe("of another server", function()
    local w, chat
    before_each(function() w, chat = backend() end)
    after_each(function() w:close() end)

    local function session_of(incarnation)
      return chat.app:get("backendSessionService"):create {
        id = 77, frontendId = "gate-1", uid = "ann", settings = {}, incarnation = incarnation,
      }
    end

    it("is one record without an answer", function()
      local session = session_of(chat.node:incarnation("gate-1"))
      assert.is_true(session:send("onX", { m = 1 }, { delivery = "latest", key = 1 }))
      local records = chat.node:outbox()
      assert.equal(1, #records)
      assert.equal("send", records[1].kind)
      assert.equal("gate-1", records[1].to)
      assert.equal(77, records[1].session)
      assert.equal("latest", records[1].delivery)
      assert.is_nil(records[1].call)
      assert.equal("onX", core.read_message(records[1].body).route)
    end)

    it("is not sent to a later life of its frontend, nor to one that is gone", function()
      local session = session_of(chat.node:incarnation("gate-1"))
      chat.node:peer("gate-1", false)
      local ok, err = session:send("onX", { m = 1 })
      assert.is_nil(ok)
      assert.equal("session does not exist, sid: 77: server gate-1 is gone", err.message)
      chat.node:peer("gate-1", true)
      ok, err = session:send("onX", { m = 1 })
      assert.is_nil(ok)
      assert.equal("NOENT", err.code)
      assert.matches("sid: 77: server gate-1 was restarted since", err.message, 1, true)
      assert.is_true(session_of(nil):send("onX", { m = 1 })) -- of no life in particular
      assert.equal(1, #chat.node:outbox())
    end)
  end)
end)
