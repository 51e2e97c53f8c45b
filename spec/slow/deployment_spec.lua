-- The deployment guide of docs/cluster.md, followed from nothing: three machines, which are network
-- namespaces, with the files that stand there and the chat example; and players on a fourth.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local broker = require "spec.support.broker"
local machines = require "spec.support.machines"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local tree = require "spec.support.tree"

local NFT = "/usr/sbin/nft"

-- The block of code behind the line that ends with the file's name.
local function block(path)
  local doc = read("docs/cluster.md")
  local _, at = doc:find("`" .. path .. "`:\n\n", 1, true)
  return assert(doc:match("^```%w*\n(.-)```\n", assert(at, path) + 1), path)
end

-- Two players on different machines' connectors talk in one room; a third asks the gate.
local PLAYERS = [[
  local client = require "pomelua.client"
  local gate = assert(client.connect { host = "10.0.0.11", port = 3014 })
  local names, seats = { "ann", "bob", "cid", "dan" }, {}
  local bots = {}
  for _, name in ipairs(names) do
    local seat = assert(gate:request("gate.gateHandler.queryEntry", { uid = name }))
    assert(seat.code == 200, seat.message)
    seats[seat.host] = true
    local bot = assert(client.connect { host = seat.host, port = seat.port })
    local inside = assert(bot:request("connector.entryHandler.enter",
      { username = name, rid = "hall" }))
    assert(inside.users, inside.message)
    bots[#bots + 1] = bot
  end
  assert(bots[1]:request("chat.chatHandler.send", { content = "hello", target = "*" }))
  for _, bot in ipairs(bots) do assert(bot:expect("onChat", { from = "ann", msg = "hello" })) end
  local n = 0
  for _ in pairs(seats) do n = n + 1 end
  print("served by " .. n)
]]

local UNITS = {
  box1 = { "gate-1", "connector-1" }, box2 = { "connector-2", "chat-1" }, box3 = { "chat-2" },
}

describe("the deployment guide", function()
  local space, dir, players
  local boxes = { box1 = "10.0.0.11", box2 = "10.0.0.12", box3 = "10.0.0.13",
    player = "10.0.0.99" }
  local missing = machines.missing()

  local function files_of(name, address)
    local base = dir .. "/" .. name
    tree.write(base, "etc/nats-server.conf", (block("/etc/nats-server.conf")
      :gsub("NAME: box1", "NAME: " .. name):gsub('HERE: "[%d.]+"', ('HERE: "%s"'):format(address))))
    tree.write(base, "etc/nftables.conf", block("/etc/nftables.conf"))
    tree.write(base, "etc/bus.password", "change-me\n")
    assert(os.execute(("cp -r examples/chat '%s/chat'"):format(base)) == 0)
    tree.write(base, "chat/config/servers.json", block("/srv/chat/config/servers.json"))
    tree.write(base, "chat/config/web.json", block("/srv/chat/config/web.json"))
    tree.write(base, "chat/config/bus.json", (block("/srv/chat/config/bus.json")
      :gsub("/etc/chat/bus.password", base .. "/etc/bus.password")))
  end

  -- What the unit starts, with this build and these folders.
  local function unit(name, id)
    local line = block("/etc/systemd/system/chat@.service"):match("\nExecStart=(.-)\n")
    line = line:gsub("^%S*/pomelua", net.built("pomelua")):gsub("/srv/chat", dir .. "/" .. name
      .. "/chat"):gsub("%%i", id)
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    if id == "gate-1" then words[#words + 1] = "--web" end
    return space[name]:spawn(table.remove(words, 1), words)
  end

  local function play()
    local code, out, err = space.player:run(net.built("pomelua"), { "run", dir .. "/players.lua" })
    return code, out .. err
  end

  teardown(function()
    net.closeAll()
    if space then space:close() end
    if dir then tree.remove(dir) end
  end)

  it("leads to a game on three machines, of which one may fail", function()
    if missing then return pending(missing) end
    space, dir = machines.new(boxes), tree.new { ["players.lua"] = PLAYERS }
    local natses, servers = {}, {}
    for name, address in pairs(boxes) do
      if name ~= "player" then
        files_of(name, address)
        local code, _, err = space[name]:run(NFT, { "-f", dir .. "/" .. name
          .. "/etc/nftables.conf" })
        assert(code == 0, err)
        natses[name] = space[name]:spawn(broker.path,
          { "-c", dir .. "/" .. name .. "/etc/nats-server.conf" })
      end
    end
    for _, one in pairs(natses) do assert(one:waitErr("Server is ready", app.patience)) end
    for name, ids in pairs(UNITS) do
      for _, id in ipairs(ids) do servers[id] = unit(name, id) end
    end
    for _, one in pairs(servers) do assert(one:waitLine("^ready$", app.patience)) end
    local said
    players = function()
      local code
      code, said = play()
      return code == 0
    end
    assert(net.wait(players, app.patience), said)
    assert.matches("served by 2", said)
    -- What is to be closed is closed.
    for _, port in ipairs { 4222, 6222, 8222 } do
      local code = space.player:run("/usr/bin/curl", { "-s", "-m", "1", "telnet://10.0.0.11:"
        .. port })
      assert.not_equal(0, code)
    end
    local code, page = space.player:run("/usr/bin/curl", { "-s", "http://10.0.0.11:3001/health" })
    assert.equal(0, code)
    assert.matches('"bus":"up"', page)
    -- A machine is lost: its broker, a frontend and a chat server.
    space.box2:cut()
    assert(net.wait(players, app.patience), said)
    assert.matches("served by 1", said)
    space.box2:mend()
    assert(net.wait(function() return players() and said:find("served by 2") end, app.patience),
      said)
    -- `pomelua list` on a machine shows the servers of all.
    local _, list = space.box3:run(net.built("pomelua"), { "list", dir .. "/box3/chat" })
    for id in pairs(servers) do assert.matches(id:gsub("%-", "%%-"), list) end
    for id, one in pairs(servers) do
      one:kill("sigterm")
      assert.equal(0, one:waitExit(app.patience), id .. one.err)
    end
  end)
end)
