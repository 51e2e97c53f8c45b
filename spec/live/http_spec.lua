-- http.request for real: servers of a game ask an HTTPS server that behaves well, badly or not at
-- all (spec/support/https.lua). Tests http.lua, store/http.lua and core/bind/l_store_http.c.
local app = require "spec.support.app"
local client_of = require "pomelua.client"
local https = require "spec.support.https"
local net = require "spec.support.net"
local test = require "pomelua.test"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local FILES = {
  ["config/servers.json"] = [[{"development": {
    "gate": [{"id": "gate-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "open": [{"id": "open-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "closed": [{"id": "closed-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
  }}]],
}
local HANDLER = [[
  local http = require "pomelua.http"
  local pomelua = require "pomelua"
  return function(app, state)
    state.ended = state.ended or {}
    local Handler = {}
    function Handler:ask(msg)
      local begin = pomelua.now()
      local answer, err = http.request(msg.options)
      local ms = pomelua.now() - begin
      if not answer then return { code = 500, err = err.code, message = err.message, ms = ms } end
      return { code = 200, status = answer.status, headers = answer.headers, body = answer.body,
        json = answer.json, ms = ms }
    end
    -- Several at a time; how each ended.
    function Handler:many(msg)
      local list = {}
      for i = 1, msg.n do
        list[i] = function()
          local answer, err = http.request(msg.options)
          return answer and answer.status or err.code
        end
      end
      local counts = {}
      for _, how in pairs(pomelua.all(list)) do
        counts[tostring(how)] = (counts[tostring(how)] or 0) + 1
      end
      return { code = 200, counts = counts }
    end
    function Handler:called_back(msg, _, next)
      http.request(msg.options, function(err, answer)
        next(nil, { code = 200, err = err and err.code, status = answer and answer.status })
      end)
    end
    function Handler:leaves(msg)
      local _, err = http.request(msg.options)
      state.ended[#state.ended + 1] = err and err.code or "answered"
      return {}
    end
    function Handler:ended() return { code = 200, list = state.ended } end
    function Handler:counters() return app:getCounters() end
    return Handler
  end
]]

describe("http.request", function()
  local base, service, cluster, client

  setup(function()
    service = https.start()
    local files = { ["app.lua"] = ([[
      local app = require("pomelua").createApp()
      app:set("serverConfig", { timeout = 3000 })
      app:configure("development", "gate", function()
        app:set("httpConfig", { caFile = %q, waiting = 20 })
      end)
      app:configure("development", "open", function()
        app:set("httpConfig", { caFile = %q, allowPrivate = { "127.0.0.0/8", "::1" },
          maxBody = 2000, maxHeaders = 2000, connectionsPerHost = 2, timeout = 2000 })
      end)
      app:start()
    ]]):format(service.ca, service.ca) }
    for path, text in pairs(FILES) do files[path] = text end
    for _, type in ipairs { "gate", "open", "closed" } do
      files["app/servers/" .. type .. "/handler/askHandler.lua"] = HANDLER
    end
    base = tree.new(files)
    cluster = test.cluster { base = base }
    client = {}
    for _, type in ipairs { "gate", "open", "closed" } do
      client[type] = cluster:client { type = type }
    end
  end)
  teardown(function()
    test.closeAll()
    https.closeAll()
    net.closeAll()
    tree.remove(base)
  end)

  local function call(method, msg, type)
    type = type or "gate"
    return assert(client[type]:request(("%s.askHandler.%s"):format(type, method), msg))
  end

  -- An own address needs a word.
  local function ask(path, options, type)
    options = options or {}
    options.url = path:find("^http") and path or service.url .. path
    if options.allowPrivate == nil and type ~= "open" then options.allowPrivate = true end
    return call("ask", { options = options }, type)
  end

  it("sends what it is told to, and gives status, headers, body and json", function()
    local got = ask("/echo?a=b", { json = { token = "t" }, headers = { ["X-Key"] = "k" } })
    assert.same({ 200, "application/json", "a, b" },
      { got.status, got.headers["content-type"], got.headers["x-twice"] })
    assert.same({ "POST", "/echo?a=b", '{"token":"t"}', "k", "application/json" },
      { got.json.method, got.json.url, got.json.body, got.json.headers["x-key"],
        got.json.headers["content-type"] })
    assert.equal("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\nb=2", got.headers["set-cookie"])
    got = ask("/text")
    assert.same({ 200, "plain text" }, { got.status, got.body })
    assert.is_nil(got.json)
    got = ask("/status?code=503", { method = "DELETE" })
    assert.same({ 200, 503, "said so" }, { got.code, got.status, got.body })
    assert.is_nil(ask("/broken-json").json)
    assert.equal(200, ask("/echo", { method = "HEAD" }).status)
    assert.same({ code = 200, status = 200 },
      call("called_back", { options = { url = service.url .. "/text", allowPrivate = true } }))
  end)

  it("reaches no address of its own network unasked, not by redirects either", function()
    local got = ask("/text", { allowPrivate = false })
    assert.equal("PRIVATE", got.err)
    assert.matches("its address [%x.:]+ is private", got.message)
    for _, url in ipairs { "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/",
      "http://192.168.0.1/", "http://[fd00:ec2::254]/", "http://[::ffff:127.0.0.1]/",
      "http://0.0.0.0/", "http://224.0.0.1/" } do
      assert.equal("PRIVATE", ask(url, { allowPrivate = false }).err, url)
    end
    local n = call("counters", {}).httpOutPrivate
    assert.equal(8, n)
    assert.equal(200, ask("/text", nil, "open").status)
    assert.equal("PRIVATE", ask("/redirect?to=https://169.254.169.254/", { redirects = 1 },
      "open").err)
  end)

  it("follows redirects only when it is told to, at most so many", function()
    local got = ask("/redirect?to=/text")
    assert.same({ 302, "/text" }, { got.status, got.headers.location })
    assert.equal("plain text", ask("/redirect?to=/text", { redirects = 1 }).body)
    got = ask("/redirect?to=/redirect?to=/text", { redirects = 1 })
    assert.same({ "HTTP", true }, { got.err, got.message:find("more than 1 redirects") ~= nil })
    got = ask("/redirect?to=" .. service.plain .. "/text", { redirects = 1 })
    assert.same({ "HTTP", true }, { got.err, got.message:find("from https to http") ~= nil })
    got = ask("/redirect?to=file:///etc/passwd", { redirects = 1 })
    assert.same({ "HTTP", true }, { got.err, got.message:find("not http or https") ~= nil })
  end)

  it("trusts whom it should, and nobody else", function()
    for url, why in pairs {
      [service.other .. "/text"] = "its certificate is not trusted",
      [service.expired .. "/text"] = "its certificate is not trusted: .*expired",
    } do
      local got = ask(url)
      assert.equal("HTTP", got.err)
      assert.matches(why, got.message)
    end
    local got = ask("/text", nil, "closed") -- it has no caFile
    assert.equal("HTTP", got.err)
    assert.matches("its certificate is not trusted", got.message)
    assert.equal(200, ask(service.plain .. "/text").status)
  end)

  -- path: the code, a part of the message
  local OUTCOMES = {
    ["/cut"] = { "HTTP", "the answer was cut" },
    ["/cut-chunk"] = { "HTTP", "the answer was cut" },
    ["/reset"] = { "HTTP", "localhost:" },
    ["/garbage"] = { "HTTP", "localhost:" }, -- each version of libcurl says it in its own words
    ["/endless"] = { "RANGE", "the body of the answer is larger than 2000 bytes" },
    ["/huge"] = { "RANGE", "the body of the answer is larger than 2000 bytes" },
    ["/headers"] = { "RANGE", "more than 128 headers or 2000 bytes" },
    ["/many-headers"] = { "RANGE", "more than 128 headers or 2000 bytes" },
    ["/less"] = { "TIMEOUT", "" },
    ["/drip"] = { "TIMEOUT", "" },
    ["/never"] = { "TIMEOUT", "" },
    ["/slow?ms=5000"] = { "TIMEOUT", "" },
  }
  for path, outcome in pairs(OUTCOMES) do
    it(("of %s is %s"):format(path, outcome[1]), function()
      local got = ask(path, { timeout = outcome[1] == "TIMEOUT" and 150 or nil }, "open")
      assert.equal(outcome[1], got.err, got.message)
      assert.matches(outcome[2], got.message, 1, true)
      assert.is_true(got.ms < 4900, got.ms)
      -- And the next one is not hurt by it.
      assert.equal("plain text", ask("/text", nil, "open").body)
    end)
  end

  it("never takes more than was announced for the answer to the next", function()
    for _ = 1, 3 do
      assert.equal("hello", ask("/more").body)
      assert.equal("plain text", ask("/text").body)
    end
  end)

  it("has connections for so many, lets so many wait, and refuses the others", function()
    local options = { url = service.url .. "/slow?ms=100", allowPrivate = true }
    local got = call("many", { n = 30, options = options })
    assert.same({ ["200"] = 20, BUSY = 10 }, got.counts)
  end)

  it("ends when its session does, and the service sees it", function()
    local one = cluster:client { type = "gate" }
    local function open() return ask("/count").json.open end
    assert(net.wait(function() return open() == 0 end))
    one:notify("gate.askHandler.leaves", { options = { url = service.url .. "/never",
      allowPrivate = true } })
    assert(net.wait(function() return open() == 1 end))
    one:close()
    assert(net.wait(function() return open() == 0 end))
    assert(net.wait(function() return call("ended", {}).list[1] == "CLOSED" end))
  end)

  it("is given up when the server stops", function()
    local one = cluster:client { type = "gate" }
    one:notify("gate.askHandler.leaves", { options = { url = service.url .. "/never",
      allowPrivate = true } })
    assert(net.wait(function() return ask("/count").json.open >= 1 end))
    client = nil
    assert.equal(0, cluster:stop())
  end)
end)

describe("a reload", function()
  local service, server

  setup(function() service = https.start() end)
  teardown(function()
    if server then server:stop() end
    https.closeAll()
    net.closeAll()
  end)

  it("keeps requests that are under way, and the connections", function()
    local function handler(version)
      return ([[
        local http = require "pomelua.http"
        return function(_, state)
          local Handler = {}
          function Handler:ask(msg)
            local answer = assert(http.request { url = msg.url, allowPrivate = true })
            return { code = 200, body = answer.body, version = %d }
          end
          function Handler:keep(msg) state.kept = self:ask(msg) end
          function Handler:kept() return { code = 200, kept = state.kept } end
          return Handler
        end]]):format(version)
    end
    local path = "app/servers/gate/handler/askHandler.lua"
    server = app.start {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()',
      ["config/servers.json"] = [[{"development": {
        "gate": [{"id": "gate-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
      [path] = handler(1),
    }
    local one = assert(client_of.connect { port = server.ports["gate-1"] })
    assert(one:notify("gate.askHandler.keep", { url = service.plain .. "/held" }))
    assert(net.wait(function() return service:ask("/count").held == 1 end))
    tree.write(server.dir, path, handler(2))
    assert.equal(0, (tool.run("reload", "-d", server.dir)))
    local answer = assert(one:request("gate.askHandler.ask", { url = service.plain .. "/text" }))
    assert.same({ "plain text", 2 }, { answer.body, answer.version })
    service:ask("/release")
    local kept
    assert(net.wait(function()
      kept = assert(one:request("gate.askHandler.kept", {})).kept
      return kept
    end))
    assert.same({ "released", 1 }, { kept.body, kept.version })
    local _, pools = tool.run("list", "-d", server.dir, "--pools")
    assert.matches("gate%-1 +http +http +2 ", pools)
    local before = service:ask("/count").connections
    assert(one:request("gate.askHandler.ask", { url = service.plain .. "/text" }))
    assert.equal(before + 1, service:ask("/count").connections) -- that of the question
    one:close()
  end)
end)
