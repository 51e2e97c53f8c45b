-- HTTP requests for a game while it is reloaded, restarted, stopped; with TLS, behind a proxy, on a
-- port of their own. Tests host/member_web.c, host/program.c and app/http_routes.lua.
local app = require "spec.support.app"
local certs = require "spec.support.certs"
local http = require "spec.support.http_client"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local ROUTES = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
local version = %d
local waiting = {}
app:http("GET", "/version", function(req)
  return { body = version .. " " .. req.address }
end)
app:http("GET", "/wait", function()
  pomelua.await(function(cb) waiting[#waiting + 1] = cb end)
  return { body = "waited" }
end)
local stopping = {}
app.event:on("drain", function()
  for _, cb in ipairs(stopping) do cb(nil) end
end)
app:http("GET", "/last", function() -- it is answered when the server stops
  pomelua.await(function(cb) stopping[#stopping + 1] = cb end)
  pomelua.sleep(50)
  return { body = "last" }
end)
app:http("POST", "/wake", function()
  for _, cb in ipairs(waiting) do cb(nil) end
  return { body = tostring(#waiting) }
end)
%s
return {}
]]

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { reload = false, stopGrace = 200 })
app:configure("all", "web", function() require "app.routes" end)
app:start()
]],
  ["config/servers.json"] = '{ "web": [{ "id": "web-1" }], "hall": [{ "id": "hall-1" }] }',
  ["app/routes.lua"] = ROUTES:format(1, ""),
}

