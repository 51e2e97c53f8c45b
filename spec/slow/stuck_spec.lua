-- When the watchdog of a program is not fed: while a server stands still for longer than
-- serverConfig.stuck. Tests core/host/service.c with a program.
local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local service_manager = require "spec.support.service_manager"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:set("serverConfig", { budget = 0, stuck = STUCK })
app:start()
]]

local SERVERS = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]]

-- block waits in C until somebody writes into a pipe.
local CHAT = [[
return {
  block = function(self, msg)
    local pipe = io.open(msg.pipe)
    pipe:read("*a")
    pipe:close()
    return { code = 200 }
  end,
}
]]

local FEED = { WATCHDOG_USEC = "200000" } -- each 100 ms

describe("the service manager", function()
  local manager, server, client

  local function start(stuck)
    manager = service_manager.new()
    server = app.start({
      ["app.lua"] = APP:gsub("STUCK", stuck), ["config/servers.json"] = SERVERS,
      ["app/servers/chat/handler/chatHandler.lua"] = CHAT,
    }, { env = manager:env(FEED) })
    client = pomelo.connect(server.ports["connector-1"])
  end

  -- A handler begins to wait; the function that is returned ends that.
  local function block()
    local pipe = server.dir .. "/pipe"
    assert(os.execute("mkfifo " .. pipe) == 0)
    client:notify("chat.chatHandler.block", { pipe = pipe })
    return function()
      local file = assert(io.open(pipe, "w")) -- opens when the other end is open
      file:close()
    end
  end

  after_each(function()
    client:close()
    server:stop { "stood still" }
    net.closeAll()
  end)

  it("gets no WATCHDOG=1 while a server stands still for longer than serverConfig.stuck", function()
    start(1)
    local go_on = block()
    assert(server.process:waitErr("error pomelua server chat%-1 has stood still for %d s, over "
      .. "serverConfig.stuck of 1 s: the watchdog is not fed until it goes on\n", app.patience))
    manager:forget()
    assert.is_nil((manager:hears("^WATCHDOG=1$", 350)))
    go_on()
    assert(server.process:waitErr("warn  pomelua server chat%-1 goes on, after %d s\n"))
    assert(manager:hears("^WATCHDOG=1$"))
  end)

  it("gets it all the while by default: standing still is no fault", function()
    start(0)
    local go_on = block()
    assert(server.process:waitErr("is blocked in C", app.patience))
    manager:forget()
    for _ = 1, 3 do assert(manager:hears("^WATCHDOG=1$")) end
    go_on()
    assert(server.process:waitErr("is no longer blocked", app.patience))
    assert.is_nil(server.process.err:find("stood still", 1, true))
  end)

  it("takes the time in which the whole process stood still for nobody's fault", function()
    start(1)
    local go_on = block()
    manager:forget()
    assert(manager:hears("^WATCHDOG=1$"))
    server.process:freeze()
    manager:forget()
    assert.is_nil((manager:hears("^WATCHDOG=1$", 1300)))
    server.process:kill("sigcont")
    go_on()
    assert(manager:hears("^WATCHDOG=1$"))
    assert.is_nil(server.process.err:find("stood still", 1, true))
  end)
end)
