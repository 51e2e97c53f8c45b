local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("a chat server", function()
  local server, sessions

  before_each(function()
    server = test.server { base = base, type = "chat", id = "chat-server-1" }
    sessions = {}
  end)

  local function session_of(name, room)
    local uid = name .. "*" .. room
    sessions[uid] = sessions[uid]
      or { uid = uid, frontendId = "connector-server-1", settings = { rid = room } }
    return sessions[uid]
  end

  -- Its connector has the session, since it has sent something.
  local function join(name, room)
    server:notify("chat.chatHandler.send", {}, session_of(name, room))
    return server:rpc("chatRemote.add", name .. "*" .. room, "connector-server-1", room)
  end

  local function say(name, room, content, target)
    return server:request("chat.chatHandler.send", { content = content, target = target or "*" },
      session_of(name, room))
  end

  describe("chatRemote", function()
    it("tells who is in the room", function()
      local _, users = join("alice", "lobby")
      assert.same({ "alice" }, users)
      _, users = join("bob", "lobby")
      assert.same({ "alice", "bob" }, users)
      _, users = server:rpc("chatRemote.get", "lobby")
      assert.same({ "alice", "bob" }, users)
    end)

    it("tells the others who comes, not the one who comes", function()
      join("alice", "lobby")
      assert.same({}, server:pushed())
      join("bob", "lobby")
      assert.same({
        { route = "onAdd", msg = { route = "onAdd", user = "bob" }, to = { "alice*lobby" } },
      }, server:pushed())
    end)

    it("lets a name be used once in a room, and again in another", function()
      join("alice", "lobby")
      local err = join("alice", "lobby")
      assert.equal("the name is taken", tostring(err))
      local _, users = join("alice", "kitchen")
      assert.same({ "alice" }, users)
    end)

    it("adds nobody who is not connected", function()
      local err = server:rpc("chatRemote.add", "alice*lobby", "connector-server-1", "lobby")
      assert.equal("NOENT", err.code)
    end)

    it("tells the others who leaves", function()
      join("alice", "lobby")
      join("bob", "lobby")
      server:pushed()
      server:disconnect(session_of("bob", "lobby"))
      server:rpc("chatRemote.kick", "bob*lobby", "connector-server-1", "lobby")
      assert.same({
        { route = "onLeave", msg = { route = "onLeave", user = "bob" }, to = { "alice*lobby" } },
      }, server:pushed())
      local _, users = server:rpc("chatRemote.get", "lobby")
      assert.same({ "alice" }, users)
    end)

    it("says nothing of who has come in by another connector meanwhile", function()
      join("alice", "lobby")
      local moved = { uid = "bob*lobby", frontendId = "connector-server-2" }
      server:notify("chat.chatHandler.send", {}, moved)
      server:rpc("chatRemote.add", "bob*lobby", "connector-server-2", "lobby")
      server:pushed()
      local _, told = server:rpc("chatRemote.kick", "bob*lobby", "connector-server-1", "lobby")
      assert.is_false(told)
      assert.same({}, server:pushed())
    end)
  end)

  describe("chatHandler.send", function()
    before_each(function()
      join("alice", "lobby")
      join("bob", "lobby")
      join("carol", "kitchen")
      server:pushed()
    end)

    it("pushes to everybody in the room", function()
      assert.same({ route = "chat.chatHandler.send" }, say("alice", "lobby", "hello"))
      assert.same({
        {
          route = "onChat",
          msg = { msg = "hello", from = "alice", target = "*" },
          to = { "alice*lobby", "bob*lobby" },
        },
      }, server:pushed())
    end)

    it("pushes a private message to one", function()
      say("alice", "lobby", "psst", "bob")
      assert.same({
        {
          route = "onChat",
          msg = { msg = "psst", from = "alice", target = "bob" },
          to = { "bob*lobby" },
        },
      }, server:pushed())
    end)

    it("works as a notify too", function()
      server:notify("chat.chatHandler.send", { content = "hello", target = "*" },
        session_of("alice", "lobby"))
      assert.equal(1, #server:pushed())
    end)

    for what, message in pairs {
      ["nothing"] = {},
      ["an empty text"] = { content = " \n", target = "*" },
      ["a text that is too long"] = { content = ("é"):rep(501), target = "*" },
      ["a text that is none"] = { content = { "x" }, target = "*" },
      ["no target"] = { content = "hello" },
      ["somebody in another room"] = { content = "hello", target = "carol" },
    } do
      it("refuses " .. what .. " and says why", function()
        local answer = server:request("chat.chatHandler.send", message,
          session_of("alice", "lobby"))
        assert.equal(500, answer.code)
        assert.is_string(answer.message)
        assert.same({}, server:pushed())
      end)
    end

    it("refuses who has not entered a room", function()
      local answer = server:request("chat.chatHandler.send", { content = "hello", target = "*" },
        { frontendId = "connector-server-1", settings = {} })
      assert.equal(500, answer.code)
    end)
  end)
end)
