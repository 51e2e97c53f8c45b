-- What people write who come from JavaScript, or forget a colon: the error is a sentence
-- at the line of the game.
-- Tests run/environment.lua and app/unsupported.lua.
local world = require "spec.support.world"

describe("a mistake in a script", function()
  local w, one

  before_each(function()
    w = world.single()
    one = w:load("connector-1", {})
  end)
  after_each(function() w:close() end)

  -- The error of a script's text, which is the file game.lua.
  local function fails(text)
    local message
    one:run("spec", function()
      local env = setmetatable({ app = one.app, pomelua = require "pomelua" }, { __index = _G })
      local sid = one.node:openSession()
      env.session = require("pomelua.session.session").new(one, sid)
      local ok, err = pcall(setfenv(assert(loadstring(text, "@app/game.lua")), env))
      message = not ok and tostring(err) or "it worked"
    end)
    return message
  end

  local rows = {
    ["session.get('x')"] = "session.get: write session:get(...) with a colon",
    ["session.pushAll()"] = "the first argument is nothing",
    ["session.bind(7, print)"] = "session.bind: write session:bind(...)",
    ["app.get('channelService')"] = "app.get: write app:get(...)",
    ["app.set('a', 1)"] = "app.set: write app:set(...)",
    ["app.event.on('start_all', print)"] = "app.event.on: write app.event:on(...)",
    ["app:get('channelService').getChannel('x')"] = "channelService.getChannel: write",
    ["app:get('sessionService').getByUid('x')"] = "sessionService.getByUid: write",
    ["pomelua.await(nil)"] = "pomelua.await(f, ...): f must be a function, got nil",
    ["pomelua.await('x')"] = "f must be a function, got string",
    ["app.rpc.chat.r.go('ann', 5)"] = "app.rpc.chat.r.go(session, ...): the first argument chooses",
    ["app.rpc.chat.r.go(5, function() end)"] = "a session or nil, got a number",
    ["app.rpc.chat.r.go(session, unpack({}, 1, 300))"] = "takes 250 arguments at most, got 299",
    ["app.rpc.chat.r.go.toServer('chat-1', unpack({}, 1, 300))"] = "takes 250 arguments at most",
    ["app:rpcInvoke('chat-1', { service = 's', method = 'm', args = 5 })"] =
      "msg.args must be a list, got a number",
    ["pcall(app.rpcInvoke, app, 'x') error(select(2, pcall(app.rpcInvoke, app, 'x')), 0)"] =
      "msg must have service, method and args",
    ["app.rpc.chat.r.go.toServer(print)"] =
      "app.rpc.chat.r.go.toServer(id, ..., cb): id must be that of a server, or \"*\", got a",
    ["app.call.chat.r.go.toServer()"] =
      'app.call.chat.r.go.toServer(id, ...): id must be that of a server, or "*", got nothing',
    ["app.call.chat.r.go.toServer(5)"] = "got number",
    ["app.call.chat.r.go:toServer()"] = "got nothing",
    ["app.event:off()"] = "event:off(name, fn): name must be a string and fn a function, got nil",
    ["app.event:off('x', 5)"] = "got string and number",
    ["app.event:removeAllListeners()"] = "event:off(name, fn): name must be a string",
    ["app:get('backendSessionService'):get('connector-1')"] =
      "backendSessionService:get(frontendId, sid, ...): sid must be a number, got nil",
    ["app:get('backendSessionService'):get('connector-1', 'x')"] =
      "sid must be a number, got string",
    ["app:get('backendSessionService'):get(nil, 1)"] = "frontendId must be a string, got nil",
    ["app:get('backendSessionService'):getByUid('connector-1', {})"] =
      "getByUid(frontendId, uid, ...): uid must be a string or a number, got table",
    ["app:get('backendSessionService'):kickBySid('connector-1')"] = "sid must be a number, got nil",
    ["app:get('backendSessionService'):kickByUid(1, 'ann')"] =
      "kickByUid(frontendId, uid, ...): frontendId must be a string, got number",
    ["app:filter(1)"] = "app:filter is not in this version of Pomelua",
    ["app:addCrons({})"] = "app:addCrons is not in this version",
    ["pomelua.timeout()"] = "pomelua.timeout is not in this version",
    ["app:loadConfig('x', 'config/none.json')"] = "config/none.json: there is no such file",
    ["app:loadConfig('x')"] = "both must be strings, got string and nil",
  }
  for text, meant in pairs(rows) do
    it("is told at its line: " .. text, function()
      local message = fails("\n\n" .. text .. "\nreturn 1")
      assert.matches("^app/game%.lua:3: ", message)
      assert.matches(meant, message, 1, true)
    end)
  end

  it("is a warning where a push is asked for what there is not", function()
    local service = one.app:get("channelService")
    local list = { { uid = "ann", sid = "connector-1" } }
    service:createChannel("c"):pushMessage("on", { a = 1 }, { exept = { "ann" } })
    service:pushMessageByUids("on", { a = 1 }, list, { Except = {} })
    service:broadcast("connector", "on", { a = 1 }, { filterParm = 1, own = 2, binded = true })
    service:broadcast("conector", "on", { a = 1 })
    local seen = {}
    for _, line in ipairs(one.node:lines()) do
      if line.level == "warn" then seen[#seen + 1] = line.text end
    end
    assert.same({
      "channel:pushMessage: opts.exept does nothing; did you mean except?",
      "channelService:pushMessageByUids: opts.Except does nothing; did you mean except?",
      "channelService:broadcast: opts.filterParm does nothing; did you mean filterParam?",
      "channelService:broadcast: there are no servers of the type conector; "
        .. "did you mean connector?",
    }, seen)
  end)

  it("is none in the short names of what the server is", function()
    one.app:set("own", 1)
    assert.equal("connector-1 connector connector-1 connector-1 connector-1", table.concat({
      one.app.serverId, one.app.serverType, one.app.curServer.id, one.app:get("curServer").id,
      one.app:get("servers")["connector-1"].id }, " "))
  end)

  it("is none where a call has no session and needs none", function()
    one.app:route("room", function() return "room-1" end)
    for _, text in ipairs {
      "app.rpc.chat.r.go(nil, 5)", "app.rpc.chat.r.go(session, 5)", "app.rpc.chat.r.go({}, 5)",
      "app.rpc.chat.r.go(function() end)", "app.rpc.room.r.go('ann', 5)",
      "app.rpc.chat.r.go(pomelua.null, 5)",
    } do
      assert.equal("it worked", fails(text))
    end
  end)
end)

describe("a global that there is not", function()
  local environment = require "pomelua.run.environment"

  local function fails(text)
    local env = environment.new(environment.globals(), require)
    local ok, message = pcall(setfenv(assert(loadstring(text, "@app/game.lua")), env))
    assert.is_false(ok)
    return message
  end

  for name, meant in pairs {
    Date = "os.time()", console = "pomelua.log.info", JSON = "pomelua.json.decode(text)",
    Math = "it is math in Lua", null = "pomelua.null", undefined = "it is nil in Lua",
    setTimeout = "app:setTimeout(ms, fn)", parseInt = "tonumber", this = "self",
    app = "the file's factory gets it", pomelua = 'require "pomelua"',
    maht = "did you mean math?", sting = "did you mean string?",
    toString = "did you mean tostring?",
  } do
    it(name .. " says what is meant", function()
      local message = fails("\nreturn " .. name .. ".x")
      assert.matches("^app/game%.lua:2: there is no global '" .. name .. "'", message)
      assert.matches(meant, message, 1, true)
    end)
  end

  it("of any other name is undeclared", function()
    assert.matches("undeclared global 'inventory' is read", fails("return inventory"), 1, true)
    assert.matches("undeclared global 'Date' is written", fails("Date = 1"), 1, true)
  end)
end)
