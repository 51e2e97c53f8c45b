-- Published Pomelo clients with the route dictionary and protobuf, over real sockets: the chat
-- example with both switched on.
local cjson = require "cjson"
local net = require "spec.support.net"
local support = require "spec.clients.support"

local SEND, ENTER, QUERY = "chat.chatHandler.send", "connector.entryHandler.enter",
  "gate.gateHandler.queryEntry"
local TEXT = "héllo 你好 😀 x}"

local SERVER = cjson.encode {
  onChat = { ["required string msg"] = 1, ["required string from"] = 2,
    ["required string target"] = 3 },
  onAdd = { ["optional string route"] = 1, ["required string user"] = 2 },
  onLeave = { ["optional string route"] = 1, ["required string user"] = 2 },
  [ENTER] = { ["repeated string users"] = 1, ["optional uInt32 code"] = 2 },
  [SEND] = { ["optional string route"] = 1, ["optional uInt32 code"] = 2 },
  [QUERY] = { ["required uInt32 code"] = 1, ["optional string host"] = 2,
    ["optional uInt32 port"] = 3 },
}
local CLIENT = cjson.encode {
  [ENTER] = { ["required string username"] = 1, ["required string rid"] = 2 },
  [SEND] = { ["required string content"] = 1, ["required string target"] = 2 },
  [QUERY] = { ["required string uid"] = 1 },
}

-- Definitions as another server would have given them: with these a push could not be read.
local WRONG = cjson.encode {
  server = { onChat = { msg = { option = "required", type = "uInt32", tag = 7 },
    __messages = {}, __tags = { ["7"] = "msg" } } },
  client = { [SEND] = { content = { option = "required", type = "uInt32", tag = 9 },
    __messages = {}, __tags = { ["9"] = "content" } } },
  version = "another",
}

describe("with dictionary and protobuf, a published client", function()
  local chat, buddy, client
  local rooms = 0
  local room

  setup(function()
    if support.missing() then return end
    chat = support.start(1, {
      config = 'useDict = true, useProtobuf = true, jsonResponses = { "json" }',
      files = { ["config/serverProtos.json"] = SERVER, ["config/clientProtos.json"] = CLIENT,
        ["config/dictionary.json"] = '["onChat","onAdd","onLeave"]' },
    })
  end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
  end)
  before_each(function()
    rooms = rooms + 1
    room = "room " .. rooms
    if support.missing() then pending(support.missing()) end
    buddy = support.client "ws"
  end)
  after_each(function()
    if client then client:finish() end
    if buddy then buddy:finish() end
    client, buddy = nil, nil
  end)

  -- The room hears what each of them says.
  local function talk()
    for _, one in ipairs { client, buddy } do
      assert.same({ route = SEND }, one:request(SEND, { content = TEXT, target = "*" }))
      assert.equal(TEXT, client:pushed("onChat").msg)
      assert.equal(TEXT, buddy:pushed("onChat").msg)
    end
  end

  -- What the next body was that a raw client got.
  local function body_of(one) return assert(one:expect "body") end

  for _, kind in ipairs { "template", "npm", "ours", "ws", "tcp" } do
    it("(" .. kind .. ") logs in, sees who comes, hears and is heard", function()
      client = support.client(kind)
      assert.same({ users = { "alice" } }, (client:enter(chat, "alice", room)))
      assert.same({ users = { "alice", "bob" } }, (buddy:enter(chat, "bob", room)))
      assert.same({ route = "onAdd", user = "bob" }, client:pushed("onAdd"))
      talk()
      client:tell { cmd = "notify", route = SEND, msg = { content = TEXT, target = "*" } }
      assert.equal(TEXT, buddy:pushed("onChat").msg)
      buddy:disconnect()
      assert.same({ route = "onLeave", user = "bob" }, client:pushed("onLeave"))
    end)
  end

  -- Under which key a client keeps what the server at a port has given.
  local keys = {
    npm = function() return "protos" end,
    ours = function(port) return ("pomelua ws://127.0.0.1:%d/"):format(port) end,
  }
  local wrong = { npm = WRONG, ours = ('{"protos":%s,"dict":{"version":"another","codes":{}}}')
    :format(WRONG) }

  for kind, key in pairs(keys) do
    it("(" .. kind .. ") that comes back uses what it has kept", function()
      client = support.client(kind)
      buddy:enter(chat, "bob", room)
      local _, port = client:enter(chat, "alice", room)
      talk()
      client:tell { cmd = "stored", key = key(port) }
      local kept = assert(client:expect "stored").body
      assert.matches("onChat", kept)
      client:disconnect()
      client:connect(port)
      assert.same({ users = { "alice", "bob" } },
        client:request(ENTER, { username = "alice", rid = room }))
      talk()
      client:tell { cmd = "stored", key = key(port) }
      assert.equal(kept, assert(client:expect "stored").body)
    end)

    it("(" .. kind .. ") that has kept the definitions of another server gets the right ones",
      function()
        client = support.client(kind)
        for _, port in ipairs(chat.connectors) do
          client:tell { cmd = "store", key = key(port), value = wrong[kind] }
        end
        buddy:enter(chat, "bob", room)
        client:enter(chat, "alice", room)
        talk()
      end)
  end

  it("(ws) that has kept all is sent nothing again", function()
    client = support.client "ws"
    buddy:enter(chat, "bob", room)
    local _, port = client:enter(chat, "alice", room)
    client:disconnect()
    local sys = client:connect(port).body.sys
    assert.is_table(sys.dict)
    assert.is_table(sys.protos)
    client:disconnect()
    local again = client:connect(port, nil,
      { dictVersion = sys.dictVersion, protoVersion = sys.protos.version }).body.sys
    assert.same({ heartbeat = 1, useDict = true, useProto = true }, again)
    client:request(ENTER, { username = "alice", rid = room })
    talk()
  end)

  it("(ws) gets pushes with numbers and in fewer bytes", function()
    client = support.client "ws"
    client:enter(chat, "alice", room)
    client.events = {}
    client:request(SEND, { content = "hello", target = "*" })
    client:pushed("onChat")
    local first, second = body_of(client), body_of(client)
    local push = first.coded and first or second
    assert.is_true(push.coded)
    assert.equal("protobuf", push.form)
    assert.equal(2 + 5 + 2 + 5 + 2 + 1, push.bytes)
  end)

  it("(ws) of a type in jsonResponses gets responses as JSON, and pushes as protobuf", function()
    client = support.client "ws"
    local _, port = client:enter(chat, "alice", room)
    client:disconnect()
    client:connect(port, nil, { type = "json" })
    client.events = {}
    assert.same({ users = { "alice" } },
      client:request(ENTER, { username = "alice", rid = room }))
    assert.equal("json", body_of(client).form)
    buddy:enter(chat, "bob", room)
    client:pushed("onAdd")
    assert.equal("protobuf", body_of(client).form)
  end)
end)
