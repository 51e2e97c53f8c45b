-- Hot reload on a virtual server: generations, who stands on whom, states, and that a
-- load that fails changes nothing.
-- Tests live/reload.lua, live/generation.lua, live/check.lua, live/swap.lua and
-- live/dropped.lua.
local lines = require "spec.support.lines"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local ECHO = [[
local word = require "app.word"
return function(app)
  return {
    say = function() return { word = word } end,
    wait = function()
      require("pomelua").sleep(100)
      return { word = word, late = require "app.late" }
    end,
  }
end
]]

local CONFIG = [[{"development": {"chat": [{"id": "chat-1", "host": "127.0.0.1"}],
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]},
  "production": {"chat": [{"id": "chat-1", "host": "127.0.0.1"}],
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]]

local HANDLER = "app/servers/chat/handler/echo.lua"

describe("reload", function()
  local base, server

  local function start(files, env)
    local all = {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = CONFIG,
      ["app/word.lua"] = "return 'one'",
      ["app/late.lua"] = "return 'late one'",
      [HANDLER] = ECHO,
    }
    for path, text in pairs(files or {}) do all[path] = text end
    base = tree.new(all)
    server = test.server { base = base, type = "chat", id = "chat-1", env = env }
  end

  local function write(path, text) tree.write(base, path, text) end

  local function say(method)
    local answer, pending = server:request("chat.echo." .. (method or "say"), {},
      { uid = "ann", frontendId = "connector-1" })
    return answer, pending
  end

  local function refused(what, options)
    local result, err = server:reload(options)
    assert.is_nil(result)
    assert.is_truthy(err.message:find(what, 1, true), err.message)
    return err
  end

  local function logged(text) return lines.count(server, text) > 0 end

  after_each(function()
    if server then server:close() end
    tree.remove(base)
  end)

  it("gives the new code to the next request", function()
    start()
    assert.same({ word = "one" }, say())
    write(HANDLER, 'return { say = function() return { word = "new" } end,'
      .. ' wait = function() end }')
    local result = assert(server:reload())
    assert.equal(2, result.generation)
    assert.same({ HANDLER }, result.modules)
    assert.same({ word = "new" }, say())
  end)

  it("keeps what a file held that an editor has emptied, until it has text", function()
    start()
    write(HANDLER, "")
    write("app/servers/chat/handler/new.lua", "")
    assert.same({}, assert(server:reload()).modules)
    assert.same({ word = "one" }, say())
    server:tick(1900)
    assert.is_false(logged("is empty"))
    server:tick(200)
    assert.is_true(logged(HANDLER .. " is empty: its previous content stays in force"))
    assert.is_true(logged("app/servers/chat/handler/new.lua is empty: it is no module"))
    write(HANDLER, "return { say = function() return { word = 'new' } end }")
    assert.same({ HANDLER }, assert(server:reload()).modules)
    assert.same({ word = "new" }, say())
  end)

  it("is refused when a folder or a file cannot be read now", function()
    start()
    local files = require "pomelua.base.files"
    local list = files.list
    files.list = function(path) return nil, path .. ": Too many open files", false end
    local ok, message = pcall(refused, "Too many open files")
    files.list = list
    assert(ok, message)
    assert.same({ word = "one" }, say())
  end)

  it("does nothing when nothing has changed", function()
    start()
    local result = assert(server:reload())
    assert.equal(1, result.generation)
    assert.same({}, result.modules)
  end)

  it("reloads whoever stands on what has changed, and nobody else", function()
    start {
      ["app/word.lua"] = "return require 'app.letters'",
      ["app/letters.lua"] = "return 'one'",
      ["app/servers/chat/handler/other.lua"] =
        "local at = {} return { at = function() return { at = tostring(at) } end }",
    }
    say()
    local before = server:request("chat.other.at", {}).at
    write("app/letters.lua", "return 'two'")
    local result = assert(server:reload())
    assert.same({ "app/letters.lua", HANDLER, "app/word.lua" }, result.modules)
    assert.same({ word = "two" }, say())
    assert.equal(before, server:request("chat.other.at", {}).at)
  end)

  it("lets a request run to its end on the generation it began with, lazy modules too", function()
    start()
    local _, pending = say "wait"
    write("app/word.lua", "return 'two'")
    write("app/late.lua", "return 'late two'")
    local result = assert(server:reload())
    assert.equal(1, result.running)
    assert.same({ generation = 2, calls = 1, by = { [1] = 1 } }, server.inner:generations())
    local _, second = say "wait"
    server:tick(150)
    assert.same({ word = "one", late = "late one" }, pending.value)
    assert.same({ word = "two", late = "late two" }, second.value)
    assert.equal(0, server.inner:generations().calls)
  end)

  for what, row in pairs {
    ["does not parse"] = { "return {\n  say = function(\n}", HANDLER .. ":3:" },
    ["raises"] = { "\nerror 'no'", HANDLER .. ":2: no" },
    ["raises while it is built"] = { "return function()\n error 'no' end", HANDLER .. ":2: no" },
    ["returns a string"] = { "return 'x'", HANDLER .. ": must return a table" },
    ["requires what is not there"] = { "\nrequire 'app.nowhere'", "app.nowhere" },
    ["writes a global"] = { "\nleak = 1 return {}", HANDLER .. ":2: undeclared global 'leak'" },
    ["reads a global"] = { "\n\nreturn { a = laek }", HANDLER .. ":3: undeclared global 'laek'" },
    ["does not pass its check"] = { "return { __check = function() return nil, 'unsound' end }",
      HANDLER .. ": __check: unsound" },
    ["raises in its check"] = { "return { __check = function() error 'bad' end }",
      HANDLER .. ":1: bad" },
  } do
    it("keeps the old code when a file " .. what, function()
      start()
      write(HANDLER, row[1])
      refused(row[2])
      assert.equal(1, server.inner.generation.number)
      assert.same({ word = "one" }, say())
      assert.is_true(logged(row[2]))
    end)
  end

  it("keeps the old code when a module that others require fails", function()
    start()
    write("app/word.lua", "return 'two' .. nil")
    refused "app/word.lua:1: attempt to concatenate"
    assert.same({ word = "one" }, say())
    write("app/word.lua", "return 'three'")
    assert(server:reload())
    assert.same({ word = "three" }, say())
  end)

  it("names modules that require each other in a circle", function()
    start()
    write("app/word.lua", "return require 'app.ring'")
    write("app/ring.lua", "return require 'app.word'")
    refused "app/word.lua -> app/ring.lua -> app/word.lua"
  end)

  it("adds routes with new files and loses them with removed ones", function()
    start()
    write("app/servers/chat/handler/more.lua", "return { m = function() return { ok = 1 } end }")
    assert(server:reload())
    assert.same({ ok = 1 }, server:request("chat.more.m", {}))
    os.remove(base .. "/app/servers/chat/handler/more.lua")
    local result = assert(server:reload())
    assert.same({ "chat.more.m" }, result.gone)
    assert.is_true(logged "routes that are gone: chat.more.m")
  end)

  it("refuses to lose routes in production, unless forced", function()
    start(nil, "production")
    write(HANDLER, "return { say = function() return { word = 'new' } end }")
    local err = refused "chat.echo.wait"
    assert.same({ "chat.echo.wait" }, err.gone)
    assert.same({ word = "one" }, say())
    local result = assert(server:reload { force = true })
    assert.same({ "chat.echo.wait" }, result.gone)
    assert.same({ word = "new" }, say())
  end)

  it("tries without swapping", function()
    start()
    write("app/word.lua", "return 'two'")
    local result = assert(server:reload { dry = true })
    assert.same({ HANDLER, "app/word.lua" }, result.modules)
    assert.same({ word = "one" }, say())
    assert(server:reload())
    assert.same({ word = "two" }, say())
  end)

  it("reloads the named modules and no others", function()
    start()
    write("app/word.lua", "return 'two'")
    write(HANDLER, ECHO:gsub("say = function", "extra = print, say = function"))
    local result = assert(server:reload { modules = { "app.word", "chat.nobody" } })
    assert.same({ HANDLER, "app/word.lua" }, result.modules)
    assert.same({ "chat.nobody" }, result.unknown)
    assert.same({ word = "two" }, say())
    assert.is_nil(server.inner.registry:handler("chat.echo.extra"))
    assert(server:reload { modules = { "chat.echo" } })
    assert.is_table(server.inner.registry:handler("chat.echo.extra"))
  end)

  describe("state", function()
    local COUNT = [[
return function(app, state)
  state.n = state.n or 0
  return { say = function() state.n = state.n + 1 return { n = state.n } end, %s }
end
]]
    it("outlives reloads", function()
      start { [HANDLER] = COUNT:format "" }
      say()
      say()
      write(HANDLER, COUNT:format "more = function() end")
      assert(server:reload())
      assert.same({ n = 3 }, say())
    end)

    it("is there for modules, too", function()
      local text = "local state = require('pomelua').state()\nstate.n = (state.n or 0) + 1\n"
        .. "return state.n"
      start { ["app/word.lua"] = text }
      assert.same({ word = 1 }, say())
      write("app/word.lua", text .. " * 10")
      assert(server:reload())
      assert.same({ word = 20 }, say())
    end)

    it("is as before when the load fails", function()
      start { [HANDLER] = COUNT:format "" }
      say()
      write(HANDLER, "return function(app, state) state.n = 100 state.x = 1 error 'no' end")
      refused "no"
      assert.same({ n = 2 }, say())
    end)

    it("migrates", function()
      start { [HANDLER] = COUNT:format "" }
      say()
      write(HANDLER, COUNT:format
        "migrate = function(state, from) state.n = state.n * 100 + from end")
      assert(server:reload())
      assert.same({ n = 102 }, say())
      assert.is_nil(server.inner.registry:handler("chat.echo.migrate"))
    end)

    it("is as before when the migration fails, however deep it had got", function()
      start { [HANDLER] = [[return function(app, state)
        state.rooms = state.rooms or { a = { 1, 2 } }
        return { say = function() return state.rooms end }
      end]] }
      write(HANDLER, [[return function(app, state)
        return { say = function() end, migrate = function()
          state.rooms.a[1] = 9
          state.rooms.b = {}
          state.new = 1
          error "cannot"
        end }
      end]])
      refused "migrate: "
      assert.same({ a = { 1, 2 } }, say())
    end)

    it("cannot be waited in", function()
      start()
      write("app/word.lua",
        "return { migrate = function() require('pomelua').sleep(1) end }")
      refused "migrate"
      assert.same({ word = "one" }, say())
    end)
  end)

  describe("timers and listeners of a file", function()
    local TICK = [[
local app = require("pomelua").createApp()
local seen = require("pomelua").declare("seen", {})
app:setInterval(10, function() seen[#seen + 1] = "%s" end)
app.event:on("ring", function() seen[#seen + 1] = "ring %s" end)
return { say = function() local list = table.concat(seen, " ") for i = #seen, 1, -1 do
  seen[i] = nil end return { list = list } end }
]]
    it("end with its load, and begin with the next", function()
      start { [HANDLER] = TICK:format("a", "a") }
      server:tick(20)
      server.app.event:emit("ring")
      assert.same({ list = "a a ring a" }, say())
      write(HANDLER, TICK:format("b", "b"))
      assert(server:reload())
      server:tick(20)
      server.app.event:emit("ring")
      assert.same({ list = "b b ring b" }, say())
    end)

    it("never begin when the load fails", function()
      start { [HANDLER] = TICK:format("a", "a") }
      write(HANDLER, (TICK:format("b", "b"):gsub("return", "error 'no' return")))
      refused "no"
      server:tick(20)
      server.app.event:emit("ring")
      assert.same({ list = "a a ring a" }, say())
    end)

    it("that a request makes belong to the request", function()
      start { [HANDLER] = [[
local word = "one"
return function(app)
  return { say = function(_, _, _, next)
    app:setTimeout(50, function() next(nil, { word = word }) end)
  end }
end]] }
      local _, pending = say()
      write(HANDLER, "return { say = function() return { word = 'two' } end }")
      assert(server:reload())
      assert.same({ word = "two" }, say())
      server:tick(60)
      assert.same({ word = "one" }, pending.value)
    end)
  end)

  describe("app.lua", function()
    local APP = [[
local app = require("pomelua").createApp()
app:set("serverConfig", { awaitTimeout = %d })
app:set("rooms", {})
app:route("room", function() return "%s" end)
app:start()
]]
    it("runs again for its route functions, and sets nothing again", function()
      start { ["app.lua"] = APP:format(1000, "room-1") }
      local rooms = server.app:get("rooms")
      assert.equal("room-1", server.inner.router:find("room")())
      write("app.lua", APP:format(2000, "room-2"))
      assert(server:reload())
      assert.equal("room-2", server.inner.router:find("room")())
      assert.equal(rooms, server.app:get("rooms"))
      assert.is_true(logged "serverConfig has changed")
      write("app.lua", "require('pomelua').createApp():start()")
      assert(server:reload())
      assert.is_nil(server.inner.router:find("room"))
    end)
  end)

  describe("globals", function()
    it("that are not declared are errors of the request, with file and line", function()
      start { [HANDLER] = "return {\n  say = function() counter = 1 end,\n}" }
      assert.same({ code = 500 }, say())
      assert.is_true(logged(HANDLER .. ":2: undeclared global 'counter' is written"))
      assert.is_nil(rawget(_G, "counter"))
    end)

    it("that are declared are shared, and outlive reloads", function()
      start {
        ["app/word.lua"] = "require('pomelua').declare('counter', 5) return 'one'",
        [HANDLER] = "require 'app.word' return { say = function() counter = counter + 1"
          .. " return { n = counter } end }",
      }
      assert.same({ n = 6 }, say())
      write("app/word.lua", "require('pomelua').declare('counter', 5) return 'two'")
      assert(server:reload())
      assert.same({ n = 7 }, say())
    end)

    it("of Lua are all there, also in what is loaded from a text", function()
      start { [HANDLER] = [[return { say = function()
        return { n = assert(loadstring("return math.max(1, 2)"))(),
          word = rawget(_G, "nothing") == nil,
          own = loadstring("return _G")() == _G }
      end }]] }
      assert.same({ n = 2, word = true, own = true }, say())
    end)
  end)

  it("puts the generation into log lines and errors", function()
    start()
    write(HANDLER, [[return {
      say = function() require("pomelua").log.info("hello") error("oops") end,
      wait = function() end }]])
    assert(server:reload())
    say()
    assert.is_true(logged "[generation 2] hello")
    assert.is_true(logged "chat.echo.say [generation 2]: ")
  end)

  it("does not wait for a session in __check, nor for a remote in migrate", function()
    start()
    write(HANDLER, [[return function(app)
      return {
        __check = function()
          local service = app:get("backendSessionService")
          local from = service:create { id = 1, frontendId = "connector-1" }
          assert(select("#", from:bind("ann")) == 0)
          return true
        end,
        migrate = function() assert(select("#", app.call.chat.r.m({})) == 0) end,
        say = function() return { word = "new" } end, wait = function() end,
      }
    end]])
    assert(server:reload())
    assert.same({ word = "new" }, say())
    assert.is_true(logged "app.call.chat.r.m: ")
    assert.is_true(logged "session:bind: session does not exist, sid: 1")
  end)

  it("frees what is no longer used", function()
    start()
    local held = setmetatable({}, { __mode = "k" })
    held[server.inner.generation] = true
    for i = 1, 5 do
      write("app/word.lua", "return " .. i)
      assert(server:reload())
      say()
      held[server.inner.generation] = true
    end
    collectgarbage()
    collectgarbage()
    local n = 0
    for _ in pairs(held) do n = n + 1 end
    assert.equal(1, n)
  end)

  -- A file that keeps something, what changes it, and whether that is worth a word.
  for what, row in pairs {
    ["its own table"] = { "return { list = {} }", "m.list.x = 1", "its table.list" },
    ["a table of the file's"] = { "local rooms = {} return { put = function() rooms.x = 1 end }",
      "m.put()", "rooms" },
    ["a table in a table"] = {
      "local all = { by = {} } return { put = function() all.by[1] = 2 end }", "m.put()",
      "all.by" },
    ["a number"] = { "local last = 0 return { put = function() last = last + 1 end }", "m.put()",
      "last" },
    ["a field of the module"] = { "return { n = 1 }", "m.n = 2", "its table" },
    ["a key taken out"] = { "local t = { a = 1 } return { put = function() t.a = nil end }",
      "m.put()", "t" },
    ["what a helper holds"] = { "local t = {} local function set() t.a = 1 end"
      .. " return { put = function() set() end }", "m.put()", "t" },
    ["nothing that changed"] = { "local t = { 1 } return { put = function() return t[1] end }",
      "m.put()" },
    ["its state"] = {
      "local s = require('pomelua').state() return { put = function() s.a = 1 end }",
      "m.put()" },
    ["another module"] = {
      "local w = require 'app.kept' return { put = function() w.a = 1 end }",
      "m.put()" },
    ["a function of its own"] = { "return { go = print }", "m.go = function() end" },
  } do
    it((row[3] and "warns of what is lost: " or "does not warn of ") .. what, function()
      start { ["app/m.lua"] = row[1], ["app/kept.lua"] = "return {}", [HANDLER] =
        "local m = require 'app.m' return { say = function() " .. row[2] .. " return {} end }" }
      say()
      write("app/m.lua", row[1] .. " -- new")
      local result = assert(server:reload())
      local text = table.concat(result.warnings, "\n")
      if not row[3] then return assert.equal("", text) end
      assert.equal("app/m.lua: data that the game has put into " .. row[3] .. " since it was loaded"
        .. " is lost with this reload; pomelua.state() gives a table that survives", text)
      assert.is_true(logged("pomelua.state() gives a table that survives"))
    end)
  end
end)
