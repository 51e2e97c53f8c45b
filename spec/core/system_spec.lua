-- core.exe, pid, stamp, pause, execute, make_folder: what the command line asks of the system.
local core = require "pomelua.core"

describe("the system, as Lua asks it,", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
  end)
  after_each(function() os.execute("rm -rf '" .. folder .. "'") end)

  it("tells the program that runs, and its number", function()
    assert.matches("luajit", core.exe())
    local stat = assert(io.open("/proc/self/stat")):read("*a")
    assert.equal(tonumber(stat:match("^%d+")), core.pid())
  end)

  it("makes a folder with those above it, once and again", function()
    assert.is_true(core.make_folder(folder .. "/a/b"))
    assert.is_true(core.make_folder(folder .. "/a/b"))
    assert(io.open(folder .. "/a/b/file", "w")):close()
    assert.is_false(core.make_folder(folder .. "/a/b/file"))
    assert.is_false(core.make_folder(folder .. "/a/b/file/c"))
  end)

  it("stamps a file with what changes when the file does", function()
    assert.is_nil(core.stamp(folder))
    core.make_folder(folder)
    local path = folder .. "/file"
    assert(io.open(path, "w")):close()
    local before = core.stamp(path)
    assert.equal(before, core.stamp(path))
    local file = assert(io.open(path, "w"))
    file:write("more")
    file:close()
    assert.are_not.equal(before, core.stamp(path))
  end)

  it("runs a command and gives its status", function()
    assert.equal(0, core.execute("true"))
    assert.equal(3, core.execute("exit 3"))
    assert.equal(128 + 15, core.execute("kill -TERM $$"))
  end)

  it("says why it cannot become another program", function()
    local ok, message = core.exec { folder, "argument" }
    assert.is_nil(ok)
    assert.matches("No such file", message, 1, true)
  end)

  it("pauses for the time given", function()
    local now = os.clock()
    core.pause(1)
    assert.is_true(os.clock() - now < 1)
  end)
end)
