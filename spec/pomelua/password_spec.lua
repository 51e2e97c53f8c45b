-- pomelua.password: hashes of passwords, in the kit at once.
local once_of = require "spec.support.once_of"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local HANDLER = [[
local password = require "pomelua.password"
local pomelua = require "pomelua"

local Handler = {}

function Handler:register(msg)
  local hash, err = password.hash(msg.password)
  return { hash = hash, err = err and err.code, text = err and tostring(err) }
end

function Handler:login(msg)
  local same, err = password.verify(msg.password, msg.hash)
  return { same = same, err = err and err.code, text = err and tostring(err) }
end

function Handler:both(msg, session, next)
  password.hash(msg.password, function(err, hash)
    if err then return next(err) end
    password.verify(msg.password, hash, function(wrong, same) next(wrong, { same = same }) end)
  end)
end

function Handler:awaited(msg)
  local hash = pomelua.await(password.hash, msg.password)
  return { same = pomelua.await(password.verify, msg.password, hash) }
end

function Handler:raises(msg)
  local ok, err = pcall(password.hash, msg.number)
  local ok2, err2 = pcall(password.verify, "a")
  return { ok or ok2, err, err2 }
end

return Handler
]]

describe("pomelua.password", function()
  local server

  before_each(function()
    server = test.server { type = "auth", base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"auth": [{"id": "auth-1",
        "host": "127.0.0.1"}]}}]],
      ["app/servers/auth/handler/h.lua"] = HANDLER,
    } }
  end)

  local function ask(method, msg) return (server:request("auth.h." .. method, msg)) end

  it("makes a hash that is another one each time, and compares", function()
    local one = ask("register", { password = "open sesame" }).hash
    assert.matches("^%$y%$", one)
    assert.not_equal(one, ask("register", { password = "open sesame" }).hash)
    assert.same({ same = true }, ask("login", { password = "open sesame", hash = one }))
    assert.same({ same = false }, ask("login", { password = "open sesamf", hash = one }))
    assert.same({ same = false }, ask("login", { password = "", hash = one }))
    assert.equal(5, server.node:counts().passwords)
  end)

  it("calls back, and is for pomelua.await, too", function()
    assert.same({ same = true }, ask("both", { password = "a" }))
    assert.same({ same = true }, ask("awaited", { password = "a" }))
  end)

  it("refuses what can be no password", function()
    assert.same({ err = "TOOBIG", text = "a password may have at most 511 bytes" },
      ask("register", { password = ("a"):rep(512) }))
    assert.same({ err = "INVAL", text = "a password may not have a byte 0" },
      ask("register", { password = "a\0b" }))
    local hash = ask("register", { password = "a" }).hash
    assert.same({ same = false }, ask("login", { password = "a\0b", hash = hash }))
    assert.same({ same = false }, ask("login", { password = ("a"):rep(512), hash = hash }))
  end)

  it("compares with hashes only, so that a password that was stored as it is does not pass",
    function()
      for _, stored in ipairs { "secret", "", "$y$j75$" } do
        assert.same({ err = "INVAL",
          text = "the stored text is not a hash that libcrypt knows" },
          ask("login", { password = "secret", hash = stored }))
      end
    end)

  it("raises at the game's line what is no string", function()
    local got = ask("raises", { number = 5 })
    assert.is_false(got[1])
    assert.matches("^app/servers/auth/handler/h%.lua:%d+: pomelua%.password%.hash%(text%): "
      .. "text must be a string, got a number$", got[2])
    assert.matches("hash must be a string, got a nil$", got[3])
  end)
end)

-- Real threads: the clock of the server goes on while one works.
describe("pomelua.password of a running server", function()
  local cluster

  teardown(function() if cluster then cluster:stop() end end)

  it("leaves the server to others, and says BUSY above its limit", function()
    cluster = test.cluster { base = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("passwordConfig", { cost = 5, maxWaiting = 2 })
        app:set("connectorConfig", { rate = false }) -- it is asked without a pause
        app:start()]],
      ["config/servers.json"] = [[{"development": {"auth": [{"id": "auth-1",
        "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
      ["app/servers/auth/handler/h.lua"] = HANDLER:gsub("return Handler", "") .. [[
local ended, codes = 0, {}
function Handler:count(msg) return { ended = ended, codes = codes } end
function Handler:many(msg)
  local list = {}
  ended, codes = 0, {}
  for i = 1, 8 do
    list[i] = function()
      local hash, err = password.hash "open sesame"
      ended = ended + 1
      codes[ended] = err and err.code or hash:sub(1, 7)
    end
  end
  pomelua.all(list)
end
return Handler
]],
    } }
    local client = cluster:client()
    local got
    once_of(5, function() -- unless they are done before this process has asked
      client:notify("auth.h.many", {})
      got = client:request("auth.h.count", {})
      local first, begun = got.ended, os.time()
      while got.ended < 8 and os.time() - begun < 20 do got = client:request("auth.h.count", {}) end
      assert.is_true(first >= 5 and first < 8, "not answered while passwords waited")
    end)
    assert.same({ "BUSY", "BUSY", "BUSY", "BUSY", "BUSY", "$y$j9T$", "$y$j9T$", "$y$j9T$" },
      got.codes)
    local hash = client:request("auth.h.register", { password = "a" }).hash
    assert.matches("^%$y%$j9T%$", hash)
    assert.same({ same = true }, client:request("auth.h.login", { password = "a", hash = hash }))
  end)
end)
