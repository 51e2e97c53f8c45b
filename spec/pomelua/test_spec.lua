-- The test kit: matchers, what an `it` leaves behind, speed.
local client = require "pomelua.client"
local core = require "pomelua.core"
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
  function Handler:all() channels:broadcast("connector", "onAll", { n = 1 }) return {} end
  function Handler:interval() app:setInterval(1000, function() end) return {} end
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
}

describe("the test kit", function()
  local base

  setup(function() base = tree.new(files) end)
  teardown(function() tree.remove(base) end)

  local function server() return test.server { base = base, type = "chat" } end

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

  it("runs 500 tests of a handler in under 5 s", function()
    local begun = core.clock()
    for i = 1, 500 do
      local s = server()
      assert.answers(s, { code = 200 }, "chat.h.say", { text = i }, { uid = "ann" })
      s:close()
    end
    assert.is_true(core.clock() - begun < 5000, core.clock() - begun .. " ms")
    client.wait(0)
  end)
end)
