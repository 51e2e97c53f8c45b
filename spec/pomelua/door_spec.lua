-- Who may come in: the lists of connectorConfig and of scripts, blacklistFun, and what the
-- handshake function is told of a client. Tests session/door.lua, session/connection_service.lua
-- and message/client_facts.lua.
local client_facts = require "pomelua.message.client_facts"
local settings = require "pomelua.app.settings"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local servers = '{"connector":[{"id":"connector-1","host":"127.0.0.1","clientPort":0,'
  .. '"frontend":true}]}'

local bases = {}

-- A frontend of the test kit whose connectorConfig is this text.
local function frontend(config, files)
  local all = {
    ["config/servers.json"] = servers,
    ["app.lua"] = [[
      local pomelua = require "pomelua"
      local app = pomelua.createApp()
      app:set("connectorConfig", { ]] .. config .. [[ })
      app:start()
    ]],
    ["app/servers/connector/handler/entryHandler.lua"] = [[
      return { here = function() return { code = 200 } end }
    ]],
  }
  for path, text in pairs(files or {}) do all[path] = text end
  local base = tree.new(all)
  bases[#bases + 1] = base
  return test.server { base = base, type = "connector" }
end

local function remove()
  for _, base in ipairs(bases) do tree.remove(base) end
  bases = {}
end

describe("a list of addresses", function()
  local server

  after_each(function()
    server:close()
    remove()
  end)

  local function joins(ip)
    local session = { address = { ip = ip, port = 5 } }
    server:request("connector.entryHandler.here", {}, session)
    return session
  end

  local function is_there(session) return server.node:address(session.id) ~= nil end

  it("ends the sessions of an address that is denied later", function()
    server = frontend ""
    local one, other = joins "10.1.2.3", joins "2001:db8::1"
    local service = server.app:get("connectionService")
    assert.same({}, service:getDeny())
    service:setDeny { "10.0.0.0/8" }
    server:settle()
    assert.same({ "10.0.0.0/8" }, service:getDeny())
    assert.is_false(is_there(one))
    assert.is_true(is_there(other))
    assert.same({ { sid = one.id } }, server:kicked())
    service:setDeny(nil)
    assert.same({}, service:getDeny())
  end)

  it("may be as long as a file can be", function()
    local list = {}
    for i = 0, 9999 do list[i + 1] = ("10.0.%d.%d"):format(i / 250, i % 250) end
    server = frontend('deny = "config/deny.json"',
      { ["config/deny.json"] = '["' .. table.concat(list, '","') .. '"]' })
    local service = server.app:get("connectionService")
    assert.same(list, service:getDeny())
    service:setDeny(nil)
    local one, other = joins "10.0.39.249", joins "10.0.40.0"
    service:setDeny(list)
    server:settle()
    assert.is_false(is_there(one))
    assert.is_true(is_there(other))
  end)

  it("of those that are allowed ends all others", function()
    server = frontend ""
    local one, other = joins "10.1.2.3", joins "2001:db8::1"
    local service = server.app:get("connectionService")
    assert.is_nil(service:getAllow())
    service:setAllow { "10.1.2.3" }
    server:settle()
    assert.same({ "10.1.2.3" }, service:getAllow())
    assert.is_true(is_there(one))
    assert.is_false(is_there(other))
    service:setAllow {} -- nobody
    server:settle()
    assert.is_false(is_there(one))
  end)

  it("raises at the line of the game when it is wrong", function()
    server = frontend ""
    local service = server.app:get("connectionService")
    local ok, message = pcall(service.setDeny, service, { "10.0.0.1/8" })
    assert.is_false(ok)
    assert.matches("connectionService:setDeny%(list%): '10.0.0.1/8' has bits behind its prefix",
      tostring(message))
    assert.same({}, service:getDeny())
  end)

  it("may be in a file, which is read again when it changes", function()
    server = frontend('deny = "config/deny.json"', { ["config/deny.json"] = '["10.0.0.0/8"]' })
    local service = server.app:get("connectionService")
    assert.same({ "10.0.0.0/8" }, service:getDeny())
    local one = joins "192.168.1.1"
    tree.write(bases[1], "config/deny.json", '["192.168.0.0/16", "::1"]')
    server:reload()
    assert.same({ "192.168.0.0/16", "::1" }, service:getDeny())
    assert.is_false(is_there(one))
    tree.write(bases[1], "config/deny.json", '["192.168.*"]')
    server:reload()
    assert.same({ "192.168.0.0/16", "::1" }, service:getDeny())
  end)

  it("in a file that is wrong ends the start", function()
    server = frontend ""
    for text, message in pairs {
      ['["10.0.0.1/8"]'] = "connectorConfig.deny: config/deny.json: '10.0.0.1/8' has bits",
      ["[1]"] = "connectorConfig.deny: config/deny.json: must be a list of addresses",
      ["{"] = "connectorConfig.deny: config/deny.json:1: ",
    } do
      local ok, err = pcall(frontend, 'deny = "config/deny.json"', { ["config/deny.json"] = text })
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
    local _, err = pcall(frontend, 'allow = "config/allow.json"')
    assert.matches("connectorConfig.allow: config/allow.json: there is no such file", err)
  end)
end)

describe("blacklistFun", function()
  local server

  after_each(function()
    server:close()
    remove()
  end)

  it("is asked when the server listens, and again every ten seconds", function()
    server = frontend [[useHostFilter = true, blacklistFun = function(cb)
      local times = (app:get("times") or 0) + 1
      app:set("times", times)
      cb(nil, times == 1 and { "10.0.0.0/8" } or { "1.2.3.4", "192\\.168\\..*" })
    end]]
    local session = { address = { ip = "1.2.3.4", port = 5 } }
    server:request("connector.entryHandler.here", {}, session)
    assert.is_not_nil(server.node:address(session.id))
    server:tick(10000)
    assert.is_nil(server.node:address(session.id))
    local told
    for _, line in ipairs(server:log()) do
      told = told or line.text:find("takes no regular expressions, write a network", 1, true)
    end
    assert.truthy(told)
    assert.same({}, server.app:get("connectionService"):getDeny())
  end)

  it("that fails leaves its last list in force", function()
    server = frontend [[useHostFilter = true, blacklistFun = function(cb)
      if not app:get("called") then
        app:set("called", true)
        return { "10.0.0.0/8" }
      end
      cb("no database")
    end]]
    server:tick(10000)
    local session = { address = { ip = "10.2.3.4", port = 5 } }
    server:request("connector.entryHandler.here", {}, session)
    server.app:get("connectionService"):setDeny {} -- all sessions are asked again
    server:settle()
    assert.is_nil(server.node:address(session.id))
  end)

  it("does nothing without useHostFilter, and a warning says so", function()
    server = frontend ""
    local read = assert(settings.read({ connectorConfig = { blacklistFun = print } }, {}))
    assert.same({ "connectorConfig.blacklistFun: it does nothing without useHostFilter = true" },
      read.warnings)
    assert.is_nil(read.blacklist_fun)
  end)
end)

describe("connectorConfig.perAddress", function()
  it("is numbers of the node", function()
    local read = assert(settings.read({ connectorConfig = { perAddress = { connections = 9,
      loopback = true } } }, {}))
    assert.same({ addressConnections = 9, addressLoopback = 1 }, read.numbers)
    read = assert(settings.read({ connectorConfig = { perAddress = { perSecond = false } } }, {}))
    assert.same({ addressPerSecond = 0 }, read.numbers)
    read = assert(settings.read({ connectorConfig = { perAddress = false } }, {}))
    assert.same({ addressConnections = 0, addressPerSecond = 0, addressHandshakes = 0,
      addressLoopback = 0 }, read.numbers)
  end)

  for key, row in pairs {
    perAddress = { 5, "connectorConfig.perAddress: must be a table or false, got 5" },
    connection = { { connection = 5 }, "connectorConfig.perAddress: connection: there is no such "
      .. "key; did you mean connections?" },
    perSecond = { { perSecond = -1 }, "connectorConfig.perAddress: perSecond must be a whole "
      .. "number from 0 to 1000000, got -1" },
    loopback = { { loopback = 1 }, "connectorConfig.perAddress: loopback must be true or false, "
      .. "got 1" },
  } do
    it("is refused with a wrong " .. key, function()
      local read, message = settings.read({ connectorConfig = { perAddress = row[1] } }, {})
      assert.is_nil(read)
      assert.equal(row[2], message)
    end)
  end
end)

describe("the fourth argument of the handshake function", function()
  local server

  after_each(function()
    server:close()
    remove()
  end)

  it("is the address, the headers and the cookies", function()
    server = frontend [[handshake = function(msg, cb, session, client)
      cb(nil, { client = client })
    end]]
    local answer = server:handshake({ user = 1 }, {
      address = { ip = "2001:db8::1", port = 77 },
      headers = { ["User-Agent"] = "a  b ", Cookie = 'id=5; name = "x y";id=6;a=b=c; bad; =d' },
    })
    assert.equal(200, answer.code)
    assert.same({
      ip = "2001:db8::1", port = 77, tls = false,
      headers = { ["user-agent"] = "a  b", cookie = 'id=5; name = "x y";id=6;a=b=c; bad; =d' },
      cookies = { id = "5", name = "x y", a = "b=c" },
    }, answer.user.client)
  end)

  it("has no headers for a client of TCP", function()
    server = frontend [[handshake = function(...)
      return { client = (select(4, ...)) }
    end]]
    assert.same({ ip = "127.0.0.1", port = 1, tls = false, headers = {}, cookies = {} },
      server:handshake().user.client)
  end)

  it("is made for functions that take it alone", function()
    server = frontend [[handshake = function(msg, cb, session) cb(nil, { n = 1 }) end]]
    assert.same({ n = 1 }, server:handshake().user)
    assert.is_false(client_facts.wanted(function(_, _, _) end))
    assert.is_true(client_facts.wanted(function(_, _, _, _) end))
    assert.is_true(client_facts.wanted(function(...) return ... end))
    assert.is_false(client_facts.wanted(nil))
  end)

  it("joins headers of one name, and leaves out those behind 8 KiB", function()
    server = frontend ""
    local lines = { "GET / HTTP/1.1", "A: 1", "a: 2", "Cookie: x=1", "cookie: y=2", "__index: z" }
    for i = 1, 40 do lines[#lines + 1] = ("H%d: %s"):format(i, ("v"):rep(300)) end
    local sid = server.node:openSession("10.0.0.1", 3, table.concat(lines, "\r\n") .. "\r\n\r\n")
    local facts = client_facts.of(server.inner, sid)
    assert.equal("1, 2", facts.headers.a)
    assert.same({ x = "1", y = "2" }, facts.cookies)
    assert.equal("z", facts.headers.__index)
    assert.is_not_nil(facts.headers.h20)
    assert.is_nil(facts.headers.h30)
  end)

  it("is refused by the function as before", function()
    server = frontend [[handshake = function(_, cb, _, client)
      if client.ip == "10.0.0.1" then return cb("no") end
      cb(nil)
    end]]
    local session = { address = { ip = "10.0.0.1", port = 1 } }
    assert.same({ code = 500 }, server:handshake(nil, session))
    assert.same({ code = 200, sys = {} }, server:handshake())
  end)
end)
