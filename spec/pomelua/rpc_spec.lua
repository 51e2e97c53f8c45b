-- Calls to remotes, and which server gets them.
-- Tests message/rpc_call.lua, message/rpc_serve.lua and message/router.lua.
local core = require "pomelua.core"
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
    w:load("chat-2", { remotes = { r = { m = function() error("broken", 0) end } } })
    result = call(function(cb) rpc.chat.r.m.toServer("*", "!", cb) end)
    assert.equal("broken", result[1].message)
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
