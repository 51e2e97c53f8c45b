-- A client's message for its own server, and its answer (core/bind/l_request.c, core/node/frontend,
-- requests).
local core = require "pomelua.core"
local nodes = require "spec.support.nodes"

local ERROR, request, notify, answers, noting
  = nodes.ERROR, nodes.request, nodes.notify, nodes.answers, nodes.noting

describe("a client's message for its own server", function()
  local node, sid, calls

  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
    calls = noting(node, { "message", "route" })
    sid = node:openSession()
  end)
  after_each(function() node:close() end)

  it("reaches the scripts with its bytes", function()
    local body = "\0\255 no UTF-8, no JSON {\n"
    assert.is_true(node:clientData(sid, request(7, "connector.entry.enter", body)))
    assert.is_true(node:clientData(sid, notify("connector.entry.enter", body)))
    local req = calls[1][2]
    assert.is_number(req)
    assert.same({
      { "message", n = 8, req, sid, nil, nil, 0, 7, "connector.entry.enter", body },
      { "message", n = 8, nil, sid, nil, nil, 1, 0, "connector.entry.enter", body },
    }, calls)
    assert.same({}, node:sent())
    assert.is_true(node:bind(sid, "ann"))
    assert.is_true(node:setSettings(sid, '{"rid":1}'))
    node:clientData(sid, notify("connector.entry.enter", body))
    assert.same({ "message", n = 8, nil, sid, "ann", '{"rid":1}', 1, 0, "connector.entry.enter",
      body }, calls[3])
  end)

  it("is answered once, with its id", function()
    node:clientData(sid, request(128, "connector.a.b"))
    local req = calls[1][2]
    assert.is_true(node:answer(req, { code = 200, text = "\240\159\152\128" }))
    local list = answers(node)
    assert.equal(1, #list)
    assert.equal(128, list[1][2])
    assert.matches('"text":"\\ud83d\\ude00"', list[1][3], 1, true)
    local ok, message, name = node:answer(req, {})
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("CLOSED", name)
    for _, id in ipairs { 0, -1, 0.5, req + 0.5, 2 ^ 53, 0 / 0 } do
      assert.equal("CLOSED", select(3, node:answer(id, {})))
    end
    assert.error(function() node:answer({}, {}) end)
    assert.error(function() node:answer(req) end)
    assert.same({}, node:sent())
  end)

  it("may be answered again when an answer is no JSON", function()
    node:clientData(sid, request(1, "connector.a.b"))
    local req = calls[1][2]
    local ok, message, name = node:answer(req, { items = { 1, { owner = print } } })
    assert.is_nil(ok)
    assert.equal("msg.items[2].owner: a function", message)
    assert.equal("ENCODE", name)
    assert.equal("TOOBIG", select(3, node:answer(req, ("x"):rep(16777216))))
    assert.same({}, node:sent())
    assert.is_true(node:answer(req, nil))
    assert.same({ { sid, 1, "null" } }, answers(node))
  end)

  it("that nobody answers gets code 500 at its deadline", function()
    node:configure { handlerTimeout = 100 }
    node:clientData(sid, request(5, "connector.slow.one"))
    node:advance(99)
    assert.same({}, node:sent())
    node:advance(1)
    assert.same({ { sid, 5, ERROR } }, answers(node))
    assert.equal("CLOSED", select(3, node:answer(calls[1][2], {})))
    assert.equal(1, node:counts().handlerTimeouts)
    local line = node:lines()[1]
    assert.equal("error", line.level)
    assert.matches("connector.slow.one", line.text, 1, true)
  end)

  it("whose function raises is logged, and answered at its deadline", function()
    node:entries { message = function() error("oops") end }
    assert.is_true(node:clientData(sid, request(5, "connector.a.b")))
    assert.matches("message: .*oops\nstack traceback", node:lines()[1].text)
    node:advance(10000)
    assert.same({ { sid, 5, ERROR } }, answers(node))
  end)

  it("whose client has gone may be answered still", function()
    node:clientData(sid, request(1, "connector.a.b"))
    node:closeSession(sid)
    local again = node:openSession() -- perhaps in its place
    assert.is_true(node:answer(calls[1][2], {}))
    assert.same({}, node:sent())
    node:advance(20000)
    assert.same({}, node:sent())
    assert.is_true((select(3, node:session(again))))
  end)

  it("may close its client, and answer from inside", function()
    node:entries { message = function(req, id)
      assert(node:answer(req, { n = 1 }))
      node:closeSession(id, "x")
      node:openSession()
    end }
    node:clientData(sid, request(1, "connector.a.b"))
    assert.same({ { sid, 1, '{"n":1}' } }, answers(node))
    assert.is_false((select(3, node:session(sid))))
  end)

  it("is answered with code 500 while 128 are in flight", function()
    for i = 1, 128 do node:clientData(sid, request(i, "connector.a.b")) end
    assert.equal(128, #calls)
    node:clientData(sid, request(129, "connector.a.b"))
    node:clientData(sid, request(130, "no route"))
    assert.same({ { sid, 129, ERROR }, { sid, 130, ERROR } }, answers(node))
    node:clientData(sid, notify("connector.a.b"))
    assert.equal(129, #calls)
    local other = node:openSession()
    node:clientData(other, request(1, "connector.a.b"))
    assert.equal(130, #calls)
    node:answer(calls[1][2], {})
    node:clientData(sid, request(131, "connector.a.b"))
    assert.equal(131, #calls)
    assert.equal(2, node:counts().overInFlight)
    node:advance(10000)
    assert.equal(1 + 129, #answers(node))
    node:clientData(sid, request(132, "connector.a.b"))
    assert.equal(132, #calls)
  end)

  it("with method constructor ends its client", function()
    for _, route in ipairs { "chat.x.constructor", "connector.x.constructor" } do
      local id = node:openSession()
      assert.is_true(node:clientData(id, route:find("chat") and request(1, route) or notify(route)))
      assert.same({ { sid = id, kind = "kick", bytes = "attack" } }, node:sent())
      node:settle()
      assert.is_false((select(3, node:session(id))))
    end
    assert.same({}, calls)
  end)

  it("that is cut ends its client", function()
    for _, bytes in ipairs { "", "\0", "\0\128", "\0\1\5a", "\1\1\0", "\2", "\3\0" } do
      local ok, message, name = node:clientData(sid, bytes)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("PROTO", name)
    end
    assert.same({}, calls)
  end)

  it("with a route that is none gets code 500", function()
    local routes = { "", "a", "a.b", "a.b.c.d", ".b.c", "a..c", "a.b.", "..", "...", ".", "a.b..c" }
    for i, route in ipairs(routes) do
      node:clientData(sid, request(i, route))
      assert.same({ { sid, i, ERROR } }, answers(node), route)
      node:clientData(sid, notify(route))
    end
    -- A code that no dictionary knows.
    node:clientData(sid, core.write_message { type = 0, id = 99, code = 5, body = "{}" })
    node:clientData(sid, core.write_message { type = 1, code = 5, body = "{}" })
    assert.same({ { sid, 99, ERROR } }, answers(node))
    assert.equal(2 * #routes + 2, node:counts().badRoutes)
    assert.same({}, calls)
  end)

  it("of a type that only servers send is ignored, a push is a notify", function()
    node:clientData(sid, core.write_message { type = 2, id = 1, body = "{}" })
    for type = 4, 7 do node:clientData(sid, core.write_message { type = type, body = "x" }) end
    assert.equal(5, node:counts().ignored)
    assert.same({}, calls)
    node:clientData(sid, core.write_message { type = 3, route = "connector.a.b", body = "{}" })
    node:clientData(sid, request(0, "connector.a.b"))
    for i = 1, 2 do
      assert.same({ "message", n = 8, nil, sid, nil, nil, 1, 0, "connector.a.b", "{}" }, calls[i])
    end
    assert.same({}, node:sent())
  end)

  it("without scripts waits for its deadline, and no longer", function()
    local bare = core.node { id = "connector-2", type = "connector", frontend = true }
    local id = bare:openSession()
    bare:clientData(id, request(1, "connector.a.b"))
    bare:advance(10000)
    assert.same({ { id, 1, ERROR } }, answers(bare))
    bare:close()
  end)
end)
