-- `pomelua token`, pomelua.token in scripts of `pomelua run`, and keys of a program that runs.
-- Tests cli/token.lua and cli/app_auth.lua.
local app = require "spec.support.app"
local client = require "pomelua.client"
local json = require "pomelua.base.json"
local net = require "spec.support.net"
local tree = require "spec.support.tree"
local token_keys = require "pomelua.base.token_keys"

local SECRET, OTHER = ("0123456789abcdef"):rep(4), ("fedcba9876543210"):rep(4)
local PUBLIC = "-----BEGIN PUBLIC KEY-----\n"
  .. "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
  .. "-----END PUBLIC KEY-----\n"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:configure("development", "connector", function()
  app:set("connectorConfig", { distinctHost = true, auth = { issuer = "me", keys = {
    { kid = "public", alg = "EdDSA", file = "config/public.pem" },
    { kid = "a", alg = "HS256", file = "config/a.key" },
    { kid = "b", alg = "HS512", key = "\255]] .. OTHER .. [[" },
  } } })
end)
app:start()
]]

local SERVERS = [[{ "development": {
  "connector": [{"id": "c-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}] } }]]

local FILES = {
  ["app.lua"] = APP, ["config/servers.json"] = SERVERS, ["config/a.key"] = SECRET .. "\n",
  ["config/public.pem"] = PUBLIC,
  ["app/servers/chat/handler/h.lua"] = "return { who = function(_, _, session)\n"
    .. "  return { uid = session.uid } end }",
  ["app/servers/connector/handler/h.lua"] = "return { who = function(_, _, session)\n"
    .. "  return { uid = session.uid } end }",
  ["tools/login.lua"] = [[
    local pomelua = require "pomelua"
    local text = assert(pomelua.token.sign({ sub = "bob" }, { ttl = 60 }))
    print(pomelua.token.verify(text).sub, (select(2, pomelua.token.verify(text .. "A"))))]],
}

local function verified(text, alg, key, kid)
  local keys = assert(token_keys.load(token_keys.rules {
    keys = { { alg = alg, key = key, kid = kid } }, issuer = "me" }, "."))
  local claims, why = token_keys.verify(keys, (text:gsub("\n$", "")), os.time())
  return claims and json.decode(claims) or why
end

describe("pomelua token", function()
  local base

  local function run(command, ...)
    local process = net.spawn(net.built("pomelua"), { command, ... })
    local status = process:waitExit(app.patience)
    return status, process.out, process.err
  end

  before_each(function() base = tree.new(FILES) end)
  after_each(function()
    net.closeAll()
    tree.remove(base)
  end)

  it("prints a token by the first key that can sign, or the one that is wanted", function()
    local status, out = run("token", base, "--sub", "ann", "--claim", "name=Ann: 7",
      "--claim=level:=7", "--for", "90s")
    assert.equal(0, status)
    local claims = verified(out, "HS256", SECRET, "a")
    assert.same({ "ann", "Ann: 7", 7, 90 },
      { claims.sub, claims.name, claims.level, claims.exp - claims.iat })
    status, out = run("token", "-d", base, "--sub", "ann", "--kid", "b")
    assert.equal(0, status)
    claims = verified(out, "HS512", "\255" .. OTHER, "b")
    assert.equal(3600, claims.exp - claims.iat)
  end)

  it("says what is wrong with the command line, or with the app", function()
    for _, row in ipairs {
      { 2, "token: whom is it about? --sub UID is missing" },
      { 2, '--for must be a time', "--sub", "a", "--for", "soon" },
      { 2, '--for must be from 1 second', "--sub", "a", "--for", "0s" },
      { 2, '--claim must be KEY=TEXT or KEY:=JSON, got "x"', "--sub", "a", "--claim", "x" },
      { 2, "--claim x:={: no JSON behind the :=", "--sub", "a", "--claim", "x:={" },
      { 2, "--claim sub: say --sub", "--sub", "a", "--claim", "sub=b" },
      { 2, "--claim exp: say --for", "--sub", "a", "--claim", "exp:=1" },
      { 1, 'there is no key with the kid "c"; there are public, a, b', "--sub", "a", "--kid", "c" },
      { 1, 'the key "public" is a public one', "--sub", "a", "--kid", "public" },
      { 1, 'no environment "nowhere"', "--sub", "a", "--env", "nowhere" },
    } do
      local status, out, err = run("token", base, unpack(row, 3))
      assert.same({ row[1], "" }, { status, out })
      assert.matches(row[2], err, 1, true)
    end
    tree.write(base, "config/a.key", "short")
    local status, _, err = run("token", base, "--sub", "a")
    assert.equal(1, status)
    assert.matches("connectorConfig.auth: keys[2] (config/a.key): HS256 needs a secret of at least",
      err, 1, true)
    assert.equal(1, (run("check", base)))
    tree.write(base, "app.lua", (APP:gsub("auth = %b{}", "")))
    status, _, err = run("token", base, "--sub", "a")
    assert.equal(1, status)
    assert.matches("connectorConfig.auth is not set for any server type", err, 1, true)
  end)

  it("has its keys in scripts of the app as well", function()
    local status, out = run("run", base .. "/tools/login.lua")
    assert.equal(0, status)
    assert.matches("^bob%s+the token has a signature of no key", out)
  end)

  it("lets a client in, also by a key that was exchanged while the program runs", function()
    local files = {}
    for path, text in pairs(FILES) do files[path] = text end
    local server = app.start(files)
    local function enters(text)
      local one = client.connect { port = server.ports["c-1"], token = (text:gsub("\n$", "")) }
      local uid = one and one:request("chat.h.who", {}).uid
      if one then one:close() end
      return uid
    end
    local old = select(2, run("token", server.dir, "--sub", "ann"))
    assert.equal("ann", enters(old))
    tree.write(server.dir, "config/a.key", "broken")
    assert(net.wait(function()
      return server.process.err:find("what was read before stays in force", 1, true)
    end, app.patience))
    assert.equal("ann", enters(old))
    local status, out, err = run("reload", server.dir)
    assert.equal(1, status)
    assert.matches("c-1: generation 1: .-%(config/a.key%): HS256 needs.-stays in force", out)
    assert.matches("some files could not be read", err, 1, true)
    tree.write(server.dir, "config/a.key", OTHER .. "\n")
    assert.equal(0, (run("reload", server.dir)))
    assert.is_nil(enters(old))
    assert.equal("bob", enters(select(2, run("token", server.dir, "--sub", "bob"))))
    server:stop { "stays in force", "refused" }
  end)
end)
