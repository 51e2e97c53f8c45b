-- States that outlive their process (live/kept.lua, live/migration.lua, test/kept.lua,
-- test/restart.lua): what a file keeps by state.__keep is there after server:restart of the test
-- kit, which ends one server and begins another.
local disk = require "spec.support.files"
local lines = require "spec.support.lines"
local net = require "spec.support.net"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{"development": {"table": [{"id": "table-1", "host": "127.0.0.1"}],
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]]
local HANDLER = "app/servers/table/handler/rooms.lua"

local ROOMS = [[
return function(app, state)
  state.__keep = true
  state.rooms = state.rooms or {}
  return {
    put = function(_, msg)
      state.rooms[msg.room] = msg.value
      if msg.bad then state.bad = print end
      if msg.good then state.bad = nil end
      return { code = 200 }
    end,
    get = function(_, msg) return { value = state.rooms[msg.room] } end,
    keep = function(_, msg) state.__keep = msg.value return {} end,
  }
end
]]

local base, server

local function start(files, settings)
  local all = {
    ["app.lua"] = 'local app = require("pomelua").createApp()\n' .. (settings or "")
      .. "app:start()\n",
    ["config/servers.json"] = CONFIG, [HANDLER] = ROOMS,
  }
  for path, text in pairs(files or {}) do all[path] = text end
  base = tree.new(all)
  server = test.server { base = base, type = "table", id = "table-1" }
end

local function ask(method, msg)
  return server:request("table.rooms." .. method, msg, { uid = "ann", frontendId = "connector-1" })
end

local function put(room, value, more)
  local msg = { room = room, value = value }
  for key, one in pairs(more or {}) do msg[key] = one end
  assert.equal(200, ask("put", msg).code)
end

local function get(room) return ask("get", { room = room }).value end
local function killed() server:restart { killed = true } end
local function errors_of(text) return lines.count(server, text) end
local function counted(name) return server.inner:counters()[name] end

after_each(function()
  if server then server:close() end
  tree.remove(base)
  server = nil
end)

describe("a state that is kept", function()
  it("is looked for where a file has a state, and costs no timer elsewhere", function()
    start { [HANDLER] = [[
      return { make = function() require("pomelua").state().__keep = true return {} end,
        get = function() return { value = require("pomelua").state().__keep } end }]] }
    assert.is_nil(server.inner.kept.timer)
    server:tick(60000)
    ask "make"
    server:tick(5000)
    killed()
    assert.is_true(get())
    assert.truthy(server.inner.kept.timer)
  end)

  it("is there after a stop and a start", function()
    start()
    put("hall", { "ann", "bob" })
    server:restart()
    assert.same({ "ann", "bob" }, get "hall")
    put("hall", "empty")
    server:restart()
    assert.equal("empty", get "hall")
  end)

  it("is there after kill -9 as it was at most stateConfig.saveInterval before", function()
    start()
    put("hall", 1)
    server:tick(5000)
    put("hall", 2)
    killed()
    assert.equal(1, get "hall")
  end)

  it("is saved as often as the game says", function()
    start({}, 'app:set("stateConfig", { saveInterval = 200 })\n')
    put("hall", 1)
    server:tick(200)
    killed()
    assert.equal(1, get "hall")
  end)

  it("is saved at once when the server comes up, so that errors are seen then", function()
    start { [HANDLER] = ROOMS:gsub("state.rooms or {}", "{ on = print }") }
    assert.equal(1, errors_of("app/servers/table/handler/rooms.lua: state.rooms.on: a function "
      .. "cannot be kept; what was saved of it before stays"))
  end)

  it("is written only when it has changed", function()
    start()
    local before = counted "stateSaves"
    server:tick(60000)
    assert.equal(before, counted "stateSaves")
    put("hall", 1)
    server:tick(60000)
    assert.equal(before + 1, counted "stateSaves")
  end)

  it("is lost by a file that does not ask", function()
    start { [HANDLER] = ROOMS:gsub("state.__keep = true", "") }
    put("hall", 1)
    server:restart()
    assert.is_nil(get "hall")
    assert.equal(0, counted "stateSaves")
  end)

  it("may be asked for by any file, and later", function()
    start {
      [HANDLER] = ROOMS:gsub("state.__keep = true", "require('app.score').add(1)"),
      ["app/score.lua"] = [[
        local state = require("pomelua").state()
        state.n = state.n or 0
        return { add = function(n) state.__keep, state.n = true, state.n + n end,
          get = function() return state.n end }]],
    }
    for n = 1, 3 do
      assert.equal(n, server:require("app.score").get())
      server:restart()
    end
  end)

  it("ends when the file says false, and what was saved is forgotten", function()
    start { [HANDLER] = ROOMS:gsub("state.__keep = true",
      "if state.__keep == nil then state.__keep = true end") }
    put("hall", 1)
    server:tick(5000)
    ask("keep", { value = false })
    server:tick(5000)
    killed()
    assert.is_nil(get "hall")
  end)

  it("stays what it was while a reload replaces its file", function()
    start()
    put("hall", 1)
    tree.write(base, HANDLER, ROOMS .. "\n")
    assert(server:reload())
    put("hall", 2)
    server:restart()
    assert.equal(2, get "hall")
  end)

  it("gives back a table that stands in two places as one", function()
    start { [HANDLER] = [[
      return function(app, state)
        state.__keep = true
        if not state.world then
          local ship = { x = 1 }
          state.world, state.players = { ship }, { ann = ship }
        end
        return { get = function() return { same = state.world[1] == state.players.ann } end }
      end]] }
    server:restart()
    assert.same({ same = true }, ask("get", {}))
  end)
end)

