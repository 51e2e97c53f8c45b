-- HTTP requests for a game's routes, with a real program: answers, limits, reload, restart, stop.
-- Tests host/web_request.c, host/web_calls.c, host/member_web.c, bind/l_http.c,
-- app/http_routes.lua and message/http_serve.lua.
local app = require "spec.support.app"
local cjson = require "cjson"
local http = require "spec.support.http_client"
local core = require "pomelua.core"
local disk = require "pomelua.base.files"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local ROUTES = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
local waiting = {}

app:http("POST", "/pay", function(req)
  return { status = 201, json = { got = req.json, why = req.jsonError, body = req.body,
    address = req.address, agent = req.headers["x-agent"], query = req.query } }
end)
app:http("GET", "/players/:id", function(req)
  return { json = { id = req.params.id, method = req.method, path = req.path } }
end)
app:http("DELETE", "/players/:id", function() return { status = 204 } end)
app:http("GET", "/boom", function() error("a secret of the game") end)
app:http("GET", "/nothing", function() end)
app:http("GET", "/err", function() return nil, "another secret" end)
app:http("GET", "/split", function()
  return { headers = { ["X-A"] = "a\r\nX-Evil: 1" }, body = "x" }
end)
app:http("GET", "/own", function()
  return { body = "<b>", headers = { ["Content-Type"] = "text/html",
    ["Cache-Control"] = "max-age=9", ["Set-Cookie"] = { "a=1", "b=2" },
    ["X-Content-Type-Options"] = "none" } }
end)
app:http("GET", "/wait", function(req)
  pomelua.await(function(cb) waiting[#waiting + 1] = cb end)
  return { body = "waited" }
end)
app:http("POST", "/wake", function()
  local list = waiting
  waiting = {}
  for _, cb in ipairs(list) do cb(nil) end
  return { body = tostring(#list) }
end)
app:http("GET", "/spin", function() while true do end end)
app:http("GET", "/big", function(req) return { body = ("x"):rep(tonumber(req.query.n)) } end)
app:http("POST", "/hold", function(req) -- the whole server, until a file is there
  local function is_there(path)
    local file = io.open(path)
    if file then file:close() end
    return file ~= nil
  end
  assert(io.open(req.body .. ".began", "w")):close()
  repeat until is_there(req.body)
  os.remove(req.body)
  return {}
end)
local begun = 0
app:http("POST", "/begin", function()
  begun = begun + 1
  local server = require("pomelua.base.current").server
  return { json = { begun, require("pomelua.store.call").time_left(server, 60000) } }
end)
app:http("POST", "/form", function(req) return { json = req.form or "none" } end)
return {}
]]

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { reload = false, budget = 200, stopGrace = 100 })
app:configure("all", "web", function() require "app.routes" end)
app:start()
]],
  ["config/servers.json"] = '{ "web": [{ "id": "web-1" }], "hall": [{ "id": "hall-1" }] }',
  ["app/servers/web/handler/h.lua"] = "return function() return {} end",
  ["app/servers/hall/handler/h.lua"] = "return function() return {} end",
  ["app/routes.lua"] = ROUTES,
  ["web/index.html"] = "<p>the page</p>",
  ["web/players/top"] = "a file",
}

