-- The definitions of protobuf as a scripted client gets them. Tests client/protos.lua.
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local protos = require "pomelua.client.protos"

local SERVER = [[{ "onMove": { "required uInt32 x": 1, "message P": { "optional string s": 1 },
  "repeated P list": 2, "optional Shared m": 3 },
  "message Shared": { "repeated double d": 1 } }]]
local CLIENT = [[{ "a.b.c": { "optional string text": 1 } }]]

describe("a client's definitions", function()
  local set = assert(core.protos(SERVER, CLIENT))
  local given = json.decode(set:json())

  it("are made of what a handshake gives", function()
    local mine = assert(protos.of(given))
    local text = '{"x":1,"list":[{"s":"a"},{}],"m":{"d":[0.5]}}'
    local bytes = set:encode("server", "onMove", text)
    assert.same(json.decode(text), (protos.decode(mine, "onMove", bytes)))
    assert.equal(set:encode("client", "a.b.c", '{"text":"hi"}'),
      protos.encode(mine, "a.b.c", { text = "hi" }))
  end)

  it("are shared by clients of one version", function()
    assert.equal(protos.of(given), protos.of(given))
  end)

  it("are none when the server gives none", function()
    assert.is_nil(protos.of(nil))
    assert.equal('{"text":"hi"}', protos.encode(nil, "a.b.c", { text = "hi" }))
    assert.same({ code = 200 }, (protos.decode(nil, "onMove", '{"code":200}')))
    local empty = protos.of { server = {}, client = {}, version = 0 }
    assert.equal("{}", protos.encode(empty, "a.b.c", nil))
  end)

  it("leave an answer that is JSON all the same as it is", function()
    assert.same({ code = 500 }, (protos.decode(protos.of(given), "onMove", '{"code":500}')))
  end)

  it("allow an empty message to a server", function()
    assert.equal("", protos.encode(protos.of(given), "a.b.c", {}))
  end)

  it("say what does not fit", function()
    local bytes, message = protos.encode(protos.of(given), "a.b.c", { text = 5 })
    assert.is_nil(bytes)
    assert.equal("the message does not fit its definition: text: a string is needed, not a number",
      message)
    local value
    value, message = protos.decode(protos.of(given), "onMove", "\8")
    assert.is_nil(value)
    assert.equal("onMove: a body that does not fit serverProtos", message)
    bytes, message = protos.encode(nil, "a.b.c", { print })
    assert.is_nil(bytes)
    assert.matches("^the message is not JSON: ", message)
  end)

  it("are refused when they are not of Pomelo's form", function()
    for _, wrong in ipairs {
      { server = { onMove = { x = 5 } }, version = "1" },
      { server = { onMove = 5 }, version = "2" },
      { server = { onMove = { x = { option = "o", type = "uInt32", tag = 1 } } }, version = "3" },
    } do
      local none, message = protos.of(wrong)
      assert.is_nil(none)
      assert.matches("^the server's definitions", message)
    end
  end)
end)
