-- HTTP requests for a game from clients that mean no good, and from very many: with a real program.
-- Tests host/web_request.c and host/web_calls.c.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local http = require "spec.support.http_client"
local net = require "spec.support.net"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
local waiting = {}
app:set("serverConfig", { reload = false, stopGrace = 100 })
app:http("POST", "/pay", function() return { status = 201 } end)
app:http("GET", "/wait", function()
  pomelua.await(function(cb) waiting[#waiting + 1] = cb end)
  return { body = "waited" }
end)
app:http("POST", "/wake", function()
  local list = waiting
  waiting = {}
  for _, cb in ipairs(list) do cb(nil) end
  return { body = tostring(#list) }
end)
app:start()
]],
  ["config/servers.json"] = '{ "web": [{ "id": "web-1" }] }',
}

describe("HTTP requests for a game", function()
  local server, port, expected

  local function start(web)
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["config/web.json"] = '{ "host": "127.0.0.1", "port": 0, "root": false, "server": "web-1"'
      .. web .. " }"
    expected = {}
    server = app.start(files)
    port = tonumber(server.process.out:match("http at http://127%.0%.0%.1:(%d+)/"))
  end

  after_each(function()
    if server then server:stop(expected) end
    server = nil
  end)

  local function raw(bytes) return http.raw(port, bytes) end
  local function ask(...) return http.ask(port, ...) end
  local function wait_counter(name, value) http.counter(server.dir, name, value) end

  local function answers(wanted, ...)
    local status, body = ask(...)
    assert.same(wanted, { status, body })
  end

  -- Requests that wait in the game.
  local function wait_for_answer(n)
    local clients = {}
    for i = 1, n do clients[i] = http.begin(port, "GET", "/wait") end
    return clients
  end

  it("stand clients that are slow, cut their bodies, or send huge heads", function()
    start ', "requestTime": 300'
    local slow, cut = assert(net.connect(port)), assert(net.connect(port))
    slow:send("POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    cut:send("POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    cut:close()
    local huge = raw("POST /pay HTTP/1.1\r\nHost: x\r\nX-Big: " .. ("a"):rep(70000) .. "\r\n\r\n")
    assert.truthy(huge == "" or huge:find("^HTTP/1.1 4%d%d "))
    local many = {}
    for i = 1, 300 do many[i] = ("X-%d: 1\r\n"):format(i) end
    local status = ask("POST", "/pay", "{}", table.concat(many))
    assert.truthy(status == 201 or status == 431)
    assert.truthy(slow:waitClosed(app.patience))
    assert.equal(201, (ask("POST", "/pay", "{}")))
    -- a client that goes while its request waits
    local gone = wait_for_answer(2)
    wait_counter("httpWaiting", 2)
    for i = 1, 2 do gone[i]:close() end
    answers({ 200, "2" }, "POST", "/wake", "")
    wait_counter("httpWaiting", 0)
  end)

  it("may be 1,000 at once", function()
    start ', "connections": 1200, "http": { "maxWaiting": 1000 }'
    local clients = wait_for_answer(1000)
    wait_counter("httpWaiting", 1000)
    answers({ 503, '{"code":503}' }, "POST", "/wake", "")
    clients[1000]:close()
    server:terminate()
    for i = 1, 999 do assert.equal(503, http.status(clients[i])) end
    expected = { app.CUT }
  end)
end)
