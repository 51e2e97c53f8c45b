-- The blocks of Lua in documents that are no game of their own (documents_spec has those): each can
-- be loaded, settings are taken by a start, and the examples do what the text beside them says.
-- Tests app/trial.lua and test/matchers.lua through them.
-- It measures nothing: another one may run beside it.
local checks = require "pomelua.cli.checks"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local test = require "pomelua.test"
local tree = require "spec.support.tree"

-- The blocks of a document, in order.
local function blocks(path)
  local list = {}
  for code in read(path):gmatch("\n```lua\n(.-)```\n") do list[#list + 1] = code end
  return list
end

-- The documents that have some.
local DOCUMENTS = { "README.md" }
for _, name in ipairs(assert(files.list("docs"))) do
  local path = "docs/" .. name
  if name:find("%.md$") and blocks(path)[1] then DOCUMENTS[#DOCUMENTS + 1] = path end
end

-- The one block of a document that has this text.
local function block(path, text)
  local found
  for _, code in ipairs(blocks(path)) do
    if code:find(text, 1, true) then
      assert(not found, text .. " stands in two blocks of " .. path)
      found = code
    end
  end
  return assert(found, text .. " stands in no block of " .. path)
end

local APP = 'local pomelua = require "pomelua"\nlocal app = pomelua.createApp()\n'
local GAME = {
  ["app.lua"] = APP .. "app:start()\n",
  ["config/servers.json"] = [[{
    "connector": [{ "id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true }],
    "chat": [{ "id": "chat-1" }], "db": [{ "id": "db-1" }, { "id": "db-2" }, { "id": "db-3" },
      { "id": "db-4" }], "log": [{ "id": "log-1" }]
  }]],
  ["app/servers/connector/handler/entryHandler.lua"] = "return { enter = function() end }\n",
  ["app/servers/chat/handler/chatHandler.lua"] = "return { send = function() end }\n",
}

local base

-- Makes the folder of a game with some files in the place of others.
local function game(given)
  local all = {}
  for path, text in pairs(GAME) do all[path] = text end
  for path, text in pairs(given) do all[path] = text end
  base = tree.new(all)
end

after_each(function()
  test.closeAll()
  net.closeAll()
  if base then tree.remove(base) end
  base = nil
end)

describe("a block of Lua", function()
  for _, path in ipairs(DOCUMENTS) do
    it("can be loaded: " .. path, function()
      for _, code in ipairs(blocks(path)) do
        -- A body that is left out is "..."
        local text = code:gsub("\n  %.%.%.\n", "\n")
        local ok, message = load(text, "=" .. path)
        assert(ok, (message or "") .. "\n" .. code)
      end
    end)
  end

  -- Certificates, keys of tokens and the files of whole games are not there.
  local function is_settings(code)
    return code:find('app:set%("%w+Config"') and not code:find("^%-%- [%w/_]+%.lua: ")
      and not code:find("return function", 1, true) and not code:find("config/tls", 1, true)
      and not code:find("ssl =", 1, true) and not code:find("auth =", 1, true)
  end

  for _, path in ipairs(DOCUMENTS) do
    for i, code in ipairs(blocks(path)) do
      if is_settings(code) then
        it(("with settings is taken by a start: %s, number %d"):format(path, i), function()
          local text = (code:find("createApp", 1, true) and "" or APP) .. code
          if not text:find("app:start()", 1, true) then text = text .. "app:start()\n" end
          game { ["app.lua"] = text }
          local report = checks.run(base)
          for _, one in ipairs(report.warnings) do
            if one:find("^app%.lua:") then table.insert(report.faults, one) end
          end
          assert.same({}, report.faults)
        end)
      end
    end
  end
end)

describe("docs/getting-started.md", function()
  it("is a game that pomelua check finds no fault in, and that passes its specs", function()
    local path, given = "docs/getting-started.md", {}
    local text = read(path)
    for name, code in text:gmatch("`([%w/_]+%.lua)`[^\n]*\n[^`]-```lua\n(.-)```\n") do
      given[name] = given[name] or code
    end
    for _, name in ipairs { "app/servers/connector/handler/entryHandler.lua",
      "app/servers/room/remote/roomRemote.lua", "app/servers/room/handler/roomHandler.lua",
      "spec/room_spec.lua", "spec/entry_spec.lua" } do
      assert(given[name], name)
    end
    given["app.lua"] = block(path, "createApp")
    for code in text:gmatch("\n```json\n(.-)```\n") do
      given[code:find("clientPort", 1, true) and "config/servers.json" or "config/web.json"] = code
    end
    given["web/index.html"] = "<p>"
    base = tree.new(given)
    local report = checks.run(base)
    assert.same({ {}, {} }, { report.faults, report.warnings })
    local process = net.spawn(net.built("pomelua"), { "test", base }, { preload = true })
    local status = assert(process:waitExit(60000))
    assert(status == 0, process.out .. process.err)
    assert.matches("[1-9]%d* success%a* / 0 failures / 0 errors / 0 pending", process.out)
  end)
end)

describe("docs/from-pomelo.md", function()
  local ways = { ["line for line"] = "app.rpc.log", ["in the usual style"] = "app.call.log" }
  for how, text in pairs(ways) do
    it("has a handler " .. how .. " that pushes, logs and answers", function()
      game { ["app/servers/chat/handler/chatHandler.lua"] = block("docs/from-pomelo.md", text) }
      local server = test.server { base = base, type = "chat" }
      local written
      server:stub("logRemote.write", function(param, cb)
        written = param
        cb(nil, 7)
      end)
      local session = { uid = "ann", frontendId = "connector-1", settings = { rid = "lobby" } }
      local answer = server:request("chat.chatHandler.send", { content = "hi" }, session)
      assert.equal(404, answer.code)
      server.app:get("channelService"):createChannel("lobby"):add("ann", "connector-1")
      answer = server:request("chat.chatHandler.send", { content = "hi" }, session)
      assert.same({ code = 200, line = 7, missed = 0 }, answer)
      assert.same({ from = "ann", msg = "hi" }, written)
      assert.same({ from = "ann", msg = "hi" }, server:pushed()[1].msg)
    end)
  end
end)

describe("docs/lua-api.md", function()
  local path = "docs/lua-api.md"

  it("has a handler that waits for the calls that it makes", function()
    game { ["app/servers/connector/handler/entryHandler.lua"] = "return function(app)\n"
      .. "return { enter = function(_, msg, session)\n" .. block(path, "session:bind(msg.name)")
      .. "return { users = users, why = why }\nend }\nend\n" }
    local server = test.server { base = base, type = "connector" }
    server:stub("chatRemote.add", function(uid, sid, cb) cb(nil, { uid, sid }) end)
    local answer = server:request("connector.entryHandler.enter", { name = "ann" }, {})
    assert.same({ users = { "ann", "connector-1" } }, answer)
  end)

  it("has a handler that answers, and its client's session", function()
    local handler = block(path, "function Handler:send(msg, session, next)")
    local spec = block(path, "server:request")
    game { ["app/servers/chat/handler/chatHandler.lua"] = handler,
      ["app/servers/connector/handler/entryHandler.lua"] =
        "return { enter = function(_, msg, session) session:bind(msg.name) return {} end }\n" }
    local server = test.server { base = base, type = "chat" }
    assert.same({ code = 200 }, server:request("chat.chatHandler.send", {}, { uid = "ann" }))
    server = test.server { base = base, type = "connector" }
    assert(load("local server, assert = ...\n" .. spec, "=" .. path))(server, assert)
  end)

  it("has a route function, a command and statistics", function()
    local route = block(path, "chat-server-1"):gsub("chat%-server%-1", "chat-1")
    local command = block(path, "registerAdmin"):gsub("^[^\n]*\n", "")
    game { ["app.lua"] = APP .. route .. command .. "app:start()\n" }
    local server = test.server { base = base, type = "connector" }
    local answer, err = server:command("online", { limit = -1 })
    assert.is_nil(answer)
    assert.equal("0 sessions", tostring(err))
    assert.same({ sessions = 0 }, (server:command("online", {})))
    local printed
    assert(load("local app, print = ...\n" .. block(path, "getStatisticsInfo"), "=" .. path))(
      server.app, function(text) printed = text end)
    assert.equal("connector-1: 0 of 0 have logged in", printed)
  end)

  it("has pushes that may be replaced or dropped", function()
    game {}
    local server = test.server { base = base, type = "chat" }
    local channel = server.app:get("channelService"):createChannel("map")
    local session = { uid = "ann", frontendId = "connector-1" }
    server:request("chat.chatHandler.send", {}, session) -- she is there
    channel:add("ann", "connector-1")
    local moved, effect = assert(load(block(path, "onMove") .. "return moved, effect\n"))()
    moved(channel, "ann", 1, 2)
    effect(channel, { x = 1 })
    server:settle()
    local move = { name = "ann", x = 1, y = 2 }
    assert.pushed(server, "onMove", { to = { "ann" }, msg = move, delivery = "latest" })
    assert.pushed(server, "onSpark", { to = { "ann" }, msg = { x = 1 }, delivery = "drop" })
  end)

  it("has a handler whose state outlives a reload, checked and migrated", function()
    local handler = "app/servers/chat/handler/diceHandler.lua"
    local code = block(path, "state.rolls = state.rolls + 1")
    game { [handler] = code }
    local server = test.server { base = base, type = "chat" }
    local function roll() return server:request("chat.diceHandler.roll", {}, { uid = "ann" }) end
    assert.same({ code = 200, rolls = 1, same = true }, roll())
    assert.equal(2, roll().rolls)
    tree.write(base, handler, code .. "\n")
    assert(server:reload())
    assert.equal(1, roll().rolls) -- migrate has moved them into the total
  end)
end)

describe("docs/libraries.md", function()
  it("spreads what blocks over four servers in turn", function()
    local path = "docs/libraries.md"
    game { ["app.lua"] = block(path, "turn % 4"),
      ["app/servers/db/remote/store.lua"] = [[return function(app)
        return { load = function(_, name, cb) cb(nil, { name = name, by = app:getServerId() }) end }
      end]],
      ["app/servers/chat/handler/chatHandler.lua"] = block(path, "app.rpc.db.store.load"),
      ["app/servers/connector/handler/entryHandler.lua"] =
        "return { enter = function(_, msg, session) session:bind(msg.name) return {} end }\n" }
    local cluster = test.cluster { base = base }
    local ann = cluster:client()
    assert.answers(ann, {}, "connector.entryHandler.enter", { name = "ann" })
    for turn = 0, 4 do
      local answer = { code = 200, player = { name = "ann", by = "db-" .. turn % 4 + 1 } }
      assert.answers(ann, answer, "chat.chatHandler.load", { name = "ann" })
    end
  end)
end)
