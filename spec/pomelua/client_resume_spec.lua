-- The scripted client whose line is lost, and whose server keeps its session.
-- Tests client/resume.lua, client/again.lua, client/handshake.lua and client/message.lua.
local app = require "spec.support.app"
local client = require "pomelua.client"
local core = require "pomelua.core"
local net = require "spec.support.net"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", { heartbeat = 3, distinctHost = true, resume = true })
app:start()
]],
  ["config/servers.json"] =
    '{"connector": [{"id": "connector-1", "clientPort": 3010, "frontend": true}]}',
  ["app/servers/connector/handler/h.lua"] = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  local channels = app:get("channelService")
  local ran, held = {}, nil
  function Handler:enter(msg, session)
    session:bind(msg.name)
    channels:getChannel("all", true):add(session.uid, app:getServerId())
    session:on("closed", function()
      channels:getChannel("all"):pushMessage("onLeave", { name = msg.name })
    end)
    return { code = 200 }
  end
  function Handler:line(msg) channels:getChannel("all"):pushMessage("onLine", { n = msg.n }) end
  function Handler:run(msg)
    ran[#ran + 1] = msg.n
    return { n = msg.n }
  end
  function Handler:ran()
    local list = ran
    ran = {}
    return list
  end
  function Handler:hold(_, _, next) held = next end
  function Handler:release()
    held(nil, { n = "held" })
    return {}
  end
  function Handler:never() pomelua.sleep(60000) end
  function Handler:out(msg) app:get("sessionService"):kick(msg.name) end
  return Handler
end
]],
}

