-- Sockets that a service manager has opened and hands over: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local handed = require "spec.support.handed"
local http = require "spec.support.http_client"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:start()
]]

local HANDLER = [[
return {
  variables = function()
    local pipe = io.popen("env; ls -l /proc/self/fd")
    local text = pipe:read("*a")
    pipe:close()
    return { code = 200, text = text }
  end,
}
]]

describe("a socket that was handed over", function()
  local dir, process

  -- ports: of connector-1 and connector-2; web: of the page
  local function game(ports, web)
    dir = tree.new {
      ["app.lua"] = APP, ["app/servers/connector/handler/entryHandler.lua"] = HANDLER,
      ["config/servers.json"] = ([[{ "connector": [
        {"id": "connector-1", "host": "127.0.0.1", "clientPort": %d, "frontend": true},
        {"id": "connector-2", "host": "127.0.0.1", "clientPort": %d, "frontend": true}
      ] }]]):format(ports[1], ports[2] or 0),
      ["config/web.json"] = web and ('{"host": "127.0.0.1", "port": %d}'):format(web) or nil,
      ["web/index.html"] = web and "the page" or nil,
    }
  end

  local function start(sockets, env)
    process = handed.start(sockets, { "start", dir }, env)
    return process
  end

  local function up(sockets, env)
    start(sockets, env)
    assert(process:waitLine("^ready$", app.patience))
  end

  local function stop()
    process:kill("sigint")
    assert.equal(0, (process:waitExit(app.patience)), process.err)
  end

  -- Nobody listens on it but the program: the frontend answers.
  local function answers(port)
    local client = pomelo.connect(port)
    local answer = client:request("connector.entryHandler.variables", {})
    client:close()
    return answer.text
  end

  local function page(port) return http.raw(port, http.request("GET", "/")) end

  after_each(function()
    net.closeAll()
    if dir then tree.remove(dir) end
    dir = nil
  end)

  it("is the client port of the frontend with its address, or the page server's", function()
    local one, two, web = handed.listen(), handed.listen(), handed.listen()
    game({ one.port, two.port }, web.port)
    up { web, one, two }
    local text = answers(one.port)
    assert.is_truthy(text:find("PATH=", 1, true))
    assert.is_nil(text:find("LISTEN_", 1, true)) -- children do not get them
    for fd, what in text:gmatch(" (%d+) %-> (%S+)") do
      assert.is_true(tonumber(fd) < 3 or not what:find("^socket"), what)
    end
    answers(two.port)
    assert.matches("^HTTP/1.1 200 .*the page$", page(web.port))
    stop()
  end)

  it("may have the name of a server, wherever it is bound", function()
    local one, two = handed.listen(), handed.listen(true)
    game { 0 }
    up({ one, two }, { LISTEN_FDNAMES = "connector-2:connector-1" })
    local ports = {}
    for id, port in process.out:gmatch("(connector%-%d) listening on [^\n]-:(%d+)\n") do
      ports[id] = tonumber(port)
    end
    assert.same({ ["connector-1"] = two.port, ["connector-2"] = one.port }, ports)
    answers(one.port)
    answers(two.port)
    stop()
  end)

  it("loses no connection while the program, or its server, is started again", function()
    local one, web = handed.listen(), handed.listen()
    game({ one.port }, web.port)
    up { one, web }
    answers(one.port)
    stop()
    local early = assert(net.connect(one.port)) -- it waits in the backlog
    local reader = assert(net.connect(web.port))
    reader:send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    up { one, web }
    early:send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert(early:receiveUntil("426 "))
    assert(reader:receiveUntil("the page"))
    assert.equal(0, (tool.run("restart", "connector-1", "-d", dir)))
    answers(one.port)
    stop()
  end)

  it("that is for nobody keeps the program from starting, in one line", function()
    local one, strange = handed.listen(), handed.listen(true)
    game { one.port, strange.port } -- of every address, and the frontend is for one
    strange:close()
    strange = handed.listen(true)
    start({ one, strange }, { LISTEN_FDNAMES = "a:b" })
    assert.equal(78, (process:waitExit(app.patience)))
    local line = ("pomelua: LISTEN_FDS: nobody listens on the socket 0.0.0.0:%d (b) that was "
      .. "handed over: give a frontend of config/servers.json (clientPort; host with distinctHost) "
      .. "or config/web.json its address and port, or name the socket after a server "
      .. "(FileDescriptorName=)\n"):format(strange.port)
    assert.equal(line, process.err:match("pomelua: LISTEN[^\n]*\n"))
    assert.is_nil(process.out:find("ready", 1, true))
  end)

  it("has to listen", function()
    game { 0 }
    start({ handed.listen(false, true) }, { LISTEN_FDNAMES = "game" })
    assert.equal(78, (process:waitExit(app.patience)))
    assert.matches("pomelua: LISTEN_FDS: descriptor 3 (game) is no listening TCP socket",
      process.err, 1, true)
  end)

  it("that is not there is told, and no file of the program is taken for it", function()
    game { 0 }
    start({}, { LISTEN_FDS = "9" })
    assert.equal(78, (process:waitExit(app.patience)), process.err)
    assert.matches("pomelua: LISTEN_FDS: descriptor 3 is no listening TCP socket",
      process.err, 1, true)
  end)

  it("is another process's when LISTEN_PID says so", function()
    game { 0 }
    up({ handed.listen() }, { LISTEN_PID = "1" })
    stop()
  end)
end)
