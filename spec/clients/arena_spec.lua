-- The arena example, whose routes are numbers and whose bodies are protobuf: published clients of
-- Pomelo in it, and two players in its page, in Chromium (arena.js). The screenshots are left in
-- build/screenshots.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("in the arena, the published client", function()
  local missing = support.missing("template")
  local arena

  setup(function() if not missing then arena = support.start_arena() end end)
  teardown(function()
    if arena then arena:stop() end
    net.closeAll()
  end)

  local function ship_of(client, id)
    for _, ship in ipairs(client:pushed("onWorld").ships) do
      if ship.id == id then return ship end
    end
  end

  for _, kind in ipairs { "template", "npm", "pinus" } do
    it(kind .. " plays", function()
      if missing then pending(missing) end
      local client = support.client(kind)
      client:connect(arena.port)
      local answer = client:request("connector.entryHandler.enter",
        { name = kind, password = "long enough" })
      assert.equal(200, answer.code)
      local first = ship_of(client, answer.arena.id)
      local right = first.x < answer.arena.width / 2
      client:tell { cmd = "notify", route = "area.shipHandler.steer",
        msg = { x = right and 100 or -100, y = 0 } }
      net.wait(function()
        local ship = ship_of(client, answer.arena.id)
        return right and ship.x > first.x + 50 or not right and ship.x < first.x - 50
      end, support.patience)
      client:disconnect()
      client:finish()
    end)
  end
end)

describe("the page of the arena", function()
  local missing = support.missing("page")
  local arena, visit
  local seen = {}

  setup(function()
    if missing then return end
    arena = support.start_arena()
    visit = support.script("arena.js",
      ("http://127.0.0.1:%d/?port=%d"):format(arena.web, arena.port), net.built("screenshots"))
    -- The visit has deadlines of its own for each thing it waits for.
    assert(visit:expect("done", nil, 100000))
    seen = visit:looked()
  end)
  teardown(function()
    if visit then visit:finish() end
    if arena then arena:stop() end
    net.closeAll()
  end)

  for _, what in ipairs {
    "a player enters and sees who flies there",
    "the other is told",
    "a name belongs to its password",
    "a new player has a gem of each kind",
    "two players trade",
    "the ladder opens and closes",
    "the mouse steers to stars",
    "a finger that drags steers",
    "the button dashes, and has to rest",
    "the page is never wider than the screen",
    "a player who leaves is gone for the others",
    "nothing raised an error",
  } do
    it("is such that " .. what, function()
      if missing then pending(missing) end
      support.assert_seen(seen, what)
    end)
  end
end)
