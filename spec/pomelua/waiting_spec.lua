-- How many messages of a session may be worked on at a time.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("messages in flight", function()
  local w, sid, other, ran, release
  local written = {} -- what `spoil` writes into its session

  -- Handlers of both servers: `wait` until release() is called, then `after` it.
  local function set(after, settings)
    local waiting = {}
    ran = 0
    function release()
      local now = waiting
      waiting = {}
      for _, cb in ipairs(now) do cb() end
      w:settle()
    end
    local function wait(_, _, _, next)
      ran = ran + 1
      pomelua.await(function(cb) waiting[#waiting + 1] = cb end)
      if after then after(next) end
    end
    local function answer_first(_, _, _, next)
      next(nil, { code = 200 })
      wait()
    end
    local function direct()
      ran = ran + 1
      return { code = 200 }
    end
    local function spoil(_, _, session)
      session.id, session.frontendId = written.id, written.frontendId
      wait()
    end
    for id in pairs(w.servers) do
      w:load(id, {
        handlers = {
          h = { wait = wait, direct = direct, answerFirst = answer_first, spoil = spoil },
        },
        settings = settings or { serverConfig = { maxInFlight = 3 } },
      })
    end
  end

  local function over(id) return w.servers[id].node:counts().overInFlight end

  before_each(function()
    w = world.usual()
    w.servers["connector-1"].node:openSession()
    sid = w.servers["connector-1"].node:openSession()
    other = w.servers["connector-1"].node:openSession()
  end)
  after_each(function() w:close() end)

  for stype, id in pairs { connector = "connector-1", chat = "chat-1" } do
    describe("of a handler of " .. (id == "chat-1" and "a backend" or "the frontend"), function()
      local function notify(method, from)
        w:say("connector-1", from or sid, nil, stype .. ".h." .. method)
      end
      local function ask(method, from)
        return w:ask("connector-1", from or sid, stype .. ".h." .. method)
      end

      -- All chat messages to one server.
      before_each(function() w.servers["connector-1"].node:peer("chat-2", false) end)

      it("notifies whose handlers wait: one too many is dropped and counted", function()
        set()
        for _ = 1, 5 do notify "wait" end
        assert.equal(3, ran)
        assert.equal(2, over(id))
        assert.is_true(w:logged(id, "info", stype .. ".h.wait: refused: handlers of "
          .. "serverConfig.maxInFlight (3) messages of its session wait"))
        release()
        for _ = 1, 5 do notify "wait" end
        assert.equal(6, ran)
        assert.equal(4, over(id))
      end)

      it("a request too many gets code 500 at once, no Lua runs", function()
        set()
        for _ = 1, 3 do notify "wait" end
        assert.equal('{"code":500}', ask "direct")
        assert.equal(3, ran)
        release()
        assert.equal('{"code":200}', ask "direct")
      end)

      it("requests that are answered, and whose handlers go on", function()
        set()
        for _ = 1, 3 do assert.equal('{"code":200}', ask "answerFirst") end
        assert.equal('{"code":500}', ask "answerFirst")
        release()
        assert.equal('{"code":200}', ask "answerFirst")
      end)

      it("other sessions have their own", function()
        set()
        for _ = 1, 4 do notify "wait" end
        assert.equal('{"code":200}', ask("direct", other))
        for _ = 1, 4 do notify("wait", other) end
        assert.equal(7, ran)
        assert.equal(2, over(id))
      end)

      it("a handler that does not wait is not counted, however many messages come", function()
        set()
        for _ = 1, 10 do notify "direct" end
        assert.equal(10, ran)
        assert.equal(0, over(id))
      end)

      it("a handler that waits again is counted once, until it ends", function()
        local again
        set(function() if again then pomelua.await(again) end end)
        local held = {}
        again = function(cb) held[#held + 1] = cb end
        for _ = 1, 3 do notify "wait" end
        release()
        assert.equal(3, #held)
        notify "wait"
        assert.equal(3, ran)
        again = nil
        for _, cb in ipairs(held) do cb() end
        w:settle()
        for _ = 1, 4 do notify "wait" end
        assert.equal(6, ran)
      end)

      for how, after in pairs {
        ["an error"] = function() error "bad" end,
        ["a yield of its own"] = function() coroutine.yield() end,
        ["an answer"] = function(next) next(nil, {}) end,
      } do
        it("a handler that ends with " .. how .. " gives its place back", function()
          set(after)
          for _ = 1, 3 do
            for _ = 1, 4 do notify "wait" end
            release()
          end
          assert.equal(9, ran)
          assert.equal(3, over(id))
        end)
      end

      for what, values in pairs {
        ["a number that is none"] = { id = 0 / 0, frontendId = 0 / 0 },
        ["nil"] = {},
        ["a table"] = { id = {}, frontendId = {} },
        ["another session"] = { id = 1, frontendId = "connector-9" },
      } do
        it("a handler that writes " .. what .. " over its session's id is counted as before",
          function()
            set()
            written = values
            for _ = 1, 2 do
              for _ = 1, 4 do notify "spoil" end
              release()
            end
            assert.equal(6, ran)
            assert.equal(2, over(id))
            assert.same({ ["connector-1"] = {} }, w.servers[id].waiting.by_frontend)
          end)
      end

      it("one whose wait is over its time gives its place back", function()
        set(nil, { serverConfig = { maxInFlight = 3, awaitTimeout = 1000 } })
        for _ = 1, 4 do notify "wait" end
        w:advance(1001)
        for _ = 1, 4 do notify "wait" end
        assert.equal(6, ran)
      end)

      it("nothing is kept of a session whose handlers have ended", function()
        set()
        for _ = 1, 3 do notify "wait" end
        assert.equal(3, w.servers[id].waiting.by_frontend["connector-1"][sid])
        release()
        assert.same({ ["connector-1"] = {} }, w.servers[id].waiting.by_frontend)
      end)

      it("128 when nothing is set", function()
        set(nil, {})
        for _ = 1, 130 do notify "wait" end
        assert.equal(128, ran)
        assert.equal(2, over(id))
      end)
    end)
  end
end)
