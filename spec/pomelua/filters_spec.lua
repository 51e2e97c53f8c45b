-- Filters and error handlers around a handler, and around messages for other servers.
-- Tests message/filters.lua, message/filtered.lua, message/send_on.lua and
-- app/filter_methods.lua.
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("filters", function()
  local w, sid, front, seen

  local function note(what, ...)
    seen[#seen + 1] = what
    return ...
  end

  -- A filter that notes its turn and goes on by next.
  local function before(what) return function(_, _, next) note(what) next() end end
  local function after(what) return function(err, _, _, _, next) note(what) next(err) end end

  local function handler(fn)
    front = w:load("connector-1", { handlers = { h = { m = fn } } })
  end

  local function ask(body) return w:ask("connector-1", sid, "connector.h.m", body) end
  local function order() return table.concat(seen, " ") end
  local function logged(level, text) return w:logged("connector-1", level, text) end

  local function open()
    seen = {}
    w = world.usual()
    sid = w.servers["connector-1"].node:openSession()
    handler(function() return note("handler", { ok = true }) end)
  end
  before_each(open)
  after_each(function() w:close() end)

  describe("run in order", function()
    it("befores, the handler, afters backwards, the response, global afters backwards", function()
      local app = front.app
      app:before(before "before1"):before(before "before2")
      app:after(after "after1"):after(after "after2")
      app:globalBefore(before "global1"):globalBefore(before "global2")
      app:globalAfter(after "last1")
      app:globalAfter(function()
        note(#front.node:sent() == 1 and "sent" or "not sent")
      end)
      assert.is_nil(ask { x = 1 }) -- the spec's filter has taken the answer
      assert.equal("global1 global2 before1 before2 handler after2 after1 sent last1", order())
    end)

    it("whichever way each of them ends", function()
      local app = front.app
      app:before(function() note "returns" end)
      app:before(function(_, _, next)
        app:setTimeout(10, function() note "timer" next() end)
      end)
      app:before(function() pomelua.sleep(10) note "slept" end)
      app:after(function(_, _, _, _, next)
        pomelua.sleep(10)
        note "after"
        next()
      end)
      app:after(function() note "first after" end)
      assert.is_nil(ask())
      w:advance(10)
      w:advance(10)
      assert.equal("returns timer slept handler first after", order())
      w:advance(10)
      assert.equal('{"ok":true}', w:got("connector-1")[1].text)
      assert.equal("returns timer slept handler first after after", order())
    end)

    it("a response before the pushes that the handler makes behind next", function()
      front.app:after(function(_, _, _, resp, next) resp.after = true next() end)
      handler(function(_, _, session, next)
        next(nil, { n = 1 })
        front.app.channelService:pushMessageByUids("onPush", {},
          { { uid = session.uid, sid = "connector-1" } })
      end)
      w:run("connector-1", function() front.app.sessionService:bind(sid, "ann") end)
      w:say("connector-1", sid, 1, "connector.h.m")
      local got = w:got("connector-1")
      assert.equal('{"after":true,"n":1}', (got[1].text:gsub('{"n":1,"after":true}',
        '{"after":true,"n":1}')))
      assert.equal("onPush", got[2].route)
    end)

    it("and cost nothing when there are none", function()
      assert.is_nil(front.plans)
      assert.is_nil(front.rpc_plan)
      front.app:globalBefore(before "x")
      assert.is_not_nil(front.plans)
    end)
  end)

  describe("get", function()
    it("the body with its route, and the session that the handler gets", function()
      local got = {}
      front.app:before(function(msg, session)
        got.before = msg
        session.area = "north"
      end)
      front.app:after(function(err, msg, session, resp)
        got.after, got.area, got.err, got.resp = msg, session.area, err, resp
      end)
      handler(function(_, msg, session)
        got.handler = msg
        return { area = session.area }
      end)
      assert.equal('{"area":"north"}', ask { x = 1, __route__ = "of.the.client" })
      assert.same({ x = 1, __route__ = "connector.h.m" }, got.before)
      assert.equal(got.before, got.handler)
      assert.equal(got.before, got.after)
      assert.same({ "north", nil, { area = "north" } }, { got.area, got.err, got.resp })
    end)

    it("global ones the whole message, whose body is the handler's", function()
      local whole
      front.app:globalBefore(function(msg)
        whole = { msg.id, msg.type, msg.route, msg.body.x, msg.serverType }
        msg.body.x = 2
      end)
      front.app:globalAfter(function(_, msg, _, resp) note(msg.body.x .. resp.x) end)
      handler(function(_, msg) return { x = msg.x, route = msg.__route__ } end)
      assert.same({ x = 2, route = "connector.h.m" }, pomelua.json.decode(ask { x = 1 }))
      assert.same({ 1, 0, "connector.h.m", 1, "connector" }, whole)
      assert.equal("22", order())
    end)

    it("a body that is no JSON as an empty table, counted once", function()
      front.app:before(function(msg) note(next(msg) and msg.__route__) end)
      front.app:globalBefore(function(msg) note(type(msg.body)) end)
      ask "{"
      assert.equal("table connector.h.m handler", order())
      assert.equal(1, front.bad_bodies)
    end)

    it("self, when they are methods of a table", function()
      local filter = { name = "f" }
      function filter:before(msg, session, next)
        note(self.name .. msg.x .. type(session.id) .. type(next))
        next()
      end
      function filter:after(err, _, _, resp, next)
        note(self.name .. tostring(err) .. tostring(resp.ok))
        next()
      end
      front.app:filter(filter)
      ask { x = 1 }
      assert.equal("f1numberfunction handler fniltrue", order())
    end)
  end)

  describe("refuse", function()
    it("with next(err, resp): the handler is left out, the after filters run", function()
      front.app:before(function(_, _, next) next("not now", { code = 403 }) end)
      front.app:before(before "second")
      front.app:after(function(err, _, _, resp) note(err .. resp.code) end)
      assert.equal('{"code":403}', ask())
      assert.equal("not now403", order())
    end)

    for what, row in pairs {
      ["next(err)"] = { function(_, _, next) next "no" end, '{"code":500}' },
      ["next(err, {no code})"] = { function(_, _, next) next("no", { a = 1 }) end, { 500 } },
      ["a returned nil, table"] = { function() return nil, { code = 401 } end, '{"code":401}' },
      ["a returned nil, text"] = { function() return nil, "no" end, '{"code":500}' },
      ["a raised error"] = { function() error "boom" end, '{"code":500}' },
    } do
      it("with " .. what, function()
        front.app:before(row[1])
        local answer = ask()
        if type(row[2]) == "table" then
          assert.equal(500, pomelua.json.decode(answer).code)
        else
          assert.equal(row[2], answer)
        end
        assert.equal("", order())
      end)
    end

    it("nothing with a resp but no error: the message goes on, and the log says so", function()
      front.app:before(function(_, _, next) next(nil, { code = 401 }) end)
      assert.equal('{"ok":true}', ask())
      assert.is_true(logged("warn", "without an error the message goes on"))
    end)

    it("and answer with a returned table", function()
      front.app:before(function() return { cached = true } end)
      front.app:after(function(err, _, _, resp) note(tostring(err) .. tostring(resp.cached)) end)
      assert.equal('{"cached":true}', ask())
      assert.equal("niltrue", order())
    end)

    it("global ones past the local filters, but not past the global after filters", function()
      front.app:globalBefore(function(_, _, next) next("no", { code = 401 }) end)
      front.app:before(before "before"):after(after "after")
      front.app:set("errorHandler", function() note "errorHandler" end)
      front.app:globalAfter(function(err) note("last " .. err) end)
      assert.equal('{"code":401}', ask())
      assert.equal("last no", order())
    end)

    it("a notify without an answer", function()
      front.app:before(function(_, _, next) next("no", { code = 401 }) end)
      front.app:after(after "after")
      w:say("connector-1", sid, nil, "connector.h.m")
      assert.same({}, w:got("connector-1"))
      assert.equal("after", order())
    end)
  end)

  describe("errors", function()
    it("of a handler reach the errorHandler and the after filters", function()
      handler(function() error "boom" end)
      local got
      front.app:set("errorHandler", function(err, msg, resp, session, next)
        got = { err.message, msg.x, resp, session.id }
        next(err, { code = 500, why = "sorry" })
      end)
      front.app:after(function(err) note(type(err)) end)
      assert.same({ code = 500, why = "sorry" }, pomelua.json.decode(ask { x = 1 }))
      assert.truthy(got[1]:find("filters_spec.lua:%d+: boom"))
      assert.same({ 1, nil, sid }, { got[2], got[3], got[4] })
      assert.equal("table", order())
      assert.equal(front.app.settings.errorHandler, front.app:get("errorHandler"))
    end)

    it("of next(err, resp) and of before filters reach it, too", function()
      front.app:set("errorHandler", function(err, _, resp)
        note(err .. (resp and resp.code or ""))
        return { code = 200 }
      end)
      handler(function(_, _, _, next) next("late", { code = 7 }) end)
      assert.equal('{"code":200}', ask())
      front.app:before(function(_, _, next) next "early" end)
      assert.equal('{"code":200}', ask())
      assert.equal("late7 early", order())
    end)

    it("of global before filters reach the globalErrorHandler alone", function()
      front.app:set("errorHandler", function() note "local" end)
      front.app:set("globalErrorHandler", function(err, msg, _, _, next)
        note(msg.route)
        next(err, { code = 402 })
      end)
      local refuse
      front.app:globalBefore(function() if refuse then return nil, "no" end end)
      handler(function() error "boom" end)
      assert.equal('{"code":500}', ask())
      refuse = true
      assert.equal('{"code":402}', ask())
      assert.equal("local connector.h.m", order())
    end)

    it("in an error handler, or in an after filter, are the error of the request", function()
      handler(function() error "first" end)
      front.app:set("errorHandler", function() error "second" end)
      front.app:after(function(err) note(err.message:match "%a+$") end)
      front.app:after(function(err) note(err.message:match "%a+$") error "third" end)
      assert.equal('{"code":500}', ask())
      assert.equal("second third", order())
    end)

    it("in a global after filter are logged, and the next one runs", function()
      front.app:globalAfter(after "last")
      front.app:globalAfter(function() error "boom" end)
      assert.equal('{"ok":true}', ask())
      assert.equal("handler last", order())
      assert.is_true(logged("error", "boom"))
    end)

    it("of a timer, or after a wait, are those of the step that waits", function()
      front.app:before(function(_, _, next) -- luacheck: ignore next
        front.app:setTimeout(5, function() error "boom" end)
      end)
      front.app:after(function(err) note(err.message:match "%a+$") end)
      assert.is_nil(ask())
      w:advance(5)
      assert.equal('{"code":500}', w:got("connector-1")[1].text)
      assert.equal("boom", order())
    end)

    it("behind next are the filter's, as long as it has not waited", function()
      local wait
      front.app:before(function(_, _, next)
        next()
        if wait then pomelua.sleep(1) end
        error "boom"
      end)
      assert.equal('{"code":500}', ask())
      assert.equal("", order())
      wait = true
      assert.equal('{"ok":true}', ask())
      assert.equal("handler", order())
      w:advance(1)
      assert.is_true(logged("error", "boom"))
      assert.same({}, w:got("connector-1"))
    end)

    it("that an after filter drops become a success, and the log says so once", function()
      handler(function(_, _, _, next) next "bad" end)
      front.app:after(function(_, _, _, _, next) next() end)
      assert.equal("{}", ask())
      assert.equal("{}", ask())
      local n = 0
      for _, line in ipairs(front.node:lines()) do
        if line.text:find("called next without the error", 1, true) then n = n + 1 end
      end
      assert.equal(1, n)
    end)

    it("of an after filter make a failure of a success", function()
      front.app:after(function() return nil, "no" end)
      front.app:after(after "after")
      assert.same({ ok = true, code = 500 }, pomelua.json.decode(ask()))
      assert.equal("handler after", order())
    end)

    it("for a route without a handler come behind the before filters", function()
      front.app:before(before "before")
      front.app:after(function(err) note(err.message) end)
      assert.equal('{"code":500}', w:ask("connector-1", sid, "connector.h.none"))
      assert.equal("before fail to find handler for connector.h.none", order())
    end)

    it("are a line of the log once, also when they were raised", function()
      front.app:before(before "before")
      front.app:set("errorHandler", function(err, _, _, _, next) next(err) end)
      local function lines(text)
        local n = 0
        for _, line in ipairs(front.node:lines()) do
          if line.text:find(text, 1, true) then n = n + 1 end
        end
        return n
      end
      w:ask("connector-1", sid, "connector.h.none")
      assert.equal(1, lines "fail to find handler")
      handler(function() error "boom" end)
      front.app:before(before "before")
      ask()
      assert.equal(1, lines "boom")
      handler(function(_, _, _, next) next "bad" end)
      front.app:before(before "before")
      ask()
      assert.equal(1, lines "bad")
    end)

    it("of a result that a filter must not give name its line", function()
      front.app:before(function() return true end)
      assert.equal('{"code":500}', ask())
      assert.is_true(logged("error", "filters_spec.lua:"))
    end)

    it("never answer twice", function()
      front.app:before(function(_, _, next)
        next()
        next()
      end)
      front.app:after(function(_, _, _, _, next)
        next()
        next "again"
      end)
      handler(function(_, _, _, next)
        next(nil, { n = 1 })
        next(nil, { n = 2 })
      end)
      assert.equal('{"n":1}', ask())
      assert.is_true(logged("warn", "called next again"))
    end)

    it("of calls that are nested too deeply answer 500", function()
      front.app:after(function(err) note(err and err.message or "no error") end)
      handler(function(_, _, _, next)
        local function deeper(n)
          if n == 0 then return next(nil, {}) end
          front.event:once("deeper", function() deeper(n - 1) end)
          front.event:emit "deeper"
        end
        deeper(190)
      end)
      assert.equal('{"code":500}', ask())
      assert.equal("calls are nested too deeply", order())
    end)

    it("are none of two hundred filters", function()
      for _ = 1, 200 do front.app:before(before "b"):after(after "a") end
      assert.equal('{"ok":true}', ask())
      assert.equal(401, #seen)
    end)
  end)

  describe("registered wrongly are refused at the line of the game", function()
    local function raises(text, fn)
      local ok, err = pcall(fn)
      assert.is_false(ok)
      assert.truthy(tostring(err):find("filters_spec.lua:", 1, true), err)
      assert.truthy(tostring(err):find(text, 1, true), err)
    end

    it("each", function()
      local app = front.app
      raises("app:before(f): a filter is a function (msg, session, next), or a table with a method"
        .. " `before`; got nothing", function() app:before() end)
      raises("got a number", function() app:after(7) end)
      raises("got a table without it", function() app:globalAfter { before = print } end)
      raises("app:filter(f): the filter must be a table", function() app:filter(function() end) end)
      raises("A function is for app:rpcBefore or app:rpcAfter", function()
        app:rpcFilter(function() end)
      end)
      raises("got a table without both", function() app:globalFilter {} end)
      raises("write `function Filter:before(msg, session, next)`", function()
        app:before { before = function(msg, _, _) return msg end }
      end)
      raises("its first parameter is self", function()
        app:before(function(self) return self end)
      end)
      raises('app:set("errorHandler", fn): fn must be a function (err, msg, resp, session, next)',
        function() app:set("errorHandler", true) end)
      assert.is_nil(front.plans)
    end)
  end)

  describe("around messages for another server", function()
    local back

    before_each(function()
      back = w:load("chat-1", { handlers = { h = {
        m = function(_, msg, session)
          note("handler" .. tostring(msg.x))
          return { got = msg.x, k = session:get "k", area = session.area }
        end,
        bad = function() error "boom" end,
        never = function() end,
      } } })
      w:load("chat-2", { handlers = back.registry.set and { h = {} } })
      front.app:route("chat", function() return "chat-1" end)
    end)

    local function ask_chat(body, method)
      return w:ask("connector-1", sid, "chat.h." .. (method or "m"), body)
    end

    it("run on the frontend, and on the other server its own", function()
      front.app:globalBefore(function(msg) note("global " .. msg.route .. msg.id) end)
      front.app:globalAfter(function(err, msg, session, resp)
        note(("last %s %s %s %d"):format(tostring(err), msg.body.x, session.id, resp.got))
      end)
      front.app:before(before "not here")
      back.app:before(before "before"):after(after "after")
      back.app:globalBefore(before "not there")
      assert.same({ got = 1 }, pomelua.json.decode(ask_chat { x = 1 }))
      assert.equal(("global chat.h.m1 before handler1 after last nil 1 %d 1"):format(sid), order())
    end)

    it("run when the client has its answer", function()
      front.app:globalAfter(function() note(#front.node:sent()) end)
      ask_chat { x = 1 }
      assert.equal("handler1 1", order())
    end)

    it("change the body and the settings that travel, not the fields", function()
      front.app:globalBefore(function(msg, session)
        msg.body.x = msg.body.x + 1
        session:set("k", "v")
        session.area = "here"
      end)
      assert.same({ got = 2, k = "v" }, pomelua.json.decode(ask_chat { x = 1 }))
    end)

    it("leave bytes that they do not read as they are", function()
      front.app:globalBefore(function() end)
      w:say("connector-1", sid, 1, "chat.h.m", "{")
      assert.equal(1, back.bad_bodies)
      assert.equal(0, front.bad_bodies)
    end)

    it("refuse them there", function()
      front.app:globalBefore(function() return nil, { code = 401 } end)
      front.app:globalAfter(function(err) note(err.code) end)
      assert.equal('{"code":401}', ask_chat { x = 1 })
      assert.equal("401", order())
    end)

    it("get the error when no server takes it, and when none answers", function()
      front.app:globalAfter(function(err, _, _, resp)
        note(tostring(err and err.code) .. tostring(resp and resp.code))
      end)
      assert.equal('{"code":500}', w:ask("connector-1", sid, "nowhere.h.m"))
      assert.equal('{"code":500}', ask_chat(nil, "bad"))
      assert.is_nil(ask_chat(nil, "never"))
      front.node:peer("chat-1", false)
      assert.equal('{"code":500}', w:got("connector-1")[1].text)
      assert.equal("NOENTnil nil500 NOENTnil", order())
      assert.is_nil(next(front.filters.sent_on))
    end)

    it("run for notifies when they are sent", function()
      front.app:globalFilter {
        before = function(_, msg) note(msg.id) end,
        after = function(_, err) note(tostring(err)) end,
      }
      w:say("connector-1", sid, nil, "chat.h.m", { x = 3 })
      assert.equal("0 nil handler3", order())
      assert.same({}, w:got("connector-1"))
    end)

    it("wait for a route function", function()
      front.app:globalAfter(after "last")
      front.app:route("chat", function(_, msg, _, cb)
        front.app:setTimeout(10, function() cb(nil, msg.body.to) end)
      end)
      assert.is_nil(ask_chat { x = 1, to = "chat-1" })
      w:advance(10)
      assert.equal('{"got":1}', w:got("connector-1")[1].text)
      assert.equal("handler1 last", order())
    end)

    it("of a client that has gone meanwhile are no error", function()
      front.app:globalBefore(function() pomelua.sleep(10) note "slept" end)
      front.app:globalAfter(function(err) note(err.code) end)
      assert.is_nil(ask_chat { x = 1 })
      front.node:closeSession(sid)
      w:advance(10)
      assert.equal("slept CLOSED", order())
      assert.is_false(logged("error", "chat.h.m"))
    end)

    it("are not run again once they are gone", function()
      front.app:globalBefore(before "global")
      front.filters.lists = {}
      require("pomelua.message.filters").changed(front)
      assert.equal('{"got":1}', ask_chat { x = 1 })
      assert.equal("handler1", order())
      assert.is_nil(front.plans)
    end)
  end)

  it("write a line for each request with serverConfig.enableForwardLog", function()
    front = w:load("connector-1", {
      handlers = { h = { m = function() pomelua.sleep(20) return { ok = true } end } },
      settings = { serverConfig = { enableForwardLog = true } },
    })
    ask { x = 1 }
    w:advance(20)
    local line
    for _, one in ipairs(front.node:lines()) do
      line = line or one.text:match("%[forward%-log%] (.*)$")
    end
    local value = pomelua.json.decode(line)
    assert.equal("connector.h.m", value.route)
    assert.equal(1, value.args.x)
    assert.equal(20, value.timeUsed)
    assert.truthy(value.time:find("^%d%d%d%d%d%d%d%d$"))
  end)
end)
