-- The page server of a program: files, health, limits, HTTPS. Tests host/web.c, host/web_path.c,
-- host/web_guard.c, host/web_socket.c and config/web.lua.
local app = require "spec.support.app"
local net = require "spec.support.net"
local tree = require "spec.support.tree"
local uv = require "luv"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { reload = false })
app:start()
]],
  ["config/servers.json"] = '{ "chat": [{ "id": "chat-1" }], "hall": [{ "id": "hall-1" }] }',
  ["app/servers/chat/handler/chatHandler.lua"] = "return function() return {} end",
  ["app/servers/hall/handler/hallHandler.lua"] = "return function() return {} end",
  ["web/index.html"] = "<p>the page</p>",
  ["web/js/client.js"] = "var a = 1;",
  ["web/.secret"] = "key",
  ["webby/other.txt"] = "beside",
}

local function with(more)
  local all = {}
  for path, text in pairs(FILES) do all[path] = text end
  for path, text in pairs(more) do all[path] = text end
  return all
end

-- One request: status, head, body; nil: no answer.
local function ask(port, target, method, more)
  local client = net.connect(port)
  if not client then return nil end
  client:send((method or "GET") .. " " .. target .. " HTTP/1.1\r\nHost: localhost\r\n"
    .. "Content-Length: 0\r\nConnection: close\r\n" .. (more or "") .. "\r\n")
  client:waitClosed()
  local head, body = client:pending():match("^(.-\r\n)\r\n(.*)$")
  client:close()
  return head and tonumber(head:match("^HTTP/1%.1 (%d+)")), head, body
end

