-- `pomelua run`: a script outside of any server, which speaks to one.
-- Tests cli/run.lua and cli/script.lua.
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
    ["deep.lua"] = [[
local pomelua = require "pomelua"
local function third() error("deep") end
local function second() third() return 1 end
pomelua.sleep(1)
second()]],
    ["tail.lua"] = 'return require("pomelua").sleep("1")',
    ["timer.lua"] = [[
local pomelua = require "pomelua"
pomelua.every(1, function() error("of a timer") end)
pomelua.sleep(60000)]],
    ["tasks.lua"] = [[
local pomelua = require "pomelua"
local order, ticks = {}, 0
pomelua.every(5, function() ticks = ticks + 1 end)
local got = pomelua.all {
  a = function() pomelua.sleep(600) order[#order + 1] = "a" return 1 end,
  b = function() pomelua.sleep(20) order[#order + 1] = "b" return 2 end,
  c = function() return (pomelua.await(function(cb) cb(nil, 3) end)) end,
}
local nothing, err = pomelua.all { function() return nil, "no" end }
print(table.concat(order), got.a + got.b + got.c, ticks > 0, nothing, err)
print(pcall(pomelua.createApp))
print(pcall(pomelua.declare, "x", 1))
return true]],
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

  it("runs tasks side by side, and has no server", function()
    local code, out, err = run(dir .. "/tasks.lua")
    assert.equal("", err)
    assert.equal(0, code)
    local lines = {}
    for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal("ba\t6\ttrue\tnil\tno", lines[1])
    assert.matches("^false\t.*pomelua.createApp: only in the scripts of a server", lines[2])
    assert.matches("^false\t.*pomelua.declare: only in the scripts of a server", lines[3])
  end)

  it("shows a traceback of the script's own lines", function()
    local code, _, err = run(dir .. "/deep.lua")
    assert.equal(1, code)
    assert.equal("pomelua: @/deep.lua:2: deep\nstack traceback:\n\t[C]: in function 'error'\n"
      .. "\t@/deep.lua:2: in function 'third'\n\t@/deep.lua:3: in function 'second'\n"
      .. "\t@/deep.lua:5: in function 'main'\n", (err:gsub("%.*[^%s]*/deep%.lua", "@/deep.lua")))
    code, _, err = run(dir .. "/tail.lua")
    assert.equal(1, code)
    assert.matches("tail.lua:1: pomelua.sleep(ms): ms must be", err, 1, true)
    code, _, err = run(dir .. "/timer.lua")
    assert.equal(1, code)
    assert.matches("timer.lua:2: of a timer", err, 1, true)
    assert.is_nil(err:find("timers.lua", 1, true))
  end)

  -- The example of the documents, on the game that `pomelua init` writes.
  it("runs a hundred bots at once", function()
    local bots
    local file = assert(io.open("docs/testing.md"))
    for block in file:read("*a"):gmatch("```lua\n(.-)```") do
      if block:find("^%-%- bots%.lua") then bots = block end
    end
    file:close()
    tree.write(dir, "bots.lua", bots)
    local game = dir .. "/game"
    local init = net.spawn(net.built("pomelua"), { "init", game })
    assert.equal(0, (init:waitExit(app.patience)))
    for _, name in ipairs { "servers", "web" } do
      file = assert(io.open(game .. "/config/" .. name .. ".json"))
      local text = file:read("*a"):gsub('"clientPort": %d+', '"clientPort": 0')
      file:close()
      os.remove(game .. "/config/" .. name .. ".json")
      if name == "servers" then tree.write(game, "config/servers.json", text) end
    end
    local program = net.spawn(net.built("pomelua"), { "start", game })
    assert(program:waitLine("^ready$", app.patience))
    local port = program.out:match("listening on [^\n]-:(%d+)\n")
    local code, out, err = run(dir .. "/bots.lua", port, "100", "5")
    assert.equal("", err)
    assert.equal(0, code)
    local pushes = tonumber(out:match("^100 bots, 500 rolls, (%d+) pushes, slowest answer %d"))
    -- Each hears its own rolls, and those of others that it sits with.
    assert.is_true(pushes >= 500 and pushes <= 500 * 100, out)
    program:kill("sigterm")
    assert.equal(0, (program:waitExit(app.patience)))
    os.execute(("rm -rf '%s'"):format(game))
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
