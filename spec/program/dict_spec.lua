-- `pomelua dict`, and what the route dictionary means for a start. Tests cli/dict.lua and
-- app/dictionary.lua.
local app = require "spec.support.app"
local files = require "spec.support.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local LOCK = "config/dictionary.lock.json"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { useDict = true, distinctHost = true })
app:start()
]]

local SERVERS = [[{
  "connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}
  ],
  "chat": [{"id": "chat-1"}]
}]]

local function game(more)
  local given = {
    ["app.lua"] = APP,
    ["config/servers.json"] = SERVERS,
    ["config/dictionary.json"] = '["onChat"]',
    ["app/servers/connector/handler/entryHandler.lua"] =
      "return { enter = function() return { ok = true } end }",
    ["app/servers/chat/handler/chatHandler.lua"] =
      "return { send = function() return { ok = true } end }",
  }
  for path, text in pairs(more or {}) do given[path] = text or nil end
  return given
end

describe("pomelua dict", function()
  local base
  local program = net.built("pomelua")

  local function run(...)
    local process = net.spawn(program, { "dict", ... })
    local status = process:waitExit(app.patience)
    return status, process.out, process.err
  end

  before_each(function() base = tree.new(game()) end)
  after_each(function()
    net.closeAll()
    tree.remove(base)
  end)

  it("writes the numbers, keeps them, and adds new ones behind", function()
    local status, out = run(base)
    assert.equal(0, status)
    assert.equal(LOCK .. ": 3 routes, 3 of them new\n", out)
    assert.equal([[
{
  "1": "chat.chatHandler.send",
  "2": "connector.entryHandler.enter",
  "3": "onChat"
}
]], files.read(base .. "/" .. LOCK))
    tree.write(base, "app/servers/chat/handler/chatHandler.lua", "return { ask = print }")
    status, out = run("-d", base)
    assert.equal(0, status)
    assert.equal(LOCK .. ": 3 routes, 1 of them new; 1 number kept for routes that are gone\n", out)
    assert.equal([[
{
  "1": "chat.chatHandler.send",
  "2": "connector.entryHandler.enter",
  "3": "onChat",
  "4": "chat.chatHandler.ask"
}
]], files.read(base .. "/" .. LOCK))
  end)

  it("--check writes nothing and tells whether all routes have a number", function()
    local status, out, err = run(base, "--check")
    assert.equal(1, status)
    assert.equal("", out)
    assert.equal("pomelua: " .. LOCK .. ": 3 routes without a number in it, for example "
      .. "chat.chatHandler.send (see: pomelua dict --help)\n", err)
    assert.is_false(files.exists(base .. "/" .. LOCK))
    run(base)
    status, out, err = run(base, "--check")
    assert.equal(0, status)
    assert.equal("", out .. err)
  end)

  it("takes another file of routes, and another environment", function()
    tree.write(base, "more/routes.json", '["onMove"]')
    assert.equal(0, (run(base, "--dict", "more/routes.json")))
    assert.matches('"3": "onMove"', files.read(base .. "/" .. LOCK), 1, true)
    tree.write(base, "config/servers.json", '{"production":{"chat":[{"id":"chat-1"}]}}')
    assert.equal(0, (run(base, "--env", "production")))
    local status, _, err = run(base)
    assert.equal(1, status)
    assert.matches('no environment "development"', err, 1, true)
  end)

  it("says what is wrong, and writes nothing", function()
    tree.write(base, "app/servers/chat/handler/chatHandler.lua", "\nerror 'no database'")
    local status, _, err = run(base)
    assert.equal(1, status)
    assert.matches("^pomelua: app/servers/chat/handler/chatHandler.lua:2: no database; ", err)
    assert.is_false(files.exists(base .. "/" .. LOCK))
    status, _, err = run(base .. "/none")
    assert.equal(1, status)
    assert.equal("pomelua: dict: there is no folder " .. base .. "/none\n", err)
    for _, wrong in ipairs { { "--what" }, { base, "x" }, { "--env" } } do
      status, _, err = run(unpack(wrong))
      assert.equal(2, status)
      assert.matches("see: pomelua dict --help", err, 1, true)
    end
    status, _, err = run("--help")
    assert.equal(0, status)
    assert.equal("", err)
  end)
end)

