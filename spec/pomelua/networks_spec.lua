-- Lists of addresses, networks and origins. Tests base/networks.lua.
local core = require "pomelua.core"
local networks = require "pomelua.base.networks"

describe("a list of networks", function()
  it("has addresses and networks of both families", function()
    assert.is_nil(networks.wrong { "10.1.2.3", "10.0.0.0/8", "::1", "2001:db8::/32", "[::2]" })
    assert.is_nil(networks.wrong {})
  end)

  for text, list in pairs {
    ["must be a list of addresses and networks, got 5"] = 5,
    ["must be a list of addresses and networks, got an entry 5"] = { "::1", 5 },
    ['must be a list of addresses and networks, got an entry "a"'] = { a = "::1" },
    ["'10.0.0.1/8' has bits behind its prefix: the network is '10.0.0.0/8'"] = { "10.0.0.1/8" },
    ["'192.168.*' is neither an address nor a network, such as '10.0.0.0/8'"] = { "192.168.*" },
    ["must be a list of addresses and networks without gaps"] = { "::1", [5] = "::2" },
  } do
    it("is wrong: " .. text, function() assert.equal(text, networks.wrong(list)) end)
  end
end)

describe("a list of origins", function()
  it("has origins, hosts below one, and null", function()
    assert.is_nil(networks.wrong_origins { "https://game.example", "https://*.game.example",
      "http://localhost:3001", "null" })
  end)

  it("says what is none", function()
    assert.matches("^'game.example' is no origin: write \"https://game.example\"",
      networks.wrong_origins { "game.example" })
    assert.equal("must be a list of origins, got an entry true", networks.wrong_origins { true })
  end)
end)

describe("core.network", function()
  it("gives an address or a network as it is written", function()
    assert.equal("10.0.0.0/8", core.network "10.0.0.0/8")
    assert.equal("10.1.2.3", core.network "::ffff:10.1.2.3")
    assert.equal("2001:db8::/32", core.network "2001:DB8:0::/32")
    assert.equal("10.0.0.1", core.network "::ffff:10.0.0.1")
    assert.equal("2001:db8::", core.network "2001:DB8:0::")
    local text, message = core.network "10.0.0.1/8"
    assert.is_nil(text)
    assert.matches("10.0.0.0/8", message, 1, true)
    assert.is_nil((core.network "a\0b"))
    assert.is_nil((core.network "ann"))
    assert.has_error(function() core.network() end)
  end)
end)
