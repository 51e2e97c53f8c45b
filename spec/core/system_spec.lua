-- core.exe, pid, stamp, kind, read_file, pause, execute, make_folder: what the command line
-- asks of the system.
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

  it("tells the machine, and the user", function()
    assert.equal(require("luv").os_gethostname(), core.hostname())
    assert.equal(require("luv").getuid(), core.user())
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

  it("tells files, folders and what is neither, by whatever name", function()
    core.make_folder(folder .. "/a")
    assert.equal(0, core.execute(("cd '%s' && echo hi >f && mkfifo p && ln -s a b"):format(folder)))
    assert.equal("file", (core.kind(folder .. "/f")))
    assert.equal("other", (core.kind(folder .. "/p")))
    assert.equal("other", (core.kind("/dev/zero")))
    assert.is_nil(core.kind(folder .. "/nothing"))
    local kind, identity = core.kind(folder .. "/a")
    assert.equal("folder", kind)
    assert.equal(identity, select(2, core.kind(folder .. "/b")))
    assert.are_not.equal(identity, select(2, core.kind(folder)))
  end)

  it("reads regular files up to a limit, and nothing else", function()
    core.make_folder(folder)
    local made = "cd '%s' && printf 'a\\0b' >f && : >empty && mkfifo p && ln -s /dev/zero z"
    assert.equal(0, core.execute(made:format(folder)))
    assert.equal("a\0b", core.read_file(folder .. "/f", 3))
    assert.equal("", core.read_file(folder .. "/empty", 0))
    local long = ("x"):rep(100000)
    local file = assert(io.open(folder .. "/long", "w"))
    file:write(long)
    file:close()
    assert.equal(long, core.read_file(folder .. "/long", 100000))
    for name, row in pairs {
      f = { 2, "a file of more than 2 bytes", "FBIG" }, p = { 9, "a pipe or a device", "INVAL" },
      z = { 9, "a pipe or a device", "INVAL" }, [""] = { 9, "directory", "ISDIR" },
      nothing = { 9, "No such file", "NOENT" }, ["f/g"] = { 9, "Not a directory", "NOTDIR" },
    } do
      local text, message, code = core.read_file(folder .. "/" .. name, row[1])
      assert.is_nil(text)
      assert.matches(row[2], message, 1, true)
      assert.equal(row[3], code)
    end
    -- What the kernel makes up has no size beforehand.
    assert.matches("^Name:", (core.read_file("/proc/self/status", 65536)))
    assert.equal("FBIG", select(3, core.read_file("/proc/self/status", 10)))
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