local function tool(server, ...)
  local args = { ... }
  args[#args + 1] = server.dir
  local p = net.spawn(net.built("pomelua"), args)
  local code = p:waitExit(app.patience)
  return code, p.out .. p.err
end

-- Asks /health until it answers like that.
local function wait_health(port, wanted)
  local seen
  local again = uv.new_timer() -- between two questions, the loop has time for others
  again:start(10, 10, function() end)
  local found = net.wait(function()
    local status, _, body = ask(port, "/health")
    seen = tostring(status) .. " " .. tostring(body)
    return seen == wanted .. "\n"
  end, app.patience)
  again:close()
  if not found then error(("/health says %s, not %s"):format(seen, wanted), 2) end
end

local UP = '200 {"status":"up","up":2,"servers":2}'

describe("the page server", function()
  local server, port

  local function start(options, more, opts)
    local json = '{ "host": "127.0.0.1", "port": 0' .. (options and ", " .. options or "") .. " }"
    more = more or {}
    more["config/web.json"] = json
    server = app.start(with(more), opts)
    port = server.process.out:match("web page at https?://127%.0%.0%.1:(%d+)/\nready\n")
    assert.is_truthy(port, server.process.out)
  end

  local expected
  before_each(function() expected = {} end)
  after_each(function() if server then server:stop(expected) end end)

  it("is told with an address that a browser takes, of IPv6 as well", function()
    server = app.start(with { ["config/web.json"] = '{ "host": "::1", "port": 0 }' })
    local url = assert(server.process.out:match("web page at (%S+)/\nready\n"), server.process.out)
    assert.matches("^http://%[::1%]:%d+$", url)
    local curl = net.spawn("/usr/bin/curl", { "-fsS", "-g", url .. "/js/client.js" })
    assert.equal(0, (curl:waitExit()), curl.err)
    assert.equal("var a = 1;", curl.out)
  end)

  it("serves the files of a folder and nothing else", function()
    start()
    local get = function(...) return ask(port, ...) end

    local status, head, body = get("/")
    assert.are.equal(200, status)
    assert.is_truthy(head:find("\r\nContent-Type: text/html", 1, true), head)
    assert.are.equal("<p>the page</p>", body)
    status, head, body = get("/js/client.js?v=1")
    assert.are.equal(200, status)
    assert.is_truthy(head:find("\r\nContent-Type: text/javascript", 1, true), head)
    assert.are.equal("var a = 1;", body)

    local tag = head:match("\r\nETag: (%b\"\")")
    assert.is_truthy(tag, head)
    local client = assert(net.connect(port))
    client:send("GET /js/client.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " .. tag
      .. "\r\nConnection: close\r\n\r\n")
    assert.is_true(client:waitClosed())
    assert.is_truthy(client:pending():match("^HTTP/1.1 304 "))

    for _, target in ipairs {
      "/nothing.html", "/../config/servers.json", "/js/../../config/servers.json",
      "/%2e%2e/config/servers.json", "/..%2fconfig/servers.json", "/%2e%2e%2fapp.lua",
      "/../webby/other.txt", "/.secret", "//etc/passwd", "/js/%00", "/..\\app.lua",
    } do
      status, head, body = get(target)
      assert.is_true(status == 404 or status == 400, target .. ": " .. head)
      assert.is_nil(body:find("frontend", 1, true))
    end

    for _, method in ipairs { "POST", "PUT", "DELETE" } do
      status, head = get("/", method)
      assert.are.equal(405, status)
      assert.is_truthy(head:find("\r\nAllow: GET, HEAD\r\n", 1, true), head)
    end
    status, head, body = get("/", "HEAD")
    assert.are.equal(200, status)
    assert.is_truthy(head:find("\r\nContent-Length: 15\r\n", 1, true), head)
    assert.are.equal("", body)
  end)

  it("keeps its headers off where config/web.json says so", function()
    start '"headers": { "Referrer-Policy": false, "X-Game": "chat" }'
    local _, head = ask(port, "/")
    assert.is_truthy(head:find("\r\nX-Game: chat\r\n", 1, true), head)
    assert.is_truthy(head:find("\r\nX-Content-Type-Options: nosniff\r\n", 1, true), head)
    assert.is_truthy(head:find("\r\nContent-Security-Policy: frame-ancestors ", 1, true), head)
    assert.is_nil(head:find("Referrer-Policy", 1, true))
    assert.is_nil(head:find("Strict-Transport-Security", 1, true))
  end)

  it("is healthy from the line ready on", function()
    start()
    local status, head, body = ask(port, "/health")
    assert.equal(UP .. "\n", status .. " " .. body)
    assert.is_truthy(head:find("\r\nCache-Control: no-store\r\n", 1, true), head)
    status, head, body = ask(port, "/health", "HEAD")
    assert.same({ 200, "" }, { status, body })
    assert.is_truthy(head:find("\r\nContent-Type: application/json\r\n", 1, true), head)
  end)

  it("is not healthy while a server has failed, or starts again", function()
    start()
    local path = "app/servers/chat/handler/chatHandler.lua"
    tree.write(server.dir, path, "this is no Lua")
    expected = { "restart chat%-1: .*chatHandler.lua:1: " }
    assert.equal(1, (tool(server, "restart", "chat-1")))
    wait_health(port, '503 {"status":"degraded","up":1,"servers":2}')
    tree.write(server.dir, path, FILES[path])
    assert.equal(0, (tool(server, "restart", "chat-1")))
    wait_health(port, UP)
    -- A server that is taken out is none of the program's any more.
    assert.equal(0, (tool(server, "stop", "hall-1")))
    wait_health(port, '200 {"status":"up","up":1,"servers":1}')
  end)

  -- A lifecycle that waits for a file.
  local WAITS = [[
local function wait(app, name, cb)
  local file = io.open(app:getBase() .. "/" .. name)
  if file then file:close() return cb() end
  app:setTimeout(5, function() wait(app, name, cb) end)
end
return {
  beforeStartup = function(app, cb) wait(app, "start", cb) end,
  beforeShutdown = function(app, cb) wait(app, "stop", cb) end,
}
]]

  it("is there, and not healthy, before the servers are up and while they stop", function()
    port = require("spec.support.ports").one()
    local dir = tree.new(with {
      ["config/web.json"] = ('{ "host": "127.0.0.1", "port": %d }'):format(port),
      ["app/servers/hall/lifecycle.lua"] = WAITS,
    })
    server = nil
    finally(function()
      net.closeAll()
      tree.remove(dir)
    end)
    local process = net.spawn(net.built("pomelua"), { "start", dir })
    wait_health(port, '503 {"status":"starting","up":0,"servers":0}')
    tree.write(dir, "start", "")
    assert(process:waitLine("^ready$", app.patience))
    assert.equal(UP .. "\n", table.concat({ ask(port, "/health") }, " ", 1, 1) .. " "
      .. select(3, ask(port, "/health")))
    process:kill("sigterm")
    wait_health(port, '503 {"status":"stopping","up":0,"servers":0}')
    tree.write(dir, "stop", "")
    assert.equal(0, (process:waitExit(app.patience)))
    assert.is_nil(net.connect(port))
  end)

  it("is there while one address tries to take it", function()
    start('"connections": 64, "requestTime": 1000, "perAddress": { "connections": 16, '
      .. '"perSecond": false, "loopback": true }')
    local slow, kept = {}, 0
    for i = 1, 200 do
      slow[i] = net.connect(port)
      if slow[i] then slow[i]:send("GET / HTTP/1.1\r\nX: y\r\n") end
    end
    -- Another address of this machine.
    local other, feeder = uv.new_tcp(), uv.new_timer()
    local got, gone = "", false
    finally(function() other:close() feeder:close() end)
    other:bind("127.0.0.2", 0)
    other:connect("127.0.0.1", tonumber(port), function(wrong)
      if wrong then gone = true return end
      other:read_start(function(_, bytes) if bytes then got = got .. bytes else gone = true end end)
      other:write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    end)
    net.wait(function() return gone end)
    assert.matches("^HTTP/1.1 200 OK\r\n.*the page", got)
    for i = 1, 200 do
      if slow[i] and not slow[i].eof and not slow[i].error then kept = kept + 1 end
    end
    assert.is_true(kept <= 16, kept .. " are kept")
    -- Those that were let in end, however often they send one more line.
    local open = kept
    feeder:start(0, 100, function()
      open = 0
      for i = 1, 200 do
        if slow[i] and not slow[i].eof and not slow[i].error then
          open = open + 1
          slow[i].tcp:write("X: y\r\n")
        end
      end
    end)
    assert(net.wait(function() return open == 0 end))
    assert.equal(200, (ask(port, "/")))
    local _, counters = tool(server, "list", "--counters")
    assert.matches("config/web.json +refusedAddress +18%d\n", counters)
    assert.matches("config/web.json +closedRequest +16\n", counters)
    assert.truthy(server.process:waitErr(
      " warn .- web: refused 127.0.0.1: too many connections %(perAddress.connections is 16%)\n"))
  end)

  it("takes the address that a trusted proxy names, for limits and for lines of the log", function()
    start('"trustedProxies": ["127.0.0.0/8"], "perAddress": { "perSecond": 1 }',
      nil, { args = { "--log-level", "debug" } })
    local refused
    for _ = 1, 30 do
      refused = refused or ask(port, "/missing", "GET", "X-Forwarded-For: 203.0.113.9\r\n") == 429
    end
    assert.is_true(refused)
    assert.equal(404, (ask(port, "/missing", "GET", "X-Forwarded-For: 198.51.100.3\r\n")))
    assert.truthy(server.process:waitErr("web: refused 203.0.113.9: too many in a second"))
    assert.truthy(server.process:waitErr("web: no file for /missing, which 198.51.100.3 asks for"))
  end)
end)

describe("the page server with a certificate", function()
  local server, port

  -- Writes a pair for localhost; curl believes what it is shown by its CN.
  local function make_pair(dir, cn)
    local p = net.spawn("/bin/sh", { "-c", ("cd %s && openssl req -x509 -newkey ec -pkeyopt "
      .. "ec_paramgen_curve:prime256v1 -nodes -keyout k.new -out c.new -days 2 -subj /CN=%s "
      .. "-addext subjectAltName=DNS:localhost && mv c.new c.pem && mv k.new k.pem")
      :format(dir, cn) })
    assert.equal(0, (p:waitExit(app.patience)), p.err)
  end

  local function curl(...)
    local args = { "-sS", "--resolve", ("localhost:%s:127.0.0.1"):format(port), "--cacert",
      server.dir .. "/c.pem", ... }
    local p = net.spawn("/usr/bin/curl", args)
    local code = p:waitExit(app.patience)
    return code, p.out, p.err
  end

  local function url(path) return ("https://localhost:%s%s"):format(port, path) end

  before_each(function()
    local pair = tree.new {}
    make_pair(pair, "first")
    local function text(name)
      local file = assert(io.open(pair .. "/" .. name))
      local all = file:read("*a")
      file:close()
      return all
    end
    server = app.start(with {
      ["config/web.json"] = '{ "host": "127.0.0.1", "port": 0, "cert": "c.pem", "key": "k.pem" }',
      ["c.pem"] = text "c.pem", ["k.pem"] = text "k.pem",
    })
    tree.remove(pair)
    port = server.process.out:match("web page at https://127%.0%.0%.1:(%d+)/\nready\n")
    assert.is_truthy(port, server.process.out)
  end)

  after_each(function() server:stop { "config/web.json: key: k.pem: .*stays in force" } end)

  it("speaks HTTPS, and says so to browsers", function()
    local code, out, err = curl("-i", url "/")
    assert.equal(0, code, err)
    assert.matches("^HTTP/1.1 200 OK\r\n.*\r\nStrict%-Transport%-Security: max%-age=%d+\r\n", out)
    assert.matches("the page", out, 1, true)
    code, out = curl(url "/health")
    assert.same({ 0, UP:sub(5) .. "\n" }, { code, out })
    assert.not_equal(0, (curl("--tls-max", "1.1", "--tlsv1.0", url "/")))
    assert.not_equal(0, (curl(("http://localhost:%s/"):format(port))))
  end)

  it("has a new certificate without a restart, by itself and by a reload", function()
    local function is(cn)
      local _, _, err = curl("-v", url "/")
      return err:find("subject: CN=" .. cn, 1, true) ~= nil
    end
    assert.is_true(is "first")
    make_pair(server.dir, "second")
    local code, out = tool(server, "reload")
    assert.equal(0, code, out)
    assert.is_true(is "second")
    make_pair(server.dir, "third")
    assert.is_true(net.wait(function() return is "third" end))
  end)

  it("keeps the certificate that it has when the new one is broken", function()
    tree.write(server.dir, "k.pem", "rubbish")
    local code, out = tool(server, "reload")
    assert.equal(1, code)
    assert.matches("config/web.json: key: k.pem: it holds no private key.*stays in force", out)
    assert.truthy(server.process:waitErr(
      " error .- config/web.json: key: k.pem: it holds no private key.-stays in force\n"))
    assert.equal(0, (curl(url "/")))
    code, out = tool(server, "check")
    assert.equal(1, code)
    assert.matches("config/web.json:1: key: k.pem: it holds no private key", out, 1, true)
  end)
end)
