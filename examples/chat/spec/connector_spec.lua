local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("connector.entryHandler.enter", function()
  local server

  before_each(function()
    server = test.server { base = base, type = "connector", id = "connector-server-1" }
  end)

  local function enter(session, name, room)
    return server:request("connector.entryHandler.enter", { username = name, rid = room }, session)
  end

  -- The room as a chat server would have it.
  local function stub_room(users)
    server:stub("chatRemote.add", function(uid, sid, name, cb)
      assert.same({ "connector-server-1", "lobby" }, { sid, name })
      users[#users + 1] = uid:match("^[^*]*")
      cb(nil, users)
    end)
  end

  it("binds the session and enters the room", function()
    stub_room { "bob" }
    local session = {}
    assert.same({ users = { "bob", "alice" } }, enter(session, "alice", "lobby"))
    assert.equal("alice*lobby", session.uid)
    assert.same({ rid = "lobby" }, session.settings)
  end)

  it("refuses a name that is taken on this connector", function()
    stub_room {}
    enter({}, "alice", "lobby")
    assert.same({ code = 500, error = true }, enter({}, "alice", "lobby"))
  end)

  it("refuses to enter a second time under another name", function()
    stub_room {}
    local session = {}
    enter(session, "alice", "lobby")
    assert.same({ code = 500, error = true }, enter(session, "bob", "lobby"))
    assert.equal("alice*lobby", session.uid)
  end)

  it("lets one try again whom the room refused", function()
    server:stub("chatRemote.add", function(_, _, _, cb) cb("the name is taken") end)
    local session = {}
    assert.same({ code = 500, error = true }, enter(session, "alice", "lobby"))
    stub_room {}
    assert.same({ users = { "bob" } }, enter(session, "bob", "lobby"))
  end)

  it("takes out of the room who goes away", function()
    stub_room {}
    local session, left = {}, nil
    server:stub("chatRemote.kick", function(...) left = { ... } end)
    enter(session, "alice", "lobby")
    server:disconnect(session)
    assert.same({ "alice*lobby", "connector-server-1", "lobby" }, { left[1], left[2], left[3] })
  end)

  for what, message in pairs {
    ["no name"] = { rid = "lobby" },
    ["no room"] = { username = "alice" },
    ["a blank name"] = { username = "  ", rid = "lobby" },
    ["a name that is too long"] = { username = ("é"):rep(21), rid = "lobby" },
    ["a name with a star"] = { username = "a*b", rid = "lobby" },
    ["a room with a star"] = { username = "alice", rid = "lob*by" },
    ["a name with a line break"] = { username = "a\nb", rid = "lobby" },
    ["a name that is a number"] = { username = 7, rid = "lobby" },
  } do
    it("refuses " .. what .. " and says why", function()
      local answer = server:request("connector.entryHandler.enter", message)
      assert.equal(500, answer.code)
      assert.is_true(answer.error)
      assert.is_string(answer.message)
    end)
  end
end)