describe("HTTP requests for a game", function()
  local server, port

  local function start(limits, more, opts)
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["config/web.json"] = '{ "host": "127.0.0.1", "port": 0, "server": "web-1"'
      .. (limits and ', "http": ' .. limits or "") .. (opts and opts.web or "") .. " }"
    for path, text in pairs(more or {}) do files[path] = text end
    server = app.start(files, opts)
    port = tonumber(server.process.out:match("web page at https?://127%.0%.0%.1:(%d+)/"))
    return server
  end

  local expected = {}
  before_each(function() expected = {} end)
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

  local function has(head, line)
    assert.truthy(head:find("\r\n" .. line .. "\r\n", 1, true), line .. " is not in " .. head)
  end

  -- Waits for a text in the log.
  local function logged(text)
    assert.truthy(net.wait(function() return server.process.err:find(text, 1, true) end,
      app.patience), text .. " is not in the log:\n" .. server.process.err)
  end

  it("answers, beside the files and /health", function()
    start()
    local status, body, head = ask("POST", "/pay?a=1&b=x%20y&a=2", '{"gold":3}', "X-Agent: me\r\n")
    assert.equal(201, status)
    assert.same({ got = { gold = 3 }, body = '{"gold":3}', address = "127.0.0.1", agent = "me",
      query = { a = "1", b = "x y" } }, cjson.decode(body))
    has(head, "Content-Type: application/json")
    has(head, "Cache-Control: no-store")
    has(head, "X-Content-Type-Options: nosniff")
    status, body = ask("POST", "/pay", "no json")
    assert.equal(201, status)
    assert.matches('"why":"', body)
    answers({ 200, "<p>the page</p>" }, "GET", "/")
    assert.equal(200, (ask("GET", "/health")))
    assert.equal(404, (ask("GET", "/other")))
    -- a path, its parameters, methods
    status, body = ask("GET", "/players/a%2Fb%20c")
    assert.equal(200, status)
    assert.same({ id = "a/b c", method = "GET", path = "/players/a/b c" }, cjson.decode(body))
    status, body, head = ask("HEAD", "/players/7")
    assert.same({ 200, "" }, { status, body })
    assert.matches("\r\nContent%-Length: %d%d", head)
    status, body, head = ask("PATCH", "/players/7", "{}")
    assert.same({ 405, '{"code":405}' }, { status, body })
    has(head, "Allow: GET, HEAD, DELETE, OPTIONS")
    status, body, head = ask("OPTIONS", "/players/7")
    assert.same({ 204, "" }, { status, body })
    has(head, "Allow: GET, HEAD, DELETE, OPTIONS")
    answers({ 204, "" }, "DELETE", "/players/7")
    assert.equal(400, (ask("GET", "/players/%zz")))
    assert.equal(400, (ask("GET", "/players/%00")))
    -- a form
    body = select(2, ask("POST", "/form", "a=1+2&b=%C3%A4",
      "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"))
    assert.same({ a = "1 2", b = "ä" }, cjson.decode(body))
    status, body = ask("POST", "/form", "a=1", "Content-Type: text/plain\r\n")
    assert.same({ 200, '"none"' }, { status, body })
  end)

  it("says nothing of an error, and logs it at the line of the game", function()
    start()
    expected = { "a secret of the game", "X%-A: a value has no line breaks", "budget" }
    answers({ 500, '{"code":500}' }, "GET", "/boom")
    logged("routes.lua:13: a secret of the game")
    answers({ 500, '{"code":500}' }, "GET", "/err")
    logged("routes.lua:15: GET /err: another secret")
    answers({ 500, '{"code":500}' }, "GET", "/nothing")
    logged("routes.lua:14: GET /nothing: it returned no answer")
    local status, _, head = ask("GET", "/split")
    assert.equal(500, status)
    assert.is_nil(head:find("Evil", 1, true))
    answers({ 500, '{"code":500}' }, "GET", "/spin")
    wait_counter("httpErrors", 5)
    wait_counter("httpFailed", 5)
  end)

  it("takes the headers of the game, in the place of the usual ones", function()
    start(nil, nil, { web = ', "headers": { "X-Frame-Options": "DENY" }' })
    local status, body, head = ask("GET", "/own")
    assert.same({ 200, "<b>" }, { status, body })
    for _, line in ipairs { "Content-Type: text/html", "Cache-Control: max-age=9",
      "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Content-Type-Options: none",
      "X-Frame-Options: DENY" } do
      has(head, line)
    end
    assert.is_nil(head:find("no-store", 1, true))
  end)

  -- Requests that wait in the game.
  local function wait_for_answer(n)
    local clients = {}
    for i = 1, n do clients[i] = http.begin(port, "GET", "/wait") end
    return clients
  end

  it("answers 504 at the deadline, 503 when too many wait, and recovers", function()
    start('{ "timeout": 500, "maxWaiting": 3 }')
    local clients, head = wait_for_answer(3), nil
    assert(net.wait(function()
      local status, _, lines = ask("POST", "/pay", "{}")
      head = lines
      return status == 503
    end))
    has(head, "Retry-After: 1")
    for i = 1, 3 do assert.equal(504, http.status(clients[i])) end
    -- what waits in the game still counts, until it has ended
    assert.equal(503, (ask("GET", "/players/1")))
    wait_counter("httpOverWaiting", 1)
    wait_counter("httpLate", 3)
    logged "web: no answer to GET /wait within 500 ms (http.timeout)"
    logged("maxWaiting is 3")
  end)

  describe("while the server is busy", function()
    local dir
    before_each(function() dir = tree.new {} end)
    after_each(function() tree.remove(dir) end)

    -- Holds the server; the function that is returned lets it go on.
    local function hold()
      local path = dir .. "/go"
      local client = http.begin(port, "POST", "/hold", path)
      assert(net.wait(function() return disk.exists(path .. ".began") end, app.patience))
      return function()
        assert(io.open(path, "w")):close()
        http.status(client)
        assert(net.wait(function() return not disk.exists(path) end, app.patience))
        os.remove(path .. ".began")
      end
    end

    local BUSY = { ["app.lua"] = FILES["app.lua"]:gsub("budget = 200", "budget = 60000") }

    it("takes its time from what a request may take, and begins none that is over", function()
      start('{ "timeout": 2000 }', BUSY)
      local go, clients, after = hold(), {}
      for i = 1, 2 do clients[i] = http.begin(port, "POST", "/begin", "{}") end
      for i = 1, 2 do assert.equal(504, http.status(clients[i])) end
      go()
      local status, body = ask("POST", "/begin", "{}")
      assert.equal(200, status)
      assert.equal(1, cjson.decode(body)[1])
      wait_counter("httpLate", 3)
      repeat -- on a machine that stands still the time may be over before the server goes on
        go = hold()
        local at = core.now()
        clients[1] = http.begin(port, "POST", "/begin", "{}")
        net.wait(function() return core.now() - at >= 500 end, app.patience)
        go()
        status, after = http.answer(clients[1])
      until status ~= 504
      assert.equal(200, status)
      assert.is_true(cjson.decode(after)[2] <= 1500, after)
    end)
  end)

  it("answers 413 to a body above http.maxBody, announced or not", function()
    start('{ "maxBody": 100, "maxAnswer": 1024 }')
    expected = { "http.maxAnswer" }
    assert.equal(201, (ask("POST", "/pay", ("x"):rep(100))))
    answers({ 413, '{"code":413}' }, "POST", "/pay", ("x"):rep(101))
    local head = "POST /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert.matches("^HTTP/1.1 413 ", raw(head .. "Content-Length: 99999999999999999999\r\n\r\n"))
    head = head .. "Transfer-Encoding: chunked\r\n\r\n"
    assert.matches("^HTTP/1.1 201 ", raw(head .. "40\r\n" .. ("y"):rep(64) .. "\r\n0\r\n\r\n"))
    assert.matches("^HTTP/1.1 413 ", raw(head .. "40\r\n" .. ("y"):rep(64) .. "\r\n40\r\n"
      .. ("y"):rep(64) .. "\r\n0\r\n\r\n"))
    -- one that goes on is cut
    local client = assert(net.connect(port))
    client:send(head .. "100000\r\n" .. ("z"):rep(200000))
    assert.truthy(client:waitClosed(app.patience))
    wait_counter("httpTooBig", 3)
    assert.equal(200, (ask("GET", "/big?n=1024")))
    assert.equal(500, (ask("GET", "/big?n=1025")))
  end)

  it("takes no body whose end is not sure", function()
    start()
    for _, lines in ipairs { "Content-Length: 2\r\nContent-Length: 3\r\n",
      "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
      "Content-Length: -1\r\n", "Content-Length: 2x\r\n" } do
      local all = raw("POST /pay HTTP/1.1\r\nHost: x\r\n" .. lines .. "\r\n{}x")
      assert.truthy(all == "" or all:find("^HTTP/1.1 40[01] ") or all:find("^HTTP/1.1 413 "),
        lines .. " gave " .. all)
      assert.is_nil(all:find("HTTP/1.1 2", 1, true), lines .. " gave " .. all)
    end
    assert.equal(201, (ask("POST", "/pay", "{}")))
  end)

  it("answers pipelined requests in their order", function()
    start()
    local client = assert(net.connect(port))
    local function one(method, target, body)
      return ("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(method, target,
        #body, body)
    end
    client:send(one("GET", "/wait", "") .. one("POST", "/pay", '"first"') .. one("GET", "/", "")
      .. one("GET", "/players/9", "") .. http.request("POST", "/pay", '"last"'))
    wait_counter("httpWaiting", 1)
    answers({ 200, "1" }, "POST", "/wake", "")
    client:waitClosed(app.patience)
    local all = client:pending()
    local at = 0
    for _, part in ipairs { "waited", '"got":"first"', "the page", '"id":"9"', '"got":"last"' } do
      at = assert(all:find(part, at + 1, true), part .. " is not behind the others in " .. all)
    end
  end)
end)
