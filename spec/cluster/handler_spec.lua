-- What a client gets for what a handler does (protocol 13.2), from the
-- handlers of its own frontend and from those of another server.

local pomelo = require "spec.support.pomelo"
local both = require "spec.support.both"

local SETTINGS = [[
  app:set("serverConfig", { timeout = 500, awaitTimeout = 200 })
]]

local REACH = [[
local grand = { grandparent = function() return "grandparent" end }
local parent = setmetatable({
  inherited = function() return "inherited" end,
  own = function() return "not this one" end,
}, { __index = grand })
local Reach = setmetatable({
  own = function() return "own" end,
  value = 5,
  callable = setmetatable({}, { __call = function() return "callable" end }),
  _hidden = function() return "hidden" end,
  new = function() return "new" end,
  ["a.b"] = function() return "dotted" end,
  [1] = function() return "numbered" end,
}, { __index = parent })
function Reach:this() return { own = rawequal(self, Reach) } end
return Reach
]]

local NAMED = [[ return { name = "other", own = function() return "other" end } ]]
local ASKED = [[
return setmetatable({}, { __index = function(_, key) return function() return key end end })
]]

both.describe("a handler", function(start)
  local app, client

  setup(function()
    local files = { ["app/servers/connector/handler/asked.lua"] = ASKED }
    for _, stype in ipairs { "connector", "chat" } do
      files["app/servers/" .. stype .. "/handler/reach.lua"] = REACH
      files["app/servers/" .. stype .. "/handler/named.lua"] = NAMED
    end
    app = start(SETTINGS, files)
  end)
  teardown(function()
    app:finish {
      "no luck", "index local 'a'", "no answer within 500 ms", "cannot be sent: ",
      "coroutine%.yield outside",
    }
  end)
  before_each(function() client = app:client() end)
  after_each(function() app:clear() end)

  for where, stype in pairs { ["the frontend"] = "connector", ["another server"] = "chat" } do
    describe("of " .. where, function()
      local function run(text, args) return client:run(stype, text, args) end
      -- The body of the answer, as text.
      local function raw(text)
        local _, message = client:answer(client:askRun(stype, text))
        return message.body
      end

      it("answers by next with any JSON value", function()
        assert.are.same({ code = 200, a = { 1, 2 } }, run "next(nil, { code = 200, a = { 1, 2 } })")
        assert.are.equal('"text"', raw "next(nil, 'text')")
        assert.are.equal("[1,2,3]", raw "next(nil, { 1, 2, 3 })")
        assert.are.equal("[]", raw "next(nil, pomelua.array {})")
        assert.are.equal("{}", raw "next(nil, {})")
        assert.are.equal("42", raw "next(nil, 42)")
        assert.are.equal("0.5", raw "next(nil, 0.5)")
        assert.are.equal("9007199254740992", raw "next(nil, 2^53)")
        assert.are.equal("true", raw "next(nil, true)")
        assert.are.equal('{"7":1}', raw "next(nil, { [7] = 1 })")
        assert.are.equal('{"a":null}', raw "next(nil, { a = pomelua.null })")
        assert.are.equal([["\ud83d\ude00"]], raw [[next(nil, "\240\159\152\128")]])
      end)

      it("answers {} when next is given nothing that counts", function()
        for _, args in ipairs {
          "", "nil", "nil, nil", "nil, 0", "nil, ''", "nil, false", "nil, pomelua.null", "false",
          "0", "''",
        } do
          assert.are.equal("{}", raw("next(" .. args .. ")"), args)
        end
      end)

      it("answers code 500 for an error, without its text", function()
        assert.are.equal('{"code":500}', raw "next('secret')")
        assert.are.equal('{"code":500}', raw "next({ message = 'secret', code = 7 })")
        assert.are.equal('{"code":500}', raw "next(true)")
        assert.are.equal('{"code":500}', raw "next('secret', 'text')")
        assert.are.equal('{"code":500}', raw "next('secret', { 1, 2 })")
      end)

      it("answers what goes with an error, with code 500 unless it has a code", function()
        assert.are.same({ code = 403, why = "shut" }, run "next('e', { code = 403, why = 'shut' })")
        assert.are.same({ code = 500, why = "shut" }, run "next('e', { why = 'shut' })")
        assert.are.same({ code = 500, why = "shut" }, run "next('e', { why = 'shut', code = 0 })")
      end)

      it("answers by what it returns", function()
        assert.are.equal('"text"', raw "return 'text'")
        assert.are.equal("{}", raw "return false")
        assert.are.equal("{}", raw "return {}")
        assert.are.equal('{"code":500}', raw "return nil, 'secret'")
        assert.are.equal("1", raw "return 1, 2")
        assert.are.equal("7", raw "next(nil, 7) return")
        assert.are.equal("7", raw "return next(nil, 7)")
        assert.are.equal("8", raw "app:setTimeout(1, function() next(nil, 8) end) return nil")
      end)

      it("answers once", function()
        assert.are.equal("1", raw "next(nil, 1) next(nil, 2)")
        assert(app:logged(stype .. ".probe.run: answered twice"))
        assert.are.equal("3", raw "next(nil, 3) return 4")
        assert.are.equal("5", raw "next(nil, 5) error('no luck')")
        assert.are.equal("6", raw "next(nil, 6)")
      end)

      it("answers code 500 when it raises, wherever that is", function()
        for _, text in ipairs {
          "error('no luck')",
          "error({ no = 'luck', message = 'no luck' })",
          "local a = nil; return a.no_luck",
          "pomelua.sleep(1) error('no luck')",
          "pomelua.await(function(cb) app:setTimeout(1, cb) end) error('no luck')",
          "app:setTimeout(1, function() error('no luck') end)",
          "app:setTimeout(1, function() pomelua.sleep(1) error('no luck') end)",
          "app:setTimeout(1, function() app:setTimeout(1, function() error('no luck') end) end)",
          "app.rpc.room.probe.run({ to = 'room-1' }, 'cb()', function() error('no luck') end)",
          "session:bind('x', function() error('no luck') end)",
          [[app:get("channelService"):createChannel("x"):pushMessage("r", { 1 }, function()
            error("no luck") end)]],
          [[local id id = app:setInterval(1, function() app:clearTimer(id) error("no luck") end)]],
        } do
          assert.are.equal('{"code":500}', raw(text), text)
        end
        assert(app:logged(stype .. ".probe.run: probe:1: no luck"))
      end)

      it("answers code 500 when what it answers is no JSON, and the log says where", function()
        assert.are.equal('{"code":500}', raw "return { items = { 1, 2, { owner = print } } }")
        assert(app:logged(stype .. ".probe.run: the answer cannot be sent: "
          .. "msg.items[3].owner: a function"))
        assert.are.equal('{"code":500}', raw "local t = {} t.t = t return t")
        assert.are.equal('{"code":500}', raw "return { x = 0/0 }")
      end)

      it("answers code 500 when it has not answered after serverConfig.timeout", function()
        assert.are.equal('{"code":500}', raw "return nil")
        assert(app:logged(stype .. ".probe.run: no answer within 500 ms"))
        assert.are.equal('{"code":500}', raw "app:setTimeout(520, function() next(nil, 1) end)")
        assert.are.equal("2", raw "pomelua.sleep(50) return 2")
      end)

      it("runs for a notify, which is not answered", function()
        client:notify(stype .. ".probe.run", { lua = "keep.noted = args next(nil, 'x')", args = 5 })
        assert.are.equal(5, run "return keep.noted")
        client:notify(stype .. ".probe.run", { lua = "keep.noted = args return 'x'", args = 6 })
        assert.are.equal(6, run "return keep.noted")
        client:notify(stype .. ".probe.run", { lua = "error('no luck noted')" })
        client:notify(stype .. ".nothing.run", {})
        assert.are.equal(7, run "return 7")
      end)

      it("takes a request whose id is 0 for a notify", function()
        client:data { type = pomelo.REQUEST, id = 0, route = stype .. ".probe.run",
          body = '{"lua":"keep.noted = 8 return 1"}' }
        assert.are.equal(8, run "return keep.noted")
      end)

      it("answers with the id that was asked with", function()
        for _, id in ipairs { 1, 127, 128, 16383, 16384, 2097152, 2 ^ 31 - 1 } do
          client:data { type = pomelo.REQUEST, id = id, route = stype .. ".probe.run",
            body = '{"lua":"return 1"}' }
          assert.are.equal(id, assert(client:nextMessage()).id)
        end
      end)

      it("waits by await for a callback's values", function()
        assert.are.same({ "1", "nil", "3" },
          run "return show(pomelua.await(function(cb) cb(nil, 1, nil, 3) end))")
        assert.are.same({ "true" }, run [[return show(pomelua.await(function(cb)
          app:setTimeout(1, cb)
        end))]])
        assert.are.same({ "5", "6" }, run [[return show(pomelua.await(function(a, b, cb)
          app:setTimeout(1, function() cb(nil, a, b) cb(nil, "again") end)
        end, 5, 6))]])
        assert.are.same({ "nil", '"why"' },
          run "return show(pomelua.await(function(cb) cb('why', 1) end))")
      end)

      it("waits no longer than serverConfig.awaitTimeout", function()
        assert.are.same({ "nil", "error TIMEOUT: no callback within 200 ms" },
          run "return show(pomelua.await(function() end))")
      end)

      it("cannot wait in a coroutine of its own, and says so", function()
        local got = run [[
          local co = coroutine.wrap(function() return pcall(pomelua.await, function() end) end)
          return show(co())
        ]]
        assert.are.equal("false", got[1])
        assert.is_truthy(got[2]:find("pomelua.await: only inside", 1, true), got[2])
        assert.are.equal("3", raw [[
          local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
          gen() gen() return gen()
        ]])
        assert.are.equal('{"code":500}', raw "coroutine.yield()")
      end)

      it("runs beside others that wait", function()
        client:askRun(stype, "pomelua.sleep(250) return 'slow'")
        client:askRun(stype, "return 'fast'")
        assert.are.equal("fast", assert(client:nextMessage()).msg)
        assert.are.equal("slow", assert(client:nextMessage()).msg)
      end)

      it("has timers", function()
        assert.are.same({ "3", "false" }, run [[
          local n, id = 0, nil
          id = app:setInterval(1, function()
            n = n + 1
            if n == 3 then
              app:clearTimer(id)
              app:setTimeout(10, function() next(nil, show(n, app:clearTimer(id))) end)
            end
          end)
        ]])
        assert.are.same({ "true", "false" }, run [[
          local id = app:setTimeout(1, function() error("no luck: not stopped") end)
          local first, second = app:clearTimer(id), app:clearTimer(id)
          pomelua.sleep(5)
          return show(first, second)
        ]])
        assert.are.same({ "false" }, run "return show((pcall(app.setTimeout, app, -1, print)))")
      end)

      it("gets an object with its route in it, which the client cannot set", function()
        assert.are.same({ stype .. ".probe.run", "x" },
          client:run(stype, "return { msg.__route__, msg.extra }", nil,
            { __route__ = "a.b.c", extra = "x" }))
      end)

      it("is reached by the names of its own table and of one above it", function()
        local function get(method) return (client:request(stype .. ".reach." .. method, {})) end
        assert.are.equal("own", get "own")
        assert.are.equal("inherited", get "inherited")
        assert.are.same({ own = true }, get "this")
        for _, method in ipairs {
          "_hidden", "new", "grandparent", "value", "callable", "1", "__index",
          "toString", "tostring", "hasOwnProperty", "__proto__", "prototype", "own ", "OWN",
          "\0own", "own\0",
        } do
          assert.are.same({ code = 500 }, get(method), method)
        end
        assert.are.same({ code = 500 }, get "a.b")
        assert.are.equal("other", (client:request(stype .. ".other.own", {})))
        assert.are.same({ code = 500 }, (client:request(stype .. ".named.own", {})))
      end)

      it("named constructor is an attack", function()
        client:ask(stype .. ".probe.constructor", {})
        assert.are.equal('{"reason":"attack"}', client:kicked())
        assert.are.same({}, client:rest())
      end)
    end)
  end

  it("is not found by a metatable that answers for every name", function()
    assert.are.same({ code = 500 }, (client:request("connector.asked.anything", {})))
  end)

  it("gets whatever JSON the client sent", function()
    local app_bodies = {
      ["[1,2]"] = "[1,2]", ["[]"] = "[]", ["5"] = "5", ['"text"'] = '"text"', ["true"] = "true",
      ["null"] = "{}", ["no JSON"] = "{}", ["{"] = "{}", [("["):rep(33) .. ("]"):rep(33)] = "{}",
      ["\255"] = "{}", ['{"a":[1,null,2]}'] = '{"a":[1,null,2]}', ['{"a":null}'] = "{}",
      ['"\237\160\189\237\184\128"'] = [["\ud83d\ude00"]], -- CESU-8
      ['"\240\159\152\128"'] = [["\ud83d\ude00"]],
    }
    client:run(nil, [[
      local decode = app._server.decode_body
      keep.decode = decode
      app._server.decode_body = function(body)
        local msg, ok = decode(body)
        keep.before, keep.last = keep.last, msg
        return msg, ok
      end
      return 1
    ]])
    for sent, got in pairs(app_bodies) do
      client:request("connector.reach.own", sent)
      local _, message = client:answer(client:askRun(nil, "local b = keep.before "
        .. "if type(b) == 'table' then b.__route__ = nil end "
        .. "return type(b) == 'table' and not _G.next(b) and 'empty' or { b }"))
      if got == "{}" or got == "[]" then
        assert.are.equal('"empty"', message.body, sent)
      else
        assert.are.equal("[" .. got .. "]", message.body, sent)
      end
    end
    client:run(nil, "app._server.decode_body = keep.decode return 1")
  end)

  it("is not run for more than 128 requests of one session at a time", function()
    client:run(nil, "keep.ran = 0 return 1")
    local text = "keep.ran = keep.ran + 1 pomelua.sleep(400) return 'ran'"
    -- In one write, so that all are there before the first has ended.
    local all = {}
    for id = 1001, 1130 do
      all[#all + 1] = pomelo.package(pomelo.DATA, pomelo.message {
        type = pomelo.REQUEST, id = id, route = "connector.probe.run",
        body = '{"lua":"' .. text .. '"}',
      })
    end
    client:bytes(table.concat(all))
    for _ = 1, 2 do
      local m = assert(client:nextMessage())
      assert.are.same({ code = 500 }, m.msg)
      assert.is_true(m.id > 1128)
    end
    for _ = 1, 128 do assert.are.equal("ran", assert(client:nextMessage()).msg) end
    assert.are.equal(128, client:run(nil, "return keep.ran"))
  end)
end)
