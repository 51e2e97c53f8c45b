-- What ends a session at once, although its client has lost its line, and which ends of a line give
-- no grace (docs/resume.md). Over real sockets. What takes longer: spec/slow/resume_ends_spec.lua.
-- Tests core/node/resume and lua/pomelua/session/resume.
local pomelo = require "spec.support.pomelo"
local resume = require "spec.support.resume"

local server
local uids = 0

local function enter(opts)
  uids = uids + 1
  return resume.enter(server, "user" .. uids, opts)
end

describe("a session that waits for its client", function()
  setup(function() server = resume.start() end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  local function ended(client, reason)
    server.heard(("closed %s %s"):format(client.uid, reason))
    assert.same({}, server.members())
    local new = resume.anew(client)
    assert.is_nil(new:who())
    new:notify("sys.leave", {}) -- else it would wait, too
    assert(new:rest())
    local counts = server.counts()
    assert.equal(0, counts.resumeWaiting)
    assert.equal(0, counts.resumeBytes)
  end

  it("ends by a kick", function()
    local client = enter()
    client:lose()
    server.ask("kick", { uid = client.uid })
    ended(client, "out")
  end)

  it("ends by a ban of its uid", function()
    local client = enter()
    client:lose()
    server.ask("ban", { uid = client.uid })
    ended(client, "banned")
  end)

  it("ends by a ban of its address, from which nobody comes back", function()
    local client = enter { from = "127.0.0.2" }
    client:lose()
    server.ask("ban", { address = "127.0.0.2" })
    ended(client, "banned")
    assert.equal(403, resume.return_of(client, { from = "127.0.0.2" }).said.code)
  end)
end)

describe("a session that waits, when the lists of addresses change,", function()
  setup(function()
    server = resume.start {
      config = 'trustedProxies = { "127.0.0.1" }',
      files = { ["app/servers/connector/handler/doorHandler.lua"] = [[
        return function(app)
          local Handler = {}
          function Handler:allow(msg)
            app:get("connectionService"):setAllow(msg.list)
            return { code = 200 }
          end
          return Handler
        end]] },
    }
  end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  it("ends, but not that of a trusted proxy that told no address", function()
    local proxy, other = enter(), enter { from = "127.0.0.2" }
    proxy:lose()
    other:lose()
    local admin = assert(pomelo.connect(server.port))
    assert(admin:request("connector.doorHandler.allow", { list = { "198.51.100.0/24" } }))
    server.heard(("closed %s address"):format(other.uid))
    assert.equal(1, server.counts().closedAddress)
    assert.equal(proxy.uid, resume.back(proxy):who())
  end)
end)

describe("no grace is for a session", function()
  setup(function() server = resume.start() end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  local function at_once(client, reason)
    local before = server.counts()
    server.heard(("closed %s %s"):format(client.uid, reason))
    for _, event in ipairs(server.events()) do assert.not_equal("lost " .. client.uid, event) end
    assert.equal(before.resumeLost, server.counts().resumeLost)
    assert.is_nil(resume.anew(client):who())
  end

  for _, code in ipairs { 1000, 1001 } do
    it("whose client closes its WebSocket with " .. code, function()
      local client = enter { transport = "ws" }
      client:leave(code)
      at_once(client, code)
    end)
  end

  for _, transport in ipairs { "tcp", "ws" } do
    it("whose client says that it leaves, over " .. transport, function()
      local client = enter { transport = transport }
      client:notify("sys.leave", {})
      assert(client:rest())
      at_once(client, transport == "ws" and 1000 or "false")
    end)

    it("that the server ends for a package of no type, over " .. transport, function()
      local client = enter { transport = transport }
      client:package(9, "")
      assert(client:rest())
      at_once(client, "protocol")
    end)

    it("that the server ends for a package that is too big, over " .. transport, function()
      local client = enter { transport = transport }
      client:package(pomelo.DATA, ("x"):rep(70000))
      client:rest()
      at_once(client, "toobig")
    end)
  end

  for _, code in ipairs { 1002, 3000, 4000 } do
    it("but for one whose WebSocket is closed with " .. code, function()
      local client = enter { transport = "ws" }
      client:leave(code)
      server.heard("lost " .. client.uid)
      assert.equal(client.uid, resume.back(client):who())
    end)
  end

  it("but for one that is closed without a code", function()
    local client = enter { transport = "ws" }
    client:leave()
    server.heard("lost " .. client.uid)
    assert.equal(client.uid, resume.back(client):who())
  end)
end)
