-- Bans of a running program, over real sockets: by the tools, by scripts of any server, and by
-- hand. Tests cli/bans.lua and ops/ban_desk.lua.
local app = require "spec.support.app"
local cjson = require "cjson"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tools = require "spec.support.tool"
local tree = require "spec.support.tree"

local ENTRY = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  function Handler:enter(msg, session, next)
    session:on("closed", function(gone, reason)
      pomelua.log.info("closed " .. tostring(gone.uid) .. ": " .. tostring(reason))
    end)
    session:bind(msg.uid, function(err)
      pomelua.log.info("bind " .. msg.uid .. ": " .. (err and err.message or "done"))
      next(nil, { code = err and 500 or 200 })
    end)
  end
  return Handler
end
]]
local CHAT = [[
return function(app)
  local Handler = {}
  function Handler:ban(msg) return { code = app:ban(msg.uid, msg.opts) and 200 or 500 } end
  function Handler:unban(msg)
    local ok, err = app:unban(msg.uid)
    return { code = ok and 200 or 500, err = err and err.code }
  end
  function Handler:bans() return { code = 200, bans = app:bans() } end
  return Handler
end
]]
local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true, trustedProxies = { "127.0.0.1" },
  handshake = function(msg, cb, session)
  local uid = type(msg.user) == "table" and msg.user.uid
  if not uid then return cb(nil) end
  session:bind(uid, function(err) cb(err and err.message, { code = 200 }) end)
end })
app:set("serverConfig", { reload = false })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]],
  ["app/servers/connector/handler/entryHandler.lua"] = ENTRY,
  ["app/servers/chat/handler/chatHandler.lua"] = CHAT,
}

local run, tool, hello = tools.start, tools.run, tools.hello

