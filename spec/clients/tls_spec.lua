-- The chat over TLS: Chromium and node's ws by wss, raw Pomelo by node's tls; what sslscan sees of
-- the ports of clients and of the page.
local certs = require "spec.support.certs"
local net = require "spec.support.net"
local support = require "spec.clients.support"
local tree = require "spec.support.tree"

describe("the chat over TLS", function()
  local missing = support.missing()
  local chat, dir

  setup(function()
    if missing then return end
    dir = tree.new {}
    certs.make(dir, "chat")
    chat = support.start(1, { tls = dir })
  end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
    if dir then tree.remove(dir) end
  end)

  it("is played by ws over wss together with raw Pomelo over TLS", function()
    if missing then pending(missing) end
    local env = { NODE_EXTRA_CA_CERTS = dir .. "/chat.crt" }
    local ann, bob = support.client("wss", env), support.client("tls", env)
    assert.same({ users = { "ann" } }, (ann:enter(chat, "ann", "lobby")))
    assert.same({ users = { "ann", "bob" } }, (bob:enter(chat, "bob", "lobby")))
    assert.equal("bob", ann:pushed("onAdd").user)
    local long = ("ü"):rep(200)
    ann:request("chat.chatHandler.send", { content = long, target = "*" })
    assert.equal(long, bob:pushed("onChat").msg)
    bob:request("chat.chatHandler.send", { content = "hello", target = "*" })
    ann:pushed "onChat" -- her own
    assert.equal("hello", ann:pushed("onChat").msg)
    ann:finish()
    bob:finish()
  end)

  describe("in a browser", function()
    local without = support.missing "page"
    local seen = {}

    setup(function()
      if without then return end
      seen = support.secure_visit(chat, dir .. "/chat.crt")
    end)

    for _, what in ipairs(support.SECURE) do
      it("is such that " .. what, function()
        if without then pending(without) end
        support.assert_seen(seen, what)
      end)
    end
  end)

  it("is not open to a client that does not believe the certificate", function()
    if missing then pending(missing) end
    local eve = support.client "wss"
    eve:tell { cmd = "connect", port = chat.gate }
    assert.matches("certificate", assert(eve:expect("error")).body)
    eve:finish()
  end)

  local function scan(port)
    local p = net.spawn("sslscan", { "--no-colour", "--no-heartbleed", "127.0.0.1:" .. port })
    assert(p:waitExit(20000))
    local enabled, ciphers = {}, 0
    for line in p.out:gmatch("[^\n]+") do
      local version, state = line:match("^(%u%u%uv%d%.?%d?) +([de]%l+abled)$")
      if version then enabled[version] = state end
    end
    assert.same({ SSLv2 = "disabled", SSLv3 = "disabled", ["TLSv1.0"] = "disabled",
      ["TLSv1.1"] = "disabled", ["TLSv1.2"] = "enabled", ["TLSv1.3"] = "enabled" }, enabled)
    for cipher in p.out:gmatch("\n%a+ +TLSv1%.%d +%d+ bits +(%S+)") do
      ciphers = ciphers + 1
      assert(cipher:find("^TLS_.*_GCM_") or cipher:find("^TLS_CHACHA20_POLY1305_")
        or cipher:find("^ECDHE%-.*%-GCM%-") or cipher:find("^ECDHE%-.*%-CHACHA20%-"), cipher)
    end
    assert(ciphers >= 5, p.out)
    assert.matches("Session renegotiation not supported", p.out)
  end

  it("shows sslscan nothing weak", function() scan(chat.gate) end)
  it("shows sslscan nothing weak at the page's port", function() scan(chat.web) end)
end)
