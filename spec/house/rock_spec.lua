-- The rock alone, without the rest of the tree, is enough to run a game's specs.
local uv = require("luv")

local function run(command)
  local pipe = io.popen(command .. " 2>&1; echo status=$?")
  local text = pipe:read("*a")
  pipe:close()
  return tonumber(text:match("status=(%d+)%s*$")), text
end

describe("the rock", function()
  local rockspec = "rockspec/pomelua-scm-1.rockspec"
  local tree

  setup(function() tree = assert(uv.fs_mkdtemp("/tmp/pomelua-rock-XXXXXX")) end)
  teardown(function() run("rm -rf " .. tree) end)

  it("has a rockspec that luarocks accepts", function()
    local status, text = run("luarocks lint " .. rockspec)
    assert(status == 0, text)
  end)

  it("runs the specs of examples/chat with busted and lua-cjson", function()
    local status, text = run(("luarocks --lua-version 5.1 make --deps-mode=none --tree %s/rock %s")
      :format(tree, rockspec))
    assert(status == 0, text)

    run(("cp -r examples/chat %s/chat"):format(tree))
    -- Only the rock is on the paths, beside what Debian installs.
    local rock = tree .. "/rock"
    local where = ("LUA_PATH='%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;;' " ..
      "LUA_CPATH='%s/lib/lua/5.1/?.so;;'"):format(rock, rock, rock)
    status, text = run(("cd %s/chat && env -u POMELUA_BUILD %s busted --lua=luajit spec")
      :format(tree, where))
    assert(status == 0, text)
    assert.matches("[1-9]%d* success", text)
  end)

  it("makes a game, tests it and has what editors need", function()
    local bin = tree .. "/rock/bin/pomelua"
    local status, text = run(("env -u POMELUA_BUILD %s init %s/game"):format(bin, tree))
    assert(status == 0, text)
    status, text = run(("cd %s/game && env -u POMELUA_BUILD %s test"):format(tree, bin))
    assert(status == 0, text)
    assert.matches("4 success", text)
    status, text = run(("env -u POMELUA_BUILD %s bench --help"):format(bin))
    assert(status == 0, text)
    status, text = run(("ls %s/rock/lib/luarocks/*/pomelua/*/doc/pomelua-list.1"):format(tree))
    assert(status == 0, text)
    for _, name in ipairs { "app/app.lua", "library/channel.lua" } do
      local file = assert(io.open(tree .. "/rock/share/lua/5.1/pomelua/" .. name))
      assert.matches("---@class pomelua%.", (file:read("*a")))
      file:close()
    end
  end)

  it("is one way to install; `make install` is the other, into any path", function()
    local status, text = run(("make install BUILD=build PREFIX=/usr DESTDIR=\"%s/it's a root\"")
      :format(tree))
    assert(status == 0, text)
    local bin = tree .. "/it's a root/usr/bin/pomelua"
    status, text = run(("env -u POMELUA_BUILD \"%s\" init %s/installed"):format(bin, tree))
    assert(status == 0, text)
    status, text = run(("env -u POMELUA_BUILD \"%s\" test %s/installed"):format(bin, tree))
    assert(status == 0, text)
    assert.matches("4 success", text)
    local share = tree .. "/it's a root/usr/share/"
    for path, pattern in pairs {
      ["man/man1/pomelua.1"] = "%.TH POMELUA 1",
      ["man/man1/pomelua-start.1"] = "%.TH POMELUA\\%-START 1",
      ["bash-completion/completions/pomelua"] = "\ncomplete %-F _pomelua pomelua\n",
    } do
      local file = assert(io.open(share .. path))
      assert.matches(pattern, (file:read("*a")))
      file:close()
    end
  end)
end)
