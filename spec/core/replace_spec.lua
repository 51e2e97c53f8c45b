-- core.replace_file and core.lock_folder; core/test/test_replace.c has the rest.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local tree = require "spec.support.tree"

describe("core.replace_file", function()
  it("writes a whole file, and says why it cannot", function()
    local dir = tree.new {}
    finally(function() tree.remove(dir) end)
    assert.is_true(core.replace_file(dir .. "/a", "one\0two"))
    assert.equal("one\0two", (files.read(dir .. "/a")))
    assert.same({ "a" }, files.list(dir))
    local ok, message, code = core.replace_file(dir .. "/none/a", "x")
    assert.same({ nil, dir .. "/none/a.new: No such file or directory", "IO" },
      { ok, message, code })
    assert.has_error(function() core.replace_file(dir .. "/a") end)
    assert.has_error(function() core.replace_file(dir .. "/a\0b", "x") end)
  end)
end)

describe("core.lock_folder", function()
  it("is for one at a time, and goes with its value", function()
    local dir = tree.new {}
    finally(function() tree.remove(dir) end)
    local lock = assert(core.lock_folder(dir, 0))
    assert.equal("FULL", select(3, core.lock_folder(dir, 0)))
    lock:free()
    assert.is_not_nil(core.lock_folder(dir, 0))
    collectgarbage()
    collectgarbage()
    assert(core.lock_folder(dir, 0)):free()
    assert.equal("IO", select(3, core.lock_folder(dir .. "/none", 0)))
    assert.has_error(function() core.lock_folder(dir, -1) end)
    assert.has_error(function() core.lock_folder(dir) end)
  end)
end)
