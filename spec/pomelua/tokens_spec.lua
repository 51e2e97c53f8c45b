-- connectorConfig.auth and pomelua.token (session/tokens.lua, run/token.lua and
-- base/token_keys.lua) in virtual time. Real sockets: spec/net/tokens_spec.lua.
local json = require "pomelua.base.json"
local lines = require "spec.support.lines"
local test = require "pomelua.test"
local token_keys = require "pomelua.base.token_keys"
local tree = require "spec.support.tree"

local SECRET = ("0123456789abcdef"):rep(2)
local OTHER = ("fedcba9876543210"):rep(2)
local NOW = 1790000000

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { auth = %s })
app:set("sessionConfig", %s)
app:start()
]]

local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local h = {}
  function h:who(_, session)
    return { uid = session.uid, claims = session:get("claims") }
  end
  function h:keep(_, session)
    session:set("room", "lobby")
    session:push("room")
    session:on("closed", function(_, reason) app:set("ended", tostring(reason)) end)
    return {}
  end
  function h:room(_, session) return { room = session:get("room"), n = session:get("claims").n } end
  function h:sign(msg)
    local text, message = pomelua.token.sign(msg.claims, msg.opts)
    return { text = text, message = message }
  end
  function h:verify(msg)
    local claims, message = pomelua.token.verify(msg.text)
    return { claims = claims, message = message }
  end
  return h
end
]]

