-- Tokens over real sockets: connectorConfig.auth (docs/tokens.md). What is checked in a token, and
-- its end in virtual time: spec/pomelua/tokens_spec.lua. Also pomelua.client's option token
-- (client/token.lua).
local client = require "pomelua.client"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local once_of = require "spec.support.once_of"
local test = require "pomelua.test"
local token_of_client = require "pomelua.client.token"
local tree = require "spec.support.tree"

local SECRET = ("0123456789abcdef"):rep(2)

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", {
  auth = { keys = { { alg = "HS256", key = "%s" } }, leeway = 25 }, useDict = true,
  useProtobuf = true,
  handshake = function(_, cb, session)
    cb(nil, { uid = session.uid, name = session:get("claims").name })
  end,
})
app:start()
]]

local HANDLER = [[
return function(app)
  local h = {}
  function h:who(_, session)
    return { uid = session.uid, claims = session:get("claims"), at = app:getServerId() }
  end
  return h
end
]]

local function token(claims, secret)
  local all = { sub = "ann", exp = os.time() + 60 }
  for key, value in pairs(claims or {}) do all[key] = value end
  local keys = assert(core.tokenKeys { { alg = "HS256", text = secret or SECRET } })
  return assert(keys:sign(1, assert(json.encode(all))))
end

-- Arrays in each other.
local function nested(levels)
  local value = 1
  for _ = 1, levels do value = { value } end
  return value
end

describe("a frontend with auth", function()
  local game

  setup(function()
    game = test.cluster { base = tree.new {
      ["app.lua"] = APP:format(SECRET),
      ["config/servers.json"] = [[{"development": {
        "connector": [{"id": "c-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
        "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]],
      ["config/clientProtos.json"] = '{"chat.h.who":{"optional uInt32 n":1}}',
      ["config/serverProtos.json"] = '{"onAny":{"optional uInt32 n":1}}',
      ["app/servers/chat/handler/h.lua"] = HANDLER,
    } }
  end)
  teardown(function() game:stop() end)

  local function connect(options)
    options.port = game.ports["c-1"]
    return client.connect(options)
  end

  local function refused(options)
    local one, message = connect(options)
    assert.is_nil(one)
    return message
  end

  -- First: of the lines of a kind ten a second are written.
  it("writes one line for each, without the token", function()
    local text = token({}, SECRET:reverse())
    local before = #game:log()
    refused { token = text }
    local lines = {}
    for i, line in ipairs(game:log()) do
      if i > before then lines[#lines + 1] = line.text end
    end
    assert.equal(1, #lines)
    assert.equal("handshake of 127.0.0.1 refused: the token has a signature of no key", lines[1])
  end)

  for _, transport in ipairs { "ws", "tcp" } do
    describe("over " .. transport, function()
      it("binds the session before the handshake function, on every server", function()
        local one = game:client { transport = transport, token = token { name = "Ann" } }
        assert.same({ uid = "ann", name = "Ann" }, one.handshake.user)
        local answer = one:request("chat.h.who", { n = 1 })
        assert.equal("ann", answer.uid)
        assert.equal("Ann", answer.claims.name)
        assert.equal("chat-1", answer.at)
      end)

      it("refuses with the code 401, also a token that is too long", function()
        for _, text in ipairs { token({}, SECRET:reverse()), token { exp = os.time() - 25 },
          ("x"):rep(4097), ("x"):rep(12000), "" } do
          assert.equal("the handshake was refused: code 401",
            refused { transport = transport, token = text })
        end
        assert.equal("the handshake was refused: code 401", refused { transport = transport })
      end)

      it("takes a new token by sys.refresh, with a dictionary and protobuf in force", function()
        local one = game:client { transport = transport, token = token() }
        local exp = os.time() + 100
        assert.same({ code = 200, exp = exp },
          one:request("sys.refresh", { token = token { exp = exp } }))
        assert.same({ code = 401 }, one:request("sys.refresh", { token = token { sub = "bob" } }))
        assert.equal("ann", one:request("chat.h.who", {}).uid)
      end)

    end)
  end

  it("takes claims as deep as settings can be, on every server, and refuses deeper ones", function()
    local deep = nested(30)
    local one = game:client { token = token { a = deep } }
    assert.same(deep, one:request("chat.h.who", {}).claims.a)
    assert.equal("the handshake was refused: code 401",
      refused { token = token { a = nested(31) } })
  end)

  it("ends the connection 25 seconds after exp, with the reason expired", function()
    local left = 1 -- seconds, in which both have to be connected
    once_of(3, function()
      local all, exp = {}, os.time() - 25 + left
      left = 2 * left
      for _, transport in ipairs { "ws", "tcp" } do
        all[#all + 1] = game:client { transport = transport, token = token { exp = exp } }
      end
      for _, one in ipairs(all) do
        assert.same({ reason = "expired" }, one:kicked())
        assert.is_string(one:closed())
      end
      assert.is_true(os.time() >= exp + 25)
    end)
  end)

  it("is given a new token by a client whose token is a function", function()
    local asked = 0
    local one = game:client { token = function()
      asked = asked + 1
      return token { exp = os.time() + (asked == 1 and 1 or 60), n = asked }
    end }
    assert.equal(1, asked)
    client.wait(3000, function() return asked == 2 end)
    assert.equal(2, one:request("chat.h.who", {}).claims.n)
  end)

  it("is not connected to when there is no token", function()
    assert.equal("there is no token: the login is down",
      refused { token = function() return nil, "the login is down" end })
    assert.has_error(function() connect { token = 7 } end)
    assert.has_error(function() connect { token = "x", user = "y" } end)
  end)
end)

describe("a client's token", function()
  it("says how long it is still good", function()
    local now = os.time()
    assert.equal(60, token_of_client.left(token { exp = now + 60 }, now))
    assert.equal(30, token_of_client.left(token { exp = now + 600, iat = now + 570 }, now))
    assert.equal(24000, token_of_client.wait(token { exp = now + 30 }, now))
    assert.equal(1000, token_of_client.wait(token { exp = now - 30 }, now))
    for _, text in ipairs { "", "x", "a.b.c", "a.e30.c", "a.!.c", ".." } do
      assert.is_nil(token_of_client.left(text, now))
    end
  end)
end)
