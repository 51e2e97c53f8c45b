-- Servers of other processes in the directory of a program, and when all of an app have
-- been seen. Tests ops/elsewhere, and what ops/members does with it, and app/announced.lua.
local announced = require "pomelua.app.announced"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local members = require "pomelua.ops.members"
local registry = require "pomelua.live.registry"

describe("servers of other processes", function()
  local told, calls, one, ended, started

  local function ids(list)
    local out = {}
    for i, entry in ipairs(list) do out[i] = type(entry) == "table" and entry.id or entry end
    return table.concat(out, " ")
  end

  -- A program that runs some of the servers a-1, b-1 and b-2.
  local function program(...)
    local here, entries = {}, {}
    for _, id in ipairs { "a-1", "b-1", "b-2" } do
      entries[#entries + 1] = { id = id, serverType = id:sub(1, 1) }
    end
    for _, id in ipairs { ... } do here[#here + 1] = { id = id } end
    told, calls, ended, started = {}, {}, {}, {}
    local c = {
      allUp = function() calls[#calls + 1] = "allUp" end,
      stopServer = function(_, id)
        ended[#ended + 1] = id
        return true
      end,
      startServer = function() return true end,
      log = function() end,
    }
    local function member(_, all)
      started[#started + 1] = ids(all)
      return {}
    end
    one = members.new({ entries = entries, servers = here, member = member }, {
      program = function() return c end,
      tell = function(id, question) told[#told + 1] = { id = id, question = question } end,
    })
  end

  local function other(id, incarnation, more)
    local entry = { id = id, serverType = id:sub(1, 1) }
    for key, value in pairs(more or {}) do entry[key] = value end
    return { id = id, incarnation = incarnation or 1, process = "p", host = "h", pid = 2,
      info = core.encode(entry) }
  end

  -- What the servers were told last: "who: servers +added -removed".
  local function last()
    local t = table.remove(told)
    if not t then return nil end
    told = {}
    return ("%s: %s +%s -%s"):format(t.id, ids(t.question.servers), ids(t.question.added),
      ids(t.question.removed))
  end

  it("come and go in the lists of those that are up here", function()
    program("a-1")
    one:changed("a-1", true)
    assert.equal("a-1: a-1 b-1 b-2 +a-1 -", last())
    one:remote("up", other("b-2"))
    assert.equal("a-1: a-1 b-1 b-2 +b-2 -", last())
    one:remote("down", other("b-2"))
    assert.equal("a-1: a-1 b-1 +  -b-2", (last():gsub("%+ %-", "+  -")))
    one:remote("up", other("b-2", 2))
    assert.equal("a-1: a-1 b-1 b-2 +b-2 -", last())
  end)

  it("that servers.json does not name stand behind those that it names, by id", function()
    program("a-1")
    one:changed("a-1", true)
    one:remote("up", other("b-9"))
    one:remote("up", other("b-10"))
    assert.equal("a-1: a-1 b-1 b-2 b-10 b-9 +b-10 -", last())
    one:remote("down", other("b-10"))
    assert.equal("a-1: a-1 b-1 b-2 b-9 + -b-10", last())
  end)

  it("are told together to a server that comes later", function()
    program("a-1", "b-1")
    one:remote("up", other("b-2"))
    one:remote("up", other("c-1"))
    one:changed("a-1", true)
    assert.is_nil(last())
    one:changed("b-1", true)
    assert.equal("b-1: a-1 b-1 b-2 c-1 +b-2 c-1 a-1 b-1 -", last())
  end)

  it("are known by what they announce, without what is not of the game", function()
    program("a-1")
    one:remote("up", other("b-1", 1, { clientPort = 7, pomelua = { protos = "x" } }))
    local b = one.elsewhere:find("b-1")
    assert.same({ id = "b-1", serverType = "b", clientPort = 7 }, b.entry)
    assert.same({ protos = "x" }, b.versions)
    one:changed("a-1", true)
    told = {}
    one:remote("up", other("b-1", 1, { clientPort = 8, pomelua = { protos = "x" } }))
    assert.equal("a-1: a-1 b-1 b-2 +b-1 -", last())
    one:remote("up", other("b-1", 1, { clientPort = 8, pomelua = { protos = "x" } }))
    assert.is_nil(last())
  end)

  it("are not what an earlier life of theirs is", function()
    program("a-1")
    one:changed("a-1", true)
    one:remote("up", other("b-1", 5))
    told = {}
    one:remote("down", other("b-1", 4))
    one:remote("up", other("b-1", 4))
    assert.is_nil(last())
    assert.equal(5, one.elsewhere:find("b-1").incarnation)
  end)

  it("that say nothing of use are not there", function()
    program("a-1")
    one:changed("a-1", true)
    told = {}
    for _, info in ipairs { "", "[]", "7", '{"serverType":7}', "{" } do
      one:remote("up", { id = "b-1", incarnation = 1, host = "h", process = "p", info = info })
    end
    assert.is_nil(last())
  end)

  it("do not leave when they stop: they finish what they have begun", function()
    program("a-1")
    one:changed("a-1", true)
    one:remote("up", other("b-1"))
    told = {}
    one:remote("leaving", other("b-1"))
    assert.is_nil(last())
    assert.is_truthy(one.elsewhere:find("b-1"))
  end)

  it("make the app whole, when each of servers.json has been up once", function()
    program("a-1")
    one:remote("up", other("b-1"))
    one:remote("down", other("b-1"))
    one:changed("a-1", true)
    assert.same({}, calls)
    one:remote("up", other("c-1"))
    assert.same({}, calls)
    one:remote("up", other("b-2"))
    assert.same({ "allUp" }, calls)
    one:remote("up", other("b-1", 2))
    assert.same({ "allUp" }, calls)
  end)

  it("make the app whole before the last server of this process is up", function()
    program("a-1", "b-1")
    one:remote("up", other("b-2"))
    one:changed("a-1", true)
    assert.same({}, calls)
    one:changed("b-1", true)
    assert.same({ "allUp" }, calls)
  end)

  it("take the place of a server here whose id they have taken over", function()
    program("a-1", "b-1")
    one:changed("a-1", true)
    one:changed("b-1", true)
    one:superseded("b-1")
    assert.equal("b-1", ended[1])
    told = {}
    one:changed("b-1", false)
    assert.equal("a-1: a-1 b-2 + -b-1", last())
    one:remote("up", other("b-1", 9))
    assert.equal("a-1: a-1 b-1 b-2 +b-1 -", last())
  end)

  it("may have the id of a server that has failed here", function()
    program("a-1", "b-1")
    one:changed("a-1", true)
    one:changed("b-1", true)
    one:changed("b-1", false, "it failed")
    one:remote("up", other("b-1", 9))
    assert.equal("a-1: a-1 b-1 b-2 +b-1 -", last())
  end)

  it("leave the list to a server here that gets their id at the start", function()
    program("a-1", "b-1")
    one:remote("up", other("b-1", 5, { weight = 3 }))
    one:remote("down", other("b-1", 5))
    one:changed("a-1", true)
    one:changed("b-1", true)
    assert.equal("b-1: a-1 b-1 b-2 +a-1 b-1 -", last())
    one:remote("up", other("b-2"))
    assert.equal("b-1: a-1 b-1 b-2 +b-2 -", last())
  end)

  it("leave the list to a server here that is restarted under their id", function()
    program("a-1", "b-1")
    one:changed("a-1", true)
    one:changed("b-1", true)
    one:changed("b-1", false, "it failed")
    one:remote("up", other("b-1", 9))
    one:remote("down", other("b-1", 9))
    assert.equal("a-1: a-1 b-2 + -b-1", last())
    one:ask_for("restart", "b-1", function() end)
    assert.equal("a-1 b-1 b-2", started[1])
    one:changed("b-1", true)
    assert.matches("^b%-1: a%-1 b%-1 b%-2 %+", last())
  end)

  it("stay in the list when a server that was added here does not get their id", function()
    program("a-1")
    one:changed("a-1", true)
    one:remote("up", other("b-1", 5))
    one:ask_for("add", "b-1", function() end, { id = "b-1", serverType = "b" })
    one:remote("down", other("b-1", 5)) -- as long as the id is asked for
    one:remote("up", other("b-1", 5))
    one:changed("b-1", false, "the id is taken")
    one:remote("up", other("b-2"))
    assert.equal("a-1: a-1 b-1 b-2 +b-2 -", last())
  end)
end)

describe("a server", function()
  it("is announced with its entry, and again when its definitions are others", function()
    local heard, info = {}, { id = "chat-1", serverType = "chat", weight = 3 }
    local server = {
      info = info, registry = registry.new(),
      node = { inform = function(_, text) heard[#heard + 1] = json.decode(text) end },
    }
    local function protos(version) return { version = function() return version end } end
    announced.follow(server)
    server.registry:swap { protos = protos "" }
    assert.same({ { id = "chat-1", serverType = "chat", weight = 3, pomelua = {} } }, heard)
    server.registry:swap { protos = protos "" }
    assert.equal(1, #heard)
    server.dictionary = protos "d1"
    server.registry:swap { protos = protos "p1" }
    assert.same({ dictionary = "d1", protos = "p1" }, heard[2].pomelua)
    assert.is_nil(info.pomelua)
  end)
end)
