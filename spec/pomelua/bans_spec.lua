-- Bans in the test kit: app:ban, unban and bans, binding, and the end of a ban in virtual time.
-- Tests app/ban_methods.lua, session/banned.lua, run/wish.lua, test/bans.lua.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[local app = require("pomelua").createApp() app:start()]],
  ["config/servers.json"] = [[{"development": {
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 3050,
      "frontend": true}],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]],
}
local HANDLER = [[
local Handler = {}
Handler.__index = Handler
function Handler:enter(msg, session)
  local ok, err = session:bind(msg.uid)
  return { ok = ok or false, message = err and err.message, code = err and err.code }
end
function Handler:ban(msg)
  local ok, err = self.app:ban(msg.uid, { time = msg.time, reason = msg.reason })
  return { ok = ok or false, message = err and err.message, code = err and err.code }
end
function Handler:bans()
  local bans = self.app:bans()
  return { bans = bans }
end
function Handler:raises(msg)
  local ok, message = pcall(function() self.app[msg.method](self.app, unpack(msg.args)) end)
  return { ok = ok, message = message }
end
return function(app) return setmetatable({ app = app }, Handler) end
]]

for _, place in ipairs { "connector", "chat" } do
  FILES[("app/servers/%s/handler/h.lua"):format(place)] = HANDLER
end

