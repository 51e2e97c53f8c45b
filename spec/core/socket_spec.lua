-- core.connect, poll and free_ports: what blocks has a deadline.
local core = require "pomelua.core"
local uv = require "luv"

describe("sockets of clients", function()
  local listener, port

  before_each(function()
    listener = uv.new_tcp()
    assert(listener:bind("127.0.0.1", 0))
    assert(listener:listen(8, function() end))
    port = listener:getsockname().port
  end)
  after_each(function()
    listener:close()
    uv.run("nowait")
  end)

  it("connect, or say why not", function()
    local one = assert(core.connect("127.0.0.1", port, 1000))
    one:close()
    local free = require("spec.support.ports").one()
    local none, message, name = core.connect("127.0.0.1", free, 1000)
    assert.is_nil(none)
    assert.equal("Connection refused", message)
    assert.equal("IO", name)
  end)

  it("wait as long as they are told, and no longer", function()
    local one = assert(core.connect("127.0.0.1", port, 1000))
    local begun = core.clock()
    assert.same({ false }, core.poll({ one }, 50))
    assert.is_true(core.clock() - begun >= 49)
    assert.equal("", one:receive())
    -- Nobody takes what is sent.
    local _, _, name = one:send(("x"):rep(32 * 1024 * 1024), 50)
    assert.equal("TIMEOUT", name)
    one:close(true)
    assert.equal("CLOSED", (select(3, one:send("x", 50))))
  end)

  it("get different free ports", function()
    local seen = {}
    for _, free in ipairs(core.free_ports(50)) do
      assert.is_nil(seen[free])
      seen[free] = true
    end
  end)
end)
