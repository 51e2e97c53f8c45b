-- pomelua.http in the test kit: what http.request takes, and how a spec of a game answers it.
-- Tests store/http_options.lua and test/http.lua.
local document = require "spec.support.document"
local files_of_tree = require "spec.support.files"
local http_options = require "pomelua.store.http_options"
local kit = require "pomelua.test.http"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:set("serverConfig", { timeout = 3000 })
    app:set("httpConfig", { timeout = 2000, maxBody = 1000 })
    app:start()
  ]],
  ["config/servers.json"] = [[{"development": {
    "gate": [{"id": "gate-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
  }}]],
  ["app/servers/gate/handler/loginHandler.lua"] = [[
    local http = require "pomelua.http"
    local pomelua = require "pomelua"
    local Handler = {}
    -- Asks as the message says.
    function Handler:ask(msg)
      if msg.null then msg.options.json = pomelua.null end
      local answer, err = http.request(msg.options)
      if not answer then return { code = 500, err = err.code, message = err.message } end
      return { code = 200, answer = answer }
    end
    function Handler:called_back(msg, _, next)
      local early = true
      local none = http.request(msg.options, function(err, answer)
        next(nil, { code = 200, early = early, err = err and err.code, status = answer
          and answer.status })
      end)
      early = none ~= nil
    end
    function Handler:awaited(msg)
      local answer, err = pomelua.await(http.request, msg.options)
      return { code = 200, status = answer and answer.status, err = err and err.code }
    end
    function Handler:counters() return require("pomelua").createApp():getCounters() end
    return Handler
  ]],
}

describe("http.request in the test kit", function()
  local base, server

  setup(function() base = tree.new(FILES) end)
  teardown(function()
    test.closeAll()
    tree.remove(base)
  end)
  before_each(function() server = test.server { base = base, type = "gate" } end)

  local function ask(options, method, session, null)
    return server:request("gate.loginHandler." .. (method or "ask"),
      { options = options, null = null }, session or {})
  end

  -- The failures of this `it` so far, which is not to fail because of them.
  local function failures() return kit.failures_of() end

  it("is answered by the stub of its method and url, which sees all of it", function()
    local auth = test.http {
      ["POST https://auth.example/verify"] = function(req)
        local ok = req.json.token == "t"
        return { status = 201, headers = { ["X-Who"] = "me" }, json = { ok = ok } }
      end,
    }
    local got = ask { url = "https://auth.example/verify", json = { token = "t" },
      headers = { Authorization = "Bearer x", ["X-Tries"] = 3 } }
    assert.same({ code = 200, answer = {
      status = 201, headers = { ["x-who"] = "me", ["content-type"] = "application/json" },
      body = '{"ok":true}', json = { ok = true },
    } }, got)
    assert.same({
      { method = "POST", url = "https://auth.example/verify", body = '{"token":"t"}',
        json = { token = "t" }, timeout = 2000, headers = { authorization = "Bearer x",
        ["x-tries"] = "3", ["content-type"] = "application/json" } },
    }, auth.calls)
  end)

  it("finds stubs with the query, without it, and by a beginning", function()
    local which
    local function says(name) return function() which = name return {} end end
    test.http {
      ["GET https://a.example/x?b=1"] = says "whole", ["GET https://a.example/x"] = says "plain",
      ["GET https://a.example/users/*"] = says "users", ["GET https://a.example/*"] = says "any",
      ["DELETE https://a.example/x"] = says "delete",
    }
    for url, name in pairs {
      ["https://a.example/x?b=1"] = "whole", ["https://a.example/x?b=2"] = "plain",
      ["https://a.example/x"] = "plain", ["https://a.example/users/7"] = "users",
      ["https://a.example/y"] = "any",
    } do
      assert.equal(200, ask({ url = url }).answer.status)
      assert.equal(name, which, url)
    end
    ask { url = "https://a.example/x", method = "DELETE" }
    assert.equal("delete", which)
  end)

  it("without a stub fails, and says which was asked for and which there are", function()
    test.http { ["GET https://auth.example/verifyy"] = function() return {} end }
    local got = ask { url = "https://auth.example/verify?token=1" }
    local text = 'test.http has no stub for "GET https://auth.example/verify": there are GET '
      .. 'https://auth.example/verifyy; did you mean GET https://auth.example/verifyy?'
    assert.same({ code = 500, err = "HTTP", message = text }, got)
    assert.equal(text, failures())
    assert.is_nil(failures())
  end)

  it("has errors that a stub gives", function()
    local gives
    test.http { ["GET https://a.example/"] = function() return gives() end }
    local function get() return ask { url = "https://a.example/" } end
    function gives() return nil, "TIMEOUT" end
    assert.equal("TIMEOUT", get().err)
    function gives() return nil, "the line is cut" end
    assert.same({ code = 500, err = "HTTP", message = "the line is cut" }, get())
    assert.is_nil(failures())
    for wrong, text in pairs {
      [function() return 5 end] = "must return a table such as { status = 200, json = {...} }",
      [function() return { statuz = 5 } end] = "has returned statuz, which no answer has; did you "
        .. "mean status?",
      [function() error("no") end] = "no",
    } do
      gives = wrong
      assert.equal("HTTP", get().err)
      assert.matches(text, failures(), 1, true)
    end
  end)

  it("waits in virtual time, at most its timeout and what is left of the request", function()
    test.http { ["GET https://a.example/"] = function()
      require("pomelua").sleep(1500)
      return {}
    end }
    local options = { url = "https://a.example/" }
    local _, pending = ask(options)
    server:tick(1499)
    assert.is_false(pending.done)
    server:tick(1)
    assert.equal(200, pending.value.answer.status)

    options.timeout = 1000
    _, pending = ask(options)
    server:tick(999)
    assert.is_false(pending.done)
    server:tick(1)
    assert.same({ code = 500, err = "TIMEOUT", message = "no answer in 1000 ms" }, pending.value)
    server:tick(500) -- what the stub says late is nobody's
  end)

  it("calls back, or is awaited", function()
    test.http { ["GET https://a.example/"] = function() return {} end,
      ["GET https://a.example/no"] = function() return nil, "BUSY" end }
    assert.same({ code = 200, early = false, status = 200 },
      ask({ url = "https://a.example/" }, "called_back"))
    assert.same({ code = 200, early = false, err = "BUSY" },
      ask({ url = "https://a.example/no" }, "called_back"))
    assert.same({ code = 200, status = 200 }, ask({ url = "https://a.example/" }, "awaited"))
    assert.same({ code = 200, err = "BUSY" }, ask({ url = "https://a.example/no" }, "awaited"))
  end)

  it("ends with the session that it is done for", function()
    test.http { ["GET https://a.example/"] = function()
      require("pomelua").sleep(1000)
      return {}
    end }
    local session = {}
    local _, pending = ask({ url = "https://a.example/" }, nil, session)
    server:disconnect(session)
    server:tick(1)
    assert.is_false(pending.done)
    assert.same({}, server.inner.stores.records)
    server:tick(2000)
  end)

  it("gives json only when the answer is JSON and says so", function()
    local answer
    test.http { ["GET https://a.example/"] = function() return answer end }
    for kind, json in pairs {
      ["application/json"] = true, ["Application/JSON; charset=utf-8"] = true,
      ["application/problem+json"] = true, ["text/plain"] = false,
    } do
      answer = { body = '{"a":1}', headers = { ["Content-Type"] = kind } }
      assert.same(json and { a = 1 } or nil, ask({ url = "https://a.example/" }).answer.json)
    end
    answer = { body = '{"a":', headers = { ["content-type"] = "application/json" } }
    local got = ask({ url = "https://a.example/" }).answer
    assert.same({ '{"a":' }, { got.body, got.json })
    answer = { body = ("x"):rep(1001) }
    assert.equal("RANGE", ask({ url = "https://a.example/" }).err)
    assert.equal(200, ask({ url = "https://a.example/", maxBody = 1001 }).answer.status)
    assert.equal(1, server:request("gate.loginHandler.counters", {}, {}).httpOutTooLarge)
  end)

  it("sends JSON's null", function()
    local services = test.http { ["POST https://a.example/"] = function() return {} end }
    ask({ url = "https://a.example/", method = "POST" }, nil, nil, true)
    assert.equal("null", services.calls[1].body)
  end)

  it("names the stubs that are none", function()
    for name, fn in pairs { ["https://a.example/"] = print, ["GET a.example"] = print,
      ["get https://a.example/"] = print } do
      assert.error_matches(function() test.http { [name] = fn } end, "a method and an url")
    end
    assert.error_matches(function() test.http { ["GET https://a.example/"] = 5 } end,
      "must be a function, got a number")
    assert.error_matches(function() test.http() end, "a table, got a nil")
  end)

  it("has no stubs of another `it`", function()
    assert.equal("HTTP", ask({ url = "https://a.example/" }).err)
    assert.matches("there are none", failures())
  end)
end)

describe("http.request{...}", function()
  local function wrong(options)
    local ok, err = pcall(http_options.read, options)
    assert.is_false(ok)
    assert.matches("^spec/pomelua/http_spec.lua:%d+: http.request: ", err)
    return (err:gsub("^.-: http.request: ", ""))
  end

  it("raises at the game's line what can be no request", function()
    local url = "https://a.example/"
    for text, options in pairs {
      ["{ url = ... }: a table, got a string"] = "x",
      ["url must be a string such as \"https://auth.example/verify\", got nil"] = {},
      ["there is no option header; did you mean headers?"] = { url = url, header = {} },
      ["there is a line end in url"] = { url = url .. "\r\nX: y" },
      ["method must be a word such as \"POST\", got a string"] = { url = url, method = "GET /" },
      ["method must be written \"POST\""] = { url = url, method = "post" },
      ["timeout must be a whole number from 1 to 600000, got 0"] = { url = url, timeout = 0 },
      ["redirects must be a whole number from 0 to 5, got 6"] = { url = url, redirects = 6 },
      ["maxBody must be a whole number from 1 to 16777216, got true"] = {
        url = url, maxBody = true },
      ["headers: there is a line end in the value of X-Name"] = { url = url,
        headers = { ["X-Name"] = "ann\r\nX-Admin: 1" } },
      ["headers: the name of a header must be a word such as \"Authorization\", got a string"] = {
        url = url, headers = { ["X: y"] = "1" } },
      ["headers must be a table, got a string"] = { url = url, headers = "Authorization: s3cret" },
      ["headers: Content-Length is written by Pomelua"] = { url = url,
        headers = { ["Content-Length"] = 5 } },
      ["headers: X must be a string, got a boolean"] = { url = url, headers = { X = true } },
      ["headers: there are more than 64"] = { url = url, headers = (function()
        local many = {}
        for i = 1, 65 do many["X" .. i] = i end
        return many
      end)() },
      ["there are both body and json"] = { url = url, body = "", json = {} },
      ["json.f: a function"] = { url = url, json = { f = print } },
    } do
      assert.equal(text, wrong(options))
    end
    assert.matches("^body must be a string, got .*; json = {...} sends a table as JSON$",
      wrong { url = url, body = {} })
    assert.matches("^allowPrivate must be true or false, got .*httpConfig",
      wrong { url = url, allowPrivate = { "10.0.0.0/8" } })
  end)

  it("is a GET, or a POST when there is a body", function()
    local function method(options) return http_options.read(options).method end
    assert.equal("GET", method { url = "https://a/" })
    assert.equal("POST", method { url = "https://a/", body = "" })
    assert.equal("POST", method { url = "https://a/", json = {} })
    assert.equal("PUT", method { url = "https://a/", json = {}, method = "PUT" })
  end)

  it("becomes the parameters of C's request", function()
    assert.same({ "PUT", "https://a/", "x", 2, 99, true, "A", "1", "B", "2", n = 10 },
      http_options.params(http_options.read { url = "https://a/", method = "PUT", body = "x",
        redirects = 2, allowPrivate = true, headers = { B = 2, A = "1" } }, 99))
    assert.same("text/x", http_options.read { url = "https://a/", json = 1,
      headers = { ["content-TYPE"] = "text/x" } }.headers[1][2])
  end)
end)

describe("docs/http.md", function()
  local files = document.files(files_of_tree.read "docs/http.md")
  files["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()'
  files["config/servers.json"] = [[{"development": {"connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]]
  local base = tree.new(files)
  teardown(function() tree.remove(base) end)

  -- Its spec, in the place of the reader's.
  local text, n = files["spec/login_spec.lua"]:gsub('base = "%."', ("base = %q"):format(base))
  assert(n == 1)
  setfenv(assert(loadstring(text, "@docs/http.md")), getfenv(1))()
end)
