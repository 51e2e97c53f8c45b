-- One game that uses all of Pomelo's server model at once (spec/support/whole): it is checked,
-- started, played by clients of all kinds, reloaded while it is played, and stopped. What one part
-- does alone is in the specs of that part.
local app = require "spec.support.app"
local client = require "pomelua.client"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local read = require("spec.support.files").read
local support = require "spec.clients.support"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local HOME = "spec/support/whole"

-- The files of the game by path.
local function texts(folder, list)
  for _, name in ipairs(assert(files.list(HOME .. "/" .. folder))) do
    local path = folder == "." and name or folder .. "/" .. name
    if files.is_folder(HOME .. "/" .. path) then
      texts(path, list)
    else
      list[path] = read(HOME .. "/" .. path)
    end
  end
  return list
end

-- Runs a command of pomelua to its end.
local function run(...)
  local process = net.spawn(net.built("pomelua"), { ... })
  local status = process:waitExit(app.patience)
  return status, process.out .. process.err
end

describe("a game that uses everything", function()
  local game, server, ann, bob

  setup(function()
    game = texts(".", {})
    local base = tree.new(game)
    local status, out = run("dict", base)
    assert.equal(0, status, out)
    game["config/dictionary.lock.json"] = read(base .. "/config/dictionary.lock.json")
    assert.equal(0, (run("dict", base, "--check")))
    status, out = run("check", base)
    tree.remove(base)
    assert.equal(0, status, out)
    assert.matches("0 faults, 1 warning in ", out, 1, true) -- that buffer does what direct does
    server = app.start(game)
  end)

  teardown(function()
    if server then server:stop { "no such room", "boom in a filter" } end
  end)

  local function connect(number, transport, more)
    local options = more or {}
    options.port, options.transport = server.ports["connector-" .. number], transport
    options.deadline = app.patience
    return assert(client.connect(options))
  end

  local function enter(number, transport, name, team)
    local one = connect(number, transport)
    local answer = one:request("connector.entryHandler.enter",
      { name = name, team = team, area = "area-2" })
    assert.equal(200, answer.code)
    return one
  end

  local function asks(one, route, msg, expected)
    local answer, why = one:request(route, msg or {})
    assert.is_table(answer, why)
    for key, value in pairs(expected) do assert.same(value, answer[key], route .. " " .. key) end
    return answer
  end

  -- Asks until the answer is right.
  local function becomes(one, route, key, value)
    local last
    assert(net.wait(function()
      last = one:request(route, {})
      return last and last[key] == value
    end, app.patience), ("%s: %s is %s"):format(route, key, tostring(last and last[key])))
  end

  before_each(function()
    ann, bob = enter(1, "tcp", "ann", "red"), enter(2, "ws", "bob", "blue")
  end)

  after_each(function()
    ann:close()
    bob:close()
  end)

  local function all_join()
    for _, one in ipairs { ann, bob } do
      asks(one, "area.areaHandler.join", nil, { code = 200, server = "area-2", area = "area-2" })
      asks(one, "chat.chatHandler.join", nil, { code = 200, rooms = { "room" } })
    end
  end

  it("gives its clients dictionary, definitions and what its handshake says", function()
    local sys = ann.handshake.sys
    assert.same({ title = "the whole" }, ann.handshake.user)
    assert.equal(30, sys.heartbeat)
    assert.is_true(sys.useDict and sys.useProto)
    assert.equal(tonumber(game["config/dictionary.lock.json"]:match '"(%d+)": "onMove"'),
      sys.dict.onMove)
    assert.is_nil(sys.dict["connector.entryHandler.migrate"])
    assert.same({ "name", "x", "y" }, { sys.protos.server.onMove.__tags["1"],
      sys.protos.server.onMove.__tags["2"], sys.protos.server.onMove.__tags["3"] })
  end)

  it("refuses clients that the game calls too old", function()
    local old = pomelo.open(server.ports["connector-1"], "ws")
    assert.matches('"code":501', old:handshake '{"sys":{"type":"old-client","version":"1"}}')
    old:close()
  end)

  it("lets nobody pass its filters who has not entered", function()
    local stranger = connect(1, "ws")
    asks(stranger, "area.areaHandler.join", nil, { code = 401, text = "log in first" })
    stranger:close()
  end)

  it("pushes positions by protobuf, the latest of each player", function()
    all_join()
    local moves = asks(ann, "area.areaHandler.move", { x = 3, y = 4, path = { { x = 1, y = -2 } } },
      { code = 200 }).moves
    assert.same({ name = "ann", x = 3, y = 4, path = { { x = 1, y = -2 } } }, bob:expect("onMove"))
    asks(bob, "area.areaHandler.move", { x = 5, y = 6 }, { code = 200, moves = moves + 1 })
    assert(ann:expect("onMove", { name = "bob", x = 5, y = 6 }))
    asks(ann, "area.areaHandler.spark", { n = 3 }, { fails = 0 })
    assert.same({ n = 3 }, bob:expect("onSpark"))
    asks(ann, "area.areaHandler.wrong", nil,
      { text = 'msg.x: a number is needed, and this text is none (serverProtos, "onMove")' })
  end)

  it("changes messages and answers in filters, with definitions for both", function()
    all_join()
    asks(ann, "chat.chatHandler.send", { text = "darn it" }, { code = 200, filtered = 1 })
    assert.same({ from = "ann", text = "**** it", stamped = 1 }, bob:expect("onChat"))
    local answer = asks(bob, "chat.chatHandler.broken", nil, { code = 500 })
    assert.matches("chatHandler.lua:%d+: no such room$", answer.text)
  end)

  it("pushes to one connection, and to those whom a filter of broadcasts lets pass", function()
    asks(bob, "chat.chatHandler.mirror", { text = "hey" }, { code = 200 })
    assert.same({ from = "server", text = "hey", stamped = 0 }, bob:expect("onChat"))
    asks(bob, "chat.chatHandler.shout", { text = "reds", team = "red" }, { code = 200 })
    assert.same({ text = "reds", loud = true }, ann:expect("onShout"))
    assert.same({}, bob:pushed())
  end)

  it("calls remotes by routes, to all, past filters, with errors that keep their code", function()
    local answer = asks(bob, "chat.chatHandler.calls", nil, {
      all = { "area-1=area-1", "area-2=area-2" }, moved = "area-1", err_code = "NOMAP",
      gone_code = "NOENT",
    })
    assert.equal("area-2", answer.one.id) -- as the session says
    assert.same({ id = "area-2", what = "invoked", v = answer.one.v }, answer.invoked)
    assert.matches("no such map", answer.err, 1, true)
    assert.matches("^area%-8: ", answer.gone)
  end)

  it("knows its sessions on every server", function()
    asks(ann, "connector.entryHandler.who", nil,
      { n = 1, bound = 1, ip = "127.0.0.1", same = true })
    asks(ann, "chat.chatHandler.sessions", nil,
      { uid = "ann", n = 1, frontend = "connector-1", ip = "127.0.0.1" })
    local again = enter(1, "ws", "ann", "red") -- singleSession: the older one goes
    assert(ann:kicked())
    bob:request("chat.chatHandler.kick", { uid = "bob" }) -- which is closed before the answer
    assert.same({ reason = "bye" }, bob:kicked())
    again:close()
  end)

  it("has channels whose members leave by themselves", function()
    all_join()
    ann:close()
    assert.same({ user = "ann", reason = "closed" }, bob:expect("onLeave"))
    assert(bob:expect("onLeave", { user = "ann" })) -- of the room as well as of the map
    becomes(bob, "chat.chatHandler.crons", "gone", "ann") -- the connector has called the chat
    asks(bob, "chat.chatHandler.leave", nil, { n = 1 })
  end)

  it("runs crons of the file and of scripts", function()
    becomes(bob, "chat.chatHandler.crons", "cron", 1)
    asks(bob, "chat.chatHandler.crons", nil, { ids = { "1", "seconds" } })
  end)

  it("answers its operator, and writes its own log", function()
    local status, out = run("online", "room", "-d", server.dir)
    assert.equal(0, status, out)
    assert.matches('area%-1: {.*"clock":1', out)
    local _, count = out:gsub('"asked":"room"', "")
    assert.equal(5, count)
    local log = server.dir .. "/logs/pay.log"
    asks(ann, "chat.chatHandler.pay", { amount = 5 }, { code = 200 })
    assert(net.wait(function()
      return files.exists(log) and read(log):find("[pay] paid 5\n", 1, true)
    end, app.patience))
    assert(os.rename(log, log .. ".1"))
    server.process:kill "sigusr1"
    assert(net.wait(function() return files.exists(log) end, app.patience))
    asks(ann, "chat.chatHandler.pay", { amount = 6 }, { code = 200 })
    assert(net.wait(function() return read(log):find("[pay] paid 6\n", 1, true) end, app.patience))
    assert.is_nil(read(log):find("not seen", 1, true))
  end)

  local function play_as(kind)
    if support.missing(kind) then pending(support.missing(kind)) end
    local other = support.client(kind)
    other:tell { cmd = "connect", port = server.ports["connector-1"] }
    assert(other:expect("connected", nil, app.patience))
    assert.equal(200, other:request("connector.entryHandler.enter",
      { name = "cat", team = "green", area = "area-2" }).code)
    all_join()
    assert.equal("area-2", other:request("area.areaHandler.join", {}).server)
    assert.equal(200, other:request("area.areaHandler.move", { x = 9, y = 9 }).code)
    assert(bob:expect("onMove", { name = "cat", x = 9, y = 9 }))
    asks(bob, "area.areaHandler.move", { x = 1, y = 2, path = { { x = 3, y = -4 } } }, {})
    local pushed = assert(other:expect("push", { route = "onMove" })).body
    if pushed.name == "cat" then -- its own move
      pushed = assert(other:expect("push", { route = "onMove" })).body
    end
    assert.same({ "bob", 1, 2, { { x = 3, y = -4 } } },
      { pushed.name, pushed.x, pushed.y, pushed.path })
    other:finish()
    assert(bob:expect("onLeave", { user = "cat" }))
  end

  it("is played by the client of npm", function() play_as "npm" end)

  it("is played by the client of the examples' pages", function() play_as "ours" end)

  -- A file of each kind is changed, and all come into force while ann and bob play.
  local function change(path, from, to)
    local text, n = game[path]:gsub(from, to)
    assert(n > 0, path)
    tree.write(server.dir, path, text)
  end

  it("is reloaded while it is played, files of every kind", function()
    all_join()
    change("app/servers/chat/handler/chatHandler.lua", 'from = "server"', 'from = "new"')
    change("app/servers/area/remote/areaRemote.lua", "v = 1", "v = 2")
    change("app/servers/area/handler/areaHandler.lua", "  return Handler",
      "  function Handler:fresh() return { code = 200, moves = state.moves } end\n\n%0")
    change("app/filters/abuse.lua", "%*%*%*%*", "####")
    change("app/servers/chat/cron/chatCron.lua", '"cron", 1', '"cron", 2')
    change("config/crons.json", '"chat": %[', '%0{ "id": "more", "time": "0 0 0 * * *", '
      .. '"action": "chatCron.tick" },')
    change("app/components/clock.lua", "version = 1", "version = 2")
    change("app/routes.lua", 'session:get%("area"%)', '"area-1"')
    change("config/serverProtos.json", '"required string from": 1', '%0, "optional uInt32 n": 4')
    change("app/servers/area/lifecycle.lua", "steps: ", "new steps: ")
    change("app.lua", 'id = "seconds"', 'id = "secs"')
    local status, out = run("reload", server.dir)
    assert.equal(0, status, out)

    asks(bob, "chat.chatHandler.mirror", { text = "hey" }, { code = 200 })
    assert(bob:expect("onChat", { from = "new" }))
    asks(ann, "chat.chatHandler.send", { text = "darn it" }, { code = 200, filtered = 1 })
    assert(bob:expect("onChat", { text = "#### it" }))
    local answer = asks(bob, "chat.chatHandler.calls", nil, {})
    assert.same({ "area-1", 2, 2 }, { answer.one.id, answer.one.v, answer.invoked.v })
    asks(bob, "area.areaHandler.fresh", nil, { code = 200 }) -- a route without a number
    becomes(bob, "chat.chatHandler.crons", "cron", 2)
    asks(bob, "chat.chatHandler.crons", nil, { ids = { "1", "more", "secs" } })
    status, out = run("online", "-i", "chat-1", "-d", server.dir)
    assert.equal(0, status, out)
    assert.matches('"clock":2', out, 1, true)
    local new = connect(1, "ws")
    assert.equal("n", new.handshake.sys.protos.server.onChat.__tags["4"])
    assert.same(ann.handshake.sys.dict, new.handshake.sys.dict)
    new:close()
  end)

  it("goes on when a server is restarted", function()
    local status, out = run("restart", server.dir, "area-2")
    assert.equal(0, status, out)
    assert(net.wait(function()
      local answer = ann:request("area.areaHandler.join", {})
      return answer and answer.code == 200
    end, app.patience))
    status, out = run("online", "-i", "area-2", "-d", server.dir)
    assert.equal(0, status, out)
    assert.matches('"clock":', out, 1, true)
  end)

  it("stops in order, and its log has no warning that is not meant", function()
    server:terminate()
    server.process:waitExit(app.patience)
    local said = server.process.err
    for line in said:gmatch "[^\n]+" do
      if line:find "^%S+Z warn " then
        assert.is_truthy(line:find("buffer does the same as direct", 1, true)
          or line:find("open-file limit", 1, true) or line:find("runs as root", 1, true), line)
      end
    end
    for _, text in ipairs { "area%-1 %[generation 2%] new steps: before after all",
      "chat%-1 %[generation 2%] clock stopped, true",
      '%[con%-log%] {"route":"chat.chatHandler.send"',
      '%[rpc%-log%] {"route":"areaRemote.info"',
      '%[forward%-log%] {"route":"chat.chatHandler.send"' } do
      assert.matches(text, said)
    end
    -- What the framework asks other servers passes no filter.
    assert.is_nil(said:find('[rpc-log] {"route":"_', 1, true))
    server:stop { "no such room" }
    server = nil
  end)
end)

