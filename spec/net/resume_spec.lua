-- Resume over sockets (docs/protocol-server.md, 12.5; node/resume, session/resume): a client whose
-- line is cut comes back, and misses nothing. What needs no socket: spec/pomelua/resume_spec.lua.
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local ENTRY = "connector.entryHandler."

local options = {
  config = "resume = { grace = 30 }",
  code = [[
    app:set("events", {})
    for _, name in ipairs { "session_lost", "session_resumed", "close_session" } do
      app.event:on(name, function(session)
        local list = app:get("events")
        list[#list + 1] = name .. " " .. tostring(session.uid)
      end)
    end
  ]],
  files = { ["app/servers/connector/handler/seeHandler.lua"] = [[
    return function(app)
      local h = {}
      function h:events() return app:get("events") end
      function h:address(_, session) return session:address() end
      local runs = {}
      function h:count(msg)
        runs[msg.key] = (runs[msg.key] or 0) + 1
        return { runs = runs[msg.key] }
      end
      local waiting = {}
      function h:wait(msg, _, next) waiting[msg.key] = next end
      function h:free(msg)
        waiting[msg.key](nil, { waited = true })
        return { code = 200 }
      end
      return h
    end
  ]] },
}

local function hello(token, received)
  local resume = token and { token = token, received = received } or setmetatable({}, cjson.empty)
  local text = cjson.encode(resume)
  return '{"sys":{"type":"spec","version":"1"},"user":{"resume":'
    .. (text == "[]" and "{}" or text) .. "}}"
end

-- Asks the server again and again, each time a request.
local function asked(check)
  local till = net.ms() + net.deadline
  repeat
    local value = check()
    if value then return value end
  until net.ms() > till
end

for _, transport in ipairs(pomelo.transports) do
  describe("resume over " .. transport, function()
    local server
    setup(function() server = talk.start(options) end)
    after_each(pomelo.closeAll)
    teardown(function() server:stop() end)

    local users = 0

    -- A client that counts what it gets and what it sends.
    local function open(token, received)
      local client = pomelo.connect(server.port, transport, hello(token, received))
      return client, client.hello.user and client.hello.user.resume
    end

    local function join()
      local client, line = open()
      users = users + 1
      client.uid = "user " .. users
      assert(client:request(ENTRY .. "join", { uid = client.uid }))
      return client, line
    end

    local function shout(n, text)
      local other = pomelo.connect(server.port)
      assert(other:request(ENTRY .. "shout", { n = n, text = text }))
      other:close()
    end

    local function wait_for(event)
      local other = pomelo.connect(server.port)
      assert(asked(function()
        for _, one in ipairs(other:request("connector.seeHandler.events", {})) do
          if one == event then return true end
        end
      end), event)
      other:close()
    end

    it("gives a token to those who ask, and nothing to others", function()
      local _, line = open()
      assert.equal(32, #line.token)
      assert.is_true(line.token:find("^%x+$") ~= nil)
      assert.is_false(line.recovered)
      assert.equal(0, line.received)
      assert.equal(30, line.grace)
      assert.is_nil(pomelo.connect(server.port, transport).hello.user)
    end)

    it("sends what a client has missed, once and in order, and goes on", function()
      local client, line = join()
      client.conn:reset()
      wait_for("session_lost " .. client.uid)
      shout(3, "missed")
      local back, again = open(line.token, 1)
      assert.is_true(again.recovered)
      assert.equal(1, again.received)
      assert.are_not.equal(line.token, again.token)
      for i = 1, 3 do
        local push = assert(back:push())
        assert.equal("missed", push.msg.text)
        assert.equal(i, push.msg.i)
      end
      shout(1, "after")
      assert.equal("after", assert(back:push()).msg.text)
      wait_for("session_resumed " .. client.uid)
      assert.equal("127.0.0.1", back:request("connector.seeHandler.address", {}).ip)
    end)

    it("takes a session over from a line that looks open", function()
      local client, line = join()
      local back, again = open(line.token, 1)
      assert.is_true(again.recovered)
      assert(client:rest())
      shout(1, "here")
      assert.equal("here", assert(back:push()).msg.text)
      assert(back:request(ENTRY .. "echo", { x = 1 }))
    end)

    it("runs what the client has sent once, and tells how much of it has come", function()
      local client, line = join()
      client:request("connector.seeHandler.count", { key = client.uid })
      client.conn:reset()
      wait_for("session_lost " .. client.uid)
      local back, again = open(line.token, 2)
      assert.equal(2, again.received)
      assert.equal(2, back:request("connector.seeHandler.count", { key = client.uid }).runs)
    end)

    it("answers over the new line what was asked over the old one", function()
      local client, line = join()
      client:ask("connector.seeHandler.wait", { key = client.uid })
      client:request("connector.seeHandler.count", { key = client.uid })
      client.conn:reset()
      wait_for("session_lost " .. client.uid)
      local other = pomelo.connect(server.port)
      other:request("connector.seeHandler.free", { key = client.uid })
      local back = open(line.token, 2)
      local m = assert(back:nextMessage())
      assert.equal(2, m.id)
      assert.same({ waited = true }, m.msg)
    end)

    it("takes the old token until the ACK, and only the new one behind it", function()
      local client, line = join()
      client.conn:reset()
      wait_for("session_lost " .. client.uid)
      local cut = assert(pomelo.open(server.port, transport))
      local lost = cjson.decode((cut:handshake(hello(line.token, 1)))).user.resume
      assert.is_true(lost.recovered)
      cut.conn:reset() -- before the ACK
      local back, again = open(line.token, 1)
      assert.is_true(again.recovered)
      assert(back:request(ENTRY .. "echo", { x = 1 }))
      for _, token in ipairs { line.token, lost.token } do
        local _, wrong = open(token, 1)
        assert.is_false(wrong.recovered)
      end
      assert(back:request(ENTRY .. "echo", { x = 1 })) -- nothing of it was touched
    end)

    it("ends a session whose client says that it leaves", function()
      local client, line = join()
      client:notify("sys.leave", "")
      assert(client:rest())
      wait_for("close_session " .. client.uid)
      local _, again = open(line.token, 1)
      assert.is_false(again.recovered)
      if transport == "ws" then
        client, line = join()
        client:leave(1001)
        wait_for("close_session " .. client.uid)
        _, again = open(line.token, 1)
        assert.is_false(again.recovered)
      end
    end)

    it("keeps the place of a client that is away, for it and for no other", function()
      local small = talk.start { config = "resume = true", max = 2 }
      local function come(text)
        local one = assert(pomelo.open(small.port, transport))
        return one, cjson.decode((one:handshake(text)))
      end
      local ann, answer = come(hello())
      ann:ack()
      assert(ann:request(ENTRY .. "join", { uid = "ann" }))
      local bob = pomelo.connect(small.port, transport)
      ann.conn:reset()
      assert(asked(function()
        return bob:request(ENTRY .. "counts", {}).resumeWaiting == 1
      end))
      local third, refused = come(hello())
      assert.equal(503, refused.code)
      assert(third:rest())
      third:close()
      assert(asked(function()
        return bob:request(ENTRY .. "counts", {}).connections == 1
      end))
      local back, again = come(hello(answer.user.resume.token, 1))
      assert.equal(200, again.code)
      assert.is_true(again.user.resume.recovered)
      back:ack()
      assert(back:request(ENTRY .. "echo", { x = 1 }))
      assert.equal(0, bob:request(ENTRY .. "counts", {}).resumeWaiting)
      pomelo.closeAll()
      small:stop()
    end)
  end)
end
