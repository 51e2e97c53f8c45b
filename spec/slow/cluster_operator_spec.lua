-- The operator of a cluster: three programs on a real broker that has an account for them, asked at
-- any of them and over the bus. Tests host/program_bus.c, bind/l_bus_tool.c, cli/bus.lua,
-- cli/ask.lua and what ops/cluster.lua does over a bus (spec/pomelua/cluster_spec has the rest).
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local broker = require "spec.support.broker"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local HANDLER = "app/servers/chat/handler/chatHandler.lua"
local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:set("serverConfig", { reload = false, console = app:getServerId() == "chat-3" })
app:registerAdmin("where", { monitorHandler = function() return app:getServerId() end })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}
  ],
  "chat": [
    {"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"},
    {"id": "chat-3", "host": "127.0.0.1"}
  ],
  "spare": [{"id": "spare-1", "host": "127.0.0.1"}, {"id": "spare-2", "host": "127.0.0.1"}]
}]],
  ["app/servers/spare/lifecycle.lua"] = "return {}",
  ["app/servers/connector/handler/entryHandler.lua"] = [[
return function(app)
  local Handler = {}
  function Handler:enter(msg, session)
    session:bind(msg.uid)
    return { code = 200 }
  end
  return Handler
end
]],
  ["app/servers/slow/lifecycle.lua"] = [[
return { beforeShutdown = function(app, cb) setTimeout(cb, 60000) end }
]],
  [HANDLER] = "return function(app) return { who = function() return { code = 200 } end } end\n",
}
local ALL = { "chat-1", "chat-2", "chat-3", "connector-1", "connector-2" }

