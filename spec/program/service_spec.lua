-- What a program tells the service manager that has started it. spec/slow/stuck: when its watchdog
-- is not fed.
local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local service_manager = require "spec.support.service_manager"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:start()
]]

local SERVERS = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]]

local CHAT = [[
return {
  variables = function()
    local pipe = io.popen("env")
    local text = pipe:read("*a")
    pipe:close()
    return { code = 200, text = text }
  end,
}
]]

local FEED = { WATCHDOG_USEC = "200000" } -- each 100 ms

describe("the service manager", function()
  local manager, server, client

  local function start(env, address)
    manager = service_manager.new(address)
    server = app.start({
      ["app.lua"] = APP, ["config/servers.json"] = SERVERS,
      ["app/servers/chat/handler/chatHandler.lua"] = CHAT,
    }, { env = manager:env(env) })
    client = pomelo.connect(server.ports["connector-1"])
  end

  after_each(function()
    if client then client:close() end
    if server then server:stop() end
    server, client = nil, nil
    net.closeAll()
  end)

  it("hears that a program is ready, how it is, and that it stops, in that order", function()
    start(FEED)
    assert(manager:hears("^READY=1$"))
    assert(manager:hears("^WATCHDOG=1$"))
    assert(manager:hears("^STATUS=2 servers, 1 client$"))
    assert(manager:hears("^WATCHDOG=1$"))
    client:close()
    client = nil
    assert(manager:hears("^STATUS=2 servers, 0 clients$"))
    server:terminate()
    assert(manager:hears("^STOPPING=1$"))
    assert(manager:hears("^STATUS=stopping"))
    assert(manager:hears("^EXTEND_TIMEOUT_USEC=%d+$"))
    local all = "\n" .. table.concat(manager.lines, "\n") .. "\n"
    assert.equal(1, (select(2, all:gsub("\nREADY=1\n", ""))))
    assert.is_true(all:find("READY=1", 1, true) < all:find("WATCHDOG=1", 1, true))
  end)

  it("hears of a reload, with the time, and of its end", function()
    start()
    assert(manager:hears("^READY=1$"))
    assert.equal(0, (tool.run("reload", server.dir)))
    assert(manager:hears("^RELOADING=1$"))
    assert(manager:hears("^MONOTONIC_USEC=%d+$"))
    assert(manager:hears("^READY=1$"))
    assert.equal(0, (tool.run("reload", server.dir, "--dry-run")))
    server.process:kill("sighup")
    assert(manager:hears("^RELOADING=1$"))
    assert(manager:hears("^READY=1$"))
  end)

  it("may have an abstract address; what scripts start does not speak to it", function()
    start(FEED, "@pomelua-spec-" .. net.pid())
    assert(manager:hears("^READY=1$"))
    local text = client:request("chat.chatHandler.variables", {}).text
    assert.is_truthy(text:find("PATH=", 1, true))
    assert.is_nil(text:find("NOTIFY_SOCKET", 1, true))
    assert.is_nil(text:find("WATCHDOG_", 1, true))
  end)

  it("feeds no watchdog that is another process's", function()
    start { WATCHDOG_USEC = "200000", WATCHDOG_PID = "1" }
    assert(manager:hears("^READY=1$"))
    assert.is_nil((manager:hears("^WATCHDOG=1$", 300)))
  end)

  it("hears why a program does not start", function()
    manager = service_manager.new()
    local dir = tree.new { ["app.lua"] = "oops(", ["config/servers.json"] = SERVERS }
    finally(function() tree.remove(dir) end)
    local one = tool.start({ "start", dir }, manager:env())
    assert.equal(78, (one:waitExit(app.patience)))
    assert(manager:hears("^STOPPING=1$"))
    assert(manager:hears("^STATUS=app.lua"))
    assert.is_nil(table.concat(manager.lines, " "):find("READY", 1, true))
  end)
end)
