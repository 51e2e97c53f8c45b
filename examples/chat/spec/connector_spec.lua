local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("connector.entryHandler.enter", function()
  local server

  before_each(function()
    server = test.server { base = base, type = "connector", id = "connector-server-1" }
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
