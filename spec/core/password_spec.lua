-- core.hash_password and core.verify_password, and the node's methods (bind/l_password.c): what is
-- no argument of theirs, and that a node which is closed has forgotten what it was asked.
local core = require "pomelua.core"

describe("core's passwords", function()
  it("are hashed and compared at once", function()
    local hash = core.hash_password("a", 1)
    assert.matches("^%$y%$j75%$", hash)
    assert.is_true(core.verify_password("a", hash))
    assert.is_false(core.verify_password("b", hash))
    assert.same({ nil, "", "INVAL" }, { core.verify_password("a", "a") })
    assert.same({ nil, "", "TOOBIG" }, { core.hash_password(("a"):rep(512), 1) })
  end)

  it("are strings, with a cost from 1 to 11", function()
    assert.has_error(function() core.hash_password({}, 1) end)
    assert.has_error(function() core.hash_password("a", 0) end)
    assert.has_error(function() core.hash_password("a", 12) end)
    assert.has_error(function() core.hash_password("a") end)
    assert.has_error(function() core.verify_password("a") end)
  end)
end)

describe("a node's passwords", function()
  local node
  before_each(function() node = core.node { id = "auth-1", type = "auth" } end)
  after_each(function() node:close() end)

  it("come later", function()
    local hash, same, why
    assert.is_true(node:hashPassword("a", function(value) hash = value end))
    assert.is_nil(hash)
    node:settle()
    assert.is_true(node:verifyPassword("a", hash, function(value) same = value end))
    assert.is_true(node:verifyPassword("a", "", function(...) why = { ... } end))
    node:settle()
    assert.is_true(same)
    assert.same({ nil, "", "INVAL" }, why)
    assert.equal(3, node:counts().passwords)
  end)

  it("are forgotten when it closes", function()
    node:hashPassword("a", error)
  end)

  it("want a string and a function", function()
    local function never() end
    assert.has_error(function() node:hashPassword(nil, never) end)
    assert.has_error(function() node:hashPassword("a") end)
    assert.has_error(function() node:verifyPassword("a", never) end)
    assert.has_error(function() node:verifyPassword("a", "$y$") end)
  end)
end)
