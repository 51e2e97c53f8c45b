-- The examples as one process per server, over a broker that is killed and comes back, with players
-- in them.
-- It measures nothing: another one may run beside it.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local cjson = require "cjson"
local files = require "spec.support.files"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local pomelo = require "spec.support.pomelo"

local function example(name)
  local all = {}
  local pipe = io.popen(("cd examples/%s && find app app.lua config -type f"):format(name))
  for path in pipe:lines() do all[path] = files.read("examples/" .. name .. "/" .. path) end
  pipe:close()
  return all
end

describe("over the bus, one process per server,", function()
  local one, game, running

  after_each(function()
    pomelo.closeAll()
    -- Frontends first, as an operator ends them.
    for i = #running, 1, -1 do running[i]:stop { "is not there", "no answer", "cannot enter" } end
    game:close()
    broker.closeAll()
    net.closeAll()
  end)

  -- Frontends get free ports; backends are started first. Ports by id.
  local function begin(name, ids)
    local all = example(name)
    local config = cjson.decode(all["config/servers.json"])
    local ports = {}
    for _, list in pairs(config.development) do
      for _, entry in ipairs(list) do
        if entry.clientPort then
          entry.clientPort = require("spec.support.ports").one()
          ports[entry.id] = entry.clientPort
        end
      end
    end
    all["config/servers.json"] = cjson.encode { development = config.development }
    all["config/web.json"] = nil
    -- The ship of a player who has left does not wait for long.
    local rules = all["app/rules.lua"]
    all["app/rules.lua"] = rules and rules:gsub("away = 20", "away = 1") or nil
    all["config/serverProtos.json"] = nil -- the spec's client reads JSON
    one = broker.start()
    game, running = parts.new(all, { urls = { one.url } }), {}
    for i, id in ipairs(ids) do running[i] = game:start(id) end
    return ports
  end

  -- Asks until the answer is good.
  local function until_good(client, route, body, ms)
    local answer
    local till = net.ms() + (ms or apps.patience)
    repeat
      answer = assert(client:request(route, body))
    until not answer.error and (answer.code or 0) < 500 or net.ms() > till
      or net.wait(function() end, 20)
    assert(not answer.error and (answer.code or 0) < 500, cjson.encode(answer))
    return answer
  end

  local function broker_fails()
    one:kill()
    for _, part in ipairs(running) do part:says("the connection to the broker is lost") end
    one:restart()
    for _, part in ipairs(running) do part:says("the bus is back after") end
  end

  it("people chat", function()
    local ports = begin("chat", {
      "chat-server-1", "chat-server-2", "connector-server-1", "connector-server-2",
      "gate-server-1",
    })
    local gate = pomelo.connect(ports["gate-server-1"])
    local people, seen = {}, {}
    for i = 1, 6 do
      local name = "user-" .. i
      local entry = until_good(gate, "gate.gateHandler.queryEntry", { uid = name })
      seen[entry.port] = true
      people[i] = pomelo.connect(entry.port)
      until_good(people[i], "connector.entryHandler.enter", { username = name, rid = "room" })
    end
    assert.is_true(seen[ports["connector-server-1"]] and seen[ports["connector-server-2"]])
    -- Whether all get what one says.
    local function talk(text, ms)
      until_good(people[1], "chat.chatHandler.send", { content = text, target = "*" }, 3000)
      for _, client in ipairs(people) do
        local push
        repeat
          push = client:push(ms)
          if not push then return false end
        until push.route == "onChat" and push.msg.msg == text
      end
      return true
    end
    for n = 1, 20 do assert(talk("number " .. n)) end
    broker_fails()
    -- The processes find each other one after the other, within 3 s.
    local till, tries = net.ms() + 15000, 0
    repeat
      assert(net.ms() < till, "not all are there again after 15 s")
      tries = tries + 1
    until talk("again " .. tries, 200)
    for n = 21, 40 do assert(talk("number " .. n)) end
    people[6]:close()
    local left = assert(people[1]:push(apps.patience))
    assert.equal("onLeave", left.route)
  end)

  it("players fly", function()
    local ports = begin("arena", { "area-server-1", "connector-server-1" })
    local players = {}
    for i = 1, 2 do
      local client = pomelo.connect(ports["connector-server-1"])
      local answer = until_good(client, "connector.entryHandler.enter", {
        name = "pilot-" .. i, password = "a pilot's word",
      })
      players[i] = { client = client, id = answer.arena.id }
    end
    -- How many of the players fly in the next world that comes to one; there are robots, too.
    local function flying(player)
      while true do
        local push = assert(player.client:push())
        player.client:heartbeat()
        if player.client.hello.sys.codeToRoute[tostring(push.code)] == "onWorld" then
          local n = 0
          for _, ship in ipairs(push.msg.ships) do
            if ship.id == players[1].id or ship.id == players[2].id then n = n + 1 end
          end
          return n
        end
      end
    end
    local function sees(player, n)
      local till = net.ms() + 20000
      local got
      repeat got = flying(player) until got == n or net.ms() > till
      assert.equal(n, got)
    end
    sees(players[1], 2)
    broker_fails()
    sees(players[1], 2)
    sees(players[2], 2)
    players[2].client:close()
    sees(players[1], 1)
  end)
end)
