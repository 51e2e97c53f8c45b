-- The arena keeps its players through kill -9, restart and reload, on SQLite and on PostgreSQL: the
-- one line of config/databases.json is what differs.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local client = require "pomelua.client"
local files = require "spec.support.files"
local net = require "spec.support.net"
local postgres = require "spec.support.postgres"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local WORD = "correct horse"

-- What a spec needs and a game does not have.
local TEST = [[
local arena, ledger = require "app.arena", require "app.ledger"
return function(app)
  local Handler = {}
  function Handler:gem(msg, session)
    ledger.add(app, { kind = "gem", gem = msg.gem, owner = session.uid })
    return { code = 200 }
  end
  function Handler:score(msg, session)
    arena.ship_of(session.uid).score = msg.score
    return { code = 200, saves = app:getCounters().stateSaves }
  end
  function Handler:finish() arena.finish(app) return { code = 200 } end
  function Handler:waiting()
    return { code = 200, n = ledger.waiting(), saves = app:getCounters().stateSaves }
  end
  return Handler
end
]]

-- Asks until the check says true.
local function wait(check)
  local last = net.ms() + app.patience
  while not check() do
    assert(net.ms() < last, "it has not come in time")
    net.wait(function() end, 20)
  end
end

local kinds = {
  sqlite = function() return '{ "players": { "kind": "sqlite", "file": "data/players.db" } }' end,
  postgres = function(pg)
    return ('{ "players": { "kind": "postgres", "url": %q } }'):format(pg.url)
  end,
}

