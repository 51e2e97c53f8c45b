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
    ["app.event:on(5, print)"] = "event:on(name, fn): name must be a string and fn a function, got "
      .. "number and function",
    ["app.event:once('x')"] = "got string and nil",
    ["app.event:emit()"] = "event:emit(name, ...): name must be a string, got nil",
    ["app:cron('0 * * * * *', print, { serverid = 'x' })"] =
      "app:cron: there is no option serverid; did you mean serverId?",
    ["app:ban('ann', { ['for'] = '1h' })"] = "there is no option for, only time and reason",
    ["session:bind(print)"] = "session:bind(uid, cb): the uid is left out, a function stands in",
    ["pomelua.await(session.unbind, session)"] = "session:unbind(uid, cb): the uid is left out",
    ["app:get('sessionService'):import(session.id)"] =
      "sessionService:import(sid, key, value, cb): the key must be a string, got nil",
    ["app:get('sessionService'):importAll(session.id, 5)"] =
      "sessionService:importAll(sid, settings, cb): settings must be a table, got 5",
    ["app:get('sessionService'):forEachSession()"] =
      "sessionService:forEachSession(fn): fn must be a function, got nil",
    ["app:get('sessionService'):forEachBindedSession({})"] = "fn must be a function, got table",
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
    ["app:filter(1)"] = "app:filter(f): the filter must be a table with the methods before",
    ["app:addCrons({ 5 })"] = "app:addCrons: [1]: must be an object with id, time and action",
    ["pomelua.timeout(0)"] = "ms must be a number of milliseconds from 1",
    ["app:loadConfig('x', 'config/none.json')"] = "config/none.json: there is no such file",
    ["app:loadConfigBaseApp('x', '/config/none.json')"] =
      "there is no file config/none.json, nor config/development/none.json",
    ["app:loadConfigBaseApp('x', 'a.json', true)"] = 'pomelua.data("a.json") reads the file again',
    ["app:transaction('buy', {}, {})"] = "app:transaction: it called functions one after the other",
    ["app:beforeStopHook(print)"] = "write beforeShutdown(app, cb)",
    ["app:addServers({})"] = "`pomelua add` starts one",
    ["app:removeServers({})"] = "`pomelua stop` ends one",
    ["app:replaceServers({})"] = "add_servers and remove_servers tell of it",
    ["app:getMaster()"] = "there is no master",
    ["app:usePlugin({})"] = "app:use(plugin, opts)",
    ["app:require('app/util/x')"] = 'require "app.util.x"',
    ["app:loadConfig('x')"] = "both must be strings, got string and nil",
  }
  for text, meant in pairs(rows) do
    it("is told at its line: " .. text, function()
      local message = fails("\n\n" .. text .. "\nreturn 1")
      assert.matches("^app/game%.lua:3: ", message)
      assert.matches(meant, message, 1, true)
    end)
  end

  for _, text in ipairs {
    "app:set(5, 6)", "app:loadConfig('x')", "app:route(5)", "app:setTimeout('x')",
    "pomelua.sleep('x')", "pomelua.md5()", "pomelua.randomBytes(-1)", "pomelua.json.decode()",
    "pomelua.all(5)", "pomelua.every(5)", "pomelua.array(5)", "pomelua.blob()", "pomelua.data()",
    "pomelua.declare()", "pomelua.log.category(5)", "session:on('x', print)",
    "app:get('backendSessionService'):create()", "app.call.chat.r.go(session, print)",
    "pomelua.token.verify(5)",
  } do
    it("has its line where the game's own pcall catches a tail call: " .. text, function()
      local message = fails("\n\nlocal _, err = pcall(function() return " .. text .. " end)\n"
        .. "error(err, 0)")
      assert.matches("^app/game%.lua:3: %S", message)
    end)
  end

  it("is a warning where a function is set that nobody calls", function()
    local said = {}
    one.notice = function(_, text) said[#said + 1] = text end
    assert.equal("it worked", fails [[
      app:set("errorHandlr", print)
      app:set("errorHandlers", 5)
      app:set("onError", print)]])
    assert.same({
      'app/game.lua:1: app:set("errorHandlr", f): it is a value of the app\'s own, which nothing '
        .. "calls; did you mean errorHandler?",
    }, said)
  end)

  it("is a warning where a push is asked for what there is not", function()
    local service = one.app:get("channelService")
    local list = { { uid = "ann", sid = "connector-1" } }
    service:createChannel("c"):pushMessage("on", { a = 1 }, { exept = { "ann" } })
    service:pushMessageByUids("on", { a = 1 }, list, { Except = {} })
    service:broadcast("connector", "on", { a = 1 }, { filterParm = 1, own = 2, binded = true })
    service:broadcast("conector", "on", { a = 1 })
    local seen = {}
    for _, line in ipairs(one.node:lines()) do
      if line.level == "warn" then
        local place, text = line.text:match("^(spec/pomelua/habits_spec%.lua:%d+): (.*)$")
        seen[#seen + 1] = place and text or "without its line: " .. line.text
      end
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
