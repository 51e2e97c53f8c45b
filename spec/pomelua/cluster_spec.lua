-- What a tool asks one program about the servers of all programs on a bus: ops/cluster.lua and
-- ops/others.lua, with programs of spec/support/programs, whose servers the spec plays.
local programs = require "spec.support.programs"
local tables = require "pomelua.base.tables"

describe("a program on a bus, asked by a tool,", function()
  local w

  before_each(function()
    w = programs.new {
      a = { "chat-1", "connector-1" }, b = { "chat-2", "connector-2" }, c = { "chat-3" },
    }
  end)

  -- The ids in the lines of an answer, in their order.
  local function ids_of(answer)
    local ids = {}
    for _, line in ipairs(answer) do ids[#ids + 1] = line.id end
    return table.concat(ids, " ")
  end

  local function by_id(answer)
    local rows = {}
    for _, line in ipairs(answer) do if line.id then rows[line.id] = line end end
    return rows
  end

  it("shows the servers of all programs, and where they are", function()
    w.b.servers["chat-2"] = function(question)
      return { ok = true, sessions = 7, lag = question.sent and 1 }
    end
    local answer = w.a:ask { command = "list" }
    local rows = by_id(answer)
    assert.is_true(answer.done.ok)
    for id, place in pairs { ["chat-1"] = w.a, ["chat-2"] = w.b, ["chat-3"] = w.c,
      ["connector-1"] = w.a, ["connector-2"] = w.b } do
      assert.same({ place.host, place.pid, place.process }, { rows[id].host, rows[id].pid,
        rows[id].process })
      assert.equal("up", rows[id].state)
    end
    assert.same({ ok = true, sessions = 7, lag = 1 }, rows["chat-2"].status)
    assert.same({ "chat-1", "chat-2", "chat-3", "connector-1", "connector-2" },
      tables.sorted_keys(by_id(w.c:ask { command = "list" })))
  end)

  it("names the servers of a program that does not answer, and leaves out one that has ended",
    function()
      w.b.frozen = true
      local answer = w.a:ask { command = "list" }
      assert.is_true(answer.done.ok)
      local row = by_id(answer)["chat-2"]
      assert.same({ false, "not answering", "chat", "b", 102 },
        { row.ok, row.why, row.type, row.host, row.pid })
      assert.equal("up", by_id(answer)["chat-3"].state)
      answer = w.c:begin { command = "list" }
      w.b:dies()
      w.settle()
      assert.is_true(answer.done.ok)
      assert.is_nil(by_id(answer)["chat-2"])
      assert.truthy(by_id(answer)["chat-1"])
    end)

  it("says that the bus is not there, and shows what it has", function()
    w.up = false
    local answer = w.a:ask { command = "list" }
    assert.is_true(answer.done.ok)
    assert.matches("the bus is not there", answer[1].message)
    assert.equal("up", by_id(answer)["chat-1"].state)
    assert.equal("not answering", by_id(answer)["chat-2"].why)
    assert.is_true(w.a:ask({ command = "stop", ids = { "chat-1" } }).done.ok)
    for request, text in pairs {
      [{ command = "stop", ids = { "nope" } }] = "there is no server nope",
      [{ command = "stop", ids = { "chat-2" } }] = "stop: 1 of 1 servers failed",
      [{ command = "reload" }] = "the bus is not there",
      [{ command = "kick", uid = "ann" }] = "not confirmed by b:102, c:103",
    } do
      answer = w.a:ask(request)
      assert.is_false(answer.done.ok)
      assert.matches(text, answer.done.message, 1, true)
    end
    assert.equal("chat-2 connector-2", w.b:ids())
  end)

  it("stops, kills and restarts servers where they are", function()
    local answer = w.a:ask { command = "stop", ids = { "chat-3", "connector-1", "chat-2" } }
    assert.same({ ok = true, done = true }, answer.done)
    assert.same({ "chat-2", "chat-3", "connector-1" }, tables.sorted_keys(by_id(answer)))
    assert.same({ "chat-1", "connector-2", "" }, { w.a:ids(), w.b:ids(), w.c:ids() })
    answer = w.a:ask { command = "restart", ids = { "connector-2" } }
    assert.same({ ok = true, id = "connector-2", message = "restarted" }, answer[1])
    assert.is_true(w.b:logged("info restart connector-2, asked for by user 1000, process 42 of a"))
    assert.is_true(w.b:logged("info restart connector-2: restarted"))
    assert.is_false(w.a:logged("restart"))
    assert.is_true(w.b:ask({ command = "kill", ids = { "chat-1" } }).done.ok)
    assert.equal("", w.a:ids())
  end)

  it("does nothing at all when it is told an id that nobody has", function()
    local answer = w.a:ask { command = "stop", ids = { "chat-2", "chat-9" } }
    assert.same({ ok = false, done = true, message = "there is no server chat-9; did you mean "
      .. "chat-1?" }, answer.done)
    assert.equal("chat-2 connector-2", w.b:ids())
    w.c.frozen = true
    answer = w.a:ask { command = "stop", ids = { "chat-9" } }
    assert.equal("there is no server chat-9; did you mean chat-1? not answering: c:103",
      answer.done.message)
    assert.equal("name the servers", w.a:ask({ command = "restart" }).done.message)
    assert.equal("ids must be a list of names",
      w.a:ask({ command = "kill", ids = "chat-2" }).done.message)
  end)

  it("finds a server that has failed, which is not on the bus", function()
    w.b:loses("chat-2", "oops")
    assert.equal("failed", by_id(w.a:ask { command = "list" })["chat-2"].state)
    local answer = w.a:ask { command = "restart", ids = { "chat-2" } }
    assert.same({ ok = true, id = "chat-2", message = "restarted" }, answer[1])
    assert.equal("chat-2 connector-2", w.b:ids())
  end)

  it("tells how it went when a program ends or freezes at work", function()
    w.b.frozen = true
    local answer = w.a:ask { command = "stop", ids = { "chat-2", "chat-3" } }
    assert.equal("stop: 1 of 2 servers failed", answer.done.message)
    assert.same({ ok = false, id = "chat-2", message =
      "no answer in time: it may still be at it" }, by_id(answer)["chat-2"])
    assert.is_true(by_id(answer)["chat-3"].ok)
    answer = w.a:begin { command = "stop", ids = { "connector-2" } }
    w.b:dies()
    w.settle()
    assert.equal("its process has ended", by_id(answer)["connector-2"].message)
  end)

  it("stops itself without ids, and another program when it is named", function()
    assert.equal("stopping", w.a:ask({ command = "stop" })[1].message)
    assert.is_true(w.a.stopped)
    local answer = w.a:begin { command = "stop", process = "b:102" }
    w.settle()
    assert.is_true(w.b.stopped)
    assert.is_nil(answer.done)
    w.b.hooks.ended(w.b, 0)
    w.settle()
    assert.same({ ok = true, done = true }, answer.done)
    assert.is_nil(w.c.stopped)
    for process, text in pairs {
      nope = "no program of the cluster is that of --process nope; there are: a:101, b:102, c:103",
      ["1"] = "no program of the cluster is that of --process 1;",
    } do
      answer = w.a:ask { command = "kill", process = process }
      assert.matches(text, answer.done.message, 1, true)
    end
    assert.equal("chat-3", w.c:ids())
  end)

  it("does not stop the program that a tool on the bus happened to reach", function()
    for _, command in ipairs { "stop", "kill" } do
      local answer = w.a:asked_on_bus { command = command }
      assert.equal("name the servers, or a program by --process HOST:PID", answer.done.message)
    end
    assert.is_nil(w.a.stopped)
    assert.equal("chat-1 connector-1", w.a:ids())
    local by = { user = 7, pid = 8, host = "d\n\"x" }
    local answer = w.a:asked_on_bus { command = "kill", process = w.a.process, by = by }
    assert.is_true(answer.done.ok)
    assert.equal("", w.a:ids())
    assert.is_true(w.a:logged("kill chat-1, asked for by user 7, process 8 of d??x"))
  end)

  it("adds a server here, in a named program, or on a machine", function()
    local entry = { id = "chat-8", serverType = "chat" }
    local answer = w.a:ask { command = "add", entry = entry }
    assert.equal("chat-8 is up", answer.done.message)
    assert.equal("chat-1 chat-8 connector-1", w.a:ids())
    answer = w.b:ask { command = "add", entry = entry, process = "c:103" }
    assert.equal("chat-8: a server of that id runs, in a:101", answer.done.message)
    entry.id = "chat-9"
    answer = w.a:ask { command = "add", entry = entry, process = "c:103" }
    assert.equal("chat-9 is up", answer.done.message)
    assert.is_true(w.c:logged("add chat-9, asked for by user 1000, process 42 of a"))
    entry.id = "chat-10"
    answer = w.a:asked_on_bus { command = "add", entry = entry }
    assert.equal("say where: --host NAME or --process HOST:PID; there are: a:101, b:102, c:103",
      answer.done.message)
    assert.is_true(w.a:asked_on_bus({ command = "add", entry = entry, host = "b" }).done.ok)
    assert.equal("chat-10 chat-2 connector-2", w.b:ids())
    answer = w.a:ask { command = "add", entry = { serverType = "chat" }, host = "b" }
    assert.equal("add: id is needed", answer.done.message)
    answer = w.a:ask { command = "add", entry = { id = "x" }, host = "z" }
    assert.matches("no program of the cluster is that of --host z", answer.done.message, 1, true)
  end)

  it("reloads server by server, over all programs, up to the first refusal", function()
    local order, refuse = {}, nil
    for _, name in ipairs { "a", "b", "c" } do
      for id in pairs(w[name].running) do
        w[name].servers[id] = function(question)
          if question.command ~= "reload" then return { ok = true } end
          order[#order + 1] = id
          if id == refuse then return { ok = false, message = id .. ": oops" } end
          return { ok = true, message = "loaded", unknown = question.modules }
        end
      end
    end
    assert.same({ ok = true, done = true }, w.b:ask({ command = "reload" }).done)
    assert.equal("chat-2 connector-2 chat-1 connector-1 chat-3", table.concat(order, " "))
    order, refuse = {}, "connector-1"
    local answer = w.b:ask { command = "reload" }
    assert.equal("chat-2 connector-2 chat-1 connector-1", table.concat(order, " "))
    assert.equal("stopped at connector-1", answer.done.message)
    assert.equal("connector-1: oops", by_id(answer)["connector-1"].message)
    refuse = nil
    assert.equal("no server has the module chat.x",
      w.c:ask({ command = "reload", modules = { "chat.x" } }).done.message)
    order = {}
    w.a.frozen = true
    answer = w.b:ask { command = "reload" }
    assert.equal("stopped at a:101: no answer in time: it may still be at it",
      answer.done.message)
    assert.equal("chat-2 connector-2", table.concat(order, " "))
    w.a.frozen = false
    order = {}
    answer = w.b:begin { command = "reload" }
    w.a:dies()
    w.settle()
    assert.is_true(answer.done.ok)
    assert.equal("chat-2 connector-2 chat-3", table.concat(order, " "))
  end)

  it("says no module only when no server of the cluster has it", function()
    for _, name in ipairs { "a", "b", "c" } do
      for id in pairs(w[name].running) do
        w[name].servers[id] = function(question)
          return { ok = true, unknown = name ~= "c" and question.modules or nil }
        end
      end
    end
    assert.is_true(w.a:ask({ command = "reload", modules = { "chat.x" } }).done.ok)
  end)

  it("kicks a user on all frontends, and says how many sessions it were", function()
    local function kick(n)
      return function(question)
        assert(question.command ~= "kick" or question.uid == "ann" and question.reason == "go")
        return { ok = true, sessions = n }
      end
    end
    w.a.servers["connector-1"], w.b.servers["connector-2"] = kick(2), kick(1)
    local answer = w.c:ask { command = "kick", uid = "ann", reason = "go" }
    assert.equal('the uid "ann": 3 sessions ended', answer.done.message)
    assert.equal(3, answer.done.sessions)
    assert.is_true(w.a:logged('kick of the uid "ann", asked for by user 1000, process 42 of c'))
    w.b.frozen = true
    answer = w.c:ask { command = "kick", uid = "ann", reason = "go" }
    assert.is_false(answer.done.ok)
    assert.equal('the uid "ann": 2 sessions ended; not confirmed by b:102', answer.done.message)
    answer = w.c:ask { command = "kick", uid = {} }
    assert.is_false(answer.done.ok)
    assert.matches("a uid is a text or a number", answer.done.message)
  end)

  it("bans in all programs, from any of them, with who has not confirmed it", function()
    w.b.servers["connector-2"] = function() return { ok = true, ended = 2 } end
    local answer = w.a:ask { command = "ban", uid = "ann", reason = "spam" }
    assert.is_true(answer.done.ok)
    assert.matches("; 2 sessions ended", answer[1].message, 1, true)
    assert.is_true(w.b:ask({ command = "ban", uid = "bob" }).done.ok)
    for _, one in ipairs { w.a, w.b, w.c } do
      local uids = {}
      for _, ban in ipairs(one:ask({ command = "bans" })[1].bans) do uids[#uids + 1] = ban.uid end
      table.sort(uids)
      assert.same({ "ann", "bob" }, uids)
    end
    assert.is_true(w.c:logged('the uid "ann" is banned'))
    assert.equal("NOENT", w.c:ask({ command = "unban", uid = "cid" }).done.code)
    w.b.frozen = true
    answer = w.a:ask { command = "unban", uid = "ann" }
    assert.is_true(answer.done.ok) -- in force here, and there when it answers again
    assert.matches("; not confirmed yet by b:102", answer[1].message, 1, true)
    assert.is_nil(w.c:ask({ command = "bans" })[1].bans[2])
    -- A server of any program bans, too: app:ban.
    local answered
    w.c.servers["chat-3"] = function(question)
      if question.command == "answer" then answered = question.answer end
      return { ok = true }
    end
    w.b.frozen = false
    w.c.hooks.wish(w.c, "chat-3", 1, '{"command":"ban","uid":"eve"}')
    w.settle()
    assert.same({ true, 2, 0 }, { answered.ok, answered.ended, #answered.silent })
    assert.equal("eve", w.a:ask({ command = "bans" })[1].bans[2].uid)
  end)

  it("runs a command of the game's on every server that has it", function()
    local function module(name, message)
      return function(question)
        if question.name ~= name then return { ok = true, unknown = true, known = { name } } end
        return { ok = message ~= nil, message = message or "failed" }
      end
    end
    w.a.servers["chat-1"], w.b.servers["chat-2"] = module("online", "3"), module("online", "4")
    for _, server in ipairs { { w.a, "connector-1" }, { w.b, "connector-2" }, { w.c, "chat-3" } } do
      server[1].servers[server[2]] = module("other")
    end
    local answer = w.c:ask { command = "run", name = "online", words = { "x" } }
    assert.is_true(answer.done.ok)
    assert.same({ "3", "4" }, { by_id(answer)["chat-1"].message, by_id(answer)["chat-2"].message })
    answer = w.c:ask { command = "run", name = "onlin" }
    assert.same({ "NOENT", "no server has the command onlin; did you mean online?" },
      { answer.done.code, answer.done.message })
    w.b.frozen = true
    assert.equal("no server that answers has the command onlin; did you mean online?; "
      .. "not answering: b:102", w.c:ask({ command = "run", name = "onlin" }).done.message)
    assert.equal("not answering: b:102",
      w.c:ask({ command = "run", name = "online" }).done.message)
    w.b.frozen = false
    answer = w.a:ask { command = "run", name = "online", on = "chat-2" }
    assert.equal("chat-2", ids_of(answer))
    assert.equal("no server that runs is meant",
      w.a:ask({ command = "run", name = "online", type = "nope" }).done.message)
    assert.equal("other: 3 of 3 servers failed",
      w.a:ask({ command = "run", name = "other" }).done.message)
  end)

  it("has Lua run in the server of another program", function()
    w.b.servers["chat-2"] = function(question)
      return { ok = true, values = { question.text } }
    end
    local answer = w.a:ask { command = "eval", id = "chat-2", text = "1 + 1" }
    assert.same({ "1 + 1" }, answer[1].values)
    assert.is_true(answer.done.ok)
    assert.is_true(w.b:logged("console of chat-2: 1 + 1, asked for by user 1000, process 42 of a"))
    assert.equal("there is no server x", w.a:ask({ command = "eval", id = "x", text = "1" })
      .done.message)
  end)

  it("serves two tools that ask two programs at the same time", function()
    local first = w.a:begin { command = "restart", ids = { "chat-2" } }
    local second = w.c:begin { command = "restart", ids = { "chat-2" } }
    w.settle()
    assert.is_true(first.done.ok)
    assert.is_true(second.done.ok)
    first = w.a:begin { command = "stop", ids = { "chat-2" } }
    second = w.c:begin { command = "stop", ids = { "chat-2" } }
    w.settle()
    assert.is_true(first.done.ok ~= second.done.ok)
    assert.equal("there is no such server", (first[1].ok and second or first)[1].message)
    assert.equal("connector-2", w.b:ids())
  end)

  it("adds counters of each program's bus", function()
    local programs_seen = {}
    for _, line in ipairs(w.a:ask { command = "list", counters = true }) do
      if line.bus then programs_seen[#programs_seen + 1] = line.program end
    end
    table.sort(programs_seen)
    assert.same({ "a:101", "b:102", "c:103" }, programs_seen)
  end)

  it("refuses what it does not know, and more questions than it can keep", function()
    assert.matches("no such command", w.a:asked_on_bus({ command = "nope" }).done.message)
    assert.matches("no such command", w.a:asked_on_bus({}).done.message)
    w.a.servers["chat-1"] = function() error "never asked" end
    local refused
    for i = 1, 65 do
      w.a.open[i] = function(line, last)
        refused = last and line or refused
      end
      w.a.hooks.question(w.a, i, "f", '{"command":"list","here":true}')
    end
    assert.matches("too many tools speak with this program at once", refused)
  end)
end)
