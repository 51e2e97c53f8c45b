-- What config/web.json may hold, and what is refused. Tests config/web.lua and config/values.lua.
local tree = require "spec.support.tree"
local web = require "pomelua.config.web"

local KEYS = "cert, connections, headers, health, host, http, idleTime, key, leastRate, "
  .. "perAddress, port, requestTime, root, server, trustedProxies"

describe("web.json", function()
  local base
  after_each(function() tree.remove(base) end)

  it("is optional", function()
    base = tree.new {}
    assert.same({}, { web.read(base, "development") })
  end)

  it("gives host, port and an absolute root", function()
    base = tree.new { ["config/web.json"] = '{"port":3001}', ["web/index.html"] = "" }
    local options = assert(web.read(base, "development"))
    assert.equal(3001, options.port)
    assert.truthy(options.root:match("^/.*/web$"))
  end)

  it("may begin with a byte order mark", function()
    base = tree.new { ["config/web.json"] = '\239\187\191{"port":3001}', ["web/index.html"] = "" }
    assert.equal(3001, assert(web.read(base, "development")).port)
  end)

  local roots = { ".", "./", "..", "/", "web/..", "app", "config", "app/servers", "link" }
  for _, root in ipairs(roots) do
    it("is refused with the root " .. root .. ", which holds what is not for clients", function()
      base = tree.new { ["config/web.json"] = ('{"root":"%s","port":1}'):format(root),
        ["app/servers/x/handler/a.lua"] = "", ["web/index.html"] = "" }
      os.execute(("ln -s . '%s/link'"):format(base))
      local options, message = web.read(base, "development")
      assert.is_nil(options)
      assert.matches('^config/web.json: root: ".*put the pages into a folder', message)
    end)
  end

  it("is refused with a key that there is not", function()
    base = tree.new { ["config/web.json"] = '{"port":1,"rot":"web"}', ["web/index.html"] = "" }
    local _, message = web.read(base, "development")
    assert.equal("config/web.json: rot: no such key; there are " .. KEYS .. "; "
      .. "did you mean root?", message)
  end)

  for text, meant in pairs {
    ["{}"] = "config/web.json: port: missing", ['{"port":null}'] = "config/web.json: port: missing",
    ['{"prot":1}'] = "config/web.json: prot: no such key; there are " .. KEYS
      .. "; did you",
    ['{"port":1,"port":2}'] = 'config/web.json:1: "port" occurs twice in this object',
    ['{"production":{"port":1}}'] = 'no environment "development" (there are: production)',
  } do
    it("is refused when it is " .. text, function()
      base = tree.new { ["config/web.json"] = text, ["web/index.html"] = "" }
      local options, message = web.read(base, "development")
      assert.is_nil(options)
      assert.truthy(message:find(meant, 1, true), message)
    end)
  end

  it("is refused without a port or a folder", function()
    base = tree.new { ["config/web.json"] = '{"root":"nowhere","port":1}' }
    local _, message = web.read(base, "development")
    assert.equal('config/web.json: root: there is no folder "nowhere"', message)
  end)

  local function read(text)
    base = tree.new { ["config/web.json"] = text, ["web/index.html"] = "",
      ["config/servers.json"] = '{"chat":[{"id":"chat-1"}]}' }
    return web.read(base, "development")
  end

  it("may name a server for HTTP requests, and have no pages", function()
    local options = assert(read '{ "port": 1, "root": false, "server": "chat-1" }')
    assert.is_false(options.root)
    local wanted = { server = "chat-1", timeout = 10000, maxWaiting = 256, maxBody = 65536,
      maxAnswer = 1048576 }
    assert.same(wanted, options.http)
    assert.same(wanted, (web.http(base, "development")))
    tree.remove(base)
    options = assert(read [[{ "port": 1, "server": "chat-1", "http": { "port": 0, "timeout": 100,
      "maxWaiting": 1, "maxBody": 2, "maxAnswer": 1024 } }]])
    assert.same({ server = "chat-1", port = 0, host = "127.0.0.1", timeout = 100, maxWaiting = 1,
      maxBody = 2, maxAnswer = 1024 }, options.http)
    tree.remove(base)
    assert.is_nil(assert(read '{ "port": 1 }').http)
    local _, message = web.http(base, "development")
    assert.equal('config/web.json: server: missing; app:http needs the id of a server, such as '
      .. '"web-1"', message)
  end)

  it("gives the limits", function()
    local options = assert(read [[{ "port": 1, "connections": 9, "requestTime": 200,
      "idleTime": 300, "leastRate": 400,
      "perAddress": { "connections": 5, "perSecond": false, "loopback": true },
      "trustedProxies": ["10.0.0.0/8", "::1"], "health": false }]])
    assert.same({ 9, 200, 300, 400, 5, math.huge, true, false }, {
      options.connections, options.requestTime, options.idleTime, options.leastRate,
      options.perAddress, options.perSecond, options.loopback, options.health,
    })
    assert.same({ "10.0.0.0/8", "::1" }, options.proxies)
  end)

  it("may take the limits of addresses away", function()
    local options = assert(read '{ "port": 1, "perAddress": false }')
    assert.same({ math.huge, math.huge }, { options.perAddress, options.perSecond })
  end)

  it("gives headers, of which false leaves one out, and null is as if it were not there", function()
    local options = assert(read [[{ "development": { "port": 1, "headers": {
      "X-Game": "chat", "Referrer-Policy": false, "Content-Security-Policy": null } } }]])
    assert.same({ { "Referrer-Policy", false }, { "X-Game", "chat" } }, options.headers)
  end)

  for text, meant in pairs {
    ['{"port":1,"connection":5}'] = "connection: no such key; there are " .. KEYS
      .. "; did you mean connections?",
    ['{"port":1,"connections":0}'] = "connections: must be a whole number, 1 to 65536, got 0",
    ['{"port":1,"requestTime":1}'] = "requestTime: must be a whole number, 100 to 3600000, got 1",
    ['{"port":1,"leastRate":"9"}'] = 'leastRate: must be a whole number, 1 to 1048576, got "9"',
    ['{"port":1,"perAddress":5}'] = "perAddress: must be an object, or false for no limits, got 5",
    ['{"port":1,"perAddress":{"loopbak":true}}'] = "perAddress.loopbak: no such key; there are "
      .. "connections, loopback, perSecond; did you mean loopback?",
    ['{"port":1,"perAddress":{"loopback":1}}'] = "perAddress.loopback: must be true or false",
    ['{"port":1,"perAddress":{"perSecond":1.5}}'] = "perAddress.perSecond: must be a whole number",
    ['{"port":1,"health":"no"}'] = 'health: must be true or false, got "no"',
    ['{"port":1,"headers":["a"]}'] = "headers: must be an object of names and values",
    ['{"port":1,"headers":{"X Y":"a"}}'] = "headers.X Y: this is no name of an HTTP header",
    ['{"port":1,"headers":{"X":"a\\r\\nY: b"}}'] = "headers.X: must be a text in ASCII without",
    ['{"port":1,"headers":{"X":5}}'] = "headers.X: must be a text in ASCII without line breaks, or "
      .. "false, which leaves the header out; got 5",
    ['{"port":1,"headers":{"content-LENGTH":"5"}}'] = "headers.content-LENGTH: the server sets",
    ['{"port":1,"headers":{"X":"1","x":"2"}}'] = "headers.x: the header stands here twice",
    ['{"port":1,"trustedProxies":"10.0.0.1"}'] = "trustedProxies: must be a list of addresses",
    ['{"port":1,"trustedProxies":["10.0.0.1",5]}'] = "trustedProxies[1]: must be a text, got 5",
    ['{"port":1,"trustedProxies":["10.0.0.1/8"]}'] = "trustedProxies[0]: ",
    ['{"port":1,"host":5}'] = "host: must be a text, got 5",
    ['{"port":1,"http":{}}'] = 'server: missing; http needs the id of a server, such as "web-1"',
    ['{"port":1,"server":"chat-1","http":5}'] = "http: must be an object, got 5",
    ['{"port":1,"server":"chat-2"}'] = 'server: there is no server "chat-2" in '
      .. "config/servers.json; did you mean chat-1?",
    ['{"port":1,"server":5}'] = "server: there is no server 5 in config/servers.json",
    ['{"port":1,"server":"chat-1","http":{"timout":5}}'] = "http.timout: no such key; there are "
      .. "host, maxAnswer, maxBody, maxWaiting, port, timeout; did you mean timeout?",
    ['{"port":1,"server":"chat-1","http":{"timeout":5}}'] = "http.timeout: must be a whole number, "
      .. "100 to 600000, got 5",
    ['{"port":1,"server":"chat-1","http":{"maxWaiting":0}}'] = "http.maxWaiting: must be a whole",
    ['{"port":1,"server":"chat-1","http":{"maxBody":16777217}}'] = "http.maxBody: must be a whole "
      .. "number, 1 to 16777216",
    ['{"port":1,"server":"chat-1","http":{"maxAnswer":1}}'] = "http.maxAnswer: must be a whole "
      .. "number, 1024 to 67108864, got 1",
    ['{"port":1,"server":"chat-1","http":{"port":70000}}'] = "http.port: must be a port",
    ['{"port":1,"server":"chat-1","http":{"port":1}}'] = "http.port: 1 is the page's port; "
      .. "without http.port the routes have it, too",
    ['{"port":1,"server":"chat-1","http":{"host":"::1"}}'] = "http.host: needs http.port",
    ['{"development":{"port":1,"server":"chat-1","http":{"port":1,"host":5}}}'] =
      "development.http.host: must be a text, got 5",
    ['{"port":1,"cert":"config/c.pem"}'] = "key: missing; cert needs it",
    ['{"port":1,"key":"config/k.pem"}'] = "cert: missing; key needs it",
    ['{"port":1,"cert":"config/c.pem","key":"config/k.pem"}'] = "cert: config/c.pem: No such file",
    ['{"development":{"port":1,"cert":"web/index.html","key":"k"}}'] =
      "development.cert: web/index.html: it holds no certificate",
  } do
    it("is refused, with file and key, when it is " .. text, function()
      local options, message = read(text)
      assert.is_nil(options)
      assert.equal("config/web.json: " .. meant, message:sub(1, #meant + #"config/web.json: "))
    end)
  end
end)
