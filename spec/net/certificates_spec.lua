-- connectorConfig.ssl over real sockets: which certificate a client gets, what is refused, renewal
-- while clients are connected, tickets. Tests app/certificates.lua and client/trust.lua.
local app = require "spec.support.app"
local certs = require "spec.support.certs"
local client = require "pomelua.client"
local core = require "pomelua.core"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local slowness = require "spec.support.slowness"
local tree = require "spec.support.tree"

local APP = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", {
  distinctHost = true,
  ssl = {
    cert = "config/tls/live.crt", key = "config/tls/live.key",
    names = {
      ["game.example.org"] = { cert = "config/tls/game.crt", key = "config/tls/game.key" },
      ["*.example.org"] = { cert = "config/tls/star.crt", key = "config/tls/star.key" },
      ["leaf.example.org"] = { cert = "config/tls/leaf.crt", key = "config/tls/leaf.key",
        ca = "config/tls/mid.crt" },
    },
  },
  handshake = function(_, cb, _, client) cb(nil, { tls = client.tls }) end,
})
app:start()
]]

local FILES = {
  ["app.lua"] = APP,
  ["config/servers.json"] = [[{"development": {"connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
    {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]],
  ["app/servers/connector/handler/entryHandler.lua"] = [[
    return { echo = function(_, msg) return { code = 200, n = msg.n } end }]],
}

-- Folders of certificates that all specs here use, made once: `openssl` takes a while.
local made

local function link(dir, target, name)
  assert(os.execute(("ln -s %s %s/new && mv -T %s/new %s/%s"):format(target, dir, dir, dir, name))
    == 0)
end

-- As certbot does: links in one folder to numbered files in another.
local function use(base, number)
  local dir = base .. "/config/tls"
  link(dir, ("%s/v%d.key"):format(made, number), "live.key")
  link(dir, ("%s/v%d.crt"):format(made, number), "live.crt")
end

local function ca(name) return { ca = made .. "/" .. name .. ".crt" } end

describe("certificates of the client port", function()
  local server, port

  setup(function()
    made = tree.new {}
    for _, name in ipairs { "v1", "v2", "v3" } do certs.make(made, name) end
    certs.make(made, "game", { host = "game.example.org" })
    certs.make(made, "star", { host = "*.example.org" })
    certs.make(made, "root", { host = "root" })
    certs.make(made, "mid", { host = "mid", by = "root" })
    certs.make(made, "leaf", { host = "leaf.example.org", by = "mid" })
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    for _, name in ipairs { "game", "star", "leaf", "mid" } do
      for _, ending in ipairs { ".crt", ".key" } do
        local file = assert(io.open(made .. "/" .. name .. ending))
        files["config/tls/" .. name .. ending] = file:read("*a")
        file:close()
      end
    end
    server = app.start(files, { prepare = function(dir) use(dir, 1) end })
    port = server.ports["connector-1"]
  end)

  teardown(function()
    server:stop()
    tree.remove(made)
  end)

  local function connect(options)
    options.port = options.port or port
    return client.connect(options)
  end

  local function echo(one, n)
    local answer = assert(one:request("connector.entryHandler.echo", { n = n }))
    assert.same({ code = 200, n = n }, answer)
  end

  it("serve WebSocket and raw TCP, by TLS and without, on one port", function()
    for _, transport in ipairs { "ws", "tcp" } do
      for _, tls in ipairs { false, ca "v1" } do
        local one = assert(connect { transport = transport, tls = tls })
        echo(one, 7)
        one:close()
      end
    end
  end)

  it("are told to the handshake function", function()
    for _, transport in ipairs { "ws", "tcp" } do
      local one = assert(connect { transport = transport, tls = ca "v1" })
      assert.matches("^TLS_", one.handshake.user.tls.cipher)
      assert.equal("TLSv1.3", one.handshake.user.tls.version)
      one:close()
    end
    local one = assert(connect { tls = { ca = made .. "/game.crt", name = "game.example.org" } })
    assert.equal("game.example.org", one.handshake.user.tls.name)
    one:close()
    one = assert(connect {})
    assert.is_false(one.handshake.user.tls)
    one:close()
  end)

  it("are believed by clients that know their authority, and by no others", function()
    local _, message, name = connect { tls = true }
    assert.equal("the server's certificate is not believed: self-signed certificate", message)
    assert.equal("PROTO", name)
    _, message = connect { tls = { ca = made .. "/v1.crt", name = "other.org" } }
    assert.matches("not believed: hostname mismatch", message)
    _, message, name = connect { tls = { ca = made .. "/none.crt" } }
    assert.matches("^tls%.ca: .*none%.crt: no authorities can be read from it", message)
    assert.equal("INVAL", name)
    assert(connect { tls = { insecure = true } }):close()
  end)

  it("are picked by the host that a client asks for", function()
    for host, subject in pairs {
      ["game.example.org"] = "game.example.org", ["GAME.example.org"] = "game.example.org",
      ["a.example.org"] = "*.example.org", ["other.org"] = "localhost",
    } do
      local _, said = certs.openssl(("s_client -connect 127.0.0.1:%d -servername %s </dev/null")
        :format(port, host))
      assert.equal(subject, (said:match("subject=CN ?= ?(%S+)")))
    end
  end)

  it("come with the chain that leads to the authority", function()
    assert(connect { tls = { ca = made .. "/root.crt", name = "leaf.example.org" } }):close()
  end)

  it("come with TLS 1.2 and 1.3 only", function()
    for version, good in pairs { tls1_3 = true, tls1_2 = true, tls1_1 = false, tls1 = false } do
      local ok, said = certs.openssl(("s_client -connect 127.0.0.1:%d -%s -cipher "
        .. "ALL:@SECLEVEL=0 </dev/null"):format(port, version))
      assert.equal(good, ok and said:find("Cipher is [^%(]") ~= nil, version .. ": " .. said)
    end
  end)

  -- `openssl` as a client that keeps its session in a file.
  local function visit(at, option)
    local ok, said = certs.openssl(("s_client -connect 127.0.0.1:%d -tls1_2 -%s %s/session "
      .. "</dev/null"):format(at, option, made))
    assert(ok, said)
    return said
  end

  it("are renewed within two seconds; connections stay, tickets are good", function()
    local old = assert(connect { tls = ca "v1" })
    assert.matches("\nNew, TLS", visit(port, "sess_out"))
    local again = 0 -- how often connector-1 has said so
    local function renew(number)
      use(server.dir, number)
      assert(net.wait(function()
        local _, n = server.process.err:gsub("connector%-1 certificates: read again", "")
        return n > again
      end, 20000))
      again = again + 1
    end
    once_of(3, function()
      if again > 0 then renew(1) end
      local begun = core.clock()
      renew(2)
      assert(core.clock() - begun < 2000 * slowness)
    end)
    assert(server.process:waitErr("connector%-2 certificates: read again", 5000))
    echo(old, 1)
    assert(connect { tls = ca "v2" }):close()
    assert.is_nil((connect { tls = ca "v1" }))
    assert.matches("\nReused, TLS", visit(port, "sess_in"))
    assert.matches("\nReused, TLS", visit(server.ports["connector-2"], "sess_in"))
    old:close()
  end)

  it("stay as they are while what comes is broken, which is said once", function()
    local dir = server.dir .. "/config/tls"
    link(dir, made .. "/v3.key", "live.key")
    local text = "connector%-1 certificates: connectorConfig%.ssl%.key: config/tls/live%.key: this "
      .. "key does not belong to the certificate in config/tls/live%.crt; what was read "
      .. "before stays in force"
    assert(server.process:waitErr(text, 5000))
    assert(connect { tls = ca "v2" }):close()
    local function reload(status, said)
      local p = net.spawn(net.built("pomelua"), { "reload", "-d", server.dir })
      assert.equal(status, (p:waitExit(10000)))
      assert.matches("connector%-1: generation 1: certificates: " .. said, p.out)
      assert.matches("connector%-2: generation 1: certificates: " .. said, p.out)
    end
    reload(1, "connectorConfig.ssl.key: config/tls/live.key: this key does not belong to")
    -- The whole pair, by hand.
    use(server.dir, 3)
    reload(0, "read again")
    assert(connect { tls = ca "v3" }):close()
    assert.equal(2, select(2, server.process.err:gsub(text, ""))) -- of the look, of the reload
  end)
end)

describe("a server whose certificates cannot be read", function()
  local dir

  after_each(function()
    net.closeAll()
    tree.remove(dir)
  end)

  it("does not start, and says which file of which setting", function()
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    dir = tree.new(files)
    certs.make(dir .. "/config/tls", "live", { password = "secret" })
    local p = net.spawn(net.built("pomelua"), { "start", dir })
    assert.equal(1, (p:waitExit(10000)))
    assert.matches("app%.lua:4: connectorConfig%.ssl%.key: config/tls/live%.key: the key is behind "
      .. "a passphrase", p.err)
  end)

  it("does start when one has expired; `pomelua check` calls it a fault", function()
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    files["app.lua"] = APP:gsub("names = %b{}", "names = {}")
    dir = tree.new(files)
    certs.make(dir .. "/config/tls", "live", { expired = true })
    local text = "connectorConfig%.ssl%.cert: config/tls/live%.crt: the certificate has expired, "
      .. "on "
    local p = net.spawn(net.built("pomelua"), { "check", dir })
    assert.equal(1, (p:waitExit(10000)))
    assert.matches("app%.lua:4: " .. text, p.out)
    p = net.spawn(net.built("pomelua"), { "start", dir })
    assert(p:waitLine("^ready$", 10000))
    assert(p:waitErr(" warn  [^\n]*" .. text, 5000))
    p:kill("sigterm")
    assert.equal(0, (p:waitExit(10000)))
  end)
end)
