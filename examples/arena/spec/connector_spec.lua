local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

local WORD = "correct horse"

describe("the connector", function()
  local server, asked

  before_each(function()
    server = test.server {
      base = base, type = "connector", id = "connector-server-1",
      databases = { players = test.sqlite() },
    }
    asked = {}
    server:stub("arenaRemote.enter", function(uid, sid, cb)
      asked[#asked + 1] = { uid, sid }
      cb(nil, { id = 7 })
    end)
  end)

  local function enter(name, session, word)
    return server:request("connector.entryHandler.enter",
      { name = name, password = word or WORD }, session or {})
  end

  it("gives a new name an account, and lets it into the arena", function()
    assert.same({ code = 200, arena = { id = 7 } }, enter "ann")
    assert.same({ { "ann", "connector-server-1" } }, asked)
  end)

  it("lets a name in with its password only", function()
    enter "ann"
    assert.equal(403, enter("ann", {}, "wrong horse").code)
    assert.equal(200, enter("ann", {}).code)
  end)

  it("ends the older connection of a player who comes again", function()
    enter("ann", {})
    server:kicked()
    enter("ann", {})
    assert.equal("ann", server:kicked()[1].uid)
  end)

  it("gives a new player a gem of each kind, once", function()
    enter "ann"
    enter "ann"
    assert.equal(4, #server:database("players"):query("select kind from gems where owner = 'ann'"))
  end)

  it("keeps no password, but a hash", function()
    enter "ann"
    local rows = server:database("players"):query("select password from players")
    assert.equal(1, #rows)
    assert.is_nil(rows[1].password:find(WORD, 1, true))
  end)

  it("keeps accounts over a restart", function()
    enter "ann"
    server:restart { killed = true }
    assert.equal(403, enter("ann", {}, "wrong horse").code)
  end)

  it("lets nobody in without the arena, and keeps the connection", function()
    server:stub("arenaRemote.enter", function(_, _, cb) cb("no arena") end)
    assert.equal(503, enter("ann").code)
  end)

  for what, name in pairs {
    ["no name"] = false, ["an empty name"] = " ", ["a robot's name"] = "~Bolt",
    ["a name of 13 letters"] = ("x"):rep(13), ["a table"] = { 1 },
  } do
    it("refuses " .. what, function()
      assert.equal(400, enter(name or nil).code)
    end)
  end

  it("refuses a password that is too short", function()
    assert.equal(400, enter("ann", {}, "abc").code)
  end)
end)
