-- What sessions that wait for their clients may cost (docs/resume.md): bytes of each, `total` of a
-- server, connections, and connections of an address; what pushes that may be replaced or dropped
-- become. Over real sockets. Tests core/node/resume and core/model/backlog.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local resume = require "spec.support.resume"

describe("a session that waits", function()
  local server

  local function start(opts) server = resume.start(opts) end

  after_each(function()
    pomelo.closeAll()
    server:stop()
  end)

  it("ends at once when it has missed more bytes than it may", function()
    start { resume = "{ grace = 600, bytes = 16384 }" }
    local ann = resume.enter(server, "ann")
    ann:lose()
    server.ask("push", { i = 1, n = 10, pad = 1000 })
    assert.same({ "lost ann" }, server.events())
    server.ask("push", { i = 11, n = 10, pad = 1000 })
    server.heard "closed ann resume"
    assert.same({}, server.members())
    local counts = server.counts()
    assert.same({ 1, 0, 0 }, { counts.resumeOverflowed, counts.resumeWaiting, counts.resumeBytes })
    assert.is_nil(resume.anew(ann):who())
  end)

  it("has missed nothing that its client has taken before the cut", function()
    start { resume = "{ grace = 600, bytes = 16384 }" }
    local ann = resume.enter(server, "ann")
    server.ask("push", { i = 1, n = 60, pad = 1000 })
    for i = 1, 60 do assert.equal(i, ann:line()) end
    ann:lose()
    server.ask("push", { i = 61, n = 10, pad = 1000 })
    local back = resume.back(ann)
    for i = 61, 70 do assert.equal(i, back:line()) end
  end)

  it("ends when its client comes back for what is not kept any more", function()
    start { resume = "{ grace = 600, bytes = 16384 }" }
    local ann = resume.enter(server, "ann")
    server.ask("push", { i = 1, n = 60, pad = 1000 })
    for i = 1, 60 do assert.equal(i, ann:line()) end
    ann:lose()
    local new = resume.anew(ann, { received = 5 })
    server.heard "closed ann resume"
    assert.is_nil(new:who())
  end)

  it("gives way when all together have `total`: the one that waits longest goes first", function()
    start { resume = "{ grace = 600, bytes = 262144, total = 1 }" }
    local clients = {}
    for i = 1, 8 do clients[i] = resume.enter(server, "u" .. i) end
    -- One after the other, and not in the order of their coming.
    for _, i in ipairs { 3, 1, 2, 8, 7, 4, 5, 6 } do clients[i]:lose() end
    server.ask("push", { i = 1, n = 180, pad = 1000 })
    local ends = {}
    for _, event in ipairs(server.events()) do
      ends[#ends + 1] = event:match("^closed (u%d) resume$")
    end
    local counts = server.counts()
    assert.is_true(#ends >= 1 and #ends < 8, #ends)
    assert.equal(#ends, counts.resumeEvicted)
    assert.same({ unpack({ "u3", "u1", "u2", "u8", "u7", "u4", "u5", "u6" }, 1, #ends) }, ends)
    assert.is_true(counts.resumeBytes <= 1048576, counts.resumeBytes)
    assert.equal(8 - #ends, counts.resumeWaiting)
    local back = resume.back(clients[6])
    for i = 1, 180 do assert.equal(i, back:line()) end
    assert.is_nil(resume.anew(clients[3]):who())
  end)

  -- It does, once the server is done with the client that it has refused.
  local function came_back(client, opts)
    local back
    assert(net.wait(function()
      local ok
      ok, back = pcall(resume.back, client, opts)
      return ok
    end))
    assert.equal(client.uid, back:who())
  end

  it("counts in max-connections", function()
    start { max = 3, resume = "{ grace = 600 }" }
    local control = pomelo.connect(server.port)
    function server.counts() return control:request(resume.line .. "counts", {}) end
    local ann = resume.enter(server, "ann")
    ann:lose()
    local function get_in()
      local client = assert(pomelo.open(server.port))
      local code = cjson.decode((assert(client:handshake()))).code
      if code ~= 200 then client:close() end
      return code
    end
    local refused = server.counts().refused
    assert.equal(200, get_in())
    assert.equal(503, get_in())
    assert.equal(refused + 1, server.counts().refused)
    -- There is room for the one that is waited for.
    came_back(ann)
  end)

  it("counts among the connections of its address", function()
    start {
      config = "perAddress = { connections = 2, perSecond = false, handshakes = false, "
        .. "loopback = true }",
    }
    local ann = resume.enter(server, "ann", { from = "127.0.0.9" })
    ann:lose()
    local function get_in()
      local client = pomelo.on(assert(net.connect(server.port, nil, "127.0.0.9")), false)
      local code = cjson.decode((assert(client:handshake()))).code
      if code ~= 200 then client:close() end
      return code
    end
    local refused = server.counts().addressConnections
    assert.equal(200, get_in())
    assert.equal(503, get_in())
    assert.equal(refused + 1, server.counts().addressConnections)
    came_back(ann, { from = "127.0.0.9" })
  end)

  for _, transport in ipairs(pomelo.transports) do
    it("gets of `latest` pushes the last of each key, and counts on, over " .. transport, function()
      start()
      local ann = resume.enter(server, "ann", { transport = transport })
      local function latest(i, key)
        server.ask("push", { i = i, opts = { delivery = "latest", key = key } })
      end
      ann:lose()
      server.ask("push", { i = 1 })
      for i = 2, 5 do latest(i, "a") end
      latest(6, "b")
      server.ask("push", { i = 7 })
      latest(8, "b")
      local back = resume.back(ann)
      for _, i in ipairs { 1, 5, 7, 8 } do assert.equal(i, back:line()) end
      back:lose()
      server.ask("push", { i = 9 })
      local again = resume.back(back)
      assert.equal(9, again:line())
    end)

    it("misses none of the reliable ones among those that may be dropped, over " .. transport,
      function()
        start()
        local ann = resume.enter(server, "ann", { transport = transport })
        ann:lose()
        for i = 1, 9, 2 do
          server.ask("push", { i = i })
          server.ask("push", { i = i + 1, opts = { delivery = "drop" } })
        end
        local back = resume.back(ann)
        local last, odd = 0, 0
        while last < 9 do
          local i = back:line()
          assert.is_true(i > last, i .. " after " .. last)
          last, odd = i, odd + i % 2
        end
        assert.equal(5, odd)
        server.ask("push", { i = 11 })
        local i = back:line()
        if i == 10 then i = back:line() end
        assert.equal(11, i)
        back:lose()
        server.ask("push", { i = 12 })
        local again = resume.back(back)
        assert.equal(12, again:line())
      end)

    it("counts what was replaced while it was behind as never sent, over " .. transport, function()
      start { resume = "{ grace = 600, bytes = 4194304 }" }
      local ann = resume.enter(server, "ann", { transport = transport })
      ann.conn:pause()
      local n = 3000
      -- More than the system takes for one who does not read.
      server.ask("push", { i = 1, n = n, pad = 2000, opts = { delivery = "latest", key = "a" } })
      server.ask("push", { i = n + 1 })
      assert.is_true(server.counts().pushesReplaced > 0)
      ann.conn:resume()
      local last, got = 0, 0
      while last <= n do
        local i = ann:line()
        assert.is_true(i > last, i .. " after " .. last)
        last, got = i, got + 1
      end
      assert.is_true(got < n)
      ann:lose()
      server.ask("push", { i = n + 2 })
      local back = resume.back(ann)
      assert.equal(n + 2, back:line())
      assert.equal("ann", back:who())
    end)

    it("was behind when its line was cut: nothing is missing, over " .. transport, function()
      start { resume = "{ grace = 600, bytes = 8388608 }" }
      local ann = resume.enter(server, "ann", { transport = transport })
      ann.conn:pause()
      server.ask("push", { i = 1, n = 100, pad = 60000 })
      ann:lose()
      server.ask("push", { i = 101, n = 10 })
      local back = resume.back(ann)
      for i = 1, 110 do assert.equal(i, back:line()) end
      assert.equal("ann", back:who())
    end)
  end

  it("is counted for the operator", function()
    start()
    local ann, bob = resume.enter(server, "ann"), resume.enter(server, "bob")
    ann:lose()
    bob:lose()
    resume.back(ann)
    server.heard "resumed ann"
    local counts = server.counts()
    assert.same({ 2, 1, 1 }, { counts.resumeLost, counts.resumeResumed, counts.resumeWaiting })
    local tool = net.spawn(net.built("pomelua"),
      { "list", "--json", "--counters", "-d", server.dir })
    assert.equal(0, tool:waitExit(app.patience))
    local row
    for text in tool.out:gmatch("[^\n]+") do
      local one = cjson.decode(text)
      if one.id == "connector-1" then row = one end
    end
    assert.equal(2, row.status.counters.resumeLost)
    assert.equal(1, row.status.counters.resumeResumed)
    assert.equal(1, row.status.counters.resumeWaiting)
  end)
end)

describe("a server without resume", function()
  local server

  setup(function() server = resume.start { resume = "false" } end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  it("answers nothing about it, and a session ends with its line", function()
    local client = resume.shake(server, {})
    assert.equal(200, client.said.code)
    assert.is_nil(client.resume)
    client:ack()
    assert(client:request(resume.line .. "enter", { uid = "ann" }))
    client.conn:reset()
    assert(net.wait(function() return #server.members() == 0 end))
    assert.is_nil(server.counts().resumeLost ~= 0 and server.counts().resumeLost or nil)
    client = resume.shake(server, { token = ("0"):rep(32), received = 0 })
    assert.equal(200, client.said.code)
    assert.is_nil(client.resume)
  end)
end)

describe("a client that asks nothing of a server with resume", function()
  local server

  setup(function() server = resume.start() end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  it("is answered nothing about it, and its session ends with its line", function()
    local client = pomelo.connect(server.port)
    assert.is_nil(client.hello.user)
    assert(client:request(resume.line .. "enter", { uid = "ann" }))
    client.conn:reset()
    server.heard "closed ann true"
    assert.same({}, server.members())
    assert.equal(0, server.counts().resumeLost)
  end)
end)
