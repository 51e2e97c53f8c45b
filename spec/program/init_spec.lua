-- From nothing to a game: `pomelua init` and `pomelua test`, and what they made.
-- Tests cli/new.lua, cli/library.lua, cli/test.lua, cli/text.lua, test/run.lua and
-- test/jit_off.lua.

local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local support = require "spec.clients.support"
local tree = require "spec.support.tree"

local patience = 60000

-- Runs a program to its end; returns the status, what it printed, what it complained.
local function run(path, args, opts)
  local process = net.spawn(path, args, opts)
  local status = process:waitExit(patience)
  local out, err = process.out, process.err
  net.closeAll()
  return status, out, err
end

local read = require("spec.support.files").read

-- The numbers of a file, in place of which others are put.
local function replace(base, name, numbers)
  local text = read(base .. "/" .. name):gsub("%f[%d]%d+%f[%D]", function(n) return numbers[n] end)
  tree.write(base, name, text)
end

describe("a generated game", function()
  local folder, game
  local program = net.built("pomelua")

  setup(function()
    folder = tree.new {}
    game = folder .. "/new/game"
    assert.equal(0, (run(program, { "init", game })))
  end)
  teardown(function()
    net.closeAll()
    tree.remove(folder)
    os.execute(("rm -rf '%s'"):format(folder)) -- with the files whose names begin with a dot
  end)

  it("passes its spec as it is written", function()
    local status, out, err = run(program, { "test", game }, { preload = true })
    assert(status == 0, out .. err)
    assert.matches("4 successes / 0 failures / 0 errors", out)
  end)

  it("says what is missing where LuaJIT is not installed", function()
    local process = net.spawn(program, { "test", game }, { env = { PATH = "/nowhere" } })
    assert.equal(1, assert(process:waitExit(patience)))
    assert.equal("pomelua: test: luajit is not installed (Debian: lua-pomelua brings it)\n",
      process.err)
  end)

  it("shows what its spec leaves out, with the coverage of the documents", function()
    local helper = read("docs/testing.md"):match("```lua\n(%-%- coverage%.lua.-)```")
    tree.write(game, "coverage.lua", helper)
    local status, out, err = run(program, { "test", game, "--", "--helper=coverage.lua" },
      { preload = true })
    os.remove(game .. "/coverage.lua")
    assert(status == 0, out .. err)
    assert.matches("\napp/rules.lua: 6 of 6 lines, not: \n", out, 1, true)
    assert.matches("\napp/servers/table/remote/tableRemote.lua: 13 of 17 lines, not: 18 ", out, 1,
      true)
  end)

  it("passes it from its own folder, with the compiler off and arguments for busted", function()
    local build = net.built("pomelua")
    if build:sub(1, 1) ~= "/" then build = require("luv").cwd() .. "/" .. build end
    local status, out, err = run(build,
      { "test", "--jit", "off", "--", "-o", "TAP", "--filter", "has a name once" },
      { cwd = game, preload = true })
    assert(status == 0, out .. err)
    assert.matches("ok 1 %- the table has a name once\n1%.%.1", out)
  end)

  it("passes its lint as it is written", function()
    local status, out, err = run("luacheck", { "." }, { cwd = game })
    assert(status == 0, out .. err)
    assert.matches("0 warnings / 0 errors in 6 files", (out:gsub("\27%[[%d;]*m", "")))
  end)

  it("tells editors where the definitions are", function()
    local where = read(game .. "/.luarc.json"):match('"workspace.library": %["([^"]+)"%]')
    assert.equal(".pomelua/lua", where) -- of no machine in particular
    where = game .. "/" .. where
    assert.matches("@meta", read(where .. "/pomelua/library/channel.lua"))
    assert.matches("@class pomelua.App", read(where .. "/pomelua/app/app.lua"))
  end)

  it("fails with its spec", function()
    local broken = folder .. "/broken"
    assert.equal(0, (run(program, { "init", broken })))
    local rules = read(broken .. "/app/servers/table/handler/tableHandler.lua")
    tree.write(broken, "app/servers/table/handler/tableHandler.lua", (rules:gsub("403", "404")))
    local status, out = run(program, { "test", broken }, { preload = true })
    assert.equal(1, status)
    assert.matches("3 successes / 1 failure", out)
  end)

  it("is played, also in a browser", function()
    local ports = require("spec.support.ports").some(3)
    local numbers = { ["3010"] = ports[1], ["3000"] = ports[2] }
    for _, name in ipairs { "config/servers.json", "config/web.json", "web/index.html" } do
      replace(game, name, numbers)
    end
    local process = net.spawn(program, { "start", game })
    assert(process:waitLine("^(ready)$", patience))
    assert.matches("web page at http://127.0.0.1:" .. ports[2] .. "/", process.out, 1, true)

    local ann = assert(pomelo.connect(ports[1], "ws"))
    assert.same({ code = 200, players = { "ann" } },
      assert(ann:request("connector.entryHandler.enter", { name = "ann" })))
    local roll = assert(ann:request("table.tableHandler.roll", {}))
    assert.equal(200, roll.code)

    local other = assert(pomelo.connect(ports[1], "ws"))
    assert.equal(500, assert(other:request("connector.entryHandler.enter", { name = "ann" })).code)
    other:close() -- who has the name keeps the seat
    assert.equal(200, assert(ann:request("table.tableHandler.roll", {})).code)
    ann:close()

    if not support.missing("page") then
      local visit = net.spawn("node",
        { "spec/clients/template.js", ("http://127.0.0.1:%d/"):format(ports[2]) })
      local line = assert(visit:waitLine("(.*event.*)", patience))
      assert.equal('{"event":"done"}', line)
      assert(visit:waitExit(patience))
    end
    process:kill("sigterm")
    assert.equal(0, (process:waitExit(patience)))
    assert.not_matches(" error ", process.err)
  end)
end)

