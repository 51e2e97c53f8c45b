-- Published Pomelo clients and the route dictionary, in both directions. The client of Pomelo's
-- template only reads numbers: it looks for them in another field than it has put them into.
local net = require "spec.support.net"
local support = require "spec.clients.support"

local SEND = "chat.chatHandler.send"

describe("a published client of a server with a route dictionary", function()
  local chat, client, buddy

  setup(function()
    if support.missing() then return end
    chat = support.start(nil, { config = "useDict = true",
      files = { ["config/dictionary.json"] = '["onAdd","onChat"]' } })
  end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
  end)
  after_each(function()
    if client then client:finish() end
    if buddy then buddy:finish() end
    client, buddy = nil, nil
  end)

  -- Messages with a number for their route, on this client's connector.
  local function coded(who) return who:request("connector.testHandler.coded", {}).n end

  for _, kind in ipairs { "template", "npm", "ours", "ws", "tcp", "browser" } do
    it("(" .. kind .. ") sends and understands numbers for routes", function()
      if support.missing(kind) then pending(support.missing(kind)) end
      client, buddy = support.client(kind), support.client "ws"
      assert.same({ users = { "alice" } }, (client:enter(chat, "alice", kind)))
      local before = coded(client)
      buddy:enter(chat, "bob", kind)
      assert.same({ route = "onAdd", user = "bob" }, client:pushed("onAdd"))
      assert.same({ route = SEND }, client:request(SEND, { content = "héllo", target = "*" }))
      client:tell { cmd = "notify", route = SEND, msg = { content = "psst", target = "*" } }
      for _, text in ipairs { "héllo", "psst" } do
        assert.equal(text, client:pushed("onChat").msg)
        local push = assert(buddy:expect("push", { route = "onChat", coded = true }))
        assert.equal(text, push.body.msg)
      end
      local more = coded(client) - before
      -- Others than the client may be on the same connector.
      if kind == "template" or kind == "browser" then
        assert.is_true(more <= 1)
      else
        assert.is_true(more >= 3)
      end
      -- A route without a number travels in full.
      buddy:disconnect()
      assert.same({ route = "onLeave", user = "bob" }, client:pushed("onLeave"))
      assert.same({ code = 500 }, client:request("connector.nobody.home", {}))
    end)
  end
end)
