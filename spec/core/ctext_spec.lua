-- script/ctext: strings of scripts that become strings of C.
local core = require "pomelua.core"

describe("a string that C takes", function()
  it("holds no NUL: the line of the script that gave one is named", function()
    local folder = os.tmpname()
    os.remove(folder)
    local cut = folder .. "/f\0g"
    local calls = {
      stamp = { cut }, kind = { cut }, read_file = { cut, 10 }, make_folder = { folder .. "/n\0g" },
      execute = { "true\0 x" }, exec = { { "/bin/true", "a\0b" } }, ask = { cut, "", 1 },
      connect = { "127.0.0.1\0x", 1, 1 }, digest = { "md5\0x", "" },
      node = { { id = "a\0b", type = "t", frontend = false } },
    }
    for name, args in pairs(calls) do
      local ok, message = pcall(function() core[name](unpack(args)) end)
      assert.is_false(ok, name)
      assert.matches("ctext_spec.lua:%d+: .* holds a NUL character", message)
    end
    assert.is_nil(core.kind(folder .. "/n"))
    assert.has_error(function() core.exec { "/bin/true", 5 } end)
    assert.has_error(function() core.stamp {} end)
  end)
end)
