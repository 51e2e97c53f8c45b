-- `pomelua run`: a script outside of any server, which speaks to one.
local app = require "spec.support.app"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local BOT = [[
  local client = require "pomelua.client"
  local port, name = ...
  local words = require "words"
  for _, transport in ipairs { "tcp", "ws" } do
    local bot = assert(client.connect { port = tonumber(port), transport = transport })
    local answer = assert(bot:request("connector.h.echo", { text = words.hello .. name }))
    require("pomelua").sleep(20)
    print(answer.text, arg[0] ~= nil)
    bot:close()
  end
  return 7
]]

describe("pomelua run", function()
  local dir

  local function run(...)
    local args = { "run" }
    for i = 1, select("#", ...) do args[i + 1] = (select(i, ...)) end
    local process = net.spawn(net.built("pomelua"), args)
    local code = process:waitExit(app.patience)
    return code, process.out, process.err
  end

  before_each(function() dir = tree.new { ["bot.lua"] = BOT,
    ["words.lua"] = 'return { hello = "hello " }', ["bad.lua"] = 'error("no")',
    ["exit.lua"] = "os.exit(3)", ["not.lua"] = "return return",
    ["sleep.lua"] = 'require("pomelua").sleep("1")' } end)
  after_each(function()
    net.closeAll()
    tree.remove(dir)
  end)

  it("runs a bot with its arguments, and ends with what it returns", function()
    local server = app.start {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("connectorConfig", { distinctHost = true })
        app:start()
      ]],
      ["config/servers.json"] = [[{"connector": [
        {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}]],
      ["app/servers/connector/handler/h.lua"] =
        "return { echo = function(_, msg) return { text = msg.text } end }",
    }
    local code, out, err = run(dir .. "/bot.lua", tostring(server.ports["connector-1"]), "ann")
    server:stop()
    assert.equal("hello ann\ttrue\nhello ann\ttrue\n", out, err)
    assert.equal(7, code)
  end)

  it("ends with a status and a sentence when there is something wrong", function()
    local code, _, err = run(dir .. "/bad.lua")
    assert.equal(1, code)
    assert.matches("bad.lua:1: no\nstack traceback", err, 1, true)
    assert.equal(3, (run(dir .. "/exit.lua")))
    code, _, err = run(dir .. "/not.lua")
    assert.equal(1, code)
    assert.matches("not.lua:1:", err, 1, true)
    code, _, err = run(dir .. "/sleep.lua")
    assert.equal(1, code)
    assert.matches("sleep.lua:1: pomelua.sleep(ms): ms must be a number", err, 1, true)
    code, _, err = run(dir .. "/none.lua")
    assert.equal(1, code)
    assert.matches("there is no script", err, 1, true)
    assert.equal(2, (run()))
    assert.equal(2, (run("--x")))
    assert.equal(0, (run("--help")))
  end)
end)
