-- A game's own operator commands: app:registerAdmin, and `pomelua NAME` on a running program.
-- Tests ops/modules.lua, base/method.lua and what cli/tools.lua and ops/control.lua do for them.
local app = require "spec.support.app"
local cjson = require "cjson"
local method = require "pomelua.base.method"
local modules = require "pomelua.ops.modules"
local net = require "spec.support.net"
local commands = require "pomelua.cli.commands"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}, {"id": "chat-2", "host": "127.0.0.1"}]
}]]

-- Pomelo's example of a module, timeReport.
local REPORT = [[
  return function(opts)
    local Module = { moduleId = "timeReport", app = opts.app, zone = opts.zone }
    function Module:monitorHandler(agent, msg)
      agent.notify("timeReport", { id = agent.id, zone = self.zone, asked = msg.what })
    end
    function Module:masterHandler() error("there is no master") end
    return Module
  end
]]

describe("app:registerAdmin", function()
  local base, server

  local function start(code)
    base = tree.new {
      ["config/servers.json"] = CONFIG, ["app/report.lua"] = REPORT,
      ["app.lua"] = 'local app = require("pomelua").createApp()\n' .. code .. "\napp:start()\n",
    }
    server = test.server { base = base, type = "chat" }
  end

  after_each(function()
    test.closeAll()
    if base then tree.remove(base) end
    base = nil
  end)

  it("takes a module of Pomelo's: what it notifies is its answer", function()
    start [[app:registerAdmin(require "app.report", { app = app, zone = "utc" })]]
    assert.same({ id = "chat-1", zone = "utc", asked = "time" },
      server:command("timeReport", { what = "time" }))
  end)

  for what, row in pairs {
    ["returns"] = { "return { n = msg[1] }", "{ n = 5 }" },
    ["calls back"] = { "cb(nil, { n = msg[1] })", "{ n = 5 }" },
    ["calls back later"] = { "app:setTimeout(0, function() cb(nil, 'x') end)", "'x'" },
    ["is a method that calls its object _"] = { "return agent.type end, monitorHandler = "
      .. "function(_, agent, _, cb) cb(nil, agent.type)", "'chat'" },
    ["returns nil, err"] = { "return nil, 'no'", "nil, 'no'" },
    ["is a function with a dot"] = { "return agent.type end, monitorHandler = function(agent) "
      .. "return agent.type", "'chat'" },
  } do
    it("runs a handler that " .. what, function()
      start(([[app:registerAdmin("x", { clientHandler = function(self, agent, msg, cb)
        %s
      end })]]):format(row[1]))
      local value, err = server:command("x", { 5 })
      if value == nil and err == nil then
        server:tick(1)
        value = "x"
      end
      local expected = { assert(loadstring("return " .. row[2]))() }
      assert.same(expected[1], value)
      assert.same(expected[2], err)
    end)
  end

  it("is replaced with its file", function()
    local code = [[app:registerAdmin("x", { monitorHandler = function() return "WORD" end })]]
    start((code:gsub("WORD", "one")))
    assert.equal("one", server:command("x"))
    tree.write(base, "app.lua", 'local app = require("pomelua").createApp()\n'
      .. code:gsub("WORD", "two") .. "\napp:start()\n")
    assert(server:reload())
    assert.equal("two", server:command("x"))
    tree.write(base, "app.lua", 'require("pomelua").createApp():start()\n')
    assert(server:reload())
    assert.has_error(function() server:command("x") end, "server:command: there is no command x")
  end)

  for what, row in pairs {
    ["a module without a name"] = { "{ clientHandler = print }", "the module needs a name" },
    ["a name that is none"] = { '"a b", { clientHandler = print }', '"a b" cannot be a command' },
    ["the name of a command"] = { '"list", { clientHandler = print }',
      "pomelua list is a command of its own" },
    ["a module without a handler"] = { '"x", {}', "x has no function monitorHandler or" },
    ["what is no module"] = { '"x", 5', "a module is a table" },
  } do
    it("refuses " .. what, function()
      local ok, message = pcall(start, "app:registerAdmin(" .. row[1] .. ")")
      assert.is_false(ok)
      assert.truthy(message:find("app.lua:2: app:registerAdmin", 1, true), message)
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end

  it("knows every command of pomelua", function()
    for name in pairs(commands.by_name) do
      assert(modules.COMMANDS[name], name .. " is not in ops/modules.COMMANDS")
    end
  end)
end)

describe("a function", function()
  it("is a method when its first parameter is self", function()
    local t = {}
    function t:a(_) return self end
    function t.b(_, ...) return ... end
    function t.c() end
    assert.same({ true, false, false }, { method.is(t.a), method.is(t.b), method.is(t.c) })
    assert.equal(1, method.arguments(t.a))
    assert.is_nil(method.arguments(t.b))
    assert.equal(0, method.arguments(t.c))
  end)
end)

describe("pomelua NAME on a running program", function()
  local server

  setup(function()
    server = app.start {
      ["config/servers.json"] = CONFIG,
      ["app.lua"] = [[
        local pomelua = require "pomelua"
        local app = pomelua.createApp()
        app:configure("all", "chat", function()
          app:registerAdmin("online", { clientHandler = function(self, agent, msg)
            pomelua.sleep(1)
            if msg.fail then return nil, "it cannot: " .. msg.fail end
            return { words = pomelua.array(msg), room = msg.room, limit = msg.limit }
          end })
          app:registerAdmin("spin", { clientHandler = function() while true do end end })
        end)
        app:registerAdmin("hello", {
          monitorHandler = function(agent) return "I am " .. agent.id end,
        })
        app:set("serverConfig", { budget = 100 })
        app:start()
      ]],
    }
  end)
  teardown(function()
    server:stop { "over its budget of 100 ms" }
  end)

  local function pomelua(...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", server.dir
    local one = net.spawn(net.built("pomelua"), args)
    local code = one:waitExit(app.patience)
    local lines = {}
    for line in one.out:gmatch("[^\n]+") do lines[#lines + 1] = line end
    table.sort(lines)
    return code, table.concat(lines, "\n"), one.err
  end

  it("asks every server that has it, and prints the answers", function()
    local code, out = pomelua("hello")
    assert.equal(0, code)
    assert.equal("chat-1: I am chat-1\nchat-2: I am chat-2\nconnector-1: I am connector-1", out)
  end)

  it("takes words, KEY=VALUE, KEY:=JSON and one JSON text, and asks one server", function()
    local code, out = pomelua("online", "-i", "chat-2", "ann", "room=lobby", "limit:=3", "bob")
    assert.equal(0, code)
    assert.same({ limit = 3, room = "lobby", words = { "ann", "bob" } },
      cjson.decode((out:gsub("^chat%-2: ", ""))))
    code, out = pomelua("online", "-t", "chat", '["a"]')
    assert.equal(0, code)
    assert.equal('chat-1: {"words":["a"]}\nchat-2: {"words":["a"]}', out)
  end)

  it("fails when a server answers an error, or is stopped by its budget", function()
    local code, out, err = pomelua("online", "-i", "chat-1", "fail=x")
    assert.equal(1, code)
    assert.equal("chat-1: it cannot: x", out)
    assert.matches("online: 1 of 1 servers failed", err, 1, true)
    code, out = pomelua("spin", "-i", "chat-1")
    assert.equal(1, code)
    assert.matches("over its budget of 100 ms", out, 1, true)
  end)

  for what, row in pairs {
    ["names the nearest of the game's"] = { { "onlin" }, "unknown command onlin; did you mean "
      .. "online?" },
    ["names the nearest of its own"] = { { "lits" }, "unknown command lits; did you mean list?" },
    ["refuses JSON that is none"] = { { "online", "{x" }, "online: {x: " },
  } do
    it(what .. " when it is wrong", function()
      local code, _, err = pomelua(unpack(row[1]))
      assert.equal(2, code)
      assert.matches(row[2], err, 1, true)
    end)
  end

  it("says how it is called", function()
    local code, out = pomelua("online", "--help")
    assert.equal(0, code)
    assert.matches("Usage: pomelua online [WORD...]", out, 1, true)
  end)
end)