for kind, config in pairs(kinds) do
  describe("the arena on " .. kind, function()
    local base, port, process, pg
    local open = {} -- clients
    local missing = kind == "postgres" and postgres.missing()

    setup(function()
      if kind == "postgres" and not missing then pg = postgres.start() end
    end)
    teardown(function()
      postgres.closeAll()
      net.closeAll()
    end)

    before_each(function()
      if missing then return end
      if pg then pg:sql "drop schema public cascade; create schema public" end
      local ports = require("spec.support.ports").some(3)
      local dir = tree.new {}
      base = dir .. "/arena"
      assert(os.execute(("cp -R examples/arena '%s'"):format(dir)) == 0)
      port = ports[1]
      tree.write(base, "config/servers.json", (files.read(base .. "/config/servers.json")
        :gsub("3060", ports[1]):gsub("6060", ports[2])))
      tree.write(base, "config/web.json", ('{ "host": "127.0.0.1", "port": %d, "root": "web" }')
        :format(ports[3]))
      tree.write(base, "config/databases.json", config(pg))
      tree.write(base, "app/servers/area/handler/testHandler.lua", TEST)
      local settings = files.read(base .. "/app.lua"):gsub("\napp:start%(%)",
        '\napp:set("stateConfig", { saveInterval = 200 })%0')
      tree.write(base, "app.lua", settings)
      -- What a spec counts, it has given: there are no gifts, stars, robots and ends of rounds.
      tree.write(base, "app/rules.lua", (files.read(base .. "/app/rules.lua")
        :gsub("welcome = %b{}", "welcome = {}"):gsub("ships = 4", "ships = 0")
        :gsub("number = 36", "number = 0")))
      tree.write(base, "config/crons.json", [[{ "area": [
        { "id": "write", "time": "*/5 * * * * *", "action": "roundCron.write" }] }]])
    end)
    after_each(function()
      if missing then return end
      for _, one in ipairs(open) do one:close() end
      if process then process:close() end
      tree.remove((base:gsub("/arena$", "")))
    end)

    local function start()
      process = net.spawn(net.built("pomelua"), { "start", base })
      assert(process:waitLine("^ready$", app.patience), process.err)
    end

    local function stop()
      process:kill "sigterm"
      assert.equal(0, (assert(process:waitExit(app.patience))), process.err)
    end

    local function kill()
      process:kill "sigkill"
      assert(process:waitExit(app.patience))
    end

    local function enter(name, word)
      local one = assert(client.connect { port = port })
      open[#open + 1] = one
      local answer = assert(one:request("connector.entryHandler.enter",
        { name = name, password = word or WORD }))
      return one, answer
    end

    -- A request that is answered with 200.
    local function ask(one, route, msg)
      local answer, message = one:request("area." .. route, msg or {})
      if not answer then error(message .. "\n" .. process.err, 2) end
      assert.equal(200, answer.code, answer.message)
      return answer
    end

    local function bag(one)
      local held = ask(one, "tradeHandler.bag").bag
      return ("%d %d %d %d"):format(held.ruby, held.topaz, held.emerald, held.sapphire)
    end

    local function give(one, ...)
      for _, gem in ipairs { ... } do ask(one, "testHandler.gem", { gem = gem }) end
      wait(function() return ask(one, "testHandler.waiting").n == 0 end)
    end

    local function score(one, n)
      local before = ask(one, "testHandler.score", { score = n }).saves
      wait(function() return ask(one, "testHandler.waiting").saves > before + 1 end)
    end

    local function own_ship(arena)
      for _, ship in ipairs(arena.ships) do
        if ship.id == arena.id then return ship end
      end
    end

    local function it_needs(what, fn)
      it(what, function()
        if missing then return pending(missing) end
        fn()
      end)
    end

    for how, ending in pairs { ["kill -9"] = kill, ["a stop"] = stop } do
      it_needs("keeps accounts, gems, the ladder and the round through " .. how, function()
        start()
        local ann, first = enter "ann"
        assert.equal(200, first.code)
        local bob = enter "bob"
        give(ann, "ruby", "ruby", "emerald")
        give(bob, "topaz")
        score(ann, 5)
        ask(ann, "testHandler.finish")
        local id = ask(ann, "tradeHandler.offer", { to = "bob", give = "ruby", take = "topaz" }).id
        ask(bob, "tradeHandler.answer", { id = id, yes = true })
        assert.equal("1 1 1 0", bag(ann))
        give(ann) -- nothing waits
        score(ann, 9)
        ending()
        start()
        local eve, refused = enter("ann", "wrong horse")
        assert.equal(403, refused.code)
        eve:close()
        local again
        ann, again = enter "ann"
        assert.equal(first.arena.id, again.arena.id)
        assert.equal("ann", own_ship(again.arena).name)
        local world = assert(ann:expect("onWorld", nil, app.patience))
        for _, ship in ipairs(world.ships) do
          if ship.id == first.arena.id then assert.equal(9, ship.score) end
        end
        bob = enter "bob"
        assert.equal("1 1 1 0", bag(ann))
        assert.equal("1 0 0 0", bag(bob))
        local top = ask(ann, "ladderHandler.top").ladder
        assert.same({ "ann", 5, 1, 1 }, { top[1].player, top[1].stars, top[1].rounds, top[1].wins })
        stop()
      end)
    end

    it_needs("loses and doubles no gem when it is killed while players trade", function()
      start()
      local ann, bob = enter "ann", enter "bob"
      give(ann, "ruby", "ruby", "ruby", "ruby", "ruby")
      give(bob, "topaz", "topaz", "topaz", "topaz", "topaz")
      for round = 1, 3 do
        for _ = 1, 20 do
          local id = ask(ann, "tradeHandler.offer",
            { to = "bob", give = round % 2 == 1 and "ruby" or "topaz",
              take = round % 2 == 1 and "topaz" or "ruby" }).id
          bob:notify("area.tradeHandler.answer", { id = id, yes = true })
        end
        kill()
        start()
        ann, bob = enter "ann", enter "bob"
        local rubies, topazes = 0, 0
        for _, one in ipairs { ann, bob } do
          local held = ask(one, "tradeHandler.bag").bag
          rubies, topazes = rubies + held.ruby, topazes + held.topaz
          assert.equal(5, held.ruby + held.topaz)
        end
        assert.same({ 5, 5 }, { rubies, topazes })
      end
      stop()
    end)

    it_needs("keeps its players through a reload", function()
      start()
      local ann, first = enter "ann"
      give(ann, "ruby")
      ask(ann, "testHandler.score", { score = 4 })
      for _, name in ipairs { "arena", "ledger", "gems" } do
        local path = "app/" .. name .. ".lua"
        tree.write(base, path, files.read(base .. "/" .. path) .. "\n")
      end
      assert.equal(0, (tool.run("reload", "-d", base)))
      give(ann, "ruby")
      assert.equal("2 0 0 0", bag(ann))
      local _, again = enter "ann"
      assert.equal(first.arena.id, again.arena.id)
      stop()
    end)

    if kind == "sqlite" then
      it_needs("gives a token, where it has a key, by which a player comes back", function()
        tree.write(base, "config/token.key", ("k"):rep(64) .. "\n")
        start()
        local ann, first = enter "ann"
        assert.is_string(first.token)
        ann:close()
        kill()
        start()
        local again = assert(client.connect { port = port, token = first.token })
        open[#open + 1] = again
        local answer = assert(again:request("connector.entryHandler.enter", {}))
        assert.equal(200, answer.code, answer.message)
        assert.equal(first.arena.id, answer.arena.id)
        local _, refused = enter("ann", "wrong horse")
        assert.equal(403, refused.code)
        stop()
      end)
    end

    if kind == "postgres" then
      it_needs("goes on without its database, and writes what waits when it is back", function()
        start()
        local ann = enter "ann"
        give(ann, "ruby")
        pg:kill()
        ask(ann, "testHandler.gem", { gem = "topaz" })
        local eve, refused = enter "eve"
        assert.equal(503, refused.code)
        eve:close()
        assert(ann:expect("onWorld", nil, app.patience))
        assert.equal(1, ask(ann, "testHandler.waiting").n)
        pg:restart()
        wait(function() return ask(ann, "testHandler.waiting").n == 0 end)
        assert.equal("1 1 0 0", bag(ann))
        stop()
      end)
    end
  end)
end
