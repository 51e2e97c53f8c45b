-- app/ssl_setting: what connectorConfig.ssl may hold.
local ssl_setting = require "pomelua.app.ssl_setting"

describe("connectorConfig.ssl", function()
  local PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

  it("names files, for the port and for hosts", function()
    local given = {
      cert = "a.crt", key = "a.key", required = false,
      names = { ["game.example.org"] = { cert = "b.crt", key = "b.key", ca = "c.crt" },
        ["*.example.org"] = { cert = "d.crt", key = "d.key" } },
    }
    assert.is_nil(ssl_setting.wrong(given))
    assert.same({
      setting = "connectorConfig.ssl", cert = "a.crt", key = "a.key", chain = {}, required = false,
      names = {
        { name = "*.example.org", setting = 'connectorConfig.ssl.names["*.example.org"]',
          cert = "d.crt", key = "d.key", chain = {} },
        { name = "game.example.org", setting = 'connectorConfig.ssl.names["game.example.org"]',
          cert = "b.crt", key = "b.key", chain = { "c.crt" } },
      },
    }, ssl_setting.read(given))
  end)

  it("is off when it is false or left out", function()
    assert.is_nil(ssl_setting.wrong(false))
    assert.is_nil(ssl_setting.read(false))
    assert.is_nil(ssl_setting.read(nil))
  end)

  it("lets clients without TLS in unless it is required", function()
    assert.is_false(ssl_setting.read({ cert = "a", key = "b" }).required)
    assert.is_true(ssl_setting.read({ cert = "a", key = "b", required = true }).required)
  end)

  it("takes Pomelo's form, whose port speaks TLS alone", function()
    local given = { type = "wss", cert = "a", key = "b", ca = { "c", "d" } }
    assert.is_nil(ssl_setting.wrong(given))
    assert.is_true(ssl_setting.read(given).required)
    assert.same({ "c", "d" }, ssl_setting.read(given).chain)
    given.required = false
    assert.is_false(ssl_setting.read(given).required)
  end)

  local function refuses(value, text)
    local message = ssl_setting.wrong(value)
    assert(message and message:find(text, 1, true), message or "nothing is wrong")
    assert.is_nil(message:find("s3cret", 1, true))
    assert.is_nil(message:find("-----BEGIN", 1, true))
  end

  it("refuses the content of files, and says what to write", function()
    refuses({ type = "wss", cert = PEM, key = "b" },
      'cert holds the content of a file; write the file\'s path, cert = "config/tls/game.crt"')
    refuses({ cert = "a", key = PEM }, 'key = "config/tls/game.key"')
    refuses({ cert = "a", key = "b", ca = { PEM } }, "ca holds the content of a file")
    refuses({ cert = "a", key = "b", names = { ["h.org"] = { cert = PEM, key = "b" } } },
      'names["h.org"].cert holds the content')
  end)

  it("names the key of what it refuses", function()
    refuses(true, "must be a table { cert = path, key = path }, or false, got a boolean")
    refuses(PEM, "or false, got a string")
    refuses({ key = "b" }, "cert must be the path of a file")
    refuses({ cert = "a", key = "" }, "key must be the path of a file")
    refuses({ cert = "a\0b", key = "b" }, "cert must be the path")
    refuses({ cert = "a", key = "s3cret\0" },
      "key must be the path of a file, from the app's folder, got a string")
    refuses({ cert = "a", keys = "b" }, "keys: there is no such key; did you mean key?")
    refuses({ cert = "a", key = "b", required = "yes" }, "required must be true or false")
    refuses({ cert = "a", key = "b", type = "socket.io" }, 'type is "wss" or "tls"')
    refuses({ cert = "a", key = "b", passphrase = "x" }, "openssl pkey")
    refuses({ cert = "a", key = "b", pfx = "x" }, "openssl pkcs12")
    refuses({ cert = "a", key = "b", ca = { "c", x = "d" } }, "ca must be a path or a list")
    refuses({ cert = "a", key = "b", ca = { "1", "2", "3", "4", "5", "6", "7", "8", "9" } },
      "at most 8 files")
    refuses({ cert = "a", key = "b", names = PEM }, "names must be a table")
    refuses({ cert = "a", key = "b", names = { ["a.org"] = PEM } },
      "must be a table { cert =, key = }, got a string")
    for _, host in ipairs { "https://a.org", "a.org:443", "a.*.org", "", ".a.org", "a..org", 7 } do
      refuses({ cert = "a", key = "b", names = { [host] = { cert = "a", key = "b" } } },
        "must be the name of a host")
    end
    local many = {}
    for i = 1, 101 do many["h" .. i .. ".org"] = { cert = "a", key = "b" } end
    refuses({ cert = "a", key = "b", names = many }, "names: at most 100 hosts")
    refuses({ cert = "a", key = "b", names = { ["A.org"] = { cert = "a", key = "b" },
      ["a.org"] = { cert = "a", key = "b" } } }, 'names["a.org"]: "A.org" is the same host')
    local function of_host(pair) return { cert = "a", key = "b", names = { ["a.org"] = pair } } end
    refuses(of_host("a.crt"), 'names["a.org"] must be a table')
    refuses(of_host { cert = "a", key = "b", required = true },
      'names["a.org"].required: there is no such key')
  end)
end)
