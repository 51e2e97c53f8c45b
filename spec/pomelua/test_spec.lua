-- The test kit: matchers, what an `it` leaves behind, speed.
-- Tests test/init.lua, test/server.lua, test/options.lua, test/records.lua, test/matchers.lua and
-- test/leftovers.lua.
local client = require "pomelua.client"
local slowness = require "spec.support.slowness"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  local channels = app:get("channelService")
  function Handler:say(msg, session)
    local room = channels:getChannel("room", true)
    room:add("ann", "connector-1")
    room:add("bob", "connector-1")
    room:pushMessage("onSay", { from = session.uid, text = msg.text, list = { 1, 2 } })
    pomelua.log.warn("somebody said %s", msg.text)
    return { code = 200, text = msg.text, more = { a = 1, b = 2 } }
  end
  function Handler:moves(msg, session)
    local room = channels:getChannel("room", true)
    room:add("ann", "connector-1")
    for x = 1, 2 do
      room:pushMessage("onMove", { x = x }, { delivery = "latest" })
      room:pushMessage("onSpark", { x = x }, { delivery = "drop" })
      session:send("onOwn", { x = x }, { delivery = "latest", key = x })
    end
    if msg.kick then session:kick("bye") end
    local ok, err = session:send("onLate", { x = 3 })
    return { ok = ok, code = err and err.code }
  end
  function Handler:all() channels:broadcast("connector", "onAll", { n = 1 }) return {} end
  function Handler:delivers(_, session)
    session:send("onMove", { x = 1 }, { delivery = "latest" })
    channels:broadcast("connector", "onSpark", { n = 1 }, { delivery = "drop" })
    return {}
  end
  function Handler:count()
    local rules = require "app.rules"
    rules.count = rules.count + 1
    return {}
  end
  function Handler:interval() app:setInterval(1000, function() end) return {} end
  function Handler:spins() while true do end end
  function Handler:recurses() return coroutine.wrap(Handler.recurses)() end
  function Handler:find(msg)
    return { found = #(app:get("backendSessionService"):getByUid("connector-1", msg.uid) or {}) }
  end
  function Handler:calls(_, session)
    local _, err = app.call.connector.r.never(session)
    app:set("told", tostring(err))
  end
  function Handler:sleeps() pomelua.sleep(60000) return {} end
  return Handler
end
]]

local files = {
  ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
  ["config/servers.json"] = [[{
    "connector": [{"id": "connector-1", "clientPort": 3010, "frontend": true}],
    "chat": [{"id": "chat-1"}]
  }]],
  ["app/servers/chat/handler/h.lua"] = HANDLER,
  ["app/servers/connector/handler/h.lua"] = HANDLER,
  ["app/rules.lua"] = "return { count = 0, add = function(n) return n + 1 end }",
  ["app/reads.lua"] = "return old_global",
  ["app/vendor/old.lua"] = [[
    old_global = 7
    local other = require "app.vendor.other"
    return { text = function() return tostring(unknown_global) .. " " .. other() end }
  ]],
  ["app/vendor/other.lua"] = "return function() return old_global end",
}

