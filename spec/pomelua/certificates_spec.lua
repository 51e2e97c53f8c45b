-- app/certificates in virtual time: what is said of certificates that end soon. Renewal on real
-- sockets is in spec/net/certificates_spec.lua.
local certificates = require "pomelua.app.certificates"
local certs = require "spec.support.certs"
local lines = require "spec.support.lines"
local ssl_setting = require "pomelua.app.ssl_setting"
local test = require "pomelua.test"
local timers = require "pomelua.run.timers"
local tree = require "spec.support.tree"

describe("the certificates of a frontend", function()
  local DAY = 86400000
  local base, server

  before_each(function()
    base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"connector": [{"id": "connector-1",
        "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
    }
    server = test.server { base = base, type = "connector", time = os.time() + 3600 }
  end)
  after_each(function() tree.remove(base) end)

  local function start()
    server.inner.checked.ssl = ssl_setting.read { cert = "a.crt", key = "a.key" }
    return certificates.start(server.inner)
  end

  local function logged(text) return lines.count(server, text) end

  it("warn daily from two weeks before their end, and when they have expired", function()
    certs.make(base, "a", { days = 16 })
    assert(start())
    -- The looks at the files: two in each second of two weeks.
    timers.stop(server.inner, server.inner.setting_files.timer)
    server:tick(1.5 * DAY)
    assert.equal(0, logged "the certificate ends")
    server:tick(DAY)
    assert.equal(1, logged "a.crt: the certificate ends in 13 days")
    server:tick(12 * DAY)
    assert.equal(1, logged "a.crt: the certificate ends in 1 day")
    assert.equal(0, logged "has expired")
    server:tick(3 * DAY)
    assert.is_true(logged "a.crt: the certificate has expired" > 0)
  end)

  it("say so at once when they end soon, and no more when they are renewed", function()
    certs.make(base, "a", { days = 3 })
    assert(start())
    assert.equal(1, logged "a.crt: the certificate ends in 2 days")
    certs.make(base, "a", { days = 300 })
    server:tick(2000)
    assert.equal(1, logged "certificates: read again")
    timers.stop(server.inner, server.inner.setting_files.timer)
    server:tick(3 * DAY)
    assert.equal(1, logged "the certificate ends")
  end)

  it("say which file is wrong", function()
    local ok, message = start()
    assert.is_nil(ok)
    assert.equal("connectorConfig.ssl.cert: a.crt: No such file or directory", message)
  end)

  it("are looked at without being used, for pomelua check", function()
    assert.same({ nil, {} }, { certificates.look_at(server.inner) })
    server.inner.checked.ssl = ssl_setting.read { cert = "a.crt", key = "a.key" }
    assert.matches("No such file", (certificates.look_at(server.inner)))
    certs.make(base, "a", { expired = true })
    assert.matches("a%.crt: the certificate has expired", (certificates.look_at(server.inner)))
    certs.make(base, "a")
    assert.same({ nil, {} }, { certificates.look_at(server.inner) })
  end)
end)
