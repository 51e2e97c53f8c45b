-- `pomelua start` as a shell sees it: lines, exit status, signals, files.
-- Tests cli/init.lua, boot.lua and init.lua.

local cjson = require "cjson"
local core = require "pomelua.core"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true })
end)
app:start()
]]

local ENTRY = [[
return function(app)
  local Handler = {}
  function Handler:echo(msg) return { code = 200, content = msg.content } end
  function Handler:exit() os.exit(3) end
  return Handler
end
]]

local SERVERS = [[
{
  "development": {
    "connector": [
      {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}
    ],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
  },
  "production": {
    "gate": [{"id": "gate-1", "host": "127.0.0.1"}]
  }
}
]]

local folders = {}

-- An app's folder; `files` are added to, or take the place of, a small good app's.
local function app(files)
  local all = {
    ["app.lua"] = APP,
    ["config/servers.json"] = SERVERS,
    ["app/servers/connector/handler/entryHandler.lua"] = ENTRY,
  }
  for path, text in pairs(files or {}) do all[path] = text or nil end
  local base = tree.new(all)
  folders[#folders + 1] = base
  return base
end

local function program(args, env)
  return net.spawn(net.built("pomelua"), args, { env = env })
end

local function start(base, ...)
  return program { "start", base, "--log-level", "error", ... }
end

-- Runs it to its end.
local function run(args, env)
  local p = program(args, env)
  local code = assert(p:waitExit(20000))
  return { code = code, out = p.out, err = p.err }
end

-- Starts an app that must not come up: its one line on stderr.
local function failure_with(status, base, ...)
  local p = start(base, ...)
  local code = assert(p:waitExit(20000))
  assert.are.equal(status, code, p.err)
  assert.is_nil(p.out:find("ready", 1, true))
  assert.is_truthy(p.err:match("^[^\n]*\n$"), "not one line: " .. p.err)
  return (p.err:match("^pomelua: (.*)\n$"):gsub(base:gsub("%p", "%%%0"), "BASE"))
end

-- Because its files are wrong, or because of something that another start may find better.
local function failure(...) return failure_with(78, ...) end
local function mishap(...) return failure_with(1, ...) end

local function up(base, ...)
  local p = program { "start", base, ... }
  assert(p:waitLine("^ready$", 20000))
  return p, p.out:match("listening on 127%.0%.0%.1:(%d+)\n")
end

-- The next package from the server: type, body.
local function package(client)
  local head = assert(client:receive(4))
  local a, b, c = head:byte(2, 4)
  local n = (a * 256 + b) * 256 + c
  return head:byte(1), n > 0 and assert(client:receive(n)) or ""
end

local function connected(port)
  local client = assert(net.connect(port))
  client:send(core.write_package(1, '{"sys":{"type":"spec","version":"1"}}'))
  assert.are.equal(1, (package(client)))
  client:send(core.write_package(2, ""))
  return client
end

local function request(client, id, route, body)
  client:send(core.write_package(4, core.write_message {
    type = 0, id = id, route = route, body = body,
  }))
end

after_each(function()
  net.closeAll()
  for _, base in ipairs(folders) do tree.remove(base) end
  folders = {}
end)

describe("pomelua", function()
  it("tells its commands and options with --help", function()
    local got = run { "--help" }
    assert.are.equal(0, got.code)
    assert.is_truthy(got.out:find("Usage: pomelua COMMAND [options]", 1, true))
    assert.is_truthy(got.out:find("\n  start ", 1, true))
    assert.are.equal("", got.err)
  end)

  it("tells what a command takes with COMMAND --help, for each command", function()
    local groups = run({ "--help" }).out:match("^.-\n\n(.-)\npomelua help COMMAND")
    local seen = {}
    for name in ("\n" .. groups):gmatch("\n  (%l+)") do
      seen[name] = true
      local got = run { name, "--help" }
      assert.are.equal(0, got.code, name)
      assert.is_truthy(got.out:find("Usage: pomelua " .. name, 1, true), got.out)
      assert.are.equal("", got.err)
      assert.are.equal(got.out, run({ "help", name }).out)
    end
    assert.is_true(seen.start)
    local start_help = run({ "start", "--help" }).out
    for _, option in ipairs { "--env", "--bus", "--only", "--type", "--web", "--log-level",
      "--log-json", "-h, --help" } do
      assert.is_truthy(start_help:find("\n  " .. option, 1, true), option)
    end
  end)

  it("prints one line with --version", function()
    local got = run { "--version" }
    assert.are.equal(0, got.code)
    assert.is_truthy(got.out:match("^pomelua %d+%.%d+%.%d+[%w.%-]*\n$"))
  end)

  it("answers a wrong command line with one line and status 2", function()
    for _, args in ipairs {
      { "--bogus" }, { "fly" }, { "start", "--bogus" }, { "start", "--env" }, { "start", "a", "b" },
      { "start", "--log-level", "loud" }, { "start", "--log-json=yes" },
    } do
      local got = run(args)
      assert.are.equal(2, got.code, table.concat(args, " "))
      assert.is_truthy(got.err:match("^pomelua: [^\n]+\n$"), got.err)
      assert.are.equal("", got.out)
    end
  end)

  it("prints the help on stderr when nothing is asked of it", function()
    local got = run {}
    assert.are.equal(2, got.code)
    assert.is_truthy(got.err:find("Usage:", 1, true))
  end)
end)

describe("pomelua start", function()
  it("prints a line per listener, and ready when all servers are up", function()
    local p = up(app())
    assert.is_truthy(p.out:match("^connector%-1 listening on 127%.0%.0%.1:%d+\nready\n$"), p.out)
  end)

  it("puts an address of IPv6 in brackets, as addresses with a port have it", function()
    local p = up(app { ["config/servers.json"] = (SERVERS:gsub("127%.0%.0%.1", "::1")) })
    assert.is_truthy(p.out:match("^connector%-1 listening on %[::1%]:%d+\nready\n$"), p.out)
  end)

  it("names each server's thread after it", function()
    local p = up(app())
    local pipe = io.popen(("cat /proc/%d/task/*/comm"):format(p.pid))
    local names = pipe:read("*a")
    pipe:close()
    assert.is_truthy(names:find("connector-1\n", 1, true), names)
    assert.is_truthy(names:find("chat-1\n", 1, true), names)
  end)

  it("answers clients as soon as it is ready", function()
    local _, port = up(app())
    local client = connected(port)
    request(client, 5, "connector.entryHandler.echo", '{"content":"hi"}')
    local kind, body = package(client)
    local message = core.read_message(body)
    assert.are.equal(4, kind)
    assert.are.equal(5, message.id)
    assert.are.same({ code = 200, content = "hi" }, cjson.decode(message.body))
  end)

  it("takes the environment from --env, or from NODE_ENV", function()
    local base = app()
    local p = up(base, "--env", "production")
    assert.are.equal("ready\n", p.out)
    p = program({ "start", base }, { NODE_ENV = "production" })
    assert(p:waitLine("^ready$"))
    assert.are.equal("ready\n", p.out)
  end)

  it("runs only the servers of --only", function()
    local p = up(app(), "--only", "chat-1")
    assert.are.equal("ready\n", p.out)
  end)

  it("writes the log as one JSON object per line with --log-json", function()
    local base = app {
      ["app.lua"] = APP .. 'print("say \\"hi\\"\\n\\1\\t", 1, nil)\n',
    }
    local p = up(base, "--log-json")
    p:kill("sigterm")
    assert.are.equal(0, p:waitExit())
    local seen = 0
    for line in p.err:gmatch("([^\n]*)\n") do
      local entry = cjson.decode(line)
      assert.are.equal("string", type(entry.time))
      assert.is_truthy(({ debug = 1, info = 1, warn = 1, error = 1 })[entry.level])
      assert.are.equal("string", type(entry.server))
      if entry.msg == 'say "hi"\n\1\t\t1\tnil' then seen = seen + 1 end
    end
    assert.are.equal(2, seen) -- one by each server
  end)

  it("leaves out of the log what is below --log-level", function()
    local p = start(app { ["app.lua"] = APP .. 'print("quiet")\n' })
    assert(p:waitLine("^ready$"))
    p:kill("sigterm")
    assert.are.equal(0, p:waitExit())
    assert.are.equal("", p.err)
  end)
end)

describe("an app that cannot start ends with one line and a status that says why:", function()
  it("no such folder", function()
    local p = program { "start", "/nonexistent/app" }
    assert.are.equal(78, (p:waitExit()))
    assert.are.equal("pomelua: /nonexistent/app: there is no such folder\n", p.err)
  end)

  it("a folder without app.lua", function()
    assert.are.equal("BASE: there is no app.lua in this folder",
      failure(app { ["app.lua"] = false }))
  end)

  it("no servers.json", function()
    assert.are.equal("config/servers.json: there is no such file in BASE",
      failure(app { ["config/servers.json"] = false }))
  end)

  it("a config file that is not JSON, with the line", function()
    local line = failure(app {
      ["config/servers.json"] = '{\n  "development": {\n    chat\n  }\n}\n',
    })
    assert.is_truthy(line:match("^config/servers%.json:3: .+"), line)
  end)

  it("a wrong value in a config file, with its key", function()
    local line = failure(app { ["config/servers.json"] =
      '{"development": {"connector": [{"id": "c", "frontend": true, "clientPort": 70000}]}}' })
    assert.is_truthy(line:find("config/servers.json: development.connector[0].clientPort", 1, true),
      line)
    assert.is_truthy(line:find("70000", 1, true), line)
  end)

  it("an environment that the file does not have", function()
    local line = failure(app(), "--env", "staging")
    assert.are.equal('config/servers.json: no environment "staging" '
      .. "(there are: development, production)", line)
  end)

  it("a server of --only that the file does not have", function()
    assert.are.equal('--only: config/servers.json has no server "chat-9"; did you mean chat-1?',
      failure(app(), "--only", "chat-1,chat-9"))
  end)

  it("a wrong setting", function()
    local line = failure(app { ["app.lua"] = APP:gsub("distinctHost = true", 'heartbeat = "3"') })
    local wrong = 'connector-1: app.lua:4: connectorConfig.heartbeat: must be a whole number, '
      .. 'got "3"'
    assert.are.equal(wrong, line)
  end)

  it("a port in use", function()
    local _, port = up(app())
    local line = mishap(app { ["config/servers.json"] = SERVERS:gsub('"clientPort": 0',
      '"clientPort": ' .. port) })
    assert.is_truthy(line:match("^connector%-1: cannot listen on 127%.0%.0%.1:" .. port
      .. ": .*in use"), line)
    assert.is_nil(line:find("listen.*listen"), line) -- said once
  end)

  it("a web port in use", function()
    local _, port = up(app())
    local line = mishap(app { ["web/index.html"] = "hi", ["config/web.json"] =
      '{"host": "127.0.0.1", "port": ' .. port .. "}" })
    assert.is_truthy(line:match("^config/web%.json: .*" .. port), line)
  end)

  it("app.lua with a syntax error", function()
    local line = failure(app { ["app.lua"] = APP .. "local x = = 1\n" })
    assert.is_truthy(line:match("^[%w-]+: app%.lua:7: unexpected symbol"), line)
  end)

  it("app.lua that raises", function()
    local line = failure(app { ["app.lua"] = APP .. 'error("no licence")\n' })
    assert.is_truthy(line:match("^[%w-]+: app%.lua:7: no licence$"), line)
  end)

  it("app.lua that raises what is not a text", function()
    local line = failure(app { ["app.lua"] = APP .. "error({ code = 4 })\n" })
    assert.is_truthy(line:match("^[%w-]+: app%.lua: "), line)
  end)

  it("app.lua that requires what is not there", function()
    local line = failure(app { ["app.lua"] = APP .. 'require "app.nowhere"\n' })
    assert.is_truthy(line:match("^[%w-]+: app%.lua:7: module 'app%.nowhere' not found"), line)
  end)

  it("a handler with a syntax error", function()
    local path = "app/servers/chat/handler/chatHandler.lua"
    local line = failure(app { [path] = "return function(app)\n  local x = = 1\nend\n" })
    assert.is_truthy(line:match("^chat%-1: " .. path .. ":2: unexpected symbol"), line)
  end)

  it("a remote with a syntax error", function()
    local path = "app/servers/chat/remote/chatRemote.lua"
    local line = failure(app { [path] = "return {\n" })
    assert.is_truthy(line:match("^chat%-1: " .. path .. ":%d: "), line)
  end)

  it("a handler file that raises while it is loaded", function()
    local path = "app/servers/chat/handler/chatHandler.lua"
    assert.are.equal("chat-1: " .. path .. ":2: no table",
      failure(app { [path] = 'local a = 1\nerror("no table" .. string.rep("", a))\n' }))
  end)

  it("a handler factory that raises", function()
    local path = "app/servers/chat/handler/chatHandler.lua"
    local line = failure(app { [path] = "return function(app)\n  return app.rooms.list\nend\n" })
    assert.is_truthy(line:match("^chat%-1: " .. path .. ":2: attempt to index"), line)
  end)

  it("a handler file that returns a number", function()
    local path = "app/servers/chat/handler/chatHandler.lua"
    local line = failure(app { [path] = "return 5\n" })
    assert.is_truthy(line:match("^chat%-1: " .. path .. ": must return a table"), line)
  end)

  it("a lifecycle.lua with a syntax error", function()
    local path = "app/servers/chat/lifecycle.lua"
    local line = failure(app { [path] = "return {\n  beforeStartup = \n}\n" })
    assert.is_truthy(line:match("^chat%-1: " .. path .. ":3: unexpected symbol"), line)
  end)

  it("beforeStartup that fails", function()
    local path = "app/servers/chat/lifecycle.lua"
    assert.are.equal("chat-1: beforeStartup: no database", mishap(app { [path] =
      'return { beforeStartup = function(app, cb) cb("no database") end }\n' }))
  end)

  it("beforeStartup that raises", function()
    local path = "app/servers/chat/lifecycle.lua"
    assert.are.equal("chat-1: beforeStartup: " .. path .. ":1: no database", mishap(app { [path] =
      'return { beforeStartup = function(app, cb) error("no database") end }\n' }))
  end)
end)

describe("a program that is told to stop", function()
  local LIFECYCLE = [[
local pomelua = require "pomelua"
return {
  beforeShutdown = function(app, cb)
    pomelua.sleep(20)
    print("closed the books")
    cb()
  end,
}
]]

  for _, signal in ipairs { "sigterm", "sigint" } do
    it("leaves its clients, runs beforeShutdown and ends with 0: " .. signal, function()
      local p, port = up(app { ["app/servers/chat/lifecycle.lua"] = LIFECYCLE })
      local tcp, ws = connected(port), net.connectWs(port)
      ws:sendFrame(2, core.write_package(1, '{"sys":{"type":"spec","version":"1"}}'))
      ws:receiveFrame()
      ws:sendFrame(2, core.write_package(2, ""))
      -- Its answer says that both clients have arrived.
      ws:sendFrame(2, core.write_package(4, core.write_message {
        type = 0, id = 1, route = "connector.entryHandler.echo", body = "{}",
      }))
      ws:receiveFrame()
      request(tcp, 1, "connector.entryHandler.echo", "{}")
      package(tcp)
      p:kill(signal)
      local frame = ws:receiveFrame()
      assert.are.equal(8, frame.op)
      assert.are.equal("\3\233move", frame.payload) -- 1001
      assert.is_nil(tcp:receive(1))
      assert.is_true(tcp:waitClosed())
      assert.is_nil(tcp.error)
      tcp:close()
      ws:close()
      assert.are.equal(0, (p:waitExit()))
      assert.is_truthy(p.err:find("closed the books", 1, true), p.err)
    end)
  end

  it("writes first what it has queued for a client", function()
    local p, port = up(app { ["app/servers/connector/handler/entryHandler.lua"] = [[
      return { big = function() print("big") return { text = ("x"):rep(3000000) } end }
    ]] })
    local client = connected(port)
    request(client, 1, "connector.entryHandler.big", "{}")
    client:pause()
    assert(p:waitLine("connector%-1 big", nil, "err"))
    p:kill("sigterm")
    assert(p:waitLine("SIGTERM: stopping", nil, "err"))
    client:resume()
    local kind, body = package(client)
    assert.are.equal(4, kind)
    assert.is_true(#body > 3000000)
    assert.is_true(client:waitClosed())
    assert.is_nil(client.error)
    client:close()
    assert.are.equal(0, (p:waitExit()))
  end)

  for signal, status in pairs { SIGTERM = 143, SIGINT = 130 } do
    it("ends at once with a second " .. signal, function()
      local p = up(app { ["app/servers/chat/lifecycle.lua"] =
        "return { beforeShutdown = function(app, cb) end }\n" })
      p:kill(signal:lower())
      assert(p:waitLine(signal .. ": stopping", nil, "err"))
      p:kill(signal:lower())
      assert.are.equal(status, (p:waitExit(2000)))
    end)
  end

  it("by os.exit(3) in a handler does all that, and ends with 3", function()
    local p, port = up(app { ["app/servers/chat/lifecycle.lua"] = LIFECYCLE })
    local client = connected(port)
    request(client, 1, "connector.entryHandler.exit", "{}")
    assert.are.equal(4, (package(client))) -- code 500
    assert.is_true(client:waitClosed())
    client:close()
    assert.are.equal(3, (p:waitExit()))
    assert.is_truthy(p.err:find("closed the books", 1, true), p.err)
  end)

  it("by os.exit in app.lua ends with that status", function()
    local p = program { "start", app { ["app.lua"] = "os.exit(7)\n" } }
    assert.are.equal(7, (p:waitExit()))
  end)

  it("by app:stop() ends with 0", function()
    local p = program { "start", app {
      ["app.lua"] = APP .. "app:setTimeout(1, function() app:stop() end)\n",
    } }
    assert.are.equal(0, (p:waitExit()))
  end)
end)

describe("a setting that is declined", function()
  it("ends the start with one line and status 1", function()
    assert.matches("^connector%-1: app%.lua:4: connectorConfig%.useCrypto: Pomelua does not check ",
      failure(app { ["app.lua"] = APP:gsub("distinctHost = true", "useCrypto = true") }))
  end)
end)

describe("warnings of the start", function()
  it("are said once, with the servers that say so", function()
    local entries = {}
    for i = 1, 6 do entries[i] = ('{"id": "chat-%d"}'):format(i) end
    local p = up(app {
      ["app.lua"] = APP:gsub("app:start", 'app:set("masterConfig", {a = 1})\napp:start'),
      ["config/servers.json"] = ('{"chat": [%s]}'):format(table.concat(entries, ", ")),
    })
    local seen = {}
    for line in p.err:gmatch("[^\n]+") do
      local of_machine = line:find("open-file", 1, true) or line:find("runs as root", 1, true)
      if line:find(" warn ", 1, true) and not of_machine then
        seen[#seen + 1] = line:match("^%S+Z warn +(.*)$")
      end
    end
    table.sort(seen)
    assert.equal("pomelua app.lua:6: masterConfig: Pomelua has no master"
      .. " (chat-1, chat-2, chat-3 and 3 more)\n"
      .. "pomelua config/servers.json: chat: there is no folder app/servers/chat, so these "
      .. "servers have no handlers and no remotes",
      (table.concat(seen, "\n"):gsub("%(chat.-and", "(chat-1, chat-2, chat-3 and")))
  end)

  it("name the server when it is one", function()
    local p = up(app { ["app.lua"] = APP:gsub('connectorConfig".-}%)', 'masterConfig", {})') })
    assert.matches(" warn +connector%-1 app%.lua:%d+: masterConfig: ", p.err)
    assert.matches(" warn +connector%-1 clientPort 0 takes a free port of every address", p.err)
    assert.matches(" warn +pomelua config/servers%.json: chat: there is no folder app/servers/chat",
      p.err)
  end)
end)

describe("clusterCount", function()
  -- Two ports in a row that are free now, of those that systems do not hand out by themselves.
  local function pair_of_ports()
    local uv = require "luv"
    local first = 20000 + uv.hrtime() % 10000
    for port = first, first + 200, 2 do
      local a, b = uv.new_tcp(), uv.new_tcp()
      local ok = a:bind("127.0.0.1", port) == 0 and b:bind("127.0.0.1", port + 1) == 0
        and a:listen(1, function() end) == 0 and b:listen(1, function() end) == 0
      a:close()
      b:close()
      uv.run("nowait")
      if ok then return port end
    end
    error("no two free ports in a row")
  end

  it("stands for that many servers, ports counted on by ++", function()
    local port = pair_of_ports()
    local p = up(app { ["config/servers.json"] = ([[{"connector": [
      {"clusterCount": 2, "host": "127.0.0.1", "clientPort": "%d++", "frontend": true}
    ]}]]):format(port) })
    for i = 1, 2 do
      assert.is_truthy(p.out:find(("cluster-server-connector-%d listening on 127.0.0.1:%d\n")
        :format(i - 1, port + i - 1), 1, true), p.out)
      connected(port + i - 1)
    end
  end)
end)
