-- Operations on the servers of a running program: in turn, answered, true, and in the log.
-- Tests ops/members.lua and ops/admin.lua.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local HANDLER = [[
return function(app)
  local Handler = {}
  function Handler:servers() return app:getServers() end
  function Handler:counters() return { code = 200, counters = app:getCounters() } end
  function Handler:block()
    os.execute(("while test -e '%s/held'; do sleep 0.05; done"):format(app:getBase()))
  end
  return Handler
end
]]

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
  ["app/servers/chat/handler/chatHandler.lua"] = HANDLER,
  ["app/servers/chat/lifecycle.lua"] = "return {}",
  ["app/servers/connector/handler/entryHandler.lua"] = [[
local news = {}
return function(app)
  app.event:on("add_servers", function(list)
    local ids = {}
    for _, entry in ipairs(list) do ids[#ids + 1] = entry.id end
    table.sort(ids)
    news[#news + 1] = "+" .. table.concat(ids, ",")
  end)
  app.event:on("remove_servers", function(ids) news[#news + 1] = "-" .. table.concat(ids, ",") end)
  local Handler = {}
  function Handler:order()
    local ids = {}
    for i, entry in ipairs(app:getServersByType("chat")) do ids[i] = entry.id end
    return { code = 200, order = table.concat(ids, " ") }
  end
  function Handler:news() return { code = 200, news = table.concat(news, " ") } end
  return Handler
end
]],
}
describe("what an operator asks for", function()
  local server

  before_each(function() server = app.start(FILES) end)
  after_each(function()
    server:terminate() -- os.execute in a script ignores SIGINT while its command runs
    server:stop { "restart chat%-1: .*chatHandler.lua:1: ", "add connector%-9: cannot listen" }
  end)

  local function tool(...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", server.dir
    return net.spawn(net.built("pomelua"), args)
  end

  local function pomelua(...)
    local one = tool(...)
    local code = one:waitExit(app.patience)
    return code, one.out, one.err
  end

  local function both(first, second)
    local a, b = tool(unpack(first)), tool(unpack(second))
    return a:waitExit(app.patience), b:waitExit(app.patience)
  end

  local function rows()
    local code, out = pomelua("list", "--json")
    assert.equal(0, code)
    local list = {}
    for line in out:gmatch("[^\n]+") do
      local row = cjson.decode(line)
      if row.id then list[row.id] = row end
    end
    return list
  end

  local function ask(route, body)
    local client = pomelo.connect(server.ports["connector-1"])
    local answer = client:request(route, body or {})
    client:close()
    return answer
  end

  -- Waits until the frontend has heard this.
  local function heard(text)
    local news
    net.wait(function()
      news = ask("connector.entryHandler.news").news
      return news == text
    end)
    assert.equal(text, news)
  end

  it("is done in turn, and each tool is answered", function()
    local a, b = both({ "restart", "chat-1" }, { "restart", "chat-1" })
    assert.same({ 0, 0 }, { a, b })
    assert.equal("up", rows()["chat-1"].state)
    local add = { "add", "id=chat-2", "serverType=chat" }
    a, b = both(add, add)
    assert.equal(1, a + b)
    assert.equal("up", rows()["chat-2"].state)
    a, b = both({ "stop", "chat-2" }, { "kill", "chat-2" })
    assert.is_true(a == 0 or b == 0)
    assert.is_nil(rows()["chat-2"])
    assert.equal(0, (pomelua("add", "id=chat-2", "serverType=chat")))
  end)

  it("names a server once, however often it is written", function()
    local code, out = pomelua("restart", "chat-1", "chat-1")
    assert.equal(0, code)
    assert.equal("chat-1: restarted\n", out)
  end)

  it("keeps a server that did not come up again on the list, with its reason", function()
    local path = "app/servers/chat/handler/chatHandler.lua"
    tree.write(server.dir, path, "oops(")
    local code, out, err = pomelua("restart", "chat-1")
    assert.equal(1, code)
    assert.matches("chat%-1: .*chatHandler.lua:1: ", out)
    assert.matches("1 of 1 servers failed", err)
    local row = rows()["chat-1"]
    assert.equal("failed", row.state)
    assert.matches("chatHandler.lua:1: ", row.why)
    assert.matches("\nchat%-1 +chat +failed +%d+ +%S+ .*chatHandler.lua:1: ",
      select(2, pomelua("list")))
    assert.equal(1, (pomelua("restart", "chat-1")))
    tree.write(server.dir, path, FILES[path])
    assert.equal(0, (pomelua("restart", "chat-1")))
    assert.equal("up", rows()["chat-1"].state)
    tree.write(server.dir, path, "oops(")
    assert.equal(1, (pomelua("restart", "chat-1")))
    assert.equal(0, (pomelua("stop", "chat-1"))) -- off the list
    assert.is_nil(rows()["chat-1"])
    tree.write(server.dir, path, FILES[path])
    assert.equal(0, (pomelua("add", "id=chat-1", "serverType=chat")))
  end)

  it("leaves nothing of a server that could not be added", function()
    local port = server.ports["connector-1"]
    local code, _, err = pomelua("add", "id=connector-9", "serverType=connector", "host=127.0.0.1",
      "frontend=true", "clientPort=" .. port)
    assert.equal(1, code)
    assert.matches("connector%-9: cannot listen", err)
    assert.is_nil(rows()["connector-9"])
    assert.equal(0, (pomelua("add", "id=chat-2", "serverType=chat")))
    local known = ask("chat.chatHandler.servers")
    assert.is_nil(known["connector-9"])
    assert.truthy(known["chat-1"])
  end)

  it("keeps the order of servers.json, added servers by id behind it", function()
    local function ordered(text)
      local order
      net.wait(function()
        order = ask("connector.entryHandler.order").order
        return order == text
      end)
      assert.equal(text, order)
    end
    for _, id in ipairs { "chat-9", "chat-3" } do
      assert.equal(0, (pomelua("add", "id=" .. id, "serverType=chat")))
    end
    ordered "chat-1 chat-3 chat-9"
    assert.equal(0, (pomelua("stop", "chat-1")))
    ordered "chat-3 chat-9"
    assert.equal(0, (pomelua("add", "id=chat-1", "serverType=chat")))
    ordered "chat-1 chat-3 chat-9"
  end)

  it("takes text for text when it adds a server", function()
    assert.equal(0, (pomelua("add", "id=7", "serverType=chat", "port=6052", "zone=007", "x=1e3",
      "nan=nan", "test=true", "weight:=3", 'tags:=["a","b"]')))
    assert.equal(0, (pomelua("stop", "chat-1")))
    assert.same({
      id = "7", serverType = "chat", port = 6052, zone = "007", x = "1e3", nan = "nan",
      test = true, weight = 3, tags = { "a", "b" },
    }, ask("chat.chatHandler.servers")["7"])
    assert.equal(2, (pomelua("add", "id=8", "serverType=chat", "x:=nonsense")))
    assert.equal(2, (pomelua("add", "id=8", "serverType=chat", "id=9")))
  end)

  it("shows a server that is stuck as not answering, and the others", function()
    local client = pomelo.connect(server.ports["connector-1"])
    tree.write(server.dir, "held", "")
    client:notify("chat.chatHandler.block", {})
    client:request("connector.entryHandler.news", {}) -- behind the notify
    local list = rows()
    assert.equal("not answering", list["chat-1"].why)
    assert.is_nil(list["chat-1"].status)
    assert.equal(1, list["connector-1"].status.sessions)
    os.remove(server.dir .. "/held")
    client:close()
  end)

  it("is told to every server: who came and who went", function()
    heard("+chat-1,connector-1")
    assert.equal(0, (pomelua("add", "id=chat-2", "serverType=chat")))
    heard("+chat-1,connector-1 +chat-2")
    assert.equal(0, (pomelua("restart", "chat-2")))
    heard("+chat-1,connector-1 +chat-2 -chat-2 +chat-2")
    assert.equal(0, (pomelua("kill", "chat-2")))
    assert.equal(0, (pomelua("stop", "chat-1")))
    heard("+chat-1,connector-1 +chat-2 -chat-2 +chat-2 -chat-2 -chat-1")
  end)

  it("is in the log: who asked for what, and how it went", function()
    pomelua("restart", "chat-1")
    pomelua("stop", "nobody")
    pomelua("reload")
    pomelua("stop", "chat-1")
    for _, line in ipairs {
      "restart chat%-1, asked for by user %d+, process %d+\n", "restart chat%-1: restarted\n",
      "reload, asked for by user %d+, process %d+\n", "stop chat%-1: stopped\n",
    } do
      assert(server.process:waitErr(" info  pomelua " .. line))
    end
  end)

  it("shows what is counted", function()
    local client = pomelo.connect(server.ports["connector-1"])
    client:request("chat.chatHandler.counters", "no json")
    local counters = client:request("chat.chatHandler.counters", {}).counters
    client:close()
    assert.equal(1, counters.badBodies)
    local code, out = pomelua("list", "--counters")
    assert.equal(0, code)
    assert.matches("\nchat%-1 +badBodies +1\n", out)
    assert.matches("\nconnector%-1 +accepted +%d+\n", out)
  end)

  it("ends with a status that is true", function()
    local code, _, err = pomelua("reload", "nope.nope")
    assert.equal(1, code)
    assert.matches("no server has the module nope.nope", err)
    assert.equal(0, (pomelua("reload", "chat.chatHandler")))
    local shell = net.spawn("/bin/sh", { "-c",
      net.built("pomelua") .. " list -d " .. server.dir .. " > /dev/full" })
    assert.equal(1, (shell:waitExit(app.patience)))
    assert.matches("standard output: ", shell.err)
    local init = "init " .. server.dir .. "/new"
    for _, command in ipairs { "--version", "help", "list --help", init } do
      local line = ("%s %s > /dev/full"):format(net.built("pomelua"), command)
      shell = net.spawn("/bin/sh", { "-c", line })
      assert.equal(1, (shell:waitExit(app.patience)), command)
    end
    code, _, err = pomelua("reload", ("x"):rep(70000))
    assert.equal(1, code)
    assert.matches("too long for one question", err)
    local only = net.spawn(net.built("pomelua"), { "start", "--only", ",,", server.dir })
    assert.equal(2, (only:waitExit(app.patience)))
    assert.matches("%-%-only needs the ids", only.err)
    only = net.spawn(net.built("pomelua"), { "start", "--only", "caht-1", server.dir })
    assert.equal(78, (only:waitExit(app.patience)))
    assert.matches('config/servers.json has no server "caht-1"; did you mean chat-1?', only.err, 1,
      true)
  end)
end)

describe("a program", function()
  it("writes every line of its log as JSON under --log-json", function()
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["config/servers.json"] = [[{
      "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
      "chat": [{"id": "chat\"1", "host": "127.0.0.1"}]
    }]]
    files["app/servers/chat/lifecycle.lua"] = [[
      return { afterStartup = function() print('"\\\194\155\1\255') end }
    ]]
    local server = app.start(files, { args = { "--log-json" } })
    for _, args in ipairs { { "restart", 'chat"1' }, { "restart", "connector-1", "nobody" } } do
      args[#args + 1], args[#args + 2] = "-d", server.dir
      net.spawn(net.built("pomelua"), args):waitExit(app.patience)
    end
    server.process:kill("sighup")
    assert(server.process:waitLine('"msg":"reload connector%-1: ', app.patience, "err"))
    local names = {}
    for line in server.process.err:gmatch("[^\n]+") do
      local entry = cjson.decode(line)
      names[entry.server] = true
      assert.is_nil(line:find("[%z\1-\31\127]"))
      assert.is_nil(line:find("\194[\128-\159]"), line)
    end
    assert.truthy(names['chat"1'])
    server:stop { "^{" }
  end)

  it("that does not start says so as JSON under --log-json", function()
    for name, text in pairs {
      ["config/servers.json"] = "{", ["app.lua"] = "oops(", -- before a thread runs, and in one
    } do
      local files = {}
      for path, one in pairs(FILES) do files[path] = one end
      files[name] = text
      local dir = tree.new(files)
      local program = net.spawn(net.built("pomelua"), { "start", dir, "--log-json" })
      assert.equal(78, (program:waitExit(app.patience)))
      for line in program.err:gmatch("[^\n]+") do assert.truthy(cjson.decode(line).msg) end
      assert.matches(name, program.err, 1, true)
      tree.remove(dir)
    end
  end)

  it("is found by the link that it was started by, and loads what the link leads to", function()
    local VERSION = 'return function() return { v = function() return { v = %d } end } end'
    local files = {}
    for path, text in pairs(FILES) do
      for release = 1, 2 do files["releases/" .. release .. "/" .. path] = text end
    end
    for release = 1, 2 do
      files[("releases/%d/app/servers/chat/handler/vHandler.lua"):format(release)] =
        VERSION:format(release)
    end
    local dir = tree.new(files)
    local function point(release)
      local link = net.spawn("/bin/ln", { "-sfn", "releases/" .. release, dir .. "/current" })
      assert.equal(0, (link:waitExit()))
    end
    point(1)
    local program = net.spawn(net.built("pomelua"), { "start", dir .. "/current" })
    assert(program:waitLine("^ready$", app.patience))
    local port = tonumber(program.out:match("listening on [^\n]-:(%d+)\n"))
    local client = pomelo.connect(port)
    local function tool(...)
      local one = net.spawn(net.built("pomelua"), { ... })
      assert.equal(0, (one:waitExit(app.patience)), one.err)
    end
    assert.equal(1, client:request("chat.vHandler.v", {}).v)
    point(2)
    tool("list", "-d", dir .. "/current")
    tool("list", "-d", dir .. "/releases/1")
    assert.equal(1, client:request("chat.vHandler.v", {}).v)
    tree.remove(dir .. "/releases/1") -- old releases go
    tool("reload", "-d", dir .. "/current")
    assert.equal(2, client:request("chat.vHandler.v", {}).v)
    client:close()
    tool("stop", "-d", dir .. "/current")
    assert.equal(0, (program:waitExit(app.patience)))
    local left = net.spawn("/bin/ls", { dir .. "/current/.pomelua" })
    assert.equal(0, (left:waitExit()))
    assert.equal("", left.out)
    net.closeAll()
    tree.remove(dir)
  end)

  it("with one server goes on when that fails, and ends with the last that is stopped", function()
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["config/servers.json"] = '{"chat": [{"id": "chat-1", "host": "127.0.0.1"}]}'
    local server = app.start(files)
    local path = "app/servers/chat/handler/chatHandler.lua"
    local function pomelua(...)
      local one = net.spawn(net.built("pomelua"), { ... })
      return (one:waitExit(app.patience))
    end
    tree.write(server.dir, path, "oops(")
    assert.equal(1, pomelua("restart", "chat-1", "-d", server.dir))
    tree.write(server.dir, path, files[path])
    assert.equal(0, pomelua("restart", "chat-1", "-d", server.dir))
    assert.equal(0, pomelua("stop", "chat-1", "-d", server.dir))
    assert.equal(0, (server.process:waitExit(app.patience)))
    server:stop { "chatHandler.lua:1" }
  end)

  it("removes the sockets of those that were killed, and no others", function()
    local server = app.start(FILES)
    local dir = server.dir .. "/.pomelua/"
    local dead = net.spawn("/bin/true")
    assert.equal(0, (dead:waitExit()))
    tree.write(server.dir, ".pomelua/" .. dead.pid .. ".sock", "")
    tree.write(server.dir, ".pomelua/1.sock", "") -- a process lives
    local other = net.spawn(net.built("pomelua"), { "start", server.dir })
    assert(other:waitLine("^ready$", app.patience))
    assert.is_nil(io.open(dir .. dead.pid .. ".sock"))
    assert(io.open(dir .. "1.sock")):close()
    local list = net.spawn(net.built("pomelua"),
      { "list", "-d", server.dir, "--pid", tostring(server.process.pid) })
    assert.equal(0, (list:waitExit(app.patience)))
    other:kill("sigterm")
    assert.equal(0, (other:waitExit(app.patience)))
    server:stop()
  end)
end)
