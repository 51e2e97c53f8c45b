-- The README: its handler and spec run as they stand there, its figures are those of
-- docs/performance.md, its versions those of what the specs use.
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local read = require("spec.support.files").read

local readme = read("README.md")

describe("the README's handler and its spec", function()
  local files = {
    ["config/servers.json"] = assert(readme:match("With `(.-)` in `config/servers.json`")),
    ["app.lua"] = assert(readme:match("\n`(require[^`]+)` in `app.lua`")),
  }
  for code in readme:gmatch("\n```lua\n(.-)```\n") do
    files[assert(code:match("^%-%- ([%w/_]+%.lua): "), "a block that names no file")] = code
  end
  local game

  setup(function() game = tree.new(files) end)
  teardown(function()
    net.closeAll()
    os.execute(("rm -rf '%s'"):format(game))
  end)

  it("are four files with the two that stand below them", function()
    local names = {}
    for name in pairs(files) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "app.lua", "app/servers/chat/handler/chatHandler.lua", "config/servers.json",
      "spec/chat_spec.lua" }, names)
  end)

  it("pass `pomelua test`", function()
    local process = net.spawn(net.built("pomelua"), { "test", game }, { preload = true })
    local status = assert(process:waitExit(60000))
    assert(status == 0, process.out .. process.err)
    assert.matches("1 success / 0 failures / 0 errors", process.out, 1, true)
  end)

  it("are a game that `pomelua start` runs", function()
    local process = net.spawn(net.built("pomelua"), { "start", game })
    assert(process:waitLine("^(ready)$", 60000))
    process:kill("sigterm")
    assert.equal(0, assert(process:waitExit(60000)))
  end)
end)

describe("the README", function()
  it("has the figures of docs/performance.md", function()
    local table_of = read("docs/performance.md")
    local count = 0
    for figure in assert(readme:match("\n%- %*%*Fast.-\n\n")):gmatch("%*%*([%d.]+) %a+%*%*") do
      count = count + 1
      assert(table_of:find("| " .. figure, 1, true), figure .. " is not in docs/performance.md")
    end
    assert(count >= 5, "the facts are written in another way: change this spec")
  end)

  it("has the versions of the clients that the specs run", function()
    local package = read("spec/clients/package.json")
    local tried = assert(readme:match("\n## Clients that were tried\n(.-)\n## "))
    for _, name in ipairs { "pomelo-jsclient-websocket", "pomelo-protocol" } do
      local version = assert(package:match('"' .. name:gsub("%-", "%%-") .. '": "([^"]+)"'))
      assert(tried:find(("`%s` | %s |"):format(name, version), 1, true), name .. " " .. version)
    end
    local template = read("spec/clients/fetch-template-build.js"):match("'(pomelo@[^']+)'")
    assert(tried:find("of " .. template:gsub("@", " "), 1, true), template)
  end)

  it("shows pictures that are there", function()
    local count = 0
    for path in readme:gmatch("!%[[^%]]*%]%(([^)]+)%)") do
      count = count + 1
      assert(io.open(path), path):close()
    end
    assert(count >= 2)
  end)
end)
