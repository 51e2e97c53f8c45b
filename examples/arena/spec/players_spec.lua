local test = require "pomelua.test"

-- The app is the folder above this file, wherever busted was started.
local base = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. ".."
local FRONT = "connector-server-1"

describe("what players own", function()
  local server, db, sessions

  before_each(function()
    sessions = {}
    server = test.server {
      base = base, type = "area", id = "area-server-1", databases = { players = test.sqlite() },
    }
    db = server:database "players"
  end)

  -- A player with an account, in the arena, who owns these gems.
  local function player(name, ...)
    assert(db:exec("insert into players (name, password, since) values ($1, '', 0)", name))
    for i, kind in ipairs { ... } do
      assert(db:exec("insert into gems (id, kind, owner) values ($1, $2, $3)", name .. i,
        kind, name))
    end
    sessions[name] = { uid = name, frontendId = FRONT }
    server.sessions:given(sessions[name])
    server:rpc("arenaRemote.enter", name, FRONT)
  end

  local function ask(name, route, msg) return server:request(route, msg or {}, sessions[name]) end
  local function bag(name) return ask(name, "area.tradeHandler.bag").bag end

  -- The pushes of a route to a player since the last time.
  local function told(route)
    local list = {}
    for _, push in ipairs(server:pushed()) do
      if push.route == route then list[#list + 1] = push end
    end
    return list
  end

  local function gems() return db:query("select id from gems order by id") end

  local function offer(give, take)
    local answer = ask("ann", "area.tradeHandler.offer", { to = "bob", give = give, take = take })
    return answer.id, answer
  end

  local function answer(id, yes)
    return ask("bob", "area.tradeHandler.answer", { id = id, yes = yes })
  end

  describe("a trade", function()
    before_each(function()
      player("ann", "ruby", "ruby")
      player("bob", "topaz")
    end)

    it("moves a gem each, when the other agrees", function()
      local id = offer("ruby", "topaz")
      assert.same({ id = id, from = "ann", give = "ruby", take = "topaz" }, told("onOffer")[1].msg)
      assert.equal(200, answer(id, true).code)
      assert.same({ ruby = 1, topaz = 1, emerald = 0, sapphire = 0 }, bag "ann")
      assert.same({ ruby = 1, topaz = 0, emerald = 0, sapphire = 0 }, bag "bob")
    end)

    it("is told to both", function()
      answer(offer("ruby", "topaz"), true)
      local trades = told "onTrade"
      assert.equal(2, #trades)
      assert.is_true(trades[1].msg.done)
    end)

    it("moves nothing when the other does not agree", function()
      assert.equal(200, answer(offer("ruby", "topaz"), false).code)
      assert.equal(2, bag("ann").ruby)
      assert.is_false(told("onTrade")[1].msg.done)
    end)

    it("moves nothing when one of the gems is gone", function()
      assert.equal(409, answer(offer("ruby", "emerald"), true).code)
      assert.equal(2, bag("ann").ruby)
      assert.equal(0, bag("bob").ruby)
    end)

    it("is done once, however often it is agreed to", function()
      local before, id = gems(), offer("ruby", "topaz")
      answer(id, true)
      assert.equal(404, answer(id, true).code)
      assert.equal(1, bag("ann").ruby)
      assert.same(before, gems())
    end)

    it("is agreed to by nobody else, and not for ever", function()
      local id = offer("ruby", "topaz")
      assert.equal(404, ask("ann", "area.tradeHandler.answer", { id = id, yes = true }).code)
      server:tick(60000)
      assert.equal(404, answer(id, true).code)
    end)

    for what, msg in pairs {
      ["one kind for the same"] = { to = "bob", give = "ruby", take = "ruby" },
      ["what is no gem"] = { to = "bob", give = "gold", take = "ruby" },
      ["nothing"] = { to = "bob" },
    } do
      it("is not " .. what, function()
        assert.equal(400, ask("ann", "area.tradeHandler.offer", msg).code)
      end)
    end

    it("needs another player", function()
      for _, to in ipairs { "ann", "eve" } do
        local msg = { to = to, give = "ruby", take = "topaz" }
        assert.equal(404, ask("ann", "area.tradeHandler.offer", msg).code)
      end
    end)
  end)

  describe("a golden star", function()
    it("holds a gem, which is written once", function()
      player "ann"
      local arena, world = server:require "app.arena", server:require "app.world"
      local ship = arena.ship_of "ann"
      local step = world.step
      world.step = function()
        world.step = step
        return { { kind = "taken", star = { id = 1, golden = true }, ship = ship } }
      end
      server:tick(100)
      assert.equal(1, #gems())
      assert.equal("ann", told("onBag")[1].to[1])
      server:tick(20000)
      assert.equal(1, #gems())
    end)
  end)

  describe("the ladder", function()
    it("adds up the rounds of all players", function()
      player "ann"
      player "bob"
      local arena = server:require "app.arena"
      for _ = 1, 2 do
        arena.ship_of("ann").score, arena.ship_of("bob").score = 5, 9
        server:require("app.servers.area.cron.roundCron")(server.app):finish()
        server:tick(10)
      end
      assert.same({ code = 200, ladder = {
        { player = "bob", stars = 18, rounds = 2, wins = 2 },
        { player = "ann", stars = 10, rounds = 2, wins = 0 },
      } }, ask("ann", "area.ladderHandler.top"))
    end)
  end)

  describe("the ledger", function()
    local function add(kind, more)
      local entry = { kind = kind }
      for key, value in pairs(more) do entry[key] = value end
      server:require("app.ledger").add(server.app, entry)
      return entry
    end

    it("writes an entry once, also when its answer is lost", function()
      player "ann"
      local entry = add("round", { results = { { player = "ann", stars = 3, won = true } } })
      server:tick(10)
      assert.equal(0, server:require("app.ledger").waiting())
      -- As if the process had ended before it heard of it.
      local again = {}
      for key, value in pairs(entry) do again[key] = value end
      server:require("app.ledger").again(server.app, again)
      server:tick(10)
      assert.equal(3, ask("ann", "area.ladderHandler.top").ladder[1].stars)
    end)

    it("waits for a database that is away, also over a restart", function()
      player "ann"
      db:exec "alter table entries rename to away"
      add("gem", { gem = "ruby", owner = "ann" })
      server:tick(10)
      assert.equal(0, bag("ann").ruby)
      server:restart()
      assert.equal(1, server:require("app.ledger").waiting())
      db = server:database "players"
      db:exec "alter table away rename to entries"
      server:tick(10000)
      assert.equal(1, #gems())
      assert.equal(0, server:require("app.ledger").waiting())
    end)

    it("forgets after a week what it has written", function()
      player "ann"
      add("gem", { gem = "ruby", owner = "ann" })
      server:tick(10)
      local cron = server:require("app.servers.area.cron.roundCron")(server.app)
      local function tidy()
        server.app:setTimeout(0, function() cron:tidy() end)
        server:tick(10)
      end
      tidy()
      assert.equal(1, #db:query "select id from entries")
      db:exec("update entries set at = $1", os.time() - 8 * 86400)
      tidy()
      assert.same({}, db:query "select id from entries")
      assert.equal(1, bag("ann").ruby)
    end)

    it("puts aside what can never be written, and goes on", function()
      player "ann"
      add("gem", { gem = "ruby", owner = "nobody" })
      add("gem", { gem = "topaz", owner = "ann" })
      server:tick(10)
      assert.equal(1, bag("ann").topaz)
      assert.equal(0, server:require("app.ledger").waiting())
    end)
  end)
end)
