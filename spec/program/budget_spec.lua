-- Scripts that do not end, in servers of one program: each is stopped, its request is
-- answered, and everybody else goes on.

local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure("all", "connector|chat", function()
  app:set("serverConfig", { budget = 100 })
end)
app:start()
]],
  ["config/servers.json"] = [[
{"development": {
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}}
]],
}

local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  local function spin() while true do end end

  function Handler:echo(msg) return { code = 200, n = msg.n } end
  function Handler:spin() spin() end
  function Handler:insist() while true do pcall(spin) end end
  function Handler:waited() pomelua.sleep(1) spin() end
  function Handler:inner() coroutine.wrap(spin)() end

  -- The listener's error is its own; what called it is over its budget as well.
  function Handler:emit()
    app.event:once("spin", spin)
    app.event:emit("spin")
    return { code = 200 }
  end

  -- The writer calls it, in C.
  function Handler:written()
    return { setmetatable({}, { __index = { toJSON = spin } }) }
  end

  function Handler:all()
    return pomelua.all { spin, function() return 1 end }
  end

  function Handler:stuck() return { at = (("a"):rep(60):find(("a-"):rep(30) .. "b")) } end
  return Handler
end
]]
FILES["app/servers/connector/handler/entryHandler.lua"] = HANDLER
FILES["app/servers/chat/handler/chatHandler.lua"] = HANDLER

local KILLED = "handler stopped: over its budget of 100 ms"

describe("a script over its budget", function()
  local server, client

  setup(function()
    server = app.start(FILES)
    client = pomelo.connect(server.ports["connector-1"], "tcp")
  end)

  teardown(function()
    server:stop { KILLED }
    net.closeAll()
  end)

  local function answer(route)
    return assert(client:request(route, { n = 7 }))
  end

  for _, place in ipairs { "connector.entryHandler.", "chat.chatHandler." } do
    for _, method in ipairs { "spin", "insist", "waited", "inner", "emit", "written", "all" } do
      it("is stopped and answered with 500: " .. place .. method, function()
        for _ = 1, 3 do
          assert.equal(500, answer(place .. method).code)
          assert.same({ code = 200, n = 7 }, answer(place .. "echo"))
        end
      end)
    end
  end

  it("leaves its traceback in the log", function()
    assert.equal(500, answer("chat.chatHandler.insist").code)
    assert(server.process:waitErr("error chat%-1 chat%.chatHandler%.insist: [^\n]*"
      .. "chatHandler%.lua:%d+: " .. KILLED .. "\n  stack traceback:\n[^\n]*chatHandler%.lua:"))
  end)
end)

-- Functions that C, or the framework, calls for messages of clients. A client's words in its
-- handshake, or a message's, say whether they end.
local ASKED = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
local function spin() while true do end end
app:set("serverConfig", { budget = 100 })
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true,
    handshake = function(msg, cb)
      if msg.user == "spin" then spin() end
      cb(nil, {})
    end,
    checkClient = function(kind)
      if kind == "spin" then spin() end
      return true
    end,
  })
end)
app:set("channelConfig", { broadcastFilter = function(session, msg)
  if msg:find("spin", 1, true) and session.uid == "spinner" then spin() end
  return true
end })
app:route("chat", function(session, msg, _, cb)
  if session.uid == "router" then spin() end
  cb(nil, "chat-1")
end)
app:start()
]],
  ["config/servers.json"] = FILES["config/servers.json"],
  ["app/servers/connector/handler/entryHandler.lua"] = [[
return function(app)
  local Handler = {}
  function Handler:bind(msg, session)
    session:bind(msg.uid)
    return { code = 200 }
  end
  function Handler:call(msg, session)
    local ok, err = app.call.chat.r.echo(session, msg.what)
    return { code = 200, ok = ok, err = err and err.message }
  end
  return Handler
end
]],
  ["app/servers/chat/handler/chatHandler.lua"] = [[
return function(app)
  return {
    echo = function(_, msg) return { code = 200, n = msg.n } end,
    tell = function(_, msg)
      app:get("channelService"):broadcast("connector", "onTell", { spin = msg.spin },
        { filterParam = 1 })
      return { code = 200 }
    end,
  }
end
]],
  ["app/servers/chat/remote/r.lua"] =
    "return { echo = function(_, what, cb) cb(nil, what) end }",
}

describe("a function that is asked about clients, over its budget", function()
  local server, client

  setup(function() server = app.start(ASKED) end)
  before_each(function() client = pomelo.connect(server.ports["connector-1"], "tcp") end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop { "over its budget of 100 ms" } end)

  local function serves()
    assert.same({ code = 200, n = 7 }, assert(client:request("chat.chatHandler.echo", { n = 7 })))
  end

  it("is stopped where it says which server gets a message: 500", function()
    client:request("connector.entryHandler.bind", { uid = "router" })
    assert.equal(500, assert(client:request("chat.chatHandler.echo", {})).code)
    client = pomelo.connect(server.ports["connector-1"], "tcp")
    serves()
  end)

  it("is stopped where it says which server gets a call: the caller gets the error", function()
    client:request("connector.entryHandler.bind", { uid = "router" })
    local answer = client:request("connector.entryHandler.call", { what = "x" })
    assert.same({ nil, 500 }, { answer.ok, answer.code })
    client = pomelo.connect(server.ports["connector-1"], "tcp")
    assert.equal("well", client:request("connector.entryHandler.call", { what = "well" }).ok)
    serves()
  end)

  for what, hello in pairs {
    handshake = '{"sys":{},"user":"spin"}', checkClient = '{"sys":{"type":"spin"}}',
  } do
    it("is stopped as " .. what .. ": the client is refused, and the next is served", function()
      local other = assert(pomelo.open(server.ports["connector-1"], "tcp"))
      assert.equal('{"code":500}', other:handshake(hello))
      assert.is_truthy(other:rest())
      serves()
    end)
  end

  it("is stopped as broadcastFilter: that client goes without, the others get theirs", function()
    local spinner = pomelo.connect(server.ports["connector-1"], "tcp")
    assert.equal(200, client:request("connector.entryHandler.bind", { uid = "ann" }).code)
    assert.equal(200, spinner:request("connector.entryHandler.bind", { uid = "spinner" }).code)
    assert.equal(200, client:request("chat.chatHandler.tell", { spin = true }).code)
    assert.same({ spin = true }, assert(client:push()).msg)
    assert.equal(200, client:request("chat.chatHandler.tell", {}).code)
    assert.same({}, assert(spinner:push()).msg)
    serves()
  end)
end)

describe("a script that cannot be stopped", function()
  after_each(net.closeAll)

  it("ends the program with status 70 and one line that names server and route", function()
    local base = tree.new(FILES)
    local process = net.spawn(net.built("pomelua"), { "start", base })
    assert(process:waitLine("^ready$", app.patience))
    local port = tonumber(process.out:match("listening on [^\n]-:(%d+)\n"))
    local client = pomelo.connect(port, "tcp")
    client:notify("chat.chatHandler.stuck", {})
    -- It may compute for seconds of processor time, of which others may want their part.
    assert.equal(70, (process:waitExit(3 * app.patience)))
    tree.remove(base)
    assert.matches("error chat%-1 forwarded chat%.chatHandler%.stuck has run for %d+ ms and cannot"
      .. " be stopped %(budget 100 ms%): the process ends\n$", process.err)
  end)
end)
