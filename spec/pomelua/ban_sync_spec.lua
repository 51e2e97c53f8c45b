-- The bans of several programs: what is done in one is in force in all, and lists that have gone
-- different ways become one. Tests ops/ban_sync.lua and ops/ban_desk.lua over a bus that the spec
-- plays; every question crosses it as JSON.
local ban_desk = require "pomelua.ops.ban_desk"
local ban_sync = require "pomelua.ops.ban_sync"
local bans = require "pomelua.ops.bans"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local tree = require "spec.support.tree"

local late = {}

local function over_the_wire(value) return json.decode(assert(core.encode(value))) end

-- Programs on one bus. `cut[a .. b]`: what a asks b does not arrive.
local function network()
  local net = { programs = {}, cut = {}, now = 1e9, up = true, asked = 0 }

  local commands = {}
  ban_desk.add(commands)

  -- What ops/others offers one program.
  local function others_of(me)
    local others = {}
    function others.here()
      return { process = me.name, up = net.up and not me.off }
    end
    function others.list()
      local list = {}
      for _, one in ipairs(net.programs) do
        local there = one ~= me and not one.off and not net.cut[me.name .. one.name]
        if there then list[#list + 1] = { process = one.name, name = one.name } end
      end
      return list
    end
    function others.ask(_, one, request, hooks)
      local missing = {}
      for _, from in ipairs(one and { one } or others.list()) do
        net.asked = net.asked + 1
        local to, answered = net.programs[from.process], false
        local function say(_, reply)
          reply = over_the_wire(reply)
          answered = answered or reply.done
          if reply.done then hooks.done(reply, from) else hooks.line(reply, from) end
        end
        if not to.frozen then
          commands[request.command](to.control, {
            say = say,
            done = function(self, ok, message, code, more)
              local reply = { ok = ok, message = message, code = code, done = true }
              for key, value in pairs(more or {}) do reply[key] = value end
              say(self, reply)
            end,
          }, over_the_wire(request))
        end
        if not answered then missing[#missing + 1] = { name = from.name } end
      end
      hooks.finish(missing, 0)
    end
    return others
  end

  ---@param name string
  ---@param folder string|nil
  function net.add(name, folder)
    local me = { name = name, told = {}, sessions = 0, lines = {} }
    local list = bans.new(folder, function() return net.now end)
    assert(list:load())
    local others = others_of(me)
    local id = "connector-" .. name
    local members = {
      ids = function() return { id } end,
      find = function() return { up = true, entry = { frontend = true } } end,
    }
    me.list = list
    me.desk = ban_desk.new(list, {
      members = function() return members end, late = late, others = function() return others end,
      log = function(level, text) me.lines[#me.lines + 1] = level .. " " .. text end,
      ask = function(_, question, _, reply)
        me.told[#me.told + 1] = over_the_wire(question)
        if me.stuck then return reply(late) end
        reply { ok = true, ended = question.put[1] and me.sessions or 0 }
      end,
    })
    me.control = { bans = me.desk, wake_for_bans = function() end }
    net.programs[#net.programs + 1], net.programs[name] = me, me
    me.desk:open()
    return me
  end

  function net.tick(seconds)
    for _ = 1, seconds do
      net.now = net.now + 1
      for _, one in ipairs(net.programs) do
        if not one.off and not one.frozen then one.desk:tick() end
      end
    end
  end

  function net.cut_off(a, b, cut)
    net.cut[a .. b], net.cut[b .. a] = cut or nil, cut or nil
  end

  return net
end

local function run(program, command, request)
  request.command = command
  local answer
  program.desk:run(request, "a spec", function(given) answer = given end)
  return assert(answer, "not answered")
end

local function names(program)
  local list = {}
  for i, ban in ipairs(program.list:list()) do list[i] = ban.uid or ban.address end
  table.sort(list)
  return table.concat(list, " ")
end

describe("bans of several programs", function()
  local net, a, b, c

  before_each(function()
    net = network()
    a, b, c = net.add "A", net.add "B", net.add "C"
  end)

  it("are in force in all when the call has ended, with the number of sessions", function()
    a.sessions, b.sessions, c.sessions = 1, 2, 3
    local answer = run(b, "ban", { uid = "ann", reason = "spam" })
    assert.is_true(answer.ok)
    assert.equal(6, answer.ended)
    assert.same({}, answer.silent)
    assert.matches("6 sessions ended", answer.message, 1, true)
    for _, one in ipairs(net.programs) do
      assert.equal("ann", names(one))
      assert.equal(1, #one.told)
      assert.equal("spam", one.told[1].put[1].reason)
    end
    assert.is_true(run(c, "unban", { uid = "ann" }).ok)
    for _, one in ipairs(net.programs) do
      assert.equal("", names(one))
      assert.equal("ann", one.told[2].drop[1].uid)
    end
    assert.equal("NOENT", run(a, "unban", { uid = "ann" }).code)
  end)

  it("name the frontends and the programs that have not taken them over, which do later", function()
    b.stuck, c.frozen = true, true
    local answer = run(a, "ban", { uid = "ann" })
    assert.is_true(answer.ok)
    table.sort(answer.silent)
    assert.same({ "C", "connector-B" }, answer.silent)
    assert.matches("not confirmed yet by ", answer.message, 1, true)
    assert.equal("ann", names(b))
    assert.equal("", names(c))
    c.frozen = false
    net.tick(6)
    assert.equal("ann", names(c))
  end)

  it("are learned from the others by a program that comes", function()
    run(a, "ban", { uid = "ann" })
    run(b, "ban", { address = "10.0.0.0/8" })
    run(b, "unban", { address = "10.0.0.0/8" })
    local d = net.add "D"
    assert.equal("ann", names(d))
    assert.equal("ann", d.told[1].put[1].uid)
    assert.equal(a.list:sum(), d.list:sum())
  end)

  it("that a program has in its file come with it, and what was taken off stays off", function()
    local dir = tree.new {}
    finally(function() tree.remove(dir) end)
    local d = net.add("D", dir)
    run(d, "ban", { uid = "ann" })
    run(d, "ban", { uid = "bob" })
    d.off = true
    net.tick(100)
    run(a, "unban", { uid = "ann" })
    local before = bans.new(dir, function() return net.now end)
    assert(before:load())
    assert.equal(2, #before:list())
    before:ban { uid = "cid" } -- while it does not run
    table.remove(net.programs)
    net.programs.D = nil
    d = net.add("D", dir)
    for _, one in ipairs(net.programs) do assert.equal("bob cid", names(one)) end
    before:load()
    assert.equal(a.list:sum(), before:sum())
    assert.equal(d.list:sum(), before:sum())
  end)

  it("become one list when the network was cut and is whole again", function()
    run(a, "ban", { uid = "ann" })
    net.cut_off("A", "B", true)
    net.cut_off("A", "C", true)
    net.tick(10)
    run(a, "ban", { uid = "bob", seconds = 1000 })
    run(a, "unban", { uid = "ann" })
    run(b, "ban", { uid = "bob", seconds = 5000 })
    run(b, "ban", { uid = "cid" })
    run(c, "ban", { uid = "ann", reason = "again" })
    net.tick(20)
    run(c, "unban", { uid = "cid" })
    assert.equal("bob", names(a))
    assert.equal("ann bob", names(b))
    net.cut_off("A", "B", false)
    net.cut_off("A", "C", false)
    net.tick(6)
    assert.equal(a.list:sum(), b.list:sum())
    assert.equal(a.list:sum(), c.list:sum())
    assert.equal("ann bob", names(a)) -- in one second: a ban counts, and of two the longer
    assert.equal(5000, a.list.by_key["uid bob"].till - a.list.by_key["uid bob"].since)
  end)

  it("become one list though a message was lost that nobody has missed", function()
    run(a, "ban", { uid = "ann" })
    b.list.by_key = {}
    net.tick(70)
    assert.equal("ann", names(b))
  end)

  it("of programs that have the same list cost one small question a minute", function()
    for i = 1, 50 do run(a, "ban", { uid = "user " .. i }) end
    net.tick(120)
    net.asked = 0
    for _, one in ipairs(net.programs) do one.told = {} end
    net.tick(120)
    assert.equal(2 * 3 * 2, net.asked)
    for _, one in ipairs(net.programs) do assert.same({}, one.told) end
  end)

  it("are given while the bus is not there, to those that can be reached", function()
    net.tick(10)
    net.up = false
    local answer = run(a, "ban", { uid = "ann" })
    assert.is_true(answer.ok)
    assert.equal(1, #answer.silent)
    assert.equal("ann", names(a))
    assert.equal("", names(b))
    net.tick(10)
    net.up = true
    net.tick(6)
    assert.equal("ann", names(b))
    assert.equal("ann", names(c))
  end)

  it("that are over end everywhere, and nobody sends them back", function()
    run(a, "ban", { uid = "ann", seconds = 30 })
    net.tick(31)
    for _, one in ipairs(net.programs) do assert.same({}, one.list:all()) end
    net.tick(70)
    for _, one in ipairs(net.programs) do assert.same({}, one.list:all()) end
  end)

  it("are sent in parts that fit into a message", function()
    local many = {}
    for i = 1, 1200 do many[i] = { uid = "user " .. i, since = 1e9 } end
    for i = 1201, 1300 do many[i] = { uid = ("x"):rep(4000) .. i, since = 1e9 } end
    local pages = ban_sync.pages(many)
    local n = 0
    for _, page in ipairs(pages) do
      assert.is_true(#core.encode(page) < 300 * 1024)
      n = n + #page
    end
    assert.equal(1300, n)
    assert.equal(1300, #ban_sync.read(over_the_wire(many)))
    a.list:merge(many)
    net.tick(70)
    assert.equal(1300, #c.list:list())
    assert.same({}, ban_sync.read "nothing")
    assert.same({}, ban_sync.read { 1, "x", {} })
  end)
end)
