-- A message that goes to another server, and its answer (core/bind/l_request, core/node/forward).
local core = require "pomelua.core"
local nodes = require "spec.support.nodes"

local ERROR, request, notify, answers, noting, cross
  = nodes.ERROR, nodes.request, nodes.notify, nodes.answers, nodes.noting, nodes.cross

describe("a message that is forwarded", function()
  local front, chat, sid

  before_each(function() front, chat, sid = nodes.forwarding() end)
  after_each(function()
    front:close()
    chat:close()
  end)

  it("carries its session and its bytes, whatever they are", function()
    local every = {}
    for i = 0, 255 do every[#every + 1] = string.char(i) end
    every = table.concat(every)
    front:bind(sid, 7)
    front:setSettings(sid, '{"rid":1}')
    front:clientData(sid, request(3, "chat.room.send", every))
    local out = front:outbox()
    assert.equal(1, #out)
    local item = out[1]
    assert.is_number(item.call)
    item.call = nil
    assert.same({
      kind = "forward", to = "chat-1", from = "connector-1", session = sid, uid = 7,
      settings = '{"rid":1}', route = "chat.room.send", msgType = 0, msgId = 3, body = every,
      ms = 11000,
    }, item)
    front:clientData(sid, notify("chat.room.send"))
    item = front:outbox()[1]
    assert.is_nil(item.call)
    assert.equal(1, item.msgType)
    assert.equal(0, item.msgId)
  end)

  it("reaches the scripts there, and its answer the client", function()
    local calls = noting(chat, { "forwarded" })
    front:clientData(sid, request(3, "chat.room.send", "\255"))
    front:clientData(sid, notify("chat.room.send", ""))
    cross(front, chat)
    local req, life = calls[1][2], chat:incarnation("connector-1")
    assert.same({
      { "forwarded", n = 10, req, "connector-1", sid, nil, nil, 0, 3, "chat.room.send", "\255",
        life },
      { "forwarded", n = 10, nil, "connector-1", sid, nil, nil, 1, 0, "chat.room.send", "", life },
    }, calls)
    assert.is_true(chat:answer(req, { ok = true }))
    assert.equal("CLOSED", select(3, chat:answer(req, {})))
    cross(chat, front)
    assert.same({ { sid, 3, '{"ok":true}' } }, answers(front))
    -- Short answers, too.
    front:clientData(sid, request(4, "chat.room.send"))
    cross(front, chat)
    chat:answer(calls[3][2], 1)
    cross(chat, front)
    assert.same({ { sid, 4, "1" } }, answers(front))
  end)

  it("goes by the uid's checksum to one that is there", function()
    local uids = { [0] = "", "1", "10001", "alice", "user*room" }
    front:peer("chat-2", true)
    front:peer("chat-3", true)
    for i = 0, #uids do
      local id = front:openSession()
      if i > 0 then front:bind(id, uids[i]) end
      front:clientData(id, notify("chat.a.b"))
      local n = ({ [0] = 0, 2, 1, 2, 2 })[i]
      assert.equal("chat-" .. n + 1, front:outbox()[1].to)
    end
    front:peer("chat-1", false)
    front:peer("chat-3", false)
    front:clientData(sid, notify("chat.a.b"))
    assert.equal("chat-2", front:outbox()[1].to)
  end)

  it("gets code 500 when there is no server for it", function()
    front:peer("chat-1", false)
    front:clientData(sid, request(1, "chat.a.b"))
    front:clientData(sid, request(2, "lobby.a.b"))
    front:clientData(sid, notify("lobby.a.b"))
    assert.same({ { sid, 1, ERROR }, { sid, 2, ERROR } }, answers(front))
    assert.equal(3, front:counts().forwardFails)
    local text = front:lines()[#front:lines()].text
    assert.matches("can not find server info for type:lobby", text, 1, true)
    -- Another frontend takes no messages.
    front:setServers { { id = "gate-1", type = "gate", frontend = true } }
    front:peer("gate-1", true)
    front:clientData(sid, request(3, "gate.a.b"))
    assert.same({ { sid, 3, ERROR } }, answers(front))
    assert.same({}, front:outbox())
  end)

  it("gets code 500 when its server goes, or does not answer", function()
    front:clientData(sid, request(1, "chat.a.b"))
    front:clientData(sid, request(2, "chat.a.b"))
    front:peer("chat-1", false)
    assert.same({ { sid, 1, ERROR }, { sid, 2, ERROR } }, answers(front))
    front:peer("chat-1", true)
    front:clientData(sid, request(3, "chat.a.b"))
    front:advance(10999)
    assert.same({}, answers(front))
    front:advance(1)
    assert.same({ { sid, 3, ERROR } }, answers(front))
    assert.matches("did not answer in time", front:lines()[#front:lines()].text)
  end)

  it("gets the handler's code 500 before its own deadline", function()
    local calls = noting(chat, { "forwarded" })
    front:clientData(sid, request(1, "chat.a.b"))
    cross(front, chat)
    chat:advance(10000)
    front:advance(10000)
    cross(chat, front)
    assert.same({ { sid, 1, ERROR } }, answers(front))
    assert.equal(0, front:counts().forwardFails)
    assert.equal("CLOSED", select(3, chat:answer(calls[1][2], {})))
  end)

  it("gets code 500 when the server refuses it", function()
    front:clientData(sid, request(1, "chat.a.b"))
    local item = front:outbox()[1]
    front:deliver { kind = "answer", from = "chat-1", call = item.call, status = 1, body = "no\7" }
    assert.same({ { sid, 1, ERROR } }, answers(front))
    local line = front:lines()[#front:lines()]
    assert.equal("error", line.level)
    assert.equal("chat.a.b: no answer from server chat-1: no\7", line.text)
    -- A frontend refuses, and so does a request that has no id.
    local refused = {}
    front:deliver { kind = "forward", from = "chat-1", call = 5, ms = 100, session = 1, msgId = 1,
      route = "connector.a.b", body = "{}" }
    refused[1] = front:outbox()[1]
    chat:deliver { kind = "forward", from = "connector-1", call = 6, ms = 100, route = "chat.a.b" }
    chat:deliver { kind = "forward", from = "connector-1", call = 7, ms = 100, route = "chat.a.b",
      msgId = 2 ^ 31 }
    refused[2], refused[3] = unpack(chat:outbox())
    for i = 1, 3 do
      assert.equal("answer", refused[i].kind)
      assert.equal(1, refused[i].status)
      assert.equal(i + 4, refused[i].call)
      assert.is_string(refused[i].body)
    end
  end)

  it("is forgotten when its client goes", function()
    front:clientData(sid, request(1, "chat.a.b"))
    local item = front:outbox()[1]
    front:closeSession(sid)
    front:openSession()
    front:deliver { kind = "answer", from = "chat-1", call = item.call, body = "\4\1{}" }
    assert.same({}, front:sent())
  end)

  it("counts against what is in flight until it is answered", function()
    front:configure { maxInFlight = 2 }
    for i = 1, 3 do front:clientData(sid, request(i, "chat.a.b")) end
    assert.same({ { sid, 3, ERROR } }, answers(front))
    local out = front:outbox()
    assert.equal(2, #out)
    front:deliver { kind = "answer", from = "chat-1", call = out[1].call, body = "\4\1{}" }
    assert.same({ { sid, 1, "{}" } }, answers(front))
    front:clientData(sid, request(4, "chat.a.b"))
    assert.equal(1, #front:outbox())
  end)

  it("is told apart from a call of the same number", function()
    chat:entries {
      forwarded = function(req) chat:answer(req, "for a client") end,
      call = function(id) chat:reply(id, 1, "for a server") end,
    }
    chat:peer("lobby-1", true)
    chat:deliver { kind = "forward", from = "connector-1", call = 5, ms = 100, msgId = 1,
      route = "chat.a.b", body = "{}" }
    chat:deliver { kind = "call", from = "lobby-1", call = 5, ms = 100, route = "a.b", body = "[]" }
    local out = chat:outbox()
    assert.equal('"for a client"', core.read_message(out[1].body).body)
    assert.equal('["for a server"]', out[2].body)
  end)

end)
