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

describe("a script that cannot be stopped", function()
  after_each(net.closeAll)

  it("ends the program with status 70 and one line that names server and route", function()
    local base = tree.new(FILES)
    local process = net.spawn(net.built("pomelua"), { "start", base })
    assert(process:waitLine("^ready$", app.patience))
    local port = tonumber(process.out:match("listening on [^\n]-:(%d+)\n"))
    local client = pomelo.connect(port, "tcp")
    client:notify("chat.chatHandler.stuck", {})
    assert.equal(70, (process:waitExit(app.patience)))
    tree.remove(base)
    assert.matches("error chat%-1 forwarded chat%.chatHandler%.stuck has run for %d+ ms and cannot"
      .. " be stopped %(budget 100 ms%): the process ends\n$", process.err)
  end)
end)