describe("what cannot be kept", function()
  local TEXT = "app/servers/table/handler/rooms.lua: state.bad: a function cannot be kept"

  it("is told once with file and path, and what was saved before stays", function()
    start()
    put("hall", 1)
    server:tick(5000)
    put("hall", 2, { bad = true })
    server:tick(20000)
    assert.equal(1, errors_of(TEXT))
    assert.is_true(counted "stateErrors" >= 4)
    killed()
    assert.equal(1, get "hall")
  end)

  it("is told again when it was mended meanwhile", function()
    start()
    put("hall", 1, { bad = true })
    server:tick(5000)
    put("hall", 1, { good = true })
    server:tick(5000)
    put("hall", 1, { bad = true })
    server:tick(5000)
    assert.equal(2, errors_of(TEXT))
  end)

  it("keeps no other file from being saved", function()
    start { ["app/score.lua"] = [[
      local state = require("pomelua").state()
      state.__keep, state.n = true, (state.n or 0) + 1
      return state]] }
    server:require("app.score")
    put("hall", 1, { bad = true })
    server:restart()
    assert.equal(2, server:require("app.score").n)
  end)

  it("is a text that is larger than stateConfig.maxSize", function()
    start({}, 'app:set("stateConfig", { maxSize = 2000 })\n')
    put("hall", ("x"):rep(3000))
    server:tick(5000)
    assert.equal(1, errors_of("app/servers/table/handler/rooms.lua: state.rooms: the text of state "
      .. "is longer than 2000 bytes"))
  end)

  it("is a __keep that is neither true nor false", function()
    start { [HANDLER] = ROOMS:gsub("state.__keep = true", 'state.__keep = "yes"') }
    assert.equal(1, errors_of('rooms.lua: state.__keep: must be true or false, got "yes"'))
  end)
end)

describe("migrate, after a restart", function()
  local MIGRATE = [[
return {
  get = function() return { v = state.v, from = state.from, n = state.n } end,
  migrate = function(state, from)
    %s
    state.v, state.from, state.n = 2, from, (state.n or 0) + 1
  end,
}]]

  local function module(body)
    return 'local pomelua = require "pomelua"\nlocal state = pomelua.state()\n'
      .. "state.__keep, state.v = true, state.v or 1\n" .. MIGRATE:format(body or "")
  end

  it("is offered the state of the earlier process, with 0 as its generation", function()
    start { [HANDLER] = module() }
    assert.same({ v = 1 }, ask("get", {}))
    server:restart()
    assert.same({ v = 2, from = 0, n = 1 }, ask("get", {}))
    killed()
    assert.same({ v = 2, from = 0, n = 2 }, ask("get", {}))
  end)

  it("is called when a file that is required later is loaded, once", function()
    start { ["app/late.lua"] = module() }
    assert.is_nil(server:require("app.late").get().from)
    server:restart()
    assert.same({ v = 2, from = 0, n = 1 }, server:require("app.late").get())
    assert.same({ v = 2, from = 0, n = 1 }, server:require("app.late").get())
  end)

  it("keeps the server from starting when it raises, and nothing is lost", function()
    start { [HANDLER] = module() }
    server:tick(5000)
    tree.write(base, HANDLER, module 'state.v = nil error("no such form")')
    local memory = {}
    for name, text in pairs(server.memory) do memory[name] = text end
    assert.error_matches(function() killed() end,
      "test%.server: migrate: app/servers/table/handler/rooms%.lua:%d+: no such form")
    assert.same(memory, server.memory)
  end)

  it("fails the first require of a file that is loaded later", function()
    start { ["app/late.lua"] = module 'if state.v == 1 then error("not yet") end' }
    server:require("app.late")
    server:restart()
    assert.error_matches(function() server:require("app.late") end, "not yet")
    assert.error_matches(function() server:require("app.late") end, "not yet")
    assert.equal(200, ask("put", { room = "hall", value = 1 }).code)
  end)
end)