describe("bans of a running program", function()
  local server
  lazy_setup(function() server = app.start(FILES) end)
  lazy_teardown(function() server:stop() end)

  local function pomelua(name, ...) return tool(name, server.dir, ...) end
  local function enter(uid, n, transport)
    local client = pomelo.connect(server.ports["connector-" .. (n or 1)], transport)
    return client, client:request("connector.entryHandler.enter", { uid = uid })
  end
  local function ask(method, msg)
    local client = pomelo.connect(server.ports["connector-2"])
    local answer = client:request("chat.chatHandler." .. method, msg or {})
    client:close()
    return answer
  end

  after_each(pomelo.closeAll) -- a connection that ends waits for its client

  it("end a user's sessions on all frontends, with the reason, and let none in", function()
    local one, two = enter("ann", 1, "ws"), enter("ann", 2)
    local _, answer = enter("bob", 2)
    assert.equal(200, answer.code)
    local code, out = pomelua("ban", "ann", "--for", "24h", "--reason", "spam")
    assert.equal(0, code)
    assert.matches('^the uid "ann" is banned until %d+%-%d+%-%d+T%d+:%d+:%d+Z %(1 d left%), '
      .. "reason: spam; 2 sessions ended\n$", out)
    for _, client in ipairs { one, two } do
      assert.equal('{"reason":"spam"}', (assert(client:kicked())))
    end
    assert(server.process:waitErr("connector%-1 closed ann: banned\n"))
    local third = pomelo.connect(server.ports["connector-1"])
    third:ask("connector.entryHandler.enter", { uid = "ann" })
    assert.equal('{"reason":"spam"}', (assert(third:kicked())))
    assert(server.process:waitErr('bind ann: bind: the uid "ann" is banned until [^\n]*, '
      .. "reason: spam\n"))
    _, answer = enter("bobby")
    assert.equal(200, answer.code)
    code, out = pomelua("unban", "ann")
    assert.same({ 0, 'the uid "ann" is not banned any more\n' }, { code, out })
    _, answer = enter("ann")
    assert.equal(200, answer.code)
  end)

  it("are no kick, which ends a user's sessions and lets new ones in", function()
    local one, two, other = enter("ann", 1, "ws"), enter("ann", 2), enter("bob", 2)
    local code, out = pomelua("kick", "ann", "--reason", "move over")
    assert.same({ 0, 'the uid "ann": 2 sessions ended\n' }, { code, out })
    for _, client in ipairs { one, two } do
      assert.equal('{"reason":"move over"}', (assert(client:kicked())))
    end
    assert(server.process:waitErr('info +pomelua kick of the uid "ann", asked for by user %d+, '
      .. "process %d+\n"))
    assert(server.process:waitErr('pomelua kick of the uid "ann": 2 sessions ended\n'))
    assert.equal(200, other:request("connector.entryHandler.enter", { uid = "bob" }).code)
    assert.equal(200, select(2, enter("ann")).code)
    local answers
    code, answers = pomelua("kick", "--json", "ann")
    assert.equal(0, code)
    assert.matches('^{[^\n]*"sessions":1[^\n]*}\n{[^\n]*"done":true[^\n]*}\n$', answers)
    code, out = pomelua("kick", "nobody")
    assert.same({ 0, 'the uid "nobody": 0 sessions ended\n' }, { code, out })
    for words, message in pairs {
      [{ "a", "b" }] = "give one uid", [{}] = "give one uid",
      [{ "a", "--reason", "\1" }] = "%-%-reason: a reason is a text",
    } do
      local _, err
      code, _, err = pomelua("kick", unpack(words))
      assert.equal(2, code)
      assert.matches("^pomelua: kick: " .. message, err)
    end
  end)

  it("of an address end its clients, and refuse the next at the handshake", function()
    local one, two = enter("ann", 1), enter("bob", 2, "ws")
    local code, out = pomelua("ban", "127.0.0.0/8", "--reason", "a \"flood\"")
    assert.equal(0, code)
    assert.equal('the address 127.0.0.0/8 is banned until it is taken off, reason: a "flood"; '
      .. "2 sessions ended\n", out)
    assert.equal('{"reason":"a \\"flood\\""}', (assert(one:kicked())))
    assert.equal('{"reason":"a \\"flood\\""}', (assert(two:kicked())))
    for _, transport in ipairs(pomelo.transports) do
      assert.same({ code = 403, reason = 'a "flood"' }, hello(server.ports["connector-1"],
        transport))
    end
    pomelo.closeAll()
    assert.equal(0, (pomelua("restart", "connector-1"))) -- and by one that comes later
    server.ports["connector-1"] = assert(net.wait(function()
      local list = {}
      for port in server.process.out:gmatch("connector%-1 listening on [^\n]-:(%d+)\n") do
        list[#list + 1] = tonumber(port)
      end
      return list[2]
    end))
    assert.equal(403, hello(server.ports["connector-1"]).code)
    assert.equal(0, (pomelua("unban", "127.0.0.0/8")))
    assert.equal(200, hello(server.ports["connector-1"]).code)
  end)

  it("mean the address that a trusted proxy tells", function()
    local function through(ip) return ("PROXY TCP4 %s 127.0.0.1 5555 443\r\n"):format(ip) end
    local port = server.ports["connector-2"]
    local client = assert(pomelo.open(port))
    client.conn:send(through "203.0.113.9")
    assert(client:handshake())
    client:ack()
    client:request("connector.entryHandler.enter", { uid = "zoe" })
    local _, out = pomelua("ban", "203.0.113.0/24", "--reason", "x")
    assert.matches("; 1 session ended\n", out, 1, true)
    assert.equal('{"reason":"x"}', (assert(client:kicked())))
    assert.same({ code = 403, reason = "x" }, hello(port, "tcp", nil, through "203.0.113.77"))
    assert.equal(200, hello(port, "tcp", nil, through "203.0.114.1").code)
    assert.equal(200, hello(port).code)
    assert.equal(0, (pomelua("unban", "203.0.113.0/24")))
  end)

  it("of a uid that is bound in the handshake refuse it", function()
    assert.equal(0, (pomelua("ban", "eve", "--reason", "x")))
    for _, transport in ipairs(pomelo.transports) do
      assert.same({ code = 403, reason = "x" }, hello(server.ports["connector-2"], transport,
        { uid = "eve" }))
    end
    assert.equal(0, (pomelua("unban", "eve")))
    assert.equal(200, hello(server.ports["connector-2"], "tcp", { uid = "eve" }).code)
  end)

  it("are made by scripts of any server, and in force when they answer", function()
    local one = enter("7", 1)
    assert.equal(200, ask("ban", { uid = 7, opts = { reason = "x" } }).code)
    assert.equal('{"reason":"x"}', (assert(one:kicked())))
    local bans = ask("bans").bans
    assert.equal(1, #bans)
    assert.same({ "7", "x" }, { bans[1].uid, bans[1].reason })
    assert.equal(200, ask("unban", { uid = "7" }).code)
    assert.same({ code = 500, err = "NOENT" }, ask("unban", { uid = "7" }))
  end)

  it("end by themselves, and leave the file then", function()
    assert.equal(0, (pomelua("ban", "--uid", "10.0.0.1", "--for", "1s")))
    local _, out = pomelua("bans")
    assert.matches("^uid      10.0.0.1 +until [^\n]* %(%d s left%)\n$", out)
    assert(server.process:waitErr('the ban of the uid "10.0.0.1" is over\n'))
    assert.equal("nobody is banned\n", (select(2, pomelua("bans"))))
    local text = files.read(server.dir .. "/.pomelua/bans.json")
    assert.is_nil(text:find("10.0.0.1", 1, true))
    assert.matches('"uid": "eve", "lifted": ', text, 1, true) -- taken off before
  end)

  it("are read again by a reload; a broken file is refused, and stays", function()
    local path, one = server.dir .. "/.pomelua/bans.json", enter("joe")
    tree.write(server.dir, ".pomelua/bans.json", '{"bans": [{"uid": "joe"}]}')
    local code, out = pomelua("reload")
    assert.equal(0, code)
    assert.matches("bans.json: read again, 1 new or other bans, 0 gone; 1 session ended\n", out, 1,
      true)
    assert.equal('{"reason":"banned"}', (assert(one:kicked())))
    tree.write(server.dir, ".pomelua/bans.json", '{"bans": [\n{"uid": ""}]}')
    local err
    code, out, err = pomelua("reload")
    assert.equal(1, code)
    assert.matches("bans.json:2: bans[0].uid: a uid is a text or a number", out, 1, true)
    assert.equal("pomelua: stopped at the bans\n", err)
    code, out, err = pomelua("ban", "carl")
    assert.same({ 1, "" }, { code, out })
    assert.matches("bans.json:2: bans[0].uid: ", err, 1, true)
    assert.equal('{"bans": [\n{"uid": ""}]}', (files.read(path)))
    assert.matches("uid      joe ", select(2, pomelua("bans"))) -- what was in force is
    tree.write(server.dir, ".pomelua/bans.json", '{"bans": []}')
    assert.equal(0, (pomelua("reload")))
  end)

  it("of two tools at the same time are both kept", function()
    local a, b = run { "ban", "a", "-d", server.dir }, run { "ban", "b", "-d", server.dir }
    assert.same({ 0, 0 }, { a:waitExit(app.patience), (b:waitExit(app.patience)) })
    local _, out = pomelua("bans", "--json")
    local found = {}
    for line in out:gmatch("[^\n]+") do found[cjson.decode(line).uid] = true end
    assert.same({ a = true, b = true }, found)
    assert.equal(0, (pomelua("unban", "a")))
    assert.equal(0, (pomelua("unban", "b")))
  end)

  it("answer 1 for what is not banned, and 2 for a wrong command line", function()
    local code, _, err = pomelua("unban", "nobody")
    assert.same({ 1, 'pomelua: the uid "nobody" is not banned\n' }, { code, err })
    for _, row in ipairs {
      { { "ban" }, "ban: give a uid or an address" },
      { { "ban", "ann", "--for", "soon" }, "ban: --for must be a time as 90s, 15m, 24h" },
      { { "ban", "ann", "--reason", "a\nb" }, "ban: --reason: a reason is a text" },
      { { "ban", "10.0.0.1/8" }, "ban: '10.0.0.1/8' has bits behind its prefix" },
      { { "ban", "0.0.0.0/0" }, "ban: 0.0.0.0/0 is everybody" },
      { { "ban", ".", "a", "b" }, "ban: give one uid or address" },
      { { "unban", "ann", "--for", "1h" }, "unban: unknown option --for" },
      { { "bans", "a", "b" }, "bans: give one folder" },
    } do
      local status, _, told = tool(unpack(row[1]))
      assert.equal(2, status)
      assert.matches(row[2], told, 1, true)
    end
    for _, name in ipairs { "ban", "unban", "bans" } do
      local out
      code, out = tool(name, "--help")
      assert.equal(0, code)
      assert.matches("^Usage: pomelua " .. name .. " %[DIR%]", out)
    end
  end)
end)