describe("the test kit", function()
  local base

  setup(function() base = tree.new(files) end)
  teardown(function() tree.remove(base) end)

  local function server() return test.server { base = base, type = "chat" } end

  it("plays clients that are never behind, and shows pushes to one session", function()
    for _, stype in ipairs { "chat", "connector" } do
      local one = test.server { base = base, type = stype }
      local ann = { uid = "ann", frontendId = "connector-1" }
      assert.answers(one, { ok = true }, stype .. ".h.moves", {}, ann)
      local seen = {}
      for i, push in ipairs(one:pushed()) do
        seen[i] = ("%s %d %s"):format(push.route, push.msg.x, table.concat(push.to, ","))
      end
      assert.same({ "onMove 1 ann", "onSpark 1 ann", "onOwn 1 ann", "onMove 2 ann",
        "onSpark 2 ann", "onOwn 2 ann", "onLate 3 ann" }, seen)
    end
  end)

  it("restarts a frontend: its clients are gone, who waits for it is told, its life is another",
    function()
      local one, heard = server(), {}
      for _, name in ipairs { "remove_servers", "add_servers" } do
        one.app.event:on(name, function(list)
          heard[#heard + 1] = name .. " " .. (list[1].id or list[1])
        end)
      end
      local ann, bob = { uid = "ann" }, { uid = "bob" }
      assert.same({ found = 1 }, (one:request("chat.h.find", { uid = "ann" }, ann)))
      one:stub("r.never", function() end)
      one:request("chat.h.calls", {}, bob)
      assert.is_nil(one.app:get("told"))
      local before = one.inner.node:incarnation("connector-1")
      one:restart("connector-1")
      assert.is_true(one.inner.node:incarnation("connector-1") > before)
      assert.same({ "remove_servers connector-1", "add_servers connector-1" }, heard)
      assert.equal("rpc r.never: the server is gone", one.app:get("told"))
      local ok, message = pcall(one.request, one, "chat.h.find", { uid = "ann" }, ann)
      assert.is_false(ok)
      assert.matches("this session has gone with its frontend, which was restarted", message, 1,
        true)
      assert.same({ found = 0 }, (one:request("chat.h.find", { uid = "ann" }, { uid = "cid" })))
      for _, id in ipairs { "connecter-1", "chat-1" } do
        ok, message = pcall(function() one:restart(id) end)
        assert.is_false(ok)
        assert.matches("test_spec.lua:%d+: server:restart: ", message)
        assert.matches("there is no other server " .. id, message, 1, true)
      end
    end)

  it("tells the server of those that are there, as a program does at its start", function()
    local folder = tree.new {
      ["app.lua"] = [[
local app = require("pomelua").createApp()
app.event:on("add_servers", function(list) app:set("came", list) end)
app:start()
]], ["config/servers.json"] = files["config/servers.json"] }
    local came = test.server { base = folder, type = "chat" }.app:get("came")
    assert.equal(2, #came)
    assert.same({ "chat-1", "connector-1" }, { came[1].id, came[2].id })
    test.closeAll()
    tree.remove(folder)
  end)

  local function failure(...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    return type(err) == "table" and tostring(err.message or err) or tostring(err)
  end

  it("stops a script that never ends, and the game goes on", function()
    local s = server()
    assert.same({ code = 500 }, s:request("chat.h.spins", {}, { uid = "ann" }))
    assert.same({ code = 500 }, s:request("chat.h.recurses", {}, { uid = "ann" }))
    assert.equal(200, s:request("chat.h.say", { text = "x" }, { uid = "ann" }).code)
    local said
    for _, line in ipairs(s:log()) do
      said = said or line.text:match("h%.lua:%d+: handler [^\n]*")
    end
    assert.matches("^h%.lua:%d+: handler stopped: over its budget of 1000 ms", said)
  end)

  it("stops an app that never ends while it starts", function()
    local spins = {}
    for name, text in pairs(files) do spins[name] = text end
    spins["app.lua"] = "local n = 0\nwhile true do n = n + 1 end\n"
    local where = tree.new(spins)
    local message = failure(test.server, { base = where, type = "chat" })
    tree.remove(where)
    assert.matches("app%.lua:2: handler stopped", message)
  end)

  describe("assert.pushed", function()
    it("holds for a push to exactly these, with at least these fields", function()
      local s = server()
      s:request("chat.h.say", { text = "hi" }, { uid = "ann" })
      assert.pushed(s, "onSay")
      assert.pushed(s, "onSay", { to = { "bob", "ann" } })
      assert.pushed(s, "onSay", { to = { "ann", "bob" }, msg = { text = "hi" } })
      assert.pushed(s, "onSay", { msg = function(msg) return msg.from == "ann" end })
      assert.is_not.pushed(s, "onSay", { to = { "ann" } })
      assert.is_not.pushed(s, "onSay", { msg = { text = "ho" } })
      assert.is_not.pushed(s, "onSay", { msg = { list = { 1 } } })
      assert.is_not.pushed(s, "onOther")
    end)

    it("knows broadcasts", function()
      local s = server()
      s:request("chat.h.all")
      assert.pushed(s, "onAll", { everyone = true })
    end)

    it("knows the delivery of a push", function()
      local s = server()
      s:request("chat.h.say", { text = "hi" }, { uid = "ann" })
      assert.pushed(s, "onSay", { delivery = "reliable" })
      assert.is_not.pushed(s, "onSay", { delivery = "latest" })
      s:pushed()
      s:request("chat.h.delivers", {}, { uid = "ann", frontendId = "connector-1" })
      assert.pushed(s, "onMove", { delivery = "latest", to = { "ann" } })
      assert.pushed(s, "onSpark", { delivery = "drop", everyone = true })
      local text = failure(assert.pushed, s, "onMove", { delivery = "drop" })
      assert.matches("onMove { x = 1 } latest to ann", text, 1, true)
    end)

    it("says what was expected, what came and what the log holds", function()
      local s = server()
      s:request("chat.h.say", { text = "hi" }, { uid = "ann" })
      local text = failure(assert.pushed, s, "onSay", { to = { "eve" }, msg = { text = "ho" } })
      assert.matches('Expected the push:\n  onSay { text = "ho" } to eve\n', text, 1, true)
      assert.matches('Came:\n  onSay { from = "ann", list = { 1, 2 }, text = "hi" } to ann, bob',
        text, 1, true)
      assert.matches("\nLog:\n.*warn +chat%-1 somebody said hi", text)
      assert.matches("Expected no such push", failure(assert.is_not.pushed, s, "onSay"))
    end)
  end)

  it("keeps the failure of assert.pushed short, with the log of its own server", function()
    local s, other = server(), server()
    for i = 1, 100 do
      s:request("chat.h.say", { text = ("long "):rep(200) .. i }, { uid = "ann" })
    end
    other:request("chat.h.say", { text = "elsewhere" }, { uid = "ann" })
    local text = failure(assert.pushed, s, "onNothing")
    local _, lines = text:gsub("\n", "\n")
    assert.is_true(lines < 30, text)
    assert.is_true(#text < 10000)
    assert.matches("and 90 more", text, 1, true)
    assert.is_nil(text:find("elsewhere", 1, true))
  end)

  describe("a before_each", function()
    local kept, last
    setup(function() kept = server() end)
    before_each(function() last = last or server() end)
    teardown(function() kept:close() end)

    it("has its servers while the it runs", function() assert.is_truthy(last.node) end)
    it("has lost them with the it before; those of setup last", function()
      assert.is_nil(last.node)
      assert.is_truthy(kept.node)
    end)
  end)

  it("gives a spec the modules of its server", function()
    local s = server()
    local rules = s:require("app.rules")
    assert.equal(1, rules.add(0))
    s:request("chat.h.count")
    assert.equal(1, rules.count)
    assert.has_error(function() s:require("app.nothing") end)
  end)

  it("leaves the globals of a vendor folder alone", function()
    local s = server()
    assert.equal("nil 7", s:require("app.vendor.old").text())
    assert.is_nil(rawget(_G, "old_global"))
    local _, message = pcall(s.require, s, "app.reads")
    assert.matches("undeclared global 'old_global'", tostring(message))
  end)

  describe("assert.answers", function()
    it("asks, and compares the fields that are expected", function()
      local s = server()
      assert.answers(s, { code = 200, more = { b = 2 } }, "chat.h.say", { text = "a" }, { uid = 1 })
      assert.is_not.answers(s, { code = 500 }, "chat.h.say", { text = "a" })
    end)

    it("says what was expected, what came and what the log holds", function()
      local text = failure(assert.answers, server(), { code = 404 }, "chat.h.say", { text = "a" })
      assert.matches("Expected chat.h.say to answer:\n  { code = 404 }\nCame:\n  { code = 200,",
        text, 1, true)
      assert.matches("somebody said a", text, 1, true)
    end)
  end)

  it("has kicked sessions gone at once, as a frontend has", function()
    local s = server()
    local ann = { uid = "ann" }
    assert.answers(s, { code = 200 }, "chat.h.say", { text = "a" }, ann)
    local err, found = "none", "some"
    local all = s.app:get("backendSessionService")
    all:kickByUid(ann.frontendId, "ann", "x")
    all:getByUid(ann.frontendId, "ann", function(_, list) found = list end)
    all:create(ann):bind("ann", function(e) err = e end)
    s:settle()
    assert.is_nil(found)
    assert.equal("NOENT", err.code)
    assert.same({ { uid = "ann", sid = ann.id, reason = "x" } }, s:kicked())
    assert.error_matches(function() s:request("chat.h.say", { text = "a" }, ann) end, "kicked")
    assert.answers(s, { code = 200 }, "chat.h.say", { text = "a" }, { uid = "ann" })
  end)

  describe("at the end of an it", function()
    local leftovers = require "pomelua.test.leftovers"
    local before

    it("is told what a server still waits for", function()
      local s = server()
      assert.is_nil(leftovers.of { s })
      s:request("chat.h.interval")
      s:request("chat.h.sleeps")
      local text = leftovers.of { s }
      assert.matches("chat-1: 1 timer (setTimeout, setInterval)", text, 1, true)
      assert.matches("chat%-1: %d tasks? that waits?", text)
      before = s
    end)

    it("has no server of the it before", function()
      assert.is_nil(before.node)
    end)
  end)

  it("says what is wrong with what a spec gives it", function()
    local s = server()
    for text, call in pairs {
      ["there is no option idd; did you mean id?"] = function()
        test.server { base = ".", type = "chat", idd = "chat-1" }
      end,
      ["server:tick(ms): ms must be a number of milliseconds from 0 to 2^31, got nil"] = function()
        s:tick()
      end,
      ["ms must be a number of milliseconds from 0 to 2^31, got -5"] = function() s:tick(-5) end,
      ["ms must be a number of milliseconds from 0 to 2^31, got inf"] = function()
        s:tick(1 / 0)
      end,
      ["fn a function or nil, got string and number"] = function() s:stub("r.m", 5) end,
      ["everyone =, delivery = }): there is no too"] = function()
        assert.pushed(s, "onChat", { too = { "ann" } })
      end,
      ["everyone = }): to is a list of uids, got \"ann\""] = function()
        assert.pushed(s, "onChat", { to = "ann" })
      end,
      ["everyone = }): the third is a table, got 5"] = function() assert.pushed(s, "onChat", 5) end,
      ["test.server: there is no option tyype; did you mean type?"] = function()
        test.server { base = ".", tyype = "chat" }
      end,
      ["test.server: time must be a number, got \"now\""] = function()
        test.server { base = ".", type = "chat", time = "now" }
      end,
      ["test.server{ base =, "] = function() test.server "chat" end,
      ["test.cluster: there is no option leveel; did you mean level?"] = function()
        test.cluster { base = ".", leveel = "debug" }
      end,
      ["test.cluster: level must be \"debug\", \"info\", \"warn\" or \"error\", got \"debg\""] =
        function() test.cluster { base = ".", level = "debg" } end,
      ["a session has no uidd; did you mean uid?"] = function()
        s:request("chat.chatHandler.send", {}, { uidd = "ann" })
      end,
      ["the settings of a session must be a table, got 5"] = function()
        s:request("chat.chatHandler.send", {}, { settings = 5 })
      end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      err = tostring(type(err) == "table" and err.message or err)
      assert.matches(text, err, 1, true)
      assert.matches("test_spec%.lua:%d+: ", err)
    end
  end)

  it("runs 500 tests of a handler in under 5 s", function()
    local begun = os.clock() -- of the processor: others may have it meanwhile
    for i = 1, 500 do
      local s = server()
      assert.answers(s, { code = 200 }, "chat.h.say", { text = i }, { uid = "ann" })
      s:close()
    end
    assert.is_true(os.clock() - begun < (slowness > 1 and 60 or 5), os.clock() - begun .. " s")
    client.wait(0)
  end)
end)
