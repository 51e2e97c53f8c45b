-- One version and one licence: core/base/version.h and LICENSE say them, everything else agrees.
local core = require "pomelua.core"

local read = require("spec.support.files").read

local function run(command)
  local pipe = io.popen(command .. " 2>&1; echo status=$?")
  local text = pipe:read("*a")
  pipe:close()
  return tonumber(text:match("status=(%d+)%s*$")), text
end

local version = assert(read("core/base/version.h"):match('#define PML_VERSION "([^"]+)"'))

describe("the version of core/base/version.h", function()
  it("is three numbers", function() assert.matches("^%d+%.%d+%.%d+$", version) end)

  it("is defined nowhere else", function()
    local _, text = run("grep -rlE 'define +PML_VERSION' core")
    assert.matches("^core/base/version%.h\nstatus=0", text)
  end)

  it("is that of the module and of the program", function()
    assert.equal(version, core.version)
    local program = (os.getenv("POMELUA_BUILD") or "build") .. "/pomelua"
    local _, text = run(program .. " --version")
    assert.equal("pomelua " .. version .. "\nstatus=0\n", text)
  end)

  it("is that of the page's client, in its header and in what it says", function()
    local text = read("examples/chat/web/pomelua.js")
    assert.equal(version, text:match("^/%*%*\n %* pomelua%.js (%S+)%. Copyright"))
    assert.equal(version, text:match('\nexport const VERSION = "([^"]+)";'))
  end)

  it("is that of the newest release in CHANGELOG.md", function()
    local newest = read("CHANGELOG.md"):match("\n## %[(%d[^%]]*)%] %- %d+%-%d%d%-%d%d\n")
    assert.equal(version, newest)
  end)

  it("is that of the Debian packages, with the day of the release", function()
    local newest, day = read("CHANGELOG.md"):match("\n## %[(%d[^%]]*)%] %- (%d+%-%d%d%-%d%d)\n")
    local of_package = read("debian/changelog")
    assert.equal(newest, of_package:match("^pomelua %(([^)]+)%) "))
    local date = assert(of_package:match("\n %-%- [^\n]+>  (%a+, %d+ %a+ %d+) "))
    local _, text = run(("LC_ALL=C date -d %s '+%%a, %%d %%b %%Y'"):format(day))
    assert.equal(date .. "\nstatus=0\n", text)
  end)

  it("is that of docs/getting-started.md", function()
    assert.equal(version, read("docs/getting-started.md"):match("prints `pomelua ([^`]+)`"))
  end)

  it("is that of the rockspec of a release, which luarocks accepts", function()
    local folder = os.tmpname()
    os.remove(folder)
    local status, text = run("make --no-print-directory dist DIST=" .. folder)
    assert(status == 0, text)
    local path = ("%s/pomelua-%s-1.rockspec"):format(folder, version)
    status, text = run("luarocks lint " .. path)
    assert(status == 0, text)
    assert.equal(version .. "-1", read(path):match('\nversion = "([^"]+)"'))
    status, text = run(("tar -tzf %s/pomelua-%s.tar.gz pomelua-%s/LICENSE")
      :format(folder, version, version))
    assert(status == 0, text)
    run("rm -rf " .. folder)
  end)
end)

describe("the client for pages", function()
  it("is the same file in every example", function()
    assert.equal(read("examples/chat/web/pomelua.js"), read("examples/arena/web/pomelua.js"))
  end)
end)

describe("the licence", function()
  it("is MIT, the Pomelua authors'", function()
    assert.matches("^MIT License\n\nCopyright %(c%) %d+ The Pomelua authors\n", read("LICENSE"))
  end)

  it("is that of the rockspec, the page's client, the packages and the README", function()
    assert.matches('license = "MIT"', read("rockspec/pomelua-scm-1.rockspec"), 1, true)
    assert.matches("^/%*%*\n[^\n]* The Pomelua authors%. MIT License%.\n",
      read("examples/chat/web/pomelua.js"))
    for _, path in ipairs { "spec/clients/package.json", "bench/pomelo/package.json" } do
      assert.matches('"license": "MIT"', read(path), 1, true)
    end
    assert.matches("[MIT](LICENSE)", read("README.md"), 1, true)
    -- Debian calls it Expat, and writes an empty line as a dot.
    local text = read("debian/copyright")
    local terms = assert(text:match("\nLicense: Expat\n( Permission.*)$"))
    assert.equal(read("LICENSE"):match("\n(Permission.*)$"),
      (terms:gsub("\n %.\n", "\n\n"):gsub("\n ", "\n"):gsub("^ ", "")))
  end)
end)