describe("a kept state without its file", function()
  it("waits for it, with a line of the log", function()
    start { ["app/old.lua"] = [[
      local state = require("pomelua").state()
      state.__keep, state.n = true, (state.n or 0) + 1
      return state]] }
    server:require("app.old")
    server:tick(5000)
    os.remove(base .. "/app/old.lua")
    killed()
    assert.equal(1, errors_of("the kept state of app/old.lua waits for its file"))
    server:restart()
    tree.write(base, "app/old.lua", [[
      local state = require("pomelua").state()
      return state]])
    server:restart()
    assert.equal(1, server:require("app.old").n)
  end)

  it("goes to a file that comes back while the server runs", function()
    local text = [[
      local state = require("pomelua").state()
      state.__keep, state.n = true, (state.n or 0) + 1
      return state]]
    start { ["app/old.lua"] = text }
    server:require("app.old")
    server:tick(5000)
    os.remove(base .. "/app/old.lua")
    killed()
    assert.equal(1, errors_of("the kept state of app/old.lua waits for its file"))
    server:tick(10000)
    tree.write(base, "app/old.lua", text)
    assert(server:reload())
    assert.equal(2, server:require("app.old").n)
    server:tick(5000)
    killed()
    assert.equal(3, server:require("app.old").n)
  end)
end)

describe("a keeper that fails", function()
  it("is told once, and asked again until it works", function()
    start()
    local save, asked = server.inner.kept.keeper.save, 0
    server.inner.kept.keeper.save = function(_, _, done)
      asked = asked + 1
      done("disk full")
    end
    put("hall", 1)
    server:tick(15000)
    assert.equal(3, asked)
    assert.equal(1, errors_of "states are not kept until this is mended: disk full")
    server.inner.kept.keeper.save = save
    server:tick(5000)
    killed()
    assert.equal(1, get "hall")
  end)

  it("does not hold up a stop", function()
    start()
    put("hall", 1)
    server.inner.kept.keeper.save = function(_, _, done) done("disk full") end
    assert.is_true(server:stop())
  end)

  it("is waited for by a stop, which saves what changed meanwhile", function()
    start()
    local save, wait = server.inner.kept.keeper.save, nil
    server.inner.kept.keeper.save = function(one, changes, done)
      wait = function() save(one, changes, done) end
    end
    put("hall", 1)
    server:tick(5000)
    put("hall", 2)
    assert.is_false(server:stop())
    wait()
    assert.is_false(server:stop())
    wait()
    server:settle()
    assert.is_true(server.stopped)
    killed()
    assert.equal(2, get "hall")
  end)

  it("with a state that is damaged keeps the server from starting", function()
    start()
    server:tick(5000)
    server.memory[HANDLER] = "{1"
    assert.error_matches(function() killed() end, "the kept state of app/servers/table/handler/"
      .. "rooms%.lua: it is no text of a kept state, at byte %d")
  end)
end)

describe("a cluster of the test kit", function()
  it("keeps states in a folder of its own, which goes with it", function()
    start()
    local cluster = test.cluster { base = base }
    local folder = cluster.data
    local last = net.ms() + net.deadline
    while not disk.exists(folder .. "/state.db") do
      assert(net.ms() < last, "nothing was saved")
      net.wait(function() end, 20)
    end
    assert.equal(0, cluster:stop())
    assert.is_nil(io.open(folder))
    assert.is_nil(io.open(base .. "/.pomelua"))
  end)
end)

describe("server:restart of the test kit", function()
  it("begins a new process: nothing else is there any more, and the clock goes on", function()
    start({}, 'app:set("seen", app:get("seen") or os.time())\n')
    local before = server.app:get("seen")
    server.app:set("mine", 1)
    server:tick(60000)
    server:restart()
    assert.is_nil(server.app:get("mine"))
    assert.equal(before + 60, server.app:get("seen"))
  end)

  it("says what it takes", function()
    start()
    assert.error_matches(function() server:restart(7) end, "how must be the id of another server")
    assert.error_matches(function() server:restart { kill = true } end, "killed = true")
  end)
end)
