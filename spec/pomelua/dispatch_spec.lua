-- A client's message from its arrival to its answer.
-- Tests message/receive.lua, message/request.lua and app/entries.lua.
local core = require "pomelua.core"
local pomelua = require "pomelua"
local world = require "spec.support.world"

describe("dispatch", function()
  local w, sid, one

  local function handler(fn)
    one = w:load("connector-1", { handlers = { h = { m = fn } } })
  end

  local function ask(body) return w:ask("connector-1", sid, "connector.h.m", body) end

  before_each(function()
    w = world.single()
    sid = w.servers["connector-1"].node:openSession()
  end)
  after_each(function() w:close() end)

  local null = core.null

  describe("answers", function()
    for what, row in pairs {
      ["an object"] = { { nil, { a = 1 } }, '{"a":1}' },
      ["a text"] = { { nil, "text" }, '"text"' },
      ["an array"] = { { nil, { 1, 2 } }, "[1,2]" },
      ["an empty array"] = { { nil, pomelua.array {} }, "[]" },
      ["a number"] = { { nil, 7 }, "7" },
      ["true"] = { { nil, true }, "true" },
      ["next()"] = { {}, "{}" },
      ["next(null, null)"] = { { null, null }, "{}" },
      ["next(null, 0)"] = { { nil, 0 }, "{}" },
      ["next(null, \"\")"] = { { nil, "" }, "{}" },
      ["next(null, false)"] = { { nil, false }, "{}" },
      ["an error"] = { { "bad" }, '{"code":500}' },
      ["an error and null"] = { { "bad", null }, '{"code":500}' },
      ["an error and a text"] = { { "bad", "text" }, '{"code":500}' },
      ["an error and an array"] = { { "bad", { 1 } }, '{"code":500}' },
      ["an error and a code"] = { { "bad", { code = 404 } }, '{"code":404}' },
      ["an error and code 0"] = { { "bad", { code = 0 } }, '{"code":500}' },
    } do
      it(what .. " as " .. row[2], function()
        handler(function(_, _, _, next) next(row[1][1], row[1][2]) end)
        assert.equal(row[2], ask())
      end)
    end

    it("adds the code to the table the handler gave with an error", function()
      local resp = { why = "x" }
      handler(function(_, _, _, next) next("bad", resp) end)
      ask()
      assert.same({ why = "x", code = 500 }, resp)
    end)

    it("once, and logs the second", function()
      handler(function(_, _, _, next)
        next(nil, { n = 1 })
        next(nil, { n = 2 })
      end)
      assert.equal('{"n":1}', ask())
      assert.is_true(w:logged("connector-1", "warn", "connector.h.m: answered twice"))
    end)

    it("with what the handler returns", function()
      handler(function() return { code = 200 } end)
      assert.equal('{"code":200}', ask())
    end)

    it("{} for a returned false", function()
      handler(function() return false end)
      assert.equal("{}", ask())
    end)

    it("code 500 for a returned nil, err", function()
      handler(function() return nil, "bad" end)
      assert.equal('{"code":500}', ask())
    end)

    it("by next when the handler returns nothing or one nil", function()
      handler(function(_, _, _, next)
        one.app:setTimeout(10, function() next(nil, { late = true }) end)
        return nil
      end)
      assert.is_nil(ask())
      w:advance(10)
      assert.equal('{"late":true}', w:got("connector-1")[1].text)
    end)

    it("safely with return next(...)", function()
      handler(function(_, _, _, next) return next(nil, { a = 1 }) end)
      assert.equal('{"a":1}', ask())
      assert.is_false(w:logged("connector-1", "warn", "twice"))
    end)

    it("code 500 and names the path when the answer is no JSON", function()
      handler(function() return { items = { 1, { owner = print } } } end)
      assert.equal('{"code":500}', ask())
      assert.is_true(w:logged("connector-1", "error", "msg.items[2].owner"))
    end)

    it("nothing to a notify, and logs an answer to one", function()
      handler(function(_, _, _, next) next(nil, { a = 1 }) end)
      w:say("connector-1", sid, nil, "connector.h.m", {})
      assert.same({}, w:got("connector-1"))
      assert.is_true(w:logged("connector-1", "warn", "try to response to a notify"))
    end)
  end)

  describe("errors", function()
    local function is_500(fn)
      handler(fn)
      local answer = ask()
      if not answer then
        w:advance(50)
        answer = (w:got("connector-1")[1] or {}).text
      end
      assert.equal('{"code":500}', answer)
      assert.is_true(w:logged("connector-1", "error", "connector.h.m: "))
      assert.is_true(w:logged("connector-1", "error", "boom"))
      assert.is_true(w:logged("connector-1", "error", "stack traceback"))
    end

    it("in the handler answer 500", function() is_500(function() error "boom" end) end)

    it("that are tables answer 500", function()
      is_500(function() error { message = "boom" } end)
    end)

    it("after a wait answer 500", function()
      is_500(function()
        pomelua.sleep(5)
        error "boom"
      end)
    end)

    it("in a timer of the request answer 500", function()
      is_500(function() one.app:setTimeout(5, function() error "boom" end) end)
    end)

    it("in a timer started by a timer answer 500", function()
      is_500(function()
        one.app:setTimeout(5, function()
          one.app:setTimeout(5, function() error "boom" end)
        end)
      end)
    end)

    it("in a callback of the session answer 500", function()
      is_500(function(_, _, session) session:bind("u", function() error "boom" end) end)
    end)

    it("in an rpc's callback answer 500", function()
      is_500(function(_, _, session) one.app.rpc.chat.r.m(session, function() error "boom" end) end)
    end)

    it("in a push's callback answer 500", function()
      is_500(function()
        local c = one.app:get("channelService"):createChannel("c")
        c:pushMessage("r", { a = 1 }, function() error "boom" end)
      end)
    end)

    it("in an interval are logged each time, and answer once", function()
      handler(function() one.app:setInterval(10, function() error "boom" end) end)
      ask()
      w:advance(35)
      local answers = w:got("connector-1")
      assert.equal(1, #answers)
    end)

    it("of a bare coroutine.yield answer 500", function()
      handler(function() coroutine.yield() end)
      assert.equal('{"code":500}', ask())
    end)
  end)

  describe("bodies", function()
    it("that are no JSON become an empty table", function()
      handler(function(_, msg)
        return { empty = next(msg) == "__route__" and next(msg, "__route__") == nil }
      end)
      assert.equal('{"empty":true}', ask("{nope"))
    end)

    it("carry the route, whatever the client says", function()
      handler(function(_, msg) return { r = msg.__route__ } end)
      assert.equal('{"r":"connector.h.m"}', ask { __route__ = "x" })
    end)

    it("that are arrays arrive as tables without a route", function()
      handler(function(_, msg) return { #msg, tostring(msg.__route__) } end)
      assert.equal('[3,"nil"]', ask("[1,2,3]"))
    end)

    it("that are [] are arrays too, and go out as []", function()
      handler(function(_, msg) return { tostring(msg.__route__), msg, { echo = msg } } end)
      assert.equal('["nil",[],{"echo":[]}]', ask("[]"))
      handler(function(_, msg) return msg end)
      assert.equal("[]", ask("[]"))
      handler(function(_, msg, _, next) next("error", msg) end)
      assert.equal('{"code":500}', ask("[ ]"))
      handler(function(_, msg) return { msg.list, msg.map, #msg.list } end)
      assert.equal("[[],{},0]", ask('{"list":[],"map":{}}'))
      handler(function(_, msg)
        msg.list.hp = 1
        return msg.list
      end)
      assert.equal('{"hp":1}', ask('{"list":[]}'))
    end)

    it("with ill-formed characters keep all the others", function()
      handler(function(_, msg) return { msg.name, msg.n } end)
      for _, odd in ipairs { [[\ud83d]], "\237\160\189", "\255" } do
        assert.equal('["a\239\191\189b",1]', ask('{"name":"a' .. odd .. 'b","n":1}'))
      end
    end)

    it("are answered with what toJSON says, and its error is a 500", function()
      local class = {}
      class.__index = class
      function class:toJSON() return { hp = self.hp } end
      handler(function() return { hero = setmetatable({ hp = 3, game = print }, class) } end)
      assert.equal('{"hero":{"hp":3}}', ask {})
      function class.toJSON() pomelua.sleep(1) end
      assert.equal('{"code":500}', ask {})
      assert.is_true(w:logged("connector-1", "error", "msg.hero: toJSON: "))
    end)

    it("that are scalars arrive as they are", function()
      handler(function(_, msg) return { t = type(msg) } end)
      assert.equal('{"t":"number"}', ask("5"))
      assert.equal('{"t":"table"}', ask("null"))
    end)
  end)

  it("answers 500 for what is not there", function()
    handler(function() return {} end)
    assert.equal('{"code":500}', w:ask("connector-1", sid, "connector.h.nope"))
    assert.equal('{"code":500}', w:ask("connector-1", sid, "connector.nope.m"))
    assert.is_true(w:logged("connector-1", "info", "fail to find handler for connector.nope.m"))
  end)

  it("kicks who asks for constructor, without an answer", function()
    handler(function() return {} end)
    assert.is_nil(w:ask("connector-1", sid, "connector.h.constructor"))
    local _, _, there = one.node:session(sid)
    assert.is_false(there)
  end)

  it("runs many waiting requests side by side", function()
    handler(function(_, msg)
      pomelua.sleep(100 - msg.i)
      return { i = msg.i }
    end)
    for i = 1, 50 do w:say("connector-1", sid, i, "connector.h.m", { i = i }) end
    w:advance(100)
    local answers = w:got("connector-1")
    assert.equal(50, #answers)
    assert.equal(50, answers[1].body.i)
    assert.equal(1, answers[50].body.i)
  end)
end)
