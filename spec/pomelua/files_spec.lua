-- pomelua.files: what the framework asks of the file system.
local files = require "pomelua.base.files"
local tree = require "spec.support.tree"

describe("files", function()
  it("finds nothing behind a name with a NUL, which C would cut there", function()
    local base = tree.new { ["d/f"] = "text" }
    local cut, folder = base .. "/d/f\0g", base .. "/d\0g"
    assert.is_true(files.exists(base .. "/d/f"))
    for _, ask in ipairs { "exists", "is_there", "is_folder" } do
      assert.is_false(files[ask](cut), ask)
      assert.is_false(files[ask](folder), ask)
    end
    assert.is_nil(files.folder(folder))
    for _, ask in ipairs { "list", "absolute", "named", "read" } do
      local result, message = files[ask](folder)
      assert.is_nil(result, ask)
      assert.matches("/d\\0g: a NUL character", message, 1, true)
    end
    assert.equal("INVAL", (select(3, files.read(cut))))
    assert.is_false((files.link(base .. "/d/f", cut)))
    assert.is_false((files.link(cut, base .. "/other")))
    files.make_private(base .. "/new\0g")
    assert.is_false(files.exists(base .. "/new"))
    tree.remove(base)
  end)

  it("knows where a file lies, by whatever way, also before it is there", function()
    local base = tree.new { ["d/f"] = "text" }
    assert(files.symlink("d", base .. "/link"))
    local real = files.absolute(base)
    for path, place in pairs { ["/d/f"] = "/d/f", ["/link/f"] = "/d/f", ["/link/new"] = "/d/new",
      ["/none/../d/./f"] = "/d/f", ["/none//x/"] = "/none/x", ["/link/../d/g"] = "/d/g" } do
      assert.equal(real .. place, files.place(base .. path))
    end
    assert.equal(files.absolute "." .. "/no such file", files.place "no such file")
    assert.equal("/no such file", files.place "/../no such file")
    tree.remove(base)
  end)
end)