describe("a program with a route dictionary", function()
  after_each(pomelo.closeAll)

  local function hello(port) return pomelo.connect(port, "ws").hello.sys end

  it("has the same for all its frontends, and says nothing of a lock that is whole", function()
    local server = app.start(game { [LOCK] = [[
      {"5":"chat.chatHandler.send","6":"connector.entryHandler.enter","2":"onChat"}]] })
    local one, two = hello(server.ports["connector-1"]), hello(server.ports["connector-2"])
    assert.same({ ["chat.chatHandler.send"] = 5, ["connector.entryHandler.enter"] = 6, onChat = 2 },
      one.dict)
    assert.same(one, two)
    assert.is_nil(server.process.err:find("dictionary"))
    server:stop()
  end)

  it("gives the modules of handlers the budget of a start, serverConfig.startBudget", function()
    local base = tree.new(game {
      ["app.lua"] = APP:gsub("app:start", [[app:set("serverConfig",
        { budget = 50, startBudget = 200 })
      app:start]]),
      ["app/servers/chat/handler/chatHandler.lua"] = "while true do pcall(function() end) end",
    })
    -- Without the chat server, which would load the module itself.
    local process = net.spawn(net.built("pomelua"), { "start", base, "--only", "connector-1" })
    assert.equal(78, process:waitExit(app.patience))
    assert.matches("app/servers/chat/handler/chatHandler.lua:1: stopped: over its budget of 200 ms",
      process.err, 1, true)
    tree.remove(base)
  end)

  it("warns once of routes that the lock file does not have", function()
    local server = app.start(game { [LOCK] = '{"5":"chat.chatHandler.send"}' })
    assert.same({ ["chat.chatHandler.send"] = 5, ["connector.entryHandler.enter"] = 6, onChat = 7 },
      hello(server.ports["connector-2"]).dict)
    local _, count = server.process.err:gsub("2 of the routes have no number in it, for example"
      .. " connector.entryHandler.enter: run `pomelua dict`", "")
    assert.equal(1, count)
    server:stop()
  end)

  it("may have frontends with other dictionaries, or with none", function()
    local server = app.start(game {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        local id = app:getServerId()
        app:set("connectorConfig", { useDict = id ~= "connector-3", distinctHost = true })
        if id == "connector-2" then app:set("dictionaryConfig", { dict = "more.json" }) end
        app:start()
      ]],
      ["more.json"] = '["onMore","onChat"]',
      ["config/servers.json"] = SERVERS:gsub('"connector": %[', [[%0
        {"id": "connector-3", "host": "127.0.0.1", "clientPort": 0, "frontend": true},]]),
      ["app/servers/connector/handler/entryHandler.lua"] = [[
        return function(app)
          return { enter = function(_, msg, session)
            assert(session:bind(msg.uid))
            return { ok = true }
          end }
        end]],
      ["app/servers/chat/handler/chatHandler.lua"] = [[
        return function(app)
          return { send = function(_, msg)
            app:get("channelService"):broadcast("connector", "onChat", { text = msg.text })
            return { ok = true }
          end }
        end]],
    })
    local clients, codes = {}, {}
    for i = 1, 3 do
      local one = pomelo.connect(server.ports["connector-" .. i], "ws")
      local dict = one.hello.sys.dict or {}
      clients[i], codes[i] = one, dict.onChat
      one.id = 1
      one:data { type = pomelo.REQUEST, id = 1, body = ('{"uid":"%d"}'):format(i),
        code = dict["connector.entryHandler.enter"],
        route = not dict.onChat and "connector.entryHandler.enter" or nil }
      assert.same({ ok = true }, (assert(one:answer(1))))
    end
    assert.is_true(codes[1] ~= codes[2] and codes[3] == nil)
    for from = 1, 3 do
      assert.same({ ok = true }, (assert(clients[from]:request("chat.chatHandler.send",
        { text = from }))))
      for i = 1, 3 do
        local push = assert(clients[i]:push())
        assert.equal(codes[i] or "onChat", push.code or push.route)
        assert.same({ text = from }, push.msg)
      end
    end
    server:stop()
  end)

  local function refused(more)
    local base = tree.new(game(more))
    local process = net.spawn(net.built("pomelua"), { "start", base })
    local status = process:waitExit(app.patience)
    local out, err = process.out, process.err
    net.closeAll()
    tree.remove(base)
    assert.equal(78, status)
    assert.equal("", out) -- nothing listens
    return err
  end

  it("does not start when a handler module of another server raises", function()
    local err = refused { ["app/servers/chat/handler/chatHandler.lua"] = [[
      return function(app)
        if app:get("database") then error("no database") end
        return { send = print }
      end]] }
    assert.matches("app/servers/chat/handler/chatHandler.lua:2: no database; ", err, 1, true)
    assert.matches("do this in a handler or in lifecycle.lua", err, 1, true)
  end)

  it("does not start without a good dictionary.json, and names the file", function()
    assert.matches("config/dictionary.json: [0]: must be a route",
      refused { ["config/dictionary.json"] = "[7]" }, 1, true)
    assert.matches("config/dictionary.lock.json: x: must be a number",
      refused { [LOCK] = '{"x":"y"}' }, 1, true)
  end)
end)