describe("pomelua init", function()
  local program = net.built("pomelua")

  it("writes nothing into a folder that has files", function()
    local folder = tree.new { ["a.txt"] = "mine" }
    local status, _, err = run(program, { "init", folder })
    tree.remove(folder)
    assert.equal(1, status)
    assert.matches("is not empty", err)
  end)

  for _, name in ipairs { ".gitignore", ".luacheckrc", ".busted", ".luarc.json" } do
    it("never writes over a " .. name, function()
      local folder = tree.new { [name] = "mine\n" }
      local status, _, err = run(program, { "init", folder })
      local left = read(folder .. "/" .. name)
      local others = #require("pomelua.base.files").list(folder)
      os.execute(("rm -rf '%s'"):format(folder))
      assert.equal(1, status)
      assert.matches(name .. " is there already; nothing was written", err, 1, true)
      assert.equal("mine\n", left)
      assert.equal(0, others)
    end)
  end

  it("writes beside .git, and not through a link that leads nowhere", function()
    local folder = tree.new { [".git/HEAD"] = "ref", ["out/x"] = "" }
    os.execute(("cd '%s' && rm -r out && ln -s ../elsewhere .busted"):format(folder))
    assert.equal(1, (run(program, { "init", folder })))
    os.remove(folder .. "/.busted")
    local status, _, err = run(program, { "init", folder })
    os.execute(("rm -rf '%s'"):format(folder))
    assert(status == 0, err)
  end)

  for _, name in ipairs { "a b", "it's", 'a"b', "a$HOME", "a%sb", "a`b`", "a;b", "a?b", "kö" } do
    it("makes a game that starts in a folder called " .. name, function()
      local folder = tree.new {}
      local game = folder .. "/" .. name
      assert.equal(0, (run(program, { "init", game })))
      for _, file in ipairs { "config/servers.json", "config/web.json" } do
        local text = read(game .. "/" .. file):gsub('ort": %d+', 'ort": 0')
        tree.write(game, file, text)
      end
      local process = net.spawn(program, { "start", game })
      local ready, err = process:waitLine("^(ready)$", patience)
      local status, out = run(program, { "test", game }, { preload = true })
      os.execute(("rm -rf '%s'"):format((folder:gsub("'", ""))))
      assert(ready, err)
      assert(status == 0, out)
    end)
  end

  it("takes the folder after -d as well, and names an option that it does not know", function()
    local folder = tree.new {}
    assert.equal(0, (run(program, { "init", "-d", folder .. "/game" })))
    local status, out = run(program, { "test", folder .. "/game/spec/table_spec.lua" },
      { preload = true })
    assert.equal(0, status, out)
    status, out = run(program, { "test", "-d", folder .. "/game" }, { preload = true })
    assert.equal(0, status, out)
    for _, args in ipairs { { "init", "--x" }, { "test", "--x" }, { "start", "--x" } } do
      local code, _, err = run(program, args)
      assert.equal(2, code)
      assert.matches("unknown option %-%-x", err)
    end
    local code, _, err = run(program, { "test", folder .. "/no_spec.lua" })
    assert.equal(2, code)
    assert.matches("there is no folder or file", err)
    code, _, err = run(program, { "start", "-d", folder, folder })
    assert.equal(2, code)
    assert.matches("give one folder", err)
    tree.remove(folder)
  end)

  it("asks for one folder", function()
    assert.equal(2, (run(program, { "init" })))
    assert.equal(2, (run(program, { "init", "a", "b" })))
    local status, out = run(program, { "init", "--help" })
    assert.equal(0, status)
    assert.matches("^Usage: pomelua init DIR", out)
  end)
end)
