-- The chat over TLS, to which only those come who have a token: people in Chromium, and what
-- happens to others.
local certs = require "spec.support.certs"
local client = require "pomelua.client"
local core = require "pomelua.core"
local net = require "spec.support.net"
local support = require "spec.clients.support"
local tree = require "spec.support.tree"

local SECRET = ("0123456789abcdef"):rep(4)

describe("the chat over TLS with tokens", function()
  local missing = support.missing()
  local chat, dir

  setup(function()
    if missing then return end
    dir = tree.new {}
    certs.make(dir, "chat")
    chat = support.start(1, { tls = dir, env = { CHAT_SECRET = SECRET } })
  end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
    if dir then tree.remove(dir) end
  end)

  local function connect(port, token)
    return client.connect { port = port, tls = { ca = dir .. "/chat.crt" }, token = token }
  end

  local function gate_token(name, room)
    local gate = assert(connect(chat.gate))
    local entry = gate:request("gate.gateHandler.queryEntry", { uid = name, rid = room })
    gate:close()
    return entry.token, entry.port
  end

  describe("in Chromium", function()
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

  it("lets nobody in without a token, or with one that others have made", function()
    if missing then pending(missing) end
    local forged = assert(core.tokenKeys { { alg = "HS256", text = SECRET:reverse() } })
      :sign(1, ('{"sub":"eve*lobby","exp":%d}'):format(os.time() + 60))
    for _, port in ipairs(chat.connectors) do
      for _, token in ipairs { false, forged } do
        local one, message = connect(port, token or nil)
        assert.is_nil(one)
        assert.equal("the handshake was refused: code 401", message)
      end
    end
  end)

  it("has one of each name in a room, and a name for each token", function()
    if missing then pending(missing) end
    local token, port = gate_token("carl", "den")
    local carl = assert(connect(port, token))
    assert.same({ users = { "carl" } },
      carl:request("connector.entryHandler.enter", { username = "carl", rid = "den" }))
    assert.equal("the handshake was refused: code 409",
      (select(2, connect(port, (gate_token("carl", "den"))))))
    local other, at = gate_token("dora", "den")
    local dora = assert(connect(at, other))
    assert.same({ code = 500, error = true },
      dora:request("connector.entryHandler.enter", { username = "carl", rid = "den" }))
    assert.same({ users = { "carl", "dora" } },
      dora:request("connector.entryHandler.enter", { username = "dora", rid = "den" }))
    carl:close()
    dora:close()
  end)
end)