for _, transport in ipairs { "ws", "tcp" } do
  describe("a client over " .. transport .. " that resumes", function()
    local base, cluster, ann

    setup(function()
      base = tree.new(FILES)
      cluster = test.cluster { base = base }
    end)
    teardown(function()
      cluster:close()
      tree.remove(base)
    end)

    local function enter(name, more)
      local options = { transport = transport, resume = true }
      for key, value in pairs(more or {}) do options[key] = value end
      local one = cluster:client(options)
      assert(one:request("connector.h.enter", { name = name }))
      return one
    end

    before_each(function() ann = enter "ann" end)
    after_each(function() ann:close() end)

    local function lines(one, from, to)
      for n = from, to do assert.same({ n = n }, one:expect("onLine")) end
    end

    for _, how in ipairs { "rst", "fin" } do
      it("has all that was pushed meanwhile, once and in order, after a cut by " .. how, function()
        local bob = enter "bob"
        ann:notify("connector.h.line", { n = 1 })
        lines(bob, 1, 1)
        bob:cut(how)
        for n = 2, 21 do ann:notify("connector.h.line", { n = n }) end
        lines(ann, 1, 21)
        lines(bob, 2, 21)
        assert.equal(1, bob.resumed)
        assert(bob:request("connector.h.run", { n = 0 }))
        assert.same({}, bob:pushed())
        assert.same({}, ann:pushed()) -- nobody left
        bob:close()
        assert.same({ name = "bob" }, ann:expect "onLeave") -- and now at once
        ann:request("connector.h.ran", {})
      end)
    end

    it("has each of its requests run once, also those that it makes meanwhile", function()
      local bob, all = enter "bob", {}
      for i = 1, 20 do
        for k = 1, 5 do
          all[#all + 1] = 10 * i + k
          if k == 3 then bob:cut(i % 2 == 0 and "rst" or "fin") end
          bob:notify("connector.h.run", { n = 10 * i + k })
        end
        client.wait(1000, function() return bob.resumed == i end)
      end
      all[#all + 1] = "last"
      assert.same({ n = "last" }, bob:request("connector.h.run", { n = "last" }))
      assert.equal(20, bob.resumed)
      assert.same(all, ann:request("connector.h.ran", {}))
      bob:close()
    end)

    it("gets the answer of a request that waited when the line was lost", function()
      local bob = enter "bob"
      ann:on("onLine", function()
        bob:cut()
        ann:notify("connector.h.release", {})
      end)
      ann:notify("connector.h.line", { n = 1 })
      assert.same({ n = "held" }, bob:request("connector.h.hold", {}))
      assert.equal(1, bob.resumed)
      bob:close()
    end)

    it("does not send what nobody waits for any more", function()
      local bob = enter "bob"
      local connect = core.connect
      core.connect = function() return nil, "the network is gone", "IO" end
      bob:cut()
      bob:notify("connector.h.run", { n = 1 })
      assert.equal("TIMEOUT", (select(3, bob:request("connector.h.run", { n = 2 }, 30))))
      core.connect = connect
      assert.same({ n = 3 }, bob:request("connector.h.run", { n = 3 }))
      assert.same({ 1, 3 }, ann:request("connector.h.ran", {}))
      bob:close()
    end)

    it("comes back from a line that is silent", function()
      local bob = enter "bob"
      bob.heard_at = core.clock() - 60000
      assert(client.wait(1000, function() return bob.resumed == 1 end))
      ann:notify("connector.h.line", { n = 1 })
      lines(bob, 1, 1)
      bob:close()
    end)

    it("is closed when the server has ended its session, and logs in again if it can", function()
      local logins = 0
      local bob, cleo = enter "bob", enter("cleo", { login = function() logins = logins + 1 end })
      for _, one in ipairs { bob, cleo } do one:cut() end
      ann:notify("connector.h.out", { name = "bob" })
      ann:notify("connector.h.out", { name = "cleo" })
      assert(ann:expect("onLeave", { name = "bob" }))
      assert(ann:expect("onLeave", { name = "cleo" }))
      assert.equal("CLOSED", (select(3, bob:request("connector.h.run", { n = 1 }))))
      assert.equal("the session was not resumed: the server has another one", bob:closed())
      assert.same({ n = 2 }, cleo:request("connector.h.run", { n = 2 }))
      assert.equal(2, logins)
      assert.equal(0, cleo.resumed)
      assert.same({ 2 }, ann:request("connector.h.ran", {}))
      cleo:close()
    end)

    it("begins again when the server misses what is not kept any more", function()
      local logins = 0
      local bob = enter("bob", { login = function() logins = logins + 1 end })
      local session = bob.session
      for _ = 1, 70 do session:add(("x"):rep(1000)) end -- these were lost
      bob:cut()
      assert.equal("CLOSED", (select(3, bob:request("connector.h.run", { n = 1 }))))
      assert.same({ n = 2 }, bob:request("connector.h.run", { n = 2 }))
      assert.equal(2, logins)
      assert(ann:expect("onLeave", { name = "bob" })) -- the old session has ended
      assert.same({ 2 }, ann:request("connector.h.ran", {}))
      bob:close()
    end)

    it("does not come back when it was lost before it was there", function()
      local methods, connect, dials = debug.getmetatable(ann.socket).__index, core.connect, 0
      local send, sends = methods.send, 0
      core.connect = function(...)
        dials = dials + 1
        return connect(...)
      end
      methods.send = function(...) -- the last one is the ACK
        sends = sends + 1
        if sends == (transport == "ws" and 3 or 2) then return nil, "it was reset", "CLOSED" end
        return send(...)
      end
      local none, _, name = client.connect { port = ann.options.port, transport = transport,
        resume = true, login = function() error "nobody has this client" end }
      methods.send = send
      assert.is_nil(none)
      assert.equal("CLOSED", name)
      assert(ann:request("connector.h.run", { n = 1 })) -- serves all that would connect again
      core.connect = connect
      assert.equal(1, dials)
      assert.same({ 1 }, ann:request("connector.h.ran", {}))
    end)

    it("is a client as any other without the option, and after drop", function()
      local bob = enter("bob", { resume = false })
      bob:cut()
      assert.equal("the line was cut", bob:closed())
      local cleo = enter "cleo"
      cleo:drop()
      assert.equal("dropped", cleo:closed())
      ann:expect("onLeave", { name = "bob" })
    end)
  end)
end

-- In tasks, where several calls wait at once.
local BOT = [[
local client = require "pomelua.client"
local pomelua = require "pomelua"
local port = tonumber((...))
local ann = assert(client.connect { port = port })
local bob = assert(client.connect { port = port, resume = true })
for i = 1, 20 do
  local got = pomelua.all {
    function() return bob:request("connector.h.hold", {}) end,
    function()
      pomelua.sleep(1)
      bob:cut(i % 2 == 0 and "fin" or "rst")
      local answer = assert(bob:request("connector.h.run", { n = i }))
      assert(answer.n == i)
      return assert(ann:request("connector.h.release", {}))
    end,
  }
  assert(got[1].n == "held" and bob.resumed == i, bob.resumed)
end
print(#assert(ann:request("connector.h.ran", {})))
bob:close()
ann:close()
]]

it("comes back in the tasks of a script, too", function()
  local files = {}
  for path, text in pairs(FILES) do
    files[path] = text:gsub('"clientPort": 3010', '"clientPort": 0')
  end
  local server = app.start(files)
  tree.write(server.dir, "bot.lua", BOT)
  local bot = net.spawn(net.built("pomelua"),
    { "run", server.dir .. "/bot.lua", tostring(server.ports["connector-1"]) })
  assert.equal(0, bot:waitExit(app.patience), bot.err)
  assert.equal("20\n", bot.out)
  server:stop()
  net.closeAll()
end)

it("says what is wrong with its options", function()
  for message, options in pairs {
    ["resume is true or false"] = { port = 1, resume = 1 },
    ["beside resume, user is a table"] = { port = 1, resume = true, user = "ann" },
  } do
    assert.has_error(function() client.connect(options) end, "client.connect: " .. message)
  end
end)
