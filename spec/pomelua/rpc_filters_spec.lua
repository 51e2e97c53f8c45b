-- Filters around calls to other servers.
-- Tests message/rpc_filters.lua.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("rpc filters", function()
  local w, front, seen, got

  local function note(what) seen[#seen + 1] = what end
  local function order() return table.concat(seen, " ") end
  local function call(...)
    local args = { n = select("#", ...), ... }
    got = nil
    w:run("connector-1", function()
      local n = args.n + 1
      args[n] = function(...) got = { n = select("#", ...), ... } end
      front.app.rpc.chat.r.add.toServer("chat-1", unpack(args, 1, n))
    end)
  end

  before_each(function()
    seen = {}
    w = world.usual()
    front = w:load("connector-1", {})
    for _, id in ipairs { "chat-1", "chat-2" } do
      w:load(id, { remotes = { r = {
        add = function(_, a, b, cb)
          note(id)
          cb(nil, id, a, b)
        end,
        bad = function() error "boom" end,
      } } })
    end
  end)
  after_each(function() w:close() end)

  it("run before the call in order, and behind it backwards, before its callback", function()
    front.app:rpcBefore(function(to, msg, opts, next)
      note(("%s %s.%s.%s(%d)"):format(to, msg.serverType, msg.service, msg.method, msg.args[1]))
      opts.x = 1
      next()
    end)
    front.app:rpcBefore(function() note "second" end)
    front.app:rpcAfter(function(_, _, opts, next) note("after" .. opts.x) next() end)
    front.app:rpcAfter(function() note(got and "late" or "first after") end)
    call(1, nil)
    assert.equal("chat-1 chat.r.add(1) second chat-1 first after after1", order())
    assert.same({ n = 4, nil, "chat-1", 1 }, got)
  end)

  it("see the server type that the caller names, also of a server that is not there", function()
    front.app:rpcBefore(function(to, msg) note(to .. " " .. tostring(msg.serverType)) end)
    local function ended() end
    w:run("connector-1", function()
      front.app.rpc.chat.r.add.toServer("chat-9", 1, ended)
      front.app.rpc.room.r.add.toServer("chat-1", 1, ended)
      front.app:rpcInvoke("chat-9", { serverType = "chat", service = "r", method = "add" }, ended)
      front.app:rpcInvoke("chat-9", { service = "r", method = "add" }, ended)
    end)
    assert.equal("chat-9 chat chat-1 chat chat-9 chat chat-9 nil chat-1", order())
  end)

  it("redirect a call, and change its arguments", function()
    front.app:rpcBefore(function(_, msg, _, next)
      msg.args[2] = "b"
      next("chat-2", msg)
    end)
    call("a", "x")
    assert.same({ n = 4, nil, "chat-2", "a", "b" }, got)
    front.app:rpcBefore(function() return "chat-1" end)
    call("a", "x")
    assert.equal("chat-1", got[2])
  end)

  it("that give a message which cannot be sent end the call with an error", function()
    local given
    front.app:rpcBefore(function(_, _, _, next) next(nil, given) end)
    for _, one in ipairs { {}, { service = "r" }, { service = {}, method = "add" },
      { service = "r", method = ("x"):rep(70000) } } do
      given = one
      call(1)
      assert.is_string(got and got[1].message)
    end
    given = { service = "r", method = "add", args = {} }
    for i = 1, 9000 do given.args[i] = i end
    call(1)
    assert.equal("rpc filters of r.add: a call takes 250 arguments at most, msg.args has 9000",
      got and got[1].message)
  end)

  it("refuse a call", function()
    front.app:rpcBefore(function(_, msg, _, next)
      if msg.args[1] == 1 then return next "not now" end
      if msg.args[1] == 2 then return nil, { code = 7 } end
      error "boom"
    end)
    call(1)
    assert.same({ n = 1, "not now" }, got)
    call(2)
    assert.same({ n = 1, { code = 7 } }, got)
    call(3)
    assert.truthy(got[1].message:find "rpc_filters_spec.lua:%d+: boom")
    assert.is_true(w:logged("connector-1", "error", "rpc filters of r.add: "))
    assert.equal("", order())
  end)

  it("may wait, and see calls of app.call and rpcInvoke", function()
    front.app:rpcBefore(function() pomelua.sleep(10) note "waited" end)
    local value
    w:run("connector-1", function()
      value = front.app.call.chat.r.add.toServer("chat-1", 1, 2)
      front.app:rpcInvoke("chat-2", { service = "r", method = "add", args = { 1, 2 } })
    end)
    assert.is_nil(value)
    w:advance(10)
    assert.equal("chat-1", value)
    w:advance(10)
    assert.equal("waited chat-1 waited chat-2", order())
  end)

  it("do not see what the framework calls", function()
    front.app:rpcBefore(note)
    local back = w.servers["chat-1"]
    back.app:rpcBefore(note)
    local sid = front.node:openSession()
    w:run("chat-1", function()
      back.app.backendSessionService:get("connector-1", sid, function() note "got" end)
    end)
    assert.equal("got", order())
  end)

  it("end a call without a callback as well", function()
    front.app:rpcAfter(function(to) note("sent " .. to) end)
    w:run("connector-1", function() front.app.rpc.chat.r.add.toServer("chat-1", 1, 2, nil) end)
    assert.equal("sent chat-1 chat-1", order())
  end)

  it("run on when an after filter fails", function()
    front.app:rpcAfter(function() note "last" end)
    front.app:rpcAfter(function() error "boom" end)
    call(1, 2)
    assert.equal("chat-1 last", order())
    assert.equal("chat-1", got[2])
    assert.is_true(w:logged("connector-1", "error", "boom"))
  end)

  describe("with an rpcErrorHandler", function()
    it("give it the errors of filters and of the way, not those of remotes", function()
      front.app:set("rpcErrorHandler", function(err, to, msg, next)
        note(("%s %s %s"):format(err.code or err, to, msg.method))
        next(err, "handled")
      end)
      w:run("connector-1", function()
        front.app.rpc.chat.r.bad.toServer("chat-1", function(...) got = { ... } end)
      end)
      assert.truthy(got[1].message:find "boom")
      assert.equal("", order())
      front.node:peer("chat-1", false)
      call(1)
      assert.equal("NOENT chat-1 add", order())
      assert.equal("handled", got[2])
      seen = {}
      front.app:rpcBefore(function() return nil, "no" end)
      call(1)
      assert.equal("no chat-1 add", order())
      assert.same({ "no", "handled", n = 2 }, got)
    end)

    it("give it a call without a callback, which no after filter sees then", function()
      front.app:rpcAfter(function() note "after" end)
      front.app:set("rpcErrorHandler", function(err, to, msg, next)
        note(("%s %s %s"):format(err.code, to, msg.method))
        next(err)
      end)
      front.node:peer("chat-1", false)
      w:run("connector-1", function() front.app.rpc.chat.r.add.toServer("chat-1", 1) end)
      assert.equal("NOENT chat-1 add", order())
    end)

    it("give it a call for which there is no server", function()
      front.app:set("rpcErrorHandler", function(err, to, msg, next)
        note(("%s %s %s %s %s"):format(err.code or err, tostring(to), msg.serverType, msg.method,
          tostring(msg.args[1])))
        next(err, "handled")
      end)
      local function told(what, fn)
        for _, cb in ipairs { function(...) got = { ... } end, false } do
          seen, got = {}, nil
          w:run("connector-1", function() fn(cb or nil) end)
          assert.equal(what, order())
          if cb then assert.equal("handled", got[2]) end
        end
      end
      local rpc = front.app.rpc
      told("NOENT nil nowhere add 7", function(cb) rpc.nowhere.r.add(nil, 7, cb) end)
      told("NOENT * nowhere add 7", function(cb) rpc.nowhere.r.add.toServer("*", 7, cb) end)
      told("INVAL 5 chat add 7", function(cb) rpc.chat.r.add.toServer(5, 7, cb) end)
      front.app:route("chat", function() return nil, "full" end)
      told("full nil chat add 7", function(cb) rpc.chat.r.add(nil, 7, cb) end)
    end)

    it("end the call with what it returns, or with its own error", function()
      front.app:rpcBefore(function() return nil, "no" end)
      front.app:set("rpcErrorHandler", function() end)
      call(1)
      assert.same({ n = 1, "no" }, got)
      front.app:set("rpcErrorHandler", function() return "instead" end)
      call(1)
      assert.same({ n = 2, nil, "instead" }, got)
      front.app:set("rpcErrorHandler", function() error "boom" end)
      call(1)
      assert.truthy(got[1].message:find "boom")
    end)

    it("end the call at its deadline", function()
      front.app:set("rpcErrorHandler", function(err, _, _, next) note(err.code) next(err) end)
      w.servers["chat-1"].registry.set.remotes["r.add"] = { fn = function() end }
      call(1)
      assert.is_nil(got)
      w:advance(5000)
      assert.equal("TIMEOUT", order())
      assert.equal("TIMEOUT", got[1].code)
    end)
  end)
end)
