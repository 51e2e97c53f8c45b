-- The memory of a server's scripts: garbage is collected in quiet moments, and
-- serverConfig.memorySoft and memoryHard bound what is held.
local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"

local HANDLER = [[
local pomelua = require "pomelua"
local held = {}
return function()
  local Handler = {}
  function Handler:take(msg)
    for _ = 1, msg.mib do held[#held + 1] = ("x"):rep(2 ^ 20 - #held - 100) .. #held end
    return { code = 200 }
  end
  function Handler:takeAll()
    while true do held[#held + 1] = { #held } end
  end
  function Handler:give()
    held = {}
    return { code = 200 }
  end
  function Handler:noop() return { code = 200 } end
  -- Less garbage than begins a cycle by itself; the first piece tells of its end.
  function Handler:litter(msg)
    local told = newproxy(true)
    getmetatable(told).__gc = function()
      if msg.fails then error("a finalizer that fails") end
      pomelua.log.info("collected")
    end
    for i = 1, 10000 do told = { i } end
    return { code = 200 }
  end
  return Handler
end
]]

local function files(settings)
  return {
    ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true, rate = false })
app:set("serverConfig", ]] .. settings .. [[)
app:start()
]],
    ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
}]],
    ["app/servers/connector/handler/heapHandler.lua"] = HANDLER,
  }
end

describe("a server that nobody asks for a while", function()
  after_each(function() net.closeAll() end)

  it("collects what its scripts no longer use", function()
    local server = app.start(files "{}")
    local client = pomelo.connect(server.ports["connector-1"])
    assert.same({ code = 200 }, client:request("connector.heapHandler.litter", {}))
    assert(server.process:waitLine("collected$", app.patience, "err"))
    server:stop()
  end)

  it("logs the error of a finalizer, and goes on", function()
    local server = app.start(files "{}")
    local client = pomelo.connect(server.ports["connector-1"])
    assert.same({ code = 200 }, client:request("connector.heapHandler.litter", { fails = true }))
    assert(server.process:waitLine("a finalizer: .*a finalizer that fails", app.patience, "err"))
    assert.same({ code = 200 }, client:request("connector.heapHandler.litter", {}))
    assert(server.process:waitLine("collected$", app.patience, "err"))
    server:stop { "a finalizer that fails" }
  end)
end)

describe("a server whose scripts hold too much memory", function()
  after_each(function() net.closeAll() end)

  it("refuses requests while it is over the soft limit, and takes them again", function()
    local server = app.start(files "{ memorySoft = 60, memoryHard = 900 }")
    local client = pomelo.connect(server.ports["connector-1"])
    local function ask(method, msg)
      return client:request("connector.heapHandler." .. method, msg)
    end
    assert.same({ code = 200 }, ask("take", { mib = 100 }))
    local refused = net.wait(function() return ask("noop").code == 500 end)
    assert.is_true(refused)
    assert(server.process:waitErr("over memorySoft of 60 MiB: new requests get code 500"))
    -- One request a second is let through.
    local given = net.wait(function() return ask("give").code == 200 end, app.patience)
    assert.is_true(given)
    local taken = net.wait(function()
      return ask("noop").code == 200 and ask("noop").code == 200 and ask("noop").code == 200
    end, app.patience)
    assert.is_true(taken)
    server:stop { "over memorySoft" }
  end)

  it("ends the process while one call takes it over the hard limit", function()
    local server = app.start(files "{ memorySoft = 50, memoryHard = 300, budget = 5000 }")
    local client = pomelo.connect(server.ports["connector-1"])
    client:notify("connector.heapHandler.takeAll", {})
    assert.equal(70, (server.process:waitExit(app.patience)))
    assert.matches("over memoryHard of 300", server.process.err, 1, true)
  end)

  it("ends the process over the hard limit, with one line that says so", function()
    local server = app.start(files "{ memorySoft = 50, memoryHard = 80 }")
    local client = pomelo.connect(server.ports["connector-1"])
    for _ = 1, 40 do client:notify("connector.heapHandler.take", { mib = 10 }) end
    assert.equal(70, (server.process:waitExit(app.patience)))
    assert.matches("over memoryHard of 80 MiB: the process ends", server.process.err, 1, true)
  end)
end)
