local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."

describe("the gate", function()
  local server

  before_each(function()
    server = test.server { base = base, type = "gate", id = "gate-server-1" }
  end)

  local function ask(uid)
    return server:request("gate.gateHandler.queryEntry", { uid = uid })
  end

  it("sends the same user to the same connector", function()
    -- crc32("alice") is 663665735, and that of "10001" is 12275155: both odd.
    local second = { code = 200, host = "127.0.0.1", port = 3051 }
    assert.same(second, ask("alice"))
    assert.same(second, ask("10001"))
    assert.same(second, ask(10001))
    assert.same(second, ask("alice"))
  end)

  it("uses all connectors", function()
    local ports = {}
    for i = 1, 20 do ports[ask("user" .. i).port] = true end
    assert.same({ [3050] = true, [3051] = true }, ports)
  end)

  for what, uid in pairs { ["no uid"] = false, ["an empty uid"] = "", ["a table"] = { 1 } } do
    it("refuses " .. what, function()
      assert.equal(500, ask(uid or nil).code)
    end)
  end
end)
