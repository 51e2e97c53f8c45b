-- In which form a client gets its messages, as a node's scripts set it (core/bind/l_forms.c,
-- core/bind/l_protos.c; core/node/forms, transcode).
local core = require "pomelua.core"
local nodes = require "spec.support.nodes"
local push = require "spec.support.push"

local request, answers, noting = nodes.request, nodes.answers, nodes.noting

local SERVER = [[{ "onMove": { "required uInt32 x": 1, "repeated uInt32 path": 2 },
  "connector.a.b": { "optional uInt32 x": 1, "optional uInt32 code": 2 } }]]
local CLIENT = [[{ "connector.a.b": { "required uInt32 x": 1 } }]]

describe("definitions of messages", function()
  it("have Pomelo's version and the text of a handshake", function()
    -- protocol 25.4
    local protos = assert(core.protos('{"onMove":{"required uInt32 x":1}}',
      '{"chat.chatHandler.send":{"required string content":1}}'))
    assert.equal("w6dkVXFmfPwjy3F5FQsaIQ==", protos:version())
    assert.matches('"version":"w6dkVXFmfPwjy3F5FQsaIQ=="', protos:json(), 1, true)
    assert.equal("", core.protos():version())
    assert.equal("", core.protos(nil, nil):version())
  end)

  it("say what is wrong with them, and where", function()
    local protos, err = core.protos('{\n"onMove":{"required uInt32 x":1,\n"optional uInt32 y":1}}')
    assert.is_nil(protos)
    assert.is_true(err.server)
    assert.equal(3, err.line)
    assert.matches("onMove", err.key)
    assert.matches("tag", err.what)
    protos, err = core.protos(nil, "{")
    assert.is_nil(protos)
    assert.is_false(err.server)
    assert.error(function() core.protos({}) end)
    assert.error(function() core.protos("{}").version(io.stdout) end)
  end)
end)

describe("a client's form", function()
  local node, sid, calls, plain

  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
    calls = noting(node, { "message" })
    sid, plain = node:openSession(), node:openSession()
    node:bind(sid, "ann")
    node:bind(plain, "bob")
    node:setProtos(assert(core.protos(SERVER, CLIENT)))
    assert.is_true(node:setForm(sid, { protos = true }))
  end)
  after_each(function() node:close() end)

  local function pushed(route, msg, ms)
    return push.uids(node, route, msg,
      { { uid = "ann", sid = "connector-1" }, { uid = "bob", sid = "connector-1" } }, nil, ms or 0)
  end

  -- The bytes that the clients got, by session.
  local function got()
    local bytes = {}
    for _, one in ipairs(node:sent()) do bytes[one.sid] = one.bytes or one.kind end
    return bytes
  end

  it("makes its pushes protobuf, and those of others stay JSON", function()
    assert.is_true(pushed("onMove", { x = 300 }))
    assert.same({ [sid] = "\6\6onMove\8\172\2", [plain] = '\6\6onMove{"x":300}' }, got())
    assert.is_true(pushed("onChat", { x = 300 }))
    assert.same({ [sid] = '\6\6onChat{"x":300}', [plain] = '\6\6onChat{"x":300}' }, got())
  end)

  it("gives the plain ones an empty list where the definition has one", function()
    assert.is_true(pushed("onMove", { x = 1, path = {} }))
    local bytes = got()
    assert.matches('"path":[]', bytes[plain], 1, true)
    assert.equal("\6\6onMove\8\1", bytes[sid])
    assert.is_true(pushed("onMove", { x = 1 }))
    assert.equal('\6\6onMove{"x":1}', got()[plain])
  end)

  it("refuses a push that does not fit, to the pusher, with the path", function()
    local id, message, name = pushed("onMove", { x = 1, path = { 1, -2 } }, 100)
    assert.is_nil(id)
    assert.equal("ENCODE", name)
    assert.matches("^msg%.path%[2%]: .*onMove", message)
    id, message = pushed("onMove", {}, 100)
    assert.is_nil(id)
    assert.matches("msg.x", message, 1, true)
    assert.same({}, node:sent())
  end)

  it("refuses such an answer, which may be given again", function()
    node:clientData(sid, request(5, "connector.a.b", "\8\7"))
    assert.equal('{"x":7}', calls[1][9])
    local req = calls[1][2]
    local ok, message, name = node:answer(req, { x = "one" })
    assert.is_nil(ok)
    assert.matches("^msg%.x: ", message)
    assert.equal("ENCODE", name)
    assert.is_true(node:answer(req, { code = 500 }))
    assert.same({ { sid, 5, "\16\244\3" } }, answers(node))
  end)

  it("makes bytes that are no message of the definition an error of the protocol", function()
    local ok, _, name = node:clientData(sid, request(5, "connector.a.b", "\8"))
    assert.is_nil(ok)
    assert.equal("PROTO", name)
    assert.equal(1, node:counts().badProtobuf)
    assert.same({}, calls)
    assert.is_true(node:clientData(plain, request(5, "connector.a.b", "\8")))
    assert.equal("\8", calls[1][9])
  end)

  it("keeps its definitions when others come", function()
    node:setProtos(assert(core.protos([[{ "onMove": { "optional string x": 1 } }]], "")))
    pushed("onMove", { x = "7" })
    assert.same({ [sid] = "\6\6onMove\8\7", [plain] = '\6\6onMove{"x":"7"}' }, got())
    pushed("onMove", { x = "one" }) -- the old ones have no form for it
    assert.same({ [sid] = "close", [plain] = '\6\6onMove{"x":"one"}' }, got())
    assert.equal(1, node:counts().closedProtos)
  end)

  it("is set for a session that is there, by fields that are there", function()
    local ok, _, name = node:setForm(77, {})
    assert.is_nil(ok)
    assert.equal("NOENT", name)
    assert.error(function() node:setForm(sid) end)
    assert.error(function() node:setProtos("text") end)
    node:setProtos(nil)
    assert.is_true(node:setForm(sid, { protos = true, cesu8 = true, jsonResponses = true }))
    pushed("onMove", {})
    assert.same({ [sid] = "\6\6onMove{}", [plain] = "\6\6onMove{}" }, got())
  end)
end)
