-- The scripted client whose server stops and tells it to move.
-- Tests client/move.lua, client/frames.lua and client/options.lua.
local app = require "spec.support.app"
local client = require "pomelua.client"
local frames = require "pomelua.client.frames"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", { distinctHost = true })
app:set("serverConfig", { reload = false, drainTime = 0 })
app:start()
]],
  ["config/servers.json"] = [[{"connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}]],
  ["app/servers/connector/handler/h.lua"] = [[
return function(app)
  local Handler = {}
  function Handler:enter(msg, session)
    session:bind(msg.name)
    return { code = 200 }
  end
  function Handler:who(_, session) return { id = app:getServerId(), uid = session.uid } end
  return Handler
end
]],
}

-- Its client reads nothing while the server stops, so that a request goes out behind the close.
local BOT = [[
local client = require "pomelua.client"
local pomelua = require "pomelua"
local go, first, second = ...
local asked, logins = 0, 0
local ann = assert(client.connect {
  address = function()
    asked = asked + 1
    if asked == 2 then return nil, "the gate is gone" end
    return "127.0.0.1", tonumber(asked == 1 and first or second)
  end,
  login = function(self)
    logins = logins + 1
    assert(self:request("connector.h.enter", { name = "ann" }).code == 200)
  end,
})
local bob = assert(client.connect { port = tonumber(first), move = false })
ann:stall()
print("ready")
io.stdout:flush()
while not io.open(go) do pomelua.sleep(10) end
local got = pomelua.all {
  function() return { ann:request("connector.h.who", {}) } end,
  function()
    pomelua.sleep(20)
    ann:resume()
  end,
}
print(got[1][1], got[1][2], got[1][3])
local answer = assert(ann:request("connector.h.who", {}))
print(answer.id, answer.uid, asked, logins)
print(bob:closed())
local _, _, name = bob:request("connector.h.who", {})
print("bob", name)
ann:close()
]]

describe("a client that is told to move", function()
  after_each(net.closeAll)

  it("connects again, logs in again, and knows what was not run", function()
    local server = app.start(FILES)
    tree.write(server.dir, "bot.lua", BOT)
    local bot = net.spawn(net.built("pomelua"), { "run", server.dir .. "/bot.lua",
      server.dir .. "/go", tostring(server.ports["connector-1"]),
      tostring(server.ports["connector-2"]) })
    assert(bot:waitLine("^ready$", app.patience))
    local tool = net.spawn(net.built("pomelua"), { "stop", "connector-1", "-d", server.dir })
    assert(net.wait(function() -- nobody is let in any more: the clients were told
      local late = net.connect(server.ports["connector-1"])
      if late then late:close() end
      return not late
    end, app.patience))
    tree.write(server.dir, "go", "")
    assert.are.equal(0, bot:waitExit(app.patience), bot.err)
    assert.are.equal(table.concat({ "ready",
      "nil\tconnector.h.who was not run: its server stops\tMOVED",
      "connector-2\tann\t3\t2",
      "closed by the server, code 1001: move",
      "bob\tCLOSED", "" }, "\n"), bot.out)
    assert.are.equal(0, tool:waitExit(app.patience), tool.err)
    server:stop()
  end)

  it("reads frames in any pieces", function()
    local short, long = frames.write(frames.CLOSE, "\3\233move"), ("x"):rep(70000)
    assert.are.equal("\136\134\0\0\0\0\3\233move", short)
    local bytes = "\136\6\3\233move\130\126\1\0" .. ("y"):rep(256) .. "\130\127\0\0\0\0\0\1\17\112"
      .. long
    local seen, rest = {}, ""
    for at = 1, #bytes, 99 do
      local list
      list, rest = frames.read(rest .. bytes:sub(at, at + 98))
      for _, one in ipairs(list) do seen[#seen + 1] = { one.op, one.payload } end
    end
    assert.are.same({ { 8, "\3\233move" }, { 2, ("y"):rep(256) }, { 2, long } }, seen)
    assert.are.equal("", rest)
    assert.are.same({ 1001, "move" }, { frames.closed("\3\233move") })
    assert.are.same({ nil, "" }, { frames.closed("") })
  end)

  for what, row in pairs {
    ["no table"] = { 5, "{ port =, ... }: a table" },
    ["no port"] = { {},
      "{ port =, ... }: port is a number from 1 to 65535, got nil" },
    ["an address that is no function"] = { { address = "x" },
      "address is a function that gives host and port" },
    ["a login that is no function"] = { { port = 1, login = {} }, "login is a function" },
    ["another transport"] = { { port = 1, transport = "udp" }, 'transport is "ws" or "tcp"' },
  } do
    it("is refused with " .. what, function()
      assert.has_error(function() client.connect(row[1]) end, "client.connect: " .. row[2])
    end)
  end
end)
