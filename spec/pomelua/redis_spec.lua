-- Redis as a game has it: redis.lua, store/redis.lua, bind/l_store_redis.c, against a real server.
-- Outside of a server each call waits for its answer, so these specs need no program; what a
-- program makes of faults is in spec/program/redis_faults_spec.lua.
local net = require "spec.support.net"
local pomelua = require "pomelua"
local real = require "spec.support.redis"
local redis = require "pomelua.redis"

describe("redis", function()
  local server, db

  lazy_setup(function()
    server = real.start { args = { "--databases", "20" } }
    db = redis.open { url = server.url, timeout = 10000 }
  end)
  lazy_teardown(function()
    real.closeAll()
    net.closeAll()
  end)
  before_each(function() server:cli("FLUSHALL") end)

  it("answers strings, numbers, nil and arrays", function()
    assert.equal("OK", db:call("SET", "name", "ann"))
    assert.equal("ann", db:call("GET", "name"))
    assert.is_nil(db:call("GET", "nobody"))
    assert.equal(3, db:call("HSET", "p", "gold", 5, "x", "", "y", "\0\r\n\255"))
    assert.equal("\0\r\n\255", db:call("HGET", "p", "y"))
    assert.same({ "5", pomelua.null, "" }, db:call("HMGET", "p", "gold", "no", "x"))
    assert.same({}, db:call("LRANGE", "none", 0, -1))
    assert.same({ 1, { "a", { 2 } } }, db:call("EVAL", "return {1, {'a', {2}}}", 0))
    local value, err = db:call("GET", "nobody")
    assert.same({ nil, nil }, { value, err })
  end)

  it("writes numbers exactly", function()
    for given, want in pairs {
      [0] = "0", [-7] = "-7", [2 ^ 53] = "9007199254740992", [-2 ^ 53] = "-9007199254740992",
      [0.1] = "0.10000000000000001", [1.5] = "1.5", [-1e-9] = "-1.0000000000000001e-09",
    } do
      db:call("SET", "n", given)
      assert.equal(want, db:call("GET", "n"))
      assert.equal(given, tonumber(db:call("GET", "n")))
    end
    assert.equal(2 ^ 53, db:call("INCRBY", "big", 2 ^ 53))
    local value, err = db:call("INCR", "big")
    assert.is_nil(value)
    assert.equal("RANGE", err.code)
    assert.equal("9007199254740993 does not fit a number", tostring(err))
    assert.equal("9007199254740993", db:call("GET", "big"))
  end)

  it("gives the errors of Redis as they are", function()
    db:call("SET", "name", "ann")
    local value, err = db:call("INCR", "name")
    assert.is_nil(value)
    assert.equal("DB", err.code)
    assert.equal("ERR value is not an integer or out of range", tostring(err))
    err = select(2, db:call("NOSUCH", "x"))
    assert.matches("^ERR unknown command", err.message)
  end)

  it("calls back when it gets a function", function()
    local got = {}
    db:call("SET", "a", 1, function(err, value) got = { err, value } end)
    assert.same({ nil, "OK" }, got)
    db:call("INCR", "a", "b", function(err, value) got = { err, value } end)
    assert.is_nil(got[2])
    assert.equal("DB", got[1].code)
  end)

  it("sends a list at once, and answers each command", function()
    db:call("SET", "name", "ann")
    local values = db:pipeline { { "INCR", "a" }, { "INCR", "name" }, { "GET", "none" },
      { "MGET", "a", "none" }, { "SET", "b", "5", "EX", 60 } }
    assert.equal(1, values[1])
    assert.equal("ERR value is not an integer or out of range", values[2].message)
    assert.equal("DB", values[2].code)
    assert.equal(pomelua.null, values[3])
    assert.same({ "1", pomelua.null }, values[4])
    assert.equal("OK", values[5])
    local got
    db:pipeline({ { "GET", "a" } }, function(err, list) got = err or list end)
    assert.same({ "1" }, got)
  end)

  it("does a transaction as a whole, or not at all", function()
    assert.same({ 1, "OK", 11 },
      db:multi { { "INCR", "a" }, { "SET", "b", 10 }, { "INCRBY", "b", 1 } })
    -- One that Redis does not take: nothing is done.
    local values, err = db:multi { { "INCR", "a" }, { "NOSUCH" }, { "INCR", "a" } }
    assert.is_nil(values)
    assert.equal("DB", err.code)
    assert.matches("^command 2: ERR unknown command", err.message)
    assert.equal("1", db:call("GET", "a"))
    -- One that fails while they are done: the others are done.
    db:call("SET", "name", "ann")
    values = db:multi { { "INCR", "a" }, { "INCR", "name" } }
    assert.equal(2, values[1])
    assert.equal("ERR value is not an integer or out of range", tostring(values[2]))
  end)

  local function raises(message, fn)
    local ok, err = pcall(fn)
    assert.is_false(ok)
    assert.equal(message, (tostring(err):gsub("^[^ ]*redis_spec%.lua:%d+: ", "")))
    assert.matches("redis_spec%.lua:%d+: ", tostring(err)) -- the line of the game
  end

  it("refuses at the line of the game what is no command", function()
    raises("redis:call: word 2 must be a string or a number, got nil",
      function() db:call("GET", nil) end)
    raises("redis:call: word 3 must be a string or a number, got a boolean",
      function() db:call("SET", "a", true) end)
    raises("redis:call: word 2 must be a string or a number, got a table",
      function() db:call("GET", {}) end)
    raises("redis:call(command, ...): the command must be a string, got a number",
      function() db:call(5) end)
    for value, shown in pairs { [2 ^ 53 + 2] = "9.007199254741e+15", [math.huge] = "inf" } do
      raises(("redis:call: word 2 is %s, which is not written exactly; pass the text that you "
        .. "mean, as a string"):format(shown), function() db:call("GET", value) end)
    end
    assert.has_error(function() db:call("GET", 0 / 0) end)
    raises("redis:pipeline: command 2 must be a table of its words, the first one a "
      .. "string, got a number",
      function() db:pipeline { { "GET", "a" }, 5 } end)
    raises("redis:multi: word 2 of command 1 must be a string or a number, got a boolean",
      function() db:multi { { "GET", false } } end)
    assert.has_error(function() db:multi {} end)
    raises("redis.call: write redis:call(...) with a colon; the first argument is \"GET\"",
      function() db.call("GET", "a") end)
  end)

  it("refuses what would break the calls of others", function()
    raises("redis:call: SUBSCRIBE would take the connection away from all other calls: use "
      .. "redis:subscribe", function() db:call("subscribe", "news") end)
    raises("redis:call: BLPOP would hold up all calls behind it: ask without waiting, or use "
      .. "redis:subscribe", function() db:call("BLPOP", "list", 0) end)
    raises("redis:call: SELECT would change the database of all other calls: name it in the URL",
      function() db:call("SELECT", 1) end)
    raises("redis:call: MULTI would take in calls of others: use redis:multi",
      function() db:call("MULTI") end)
    raises("redis:pipeline: command 2: MONITOR has no end: run redis-cli monitor",
      function() db:pipeline { { "GET", "a" }, { "MONITOR" } } end)
  end)

  it("uses the database, the user and the password that it is told", function()
    server:cli("ACL", "SETUSER", "gamer", "on", ">se:cr@t", "~*", "+@all")
    local place = ("127.0.0.1:%d"):format(server.port)
    local two = redis.open { url = "redis://gamer:se%3Acr%40t@" .. place .. "/7" }
    two:call("SET", "where", "seven")
    assert.is_nil(db:call("GET", "where"))
    local parts = redis.open { host = "localhost", port = server.port, database = 7,
      user = "gamer", password = "se:cr@t" }
    assert.equal("seven", parts:call("GET", "where"))
    assert.equal("gamer", parts:call("ACL", "WHOAMI"))
  end)

  it("says what is wrong with a password, and not the password", function()
    local place = ("127.0.0.1:%d"):format(server.port)
    local value, err = redis.open { url = "redis://nobody:hunter22@" .. place }:call("GET", "a")
    assert.is_nil(value)
    assert.equal("CLOSED", err.code)
    assert.equal(("redis at %s refused the user or the password: WRONGPASS invalid username-"
      .. "password pair or user is disabled."):format(place), tostring(err))
    local far = redis.open { url = "redis://" .. place .. "/99" }
    err = select(2, far:call("GET", "a"))
    assert.equal(("redis at %s refused the connection: ERR DB index is out of range"):format(place),
      tostring(err))
  end)

  it("says that nobody is there", function()
    local port = require("spec.support.ports").one()
    local value, err = redis.open { host = "127.0.0.1", port = port }:call("GET", "a")
    assert.is_nil(value)
    assert.equal("CLOSED", err.code)
    assert.equal(("cannot connect to redis at 127.0.0.1:%d: connection refused"):format(port),
      tostring(err))
  end)

  it("takes answers up to its limits, and goes on behind larger ones", function()
    local small = redis.open { url = server.url, rows = 3, bytes = 2000 }
    db:call("RPUSH", "list", 1, 2, 3, 4)
    local value, err = small:call("LRANGE", "list", 0, -1)
    assert.is_nil(value)
    assert.equal("RANGE", err.code)
    assert.equal("the answer has more than 3 elements", tostring(err))
    assert.same({ "1", "2", "3" }, small:call("LRANGE", "list", 0, 2))
    db:call("SET", "long", ("x"):rep(2001))
    err = select(2, small:call("GET", "long"))
    assert.equal("RANGE", err.code)
    assert.equal("the answer is larger than 2000 bytes", tostring(err))
    db:call("SET", "huge", ("x"):rep(1000000))
    err = select(2, small:call("GET", "huge"))
    assert.equal("CLOSED", err.code)
    assert.matches("the server sent a value of more than 2000 bytes", tostring(err), 1, true)
    assert.equal("OK", small:call("SET", "a", "b"))
    local large = ("y"):rep(15000000)
    db:call("SET", "huge", large)
    assert.is_true(db:call("GET", "huge") == large)
  end)

  it("is opened with options that are checked", function()
    raises("redis.open: there is no option ulr; did you mean url?",
      function() redis.open { ulr = "redis://h" } end)
    raises("redis.open: connections must be a whole number from 1 to 64, got 0",
      function() redis.open { url = "redis://h", connections = 0 } end)
    raises("redis.open: the host is missing: url, or host", function() redis.open {} end)
    raises("redis.open: the url has the port, too; write it once",
      function() redis.open { url = "redis://h", port = 1 } end)
    raises("redis.open: the url has the database, too; write it once",
      function() redis.open { url = "redis://h/0", database = 0 } end)
    raises("redis.open: database must be a whole number from 0 to 65535, got -1",
      function() redis.open { host = "h", database = -1 } end)
    raises("redis.open: port must be a whole number from 1 to 65535, got a string",
      function() redis.open { host = "127.0.0.1", port = "s3cret" } end)
    raises("redis.open: password must be a text, got a number",
      function() redis.open { url = "redis://h", password = 5 } end)
    raises("redis.open: there is no option transaction",
      function() redis.open { url = "redis://h", transaction = 500 } end)
    assert.has_error(function() redis.open "redis://h" end)
  end)

  it("is opened with a URL that is read as the one of config/databases.json", function()
    for url, meant in pairs {
      ["http://h"] = "url http:// is no scheme here; must be redis://user@host:port/database",
      ["rediss://:hunter22@h"] = "url rediss:// is TLS, which is not supported: let a TLS proxy "
        .. "such as stunnel run on this machine, and name its port in a redis:// URL",
      ["redis://"] = "url must be redis://user@host:port/database",
      ["redis://:hunter22@"] = "url must be redis://user@host:port/database",
      ["redis://[::1"] = "url must be redis://user@host:port/database",
      ["redis://[::1]x"] = "url: behind the host and : stands its port, 1 to 65535",
      ["redis://h:0"] = "url: behind the host and : stands its port, 1 to 65535",
      ["redis://h:65536"] = "url: behind the host and : stands its port, 1 to 65535",
      ["redis://h:6e3"] = "url: behind the host and : stands its port, 1 to 65535",
      ["redis://h/x"] = "behind the port stands a number: //host:port/0",
      ["redis://h/99999"] = "behind the port stands a number: //host:port/0",
      ["redis://h?db=1"] =
        "url nothing may follow the name of the database; other keys stand beside url",
      ["redis://:hunter22%4@h"] = "url has a % without the two hex digits of a character "
        .. "(%00 is none, % itself is %25)",
      ["redis://:hunter22%00@h"] = "url has a % without the two hex digits of a character "
        .. "(%00 is none, % itself is %25)",
      ["redis://me@h"] = "there is a user without a password",
    } do
      raises("redis.open: " .. meant, function() redis.open { url = url } end)
    end
    for _, url in ipairs { "redis://h", "redis://h:", "redis://h/", "redis://h/0/",
      "redis://[::1]:7000/3", "redis://:hunter22%40@h", "redis://me:hunter%2522@h:1/15" } do
      assert.equal("redis", redis.open { url = url }.kind)
    end
  end)
end)
