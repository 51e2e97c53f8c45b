-- The commands that speak to a running program: list, stop, kill, restart, add, kick, console.
-- Tests ops/control.lua, ops/commands.lua, ops/talk.lua, ops/place.lua, cli/tools.lua, cli/ask.lua,
-- cli/list.lua, cli/sockets.lua and cli/line.lua.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true })
end)
app:set("serverConfig", { console = app:getServerType() == "chat" })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]],
  ["app/servers/chat/handler/chatHandler.lua"] = [[
return function(app)
  return { who = function() return { code = 200, id = app:getServerId() } end }
end
]],
}

describe("the tools of a running program", function()
  local server

  before_each(function() server = app.start(FILES) end)
  after_each(function()
    server:stop { "stopped at", "no answer", "its server", "can not find server" }
  end)

  -- Runs `pomelua ARGS -d DIR`; returns its status, output and errors.
  local function pomelua(input, ...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", server.dir
    local tool = net.spawn(net.built("pomelua"), args)
    if input then tool:write(input) end
    tool:write(nil)
    local code = tool:waitExit(app.patience)
    return code, tool.out, tool.err
  end

  local function rows()
    local code, out = pomelua(nil, "list", "--json")
    assert.equal(0, code)
    local list = {}
    for line in out:gmatch("[^\n]+") do
      local row = cjson.decode(line)
      if row.id then list[row.id] = row.status end
    end
    return list
  end

  local function who()
    local client = pomelo.connect(server.ports["connector-1"])
    local answer = client:request("chat.chatHandler.who", {})
    client:close()
    return answer
  end

  it("list the servers, by type", function()
    local code, out = pomelua(nil, "list")
    assert.equal(0, code)
    assert.matches("^serverId +serverType +state +pid +host +uptime +sessions +channels +memory +"
      .. "lag +gen +old\n", out)
    assert.matches(("\nchat%%-1 +chat +up +%d +%%S+ +%%d+ s +0 +0 +[%%d.]+ MiB +%%d+ ms +1 +0\n"
      .. "connector%%-1 +connector +up "):format(server.process.pid), out)
    code, out = pomelua(nil, "list", "--versions")
    assert.equal(0, code)
    assert.matches("old +dictionary +protos\n", out)
    assert.matches("\nconnector%-1 [^\n]+ +1 +0 +%- +%-\n", out)
    local list = rows()
    assert.equal(0, list["chat-1"].sessions)
    assert.equal(server.ports["connector-1"], list["connector-1"].port)
    assert.equal("started", list["chat-1"].state)
  end)

  it("do not leave out that another cluster was meant", function()
    local code, _, err = pomelua(nil, "stop", "--cluster", "other")
    assert.equal(1, code)
    assert.matches("asked about its own cluster: leave %-%-cluster out, or give %-%-bus URL", err)
    assert.equal("started", rows()["chat-1"].state)
  end)

  it("find no program where none runs", function()
    local folder = tree.new { ["app.lua"] = "" }
    local tool = net.spawn(net.built("pomelua"), { "list", "-d", folder })
    assert.equal(1, (tool:waitExit()))
    assert.matches("^pomelua: no pomelua runs in [^\n]+ is found by the same %-%-state DIR%)\n$",
      tool.err)
    tree.remove(folder)
    tool = net.spawn(net.built("pomelua"), { "list", "-d", server.dir .. "/nowhere" })
    assert.equal(1, (tool:waitExit()))
    assert.matches("there is no such folder", tool.err)
  end)

  it("say where they have asked, when a bus is not there either", function()
    local folder = tree.new { ["app.lua"] = "", ["config/bus.json"] =
      '{ "urls": ["nats://127.0.0.1:1"], "cluster": "none" }' }
    local bus = "the bus of the cluster none is not there: "
    for command, text in pairs { list = "^pomelua: " .. bus, ban = "^pomelua: " .. bus,
      lst = "^pomelua: unknown command lst; did you mean list%? As one of the game's: " .. bus } do
      local tool = net.spawn(net.built("pomelua"), { command, "-d", folder,
        command == "ban" and "ann" or nil })
      assert.equal(command == "lst" and 2 or 1, (tool:waitExit()))
      assert.matches(text, tool.err)
    end
    tree.remove(folder)
  end)

  it("take the folder as start does, or are run in it", function()
    local function run(cwd, ...)
      local path = require("luv").fs_realpath(net.built("pomelua"))
      local tool = net.spawn(path, { ... }, { cwd = cwd })
      return tool:waitExit(app.patience), tool.out .. tool.err
    end
    for _, args in ipairs { { "/", "list", server.dir }, { server.dir, "list", "." },
      { server.dir, "list" }, { "/", "restart", server.dir, "chat-1" } } do
      local code, text = run(unpack(args))
      assert.equal(0, code, text)
      assert.matches("chat-1", text, 1, true)
    end
    local code, text = run("/", "stop", server.dir)
    assert.equal(0, code)
    assert.equal("stopping\n", text)
    assert.equal(0, (server.process:waitExit(app.patience)))
  end)

  it("add a server, which gets its share of the messages", function()
    assert.equal(1, (pomelua(nil, "add", "id=x", "serverType=chat", "port=none")))
    local code, out = pomelua(nil, "add", "id=chat-2", "serverType=chat", "host=127.0.0.1")
    assert.equal(0, code)
    assert.equal("chat-2 is up\n", out)
    assert.truthy(rows()["chat-2"])
    assert.equal(0, (pomelua(nil, "stop", "chat-1")))
    assert.same({ code = 200, id = "chat-2" }, who())
  end)

  it("refuse to add what is there, and what is wrong", function()
    local code, _, err = pomelua(nil, "add", "id=chat-1", "serverType=chat", "host=127.0.0.1")
    assert.equal(1, code)
    assert.matches("chat%-1: a server of that id runs", err)
    code, _, err = pomelua(nil, "add", "serverType=chat")
    assert.equal(1, code)
    assert.matches("id", err)
    code, _, err = pomelua(nil, "add", "chat-2")
    assert.equal(2, code)
    assert.matches("KEY=VALUE", err)
  end)

  it("stop one server, and restart it", function()
    assert.same({ code = 200, id = "chat-1" }, who())
    local code, out = pomelua(nil, "restart", "chat-1")
    assert.equal(0, code)
    assert.equal("chat-1: restarted\n", out)
    assert.same({ code = 200, id = "chat-1" }, who())
    assert.equal(0, (pomelua(nil, "stop", "chat-1")))
    assert.is_nil(rows()["chat-1"])
    assert.same({ code = 500 }, who())
    local _, err
    code, _, err = pomelua(nil, "restart", "chat-1")
    assert.equal(1, code)
    assert.equal("pomelua: there is no server chat-1\n", err)
    code, _, err = pomelua(nil, "restart", "conector-1")
    assert.equal(1, code)
    assert.equal("pomelua: there is no server conector-1; did you mean connector-1?\n", err)
  end)

  it("reload, restart and add while a cron names a server that is down", function()
    local cron = '{"id": %d, "time": "0 0 5 * * *", "action": "x.y", "serverId": "chat-%d"}'
    assert.equal(0, (pomelua(nil, "add", "id=chat-2", "serverType=chat", "host=127.0.0.1")))
    assert.equal(0, (pomelua(nil, "add", "id=chat-3", "serverType=chat", "host=127.0.0.1")))
    tree.write(server.dir, "app/servers/chat/cron/x.lua", "return { y = function() end }")
    local crons = ('{"chat": [' .. cron .. "," .. cron .. "]}"):format(1, 1, 2, 2)
    tree.write(server.dir, "config/crons.json", crons)
    assert.equal(0, (pomelua(nil, "stop", "chat-1"))) -- of servers.json
    assert.equal(0, (pomelua(nil, "stop", "chat-2"))) -- that was added
    for _, args in ipairs { { "reload" }, { "restart", "chat-3" },
      { "add", "id=chat-4", "serverType=chat", "host=127.0.0.1" } } do
      local code, out, err = pomelua(nil, unpack(args))
      assert.equal(0, code, out .. err)
      assert.not_matches("no server of this type", out .. err)
    end
  end)

  it("find the new port of a server in the output, once it is restarted", function()
    local dir = tree.new(FILES)
    local out = dir .. "/out.txt"
    local program = net.spawn("/bin/sh", { "-c", 'exec "$0" start "$1" > "$2"',
      net.built "pomelua", dir, out })
    assert(net.wait(function()
      local f = io.open(out)
      local text = f and f:read "*a" or ""
      if f then f:close() end
      return text:find "ready\n"
    end, app.patience))
    for i = 1, 5 do
      local tool = net.spawn(net.built "pomelua", { "restart", "connector-1", "-d", dir })
      assert.equal(0, tool:waitExit(app.patience))
      local n = 0
      for line in io.lines(out) do n = n + (line:find " listening on " and 1 or 0) end
      assert.equal(1 + i, n)
    end
    program:kill "sigterm"
    assert.equal(0, program:waitExit(app.patience))
    tree.remove(dir)
  end)

  it("kill one without its lifecycle", function()
    local code, out = pomelua(nil, "kill", "chat-1")
    assert.equal(0, code)
    assert.equal("chat-1: ended\n", out)
    assert.same({ code = 500 }, who())
  end)

  it("stop the program in order", function()
    local code, out = pomelua(nil, "stop")
    assert.equal(0, code)
    assert.equal("stopping\n", out)
    assert.equal(0, (server.process:waitExit(app.patience)))
  end)

  it("open a Lua prompt in a server that allows it, and only there", function()
    local lines = {
      "1 + 1", "app:getServerId(), { a = { 1, 2 } }", "for i = 1, 2 do", "print(i) end",
      "=20 + 1", "return #{ 1, 2,", "3 }", "{ 1, 2,", "4 }",
      "require('pomelua').sleep and app:setTimeout(1, function() print('later') end)",
      "local t = os.clock() while os.clock() - t < 0.05 do end", "0", "0", "error('no')", "",
    }
    local code, out = pomelua(table.concat(lines, "\n"), "console", "chat-1")
    assert.equal(0, code)
    assert.matches("> 2\n", out, 1, true)
    assert.matches("chat-1\n{ a = { 1, 2 } }\n", out, 1, true)
    assert.matches(">> 1\n2\n", out, 1, true)
    assert.matches("> 21\n", out, 1, true)
    assert.matches(">> 3\n", out, 1, true)
    assert.matches(">> { 1, 2, 4 }\n", out, 1, true)
    assert.matches("later\n", out, 1, true)
    assert.matches("no\nstack traceback", out, 1, true)
    local _, err
    code, _, err = pomelua("1\n", "console", "connector-1")
    assert.equal(1, code)
    assert.matches("the console is off", err)
  end)

  it("leave a socket for its owner alone, and nothing after the end", function()
    local socket = ("%s/.pomelua/%d.sock"):format(server.dir, server.process.pid)
    local stat = net.spawn("/usr/bin/stat", { "-c", "%a", socket })
    assert.equal(0, (stat:waitExit()))
    assert.equal("600\n", stat.out)
    server:terminate()
    server.process:waitExit(app.patience)
    assert.is_nil(io.open(socket))
  end)
end)

describe("a tool", function()
  it("explains itself", function()
    for _, name in ipairs { "list", "stop", "kill", "restart", "add", "reload", "kick",
      "console" } do
      local tool = net.spawn(net.built("pomelua"), { name, "--help" })
      assert.equal(0, (tool:waitExit()))
      assert.matches("^Usage: pomelua " .. name, tool.out)
      tool = net.spawn(net.built("pomelua"), { name, "--nonsense" })
      assert.equal(2, (tool:waitExit()))
      assert.matches("unknown option %-%-nonsense", tool.err)
    end
    net.closeAll()
  end)
end)
