-- redis:subscribe in a program, against a real server: store/redis_subscriptions.lua and
-- bind/l_redis_listener.c.
local app = require "spec.support.app"
local document = require "spec.support.document"
local files = require "spec.support.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local real = require "spec.support.redis"
local tools = require "spec.support.tool"
local tree = require "spec.support.tree"

-- What it hears stands in the state of the file, which outlives its reloads.
local HANDLER = [[
local pomelua = require "pomelua"
local redis = require("pomelua.redis").open { url = "%s" }
return function(app, state)
  state.heard = state.heard or {}
  state.subs = state.subs or {}
  local function hear(text, err)
    table.insert(state.heard, "VERSION " .. (text or err.code .. ": " .. err.message))
    if text == "fail" then error("on purpose") end
    if text == "wait" then pomelua.await(function(cb) state.wake = cb end) end
  end
  redis:subscribe("news", hear)
  local Handler = {}
  function Handler:heard()
    local heard = state.heard
    state.heard = {}
    return { heard = heard }
  end
  function Handler:subscribe(msg)
    state.subs[msg.channel] = redis:subscribe(msg.channel, hear)
    return {}
  end
  function Handler:close(msg)
    state.subs[msg.channel]:close()
    state.subs[msg.channel]:close()
    return {}
  end
  function Handler:wrong()
    local _, one = pcall(redis.subscribe, redis, "", print)
    local _, two = pcall(redis.subscribe, redis, "news", 5)
    return { tostring(one), tostring(two) }
  end
  return Handler
end
]]
local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { reload = false })
app:start()
]]
local SERVERS = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
}]]
local PATH = "app/servers/connector/handler/newsHandler.lua"

describe("a subscription", function()
  local program, server, client

  local function handler(version) return (HANDLER:format(server.url):gsub("VERSION", version)) end

  lazy_setup(function()
    server = real.start()
    program = app.start { ["app.lua"] = APP, ["config/servers.json"] = SERVERS,
      [PATH] = handler "1" }
  end)
  lazy_teardown(function()
    if program then program:stop { "on purpose", "redis:subscribe" } end
    real.closeAll()
    net.closeAll()
  end)
  before_each(function() client = pomelo.connect(program.ports["connector-1"]) end)
  after_each(pomelo.closeAll)

  local function ask(method, msg)
    return assert(client:request("connector.newsHandler." .. method, msg or {}))
  end
  local function subscribed(n, channel)
    assert(net.wait(function()
      return server:cli("PUBSUB", "NUMSUB", channel or "news"):match(":(%d+)$") == tostring(n)
    end, 10000), "the channel is not subscribed to as often as it should be")
  end
  local function publish(text, channel) server:cli("PUBLISH", channel or "news", text) end
  -- What was heard, once that is so much.
  local function hears(...)
    local want, got = { ... }, {}
    net.wait(function()
      for _, one in ipairs(ask("heard").heard) do got[#got + 1] = one end
      return #got >= #want
    end, 10000)
    assert.same(want, got)
  end

  it("hears what is published, each message once and in order", function()
    subscribed(1)
    for i = 1, 50 do publish("m" .. i) end
    local want = {}
    for i = 1, 50 do want[i] = "1 m" .. i end
    hears(unpack(want))
  end)

  it("goes on behind a call that fails, and beside one that waits", function()
    publish "fail"
    publish "wait"
    publish "more"
    hears("1 fail", "1 wait", "1 more")
  end)

  it("belongs to its file: a reload replaces it, and loses nothing", function()
    for version = 2, 3 do
      tree.write(program.dir, PATH, handler(version))
      publish "before"
      local code, out = tools.run("reload", program.dir)
      assert.equal(0, code, out)
      publish "behind"
      hears((version - 1) .. " before", version .. " behind")
    end
    subscribed(1)
  end)

  it("may be made and ended by a handler, and others of the channel go on", function()
    ask("subscribe", { channel = "other" })
    ask("subscribe", { channel = "news" })
    subscribed(1, "other")
    publish("x", "other")
    hears "3 x"
    publish "twice"
    hears("3 twice", "3 twice")
    ask("close", { channel = "news" })
    publish "once"
    hears "3 once"
    ask("close", { channel = "other" })
    subscribed(1)
  end)

  it("comes back behind a server that restarts, and says what may be missed", function()
    server:restart()
    subscribed(1)
    publish "again"
    local heard = {}
    assert(net.wait(function()
      for _, one in ipairs(ask("heard").heard) do heard[#heard + 1] = one end
      return heard[2]
    end, 10000))
    assert.matches("^3 CLOSED: messages of the channel news may have been missed: redis at "
      .. "127%.0%.0%.1:%d+ ended the connection", heard[1])
    assert.equal("3 again", heard[2])
    assert.is_nil(heard[3])
  end)

  it("says at the line of the game what is wrong", function()
    local wrong = ask("wrong")
    assert.matches("newsHandler%.lua:%d+: redis:subscribe%(channel, fn%): channel must be a string "
      .. 'of 1 to 512 bytes, got ""', wrong[1])
    assert.matches("newsHandler%.lua:%d+: redis:subscribe%(channel, fn%): fn must be a function, "
      .. "got 5", wrong[2])
  end)

  it("ends with the last file that wants it", function()
    tree.write(program.dir, PATH, "return {}")
    assert.equal(0, (tools.run("reload", program.dir, "--force")))
    subscribed(0)
  end)

  it("is for servers only", function()
    local redis = require("pomelua.redis").open { url = server.url }
    assert.has_error(function() redis:subscribe("news", print) end)
  end)
end)

-- The code of docs/data.md, against a real Redis.
describe("the board of docs/data.md", function()
  local board = "app/servers/board/handler/boardHandler.lua"
  local server, program

  lazy_setup(function()
    server = real.start()
    program = app.start {
      ["app.lua"] = APP, [board] = document.files(files.read("docs/data.md"))[board],
      ["config/servers.json"] = SERVERS:gsub("connector", "board"),
      ["config/databases.json"] = ('{ "cache": { "kind": "redis", "url": "%s/2" } }')
        :format(server.url),
    }
  end)
  lazy_teardown(function()
    if program then program:stop() end
    pomelo.closeAll()
    real.closeAll()
    net.closeAll()
  end)

  it("keeps the best players, and hears who has joined them", function()
    local client = pomelo.connect(program.ports["board-1"])
    local function ask(method, msg) return client:request("board.boardHandler." .. method, msg) end
    assert(net.wait(function() return server:cli("PUBSUB", "NUMSUB", "board"):find ":1$" end))
    assert.same({ code = 200, rank = 1 }, ask("score", { name = "ann", points = 5 }))
    assert.same({ code = 200, rank = 1 }, ask("score", { name = "bob", points = 7.5 }))
    assert.same({ code = 200, rank = 2 }, ask("score", { name = "ann", points = 6 }))
    assert(net.wait(function() return #ask("best", {}).latest == 3 end))
    assert.same({ code = 200, best = { "bob", "ann" }, latest = { "ann", "bob", "ann" } },
      ask("best", {}))
    assert.matches("db2:keys=1", server:cli("INFO", "keyspace"), 1, true)
  end)
end)
