-- Calls between servers: their values, answers, errors and deadlines (core/bind/l_rpc,
-- core/bus/rpc).
local core = require "pomelua.core"
local nodes = require "spec.support.nodes"

local noting, cross = nodes.noting, nodes.cross

describe("a remote call", function()
  local chat, front

  before_each(function()
    chat = core.node { id = "chat-1", type = "chat" }
    front = core.node { id = "f1", type = "connector", frontend = true }
    chat:peer("f1", true)
    front:peer("chat-1", true)
  end)
  after_each(function()
    chat:close()
    front:close()
  end)

  it("carries its values, nils in place", function()
    local calls = noting(chat, { "call" })
    local id = front:call("chat-1", "room.add", 5000, 4, "a", nil, { 1 }, nil)
    assert.is_number(id)
    cross(front, chat)
    assert.same({ "call", n = 5, calls[1][2], "f1", "room.add",
      '["a",null,[1],null]', false }, calls[1])
    assert.is_true(front:call("chat-1", "room.add", 0, 0))
    cross(front, chat)
    assert.same({ "call", n = 5, nil, "f1", "room.add", "[]", false }, calls[2])
    assert.is_true(front:callAside("chat-1", "room.add", 0, 0)) -- a stop does not wait for it
    assert.is_true(front:outbox()[1].aside)
    front:call("chat-1", "room.add", 5000, 3)
    assert.equal("[null,null,null]", front:outbox()[1].body)
    front:call("chat-1", "room.add", 5000, 1, 1, 2, 3)
    assert.equal("[1]", front:outbox()[1].body)
  end)

  it("is answered once", function()
    local calls, ends = noting(chat, { "call" }), noting(front, { "answered" })
    local a = front:call("chat-1", "r.a", 5000, 0)
    local b = front:call("chat-1", "r.b", 5000, 0)
    cross(front, chat)
    assert.is_true(chat:reply(calls[2][2], 3, 1, nil, "x"))
    assert.is_true(chat:replyError(calls[1][2], "no \0 way"))
    for _, reply in ipairs { chat.reply, chat.replyError } do
      local ok, message, name = reply(chat, calls[1][2], 0)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.equal("CLOSED", name)
    end
    assert.same({}, ends)
    cross(chat, front)
    assert.same({
      { "answered", n = 3, b, "OK", '[1,null,"x"]' },
      { "answered", n = 3, a, "ERROR", "no \0 way" },
    }, ends)
    front:advance(60000)
    assert.equal(2, #ends)
  end)

  it("ends at its deadline, on both sides", function()
    local calls, ends = noting(chat, { "call" }), noting(front, { "answered" })
    local id = front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    front:advance(100)
    assert.same({ { "answered", n = 3, id, "TIMEOUT", "no answer in time" } }, ends)
    assert.is_true(chat:reply(calls[1][2], 0))
    cross(chat, front)
    assert.equal(1, #ends)
    assert.equal(1, front:counts().rpcLate)
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    chat:advance(100)
    assert.equal("CLOSED", select(3, chat:reply(calls[2][2], 0)))
  end)

  it("ends when its server goes", function()
    local ends = noting(front, { "answered" })
    local id = front:call("chat-1", "r.a", 100, 0)
    front:peer("chat-1", false)
    assert.same({ { "answered", n = 3, id, "NOENT", "the server is gone" } }, ends)
    front:advance(1000)
    assert.equal(1, #ends)
    local ok, message, name = front:call("chat-1", "r.a", 100, 0)
    assert.is_nil(ok)
    assert.equal("server 'chat-1' is not there", message)
    assert.equal("NOENT", name)
    assert.equal("NOENT", select(3, front:call("chat-1", "r.a", 0, 0)))
  end)

  it("may be made again where one ends", function()
    local n = 0
    front:entries { answered = function()
      n = n + 1
      if n < 3 then
        front:peer("chat-1", true)
        assert(front:call("chat-1", "r.a", 100, 0))
        front:peer("chat-1", false)
      end
    end }
    front:call("chat-1", "r.a", 100, 0)
    front:call("chat-1", "r.b", 100, 0)
    front:peer("chat-1", false)
    front:advance(1000)
    assert.equal(4, n)
  end)

  it("to oneself is a call like others", function()
    local calls = noting(front, { "call", "answered" })
    assert.is_number(front:call("f1", "r.a", 100, 1, "me"))
    cross(front, front)
    assert.equal("call", calls[1][1])
    front:reply(calls[1][2], 1, "you")
    cross(front, front)
    assert.equal('["you"]', calls[2][4])
  end)

  it("waits a millisecond at least when an answer is wanted", function()
    local ends = noting(front, { "answered" })
    assert.is_number(front:call("chat-1", "r.a", 0.25, 0))
    front:advance(1)
    assert.equal("TIMEOUT", ends[1][3])
  end)

  it("that is no JSON is not made", function()
    local ok, message, name = front:call("chat-1", "r.a", 100, 2, 1, { f = print })
    assert.is_nil(ok)
    assert.matches("%.f: a function", message)
    assert.equal("ENCODE", name)
    assert.same({}, front:outbox())
    local calls = noting(chat, { "call" })
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    assert.equal("ENCODE", select(3, chat:reply(calls[1][2], 1, print)))
    assert.is_true(chat:replyError(calls[1][2], "cannot say")) -- still open
  end)

  it("that is too big is not made, its answer may be replaced", function()
    local big = ("x"):rep(16 * 1024 * 1024)
    local ok, message, name = front:call("chat-1", "r.a", 100, 2, big, big)
    assert.is_nil(ok)
    assert.is_string(message)
    assert.is_true(name == "TOOBIG" or name == "ENCODE")
    local calls = noting(chat, { "call" })
    front:call("chat-1", "r.a", 100, 0)
    cross(front, chat)
    assert.is_nil((chat:reply(calls[1][2], 2, big, big)))
    assert.is_nil((chat:reply(calls[1][2], 2, big, big:sub(1, -12))))
    assert.is_true(chat:replyError(calls[1][2], "too big"))
  end)

  it("is refused by a server that has no function for it", function()
    local function refused(id)
      chat:deliver { kind = "call", from = "f1", call = id, ms = 10, route = "r.a", body = "[]" }
      local records = chat:outbox()
      assert.same({ 1, "answer", id, 1, "this server could not take the call: see its log" },
        { #records, records[1].kind, records[1].call, records[1].status, records[1].body })
    end
    refused(1)
    chat:entries { call = function() error("x") end }
    refused(2)
    assert.matches("^call: .*x\nstack", chat:lines()[#chat:lines()].text)
  end)

  it("raises on wrong arguments", function()
    local function bad(method, ...)
      local args, n = { ... }, select("#", ...)
      assert.error(function() chat[method](chat, unpack(args, 1, n)) end)
    end
    bad("call")
    bad("call", {}, "r.a", 0, 0)
    bad("call", "f1", {}, 0, 0)
    bad("call", "f1", "r.a", "soon", 0)
    bad("call", "f1", "r.a", -1, 0)
    bad("call", "f1", "r.a", 0 / 0, 0)
    bad("call", "f1", "r.a", 2 ^ 32, 0)
    bad("call", "f1", "r.a", 0, -1)
    bad("call", "f1", "r.a", 0, 251)
    bad("call", "f1", "r.a", 0)
    bad("reply", {}, 0)
    bad("reply", 1)
    bad("reply", 1, 251)
    bad("replyError", 1)
    bad("replyError", 1, {})
    assert.equal("CLOSED", select(3, chat:reply(1, 0)))
    assert.equal("CLOSED", select(3, chat:replyError(0 / 0, "x")))
  end)
end)
