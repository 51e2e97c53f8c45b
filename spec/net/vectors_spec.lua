-- The bytes of protocol 25.1 and protocol 25.2 through the real program: routes like
-- `a.b.c` exist in this app.
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"

local function hex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local function to_hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x "):format(c:byte()) end):gsub(" $", ""))
end

local servers = [[
{
  "connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}
  ],
  "a": [{"id": "a-1", "host": "127.0.0.1"}]
}
]]

-- Counts notifies; answers {} to requests; pushes and kicks as the vectors say.
local handler = [[
return function(app)
  local Handler, n = {}, 0
  function Handler:c()
    n = n + 1
    return {}
  end
  function Handler:told() return { n = n } end
  function Handler:push(_, session)
    app:get("channelService"):pushMessageByUids("onX", {},
      { { uid = session.uid, sid = session.frontendId } })
  end
  function Handler:kick(_, session) session:kick("kick") end
  return Handler
end
]]

for _, transport in ipairs(pomelo.transports) do
  describe("over " .. transport, function()
    local server

    setup(function()
      server = talk.start {
        files = {
          ["config/servers.json"] = servers,
          ["app/servers/a/handler/b.lua"] = handler,
        },
      }
    end)
    after_each(pomelo.closeAll)
    teardown(function() server:stop { "can not find server info" } end)

    local function connect() return pomelo.connect(server.port, transport) end

    -- Sends a message given in hex, and receives one as hex.
    local function ask(client, text)
      client:package(pomelo.DATA, hex(text))
      return to_hex(assert(client:nextPackage()).body)
    end

    it("packages: handshake 01.., ack 02000000, heartbeat 03000000, data 04..", function()
      local client = assert(pomelo.open(server.port, transport))
      client:bytes(hex "01 00 00 0a" .. '{"sys":{}}')
      assert.are.same({ type = 1, body = '{"code":200,"sys":{}}' }, assert(client:next()))
      client:bytes(hex "02 00 00 00")
      client:bytes(hex "03 00 00 00")
      client:bytes(hex "04 00 00 0a 00 01 05 61 2e 62 2e 63 7b 7d")
      assert.are.same({ type = 4, body = hex "04 01 7b 7d" }, assert(client:next()))
    end)

    it("the bytes 010000027b7d are a handshake without sys", function()
      local client = assert(pomelo.open(server.port, transport))
      client:bytes(hex "01 00 00 02 7b 7d")
      assert.are.same({ type = 1, body = '{"code":500}' }, assert(client:next()))
      assert.are.same({}, assert(client:rest()))
    end)

    it("byte by byte, 03000000 04.. 02000000 are three packages", function()
      local client = connect()
      client:drip(hex "03 00 00 00  04 00 00 0a 00 01 05 61 2e 62 2e 63 7b 7d  02 00 00 00")
      assert.are.equal("04 01 7b 7d", to_hex(assert(client:nextPackage()).body))
      assert.are.equal("04 02 7b 7d", ask(client, "00 02 05 61 2e 62 2e 63 7b 7d"))
    end)

    it("a kick is 050000117b22726561736f6e223a226b69636b227d", function()
      local client = connect()
      client:data { type = pomelo.NOTIFY, route = "a.b.kick" }
      local want = hex "05 00 00 11 7b22726561736f6e223a226b69636b227d"
      local head = client.ws and hex "82 15" or ""
      assert.are.equal(to_hex(head .. want), to_hex(assert(client.conn:receive(#head + #want))))
    end)

    it("request id 1 route a.b.c is answered by 04 01 7b 7d", function()
      assert.are.equal("04 01 7b 7d", ask(connect(), "00 01 05 61 2e 62 2e 63 7b 7d"))
    end)

    it("request id 128 code 5 is answered with that id, and code 500: no dictionary", function()
      assert.are.equal("04 80 01 " .. to_hex '{"code":500}', ask(connect(), "01 80 01 00 05 7b 7d"))
    end)

    it("notify route a.b.c is dispatched", function()
      local client = connect()
      local before = assert(client:request("a.b.told")).n
      client:package(pomelo.DATA, hex "02 05 61 2e 62 2e 63 7b 7d")
      assert.are.equal(before + 1, assert(client:request("a.b.told")).n)
    end)

    it("a push of {} with route onX is 06 03 6f 6e 58 7b 7d: no gzip bit", function()
      local client = connect()
      assert(client:request("connector.entryHandler.join", { uid = "x" .. transport }))
      client:data { type = pomelo.NOTIFY, route = "a.b.push" }
      assert.are.equal("06 03 6f 6e 58 7b 7d", to_hex(assert(client:nextPackage()).body))
    end)

    it("request id 0 with an empty route and no body is dropped", function()
      local client = connect()
      client:package(pomelo.DATA, hex "00 00 00")
      assert.are.equal("04 01 7b 7d", ask(client, "00 01 05 61 2e 62 2e 63 7b 7d"))
    end)

    it("03 00 05, a notify with code 5 and no body, is dropped", function()
      local client = connect()
      client:package(pomelo.DATA, hex "03 00 05")
      assert.are.equal("04 01 7b 7d", ask(client, "00 01 05 61 2e 62 2e 63 7b 7d"))
    end)

    it("07 01 2c 7b 7d, a push with code 300, is a notify that is dropped", function()
      local client = connect()
      client:package(pomelo.DATA, hex "07 01 2c 7b 7d")
      assert.are.equal("04 01 7b 7d", ask(client, "00 01 05 61 2e 62 2e 63 7b 7d"))
    end)

    it("00 ff ff ff ff 0f 01 61, Pomelo's id -1, closes", function()
      local client = connect()
      client:package(pomelo.DATA, hex "00 ff ff ff ff 0f 01 61")
      assert.are.same({}, assert(client:rest()))
    end)
  end)
end
