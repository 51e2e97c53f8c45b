-- core.protos (core/bind/l_protos): definitions, and messages by them. What the bytes must be is
-- said by core/test/test_protobuf_write.c and by spec/clients/protobuf_spec.lua.
local core = require "pomelua.core"

local SERVER = [[{ "onMove": { "required uInt32 id": 1, "repeated string names": 2 } }]]
local CLIENT = [[{ "a.b.c": { "optional string text": 1 } }]]

describe("core.protos", function()
  local protos = assert(core.protos(SERVER, CLIENT))

  it("knows what servers and what clients send", function()
    assert.is_true(protos:has("server", "onMove"))
    assert.is_false(protos:has("client", "onMove"))
    assert.is_true(protos:has("client", "a.b.c"))
  end)

  it("has Pomelo's version", function()
    local other = core.protos([[{"onMove":{"required uInt32 x":1}}]],
      [[{"chat.chatHandler.send":{"required string content":1}}]])
    assert.equal("w6dkVXFmfPwjy3F5FQsaIQ==", other:version())
    assert.equal("", core.protos():version())
    assert.equal('{"server":{},"client":{},"version":""}', core.protos():json())
  end)

  it("encodes and decodes", function()
    local bytes = protos:encode("server", "onMove", '{"id":300,"names":["a"]}')
    assert.equal("\8\172\2\18\1a", bytes)
    assert.equal('{"id":300,"names":["a"]}', protos:decode("server", "onMove", bytes))
    assert.equal("{}", protos:decode("client", "a.b.c", ""))
  end)

  it("allows an empty message only where it is told to", function()
    local bytes, message, name = protos:encode("client", "a.b.c", "{}")
    assert.is_nil(bytes)
    assert.equal("no field has a value, and clients cannot read an empty message", message)
    assert.equal("INVAL", name)
    assert.equal("", protos:encode("client", "a.b.c", "{}", true))
  end)

  it("writes characters above U+FFFF as old browser clients read them when told to", function()
    local text = '{"text":"\\ud83d\\ude00"}'
    assert.equal("\10\4\240\159\152\128", protos:encode("client", "a.b.c", text))
    local old = protos:encode("client", "a.b.c", text, false, true)
    assert.equal("\10\6\237\160\189\237\184\128", old)
    assert.equal(text, protos:decode("client", "a.b.c", old))
  end)

  it("mends the text of a message with an empty table", function()
    assert.equal('{"id":1,"names":[]}', protos:check("server", "onMove", '{"id":1,"names":{}}'))
    assert.equal('{"id":1}', protos:check("server", "onMove", '{"id":1}'))
  end)

  it("names the field that does not fit", function()
    for _, method in ipairs { "check", "encode" } do
      local value, message, name = protos[method](protos, "server", "onMove",
        '{"id":1,"names":["a",2]}')
      assert.is_nil(value)
      assert.equal("names[2]: a string is needed, not a number", message)
      assert.equal("INVAL", name)
    end
  end)

  it("has no words for a route without a definition", function()
    for _, method in ipairs { "check", "encode", "decode" } do
      local value, message, name = protos[method](protos, "server", "a.b.c", "{}")
      assert.is_nil(value)
      assert.equal("this route has no definition", message)
      assert.equal("NOENT", name)
    end
    local value, message, name = protos:decode("server", "onMove", "\8")
    assert.is_nil(value)
    assert.equal("these bytes do not fit the definition", message)
    assert.equal("PROTO", name)
  end)

  it("names file, line and key of what is wrong", function()
    local set, err = core.protos(SERVER, '{\n"a": { "required uint32 x": 1 } }')
    assert.is_nil(set)
    assert.same({ server = false, line = 2, key = "a > x",
      what = "the type uint32 is unknown; uInt32 is one" }, err)
  end)
end)