for _, place in ipairs { "connector", "chat" } do
  describe("bans, asked for by a " .. place .. " server,", function()
    local dir, server
    local function ask(method, msg, session)
      return server:request(place .. ".h." .. method, msg, session)
    end

    setup(function() dir = tree.new(FILES) end)
    teardown(function() tree.remove(dir) end)
    before_each(function() server = test.server { base = dir, type = place, time = 1e9 } end)
    after_each(function() server:close() end)

    it("end the sessions of the uid at once, with the reason", function()
      local ann, bob = {}, {}
      assert.is_true(ask("enter", { uid = "ann" }, ann).ok)
      assert.is_true(ask("enter", { uid = "bob" }, bob).ok)
      assert.equal(1, ask("ban", { uid = "ann", reason = "spam" }, bob).ok)
      local kicked = server:kicked()
      assert.equal(1, #kicked)
      assert.equal("ann", kicked[1].uid)
      assert.matches("spam", kicked[1].reason, 1, true)
      assert.equal(0, ask("ban", { uid = "nobody" }, bob).ok)
    end)

    it("make bind fail, and end the session that has tried", function()
      assert.equal(0, ask("ban", { uid = "ann", reason = "spam", time = "1h" }).ok)
      local answer, pending = ask("enter", { uid = "ann" }, {})
      if place == "chat" then -- the handler's answer is made before its frontend looks
        assert.equal("BANNED", pending.value.code)
        assert.equal('bind: the uid "ann" is banned until 2001-09-09T02:46:40Z (1 h left), '
          .. "reason: spam", pending.value.message)
      else
        assert.is_nil(answer)
      end
      assert.matches("spam", server:kicked()[1].reason, 1, true)
    end)

    it("know 7 and \"7\" as the same user", function()
      local seven = {}
      assert.is_true(ask("enter", { uid = 7 }, seven).ok)
      assert.equal(1, ask("ban", { uid = "7" }).ok)
      assert.equal(7, server:kicked()[1].uid)
      ask("enter", { uid = 7 }, {})
      assert.equal(1, #server:kicked())
    end)

    it("end by themselves when their time is over", function()
      assert.equal(0, ask("ban", { uid = "ann", time = "24h" }).ok)
      assert.same({ { uid = "ann", since = 1e9, till = 1e9 + 86400 } }, ask("bans").bans)
      server:tick(86399 * 1000)
      assert.equal(1, #ask("bans").bans)
      server:tick(1000)
      assert.same({}, ask("bans").bans)
      assert.is_true(ask("enter", { uid = "ann" }, {}).ok)
    end)

    it("are replaced by a second one, and taken off", function()
      local app, told = server.app, nil
      app:ban("ann", { reason = "first" })
      app:ban("ann", { reason = "second" }, function(err) told = err or "done" end)
      assert.equal("done", told)
      assert.equal("second", ask("bans").bans[1].reason)
      app:unban("ann", function(err) told = err end)
      assert.is_nil(told)
      app:unban("ann", function(err) told = err end)
      assert.equal("NOENT", told.code)
      assert.equal('the uid "ann" is not banned', told.message)
      assert.is_true(ask("enter", { uid = "ann" }, {}).ok)
    end)

    it("of an address end and refuse its clients", function()
      local one = {}
      assert.is_true(ask("enter", { uid = "ann" }, one).ok)
      server.app:banAddress("127.0.0.0/8", { reason = "flood" })
      server:settle()
      assert.matches("flood", server:kicked()[1].reason, 1, true)
      if place == "connector" then
        assert.has_error(function() ask("enter", { uid = "bob" }, {}) end,
          "this client is banned, and does not connect: flood")
      end
      server.app:unbanAddress("127.0.0.0/8")
      assert.is_true(ask("enter", { uid = "bob" }, {}).ok)
      if place ~= "connector" then return end
      server.app:banAddress("198.51.100.0/24")
      assert.is_true(ask("enter", { uid = "cid" }, {}).ok)
      assert.has_error(function()
        ask("enter", { uid = "dan" }, { address = { ip = "198.51.100.7", port = 1 } })
      end, "this client is banned, and does not connect: banned")
    end)

    it("of a uid that reads as an address are of that uid", function()
      assert.equal(0, ask("ban", { uid = "127.0.0.0/8" }).ok)
      assert.is_true(ask("enter", { uid = "ann" }, {}).ok)
      assert.same({}, server:kicked())
    end)

    it("raise for what cannot be a ban, at the line of the game", function()
      local function says(text, method, ...)
        local answer = ask("raises", { method = method, args = { ... } })
        assert.is_false(answer.ok)
        assert.matches("handler/h.lua:16: app:" .. method, answer.message, 1, true)
        assert.matches(text, answer.message, 1, true)
      end
      says("a uid is a text or a number, got an empty text", "ban", "")
      says("a uid is a text or a number, got a table", "ban", {})
      says("there is no option resaon, only time and reason; did you mean reason?",
        "ban", "ann", { resaon = "x" })
      says("time must be a time as 90s, 15m, 24h, 7d or 2w", "ban", "ann", { time = "soon" })
      says("a reason is a text of at most 512 bytes", "ban", "ann", { reason = ("x"):rep(513) })
      says("0.0.0.0/0 is everybody", "banAddress", "0.0.0.0/0")
      says("banAddress", "banAddress", "10.0.0.5/8")
      says("the callback must be a function", "ban", "ann", {}, 7)
    end)
  end)
end

describe("thousands of bans", function()
  it("are looked up without a walk over them", function()
    local dir = tree.new(FILES)
    local server = test.server { base = dir, type = "connector" }
    finally(function()
      server:close()
      tree.remove(dir)
    end)
    local put = {}
    for i = 1, 20000 do
      put[i] = i % 2 == 0 and { uid = "u" .. i, since = 1 }
        or { address = ("10.%d.%d.7"):format(math.floor(i / 256), i % 256), since = 1 }
    end
    server.inner.bans.apply(server.inner, { put = put })
    assert.equal("banned", server.node:bannedAddress("10.0.1.7"))
    assert.is_nil(server.node:bannedAddress("10.0.1.8"))
    local before = os.clock()
    for i = 1, 20000 do
      assert(server.node:bannedAddress("10.0.2.7") == nil)
      assert(server.inner.bans.by_uid["u" .. i * 2] == nil or i <= 10000)
    end
    assert.is_true(os.clock() - before < 1, "a look-up takes over 50 us")
  end)
end)
