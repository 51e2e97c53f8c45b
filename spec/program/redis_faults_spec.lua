-- What a program makes of a Redis server that is down, killed, frozen or cut off: each call ends
-- once, in time, and nothing else is slow. Tests store/redis.lua in a program.
local app = require "spec.support.app"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local pomelo = require "spec.support.pomelo"
local real = require "spec.support.redis"
local slowness = require "spec.support.slowness"
local tools = require "spec.support.tool"
local tree = require "spec.support.tree"

local port = require("spec.support.ports").one()

local HANDLER = [[
local pomelua = require "pomelua"
local redis = require("pomelua.redis").open { host = "127.0.0.1", port = %d, timeout = 1000 }
return function(app)
  local Handler = {}
  function Handler:ping() return { code = 200 } end
  function Handler:call(msg)
    local at = pomelua.now()
    local value, err = redis:call(unpack(msg))
    return { value = value, err = err and err.code, text = err and err.message,
      ms = pomelua.now() - at }
  end
  -- n calls at once; how many ended how, and how many ended twice.
  function Handler:many(msg, session, next)
    local left, codes, ended = msg.n, {}, {}
    for i = 1, msg.n do
      redis:call("INCR", "count", function(err)
        local code = ended[i] and "twice" or err and err.code or "ok"
        ended[i], codes[code], left = true, (codes[code] or 0) + 1, left - 1
        if left == 0 then next(nil, { codes = codes }) end
      end)
    end
  end
  return Handler
end
]]
local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { reload = false })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
}]],
  ["app/servers/connector/handler/redisHandler.lua"] = HANDLER:format(port),
}

describe("a program whose redis", function()
  local program, server, client

  lazy_setup(function() program = app.start(FILES) end)
  lazy_teardown(function()
    if program then program:stop() end
    real.closeAll()
    net.closeAll()
  end)
  before_each(function() client = pomelo.connect(program.ports["connector-1"]) end)
  after_each(pomelo.closeAll)

  local function ask(method, msg)
    return assert(client:request("connector.redisHandler." .. method, msg or {}))
  end
  local function call(...) return ask("call", { ... }) end
  -- Until redis is used again: attempts to connect come after pauses of up to a second here.
  local function works()
    assert(net.wait(function() return call("PING").value == "PONG" end, 10000))
  end
  -- The id and the number of its connections, other than the one that asks.
  local function connections()
    local ids = {}
    for id, name in server:cli("CLIENT", "LIST"):gmatch("id=(%d+) [^\n]-cmd=([%w|]+)") do
      if name ~= "client|list" then ids[#ids + 1] = id end
    end
    return table.concat(ids, " ")
  end

  it("is down at the start answers calls with CLOSED and the reason, at once", function()
    once_of(3, function()
      local answer = call("GET", "a")
      assert.equal("CLOSED", answer.err)
      assert.equal(("cannot connect to redis at 127.0.0.1:%d: connection refused"):format(port),
        answer.text)
      assert.is_true(answer.ms < 900 * slowness)
    end)
    assert.equal(200, ask("ping").code)
  end)

  it("comes up later is used without more", function()
    server = real.start { port = port }
    works()
    assert.equal("OK", call("SET", "a", "1").value)
    assert.same({ ok = 500 }, ask("many", { n = 500 }).codes)
    assert.equal("500", call("GET", "count").value)
  end)

  it("is frozen lets calls end at their deadline, others go on, and late replies are dropped",
    function()
      call("SET", "a", "before")
      local before = connections()
      server:freeze()
      local id = client:ask("connector.redisHandler.call", { "SET", "late", "x" })
      local other = pomelo.connect(program.ports["connector-1"])
      once_of(3, function() -- not a second, which a call waits
        for _ = 1, 20 do
          local at = net.ms()
          assert.equal(200, other:request("connector.redisHandler.ping", {}).code)
          assert.is_true(net.ms() - at < 500)
        end
      end)
      local answer = assert(client:answer(id, 10000))
      assert.equal("TIMEOUT", answer.err)
      assert.equal("no answer in 1000 ms", answer.text)
      server:thaw()
      -- What was sent is done, and its reply is not taken for that of another call.
      assert.equal("before", call("GET", "a").value)
      assert.equal("x", call("GET", "late").value)
      assert.equal(before, connections())
    end)

  -- The threads of the program.
  local function threads()
    local n = 0
    for _ in require("luv").fs_scandir_next, (require("luv").fs_scandir(
      ("/proc/%d/task"):format(program.process.pid))) do n = n + 1 end
    return n
  end

  it("is frozen takes 1,024 calls, which need no thread, and refuses more", function()
    works()
    local before = threads()
    server:freeze()
    local id = client:ask("connector.redisHandler.many", { n = 1500 })
    assert.equal(200, ask("ping").code)
    assert.is_nil(client:answer(id, 0)) -- they wait
    assert.equal(before, threads())
    local answer = assert(client:answer(id, 10000))
    server:thaw()
    assert.same({ TIMEOUT = 1024, BUSY = 476 }, answer.codes)
    works()
  end)

  it("is killed under calls ends each of them once, and is found again", function()
    for _ = 1, 3 do
      local id = client:ask("connector.redisHandler.many", { n = 1000 })
      server:kill()
      local codes = assert(client:answer(id, 10000)).codes
      assert.equal(1000, (codes.ok or 0) + (codes.CLOSED or 0) + (codes.TIMEOUT or 0))
      server:restart()
      works()
    end
  end)

  it("resets its connections is connected to again", function()
    call("SET", "a", "still")
    for _ = 1, 3 do
      server:cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      works()
      assert.equal("still", call("GET", "a").value)
    end
  end)

  it("answers keeps its connections over a reload", function()
    works()
    local before = connections()
    tree.write(program.dir, "app/servers/connector/handler/redisHandler.lua",
      HANDLER:format(port) .. "-- changed\n")
    local code, out = tools.run("reload", program.dir)
    assert.equal(0, code, out)
    assert.matches("redisHandler", out, 1, true)
    assert.equal("still", call("GET", "a").value)
    assert.equal(before, connections())
  end)
end)
