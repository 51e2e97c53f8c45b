-- What config/bus.json and --bus may hold, and what is refused. Tests config/bus.lua.
local bus = require "pomelua.config.bus"
local cjson = require "cjson"
local files = require "pomelua.base.files"
local tree = require "spec.support.tree"

local KEYS = "ca, cluster, creds, heartbeat, listMemory, passwordFile, timeout, urls, user"

describe("bus.json", function()
  local base
  after_each(function() tree.remove(base) end)

  local function read(text, env, given, more)
    local texts = { ["config/bus.json"] = text, ["p.txt"] = "secret\n", ["two.txt"] = "a\nb\n",
      ["ca.pem"] = "x", ["me.creds"] = "x" }
    for name, content in pairs(more or {}) do texts[name] = content end
    base = tree.new(texts)
    return bus.read(base, env or "production", given)
  end

  it("is optional: one process then runs the whole app", function()
    assert.same({}, { read(nil) })
  end)

  it("names the brokers of an environment, and has the defaults of the issue", function()
    local options = assert(read [[
      { "production": { "urls": ["nats://a", "nats://10.0.0.2:4333/"] } }]])
    assert.same({ "nats://a:4222", "nats://10.0.0.2:4333" }, options.urls)
    assert.equal(1000, options.heartbeat)
    assert.equal(5000, options.timeout)
    assert.equal(64 * 2 ^ 20, options.listMemory)
    assert.equal(bus.cluster(base, "production"), options.cluster)
  end)

  it("is not meant for an environment that it does not name", function()
    assert.same({}, { read('{ "production": { "urls": ["nats://a"] } }', "development") })
  end)

  it("may leave the environment out", function()
    assert.same({ "nats://a:4222" }, assert(read '{ "urls": ["nats://a"] }').urls)
  end)

  it("is not needed with --bus, whose URLs come first", function()
    local options = assert(read(nil, nil, "nats://a,nats://b:1"))
    assert.same({ "nats://a:4222", "nats://b:1" }, options.urls)
    tree.remove(base)
    options = assert(read('{ "production": { "urls": ["nats://c"], "cluster": "game" } }',
      nil, "nats://a"))
    assert.same({ "nats://a:4222" }, options.urls)
    assert.equal("game", options.cluster)
  end)

  it("takes the password from a file, and the paths of others", function()
    local options = assert(read [[{ "urls": ["tls://a"], "user": "game", "passwordFile": "p.txt",
      "ca": "ca.pem", "heartbeat": 0.1, "timeout": 0.5 }]])
    assert.equal("game", options.user)
    assert.equal("secret", options.password)
    assert.equal(base .. "/ca.pem", options.ca)
    assert.equal(100, options.heartbeat)
    assert.equal(500, options.timeout)
    tree.remove(base)
    options = assert(read '{ "urls": ["nats://a"], "creds": "me.creds" }')
    assert.equal(base .. "/me.creds", options.creds)
  end)

  for text, meant in pairs {
    ['{"urls":[]}'] = "urls: must be a list of 1 to 16 URLs, got 0",
    ['{"urls":"nats://a"}'] = 'urls: must be a list of 1 to 16 URLs, got "nats://a"',
    ['{"production":{}}'] = "production.urls: missing",
    ['{"urls":["http://a"]}'] =
      "urls[0]: http:// is no scheme of the bus; there are nats:// and tls://",
    ['{"urls":["nast://a"]}'] = "urls[0]: nast:// is no scheme of the bus; there are nats:// and "
      .. "tls://; did you mean nats?",
    ['{"urls":["nats://a:x"]}'] = "urls[0]: must be nats://host:port or tls://host:port, got",
    ['{"urls":["nats://a:70000"]}'] = "urls[0]: must be nats://host:port",
    ['{"urls":["a:4222"]}'] = "urls[0]: must be nats://host:port or tls://host:port, got",
    ['{"urls":[7]}'] = "urls[0]: must be a text, got 7",
    ['{"urls":["nats://me:pw@a"]}'] = "urls[0]: a name and a password do not belong into the URL",
    ['{"urls":["nats://a","tls://b"]}'] =
      "urls[1]: all URLs begin with nats://, or all with tls://",
    ['{"urls":["nats://a"],"cluster":"a.b"}'] =
      "cluster: must be a name of letters, digits, _ and -",
    ['{"urls":["nats://a"],"clustr":"a"}'] = "clustr: no such key; there are " .. KEYS
      .. "; did you mean cluster?",
    ['{"urls":["nats://a"],"listMemory":1000}'] =
      "listMemory: must be bytes, 1048576 to 4294967296, got 1000",
    ['{"urls":["nats://a"],"listMemory":"64m"}'] = "listMemory: must be bytes, ",
    ['{"urls":["nats://a"],"user":"me"}'] = "passwordFile: missing; user needs it",
    ['{"urls":["nats://a"],"passwordFile":"p.txt"}'] = "user: missing; passwordFile needs it",
    ['{"urls":["nats://a"],"user":"me","passwordFile":"two.txt"}'] =
      "passwordFile: the file must hold the password alone",
    ['{"urls":["nats://a"],"user":"me","passwordFile":"no.txt"}'] = "passwordFile: ",
    ['{"urls":["nats://a"],"user":"me","passwordFile":"p.txt","creds":"me.creds"}'] =
      "creds: must not stand beside user",
    ['{"urls":["nats://a"],"ca":"ca.pem"}'] = "ca: is of use with tls:// URLs only",
    ['{"urls":["tls://a"],"ca":"none.pem"}'] = "ca: ",
    ['{"urls":["nats://a"],"heartbeat":0}'] = "heartbeat: must be seconds, 0.05 to 60, got 0",
    ['{"urls":["nats://a"],"timeout":"5"}'] = 'timeout: must be seconds, 0.1 to 3600, got "5"',
    ['{"urls":["nats://a"],"timeout":1}'] = "timeout: must be two heartbeats at least, 2 seconds",
  } do
    it("is refused when it is " .. text, function()
      local options, message = read(text)
      assert.is_nil(options)
      assert.equal("config/bus.json: " .. meant, message:sub(1, #meant + 17))
    end)
  end

  describe("with a password in a URL", function()
    local URL = "nats://me:s3cret@a:4222"
    local message

    after_each(function()
      assert.is_string(message)
      assert.is_nil(message:find("s3c", 1, true), message)
      assert.is_nil(message:find("ret", 1, true), message)
      message = nil
    end)

    for _, url in ipairs { URL, "http://me:s3cret@a", "nats:me:s3cret@a", "me:s3cret@a:4222",
      "nats://me:s3c/ret@a", "nats://me:s3c@ret@a", "nats://me:s3cret", "tls://me:s3c:ret" } do
      it(("names the key, and not the password, of %s"):format(url), function()
        message = select(2, read(cjson.encode { urls = { url } }))
        assert.matches("^config/bus.json: urls%[0%]: .*got ", message)
      end)

      it(("does not show it for --bus %s"):format(url), function()
        message = select(2, read(nil, nil, url))
        assert.matches("^%-%-bus: .*got ", message)
      end)
    end

    it("does not show it when a comma in it ends the URL of --bus", function()
      message = select(2, read(nil, nil, "nats://me:s3c,ret@a"))
    end)

    for _, key in ipairs { "ca", "cluster", "creds", "heartbeat", "listMemory", "passwordFile",
      "timeout", "urls", "user" } do
      it("does not show it as " .. key, function()
        local part = { urls = { "nats://a" } }
        part[key] = key == "user" and URL .. "\n" or URL
        message = select(2, read(cjson.encode(part)))
        assert.matches("^config/bus.json: " .. key .. ": ", message)
      end)
    end

    it("does not show it as a key, nor as an environment of `check`", function()
      message = select(2, read(cjson.encode { urls = { "nats://a" }, [URL] = 1 }))
      tree.remove(base)
      read(cjson.encode { [URL] = { urls = { "nats://a" } } })
      bus.check(base, { "production" }, error, function(text) message = message .. text end)
      assert.matches("nats://%*%*%*@a:4222: config/servers.json has no environment", message)
    end)

    it("shows the rest", function()
      assert.equal("nats://***@a:4222", bus.masked(URL))
      assert.equal("nats://a:4222", bus.masked "nats://a:4222")
      assert.equal("nats://[::1]:4222", bus.masked "nats://[::1]:4222")
      assert.equal("production", bus.masked "production")
      message = ""
    end)
  end)

  for given, meant in pairs {
    [","] = "--bus: must be 1 to 16 URLs",
    ["redis://a"] = "--bus: redis:// is no scheme of the bus",
    ["nats://a,tls://b"] = "--bus: all URLs begin with nats://",
  } do
    it("--bus is refused when it is " .. given, function()
      local options, message = read(nil, nil, given)
      assert.is_nil(options)
      assert.equal(meant, message:sub(1, #meant))
    end)
  end
end)

describe("the name of a cluster", function()
  it("is the app's folder and the environment", function()
    assert.equal("chat-production", bus.cluster("/srv/chat", "production"))
    assert.equal("my_game-x-staging", bus.cluster("/srv/my_game-x/", "staging"))
  end)

  it("is, when the folder is a link, its name in the folder where it stands", function()
    local base = tree.new {
      ["a/releases/1/app.lua"] = "", ["a/releases/2/app.lua"] = "", ["b/1/app.lua"] = "",
      ["a-current/app.lua"] = "",
    }
    assert(files.symlink("releases/1", base .. "/a/current"))
    assert(files.symlink(base .. "/b/1", base .. "/b/current"))
    assert(files.symlink("a", base .. "/link"))
    local function name(path)
      return assert(bus.read(assert(files.named(base .. path)), "production", "nats://a")).cluster
    end
    assert.equal("a/current-production", name "/a/current")
    assert.equal("b/current-production", name "/b/current/")
    assert.equal("a-current-production", name "/a-current")
    assert.equal("link/current-production", name "/link/current")
    assert.equal("1-production", name "/link/releases/1") -- a link further up is none
    os.remove(base .. "/a/current")
    assert(files.symlink("releases/2", base .. "/a/current"))
    assert.equal("a/current-production", name "/a/current")
    tree.remove(base)
  end)

  it("must be given when the folder's name is too long", function()
    local base = tree.new { [("x"):rep(120) .. "/app.lua"] = "" }
    local options, message = bus.read(base .. "/" .. ("x"):rep(120), "production", "nats://a")
    assert.is_nil(options)
    assert.matches("^config/bus.json: cluster: missing; the folder's name", message)
    tree.remove(base)
  end)

  it("is never that of another app", function()
    local seen = {}
    for _, one in ipairs { { "a.b", "c" }, { "a b", "c" }, { "a*", "c" }, { "a>", "c" },
      { "a-b", "c" }, { "a", "b-c" }, { "a", "b" }, { "ab", "c" }, { "a", "b~dc" },
      { "ü", "c" } } do
      local name = bus.cluster("/srv/" .. one[1], one[2])
      assert.is_nil(seen[name])
      seen[name] = true
    end
  end)
end)
