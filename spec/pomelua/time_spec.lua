-- What time it is for scripts, and pomelua.every.
local pomelua = require "pomelua"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

describe("time in a spec", function()
  local server

  local function start(body)
    server = test.server { type = "chat", base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"chat": [{"id": "chat-1",
        "host": "127.0.0.1"}]}}]],
      ["app/servers/chat/handler/h.lua"] = 'local pomelua = require "pomelua"\n'
        .. "return function(app, state)\n" .. body .. "\nend\n",
    } }
  end

  local function ask(method)
    local answer = server:request("chat.h." .. (method or "m"), {}, { uid = "ann" })
    return answer
  end

  it("stands still, for pomelua.now, os.time and os.date, until the spec moves it", function()
    start [[return { m = function()
      return { now = pomelua.now(), time = os.time(), date = os.date("!%H:%M:%S"),
        given = os.time { year = 2000, month = 1, day = 1 }, of = os.date("!%Y", 0) }
    end }]]
    local a, b = ask(), ask()
    assert.same(a, b)
    assert.is_true(math.abs(a.time - os.time()) < 60)
    server:tick(3600 * 1000)
    b = ask()
    assert.equal(a.now + 3600 * 1000, b.now)
    assert.equal(a.time + 3600, b.time)
    assert.equal(os.date("!%H:%M:%S", b.time), b.date)
    assert.equal(os.time { year = 2000, month = 1, day = 1 }, b.given)
    assert.equal("1970", b.of)
  end)

  it("goes on in milliseconds outside of one", function()
    local first, limit = pomelua.now(), os.time() + 5
    local last = first
    repeat
      local now = pomelua.now()
      assert.is_true(now >= last)
      last = now
    until last - first >= 10 or os.time() > limit
    assert.is_true(last - first >= 10 and last - first < 10000, tostring(last - first))
  end)

  describe("pomelua.every", function()
    it("calls again and again, never while a call has not ended", function()
      start [[
        local n, ended = 0, 0
        pomelua.every(100, function()
          n = n + 1
          pomelua.sleep(250)
          ended = ended + 1
        end)
        return { m = function() return { n, ended } end }]]
      assert.same({ 0, 0 }, ask())
      server:tick(100)
      assert.same({ 1, 0 }, ask())
      server:tick(240)
      assert.same({ 1, 0 }, ask())
      server:tick(20)
      assert.same({ 1, 1 }, ask())
      server:tick(40)
      assert.same({ 2, 1 }, ask())
    end)

    it("goes on after an error, and ends by clearTimer", function()
      start [[
        local n = 0
        local id = pomelua.every(100, function()
          n = n + 1
          if n == 2 then pomelua.sleep(10) end
          error("no good")
        end)
        return {
          m = function() return { n } end,
          stop = function() return { app:clearTimer(id) } end,
        }]]
      server:tick(350)
      assert.same({ 3 }, ask())
      assert.same({ true }, ask "stop")
      server:tick(500)
      assert.same({ 3 }, ask())
    end)

    it("says what is wrong at the line of the script", function()
      start [[return { m = function()
        return { select(2, pcall(pomelua.every, "x", print)), select(2, pcall(pomelua.every, 5)) }
      end, line = function()
        pomelua.every(5, nil)
      end }]]
      assert.matches("pomelua.every(ms, fn): ms must be a number of milliseconds", ask()[1], 1,
        true)
      ask "line"
      local found
      for _, line in ipairs(server:log()) do
        found = found or line.text:find("h.lua:6: pomelua.every(ms, fn): fn must be a function", 1,
          true)
      end
      assert.is_truthy(found)
    end)
  end)
end)
