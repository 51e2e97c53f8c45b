-- An app in several processes over a real broker: how they start, find each other, and end. Tests
-- host/uplink.c, host/others.c, bind/l_bus.c, ops/members.lua and ops/elsewhere.lua together.
local account = require "spec.support.nats_account"
local app = require "spec.support.app"
local broker = require "spec.support.broker"
local certs = require "spec.support.certs"
local cjson = require "cjson"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local probe = require "spec.support.probe"
local read = require("spec.support.files").read
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"
local uv = require "luv"

local SETTINGS = [[
  local function told(name)
    return function(list)
      local ids = {}
      for i, one in ipairs(type(list) == "table" and list or {}) do
        ids[i] = type(one) == "table" and one.id or one
      end
      table.sort(ids)
      print(("event %s: %s"):format(name, table.concat(ids, " ")))
    end
  end
  for _, name in ipairs { "start_all", "add_servers", "remove_servers" } do
    app.event:on(name, told(name))
  end
]]

-- Which server has handled it.
local WHO = "return { id = app:getServerId() }"
-- The servers of a type that are up, as a text.
local UP = [[
  local ids = {}
  for i, one in ipairs(app:getServersByType(args) or {}) do ids[i] = one.id end
  return { ids = table.concat(ids, " ") }
]]

-- The life of chat-1, another one than `args` if there is soon.
local LIFE = [[
  local life
  for _ = 1, 200 do
    life = node:incarnation("chat-1") or args
    if life ~= args then break end
    pomelua.sleep(5)
  end
  return { life = life }
]]

-- A sanitizer must come first.
local function clock_jump()
  local sanitizer = uv.os_getenv "POMELUA_PRELOAD"
  return (sanitizer and sanitizer .. ":" or "") .. net.built("preload/clock_jump.so")
end

