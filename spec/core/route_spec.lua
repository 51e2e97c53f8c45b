-- A message that goes where scripts say (core/bind/l_request, core/node/route).
local nodes = require "spec.support.nodes"

local ERROR, request, notify, answers, noting
  = nodes.ERROR, nodes.request, nodes.notify, nodes.answers, nodes.noting

describe("a message that is forwarded as scripts say", function()
  local front, chat, sid

  before_each(function() front, chat, sid = nodes.forwarding() end)
  after_each(function()
    front:close()
    chat:close()
  end)

  local calls

  before_each(function()
    calls = noting(front, { "route" })
    front:setRouted("chat", true)
  end)

  it("waits for them", function()
    front:clientData(sid, request(7, "chat.a.b", "\255"))
    local pending = calls[1][2]
    assert.same({ { "route", n = 7, pending, "chat", sid, 0, 7, "chat.a.b", "\255" } }, calls)
    assert.same({}, front:outbox())
    assert.is_true(front:forward(pending, "chat-1"))
    local item = front:outbox()[1]
    assert.equal("chat-1", item.to)
    assert.equal("\255", item.body)
    assert.equal(7, item.msgId)
    local ok, message, name = front:forward(pending, "chat-1")
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("CLOSED", name)
  end)

  it("may be answered from inside", function()
    front:entries { route = function(pending) assert(front:forward(pending, "chat-1")) end }
    front:clientData(sid, request(7, "chat.a.b"))
    assert.equal("chat-1", front:outbox()[1].to)
  end)

  it("gets code 500 for no server, or one that is not there", function()
    for i, to in ipairs { "chat-2", "nobody", "connector-1", "" } do
      front:clientData(sid, request(i, "chat.a.b"))
      local ok, message, name = front:forward(calls[i][2], to)
      assert.is_nil(ok)
      assert.matches("server '" .. to .. "' takes no messages", message, 1, true)
      assert.equal("NOENT", name)
      assert.same({ { sid, i, ERROR } }, answers(front))
    end
    front:clientData(sid, request(9, "chat.a.b"))
    assert.is_true(front:forward(calls[5][2], nil))
    assert.same({ { sid, 9, ERROR } }, answers(front))
  end)

  it("gets code 500 when they do not answer in time", function()
    front:clientData(sid, request(1, "chat.a.b"))
    front:clientData(sid, notify("chat.a.b"))
    front:advance(11000)
    assert.same({ { sid, 1, ERROR } }, answers(front))
    assert.equal("CLOSED", select(3, front:forward(calls[1][2], "chat-1")))
    assert.same({}, front:outbox())
  end)

  it("is dropped when its client goes", function()
    front:clientData(sid, request(1, "chat.a.b"))
    front:closeSession(sid)
    assert.is_true(front:forward(calls[1][2], "chat-1"))
    assert.same({}, front:outbox())
    assert.same({}, front:sent())
  end)

  it("counts against what is in flight, notifies too", function()
    front:configure { maxInFlight = 3 }
    front:clientData(sid, request(1, "chat.a.b"))
    for _ = 1, 5 do front:clientData(sid, notify("chat.a.b")) end
    assert.equal(3, #calls)
    front:clientData(sid, request(2, "chat.a.b"))
    assert.same({ { sid, 2, ERROR } }, answers(front))
    for i = 1, 3 do front:forward(calls[i][2], "chat-1") end
    assert.equal(3, #front:outbox())
    front:clientData(sid, request(3, "chat.a.b"))
    front:clientData(sid, notify("chat.a.b"))
    assert.equal(5, #calls)
  end)

  it("is for the types named, or for all", function()
    front:setRouted("chat", false)
    front:setRouted("chat", false)
    front:clientData(sid, notify("chat.a.b"))
    assert.equal(1, #front:outbox())
    front:setRouted("default", true)
    front:setRouted("default", true)
    front:clientData(sid, notify("chat.a.b"))
    front:clientData(sid, notify("any.a.b"))
    assert.equal(2, #calls)
    front:setRouted("default", false)
    front:clientData(sid, notify("chat.a.b"))
    assert.equal(2, #calls)
  end)

  it("raises on wrong arguments", function()
    assert.error(function() front:forward() end)
    assert.error(function() front:forward({}, "chat-1") end)
    assert.error(function() front:forward(1, {}) end)
    assert.error(function() front:setRouted() end)
    assert.equal("CLOSED", select(3, front:forward(0 / 0, "chat-1")))
  end)
end)
