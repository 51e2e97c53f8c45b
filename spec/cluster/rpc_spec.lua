-- app.rpc: calls between servers.

local both = require "spec.support.both"

both.describe("a call to another server", function(start)
  local app, client

  setup(function()
    app = start([[ app:set("proxyConfig", { timeout = 20000 }) ]])
  end)
  teardown(function()
    app:finish { "no luck", "the router is lost", "cannot be sent: ", "index local 'a'" }
  end)
  before_each(function() client = app:client() end)
  after_each(function() app:clear() end)

  local function run(text, args) return client:run(nil, text, args) end

  it("gives the values of the remote's callback to the caller's, nils in place", function()
    assert.are.same({}, run "app.rpc.chat.probe.run(session, 'cb()', tell)")
    assert.are.same({ "nil", "1", '"two"', "[3]" },
      run "app.rpc.chat.probe.run(session, [=[cb(nil, 1, 'two', {3})]=], tell)")
    assert.are.same({ "nil", "nil", "3", "nil" },
      run "app.rpc.chat.probe.run(session, 'cb(nil, nil, 3, nil)', tell)")
    assert.are.same({ '"data first"', "nil" },
      run "app.rpc.chat.probe.run(session, [=[cb('data first', nil)]=], tell)")
  end)

  it("gives its arguments to the remote, nils in place", function()
    local ECHO = "[=[local n = select('#', ...) local t = {...}"
      .. " cb(n - 1, unpack(t, 1, n - 1))]=]"
    assert.are.same({ "4", "1", "nil", '"three"', "nil" },
      run("app.rpc.chat.probe.run(session, " .. ECHO .. ", 1, nil, 'three', nil, tell)"))
    assert.are.same({ "0" }, run("app.rpc.chat.probe.run(session, " .. ECHO .. ", tell)"))
    assert.are.same({ "2", "true", '{"a":[1,{}]}' }, run("app.rpc.chat.probe.run(session, "
      .. ECHO .. ", true, { a = { 1, { b = pomelua.null } } }, tell)"))
  end)

  it("can be written with a colon", function()
    assert.are.same({ '"chat-1"' },
      run "app.rpc.chat.probe:run(session, 'cb(app:getServerId())', tell)")
  end)

  it("is routed like a message of the session", function()
    for uid, id in pairs { ["1"] = "chat-3", ["10001"] = "chat-2" } do
      client = app:client(nil, { uid = uid })
      assert.are.same({ '"' .. id .. '"' },
        run "app.rpc.chat.probe.run(session, 'cb(app:getServerId())', tell)")
      assert.are.equal(id, client:run("chat", "return app:getServerId()"))
    end
  end)

  it("is routed by any value that is given in a session's place", function()
    local HERE = "'cb(app:getServerId())'"
    assert.are.same({ '"chat-1"' }, run("app.rpc.chat.probe.run(nil, " .. HERE .. ", tell)"))
    assert.are.same({ '"chat-3"' },
      run("app.rpc.chat.probe.run({ uid = 'alice' }, " .. HERE .. ", tell)"))
    assert.are.same({ '"room-2"' },
      run("app.rpc.room.probe.run({ to = 'room-2' }, " .. HERE .. ", tell)"))
    assert.are.same({ '"room-2"' },
      run("app.rpc.room.probe.run({ to = 'room-2', how = 'back' }, " .. HERE .. ", tell)"))
  end)

  it("fails when the route function fails", function()
    assert.are.same({ "error nil: the rooms are shut" },
      run "app.rpc.room.probe.run({ how = 'an error' }, 'cb()', tell)")
    local got = run "app.rpc.room.probe.run({ how = 'raise' }, 'cb()', tell)"
    assert.is_truthy(got[1]:find("the router is lost", 1, true), got[1])
  end)

  it("goes to one server by toServer(id)", function()
    for _, id in ipairs { "chat-3", "chat-1", "connector-2", "connector-1" } do
      local stype = id:match("^%a+")
      assert.are.same({ '"' .. id .. '"' }, run("app.rpc." .. stype
        .. ".probe.run.toServer(args, 'cb(app:getServerId())', tell)", id))
    end
  end)

  it("goes to all servers of the type by toServer('*'), and tells what each answers", function()
    local COUNT = "'keep.star = (keep.star or 0) + 1 cb(nil, 5)'"
    assert.are.same({ "nil", "5", "5", "5" }, run("app.rpc.chat.probe.run.toServer('*', " .. COUNT
      .. ", function(err, r) tell(err, r['chat-1'][2], r['chat-2'][2], r['chat-3'][2]) end)"))
    for k = 1, 3 do
      assert.are.same({ "1" },
        run("app.rpc.chat.probe.run.toServer(args, 'cb(keep.star)', tell)", "chat-" .. k))
    end
    assert.are.same({ '"no luck on chat-2"', '"no luck on chat-2"', "nil" }, run [==[
      app.rpc.chat.probe.run.toServer("*", [=[
        if app:getServerId() == "chat-2" then cb("no luck on chat-2") else cb() end
      ]=], function(err, r) tell(err, r["chat-2"][1], r["chat-1"][1]) end)
    ]==])
  end)

  it("goes by app:rpcInvoke, too", function()
    assert.are.same({ '"chat-2"', "7" }, run [==[
      app:rpcInvoke("chat-2", { namespace = "user", serverType = "chat", service = "probe",
        method = "run", args = { "local a = ... cb(app:getServerId(), a)", 7 } }, tell)
    ]==])
  end)

  it("ends with what the remote returns", function()
    local CALL = "app.rpc.chat.probe.run(session, %q, tell)"
    assert.are.same({ "nil", "1", '"b"' }, run(CALL:format "return 1, 'b'"))
    assert.are.same({ "nil", "false" }, run(CALL:format "return false"))
    assert.are.same({ "nil", "1", "nil", "3" }, run(CALL:format "return 1, nil, 3"))
    assert.are.same({ "error nil: no luck" }, run(CALL:format "return nil, 'no luck'"))
    assert.are.same({ "5" }, run(CALL:format "cb(5) return 6"))
  end)

  it("keeps the message and the code of an error", function()
    local CALL = "app.rpc.chat.probe.run(session, %q, tell)"
    assert.are.same({ "error nil: no luck" }, run(CALL:format "error('no luck', 0)"))
    assert.are.same({ "error E7: no luck" },
      run(CALL:format "error({ message = 'no luck', code = 'E7' })"))
    assert.are.same({ "error E7: no luck" },
      run(CALL:format "return nil, { message = 'no luck', code = 'E7' }"))
    assert.are.same({ "error E7: no luck" },
      run(CALL:format "cb({ message = 'no luck', code = 'E7' })"))
    local got = run(CALL:format "local a = nil; return a.b")
    assert.are.equal(1, #got)
    assert.is_truthy(got[1]:find("^error nil: .*attempt to index local 'a'"), got[1])
  end)

  it("keeps the error that a remote got from a third server", function()
    local got = run [==[
      app.rpc.chat.probe.run(session, [=[
        app.rpc.room.probe.run({ to = "room-1" }, "error('no luck in the room', 0)", cb)
      ]=], tell)
    ]==]
    assert.is_truthy(got[1]:find("no luck in the room", 1, true), got[1])
  end)

  it("ends with the error of what the remote started", function()
    local got = run [==[
      app.rpc.chat.probe.run(session, [=[
        app:setTimeout(1, function() error("no luck later", 0) end)
      ]=], tell)
    ]==]
    assert.are.same({ "error nil: no luck later" }, got)
  end)

  it("ends once when the remote answers twice", function()
    assert.are.same({ "1" }, run "app.rpc.chat.probe.run(session, 'cb(1) cb(2)', tell)")
    assert(app:logged("remote probe.run: answered twice"))
  end)

  it("fails for a server, type, service or method that is not there", function()
    local got = run "app.rpc.chat.probe.run.toServer('chat-9', 'cb()', tell)"
    assert.is_truthy(got[1]:find("^error NOENT: .*chat%-9"), got[1])
    assert.are.same({ "error NOENT: can not find server info for type:nowhere" },
      run "app.rpc.nowhere.probe.run(session, 'cb()', tell)")
    assert.are.same({ "error NOENT: can not find server info for type:nowhere" },
      run "app.rpc.nowhere.probe.run.toServer('*', 'cb()', tell)")
    assert.are.same({ "error nil: no such service:nothing" },
      run "app.rpc.chat.nothing.run(session, 'cb()', tell)")
    assert.are.same({ "error nil: no such method:nothing" },
      run "app.rpc.chat.probe.nothing(session, 'cb()', tell)")
    got = run "app.rpc.chat.probe.run.toServer(5, 'cb()', tell)"
    assert.is_truthy(got[1]:find("^error INVAL: "), got[1])
  end)

  it("reaches no hidden method", function()
    for _, name in ipairs { "_run", "new", "__index", "constructor", "toString" } do
      assert.are.same({ "error nil: no such method:" .. name },
        run("app.rpc.chat.probe[args](session, 'cb()', tell)", name))
    end
  end)

  it("fails when its arguments are no JSON, and says where", function()
    local got = run "app.rpc.chat.probe.run(session, 'cb()', { list = { 1, print } }, tell)"
    assert.is_truthy(got[1]:find("^error ENCODE: .*list%[2%]: a function"), got[1])
    got = run "app.rpc.chat.probe.run(session, 'cb(nil, { f = print })', tell)"
    assert.is_truthy(got[1]:find("^error nil: .*f: a function"), got[1])
  end)

  it("needs no callback, and then asks for no answer", function()
    assert.are.same({ "0" }, run [==[
      local before = node:counts().rpcCalls
      app.rpc.chat.probe.run(session, "keep.quiet = type(cb) cb() cb('again')")
      app.rpc.chat.probe.run(session, "keep.quietest = select('#', ...) cb()", 1, nil)
      return show(node:counts().rpcCalls - before)
    ]==])
    assert.are.same({ '"function"', "2" },
      run "app.rpc.chat.probe.run(session, 'cb(keep.quiet, keep.quietest)', tell)")
  end)

  it("can be awaited", function()
    assert.are.same({ "1", "2" }, run [==[
      return show(pomelua.await(app.rpc.chat.probe.run, session, "cb(nil, 1, 2)"))
    ]==])
    assert.are.same({ "nil", '"no luck"' }, run [==[
      return show(pomelua.await(app.rpc.chat.probe.run, session, "cb('no luck')"))
    ]==])
    assert.are.same({ '"chat-3"' }, run [==[
      return show(pomelua.await(app.rpc.chat.probe.run.toServer, "chat-3",
        "cb(nil, app:getServerId())"))
    ]==])
  end)

  it("arrives in order, and large arguments arrive whole", function()
    assert.are.same({ "true" }, run [==[
      app.rpc.chat.probe.run(session, "keep.order = {} cb()")
      for i = 1, 500 do
        app.rpc.chat.probe.run(session, "local i = ... table.insert(keep.order, i)", i, nil)
      end
      app.rpc.chat.probe.run(session, [=[
        local good = #keep.order == 500
        for i = 1, 500 do good = good and keep.order[i] == i end
        cb(good)
      ]=], tell)
    ]==])
    assert.are.same({ "3000000" }, run [==[
      app.rpc.chat.probe.run(session, "local text = ... cb(#text)", ("x"):rep(3000000), tell)
    ]==])
  end)

  it("that is larger than a record may be fails at once, and so does such an answer", function()
    assert.are.same({ "error ENCODE: argument 2: too large" },
      run "app.rpc.chat.probe.run(session, 'cb()', ('x'):rep(34 * 2^20), tell)")
    assert.are.same({ "error nil: argument 2: too large" },
      run "app.rpc.chat.probe.run(session, [=[cb(nil, ('x'):rep(34 * 2^20))]=], tell)")
  end)

  it("may come back to the server it came from", function()
    assert.are.same({ '"connector-1 through chat-2"' }, run [==[
      app.rpc.chat.probe.run.toServer("chat-2", [=[
        app.rpc.connector.probe.run.toServer("connector-1", "cb(app:getServerId())", function(id)
          cb(id .. " through " .. app:getServerId())
        end)
      ]=], tell)
    ]==])
  end)

  it("leaves nothing behind", function()
    assert.are.same({ "0", "0" }, run [==[
      local calls = 0
      for _ in pairs(app._server.rpc.calls) do calls = calls + 1 end
      return show(calls, node:counts().rpcWaiting)
    ]==])
  end)
end)

both.describe("a call to another server, of 500 ms,", function(start)
  local app, client

  setup(function()
    app = start([[ app:set("proxyConfig", { timeout = 500 }) ]])
    client = app:client()
  end)
  teardown(function() app:finish() end)

  it("fails when nobody answers it in time, and a late answer does not count", function()
    local got = client:run(nil, [==[
      keep.late = 0
      app.rpc.chat.probe.run(session, "app:setTimeout(600, function() cb(1) end)", function(...)
        keep.late = keep.late + 1
        tell(...)
      end)
    ]==])
    assert.are.equal("error TIMEOUT: rpc probe.run: no answer in time", got[1])
    assert.are.same({ "1" }, client:run(nil, "pomelua.sleep(200) return show(keep.late)"))
  end)

  it("fails when its route function never answers", function()
    local got = client:run(nil, "app.rpc.room.probe.run({ how = 'never' }, 'cb()', tell)")
    assert.is_truthy(got[1]:find("^error TIMEOUT: "), got[1])
  end)
end)
