-- The store over SQLite that ships (channel_store.lua): the channels of a server and their members
-- come back, each as it was.
local channel_store = require "pomelua.channel_store"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local APP = [[
local app = require("pomelua").createApp()
app:set("channelConfig", {
  autoLeave = true, removeEmpty = true,
  store = require("pomelua.channel_store").sqlite { file = "data/channels.db" },
})
app:start()
]]
local CONFIG = [[{"development": {
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"}],
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]]
local FRONT = "connector-1"

describe("the channel store over SQLite", function()
  local base, server, sessions

  local function start(id)
    return test.server { base = base, type = "chat", id = id or "chat-1", state = base }
  end

  before_each(function()
    base = tree.new { ["app.lua"] = APP, ["config/servers.json"] = CONFIG }
    server, sessions = start(), {}
  end)
  after_each(function()
    server:close()
    tree.remove(base)
  end)

  local function channel(name, make, one)
    return (one or server).app:get("channelService"):getChannel(name, make)
  end

  -- Users who are connected to the frontend join a channel.
  local function join(name, ...)
    for _, uid in ipairs { ... } do
      sessions[uid] = sessions[uid] or { uid = uid, frontendId = FRONT }
      server.sessions:given(sessions[uid])
      assert.is_true(channel(name, true):add(uid, FRONT))
    end
    server:settle()
  end

  local function members(name, one)
    local list = channel(name, false, one) and channel(name, false, one):getMembers() or {}
    table.sort(list, function(a, b) return tostring(a) .. type(a) < tostring(b) .. type(b) end)
    return list
  end

  it("gives back channels and members after kill -9", function()
    join("lobby", "ann", "bob")
    join("a hall", 'eve:"x"', "\226\130\172")
    server:restart { killed = true }
    assert.same({ "ann", "bob" }, members "lobby")
    assert.same({ 'eve:"x"', "\226\130\172" }, members "a hall")
  end)

  it("gives back numbers as numbers, and texts as texts", function()
    join("lobby", 7, "8")
    server:restart { killed = true }
    assert.same({ 7, "8" }, members "lobby")
  end)

  it("forgets who has left, and channels that are gone", function()
    join("lobby", "ann", "bob")
    join("hall", "ann")
    channel("lobby", false):leave("ann", FRONT)
    channel("hall", false):destroy()
    server:settle()
    server:restart { killed = true }
    assert.same({ "bob" }, members "lobby")
    assert.is_nil(channel("hall", false))
  end)

  it("takes out who is not there any more at the first push, which reaches the others", function()
    join("lobby", "ann", "bob")
    server:close()
    server = start() -- another life of the frontend's, too, where bob does not come back
    server.sessions:given { uid = "ann", frontendId = FRONT }
    assert.same({ "ann", "bob" }, members "lobby")
    channel("lobby", false):pushMessage("onSay", {})
    server:settle()
    assert.same({ "ann" }, members "lobby")
    server:restart { killed = true }
    assert.same({ "ann" }, members "lobby")
  end)

  it("holds the channels of several servers in one file", function()
    join("lobby", "ann")
    local other = start "chat-2"
    assert.same({}, members("lobby", other))
    other.sessions:given { uid = "bob", frontendId = FRONT }
    channel("lobby", true, other):add("bob", FRONT)
    other:settle()
    other:close()
    server:restart()
    assert.same({ "ann" }, members "lobby")
    other = start "chat-2"
    assert.same({ "bob" }, members("lobby", other))
    other:close()
  end)

  it("says what its options are", function()
    for _, wrong in ipairs { {}, { file = 7 }, { file = "" } } do
      assert.error_matches(function() channel_store.sqlite(wrong) end, "file must be the path of")
    end
    assert.error_matches(function() channel_store.sqlite { file = "a.db", fiel = 1 } end,
      "there is no option fiel; did you mean file?")
  end)
end)