describe("tokens", function()
  local base, server

  local function files(auth, more, single)
    base = tree.new {
      ["app.lua"] = APP:format(auth, single or "{}"),
      ["config/servers.json"] = [[{"development": {
        "connector": [{"id": "c-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
        "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]],
      ["app/servers/connector/handler/h.lua"] = HANDLER,
      ["app/servers/chat/handler/h.lua"] = HANDLER,
    }
    for path, text in pairs(more or {}) do tree.write(base, path, text) end
  end

  local function start(auth, more, single)
    files(auth, more, single)
    server = test.server { base = base, type = "connector", time = NOW }
  end

  local ONE = ('{ keys = { { kid = "a", alg = "HS256", key = %q } } }'):format(SECRET)

  -- A token made elsewhere, with a key of this secret.
  local function token(claims, secret, kid)
    local all = { sub = "ann", exp = NOW + 60 }
    for key, value in pairs(claims or {}) do all[key] = value end
    local core = require "pomelua.core"
    local keys = assert(core.tokenKeys { { alg = "HS256", kid = kid, text = secret or SECRET } })
    return assert(keys:sign(1, assert(json.encode(all))))
  end

  -- One with this text as the claim a.
  local function with_claim(a)
    local core = require "pomelua.core"
    local keys = assert(core.tokenKeys { { alg = "HS256", text = SECRET } })
    return assert(keys:sign(1, ('{"sub":"ann","exp":%d,"a":%s}'):format(NOW + 900, a)))
  end
  local function nested(levels) return ("["):rep(levels) .. ("]"):rep(levels) end

  local function with(text) return { user = { token = text } } end
  local function counts(name) return server.inner:counters()[name] end

  local function logged(text) return lines.count(server, text) end

  describe("let in", function()
    it("whom they are about, bound before any handler, with the claims", function()
      start(ONE)
      local ann = with(token { name = "Ann", n = 7 })
      local answer = server:request("connector.h.who", {}, ann)
      assert.equal("ann", answer.uid)
      assert.same({ sub = "ann", exp = NOW + 60, name = "Ann", n = 7 }, answer.claims)
      assert.equal("ann", ann.uid)
      assert.equal(1, counts "tokensAccepted")
    end)

    it("nobody else: without a token, with a forged one, an old one, one too long", function()
      start(ONE)
      for text, why in pairs {
        [token({}, OTHER)] = "the token has a signature of no key",
        [token({}, SECRET, "b")] = "the token has a kid that no key has",
        [token { exp = NOW - 21 }] = "the token has expired",
        [token { nbf = NOW + 21 }] = "the token is not valid yet: its nbf or iat is later",
        [("x"):rep(4097)] = "the token is longer than 4096 bytes",
        ["eyJhbGciOiJub25lIn0.e30."] = "the token is not three parts of base64url with points "
          .. "between",
        [""] = "the token is not three parts of base64url with points between",
        [7] = "the token is no text",
      } do
        assert.same({ 401, why }, { server:connect(with(text)) })
      end
      for _, session in ipairs { {}, { user = {} }, { user = 7 }, { user = "x" },
        { user = { token = json.null } } } do
        assert.same({ 401, "there is no token" }, { server:connect(session) })
      end
      assert.equal(13, counts "tokensRefused")
      assert.equal(0, counts "tokensAccepted")
      assert.equal(0, logged "eyJ")
      assert.has_error(function() server:request("connector.h.who", {}, with "x") end,
        "the handshake of this client is refused with the code 401: the token is not three parts "
          .. "of base64url with points between")
    end)

    it("guests when auth.required is false, and still nobody with a bad token", function()
      start((ONE:gsub("} } }$", "} }, required = false }")))
      assert.is_nil(server:request("connector.h.who", {}, {}).uid)
      assert.equal(401, (server:connect(with "x")))
      assert.equal(200, (server:connect(with(token()))))
    end)

    it("and no claims that settings cannot hold, which would be lost", function()
      start(ONE)
      local good = with(with_claim(nested(30)))
      assert.equal(200, server:connect(good))
      local claims = assert(server:request("connector.h.who", {}, good).claims)
      assert.equal("ann", claims.sub)
      assert.equal(nested(30), json.encode(claims.a))
      for _, a in ipairs { nested(31), nested(40), "1e999", "[-1e400]" } do
        assert.equal(401, (server:connect(with(with_claim(a)))), a)
      end
    end)

    it("those of the configured audience and issuer", function()
      start((ONE:gsub("} } }$", '} }, audience = { "game", "arena" }, issuer = "me" }')))
      assert.equal(200, (server:connect(with(token { aud = "arena", iss = "me" }))))
      assert.equal(200, (server:connect(with(token { aud = { "x", "game" }, iss = "me" }))))
      assert.same({ 401, "the token has another aud" }, { server:connect(with(token())) })
      assert.same({ 401, "the token has another iss" },
        { server:connect(with(token { aud = "game" })) })
    end)

    it("one session of a user where singleSession says so", function()
      start(ONE, nil, '{ singleSession = "refuse" }')
      assert.equal(200, (server:connect(with(token()))))
      local code, why = server:connect(with(token()))
      assert.equal(409, code)
      assert.matches("session has already bind with uid: ann", why, 1, true)
      start(ONE, nil, '{ singleSession = "kick-old" }')
      assert.equal(200, (server:connect(with(token()))))
      assert.equal(200, (server:connect(with(token()))))
      assert.equal("kick", server:kicked()[1].reason)
    end)

    it("nobody who is banned", function()
      start(ONE)
      server.inner.bans.apply(server.inner, { put = { { uid = "ann", reason = "cheating",
        since = NOW } } })
      assert.same({ 403, "ann is banned" }, { server:connect(with(token())) })
      assert.equal(200, (server:connect(with(token { sub = "bob" }))))
    end)

    it("who has a uid in a spec, which needs no token", function()
      start(ONE)
      assert.equal("bob", server:request("connector.h.who", {}, { uid = "bob" }).uid)
    end)

    it("nobody is asked for one without auth", function()
      start "false"
      assert.equal(200, (server:connect(with "x")))
      assert.is_nil(server.inner.checked.numbers.packageBefore)
    end)
  end)

  describe("end", function()
    it("the session 25 seconds after exp, with the reason expired", function()
      start(ONE)
      local ann = with(token())
      server:request("connector.h.keep", {}, ann)
      server:tick(60000 + 24000)
      assert.same({}, server:kicked())
      server:tick(2000)
      assert.equal("expired", server:kicked()[1].reason)
      assert.equal("expired", server.app:get("ended"))
      assert.equal(1, counts "tokensExpired")
      assert.is_nil(next(server.inner.auth.ends))
      assert.is_nil(next(server.inner.auth.seconds))
    end)

    it("it later when the leeway is longer, and never at once", function()
      start((ONE:gsub("} } }$", "} }, leeway = 60 }")))
      server:request("connector.h.who", {}, with(token { exp = NOW - 50 }))
      server:tick(8000)
      assert.same({}, server:kicked())
      server:tick(4000)
      assert.equal(1, #server:kicked())
    end)

    it("nothing of sessions that have gone, and wait for nobody", function()
      start(ONE)
      local ann = with(token { exp = NOW + 1e9 })
      server:request("connector.h.who", {}, ann)
      assert.is_not_nil(server.inner.auth.timer)
      server:disconnect(ann)
      assert.is_nil(next(server.inner.auth.seconds))
      assert.is_nil(next(server.inner.auth.subs))
      server:tick(1500)
      assert.is_nil(server.inner.auth.timer)
    end)

    it("all that are over when the clock jumps", function()
      start(ONE)
      for i = 1, 3 do server:request("connector.h.who", {}, with(token { sub = "u" .. i })) end
      server.inner.wall = function() return NOW + 100000 end
      server:tick(1000)
      assert.equal(3, #server:kicked())
    end)
  end)

  describe("are renewed by sys.refresh", function()
    local function refresh(text, session)
      return (server:request("sys.refresh", { token = text }, session))
    end

    it("with the same sub: the session goes on, with new claims and its own settings", function()
      start(ONE)
      local ann = with(token { n = 1 })
      server:request("connector.h.keep", {}, ann)
      server:tick(70000)
      assert.same({ code = 200, exp = NOW + 200 },
        refresh(token { exp = NOW + 200, n = 2 }, ann))
      assert.same({ room = "lobby", n = 2 }, server:request("connector.h.room", {}, ann))
      server:tick(100000)
      assert.same({}, server:kicked())
      server:tick(60000)
      assert.equal(1, #server:kicked())
      assert.equal(1, counts "tokensRefreshed")
    end)

    it("and not by the token of somebody else, or a bad one: it ends when it did", function()
      start(ONE)
      local ann = with(token())
      server:request("connector.h.who", {}, ann)
      assert.same({ code = 401 }, refresh(token { sub = "bob", exp = NOW + 900 }, ann))
      assert.same({ code = 401 }, refresh(token({ exp = NOW + 900 }, OTHER), ann))
      assert.same({ code = 401 }, refresh(7, ann))
      assert.same({ code = 401 }, (server:request("sys.refresh", "nothing", ann)))
      assert.same({ code = 401 }, (server:request("sys.refresh", "[]", ann)))
      server:notify("sys.refresh", { token = token { exp = NOW + 70 } }, ann)
      assert.equal(1, counts "tokensRefreshed")
      assert.equal(5, logged "sys.refresh of ")
      server:tick(86000)
      assert.same({}, server:kicked())
      server:tick(11000)
      assert.equal(1, #server:kicked())
    end)

    it("and not by claims that settings cannot hold: those before stay, with their time", function()
      start(ONE)
      local ann = with(token { n = 1 })
      server:request("connector.h.keep", {}, ann)
      for _, a in ipairs { nested(31), "1e999" } do
        assert.same({ code = 401 }, refresh(with_claim(a), ann))
      end
      assert.same({ room = "lobby", n = 1 }, server:request("connector.h.room", {}, ann))
      assert.same({ code = 200, exp = NOW + 900 }, refresh(with_claim(nested(30)), ann))
      assert.equal(nested(30), json.encode(server:request("connector.h.who", {}, ann).claims.a))
      assert.same({ room = "lobby" }, server:request("connector.h.room", {}, ann))
    end)

    it("ten times in a second, and no more of one session is looked at", function()
      start(ONE)
      local ann, bob = with(token()), with(token { sub = "bob" })
      for _ = 1, 10 do assert.same({ code = 401 }, refresh("no token", ann)) end
      assert.same({ code = 429 }, refresh(token { exp = NOW + 900 }, ann))
      server:notify("sys.refresh", { token = token { exp = NOW + 900 } }, ann)
      assert.equal(0, counts "tokensRefreshed")
      assert.equal(12, counts "tokensRefused")
      assert.equal(200, refresh(token { sub = "bob", exp = NOW + 900 }, bob).code)
      server:tick(1000)
      assert.equal(200, refresh(token { exp = NOW + 900 }, ann).code)
    end)

    it("not for guests", function()
      start((ONE:gsub("} } }$", "} }, required = false }")))
      local guest = {}
      server:request("connector.h.who", {}, guest)
      assert.same({ code = 401 }, refresh(token(), guest))
      assert.is_nil(guest.uid)
    end)

    it("is no route without auth", function()
      start "false"
      assert.has_error(function() refresh("x", {}) end)
    end)

    it("also behind global filters", function()
      start(ONE, { ["app.lua"] = APP:format(ONE, "{}"):gsub("app:start", [[
app:globalBefore(function() error "no filter of mine" end)
app:start]]) })
      local ann = with(token())
      assert.equal(200, (server:connect(ann)))
      assert.equal(200, refresh(token(), ann).code)
    end)
  end)

  describe("are made and checked by scripts", function()
    local AUTH = ('{ keys = { { alg = "HS256", kid = "a", key = %q }, { alg = "HS512", kid = "b",'
      .. " key = %q } }, audience = { 'game' }, issuer = 'me' }"):format(SECRET, OTHER:rep(2))

    local function ask(method, msg) return (server:request("connector.h." .. method, msg,
      { uid = "x" })) end

    it("on every server that has the setting", function()
      start(AUTH)
      local made = ask("sign", { claims = { sub = "ann", level = 3 } })
      assert.same({ sub = "ann", level = 3, iat = NOW, exp = NOW + 3600, aud = "game", iss = "me" },
        ask("verify", { text = made.text }).claims)
      assert.equal(200, (server:connect(with(made.text))))
      server = test.server { base = base, type = "chat", time = NOW }
      assert.equal("ann", server:request("chat.h.verify", { text = made.text },
        { uid = "x" }).claims.sub)
      local claims = server:request("chat.h.who", {}, { uid = "ann",
        settings = { claims = { sub = "ann" } } }).claims
      assert.same({ sub = "ann" }, claims)
    end)

    it("by the key and for the time that they want", function()
      start(AUTH)
      local made = ask("sign", { claims = { sub = 7, aud = { "game", "x" } },
        opts = { kid = "b", ttl = 5 } })
      assert.matches("^eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCIsImtpZCI6ImIifQ%.", made.text)
      assert.same({ sub = "7", iat = NOW, exp = NOW + 5, aud = { "game", "x" }, iss = "me" },
        ask("verify", { text = made.text }).claims)
      server:tick(26000)
      assert.same({ message = "the token has expired" }, ask("verify", { text = made.text }))
      assert.same({ message = 'there is no key with the kid "c"; there are a, b' },
        ask("sign", { claims = { sub = "a" }, opts = { kid = "c" } }))
    end)

    it("and misuse raises at the line of the game", function()
      start(AUTH)
      for text, msg in pairs {
        ["claims must be a table"] = { claims = 7 },
        ["claims.sub must be a uid"] = { claims = {} },
        ["give one of claims.exp and ttl"] = { claims = { sub = "a", exp = 1 },
          opts = { ttl = 1 } },
        ["ttl must be a number of seconds"] = { claims = { sub = "a" }, opts = { ttl = "1h" } },
        ["there is no field tll; did you mean ttl?"] = { claims = { sub = "a" },
          opts = { tll = 1 } },
        ["with these claims the token has expired"] = { claims = { sub = "a", exp = 1 } },
        ["with these claims the token has another aud"] = { claims = { sub = "a", aud = "x" } },
      } do
        assert.same({ code = 500 }, ask("sign", msg))
        assert.equal(1, logged(text), text)
      end
      assert.is_true(logged "app/servers/connector/handler/h.lua:" > 0)
      assert.same({ code = 500 }, ask("verify", { text = 7 }))
      start "false"
      assert.same({ code = 500 }, ask("sign", { claims = { sub = "a" } }))
      assert.equal(1, logged "connectorConfig.auth is not set for this server type")
    end)
  end)

  describe("have keys", function()
    local FILES = '{ keys = { { kid = "a", alg = "HS256", file = "config/a.key" }, '
      .. '{ kid = "b", alg = "HS256", file = "config/b.key" } } }'

    local function both() return { ["config/a.key"] = SECRET .. "\n", ["config/b.key"] = OTHER } end

    it("in files, which are read again when they change: two at a time for a rotation", function()
      start(FILES, both())
      assert.equal(200, (server:connect(with(token({}, SECRET, "a")))))
      assert.equal(200, (server:connect(with(token({}, OTHER, "b")))))
      local third = ("third secret "):rep(3)
      tree.write(base, "config/a.key", third)
      server:tick(2000)
      assert.equal(200, (server:connect(with(token({}, third, "a")))))
      assert.equal(401, (server:connect(with(token({}, SECRET, "a")))))
      assert.equal(200, (server:connect(with(token({}, OTHER, "b")))))
      assert.equal(1, logged "connectorConfig.auth: read again")
    end)

    it("that stay when a file is broken, which is said with its name", function()
      start(FILES, both())
      tree.write(base, "config/b.key", "short")
      server:tick(2000)
      assert.equal(200, (server:connect(with(token({}, OTHER, "b")))))
      assert.equal(1, logged("connectorConfig.auth: keys[2] (config/b.key): HS256 needs a secret "
        .. "of at least 32 bytes, this one has 5; what was read before stays in force"))
      os.remove(base .. "/config/b.key")
      local result = server:reload()
      assert.matches("config/b.key: No such file", result.warnings[1], 1, true)
      assert.equal(200, (server:connect(with(token({}, OTHER, "b")))))
    end)

    it("without which the server does not start, and it says where", function()
      for text, auth in pairs {
        ["keys[1] (k.pem): it is no key in PEM"] =
          '{ keys = { { alg = "RS256", file = "k.pem" } } }',
        ["keys[1]: gone.pem: No such file"] = '{ keys = { { alg = "RS256", file = "gone.pem" } } }',
        ["keys[1]: HS256 needs a secret of at least 32 bytes, this one has 6"] =
          '{ keys = { { alg = "HS256", key = "secret" } } }',
        ["keys[1]: kid: must be 1 to 128 printable characters"] =
          ('{ keys = { { alg = "HS256", kid = "a\\nb", key = %q } } }'):format(SECRET),
      } do
        files(auth, { ["k.pem"] = "nothing" })
        local ok, message = pcall(test.server, { base = base, type = "connector" })
        assert.is_false(ok)
        assert.is_truthy(message:find("app.lua:3: connectorConfig.auth: " .. text, 1, true),
          message)
      end
    end)
  end)

  it("keep the server type sys from having that name", function()
    files(ONE)
    tree.write(base, "config/servers.json", [[{"development": {
      "connector": [{"id": "c-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
      "sys": [{"id": "sys-1", "host": "127.0.0.1"}]}}]])
    local ok, message = pcall(test.server, { base = base, type = "connector" })
    assert.is_false(ok)
    assert.matches("the server type sys of config/servers.json must have another name", message,
      1, true)
  end)

  it("give the handshake 16 KiB unless the app says otherwise", function()
    start(ONE)
    assert.equal(16384, server.inner.checked.numbers.packageBefore)
  end)
end)

describe("connectorConfig.auth", function()
  local function wrong(value) return token_keys.wrong(value) end
  local function key(more)
    local one = { alg = "HS256", key = SECRET }
    for name, value in pairs(more or {}) do one[name] = value end
    return one
  end

  it("is well-formed, or says what is not", function()
    assert.is_nil(wrong(false))
    assert.is_nil(wrong { keys = { key() } })
    assert.is_nil(wrong { keys = { key { kid = "a" }, key() }, audience = "x", issuer = "y",
      leeway = 0, required = false })
    for text, value in pairs {
      ["must be a table"] = true,
      ["keys must be a list of keys"] = {},
      ["keys must be a list"] = { keys = { alg = "HS256" } },
      ["keys must be a list of keys, {"] = { keys = { key(), old = key() } },
      ["audience must be a text, or a list of texts, got a table"] = { keys = { key() },
        audience = { "a", nil, "b" } },
      ["there is no field (a table whose __tostring fails)"] = { keys = { key() },
        [setmetatable({}, { __tostring = error })] = 1 },
      ["keys: at most 16 keys, got 17"] = { keys = (function()
        local list = {}
        for i = 1, 17 do list[i] = key() end
        return list
      end)() },
      ["there is no field isuer; did you mean issuer?"] = { keys = { key() }, isuer = "x" },
      ["keys[1]: must be a table { kid =, alg =, key = or file = }, got a string"] = {
        keys = { "s3cret" } },
      ["required = }, or false, got a string"] = "s3cret",
      ["there is no field (a name that is not shown"] = { keys = { key() }, ["s3cret="] = 1 },
      ["keys[1]: file holds a key and not the path"] = {
        keys = { { alg = "RS256", file = "-----BEGIN PRIVATE KEY-----\ns3cret\n" } } },
      ["keys[1]: there is no field algo; did you mean alg?"] = { keys = { { algo = "HS256" } } },
      ["keys[1]: alg must be HS256, HS384"] = { keys = { key { alg = "none" } } },
      ['got "hs256"; did you mean HS256?'] = { keys = { key { alg = "hs256" } } },
      ["keys[1]: kid must be a text"] = { keys = { key { kid = 7 } } },
      ["keys[1]: give one of key"] = { keys = { key { file = "x" } } },
      ["keys[2]: give one of key"] = { keys = { key(), { alg = "HS256" } } },
      ["keys[1]: file holds a key"] = { keys = { { alg = "HS256", file = "s3cret\0b" } } },
      ["keys[1]: file must be the path of a file, got a number"] = {
        keys = { { alg = "HS256", file = 7 } } },
      ["keys[1]: key must be a text"] = { keys = { { alg = "HS256", key = 7 } } },
      ['keys[2]: keys[1] has the kid "a", too'] = {
        keys = { key { kid = "a" }, key { kid = "a" } },
      },
      ["audience must be a text"] = { keys = { key() }, audience = {} },
      ["audience must be a list"] = { keys = { key() }, audience = { 7 } },
      ["issuer must be a text"] = { keys = { key() }, issuer = "" },
      ["leeway must be a number of seconds from 0 to 300"] = { keys = { key() }, leeway = 301 },
      ["required must be true or false"] = { keys = { key() }, required = 1 },
    } do
      local message = wrong(value)
      assert.is_truthy(message and message:find(text, 1, true), text .. " / " .. tostring(message))
    end
    assert.is_truthy(wrong { keys = { key() }, leeway = 0 / 0 })
  end)
end)
