-- Published Pomelo clients against the chat example, over real sockets.
local cjson = require "cjson"
local net = require "spec.support.net"
local support = require "spec.clients.support"

local SEND = "chat.chatHandler.send"

describe("a published client", function()
  local chat, buddy

  setup(function()
    if support.missing() then return end
    chat = support.start(1) -- so that several heartbeats fit into a spec
  end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
  end)

  -- A room of its own for each spec: what one leaves behind, the others do not see.
  local rooms = 0
  local function new_room()
    rooms = rooms + 1
    return "room " .. rooms
  end

  for _, kind in ipairs { "template", "npm", "ours", "ws", "tcp", "browser" } do
    describe("(" .. kind .. ")", function()
      local client, room
      local missing = support.missing(kind)

      local function it_does(what, check)
        it(what, function()
          if missing then pending(missing) end
          check()
        end)
      end

      before_each(function()
        if missing then return end
        room = new_room()
        client = support.client(kind)
        buddy = support.client "ws"
      end)
      after_each(function()
        if client then client:finish() end
        if buddy then buddy:finish() end
        client, buddy = nil, nil
      end)

      it_does("finds its connector at the gate and logs in", function()
        local answer, port = client:enter(chat, "alice", room)
        assert.same({ users = { "alice" } }, answer)
        assert.is_true(port == chat.connectors[1] or port == chat.connectors[2])
      end)

      it_does("sees who comes and goes, and hears what is said", function()
        client:enter(chat, "alice", room)
        assert.same({ users = { "alice", "bob" } }, (buddy:enter(chat, "bob", room)))
        assert.same({ route = "onAdd", user = "bob" }, client:pushed("onAdd"))

        assert.same({ route = SEND }, buddy:request(SEND, { content = "hello", target = "*" }))
        local hello = { msg = "hello", from = "bob", target = "*" }
        assert.same(hello, client:pushed("onChat"))
        assert.same(hello, buddy:pushed("onChat"))

        buddy:request(SEND, { content = "psst", target = "alice" })
        assert.same({ msg = "psst", from = "bob", target = "alice" }, client:pushed("onChat"))

        buddy:disconnect()
        assert.same({ route = "onLeave", user = "bob" }, client:pushed("onLeave"))
      end)

      it_does("is heard, also beyond the BMP and when it only notifies", function()
        client:enter(chat, "alice", room)
        buddy:enter(chat, "bob", room)
        client:pushed("onAdd")
        local text = "héllo 你好 😀 x}"
        assert.same({ route = SEND }, client:request(SEND, { content = text, target = "*" }))
        assert.equal(text, client:pushed("onChat").msg)
        assert.equal(text, buddy:pushed("onChat").msg)

        client:tell { cmd = "notify", route = SEND, msg = { content = "psst", target = "bob" } }
        assert.same({ msg = "psst", from = "alice", target = "bob" }, buddy:pushed("onChat"))
        assert.is_false(client:has("answer"))
      end)

      it_does("is refused when the name is taken", function()
        buddy:enter(chat, "alice", room)
        assert.same({ code = 500, error = true }, (client:enter(chat, "alice", room)))
      end)

      it_does("gets code 500 for what nobody handles", function()
        client:connect(chat.connectors[1])
        assert.same({ code = 500 }, client:request("connector.nobody.home", {}))
        assert.same({ code = 500 }, client:request("nowhere.to.go", {}))
      end)

      it_does("is told why it is kicked", function()
        client:enter(chat, "alice", room)
        client:tell { cmd = "request", tag = "kick", route = "connector.testHandler.kick",
          msg = { reason = "too loud" } }
        local kick = assert(client:expect("kick"))
        -- The template's client does not hand the reason on.
        if kind ~= "template" and kind ~= "browser" then
          assert.equal("too loud", kick.body.reason)
        end
        assert(client:expect("disconnect"))
      end)

      it_does("comes back after its connection was lost", function()
        local itself = kind == "npm" or kind == "ours"
        local _, port = client:enter(chat, "alice", room, itself)
        buddy:connect(port)
        buddy:request("connector.testHandler.drop", { uid = "alice*" .. room })
        assert(client:expect("disconnect"))
        if itself then
          -- The one from npm waits 5 s before it tries.
          assert(client:expect("reconnect", nil, support.patience))
          assert(client:expect("connected"))
        else
          client:connect(port)
        end
        assert.is_false(client:has("kick"))
        assert.same({ users = { "alice" } },
          client:request("connector.entryHandler.enter", { username = "alice", rid = room }))
      end)
    end)
  end

  describe("(all of them)", function()
    local clients = {}

    after_each(function()
      for _, client in pairs(clients) do client:finish() end
      clients = {}
    end)

    it("stays connected by its heartbeats alone", function()
      if support.missing() then pending(support.missing()) end
      for _, kind in ipairs { "template", "npm", "ours", "tcp", "ws", "browser" } do
        if not support.missing(kind) then
          clients[kind] = support.client(kind)
          clients[kind]:connect(chat.connectors[1])
        end
      end
      -- Five heartbeats are twice as long as the server would wait.
      for _ = 1, 5 do assert(clients.ws:expect("package", { type = 3 })) end
      for kind, client in pairs(clients) do
        assert.is_false(client:has("disconnect"), kind)
        assert.same({ code = 500 }, client:request("connector.nobody.home", {}), kind)
      end
    end)

    it("gets one package in each WebSocket frame", function()
      if support.missing() then pending(support.missing()) end
      clients.ws = support.client "ws"
      clients.ws:enter(chat, "alice", "frames")
      for i = 1, 50 do
        clients.ws:tell { cmd = "notify", route = SEND,
          msg = { content = tostring(i), target = "*" } }
      end
      for i = 1, 50 do assert.equal(tostring(i), clients.ws:pushed("onChat").msg) end
      for _, event in ipairs(clients.ws.events) do
        if event.event == "package" then assert.is_true(event.alone) end
      end
    end)

    it("may send several packages in one frame", function()
      if support.missing() then pending(support.missing()) end
      clients.ws = support.client "ws"
      clients.ws:connect(chat.connectors[1])
      -- Two requests, ids 1 and 2, for the route "a.".
      local both = "\4\0\0\7\0\1\2a.{}" .. "\4\0\0\7\0\2\2a.{}"
      clients.ws:tell { cmd = "send", hex = (both:gsub(".", function(c)
        return ("%02x"):format(c:byte())
      end)) }
      assert.same({ code = 500 }, assert(clients.ws:expect("answer")).body)
      assert.same({ code = 500 }, assert(clients.ws:expect("answer")).body)
    end)
  end)

  describe("(npm) that has the protos of a Pomelo in its localStorage", function()
    -- As Pomelo's handshake has them: the parsed form, with messages and tags.
    local function proto(field)
      return { [field] = { option = "required", type = "string", tag = 1 },
        __messages = {}, __tags = { ["1"] = field } }
    end
    local protos = {
      server = { onAdd = proto "user", onChat = proto "msg" },
      client = { [SEND] = proto "content" },
      version = "w6dkVXFmfPwjy3F5FQsaIQ==",
    }

    it("forgets them here: what it sends and gets is readable", function()
      if support.missing() then pending(support.missing()) end
      local client, other = support.client "npm", support.client "ws"
      client:tell { cmd = "store", key = "protos", value = cjson.encode(protos) }
      client:enter(chat, "alice", "protos")
      other:enter(chat, "bob", "protos")
      assert.same({ route = "onAdd", user = "bob" }, client:pushed("onAdd"))
      assert.same({ route = SEND }, client:request(SEND, { content = "hello", target = "*" }))
      assert.same({ msg = "hello", from = "alice", target = "*" }, client:pushed("onChat"))
      client:tell { cmd = "stored", key = "protos" }
      assert.same({ server = {}, client = {}, version = 0 },
        cjson.decode(assert(client:expect("stored")).body))
      client:finish()
      other:finish()
    end)
  end)

  describe("(ours)", function()
    local client

    before_each(function()
      if not support.missing() then client = support.client "ours" end
    end)
    after_each(function()
      if client then client:finish() end
      client = nil
    end)

    it("rejects a request that takes too long", function()
      if support.missing() then pending(support.missing()) end
      client:connect(chat.connectors[1])
      client:tell { cmd = "request", tag = 1, route = "connector.testHandler.never", msg = {},
        timeout = 100 }
      assert.equal("TIMEOUT", assert(client:expect("rejected", { tag = 1 })).code)
    end)

    it("rejects what waits when the connection ends", function()
      if support.missing() then pending(support.missing()) end
      client:connect(chat.connectors[1])
      client:tell { cmd = "request", tag = 1, route = "connector.testHandler.never", msg = {} }
      client:tell { cmd = "disconnect" }
      assert.equal("CLOSED", assert(client:expect("rejected", { tag = 1 })).code)
      client:tell { cmd = "request", tag = 2, route = "connector.testHandler.never", msg = {} }
      assert.equal("CLOSED", assert(client:expect("rejected", { tag = 2 })).code)
    end)

    it("says so when nobody is there", function()
      if support.missing() then pending(support.missing()) end
      client:tell { cmd = "connect", port = require("spec.support.ports").some(1)[1] }
      assert(client:expect("failed"))
    end)
  end)
end)
