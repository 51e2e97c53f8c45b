-- Bans without a program, and the folders in which a program writes: of its options, of systemd,
-- of releases. Tests ops/place.lua, cli/sockets.lua, cli/bans.lua.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local tools = require "spec.support.tool"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:set("serverConfig", { reload = false })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]],
  ["app/servers/connector/handler/entryHandler.lua"] = "return {}",
  ["app/servers/chat/handler/chatHandler.lua"] = "return {}",
}

local run, tool, hello = tools.start, tools.run, tools.hello

describe("bans without a program", function()
  local dir
  before_each(function() dir = tree.new(FILES) end)
  after_each(function()
    net.closeAll()
    tree.remove(dir)
  end)

  it("are written into the file, are in force at the next start, and survive it", function()
    local code, out, err = tool("ban", dir, "127.0.0.1", "--for", "1h")
    assert.equal(0, code)
    assert.matches("^the address 127.0.0.1 is banned until ", out)
    assert.equal(("no pomelua runs in %s: written into %s/.pomelua/bans.json\n"):format(dir, dir),
      err)
    local mode = io.popen("stat -c %a " .. dir .. "/.pomelua/bans.json"):read("*l")
    assert.equal("600", mode)
    local program = run { "start", dir }
    local port = assert(program:waitLine("connector%-1 listening on [^\n]-:(%d+)$", app.patience))
    assert(program:waitLine("^ready$", app.patience))
    assert.same({ code = 403, reason = "banned" }, hello(tonumber(port)))
    assert.equal(0, (tool("stop", dir)))
    assert.equal(0, (program:waitExit(app.patience)))
    code, out = tool("bans", dir)
    assert.equal(0, code)
    assert.matches("^address  127.0.0.1 +until ", out)
    assert.equal(0, (tool("unban", dir, "127.0.0.1")))
    assert.equal("nobody is banned\n", (select(2, tool("bans", dir))))
  end)

  it("that begin while a program starts are in force in it", function()
    files.make_private(dir .. "/.pomelua")
    local lock = assert(core.lock_folder(dir .. "/.pomelua", 0))
    local ban = run { "ban", dir, "127.0.0.1" } -- it finds no program
    local function waits() -- for the lock, with the folder open
      for _, name in ipairs(files.list(("/proc/%d/fd"):format(ban.pid)) or {}) do
        if files.absolute(("/proc/%d/fd/%s"):format(ban.pid, name)) == dir .. "/.pomelua" then
          return true
        end
      end
    end
    repeat local over = net.wait(function() return ban.code end, 10) until over or waits()
    local program = run { "start", dir } -- it waits for the lock, too
    local port = assert(program:waitLine("connector%-1 listening on [^\n]-:(%d+)$", app.patience))
    lock:free()
    assert(program:waitLine("^ready$", app.patience))
    assert.equal(0, (ban:waitExit(app.patience)), ban.err)
    assert.same({ code = 403, reason = "banned" }, hello(tonumber(port)))
    assert.matches("127.0.0.1", (select(2, tool("bans", dir))), 1, true)
    assert.equal(0, (tool("stop", dir)))
    assert.equal(0, (program:waitExit(app.patience)))
  end)

  it("refuse the start when their file is broken, with file and place", function()
    tree.write(dir, ".pomelua/bans.json", '{"bans": [{"uid": "ann"},\n{"adress": "::1"}]}')
    local program = run { "start", dir }
    assert.equal(78, (program:waitExit(app.patience)))
    local line = dir .. "/.pomelua/bans.json:2: bans[1].adress: there is no such key; "
      .. "did you mean address?"
    assert.equal("pomelua: " .. line .. "\n", program.err)
    local code, out = tool("check", dir)
    assert.equal(1, code)
    assert.matches(line .. "\n", out, 1, true)
    local err
    code, out, err = tool("ban", dir, "bob")
    assert.same({ 1, "", "pomelua: " .. line .. "\n" }, { code, out, err })
  end)

  it("are not written into a folder without an app", function()
    local empty = tree.new {}
    finally(function() tree.remove(empty) end)
    local code, _, err = tool("ban", empty, "ann")
    assert.equal(1, code)
    assert.matches("there is no app.lua in " .. empty, err, 1, true)
    assert.is_false(files.exists(empty .. "/.pomelua"))
  end)
end)

