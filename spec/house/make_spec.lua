-- What the Makefile gives to people and editors: `make help`, `make compdb`; and .luarc.json.
local cjson = require "cjson"

local read = require("spec.support.files").read

local function output(command)
  local pipe = io.popen(command)
  local text = pipe:read("*a")
  pipe:close()
  return text
end

describe("make help", function()
  it("has every target that is no file, with what it is for", function()
    local help = "\n" .. output("make --no-print-directory help")
    local targets = assert(read("Makefile"):match("\n%.PHONY: ([^\n]+)"))
    -- Parts of others.
    local inner = { rock = true, ["install-rock"] = true, tested = true, objects = true }
    local wrong = {}
    for name in targets:gmatch("%S+") do
      if not inner[name] and not help:find("\nmake " .. name .. " +%S", 1) then
        wrong[#wrong + 1] = name
      end
    end
    assert.same({}, wrong)
    assert.matches("\nmake fuzz%-NAME +%S", help)
  end)
end)

describe("make compdb", function()
  local path = os.tmpname()
  local entries = {}

  setup(function()
    output("make --no-print-directory compdb COMPDB=" .. path)
    for _, entry in ipairs(cjson.decode(read(path))) do entries[entry.file] = entry end
  end)
  teardown(function() os.remove(path) end)

  it("has every C file", function()
    local wrong = {}
    for name in output("find core -name '*.c'"):gmatch("[^\n]+") do
      if not entries[name] then wrong[#wrong + 1] = name end
    end
    assert.same({}, wrong)
  end)

  it("has commands that compile", function()
    for _, name in ipairs {
      "core/base/uid.c", "core/test/test_uid.c", "core/fuzz/fuzz_package.c",
    } do
      local entry = entries[name]
      local command = ("cd '%s' && %s -fsyntax-only"):format(entry.directory, entry.command)
      assert.equal(0, os.execute(command), command)
    end
  end)
end)

describe(".luarc.json", function()
  it("is JSON, for LuaJIT, and names folders that are there", function()
    local luarc = cjson.decode(read(".luarc.json"))
    assert.equal("LuaJIT", luarc["runtime.version"])
    assert.equal("lua/?.lua", luarc["runtime.path"][1])
    assert.equal("", output("ls -d lua/pomelua/template 2>&1 >/dev/null"))
  end)
end)
