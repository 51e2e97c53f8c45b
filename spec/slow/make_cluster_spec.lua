-- `make cluster`: an example as one process per server, by tools/cluster.sh; examples_spec looks at
-- the pages.
-- It measures nothing: another one may run beside it.
local client = require "pomelua.client"
local core = require "pomelua.core"
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("tools/cluster.sh", function()
  local chat

  after_each(function()
    if chat then chat:stop() end
    net.closeAll()
  end)

  local function children()
    local pipe = io.popen(("pgrep -f 'start [/]%s'"):format(chat.dir:sub(2))) -- not itself
    local list = pipe:read("*a")
    pipe:close()
    return list
  end

  it("runs the chat as five processes over a broker, and ends them in order", function()
    chat = support.start(nil, { cluster = true })
    local _, n = children():gsub("%d+", "")
    assert.equal(5, n)
    local gate = assert(client.connect { port = chat.gate })
    -- A room with players of both connectors, as soon as the servers have found each other.
    local function seated(name)
      local seat = gate:request("gate.gateHandler.queryEntry", { uid = name })
      local bot = seat.port and assert(client.connect { port = seat.port })
      local inside = bot and bot:request("connector.entryHandler.enter",
        { username = name, rid = "hall" })
      return inside and inside.users and bot, seat.port
    end
    local bots, ports, n_ports, deadline = {}, {}, 0, core.clock() + support.patience
    while n_ports < 2 and core.clock() < deadline do
      local bot, port = seated("player" .. #bots)
      bots[#bots + 1] = bot or nil
      if bot and not ports[port] then n_ports, ports[port] = n_ports + 1, true end
    end
    assert.equal(2, n_ports)
    assert(bots[1]:request("chat.chatHandler.send", { content = "hello", target = "*" }))
    for _, bot in ipairs(bots) do assert(bot:expect("onChat", { msg = "hello" })) end
    chat.process:kill("sigint")
    assert.equal(0, chat.process:waitExit(support.patience))
    assert.equal("", children())
    local _, stops = chat.process.err:gsub("SIGINT: stopping", "")
    assert.equal(5, stops)
    assert.is_nil(chat.process.err:find(" error ", 1, true), chat.process.err)
    chat:remove() -- it has ended, as it should
    chat = nil
  end)

  it("ends with the words of a start when the app is wrong", function()
    local process = net.spawn("tools/cluster.sh", { "spec" }, { env = { BUILD = net.built "" } })
    assert.equal(1, process:waitExit(support.patience))
    assert.matches("config/servers.json: there is no such file in ", process.err)
  end)
end)