describe("the folders in which a program writes", function()
  local dir, state, runtime
  before_each(function()
    dir, state, runtime = tree.new(FILES), tree.new {}, tree.new {}
  end)
  after_each(function()
    net.closeAll()
    for _, folder in ipairs { dir, state, runtime } do tree.remove(folder) end
  end)

  local function started(args, env)
    local program = run(args, env)
    assert(program:waitLine("^ready$", app.patience))
    return program
  end
  local function stopped(program)
    assert.equal(0, (program:waitExit(app.patience)))
    assert.same({ {}, {} }, { files.list(runtime), files.list(state .. "/none") or {} })
  end

  it("is --state DIR for all of it, and tools find the program by the same", function()
    local program = started { "start", dir, "--state", state }
    assert.is_true(files.exists(("%s/%d.sock"):format(state, program.pid)))
    local code, _, err = tool("list", dir)
    assert.equal(1, code)
    assert.matches("^pomelua: no pomelua runs in " .. dir:gsub("%p", "%%%0") .. " %(.* is found by "
      .. "the same %-%-state DIR%)\n$", err)
    assert.equal(0, (tool("list", dir, "--state", state)))
    assert.equal(0, (tool("ban", dir, "ann", "--state", state)))
    assert.is_true(files.exists(state .. "/bans.json"))
    assert.is_false(files.exists(dir .. "/.pomelua/bans.json"))
    assert.equal(0, (tool("stop", dir, "--state", state)))
    stopped(program)
    assert.same({ "bans.json" }, files.list(state))
    code, _, err = tool("list", dir, "--state", state)
    assert.equal(1, code)
    assert.equal(("pomelua: no pomelua runs in %s: no socket in %s\n"):format(dir, state), err)
  end)

  it("are those of systemd: the first of STATE_DIRECTORY, and RUNTIME_DIRECTORY", function()
    local env = { STATE_DIRECTORY = state .. ":/nowhere", RUNTIME_DIRECTORY = runtime }
    local program = started({ "start", dir }, env)
    local name = ("/%d.sock"):format(program.pid)
    assert.is_true(files.exists(runtime .. name))
    assert.equal(runtime .. name, files.absolute(state .. name)) -- a link
    local function with(given, ...)
      local one = run({ ... }, given)
      assert.equal(0, (one:waitExit(app.patience)), one.err)
      return one.out
    end
    with(env, "ban", dir, "ann")
    assert.is_true(files.exists(state .. "/bans.json"))
    assert.matches("ann", with({ STATE_DIRECTORY = state }, "bans", dir))
    assert.matches("connector%-1", with({ RUNTIME_DIRECTORY = runtime }, "list", dir))
    with({}, "stop", dir, "--state", state)
    stopped(program)
    assert.same({ "bans.json" }, files.list(state)) -- the link went with the socket
  end)

  it("are named when they are missing", function()
    for _, row in ipairs {
      { { "start", dir, "--state", state .. "/a/b" }, nil, "--state: there is no folder " },
      { { "start", dir }, { STATE_DIRECTORY = "/nowhere/a" },
        "STATE_DIRECTORY: there is no folder /nowhere/a" },
      { { "start", dir }, { RUNTIME_DIRECTORY = "/nowhere/a" },
        "RUNTIME_DIRECTORY: there is no folder /nowhere/a, and it cannot be made" },
      { { "list", dir, "--state", state .. "/none" }, nil,
        ("--state: there is no folder %s/none\n"):format(state) },
    } do
      local one = run(row[1], row[2])
      assert.equal(row[1][1] == "start" and 78 or 1, (one:waitExit(app.patience)))
      assert.matches(row[3], one.err, 1, true)
    end
  end)

  it("move with a link to the app: the bans are with the release that it leads to", function()
    local link, other = dir .. "-current", tree.new(FILES)
    finally(function()
      os.remove(link)
      net.closeAll()
      tree.remove(other)
    end)
    assert(files.symlink(dir, link))
    local program = started { "start", link }
    assert.equal(0, (tool("ban", link, "ann")))
    os.remove(link)
    assert(files.symlink(other, link))
    assert.equal(0, (tool("ban", link, "bob")))
    local text = files.read(other .. "/.pomelua/bans.json")
    assert.matches('"ann".*"bob"', text)
    assert.equal(0, (tool("stop", link)))
    stopped(program)
  end)
end)