describe("HTTP requests for a game", function()
  local server, port, expected

  local function start(web, more, opts)
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["config/web.json"] = '{ "host": "127.0.0.1", "port": 0, "root": false, "server": "web-1"'
      .. (web and ", " .. web or "") .. " }"
    for path, text in pairs(more or {}) do files[path] = text end
    expected = {}
    server = app.start(files, opts)
    port = tonumber(server.process.out:match("http at https?://127%.0%.0%.1:(%d+)/\nready"))
    assert.is_number(port, server.process.out)
  end

  after_each(function()
    if server then server:stop(expected) end
    server = nil
  end)

  local function tool(...)
    local args = { ... }
    args[#args + 1] = server.dir
    local p = net.spawn(net.built("pomelua"), args)
    return p:waitExit(app.patience), p.out .. p.err
  end

  local function version()
    local status, body = http.ask(port, "GET", "/version")
    return status == 200 and body:match("^%d+") or status
  end

  local function wait_waiting(n) http.counter(server.dir, "httpWaiting", n) end

  it("are answered by new code after a reload, and by the old one where they have begun", function()
    start()
    assert.equal("1", version())
    local before = http.begin(port, "GET", "/wait")
    wait_waiting(1)
    tree.write(server.dir, "app/routes.lua", ROUTES:format(2,
      'app:http("GET", "/new", function() return { body = "new" } end)'))
    assert.equal(0, (tool("reload")))
    assert.equal("2", version())
    assert.equal(200, (http.ask(port, "GET", "/new")))
    assert.matches("%f[%d]1%s*$", select(2, tool("list")):match("web%-1[^\n]*")) -- old code
    tree.write(server.dir, "app/routes.lua", ROUTES:format(3, 'app:http("GET", "/wait", print)'))
    local status, out = tool("reload")
    assert.equal(1, status)
    assert.matches('app/routes.lua:%d+: app:http%("GET", "/wait"%): this route is there already',
      out)
    assert.equal("2", version())
    expected = { app.CUT, "HTTP request", "reload: refused" }
    server:terminate()
    assert.equal(503, http.status(before))
  end)

  it("get 503 while their server restarts, fails or is stopped, and then answers again", function()
    start()
    expected = { "restart web%-1: ", "1 HTTP request" }
    local open = http.begin(port, "GET", "/wait")
    wait_waiting(1)
    tool("restart", "web-1")
    assert.equal(503, http.status(open))
    assert.equal("1", version())
    tree.write(server.dir, "app/routes.lua", "return nothing.here")
    assert.equal(1, (tool("restart", "web-1")))
    assert.equal(503, version())
    assert.equal(404, (http.ask(port, "GET", "/other")))
    tree.write(server.dir, "app/routes.lua", ROUTES:format(4, ""))
    assert.equal(0, (tool("restart", "web-1")))
    assert.equal("4", version())
    -- at once, without asking its scripts
    open = http.begin(port, "GET", "/wait")
    wait_waiting(1)
    assert.equal(0, (tool("kill", "web-1")))
    assert.equal(503, http.status(open))
    assert.equal(503, version())
  end)

  it("that are open when the program stops may be answered within stopGrace", function()
    start(nil, { ["app.lua"] = FILES["app.lua"]:gsub("stopGrace = 200", "stopGrace = 5000") })
    local first, second = http.begin(port, "GET", "/last"), http.begin(port, "GET", "/last")
    wait_waiting(2)
    server:terminate()
    assert.equal(200, http.status(first))
    assert.equal(200, http.status(second))
  end)

  it("come by TLS", function()
    local dir = tree.new {}
    certs.make(dir, "game")
    local function text(name)
      local file = assert(io.open(dir .. "/" .. name))
      local all = file:read("*a")
      file:close()
      return all
    end
    start('"cert": "config/game.crt", "key": "config/game.key"', {
      ["config/game.crt"] = text "game.crt", ["config/game.key"] = text "game.key",
    })
    tree.remove(dir)
    local function curl(...)
      local p = net.spawn("/usr/bin/curl", { "-sS", "-i", "--cacert", server.dir
        .. "/config/game.crt", ... })
      p:waitExit(app.patience)
      return p.out .. p.err
    end
    local url = ("https://127.0.0.1:%d"):format(port)
    local out = curl(url .. "/version")
    assert.matches("^HTTP/1.1 200 OK\r\n.*\r\nStrict%-Transport%-Security: .*\r\n\r\n1 127.0.0.1$",
      out)
    -- two requests on one connection, the first of which waits
    local p = net.spawn("/usr/bin/curl", { "-sS", "--cacert", server.dir .. "/config/game.crt",
      url .. "/wait", url .. "/version" })
    wait_waiting(1)
    assert.matches("\r\n\r\n1$", curl("-X", "POST", "-d", "", url .. "/wake"))
    assert.equal(0, p:waitExit(app.patience), p.err)
    assert.equal("waited1 127.0.0.1", p.out)
  end)

  it("have the address that a trusted proxy names", function()
    start '"trustedProxies": ["127.0.0.0/8"], "perAddress": { "perSecond": 2 }'
    local from = "X-Forwarded-For: 203.0.113.7\r\n"
    local function ask() return http.ask(port, "GET", "/version", nil, from) end
    local status, body = ask()
    assert.same({ 200, "1 203.0.113.7" }, { status, body })
    local seen = {}
    for _ = 1, 20 do seen[ask()] = true end
    assert.is_true(seen[429])
  end)

  it("may have a port of their own, without pages and /health", function()
    start('"http": { "port": 0 }')
    local page = tonumber(server.process.out:match("http at http://127%.0%.0%.1:(%d+)/\n"))
    assert.not_equal(page, port)
    assert.equal("1", version())
    assert.equal(404, (http.ask(port, "GET", "/health")))
    assert.equal(200, (http.ask(page, "GET", "/health")))
    assert.equal(404, (http.ask(page, "GET", "/version")))
    assert.equal(405, (http.ask(page, "POST", "/wake", "")))
    http.counter(server.dir, "accepted", 5)
  end)

  it("get 503 from a program without their server, which says so", function()
    start(nil, nil, { args = { "--only", "hall-1", "--web" } })
    assert.equal(503, version())
    assert.matches("config/web.json: server: web-1 does not run in this program",
      server.process.err, 1, true)
  end)
end)
