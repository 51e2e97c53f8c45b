-- HTTP requests for a game in the test kit: routes, requests, answers, time, reload.
-- Tests app/http_routes.lua, message/http_serve.lua and test/http_in.lua.
local store_call = require "pomelua.store.call"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local SERVERS = '{ "web": [{ "id": "web-1" }, { "id": "web-2" }], "hall": [{ "id": "hall-1" }] }'

describe("app:http", function()
  local base, server

  local function new(routes, more, options)
    local files = {
      ["config/servers.json"] = SERVERS,
      ["config/web.json"] = '{ "port": 1, "root": false, "server": "web-1" }',
      ["app.lua"] = 'local pomelua = require "pomelua"\nlocal app = pomelua.createApp()\n'
        .. 'local waiting = {}\napp:set("waiting", waiting)\n' .. routes .. "\napp:start()\n",
    }
    for path, text in pairs(more or {}) do files[path] = text or nil end
    base = tree.new(files)
    local given = { base = base, type = "web" }
    for key, value in pairs(options or {}) do given[key] = value end
    server = test.server(given)
    return server
  end

  after_each(function()
    if server then server:close() end
    server = nil
    tree.remove(base)
  end)

  local function logged(text)
    for _, line in ipairs(server:log()) do
      if line.text:find(text, 1, true) then return line.level end
    end
    local all = {}
    for _, line in ipairs(server:log()) do all[#all + 1] = line.text end
    error(text .. " is not in the log:\n" .. table.concat(all, "\n"), 2)
  end

  it("gives what the client sends", function()
    new [[
      app:http("POST", "/pay/:order", function(req)
        local json, form = req.json, req.form
        return { status = 201, json = { method = req.method, path = req.path, route = req.route,
          params = req.params, query = req.query, raw = req.queryString, body = req.body,
          address = req.address, sign = req.headers["x-sign"], json = json, form = form,
          why = req.jsonError, other = req.anything } }
      end)
    ]]
    local answer = server:http("POST", "/pay/a%20b?x=1+2&x=3&%C3%A4=%26", {
      json = { gold = 3 }, headers = { ["X-Sign"] = "s", }, address = "10.0.0.9",
    })
    assert.equal(201, answer.status)
    assert.same({ ["content-type"] = "application/json" }, answer.headers)
    assert.same({
      method = "POST", path = "/pay/a b", route = "/pay/:order", params = { order = "a b" },
      query = { x = "1 2", ["ä"] = "&" }, raw = "x=1+2&x=3&%C3%A4=%26", body = '{"gold":3}',
      address = "10.0.0.9", sign = "s", json = { gold = 3 },
    }, answer.json)
    answer = server:http("POST", "/pay/1", { body = "a=1&b=%zz",
      headers = { ["content-type"] = "application/x-www-form-urlencoded" } })
    assert.same({ a = "1", b = "%zz" }, answer.json.form)
    assert.is_string(answer.json.why)
    answer = server:http("POST", "/pay/1")
    assert.equal("the body is empty", answer.json.why)
  end)

  it("takes the answer in its forms", function()
    new [[
      app:http("GET", "/text", function() return { body = "x" } end)
      app:http("GET", "/list", function() return { json = { 1 } } end)
      app:http("GET", "/set", function()
        return { status = 302, headers = { Location = "/", ["Set-Cookie"] = { "a=1", "b=2" },
          ["X-N"] = 7 } }
      end)
    ]]
    assert.same({ status = 200, body = "x", headers = {
      ["content-type"] = "text/plain; charset=utf-8" } }, (server:http("GET", "/text")))
    assert.equal("[1]", server:http("GET", "/list").body)
    local answer = server:http("GET", "/set")
    assert.same({ location = "/", ["set-cookie"] = { "a=1", "b=2" }, ["x-n"] = "7" },
      answer.headers)
    assert.equal("", answer.body)
    assert.equal("", server:http("HEAD", "/text").body)
  end)

  local wrong = {
    { "5", "must be a table { status =, headers =, body =, json = }, got 5" },
    { "{ code = 200 }", "code: no such field; there are status, headers, body and json" },
    { "{ staus = 200 }", "did you mean status?" },
    { "{ status = 99 }", "status: must be a whole number, 200 to 599, got 99" },
    { "{ status = 200.5 }", "status: must be a whole number" },
    { "{ body = {} }", "body: must be a string, got a table; a value goes into json" },
    { '{ body = "x", json = 1 }', "body and json are both there" },
    { "{ json = print }", "json: " },
    { '{ headers = { A = "x\\r\\nB: y" } }', "headers.A: a value has no line breaks" },
    { '{ headers = { A = { "x", "\\n" } } }', "headers.A: a value has no line breaks" },
    { '{ headers = { ["A: b\\r\\n"] = "x" } }', "this is no name of an HTTP header" },
    { '{ headers = { ["Content-Length"] = 3 } }', "the page server sets this header itself" },
    { "{ headers = { A = true } }", "headers.A: must be a text or a list of texts, got true" },
    { '{ headers = "x" }', "headers: must be a table" },
  }
  it("answers 500 to an answer that is none, and says at which function", function()
    local routes = {}
    for i, case in ipairs(wrong) do
      routes[i] = ('app:http("GET", "/w%d", function() return %s end)'):format(i, case[1])
    end
    new(table.concat(routes, "\n"))
    for i, case in ipairs(wrong) do
      local answer = server:http("GET", "/w" .. i)
      assert.equal(500, answer.status, case[1])
      assert.equal('{"code":500}', answer.body)
      assert.equal("error", logged(case[2]))
      logged(("app.lua:%d: GET /w%d: its answer: "):format(i + 4, i))
    end
    assert.equal(#wrong, server.inner:counters().httpErrors)
  end)

  it("answers what no function gets", function()
    new [[app:http("GET", "/a/:id", function() return { body = "a" } end)]]
    assert.same({ status = 404, body = '{"code":404}', json = { code = 404 },
      headers = { ["content-type"] = "application/json" } }, (server:http("GET", "/b")))
    assert.equal(400, server:http("GET", "/a/%00").status)
    local answer = server:http("POST", "/a/1", { body = "x" })
    assert.same({ 405, "GET, HEAD, OPTIONS" }, { answer.status, answer.headers.allow })
    answer = server:http("OPTIONS", "/a/1")
    assert.same({ 204, "GET, HEAD, OPTIONS" }, { answer.status, answer.headers.allow })
    assert.equal(413, server:http("GET", "/a/1", { body = ("x"):rep(65537) }).status)
    assert.equal(200, server:http("GET", "/a/1", { body = ("x"):rep(65536) }).status)
  end)

  local WAIT = [[
    app:http("GET", "/wait", function()
      local value, err = pomelua.await(function(cb) waiting[#waiting + 1] = cb end)
      if err then return nil, err end
      return { body = value }
    end)
    app:http("GET", "/big", function() return { body = ("x"):rep(1025) } end)
  ]]

  it("waits, until its deadline", function()
    new(WAIT)
    local answer, pending = server:http("GET", "/wait")
    assert.is_nil(answer)
    server.app:get("waiting")[1](nil, "now")
    server:settle()
    assert.is_true(pending.done)
    assert.equal("now", pending.value.body)
    pending = select(2, server:http("GET", "/wait"))
    server:tick(9990)
    assert.is_false(pending.done)
    server:tick(10)
    assert.same({ status = 504, headers = { ["content-type"] = "application/json" },
      body = '{"code":504}', json = { code = 504 } }, pending.value)
    server.app:get("waiting")[2](nil, "late")
    server:settle()
    assert.equal(504, pending.value.status)
    logged("GET /wait: answered after its deadline")
  end)

  it("gives what is left of its time to what it calls", function()
    new [[
      app:http("GET", "/left", function()
        local left = app:get("left")
        local first = left()
        pomelua.sleep(1000)
        local second = left()
        pomelua.sleep(9500)
        app:set("at", { first, second, left() })
        return {}
      end)
    ]]
    server.app:set("left", function() return store_call.time_left(server.inner, 60000) end)
    local _, pending = server:http("GET", "/left")
    server:tick(12000)
    assert.equal(504, pending.value.status)
    assert.same({ 10000, 9000, 0 }, server.app:get("at"))
  end)

  it("has the limits of config/web.json", function()
    new(WAIT, { ["config/web.json"] = [[{ "development": { "port": 1, "root": false,
      "server": "web-1", "http": { "timeout": 200, "maxWaiting": 2, "maxBody": 3,
      "maxAnswer": 1024 } } }]] })
    local _, first = server:http("GET", "/wait")
    server:http("GET", "/wait")
    local answer = server:http("GET", "/wait")
    assert.same({ 503, "1" }, { answer.status, answer.headers["retry-after"] })
    logged("http.maxWaiting")
    assert.equal(1, server.inner:counters().httpOverWaiting)
    assert.equal(413, server:http("GET", "/wait", { body = "1234" }).status)
    server:tick(200)
    assert.equal(504, first.value.status)
    server.app:get("waiting")[1](nil, "late")
    server:settle()
    assert.equal(500, server:http("GET", "/big").status)
    logged("its body is above http.maxAnswer")
    server:stop()
    assert.equal(503, server:http("GET", "/wait").status)
  end)

  it("answers 500 to an error, which the log has with its line", function()
    new [[
      app:http("GET", "/raise", function() error("secret") end)
      app:http("GET", "/later", function() pomelua.sleep(5) error("secret too") end)
    ]]
    assert.equal('{"code":500}', server:http("GET", "/raise").body)
    assert.equal("error", logged("GET /raise: app.lua:5: secret"))
    local _, pending = server:http("GET", "/later")
    server:tick(10)
    assert.equal(500, pending.value.status)
    logged("GET /later: app.lua:6: secret too")
  end)

  describe("and reloads", function()
    local FILE = [[
      local app = require("pomelua").createApp()
      local version = %d
      app:http("GET", "/v", function() return { json = version } end)
      %s
      return {}
    ]]
    local function write(version, more)
      local file = assert(io.open(base .. "/app/routes.lua", "w"))
      file:write(FILE:format(version, more or ""))
      file:close()
    end

    it("replace the routes of a file together", function()
      new('require "app.routes"\napp:http("GET", "/app", function() return { json = 0 } end)',
        { ["app/routes.lua"] = FILE:format(1, [[
          app:http("GET", "/old", function() return { json = 0 } end)
          app:http("GET", "/wait", function()
            require("pomelua").sleep(100) return { json = version }
          end)]]) })
      assert.equal(1, server:http("GET", "/v").json)
      local _, pending = server:http("GET", "/wait")
      write(2, 'app:http("GET", "/new/:id", function(req) return { json = req.params.id } end)')
      assert(server:reload())
      assert.equal(2, server:http("GET", "/v").json)
      assert.equal("7", server:http("GET", "/new/7").json)
      assert.equal(404, server:http("GET", "/old").status)
      assert.equal(0, server:http("GET", "/app").json)
      server:tick(100)
      assert.equal(1, pending.value.json) -- what had begun
    end)

    it("keep the old routes when the new file is wrong", function()
      new('require "app.routes"', { ["app/routes.lua"] = FILE:format(1, "") })
      for _, more in ipairs { 'app:http("GET", "/v", print)', "error('x')",
        'app:http("GET", "v", print)' } do
        write(2, more)
        local result, err = server:reload()
        assert.is_nil(result)
        assert.matches("app/routes.lua:%d+", tostring(err))
        assert.equal(1, server:http("GET", "/v").json)
      end
      write(3)
      assert(server:reload())
      assert.equal(3, server:http("GET", "/v").json)
    end)
  end)

  local refused = {
    { 'app:http("GET", "/a")', "strings and a function are needed, got a string, a string and a "
      .. "nil" },
    { 'app:http("get", "/a", print)', "there is no such method; write it in capital letters" },
    { 'app:http("PSOT", "/a", print)', "there is no such method; did you mean POST?" },
    { 'app:http("GET", "a", print)', '"a": a path begins with "/"' },
    { 'app:http("GET", "/a/:", print)', 'there is no name behind ":"' },
    { 'app:http("GET", "/a", print) app:http("GET", "/a", print)', "this route is there already" },
    { 'app:http("GET", "/a/:x", print) app:http("POST", "/a/:y", print)',
      "/a/:x fits the same paths: give their names alike" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local ok, message = pcall(new, case[1])
      assert.is_false(ok)
      assert.matches("app.lua:5: ", message, 1, true)
      assert.matches(case[2], message, 1, true)
    end)
  end

  it("needs a server in config/web.json", function()
    local route = 'app:http("GET", "/a", print)'
    local function refusal(text)
      local ok, message = pcall(new, route, { ["config/web.json"] = text })
      assert.is_false(ok)
      tree.remove(base)
      return message
    end
    assert.matches("app.lua:5: config/web.json: there is no such file; app:http needs its keys "
      .. "port and server", refusal(false), 1, true)
    assert.matches('app.lua:5: config/web.json: server: missing; app:http needs the id of a server',
      refusal '{ "port": 1 }', 1, true)
    assert.matches('config/web.json: development.server: there is no server "web-3" in '
      .. "config/servers.json; did you mean web-1?",
      refusal '{ "development": { "port": 1, "server": "web-3" } }', 1, true)
  end)

  it("is asked of that server alone", function()
    local route = 'app:http("GET", "/a", function() return { body = "a" } end)'
    new(route, nil, { id = "web-2" })
    assert.has_error(function() server:http("GET", "/a") end)
    local _, message = pcall(server.http, server, "GET", "/a")
    assert.matches('config/web.json: server is "web-1", which gets the requests; this one is '
      .. '"web-2"', message, 1, true)
    server:close()
    tree.remove(base)
    new "-- none"
    _, message = pcall(server.http, server, "GET", "/a")
    assert.matches("this server has no routes", message, 1, true)
    server:close()
    tree.remove(base)
    new(route)
    _, message = pcall(server.http, server, "GET", "/a", { boody = "x" })
    assert.matches("there is no option boody; did you mean body?", message, 1, true)
    _, message = pcall(server.http, server, "GET", "a")
    assert.matches('"POST", "/pay" and a table', message, 1, true)
  end)
end)
