-- The Debian packages: `make deb` makes them and leaves the tree alone, lintian accepts them, dpkg
-- installs them into an empty folder, and there is a game server then; purged, nothing is left.
-- It measures nothing: another one may run beside it.
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local patience = require("spec.support.app").patience
local tree = require "spec.support.tree"

local read = require("spec.support.files").read

-- dpkg asks for some tools of administrators.
local PATH = "PATH=/usr/sbin:/sbin:$PATH "

local function run(command)
  local pipe = io.popen(PATH .. command .. " 2>&1; echo status=$?")
  local text = pipe:read("*a")
  pipe:close()
  return tonumber(text:match("status=(%d+)%s*$")), (text:gsub("status=%d+%s*$", ""))
end

local function output(command)
  local status, text = run(command)
  assert(status == 0, text)
  return text
end

local function lines(text)
  local list, set = {}, {}
  for line in text:gmatch("[^\n]+") do
    list[#list + 1] = line
    set[line] = true
  end
  return list, set
end

local function missing()
  for _, name in ipairs { "dpkg-buildpackage", "dh", "lintian" } do
    if run("command -v " .. name) ~= 0 then
      return ("%s is not here, so no packages are made: tools/deps.sh deb installs it"):format(name)
    end
  end
end

describe("the Debian packages", function()
  local version = assert(read("core/base/version.h"):match('#define PML_VERSION "([^"]+)"'))
  local why = needed(missing())
  if why then
    pending(why)
    return
  end

  local dir, root
  local files, has, fields = {}, {}, {} -- by package: paths, the same as a set, control's text
  local tree_before

  local function status_of_tree()
    local _, text = run("git status --porcelain --ignored=traditional -- . ':!build'")
    return text
  end

  -- dpkg works in an empty folder: nobody but us is installed there.
  local function dpkg(args)
    return run(("dpkg --root='%s' --log=/dev/null --force-not-root --force-depends " ..
      "--force-script-chrootless %s"):format(root, args))
  end

  local function everything()
    return (output(("find '%s' -mindepth 1 -not -path '%s/var/lib/dpkg*' | sort")
      :format(root, root)))
  end

  setup(function()
    dir = output("mktemp -d /tmp/pomelua-deb-XXXXXX"):match("[^\n]+")
    root = dir .. "/root"
    output(("mkdir -p '%s/var/lib/dpkg/updates' '%s/var/lib/dpkg/info' '%s/work'")
      :format(root, root, dir))
    output(("touch '%s/var/lib/dpkg/status' '%s/var/lib/dpkg/available'"):format(root, root))
    tree_before = status_of_tree()
    local status, text = run(("TMPDIR='%s/work' make --no-print-directory deb DEBS='%s/debs'")
      :format(dir, dir))
    assert(status == 0, text)
    for _, name in ipairs { "pomelua", "lua-pomelua" } do
      local path = ("%s/debs/%s_*.deb"):format(dir, name)
      local list = output(("dpkg-deb --fsys-tarfile %s | tar -t"):format(path))
      files[name], has[name] = lines((("\n" .. list):gsub("\n%./", "\n/")))
      fields[name] = "\n" .. output("dpkg-deb -f " .. path)
    end
  end)

  teardown(function()
    net.closeAll()
    if dir then os.execute(("rm -rf '%s'"):format(dir)) end
  end)

  it("are two with what a debugger needs, of the product's version", function()
    local names, rest = {}, "_" .. version:gsub("%.", "%%.") .. "_%w+%.deb$"
    for _, name in ipairs(lines(output(("ls '%s/debs'"):format(dir)))) do
      names[#names + 1] = assert(name:match("^([^_]+)" .. rest), name)
    end
    table.sort(names)
    assert.same({ "lua-pomelua", "lua-pomelua-dbgsym", "pomelua", "pomelua-dbgsym" }, names)
  end)

  it("are made beside the tree, which stays as it was", function()
    assert.equal(tree_before, status_of_tree())
    assert.equal("", output(("ls '%s/work'"):format(dir)))
  end)

  it("have no file in both", function()
    local both = {}
    for _, path in ipairs(files.pomelua) do
      if not path:find("/$") and has["lua-pomelua"][path] then both[#both + 1] = path end
    end
    assert.same({}, both)
  end)

  it("have the program with its Lua files in one, what LuaJIT needs in the other", function()
    for _, path in ipairs {
      "/usr/bin/pomelua", "/usr/libexec/pomelua/load", "/usr/share/man/man1/pomelua.1.gz",
      "/usr/share/doc/pomelua/README.md", "/usr/share/doc/pomelua/copyright",
      "/usr/share/doc/pomelua/changelog.gz", "/usr/share/doc/pomelua/examples/chat/app.lua",
      "/usr/share/pomelua/lua/pomelua/template/web/pomelua.js",
      "/usr/share/man/man1/pomelua-start.1.gz",
      "/usr/share/bash-completion/completions/pomelua",
      "/usr/lib/systemd/system/pomelua@.service", "/usr/lib/systemd/system/pomelua@.socket",
    } do
      assert(has.pomelua[path], path)
    end
    for _, path in ipairs(lines(output("ls docs/*.md"))) do
      assert(has.pomelua["/usr/share/doc/pomelua/" .. path], path)
    end
    local count = 0
    for _, path in ipairs(lines(output("cd lua && find pomelua -type f"))) do
      count = count + 1
      assert(has.pomelua["/usr/share/pomelua/lua/" .. path], path)
    end
    assert(count > 100, count)
    assert(has["lua-pomelua"]["/usr/share/lua/5.1/pomelua"])
    assert.matches("\n/usr/lib/[^/\n]+/lua/5%.1/pomelua/core%.so\n",
      table.concat(files["lua-pomelua"], "\n"))
  end)

  it("bring nothing into /etc, so nothing is enabled or started", function()
    for name in pairs(files) do
      for _, path in ipairs(files[name]) do assert(not path:find("^/etc/"), path) end
    end
  end)

  it("need what the program is linked with; what is loaded later is suggested", function()
    local function field(name, of) return fields[name]:match("\n" .. of .. ": ([^\n]+)") or "" end
    assert.matches("pomelua (= " .. version .. ")", field("lua-pomelua", "Depends"), 1, true)
    assert(not field("pomelua", "Depends"):find("lua-pomelua", 1, true))
    assert.matches("luajit2 | luajit", field("lua-pomelua", "Depends"), 1, true)
    assert.matches("libluajit", field("pomelua", "Depends"))
    assert.equal("lua-busted", field("lua-pomelua", "Recommends"))
    local count = 0
    for _, path in ipairs(lines(output("ls core/bus/*_library.c core/store/*_library.c"))) do
      count = count + 1
      local stem = assert(read(path):match('"(lib[a-z]+%d*)%.so'), path)
      for name in pairs(files) do
        assert(field(name, "Suggests"):find(stem, 1, true), name .. " does not suggest " .. stem)
        assert(not field(name, "Depends"):find(stem, 1, true), name .. " depends on " .. stem)
      end
    end
    assert(count >= 6, count)
  end)

  it("have programs that are hardened as Debian's are", function()
    local out = dir .. "/out"
    for _, name in ipairs { "pomelua", "lua-pomelua" } do
      output(("dpkg-deb -x %s/debs/%s_*.deb '%s'"):format(dir, name, out))
    end
    for _, path in ipairs { "usr/bin/pomelua", "usr/libexec/pomelua/load",
      "usr/lib/*/lua/5.1/pomelua/core.so" } do
      local text = output(("readelf -hdlW %s/%s"):format(out, path))
      assert.matches("BIND_NOW", text)
      assert.matches("GNU_RELRO", text)
      assert.matches("Type: +DYN", text)
      assert.matches("__stack_chk_fail", output(("nm -D %s/%s"):format(out, path)))
    end
  end)

  it("say nothing of the folder and the time of their making", function()
    local out = dir .. "/all"
    for _, name in ipairs(lines(output(("ls '%s/debs'"):format(dir)))) do
      output(("dpkg-deb -x '%s/debs/%s' '%s'"):format(dir, name, out))
      -- Every file has the time of the newest entry of debian/changelog.
      local times = {}
      local list = output(("dpkg-deb --fsys-tarfile '%s/debs/%s' | TZ=UTC tar -tv --full-time")
        :format(dir, name))
      for line in list:gmatch("[^\n]+") do
        assert.matches(" root/root ", line)
        times[assert(line:match("%d+%-%d+%-%d+ [%d:]+"))] = true
      end
      local said = output("TZ=UTC date -d \"$(dpkg-parsechangelog -S Date)\" '+%F %T'")
      assert.same({ [said:match("[^\n]+")] = true }, times)
    end
    output(("find '%s' -name '*.debug' -exec objcopy --decompress-debug-sections {} \\;")
      :format(out))
    local _, text = run(("grep -rlF '%s' '%s'"):format(dir, out))
    assert.equal("", text)
  end)

  describe("installed", function()
    local program, empty

    setup(function()
      empty = everything()
      local status, text = dpkg(("-i %s/debs/pomelua_*.deb"):format(dir))
      assert(status == 0, text)
      program = "env -u POMELUA_BUILD " .. root .. "/usr/bin/pomelua"
    end)

    it("make a game", function()
      assert.equal("pomelua " .. version .. "\n", output(program .. " --version"))
      output(("%s init '%s/game'"):format(program, dir))
      output(("%s check '%s/game'"):format(program, dir))
      output(program .. " bench --help")
    end)

    it("tell what the specs of a game need, where only pomelua is installed", function()
      local status, text = run(("LUA_CPATH=';;' %s test '%s/game'"):format(program, dir))
      assert.equal(1, status)
      assert.matches("pomelua.core is not installed for LuaJIT (Debian: lua-pomelua)", text, 1,
        true)
    end)

    it("start that game, which answers a client", function()
      for path, port in pairs { ["config/servers.json"] = 3010, ["config/web.json"] = 3000 } do
        tree.write(dir .. "/game", path, (read(dir .. "/game/" .. path):gsub(port, "0")))
      end
      local process = net.spawn(root .. "/usr/bin/pomelua", { "start", dir .. "/game" })
      assert(process:waitLine("^ready$", patience))
      local port = tonumber(process.out:match("connector%-1 listening on [^\n]-:(%d+)\n"))
      local ann = assert(pomelo.connect(port, "ws"))
      assert.same({ code = 200, players = { "ann" } },
        assert(ann:request("connector.entryHandler.enter", { name = "ann" })))
      process:kill("sigterm")
      assert.equal(0, assert(process:waitExit(patience)))
      net.closeAll()
    end)

    it("test it, with busted and with plain LuaJIT, once lua-pomelua is there", function()
      local status, text = dpkg(("-i %s/debs/lua-pomelua_*.deb"):format(dir))
      assert(status == 0, text)
      -- What is LuaJIT's own, were the package installed in the machine itself.
      local lib = output(("ls -d '%s'/usr/lib/*/lua/5.1"):format(root)):match("[^\n]+")
      local paths = ("LUA_PATH='%s/usr/share/lua/5.1/?.lua;%s/usr/share/lua/5.1/?/init.lua;;' " ..
        "LUA_CPATH='%s/?.so;;' "):format(root, root, lib)
      assert.matches("4 successes / 0 failures / 0 errors",
        output(("%s %s test '%s/game'"):format(paths, program, dir)))
      assert.matches("4 success", output(("cd '%s/game' && env -u POMELUA_BUILD %s busted " ..
        "--lua=luajit spec"):format(dir, paths)))
      assert.equal("function\n", output(paths ..
        "luajit -e 'print(type(require(\"pomelua.client\").connect))'"))
    end)

    it("and purged leave nothing, of the services that were enabled neither", function()
      assert.is_not.equal(empty, everything())
      local wants = root .. "/etc/systemd/system/multi-user.target.wants"
      output(("mkdir -p '%s' '%s/var/lib/private/pomelua/chat' '%s/etc/pomelua'")
        :format(wants, root, root))
      output(("ln -s /usr/lib/systemd/system/pomelua@.service '%s/pomelua@chat.service'")
        :format(wants))
      output(("ln -s private/pomelua '%s/var/lib/pomelua'"):format(root))
      output(("touch '%s/etc/pomelua/chat.env' '%s/var/lib/private/pomelua/chat/bans'")
        :format(root, root))
      local status, text = dpkg("--purge pomelua lua-pomelua")
      assert(status == 0, text)
      -- What the administrator wrote, and the folders that were there for everybody.
      output(("rm '%s/etc/pomelua/chat.env'"):format(root))
      output(("cd '%s' && find etc var/lib/private -depth -type d -empty -delete"):format(root))
      assert.equal(empty, everything())
    end)
  end)
end)
