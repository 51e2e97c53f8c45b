-- When servers of a cluster have different dictionaries or protos. Tests ops/versions.
local versions = require "pomelua.ops.versions"

describe("versions of dictionaries and protos", function()
  local lines, now, v

  before_each(function()
    lines, now = {}, 0
    v = versions.new(function(text) lines[#lines + 1] = text end, function() return now end)
  end)

  local function later(ms)
    now = now + ms
    v:tick()
  end

  it("that differ for a minute are one warning", function()
    v:set("a-1", { protos = "1111111111" })
    v:set("a-2", { protos = "1111111111" })
    v:set("a-3", {})
    assert.is_false(v:waits())
    v:set("a-4", { protos = "2222222222" })
    assert.is_true(v:waits())
    later(59999)
    assert.same({}, lines)
    later(1)
    assert.same({ "the protobuf definitions of the servers have differed for a minute: 11111111 at "
      .. "a-1, a-2, 22222222 at a-4; clients get those of their frontend (docs/cluster.md)" },
      lines)
    assert.is_false(v:waits())
    later(100000)
    v:set("a-5", { protos = "2222222222" })
    later(100000)
    assert.equal(1, #lines)
  end)

  it("that are equal again in time are none", function()
    v:set("a-1", { dictionary = "x" })
    v:set("a-2", { dictionary = "y" })
    later(50000)
    v:set("a-1", { dictionary = "y" })
    later(50000)
    v:set("a-2", { dictionary = "z" })
    later(59999)
    v:set("a-2", nil)
    later(60000)
    assert.same({}, lines)
  end)

  it("differ anew after they were equal", function()
    for round = 1, 2 do
      v:set("a-1", { dictionary = "x" })
      v:set("a-2", { dictionary = "y" })
      later(60000)
      assert.equal(round, #lines)
      v:set("a-2", { dictionary = "x" })
      later(60000)
    end
  end)

  it("name three servers of each version", function()
    for i = 1, 5 do v:set("a-" .. i, { dictionary = "x" }) end
    v:set("b-1", { dictionary = "y" })
    later(60000)
    assert.matches("route dictionaries .*: x at a%-1, a%-2, a%-3 and 2 more, y at b%-1;", lines[1])
  end)
end)
