-- A client's message on its way to the server that handles it.

local core = require "pomelua.core"
local pomelo = require "spec.support.pomelo"
local both = require "spec.support.both"
local probe = require "spec.support.probe"

-- A backend that keeps the bytes of the bodies it was given.
local SPY = [[
  local server = app._server
  local decode = server.decode_body
  local keep = app:get("keep")
  keep.bodies = {}
  server.decode_body = function(body)
    keep.bodies[#keep.bodies + 1] = body
    return decode(body)
  end
  app:configure("all", "connector", function()
    app:set("serverConfig", { forwardTimeout = 400 })
  end)
]]

local HEX = [[
return (function(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end)(keep.bodies[#keep.bodies - 1])
]]

local RAW = [[
return { raw = function() return { code = 200 } end }
]]

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

both.describe("a message for another server type", function(start)
  local app, client

  setup(function()
    app = start(SPY, { ["app/servers/chat/handler/raw.lua"] = RAW })
  end)
  teardown(function()
    app:finish {
      "room%.probe%.run: ", "route function of room: ", "can not find server info for type:",
      "no luck today", "had to be cut", "no answer from server chat%-1", "gate%.probe%.run: ",
    }
  end)
  before_each(function() client = app:client() end)
  after_each(function() app:clear() end)

  it("carries its body untouched, whatever the bytes are", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    for _, body in ipairs {
      '{"a":1}', ' { "a" : 1.0 , "a" : 2 } \n', "no JSON", "\255\254\0\1",
      "\237\160\189\237\184\128", table.concat(all), ("\0"):rep(1000), "[", ("x"):rep(60000),
    } do
      assert.are.same({ code = 200 }, (client:request("chat.raw.raw", body)))
      assert.are.equal(hex(body), client:run("chat", HEX))
    end
  end)

  it("arrives when it is a notify, too", function()
    client:notify("chat.raw.raw", "\200 a notify")
    assert.are.equal(hex "\200 a notify", client:run("chat", HEX))
  end)

  it("goes by default to the server that the CRC-32 of the uid names", function()
    local here = "return app:getServerId()"
    assert.are.equal("chat-1", client:run("chat", here)) -- not bound: ""
    for uid, id in pairs {
      ["1"] = "chat-3", ["10001"] = "chat-2", alice = "chat-3", ["user*room"] = "chat-3",
    } do
      local one = app:client("connector-2", { uid = uid })
      assert.are.equal(id, one:run("chat", here), uid)
    end
    local number = app:client("connector-3", { uid = 10001 })
    assert.are.equal("chat-2", number:run("chat", here))
  end)

  it("goes by CRC-32 wherever it was sent from", function()
    for i = 1, 20 do
      local uid = "user" .. i
      local id = "chat-" .. core.crc32(uid) % 3 + 1
      for k = 1, 3 do
        local one = app:client("connector-" .. k, { uid = uid })
        assert.are.equal(id, one:run("chat", "return app:getServerId()"))
        one:close()
      end
    end
  end)

  describe("with a route function", function()
    local here = "return app:getServerId()"

    for _, how in ipairs { "return", "back", "wait", "twice" } do
      it("goes where it says: " .. how, function()
        for _, id in ipairs { "room-2", "room-1", "room-2" } do
          assert.are.equal(id, client:run("room", here, nil, { how = how, to = id }))
        end
      end)
    end

    for how, log in pairs {
      ["an error"] = "room.probe.run: the rooms are shut",
      ["back with an error"] = "room.probe.run: the rooms are shut",
      ["raise"] = "the router is lost",
      ["a number"] = "gave no server id but a number",
      ["back"] = "gave no server id but nil",
    } do
      it("is answered with code 500 when it fails: " .. how, function()
        assert.are.same({ code = 500 }, client:run("room", here, nil, { how = how }))
        assert(app:logged(log))
      end)
    end

    it("is answered with code 500 when it names a server that is not there", function()
      assert.are.same({ code = 500 }, client:run("room", here, nil, { to = "room-9" }))
      assert.are.same({ code = 500 }, client:run("room", here, nil, { to = "" }))
    end)

    it("may go to a server of another type, whose handler is not found", function()
      assert.are.same({ code = 500 }, client:run("room", here, nil, { to = "chat-1" }))
    end)

    it("is answered with code 500 when it names a frontend", function()
      assert.are.same({ code = 500 }, client:run("room", here, nil, { to = "connector-2" }))
    end)

    it("is answered with code 500 when it never calls back", function()
      assert.are.same({ code = 500 }, client:run("room", here, nil, { how = "never" }))
    end)

    it("does not keep other messages from passing one that waits for its route", function()
      client:askRun("room", here, nil, { how = "hold", to = "room-2" })
      client:askRun("room", here, nil, { how = "return", to = "room-1" })
      assert.are.equal("room-1", assert(client:nextMessage()).msg)
      client:askRun("room", here, nil, { how = "let go", to = "room-1" })
      local later = { assert(client:nextMessage()).msg, assert(client:nextMessage()).msg }
      table.sort(later)
      assert.are.same({ "room-1", "room-2" }, later)
    end)
  end)

  it("is answered with code 500 when there is no such type", function()
    assert.are.same({ code = 500 }, (client:request("nowhere.a.b", {})))
    assert(app:logged("can not find server info for type:nowhere"))
  end)

  it("is answered with code 500 when the type is another frontend's", function()
    assert.are.same({ code = 500 }, (client:request("gate.probe.run", { lua = "return 1" })))
  end)

  it("is answered with code 500 when the handler is not found", function()
    assert.are.same({ code = 500 }, (client:request("chat.probe.nothing", {})))
    assert.are.same({ code = 500 }, (client:request("chat.nothing.run", {})))
    assert(app:logged("fail to find handler for chat.nothing.run"))
  end)

  it("is answered with code 500 when the handler raises", function()
    assert.are.same({ code = 500 }, client:run("chat", "error 'no luck today'"))
    assert(app:logged("no luck today"))
  end)

  it("is answered with code 500 when nobody answers it in time", function()
    assert.are.same({ code = 500 }, client:run("chat", "return nil"))
    assert(app:logged("chat.probe.run: no answer from server chat-1"))
  end)

  it("is dropped when it is a notify that cannot be handled", function()
    for _, route in ipairs {
      "nowhere.a.b", "gate.probe.run", "chat.probe.nothing", "room.probe.run", "nonsense", "",
    } do
      client:notify(route, { how = "an error" })
    end
    client:data { type = pomelo.NOTIFY, code = 7 }
    assert.are.equal(1, client:run("chat", "return 1"))
  end)

  it("is answered with code 500 when its route is a code that nobody gave out", function()
    client:data { type = pomelo.REQUEST, id = 9, code = 7 }
    local m = assert(client:nextMessage())
    assert.are.equal(9, m.id)
    assert.are.same({ code = 500 }, m.msg)
  end)

  it("is answered with code 500 when its route has not three parts", function()
    for _, route in ipairs {
      "chat", "chat.run", "chat.probe.run.more", ".probe.run", "chat..run", "chat.probe.", "..", "",
    } do
      assert.are.same({ code = 500 }, (client:request(route, {})), route)
    end
  end)

  it("leaves the connection in order with pushes and answers", function()
    local one = app:client("connector-1", { uid = "in order" })
    local ids = {}
    for i = 1, 30 do
      ids[i] = one:askRun("chat", [[
        local list = { { uid = session.uid, sid = session.frontendId } }
        local service = app:get("channelService")
        service:pushMessageByUids("before", { n = args }, list)
        next(nil, { n = args })
        service:pushMessageByUids("after", { n = args }, list)
      ]], i)
    end
    for i = 1, 30 do
      local a, b, c = one:nextMessage(), one:nextMessage(), one:nextMessage()
      assert.are.equal("before", a.route)
      assert.are.equal(ids[i], b.id)
      assert.are.equal("after", c.route)
      for _, m in ipairs { a, b, c } do assert.are.equal(('{"n":%d}'):format(i), m.body) end
    end
  end)

  it("leaves the connection in order when the frontend itself pushes and answers", function()
    local one = app:client("connector-1", { uid = "in order here", ws = true })
    for i = 1, 30 do
      one:askRun("connector", [[
        local list = { { uid = session.uid, sid = session.frontendId } }
        local service = app:get("channelService")
        service:pushMessageByUids("before", { n = args }, list)
        next(nil, { n = args })
        service:pushMessageByUids("after", { n = args }, list)
      ]], i)
    end
    local routes = {}
    for i = 1, 90 do routes[i] = assert(one:nextMessage()).route or "answer" end
    assert.are.equal(("before answer after "):rep(30), table.concat(routes, " ") .. " ")
  end)

  it("is answered when a client closes before its answer comes, for the others", function()
    local other = app:client()
    other:askRun("chat", "pomelua.sleep(20) return 1")
    other:close()
    assert.are.equal(2, client:run("chat", "pomelua.sleep(40) return 2"))
  end)
end)

describe("a message for a type of which no server is there", function()
  it("is answered with code 500", function()
    local app = probe.start(nil, nil, { args = { "--only", "connector-1" } })
    local client = app:client()
    assert.are.same({ code = 500 }, client:run("chat", "return 1"))
    assert.are.same({ code = 500 }, client:run("room", "return 1", nil, { to = "room-1" }))
    app:finish { "can not find server info for type:chat", "room%.probe%.run" }
  end)
end)

both.describe("a message for another server type, with routerType", function(start)
  local app

  setup(function()
    app = start [[
      app:set("proxyConfig", { routerType = "rr" })
    ]]
  end)
  teardown(function() app:finish {} end)

  it("rr goes to the servers in turn", function()
    local client = app:client()
    local seen = {}
    for i = 1, 6 do seen[i] = client:run("chat", "return app:getServerId()") end
    assert.are.equal("chat-1 chat-2 chat-3 chat-1 chat-2 chat-3", table.concat(seen, " "))
  end)
end)
