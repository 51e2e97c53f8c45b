local registry = require "pomelua.live.registry"

describe("the registry", function()
  local one
  local handler, remote = { fn = print }, { fn = print }

  before_each(function()
    one = registry.new()
    one:swap { handlers = { ["chat.room.say"] = handler }, remotes = { ["room.kick"] = remote },
      services = { room = true }, hooks = { beforeStartup = print } }
  end)

  it("finds a handler by its route", function()
    assert.equal(handler, one:handler "chat.room.say")
    assert.is_nil(one:handler "chat.room.shout")
  end)

  it("says what of a remote is not there", function()
    assert.equal(remote, one:remote "room.kick")
    assert.same({ nil, "no such method:ban" }, { one:remote "room.ban" })
    assert.same({ nil, "no such service:gate" }, { one:remote "gate.kick" })
    assert.same({ nil, "no such service:nodots" }, { one:remote "nodots" })
  end)

  it("has the functions of lifecycle.lua, or none", function()
    assert.equal(print, one:hook "beforeStartup")
    assert.is_nil(one:hook "afterStartup")
    assert.is_nil(registry.new():hook "beforeStartup")
  end)

  -- Names come from the network: no metatable may answer for them.
  it("finds nothing that was not put there", function()
    for _, name in ipairs { "", "__index", "handlers", "swap", "constructor" } do
      assert.is_nil(one:handler(name))
      assert.is_nil((one:remote(name)))
    end
  end)

  it("replaces a set whole", function()
    local before = one.set
    one:swap { handlers = {}, remotes = {}, services = {}, hooks = {} }
    assert.is_nil(one:handler "chat.room.say")
    assert.equal(handler, before.handlers["chat.room.say"])
  end)
end)
