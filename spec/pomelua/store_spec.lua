-- Channels in a store of the game's (channel/store; protocol 17.4), and each fault of Pomelo's
-- restore as it is mended.
local core = require "pomelua.core"
local store_module = require "pomelua.channel.store"
local pomelua = require "pomelua"
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local world = require "spec.support.world"

local FRONT = "connector-1"

-- A store in a table: lists by key. way: how it answers.
local ways = {
  ["calls back at once"] = function(_, cb, value) cb(nil, value) end,
  ["calls back later"] = function(w, cb, value) w.late(function() cb(nil, value) end) end,
  ["returns"] = function(_, _, value) return value or true end,
  ["waits and returns"] = function(_, _, value)
    pomelua.sleep(5)
    return value or true
  end,
}

describe("the channel store", function()
  local w, chat, service, lists, log, fail, answer, takes

  before_each(function()
    w = world.usual()
    lists, log, fail = {}, {}, nil
    answer, takes = ways["calls back at once"], true
    function w.late(fn) chat.app:setTimeout(5, fn) end
  end)
  after_each(function() w:close() end)

  -- What a function of the store does: it is noted, and fails when the spec says so.
  local function done(op, key, cb, value)
    log[#log + 1] = op .. " " .. key
    if fail and fail(op, key) then
      if takes then return cb(fail(op, key)) end
      return nil, fail(op, key)
    end
    return answer(w, cb, value)
  end

  local function new_store()
    local store = {}
    function store:add(key, value, cb)
      assert(self == store)
      lists[key] = lists[key] or {}
      table.insert(lists[key], value)
      return done("add", key, cb)
    end
    function store:remove(key, value, cb)
      for i, one in ipairs(lists[key] or {}) do
        if one == value then
          table.remove(lists[key], i)
          break
        end
      end
      return done("remove", key, cb)
    end
    function store:load(key, cb) return done("load", key, cb, lists[key]) end
    function store:removeAll(key, cb)
      lists[key] = nil
      return done("removeAll", key, cb)
    end
    if takes then return store end
    local plain = {}
    function plain:add(key, value) return assert(self == plain) and store:add(key, value) end
    function plain:remove(key, value) return assert(self == plain) and store:remove(key, value) end
    function plain:load(key) return assert(self == plain) and store:load(key) end
    function plain:removeAll(key) return assert(self == plain) and store:removeAll(key) end
    return plain
  end

  local function start(more)
    local config = { store = new_store(), prefix = "game" }
    for key, value in pairs(more or {}) do config[key] = value end
    w:load(FRONT, {})
    chat = w:load("chat-1", { settings = { channelConfig = config } })
    service = chat.app:get("channelService")
  end

  local function restore()
    local over = false
    w:run("chat-1", function()
      store_module.restore(chat)
      over = true
    end)
    for _ = 1, 100 do
      if over then break end
      w:advance(5)
    end
    assert.is_true(over)
  end

  local function members(name)
    local c = assert(service:getChannel(name), name .. " is not there")
    local list = c:getMembers()
    assert.equal(#list, c:getUserAmount())
    return setmetatable(list, nil)
  end

  for way, fn in pairs(ways) do
    describe("that " .. way, function()
      before_each(function()
        answer, takes = fn, way:find("calls back") ~= nil
      end)

      it("holds what happens to channels, under Pomelo's keys", function()
        start()
        local room = service:createChannel("room")
        room:add("ann", FRONT)
        room:add(7, FRONT)
        room:add("ann", FRONT)
        service:createChannel("gone"):add("bob", FRONT)
        w:advance(50)
        assert.same({
          ["game:chat-1"] = { "game:chat-1:room", "game:chat-1:gone" },
          ["game:chat-1:room"] = { "connector-1:ann", "connector-1:7" },
          ["game:chat-1:gone"] = { "connector-1:bob" },
        }, lists)
        room:leave("ann", FRONT)
        room:leave("ann", FRONT)
        assert.is_false(room:add("zoe")) -- without a frontend: it is not stored
        service:destroyChannel("gone")
        w:advance(50)
        assert.same({
          ["game:chat-1"] = { "game:chat-1:room" },
          ["game:chat-1:room"] = { "connector-1:7" },
        }, lists)
        assert.same({}, chat.store.lanes)
      end)

      it("gives them back before the start goes on, each member in its own channel", function()
        for i = 1, 70 do
          local key = "game:chat-1:room" .. i
          lists["game:chat-1"] = lists["game:chat-1"] or {}
          table.insert(lists["game:chat-1"], key)
          lists[key] = { "connector-1:u" .. i, "connector-1:v" .. i }
        end
        start()
        restore()
        for i = 1, 70 do assert.same({ "u" .. i, "v" .. i }, members("room" .. i)) end
        for _, line in ipairs(log) do assert.matches("^load ", line) end -- nothing is written again
      end)
    end)
  end

  it("gives uids back as they were: numbers, and texts with any letters", function()
    start()
    local uids = { 7, "8", 0, -1.5, 2 ^ 53 - 1, "a:b", "x:connector-1:y", '"q"', "1e3", "é",
      "0x10" }
    local room = service:createChannel("a:b")
    for _, uid in ipairs(uids) do room:add(uid, FRONT) end
    w:settle()
    local before = lists
    w:close()
    w = world.usual()
    lists = before
    start()
    restore()
    assert.same(uids, members("a:b"))
    assert.equal(#uids, service:getChannel("a:b"):getUserAmount())
  end)

  it("reads what Pomelo has written", function()
    lists = {
      ["game:chat-1"] = { "game:chat-1:1" },
      ["game:chat-1:1"] = { "connector-1:42", "connector-1:ann" },
    }
    start()
    restore()
    assert.same({ 42, "ann" }, members("1"))
  end)

  it("keeps out what names no frontend, takes it out, and says so", function()
    lists = {
      ["game:chat-1"] = { "game:chat-1:room", "other:room", "game:chat-1:", 7 },
      ["game:chat-1:room"] = { "undefined:ann", "connector-1:", "ann", "chat-2:bob",
        "connector-1:cid" },
    }
    start()
    restore()
    assert.same({ "cid" }, members("room"))
    assert.same({ "room" }, setmetatable(service:getChannelNames(), nil))
    assert.same({ "connector-1:cid" }, lists["game:chat-1:room"])
    local text = {}
    for _, line in ipairs(chat.node:lines()) do text[#text + 1] = line.text end
    text = table.concat(text, "\n")
    for _, part in ipairs {
      '"game:chat-1:room" holds "undefined:ann", which names no frontend and uid',
      '"game:chat-1" holds other:room, which is no key of a channel: it must begin with "game:cha',
    } do
      assert.truthy(text:find(part, 1, true), text)
    end
  end)

  for what, list in pairs { ["nil"] = "nil", ["null"] = core.null, empty = {} } do
    it("may hold nothing: " .. what, function()
      start()
      answer = function(_, cb) cb(nil, list ~= "nil" and list or nil) end
      restore()
      assert.same({}, setmetatable(service:getChannelNames(), nil))
      assert.is_false(w:logged("chat-1", "error", ""))
    end)
  end

  it("may fail: the channel stays, and the log names call and key", function()
    lists = {
      ["game:chat-1"] = { "game:chat-1:room", "game:chat-1:hall" },
      ["game:chat-1:hall"] = { "connector-1:bob" },
    }
    start()
    fail = function(_, key) return key:find("room") and "the disk is full" end
    restore()
    assert.same({}, members("room"))
    assert.same({ "bob" }, members("hall"))
    service:getChannel("room"):add("ann", FRONT)
    w:settle()
    assert.same({ "ann" }, members("room"))
    local text = {}
    for _, line in ipairs(chat.node:lines()) do text[#text + 1] = line.text end
    text = table.concat(text, "\n")
    assert.truthy(text:find('store: load("game:chat-1:room"): the disk is full', 1, true))
    assert.truthy(text:find('channelConfig.store: add("game:chat-1:room", "connector-1:ann"): '
      .. "the disk is full", 1, true), text)
  end)

  it("may raise, give no list, or never answer", function()
    start()
    answer = function() error "boom" end
    restore()
    assert.is_true(w:logged("chat-1", "error", 'load("game:chat-1"): '))
    answer = function(_, cb) cb(nil, "a text") end
    restore()
    assert.is_true(w:logged("chat-1", "error",
      "it must give an array of strings, or nil, got string"))
    answer = function() end
    service:createChannel("room")
    service:createChannel("hall")
    w:settle()
    assert.same({ "add game:chat-1" }, { log[#log] })
    w:advance(30000)
    assert.is_true(w:logged("chat-1", "error", "no callback within 30000 ms"))
    assert.equal(2, #lists["game:chat-1"]) -- the next call of the key has gone out
  end)

  it("sends the calls of one key one after the other, those of others meanwhile", function()
    answer = ways["calls back later"]
    start()
    local room = service:createChannel("room")
    for _ = 1, 3 do
      room:add("ann", FRONT)
      room:leave("ann", FRONT)
    end
    w:settle()
    assert.same({ "add game:chat-1", "add game:chat-1:room" }, log)
    w:advance(40)
    assert.same({}, lists["game:chat-1:room"])
    assert.equal(7, #log)
  end)

  describe("gives members back of whom nobody knows whether they are there", function()
    before_each(function()
      lists = {
        ["game:chat-1"] = { "game:chat-1:room" },
        ["game:chat-1:room"] = { "connector-1:ann", "connector-1:bob", "connector-1:cid" },
      }
    end)

    local function open(uid)
      local front = w.servers[FRONT]
      local sid = front.node:openSession()
      front.app:get("sessionService"):bind(sid, uid)
      return sid
    end

    local function push()
      service:getChannel("room"):pushMessage("onX", { 1 })
      w:settle()
    end

    it("those without a session leave at the first push", function()
      local left = {}
      start { onLeave = function(_, uid, _, reason) left[#left + 1] = uid .. " " .. reason end }
      restore()
      open "ann"
      assert.same({ "ann", "bob", "cid" }, members("room"))
      service:getChannel("room"):add("cid", FRONT) -- a script knows better
      push()
      assert.same({ "ann", "cid" }, members("room"))
      assert.same({ "bob absent" }, left)
      assert.same({ "connector-1:ann", "connector-1:cid" }, lists["game:chat-1:room"])
      assert.same({}, chat.restored)
      push()
      assert.same({ "ann", "cid" }, members("room"))
    end)

    it("those of a frontend that does not answer are asked for at the next push", function()
      start()
      restore()
      service:getChannel("room"):pushMessage("onX", { 1 })
      chat.node:settle()
      chat.node:outbox() -- is lost
      chat.node:advance(5000)
      assert.equal(3, #members("room"))
      push()
      assert.same({}, members("room"))
    end)

    it("with autoLeave the others leave with their sessions", function()
      start { autoLeave = true }
      restore()
      local sid = open "ann"
      w:settle()
      assert.equal(3, #members("room")) -- they have until the first push to come back
      push()
      assert.same({ "ann" }, members("room"))
      w.servers[FRONT].node:closeSession(sid)
      w:settle()
      assert.same({}, members("room"))
    end)

    it("and onJoin hears of them", function()
      local seen = {}
      start { onJoin = function(channel, uid) seen[#seen + 1] = channel.name .. " " .. uid end }
      restore()
      w:settle()
      assert.same({ "room ann", "room bob", "room cid" }, seen)
    end)
  end)
end)

describe("a server with a channel store", function()
  local APP = [[
    local pomelua = require "pomelua"
    local app = pomelua.createApp()
    local lists = {
      ["channels:chat-1"] = { "channels:chat-1:room" },
      ["channels:chat-1:room"] = { "connector-1:ann" },
    }
    app:set("lists", lists)
    local store = {}
    function store.load(key, cb) cb(nil, lists[key]) end
    function store.add(key, value, cb)
      lists[key] = lists[key] or {}
      table.insert(lists[key], value)
      cb()
    end
    function store.remove(key, value, cb) cb() end
    function store.removeAll(key, cb) cb() end
    app:set("channelConfig", { store = store })
    app:start()
  ]]
  local SERVERS = [[{ "development": {
    "connector": [{ "id": "connector-1", "clientPort": 0, "host": "127.0.0.1", "port": 1,
      "frontend": true }],
    "chat": [{ "id": "chat-1", "host": "127.0.0.1", "port": 2 }] } }]]
  local HOOK = [[
    return { beforeStartup = function(app, cb)
      app:set("seen", app:get("channelService"):getChannel("room"):getMembers())
      cb()
    end }
  ]]

  it("has its channels before beforeStartup, in the test kit as in a program", function()
    local base = tree.new {
      ["app.lua"] = APP, ["config/servers.json"] = SERVERS,
      ["app/servers/chat/lifecycle.lua"] = HOOK,
    }
    local server = test.server { base = base, type = "chat" }
    assert.same({ "ann" }, setmetatable(server.app:get("seen"), nil))
    server.app:get("channelService"):createChannel("hall"):add("bob", "connector-1")
    server:settle()
    assert.same({ "connector-1:bob" }, server.app:get("lists")["channels:chat-1:hall"])
    server:close()
    tree.remove(base)
  end)

  it("must have four functions", function()
    local settings = require "pomelua.app.settings"
    local info = { id = "chat-1", serverType = "chat" }
    local function message(config)
      return select(2, settings.read({ channelConfig = config }, info))
    end
    assert.equal("channelConfig.store: must be a table with the functions add, remove, load and "
      .. "removeAll, got 7", message { store = 7 })
    assert.equal("channelConfig.store: must have a function load (it needs add, remove, load and "
      .. "removeAll), got nil",
      message { store = { add = print, remove = print, removeAll = print } })
    assert.equal('channelConfig.prefix: must be a string that is not empty, got ""',
      message { prefix = "" })
  end)
end)
