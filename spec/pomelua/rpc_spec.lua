-- Calls to remotes, and which server gets them.
-- Tests message/rpc_call.lua, message/rpc_serve.lua and message/router.lua.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("rpc", function()
  local w, here, rpc

  local function remote(module)
    for _, id in ipairs { "chat-1", "chat-2" } do w:load(id, { remotes = { r = module } }) end
  end

  -- Makes the call in a task and gives what its callback got.
  local function call(fn)
    local result
    w:run("connector-1", function()
      fn(function(...) result = { n = select("#", ...), ... } end)
    end)
    return result
  end

  before_each(function()
    w = world.usual()
    here = w:load("connector-1", { settings = { proxyConfig = { timeout = 1000 } } })
    rpc = here.app.rpc
  end)
  after_each(function() w:close() end)

  it("brings what the remote's callback got, nils in place", function()
    remote { m = function(_, a, b, c, cb) cb(nil, c, b, a, nil) end }
    assert.same({ n = 5, nil, 3, nil, 1, nil },
      call(function(cb) rpc.chat.r.m({ uid = "u" }, 1, nil, 3, cb) end))
  end)

  it("brings data in the first place unchanged", function()
    remote { m = function(_, cb) cb({ users = { "a" } }) end }
    assert.same({ n = 1, { users = { "a" } } }, call(function(cb) rpc.chat.r.m({}, cb) end))
  end)

  it("may be written with a colon", function()
    remote { m = function(_, a, cb) cb(nil, a) end }
    assert.same({ n = 2, nil, 7 }, call(function(cb) rpc.chat.r:m({}, 7, cb) end))
    assert.same({ n = 2, nil, 8 }, call(function(cb) rpc.chat.r.m:toServer("chat-1", 8, cb) end))
  end)

  it("takes what a remote returns as its answer", function()
    local give
    remote { m = function() return give() end }
    local function got() return call(function(cb) rpc.chat.r.m({}, cb) end) end
    give = function() return 1, 2 end
    assert.same({ n = 3, nil, 1, 2 }, got())
    give = function() return false end
    assert.same({ n = 2, nil, false }, got())
    give = function() return nil, "bad" end
    assert.equal("bad", got()[1].message)
  end)

  it("keeps the message of an error, and its code", function()
    remote { m = function() error("no good", 0) end }
    local err = call(function(cb) rpc.chat.r.m({}, cb) end)[1]
    assert.equal("no good", err.message)
    assert.equal("no good", tostring(err))
    remote { m = function(_, cb) cb({ message = "full", code = "FULL" }) end }
    err = call(function(cb) rpc.chat.r.m({}, cb) end)[1]
    assert.same({ "full", "FULL", "full" }, { err.message, err.code, tostring(err) })
  end)

  it("says what is not there", function()
    remote { m = function() end, _hidden = function() end }
    local function message(fn) return call(fn)[1].message end
    assert.equal("no such service:x", message(function(cb) rpc.chat.x.m({}, cb) end))
    assert.equal("no such method:x", message(function(cb) rpc.chat.r.x({}, cb) end))
    assert.equal("no such method:_hidden", message(function(cb) rpc.chat.r._hidden({}, cb) end))
    assert.equal("can not find server info for type:area",
      message(function(cb) rpc.area.r.m({}, cb) end))
    assert.equal("server 'chat-9' is not there",
      message(function(cb) rpc.chat.r.m.toServer("chat-9", cb) end))
    assert.equal("a server id must be a string, got number",
      message(function(cb) rpc.chat.r.m.toServer(5, cb) end))
  end)

  it("ends at its deadline", function()
    remote { m = function() end }
    local result
    w:run("connector-1", function() rpc.chat.r.m({}, function(err) result = err end) end)
    w:advance(999)
    assert.is_nil(result)
    w:advance(1)
    assert.equal("TIMEOUT", result.code)
  end)

  it("ends when its server goes", function()
    remote { m = function() end }
    local result
    w:run("connector-1", function()
      rpc.chat.r.m.toServer("chat-1", function(err) result = err end)
    end)
    here.node:peer("chat-1", false)
    here.node:settle()
    assert.equal("NOENT", result.code)
  end)

  it("refuses arguments that are no JSON and names them", function()
    local err = call(function(cb) rpc.chat.r.m({}, { f = print }, cb) end)[1]
    assert.equal("ENCODE", err.code)
    assert.truthy(err.message:find("f: a function", 1, true))
  end)

  it("without a callback still calls, and the remote still has one", function()
    local got
    remote { m = function(_, a, cb)
      got = { a, type(cb) }
      cb(nil, 1)
    end }
    w:run("connector-1", function() rpc.chat.r.m({}, 5, nil) end)
    assert.same({ 5, "function" }, got)
  end)

  it("answers once", function()
    remote { m = function(_, cb)
      cb(nil, 1)
      cb(nil, 2)
    end }
    local count = 0
    w:run("connector-1", function()
      rpc.chat.r.m({ uid = "x" }, function() count = count + 1 end)
    end)
    assert.equal(1, count)
    assert.is_true(w:logged("chat-1", "warn", "answered twice")
      or w:logged("chat-2", "warn", "answered twice"))
  end)

  it("reaches every server of a type with *", function()
    local seen = {}
    for _, id in ipairs { "chat-1", "chat-2" } do
      w:load(id, { remotes = { r = { m = function(_, a, cb)
        seen[#seen + 1] = id .. a
        cb(nil)
      end } } })
    end
    local result = call(function(cb) rpc.chat.r.m.toServer("*", "!", cb) end)
    table.sort(seen)
    assert.same({ "chat-1!", "chat-2!" }, seen)
    assert.is_nil(result[1])
  end)

  it("gives with * what each server has answered, and the first error", function()
    for _, id in ipairs { "chat-1", "chat-2" } do
      w:load(id, { remotes = { r = { m = function(_, a, cb) cb(nil, id .. a, a) end } } })
    end
    assert.same({ n = 2, nil, {
      ["chat-1"] = { nil, "chat-1!", "!" }, ["chat-2"] = { nil, "chat-2!", "!" },
    } }, call(function(cb) rpc.chat.r.m.toServer("*", "!", cb) end))
    w:load("chat-2", { remotes = { r = { m = function() error("broken", 0) end } } })
    local result = call(function(cb) rpc.chat.r.m.toServer("*", "!", cb) end)
    assert.equal("broken", result[1].message)
    assert.same({ nil, "chat-1!", "!" }, result[2]["chat-1"])
    assert.equal(result[1], result[2]["chat-2"][1])
    w:load("chat-2", { remotes = { r = { m = function(_, _, cb) cb(nil, 2) end } } })
    local found
    w:run("connector-1", function() found = here.app.call.chat.r.m.toServer("*", "!") end)
    assert.same({ nil, 2 }, found["chat-2"])
  end)

  describe("ends at a deadline of its own", function()
    -- The code of the error, and when it came.
    local function ended(fn)
      local code, at
      local began = here.node:now()
      remote { m = function() end }
      w:run("connector-1", function()
        fn(function(err) code, at = err.code, here.node:now() - began end)
      end)
      w:advance(199)
      assert.is_nil(code)
      w:advance(1)
      return code, at
    end

    for what, fn in pairs {
      ["with :timeout"] = function(cb) rpc.chat.r.m:timeout(200)({}, 1, cb) end,
      ["with .timeout"] = function(cb) rpc.chat.r.m.timeout(200)({}, 1, cb) end,
      ["with toServer"] = function(cb) rpc.chat.r.m:timeout(200).toServer("chat-1", 1, cb) end,
      ["with toServer *"] = function(cb) rpc.chat.r.m:timeout(200).toServer("*", 1, cb) end,
      ["with the last of two"] = function(cb) rpc.chat.r.m:timeout(5):timeout(200)({}, 1, cb) end,
      ["with rpcInvoke"] = function(cb)
        here.app:rpcInvoke("chat-1", { service = "r", method = "m" }, { timeout = 200 }, cb)
      end,
      ["with app.call"] = function(cb)
        local _, err = here.app.call.chat.r.m:timeout(200)({}, 1)
        cb(err)
      end,
      ["with a route function that does not answer"] = function(cb)
        here.app:route("chat", function() end)
        rpc.chat.r.m:timeout(200)({}, 1, cb)
      end,
    } do
      it(what, function() assert.same({ "TIMEOUT", 200 }, { ended(fn) }) end)
    end

    it("that is a whole number", function()
      for _, ms in ipairs { 0, 1.5, -1, "200", 86400001 } do
        local ok, err = pcall(function() return rpc.chat.r.m:timeout(ms) end)
        assert.is_false(ok)
        assert.matches("r.m:timeout(ms): must be a whole number of milliseconds", err, 1, true)
      end
      local ok, err = pcall(function()
        here.app:rpcInvoke("chat-1", { service = "r", method = "m" }, { timout = 5 })
      end)
      assert.is_false(ok)
      assert.matches('opts has no "timout"; did you mean timeout?', err, 1, true)
    end)
  end)

  it("keeps the code of an error, whatever way it takes, over two servers", function()
    local function way(fn)
      for _, id in ipairs { "chat-1", "chat-2" } do
        local one = w.servers[id]
        w:load(id, { remotes = { r = {
          inner = fn,
          outer = function(_, cb) one.app.rpc.chat.r.inner.toServer("chat-2", cb) end,
        } } })
      end
      local err = call(function(cb) rpc.chat.r.outer.toServer("chat-1", cb) end)[1]
      return { tostring(err), err.message, err.code }
    end
    local want = { "full", "full", 503 }
    assert.same(want, way(function(_, cb) cb { message = "full", code = 503 } end))
    assert.same(want, way(function() error { message = "full", code = 503 } end))
    assert.same(want, way(function() return nil, { message = "full", code = 503 } end))
    assert.same({ "full", "full" }, way(function(_, cb) cb(errors.new "full") end))
    assert.same({ "full", "full" }, way(function() error("full", 0) end))
  end)

  it("calls back, once, wherever it cannot be made", function()
    remote { m = function() end }
    local count, heard = 0, {}
    local function cb_of(what)
      count = count + 1
      return function(err) heard[#heard + 1] = what .. ": " .. tostring(err and err.code) end
    end
    w:run("connector-1", function()
      rpc.chat.r.m.toServer("chat-9", cb_of "an id that nobody has")
      rpc.chat.r.m.toServer(5, cb_of "an id that is none")
      rpc.area.r.m({}, cb_of "a type without servers")
      rpc.area.r.m.toServer("*", cb_of "all of a type without servers")
      rpc.chat.r.m({}, { print }, cb_of "an argument that cannot be sent")
      here.app:rpcInvoke("chat-9", { service = "r", method = "m" }, cb_of "rpcInvoke")
      rpc.chat.r.m.toServer("chat-1", cb_of "a server that goes")
      rpc.chat.r.m.toServer("*", cb_of "all servers, one of which goes")
    end)
    here.node:peer("chat-1", false)
    w:advance(1000)
    table.sort(heard)
    assert.same({
      "a server that goes: NOENT", "a type without servers: NOENT",
      "all of a type without servers: NOENT", "all servers, one of which goes: NOENT",
      "an argument that cannot be sent: ENCODE", "an id that is none: INVAL",
      "an id that nobody has: NOENT", "rpcInvoke: NOENT",
    }, heard)
    assert.equal(#heard, count)
  end)

  it("is not kept for a server that comes later", function()
    local got = 0
    remote { m = function() got = got + 1 end }
    here.node:peer("chat-1", false)
    assert.equal("NOENT", call(function(cb) rpc.chat.r.m.toServer("chat-1", cb) end)[1].code)
    here.node:peer("chat-1", true)
    w:settle()
    assert.equal(0, got)
  end)

  it("reaches a frontend's sessions with sysrpc", function()
    local sid = here.node:openSession()
    local result
    w:run("chat-1", function()
      local system = w.servers["chat-1"].app.sysrpc
      system.connector.sessionRemote.bind.toServer("connector-1", sid, "ann",
        function(err) result = { err } end)
    end)
    assert.same({}, result)
    assert.same({ sid }, here.node:sidsOf("ann"))
    local ok, err = pcall(function() return here.app.sysrpc.connector.channelRemote end)
    assert.is_false(ok)
    assert.matches("app.sysrpc: there is only sessionRemote, not channelRemote", err, 1, true)
  end)

  it("can be awaited, in the remote, too", function()
    remote { m = function(_, a)
      pomelua.sleep(10)
      return a * 2
    end }
    local result
    w:run("connector-1", function() result = pomelua.await(rpc.chat.r.m, {}, 4) end)
    w:advance(10)
    assert.equal(8, result)
  end)

  it("goes to a server by id with rpcInvoke", function()
    remote { m = function(_, a, cb) cb(nil, a) end }
    assert.same({ n = 2, nil, 6 }, call(function(cb)
      here.app:rpcInvoke("chat-2", { namespace = "user", serverType = "chat", service = "r",
        method = "m", args = { 6 } }, cb)
    end))
  end)
end)

describe("router", function()
  local w, here

  local function where(param)
    local result
    w:run("connector-1", function()
      here.app.rpc.chat.r.m(param, function(err, id) result = err and err.message or id end)
    end)
    return result
  end

  before_each(function()
    w = world.usual()
    here = w:load("connector-1", {})
    for _, id in ipairs { "chat-1", "chat-2" } do
      w:load(id, { remotes = { r = { m = function(_, cb) cb(nil, id) end } } })
    end
  end)
  after_each(function() w:close() end)

  it("goes by the CRC-32 of the uid", function()
    for _, uid in ipairs { "u1", "u2", "user*room", "" } do
      assert.equal("chat-" .. core.crc32(uid) % 2 + 1, where { uid = uid })
    end
    assert.equal(where { uid = "7" }, where { uid = 7 })
    assert.equal(where { uid = "" }, where(nil))
  end)

  describe("with routerType", function()
    local function given(proxy)
      w:close()
      w = world.new {
        { id = "connector-1", serverType = "connector", frontend = true, clientPort = 3010 },
        { id = "chat-2", serverType = "chat", weight = 2 }, { id = "chat-1", serverType = "chat" },
        { id = "chat-3", serverType = "chat" },
      }
      here = w:load("connector-1", { settings = { proxyConfig = proxy } })
      for id, one in pairs(w.servers) do
        if one.type == "chat" then
          w:load(id, {
            remotes = { r = {
              m = function(_, ...) select(select("#", ...), ...)(nil, id) end,
              later = function(_, cb) one.app:setTimeout(100, function() cb(nil, id) end) end,
            } },
            handlers = { h = { m = function() return { at = id } end } },
          })
        end
      end
    end

    -- The digits of the servers that get n calls, and n messages of a client.
    local function calls(n, param)
      local list = {}
      for i = 1, n do list[i] = where(param):sub(-1) end
      return table.concat(list)
    end

    local function messages(n)
      local list, sid = {}, here.node:openSession()
      for i = 1, n do
        list[i] = w:ask("connector-1", sid, "chat.h.m"):match("chat%-(%d)")
      end
      return table.concat(list)
    end

    it("rr, servers take turns in the order of servers.json", function()
      given { routerType = "rr" }
      assert.equal("213213", calls(6))
      assert.equal("213", messages(3))
      here.node:peer("chat-1", false)
      assert.equal("2323", calls(4))
    end)

    it("wrr, each gets its weight", function()
      given { routerType = "wrr" }
      assert.equal("21322132", calls(8))
      assert.equal("2132", messages(4))
    end)

    it("la, the server gets the call for which the fewest wait, and ended calls do not", function()
      given { routerType = "la" }
      w:run("connector-1", function()
        for _, id in ipairs { "chat-2", "chat-3" } do
          here.app.rpc.chat.r.later.toServer(id, function() end)
        end
      end)
      assert.equal("1111", calls(4))
      assert.equal("111", messages(3))
      w:advance(100)
      assert.equal("321", calls(3)) -- all wait for none: they take turns, after chat-1
    end)

    for _, name in ipairs { "hash", "ch" } do
      it(name .. ", only the users of a server that goes are moved", function()
        given { routerType = name }
        local home, count = {}, {}
        for i = 1, 60 do
          home[i] = where { uid = "user" .. i }
          count[home[i]] = (count[home[i]] or 0) + 1
        end
        for _, n in pairs(count) do assert.is_true(n > 10) end
        here.node:peer("chat-1", false)
        for i = 1, 60 do
          local now = where { uid = "user" .. i }
          assert.equal(home[i] ~= "chat-1", now == home[i])
        end
      end)
    end

    it("hash, calls go by their first argument, a session or a text", function()
      given { routerType = "hash" }
      assert.equal(where { uid = "room-7" }, where "room-7")
      assert.equal(where { uid = 7 }, where(7))
    end)

    it("hash and hashFieldIndex, calls go by that argument, counted from 0", function()
      given { routerType = "hash", hashFieldIndex = 1 }
      local function at(uid, room)
        local result
        w:run("connector-1", function()
          here.app.rpc.chat.r.m({ uid = uid }, "enter", room, function(_, id) result = id end)
        end)
        return result
      end
      for i = 1, 20 do assert.equal(at("user" .. i, "room" .. i), at("ann", "room" .. i)) end
      assert.equal(where { uid = "bob" }, at("bob", { "no text" }))
    end)

    it("a route function still decides", function()
      given { routerType = "rr" }
      here.app:route("chat", function() return "chat-3" end)
      assert.equal("333", calls(3))
      assert.equal("333", messages(3))
    end)
  end)

  it("asks the function of the type, which returns or calls back", function()
    local got
    here.app:route("chat", function(session, msg, app)
      got = { session.uid, msg.service, msg.method, app == here.app }
      return "chat-2"
    end)
    assert.equal("chat-2", where { uid = "u" })
    assert.same({ "u", "r", "m", true }, got)
    here.app:route("chat", function(_, _, _, cb)
      pomelua.sleep(5)
      cb(nil, "chat-1")
    end)
    local result
    w:run("connector-1", function()
      here.app.rpc.chat.r.m({}, function(_, id) result = id end)
    end)
    w:advance(5)
    assert.equal("chat-1", result)
  end)

  it("asks the default function for types without one", function()
    here.app:route("default", function(_, msg) return msg.serverType .. "-2" end)
    assert.equal("chat-2", where {})
  end)

  for what, row in pairs {
    ["raises"] = { function() error("lost", 0) end, "lost" },
    ["returns nil, err"] = { function() return nil, "lost" end, "lost" },
    ["calls back with an error"] = { function(_, _, _, cb) cb("lost") end, "lost" },
    ["gives no id"] = { function() return 5 end,
      "the route function of chat gave no server id but a number" },
    ["gives an id that is not there"] = { function() return "chat-9" end,
      "server 'chat-9' is not there" },
  } do
    it("ends the call when a route function " .. what, function()
      here.app:route("chat", row[1])
      assert.equal(row[2], where {})
    end)
  end

  it("ends the call when a route function never answers", function()
    here.app:route("chat", function() end)
    local result
    w:run("connector-1", function()
      here.app.rpc.chat.r.m({}, function(err) result = err.code end)
    end)
    w:advance(5000)
    assert.equal("TIMEOUT", result)
  end)

  it("decides for messages of clients, whose body is decoded when it is read", function()
    local got
    here.app:route("chat", function(session, msg)
      got = { session.id, msg.route, msg.body.room, msg.id, msg.type }
      return "chat-2"
    end)
    w:load("chat-2", { handlers = { h = { m = function() return { at = "chat-2" } end } } })
    local sid = here.node:openSession()
    assert.equal('{"at":"chat-2"}', w:ask("connector-1", sid, "chat.h.m", { room = "r" }))
    assert.same({ sid, "chat.h.m", "r", 1, 0 }, got)
    here.app:route("chat", function() error "boom" end)
    assert.equal('{"code":500}', w:ask("connector-1", sid, "chat.h.m"))
    here.app:route("chat", function() return "nowhere" end)
    assert.equal('{"code":500}', w:ask("connector-1", sid, "chat.h.m"))
  end)
end)