describe("a game that uses everything, in the test kit,", function()
  local ann

  before_each(function()
    ann = { uid = "ann", frontendId = "connector-1", settings = { area = "area-2" } }
  end)

  it("runs as a backend, with filters, definitions, crons and components", function()
    local chat = test.server { base = HOME, type = "chat" }
    assert.answers(chat, { code = 401 }, "chat.chatHandler.join", {}, {})
    assert.answers(chat, { rooms = { "room" } }, "chat.chatHandler.join", {}, ann)
    assert.answers(chat, { filtered = 1 }, "chat.chatHandler.send", { text = "darn" }, ann)
    assert.pushed(chat, "onChat", { to = { "ann" }, msg = { text = "****", stamped = 1 } })
    assert.has_error(function() chat:request("chat.chatHandler.send", { text = {} }, ann) end)
    assert.answers(chat, { uid = "ann", ip = "127.0.0.1" }, "chat.chatHandler.sessions", {}, ann)
    chat:tick(3000)
    assert.answers(chat, { cron = 1, ids = { "1", "seconds" } }, "chat.chatHandler.crons", {}, ann)
    assert.is_true(chat.app.components.clock.ticks >= 3000 / 50 - 1)
    chat:disconnect(ann)
    assert.is_nil(chat.app:get("channelService"):getChannel("room"))
    assert.is_true(chat:stop())
  end)

  it("runs as a frontend, with global filters, a plugin and the dictionary", function()
    local front = test.server { base = HOME, type = "connector" }
    local player = {}
    assert.answers(front, { code = 401 }, "area.areaHandler.join", {}, player)
    assert.answers(front, { code = 200 }, "connector.entryHandler.enter",
      { name = "ann", area = "area-1" }, player)
    assert.answers(front, { n = 1, bound = 1, visitors = 1 }, "connector.entryHandler.who", {},
      player)
    front:request("area.areaHandler.move", { x = 1, y = 2 }, player)
    assert.same({ "area-1", "area.areaHandler.move" },
      (function(call) return { call.to, call.route } end)(front:calls()[1]))
    front:disconnect(player)
    assert.equal("chatRemote.bye", front:calls()[1].name)
  end)
end)