describe("an app in several processes", function()
  local one, game

  after_each(function()
    if game then game:close() end
    game = nil
    broker.closeAll()
    net.closeAll()
  end)

  local function begin(bus, files)
    one = broker.start()
    local given = { urls = { one.url } }
    for key, value in pairs(bus or {}) do given[key] = value end
    game = parts.new(probe.files(SETTINGS, files), given)
  end

  -- Asks again until the answer is that, because news of other processes take their time.
  local function until_is(client, text, args, field, expected, ms)
    local got
    net.wait(function()
      got = client:run(nil, text, args)
      return got[field] == expected
    end, ms or app.patience)
    assert.equal(expected, got[field])
  end

  it("serves, whichever part starts first", function()
    begin()
    local front = probe.of(game:start("connector-1"))
    local client = front:client()
    assert.equal(500, client:run("chat", WHO).code)
    game:start("chat-1", "chat-2")
    until_is(client, UP, "chat", "ids", "chat-1 chat-2")
    assert.matches("^chat%-[12]$", client:run("chat", WHO).id)
    front:clear()
    front:stop { "chat" }
    front = probe.of(game:start("connector-1"))
    client = front:client()
    until_is(client, UP, "chat", "ids", "chat-1 chat-2")
    assert.matches("^chat%-[12]$", client:run("chat", WHO).id)
  end)

  it("starts without the broker, and is whole when that has come", function()
    begin()
    one:stop()
    local front, chat = probe.of(game:launch("connector-1")), game:launch("chat-1")
    front:ready()
    chat:ready()
    for _, part in ipairs { front, chat } do
      part:says " warn +pomelua the bus is not there: .-; servers of other processes cannot"
    end
    local client = front:client()
    assert.equal(500, client:run("chat", WHO).code)
    one:restart()
    until_is(client, UP, "chat", "ids", "chat-1")
    front:says " info +pomelua the bus is back after "
    assert.equal("chat-1", client:run("chat", WHO).id)
  end)

  it("says start_all when each server of servers.json has been up once, and not before", function()
    begin()
    local front = probe.of(game:start("connector-1", "connector-2", "connector-3", "gate-1"))
    local chat = game:start("chat-1", "chat-2", "chat-3")
    local client = front:client()
    until_is(client, UP, "chat", "ids", "chat-1 chat-2 chat-3")
    assert.is_nil(front.process.err:find("event start_all", 1, true))
    chat:stop()
    until_is(client, UP, "chat", "ids", "")
    local rooms = game:start("room-1", "room-2")
    front:says "connector%-1 event start_all"
    rooms:says "room%-1 %S*event add_servers"
    -- A process that starts later sees those that are up now.
    assert.is_nil(rooms.process.err:find("event start_all", 1, true))
    chat = game:start("chat-1", "chat-2", "chat-3")
    rooms:says "room%-2 event start_all"
    chat:says "chat%-3 event start_all"
  end)

  it("has a server that is added in every list, in routing and out again", function()
    begin()
    local front = probe.of(game:start("connector-1"))
    local rooms = game:start("room-1")
    local client = front:client()
    until_is(client, UP, "room", "ids", "room-1")
    local pid = tostring(rooms.process.pid)
    assert.equal(0, (tool.run("add", "-d", game.dir, "--pid", pid, "id=room-7", "serverType=room",
      "floor:=3")))
    until_is(client, UP, "room", "ids", "room-1 room-7")
    front:says "connector%-1 event add_servers: room%-7\n"
    assert.equal(3, client:run(nil, "return app:getServerById('room-7')").floor)
    assert.equal("room-7", client:run("room", WHO, nil, { to = "room-7" }).id)
    assert.equal(0, (tool.run("restart", "-d", game.dir, "--pid", pid, "room-7")))
    until_is(client, UP, "room", "ids", "room-1 room-7")
    assert.equal("room-7", client:run("room", WHO, nil, { to = "room-7" }).id)
    assert.equal(0, (tool.run("stop", "-d", game.dir, "--pid", pid, "room-7")))
    until_is(client, UP, "room", "ids", "room-1")
    front:says "connector%-1 event remove_servers: room%-7\n"
    assert.equal(500, client:run("room", WHO, nil, { to = "room-7" }).code)
  end)

  it("loses a server that is killed, within the timeout, and has it again", function()
    begin()
    local front, chat = probe.of(game:start("connector-1")), game:start("chat-1")
    local client = front:client()
    until_is(client, UP, "chat", "ids", "chat-1")
    chat:kill()
    until_is(client, UP, "chat", "ids", "")
    front:says "connector%-1 event remove_servers: chat%-1\n"
    game:start("chat-1")
    until_is(client, UP, "chat", "ids", "chat-1")
    assert.equal("chat-1", client:run("chat", WHO).id)
  end)

  it("refuses a server whose id another process has, and says which", function()
    begin()
    local chat = game:start("chat-1")
    local second = game:launch("chat-1", "chat-2")
    local status, err = second:ends()
    assert.equal(1, status)
    assert.matches("pomelua: chat%-1: the id is taken: process " .. chat.process.pid
      .. " on %S+ runs the server chat%-1 of the cluster %S+; stop that one first, or give this "
      .. "one another id\n$", err)
    local front = game:start("connector-1")
    local code, out, more = tool.run("add", "-d", game.dir, "--pid", tostring(front.process.pid),
      "id=chat-1", "serverType=chat")
    assert.equal(1, code)
    assert.matches("a server of that id runs, in %S+:" .. chat.process.pid, out .. more)
    chat:stop()
    front:stop()
  end)

  it("gives an id to a newcomer when its server is frozen, which then ends in order", function()
    begin()
    local front = probe.of(game:start("connector-1"))
    local chat = game:start("chat-1", "chat-2")
    local client = front:client()
    until_is(client, UP, "chat", "ids", "chat-1 chat-2")
    chat:freeze()
    local second = game:start("chat-1")
    until_is(client, UP, "chat", "ids", "chat-1")
    chat:thaw()
    local before = os.time()
    chat:says(" error pomelua chat%-1: process " .. second.process.pid
      .. " on %S+ has taken its id")
    until_is(client, UP, "chat", "ids", "chat-1 chat-2") -- chat-2 of the old process goes on
    chat:stop { "has taken its id" }
    assert.is_true(os.time() - before < 9) -- it waits for nobody who no longer knows it
    assert.equal("chat-1", client:run("chat", WHO).id)
  end)

  it("has a server again that was killed, and whose clock has gone back since", function()
    begin { heartbeat = 0.2, timeout = 3 }
    local client = probe.of(game:start("connector-1")):client()
    tree.write(game.dir, "ahead", "3600")
    local chat = game:launch_with({ "--only", "chat-1" }, {
      LD_PRELOAD = clock_jump(), FAULT_JUMP = game.dir .. "/ahead",
    }):ready()
    until_is(client, UP, "chat", "ids", "chat-1")
    chat:kill()
    local function comes_back()
      local former, now = client:run(nil, LIFE, 0).life, nil
      chat = game:start("chat-1") -- before the other process takes the former life for gone
      if not one:runs() then one:restart() end
      assert(net.wait(function()
        now = client:run(nil, LIFE, former).life
        return now ~= former
      end, app.patience), "chat-1 is not there")
      assert.equal("chat-1", client:run("chat", WHO).id)
      return now - former
    end
    assert.equal(1, comes_back()) -- just above the former one, of which the other process knows
    tree.write(game.dir, "ahead", "7200")
    chat:stop()
    chat = game:launch_with({ "--only", "chat-1" }, {
      LD_PRELOAD = clock_jump(), FAULT_JUMP = game.dir .. "/ahead",
    }):ready()
    until_is(client, UP, "chat", "ids", "chat-1")
    one:stop()
    chat:kill()
    assert.is_true(comes_back() < 0) -- when it began nobody could be asked
    chat:stop { "the bus is not there" }
  end)

  it("runs the servers of a type, without a file, by --bus alone", function()
    one = broker.start()
    game = parts.new(probe.files(SETTINGS, { ["config/web.json"] =
      '{ "host": "127.0.0.1", "port": 0 }', ["web/index.html"] = "hello" }), {})
    os.remove(game.dir .. "/config/bus.json")
    local bus = { "--bus", one.url }
    local front = probe.of(game:launch_with { "--type", "connector,gate", "--web", unpack(bus) })
    local chat = game:launch_with { "--type", "chat", unpack(bus) }
    front:ready()
    chat:ready()
    assert.is_nil(chat.process.out:find("web page", 1, true))
    until_is(front:client("connector-2"), UP, "chat", "ids", "chat-1 chat-2 chat-3")
    local port = assert(front.process.out:match("web page at http://127.0.0.1:(%d+)/"))
    local function health()
      local http = assert(net.connect(port))
      http:send("GET /health HTTP/1.0\r\n\r\n")
      http:waitClosed()
      return cjson.decode((http:pending():match("\r\n\r\n(.*)$")))
    end
    assert.same({ status = "up", up = 4, servers = 4, bus = "up" }, health())
    one:stop()
    assert(net.wait(function() return health().bus == "down" end, app.patience))
    assert.equal("up", health().status)
  end)

  it("never meets another one on the same broker", function()
    begin()
    local front = probe.of(game:start("connector-1"))
    local other = parts.new(probe.files(SETTINGS), { urls = { one.url } })
    local chat = other:start("chat-1", "connector-1") -- the id is free in the other cluster
    assert.equal("", front:client():run(nil, UP, "chat").ids)
    chat:stop()
    other:close()
  end)

  it("is in by the account of the file, and not without", function()
    one = broker.start { config = 'authorization { users = [ { user: "me", password: "pw" } ] }' }
    game = parts.new(probe.files(SETTINGS, { ["config/pw"] = "pw\n" }),
      { urls = { one.url }, user = "me", passwordFile = "config/pw" })
    local front, chat = probe.of(game:start("connector-1")), game:start("chat-1")
    until_is(front:client(), UP, "chat", "ids", "chat-1")
    chat:stop()
    local file = assert(io.open(game.dir .. "/config/pw", "w"))
    file:write("wrong\n")
    file:close()
    game:start("chat-1"):says " warn +pomelua the bus is not there: .*does not accept the user"
  end)

  it("says that its account may not use its subjects, and is in when it may", function()
    local function users(subjects)
      return ([[authorization { users = [ { user: "me", password: "pw",
        permissions: { publish: "%s", subscribe: "%s" } } ] }]]):format(subjects, subjects)
    end
    one = broker.start { config = users "pml.another.>" }
    game = parts.new(probe.files(SETTINGS, { ["config/pw"] = "pw\n", ["config/web.json"] =
      '{ "host": "127.0.0.1", "port": 0 }', ["web/index.html"] = "hello" }),
      { urls = { one.url }, user = "me", passwordFile = "config/pw", cluster = "mine" })
    local front = game:launch_with { "--only", "connector-1", "--web" }
    front:ready()
    front:says(" warn +pomelua the bus is not there: the broker refuses it: Permissions Violation "
      .. 'for [^;]* "pml%.mine%.[^;]*; its user in config/bus%.json must be allowed to publish and '
      .. "to subscribe pml%.mine%.>, or the cluster there has another name;")
    local port = assert(front.process.out:match("web page at http://[^:]+:(%d+)/"))
    local http = assert(net.connect(port))
    http:send("GET /health HTTP/1.0\r\n\r\n")
    http:waitClosed()
    assert.equal("down", cjson.decode((http:pending():match("\r\n\r\n(.*)$"))).bus)
    local _, out, err = tool.run("list", "-d", game.dir)
    assert.matches("the bus is not there", out .. err)
    local client = probe.of(front):client()
    local chat = game:start("chat-1")
    chat:says "the broker refuses it"
    one.opts.config = users "pml.mine.>"
    one:restart()
    until_is(client, UP, "chat", "ids", "chat-1")
    assert.is_nil(front.process.err:find("refuses.*refuses")) -- it was said once
    assert.is_nil(front.process.err:find("the bus is there", 1, true))
  end)

  it("is in by a credentials file, and not by one that another user's key has signed", function()
    one = broker.start { config = account.config }
    game = parts.new(probe.files(SETTINGS, { ["config/me.creds"] = account.creds() }),
      { urls = { one.url }, creds = "config/me.creds" })
    local front, chat = probe.of(game:start("connector-1")), game:start("chat-1")
    until_is(front:client(), UP, "chat", "ids", "chat-1")
    chat:stop()
    tree.write(game.dir, "config/me.creds", account.creds(account.wrong))
    game:start("chat-1"):says " warn +pomelua the bus is not there: .*does not accept the user"
  end)

  it("is out while its password is another at the broker, and in again by the old one", function()
    local function users(password)
      return ('authorization { users = [ { user: "me", password: "%s" } ] }'):format(password)
    end
    one = broker.start { config = users "pw" }
    game = parts.new(probe.files(SETTINGS, { ["config/pw"] = "pw\n" }),
      { urls = { one.url }, user = "me", passwordFile = "config/pw", heartbeat = 0.2, timeout = 1 })
    local front = game:start("connector-1")
    local client = probe.of(front):client()
    game:start("chat-1")
    until_is(client, UP, "chat", "ids", "chat-1")
    one.opts.config = users "another"
    one:restart()
    front:says " warn +pomelua the bus is not there: "
    assert.equal(500, client:request("chat.probe.run", { lua = WHO }).code)
    assert.equal(0, one:facts("connz").num_connections)
    assert.equal(true, client:run(nil, "return true")) -- its own server serves on
    one.opts.config = users "pw"
    one:restart()
    front:says " info +pomelua the bus is back "
    until_is(client, UP, "chat", "ids", "chat-1")
    -- The other process may be back a moment later.
    assert(net.wait(function()
      return client:request("chat.probe.run", { lua = WHO }).id == "chat-1"
    end, 20000), "chat-1 does not answer")
    front:stop { "chat%.probe%.run", "the bus is not there", "undeliverable" }
  end)

  -- A broker with the certificate `broker` of a folder, and the game's copy of it.
  local function secure(bus)
    local dir = tree.new {}
    certs.make(dir, "broker")
    certs.make(dir, "other")
    local function pem(name) return read(dir .. "/" .. name) end
    one = broker.start {
      files = { ["c.pem"] = pem "broker.crt", ["k.pem"] = pem "broker.key" }, scheme = "tls",
      config = 'tls { cert_file: "./c.pem", key_file: "./k.pem" }',
    }
    local given = { urls = { one.url }, ca = "config/ca.pem" }
    for key, value in pairs(bus or {}) do given[key] = value end
    game = parts.new(probe.files(SETTINGS, { ["config/ca.pem"] = pem "broker.crt",
      ["config/other.pem"] = pem "other.crt" }), given)
    tree.remove(dir)
  end

  it("speaks TLS to a broker whose certificate is good", function()
    secure()
    local front = probe.of(game:start("connector-1"))
    game:start("chat-1")
    until_is(front:client(), UP, "chat", "ids", "chat-1")
  end)

  it("does not speak to a broker whose certificate is another's", function()
    secure { ca = "config/other.pem" }
    game:start("chat-1"):says " warn +pomelua the bus is not there: .*certificate"
  end)

  it("does not speak in clear text to a broker that was to speak TLS", function()
    one = broker.start { scheme = "tls" }
    game = parts.new(probe.files(SETTINGS), { urls = { one.url } })
    game:start("chat-1"):says " warn +pomelua the bus is not there: .*offers no TLS"
    assert.equal(0, one:facts("connz").num_connections)
  end)
end)
