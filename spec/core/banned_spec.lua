-- The methods of a node about bans (bind/l_banned.c); core/test/test_banned.c and test_frontend.c
-- have what happens on sockets.
local core = require "pomelua.core"

describe("a node", function()
  local node
  before_each(function()
    node = core.node { id = "f1", type = "connector", frontend = true }
  end)
  after_each(function() node:close() end)

  it("ends sessions of banned networks, and knows the reason", function()
    local sid = node:openSession()
    assert.is_nil(node:bannedAddress "127.0.0.1")
    assert.equal(0, node:banNetworks { { "10.0.0.0/8", "spam", "{}" } })
    assert.equal("spam", node:bannedAddress "10.1.2.3")
    assert.equal(1, node:banNetworks { { "127.0.0.1", "flood\0", "{}" }, { "::1", "x", "{}" } })
    assert.equal("flood\0", node:bannedAddress "127.0.0.1")
    assert.is_nil(node:bannedAddress "10.1.2.3")
    assert.same({ { sid = sid, kind = "kick", bytes = "flood\0" } }, node:sent())
    assert.equal(0, node:banNetworks {})
    assert.is_nil(node:bannedAddress "127.0.0.1")
  end)

  it("refuses a list that is none, and keeps the one before", function()
    node:banNetworks { { "10.0.0.0/8", "spam", "{}" } }
    for _, wrong in ipairs { { 7 }, { {} }, { { "ann", "x", "{}" } }, { { "::1", "x" } },
      { { "::1", 7, "{}" } }, { { "::2", "x", "{}" }, { "10.0.0.1/8", "x", "{}" } } } do
      local ended, message, code = node:banNetworks(wrong)
      assert.same({ nil, "a ban is {network, reason, body}", "INVAL" }, { ended, message, code })
    end
    assert.has_error(function() node:banNetworks() end)
    assert.equal("spam", node:bannedAddress "10.1.2.3")
  end)

  it("ends one session for a ban", function()
    local sid = node:openSession()
    assert.is_true(node:endBanned(sid, "spam"))
    assert.is_false(node:endBanned(sid, "spam"))
    assert.same({ { sid = sid, kind = "kick", bytes = "spam" } }, node:sent())
    assert.is_false(node:refuseBanned(sid, 403, "{}"))
    assert.has_error(function() node:endBanned(sid) end)
    assert.has_error(function() node:refuseBanned(sid, 403) end)
  end)
end)