describe("the operator of a cluster", function()
  local nats, a, b, c, folder

  -- What a folder needs to reach the bus.
  local function bus_files(cluster)
    return {
      ["bus.password"] = "secret\n",
      ["config/bus.json"] = cjson.encode {
        urls = { nats.url }, cluster = cluster or "spec", heartbeat = 0.2, timeout = 3,
        user = "spec", passwordFile = "bus.password",
      },
    }
  end

  local function start(only)
    return app.start(FILES, {
      args = { "--only", only, "--log-level", "info" },
      prepare = function(dir)
        for path, text in pairs(bus_files()) do tree.write(dir, path, text) end
      end,
    })
  end

  local function pomelua(at, ...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", type(at) == "string" and at or at.dir
    return tool.run(unpack(args))
  end

  local function rows(at, ...)
    local code, out, err = pomelua(at, "list", "--json", ...)
    assert.equal(0, code, err)
    local list = {}
    for line in out:gmatch("[^\n]+") do
      local row = cjson.decode(line)
      if row.id then list[row.id] = row end
    end
    return list
  end

  local function ids(list)
    local names = {}
    for id in pairs(list) do names[#names + 1] = id end
    table.sort(names)
    return names
  end

  -- Waits until a program sees these servers, all up.
  local function sees(at, wanted)
    local last
    local ok = net.wait(function()
      last = rows(at)
      for _, row in pairs(last) do
        if row.state ~= "up" or not row.status then return false end
      end
      return table.concat(ids(last), " ") == table.concat(wanted, " ")
    end, app.patience)
    assert(ok, cjson.encode(last))
    return last
  end

  local function enter(server, id, uid)
    local client = pomelo.connect(server.ports[id])
    assert.equal(200, client:request("connector.entryHandler.enter", { uid = uid }).code)
    return client
  end

  lazy_setup(function()
    -- A server or a tool needs no more than this.
    nats = broker.start { config = [[
authorization { users = [ { user: "spec", password: "secret",
  permissions: { publish: ["pml.spec.>"], subscribe: ["pml.spec.>"] } } ] }
]] }
    a = start "connector-1"
    b = start "chat-1,chat-2"
    c = start "chat-3,connector-2"
    folder = tree.new(bus_files())
    for _, one in ipairs { a, b, c } do sees(one, ALL) end
  end)
  lazy_teardown(function()
    local expected = { "chatHandler.lua:1: ", "reload", "bus", "chat%-%d: " }
    c.stopped = true -- it was killed
    for _, one in ipairs { b, a } do one:stop(expected) end
    tree.remove(c.dir)
    broker.closeAll()
    tree.remove(folder)
  end)

  it("sees all servers from each program, and from a machine without one", function()
    for _, at in ipairs { a, b, c, folder } do
      local list = rows(at)
      assert.same(ALL, ids(list))
      assert.equal(a.process.pid, list["connector-1"].pid)
      assert.equal(b.process.pid, list["chat-2"].pid)
      assert.equal(require("luv").os_gethostname(), list["chat-3"].host)
      for _, key in ipairs { "uptime", "sessions", "memory", "lag", "generation" } do
        assert.is_number(list["chat-1"].status[key])
      end
    end
    local code, out = tool.run("list", folder, "--bus", nats.url, "--cluster", "spec",
      "--counters")
    assert.equal(0, code)
    assert.matches("\nchat%-1 +chat +up +" .. b.process.pid, out)
    assert.matches("\nbus %S+:" .. c.process.pid .. " +messagesSent +%d+\n", out)
    out = select(2, pomelua(a, "list", "--json", "--counters"))
    for _, name in ipairs { "sent", "received", "bytesSent", "bytesReceived", "messagesSent",
      "messagesReceived", "gaps", "strangers", "full", "unsent", "lostLinks", "listsWhole",
      "listsChanged", "listsSame", "listsMissed", "listsForgotten" } do
      assert.matches(('"bus":{[^}]*"%s":%%d'):format(name), out)
    end
  end)

  it("stops, restarts and adds servers of any program from any other", function()
    assert.same({ 0, "chat-3: restarted\n", "" }, { pomelua(a, "restart", "chat-3") })
    assert(c.process:waitErr("restart chat%-3, asked for by user %d+, process %d+ of %S+\n"))
    local code, out, err = pomelua(folder, "stop", "chat-2", "chat-3")
    assert.same({ 0, "" }, { code, err })
    assert.matches("chat-2: stopped\n", out, 1, true)
    assert.matches("chat-3: stopped\n", out, 1, true)
    assert(b.process:waitErr("stop chat%-2, asked for by user %d+, process %d+ of %S+\n"))
    sees(a, { "chat-1", "connector-1", "connector-2" })
    code, out, err = pomelua(folder, "add", "id=chat-2", "serverType=chat")
    assert.equal("", out)
    assert.equal(1, code)
    assert.matches("say where: %-%-host NAME or %-%-process HOST:PID; there are: ", err)
    local host = require("luv").os_gethostname()
    code, out = pomelua(folder, "add", "id=chat-2", "serverType=chat", "host=127.0.0.1",
      "--process", host .. ":" .. b.process.pid)
    assert.same({ 0, "chat-2 is up\n" }, { code, out })
    code, out = pomelua(a, "add", "id=chat-3", "serverType=chat", "host=127.0.0.1", "--process",
      tostring(c.process.pid))
    assert.same({ 0, "chat-3 is up\n" }, { code, out })
    sees(b, ALL)
    code, out, err = pomelua(c, "add", "id=chat-2", "serverType=chat")
    assert.equal("", out)
    assert.equal(1, code)
    assert.matches("chat%-2: a server of that id runs, in %S+:" .. b.process.pid, err)
  end)

  it("reloads server by server, and stops at the first refusal", function()
    local code, out = pomelua(c, "reload", "--force")
    assert.equal(0, code)
    for _, id in ipairs(ALL) do assert.matches("%f[%w]" .. id:gsub("%-", "%%-") .. ": ", out) end
    tree.write(b.dir, HANDLER, "oops(")
    local err
    code, out, err = pomelua(c, "reload")
    assert.equal(1, code)
    assert.matches("chat%-1: .*chatHandler.lua:1: ", out)
    assert.matches("stopped at chat%-1", err)
    assert.matches("connector-2: ", out, 1, true) -- c's own came first, chat-2 not at all
    assert.is_nil(out:find("chat-2", 1, true))
    tree.write(b.dir, HANDLER, FILES[HANDLER])
    assert.equal(0, (pomelua(folder, "reload")))
    code, out, err = pomelua(a, "reload", "chat.nope")
    assert.matches("chat-1: ", out, 1, true)
    assert.equal(1, code)
    assert.matches("no server has the module chat.nope", err)
    assert.equal(0, (pomelua(a, "reload", "chat.chatHandler")))
  end)

  it("ends and bans the sessions of a user on all frontends", function()
    local one, two = enter(a, "connector-1", "ann"), enter(c, "connector-2", "ann")
    local other = enter(c, "connector-2", "bob")
    local code, out = pomelua(folder, "kick", "ann", "--reason", "go")
    assert.same({ 0, 'the uid "ann": 2 sessions ended\n' }, { code, out })
    for _, client in ipairs { one, two } do
      assert.equal('{"reason":"go"}', (assert(client:kicked())))
    end
    assert(a.process:waitErr('kick of the uid "ann", asked for by user %d+, process %d+ of %S+\n'))
    one, two = enter(a, "connector-1", "ann"), enter(c, "connector-2", "ann")
    code, out = pomelua(b, "ban", "ann", "--reason", "spam")
    assert.equal(0, code)
    assert.matches("2 sessions ended", out)
    for _, client in ipairs { one, two } do
      assert.equal('{"reason":"spam"}', (assert(client:kicked())))
    end
    assert.matches("ann", select(2, pomelua(folder, "bans")))
    assert.equal(0, (pomelua(folder, "unban", "ann")))
    assert.equal("nobody is banned\n", select(2, pomelua(c, "bans")))
    assert.equal(200, other:request("connector.entryHandler.enter", { uid = "bob" }).code)
    pomelo.closeAll()
  end)

  it("runs the game's commands and Lua in servers of other programs", function()
    local code, out = pomelua(a, "where")
    assert.equal(0, code)
    for _, id in ipairs(ALL) do assert.matches(("%s: %s\n"):format(id, id), out, 1, true) end
    code, out = pomelua(folder, "where", "-i", "chat-2")
    assert.same({ 0, "chat-2: chat-2\n" }, { code, out })
    local console = tool.start { "console", "chat-3", "-d", b.dir }
    console:write("app:getServerId()\n\n")
    console:write(nil)
    assert.equal(0, (console:waitExit(app.patience)))
    assert.matches('chat-3', console.out:match("leaves\n(.*)$"), 1, true)
  end)

  it("is told what is wrong", function()
    local closed = "nats://127.0.0.1:1"
    for _, case in ipairs {
      { { "stop", "chat-9", "-d", a.dir }, "there is no server chat%-9" },
      { { "stop", "chat-9", "-d", folder }, "there is no server chat%-9" },
      { { "stop", "-d", folder }, "name the servers, or a program by %-%-process HOST:PID" },
      { { "kill", "-d", a.dir, "--process", "nowhere:1" }, "no program of the cluster" },
      { { "list", folder, "--cluster", "spec.none" }, "the bus of the cluster spec.none is not "
        .. "there: the broker refuses it: .* in config/bus%.json must be allowed to publish" },
      { { "ban", "ann", "-d", "/", "--bus", closed, "--cluster", "x" },
        "the bus of the cluster x is not there: " },
      { { "list", "/", "--bus", nats.url, "--cluster", "spec" }, "the bus of the cluster spec is "
        .. "not there: .*does not accept the user" },
      { { "list", "/", "--bus", "http://127.0.0.1:1", "--cluster", "spec" },
        "http:// is no scheme of the bus" },
      { { "list", "/", "--bus", closed }, "give %-%-cluster NAME" },
      { { "list", "-d", a.dir, "--bus", nats.url, "--pid", "1" }, "%-%-pid is for a program on" },
    } do
      local code, _, err = tool.run(unpack(case[1]))
      assert.equal(1, code, table.concat(case[1], " "))
      assert.matches("^pomelua: .*" .. case[2], err)
    end
    local code, _, err = pomelua(folder, "wher")
    assert.equal(2, code)
    assert.matches("^pomelua: unknown command wher; did you mean where%?", err)
  end)

  it("asks any of the programs that run in one folder, and stops the one that is named", function()
    local second, third
    for _, id in ipairs { "spare-1", "spare-2" } do
      second, third = third, net.spawn(net.built("pomelua"), { "start", b.dir, "--only", id })
      assert(third:waitLine("^ready$", app.patience))
    end
    sees(b, { "chat-1", "chat-2", "chat-3", "connector-1", "connector-2", "spare-1", "spare-2" })
    assert.same({ 0, "spare-1: restarted\n", "" }, { pomelua(b, "restart", "spare-1") })
    local code, _, err = pomelua(b, "stop")
    assert.equal(1, code)
    assert.matches("name the servers, or a program by %-%-process HOST:PID", err)
    local name = require("luv").os_gethostname() .. ":" .. second.pid
    assert.same({ 0, name .. ": stopping\n", "" }, { pomelua(a, "stop", "--process", name) })
    assert.equal(0, (second:waitExit(app.patience)))
    assert.same({ 0, "stopping\n", "" }, { pomelua(b, "stop", "--pid", tostring(third.pid)) })
    assert.equal(0, (third:waitExit(app.patience)))
    sees(a, ALL)
  end)

  it("asks two programs at the same time, and each answer is true", function()
    local first = tool.start { "restart", "chat-1", "-d", a.dir }
    local second = tool.start { "restart", "chat-1", "-d", c.dir }
    for _, one in ipairs { first, second } do
      assert.equal(0, (one:waitExit(app.patience)))
      assert.equal("chat-1: restarted\n", one.out)
    end
    sees(a, ALL)
  end)

  it("hears of a program that dies at work", function()
    local code, out = pomelua(a, "add", "id=slow-1", "serverType=slow", "host=127.0.0.1",
      "--process", tostring(c.process.pid))
    assert.same({ 0, "slow-1 is up\n" }, { code, out })
    local stop = tool.start { "stop", "slow-1", "chat-2", "-d", a.dir }
    assert(c.process:waitErr("stop slow%-1, asked for by "))
    c.process:kill("sigkill")
    assert.equal(1, (stop:waitExit(app.patience)))
    assert.matches("slow-1: its process has ended\n", stop.out, 1, true)
    assert.matches("chat-2: stopped\n", stop.out, 1, true)
    assert.matches("stop: 1 of 2 servers failed", stop.err, 1, true)
    sees(a, { "chat-1", "connector-1" })
  end)
end)
