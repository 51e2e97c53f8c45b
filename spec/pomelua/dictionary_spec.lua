-- The route dictionary: which routes have which numbers.
-- Tests config/dictionary.lua and live/route_names.lua.
local config = require "pomelua.config.dictionary"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local tree = require "spec.support.tree"

describe("the route dictionary", function()
  local base
  after_each(function() if base then tree.remove(base) end end)

  -- handlers: by "type/module", the text of a file.
  local function game(handlers, more)
    local given, seen, types = {}, {}, {}
    for name, text in pairs(handlers) do
      local stype, module = name:match("^(.-)/(.*)$")
      given[("app/servers/%s/handler/%s.lua"):format(stype, module)] = text
      if not seen[stype] then types[#types + 1] = stype end
      seen[stype] = true
    end
    for path, text in pairs(more or {}) do given[path] = text end
    base = tree.new(given)
    table.sort(types)
    return types
  end

  -- Routes with their numbers: "a.b.c 1".
  local function numbered(handlers, more, path)
    local types = game(handlers, more)
    local found, message = config.routes(base, "development", types, path)
    if not found then error(message, 2) end
    local list = {}
    for i, route in ipairs(found.routes) do list[i] = route .. " " .. found.codes[i] end
    return list, found
  end

  local function refused(handlers, more, path, limits)
    local types = game(handlers, more)
    local found, message = config.routes(base, "development", types, path, limits)
    assert.is_nil(found)
    return message
  end

  local function functions(...)
    local lines = { "local M = {}" }
    for _, name in ipairs { ... } do lines[#lines + 1] = ("M[%q] = function() end"):format(name) end
    return table.concat(lines, "\n") .. "\nreturn M"
  end

  it("is Pomelo's: the vector of protocol 25.4", function()
    local list, found = numbered({
      ["connector/entryHandler"] = functions("enter", "_private", "entry", "fnprop"),
      ["chat/chatHandler"] = 'return { send = print, Zed = print, name = "renamed" }',
    }, { ["config/dictionary.json"] = '["onChat","onAdd","chat.renamed.send"]' })
    assert.same({
      "chat.renamed.Zed 1", "chat.renamed.send 2", "connector.entryHandler._private 3",
      "connector.entryHandler.enter 4", "connector.entryHandler.entry 5",
      "connector.entryHandler.fnprop 6", "onChat 7", "onAdd 8", "chat.renamed.send 9",
    }, list)
    assert.equal("qGvl+3Dapp/FjaRKE9tv+g==",
      assert(core.dictionary(found.routes, found.codes)):version())
  end)

  it("sorts as JavaScript does, by the units of UTF-16", function()
    assert.same({ "a.h.B 1", "a.h._a 2", "a.h.b 3", "a.h.\u{1F600} 4", "a.h.\u{FF01} 5" },
      (numbered { ["a/h"] = functions("b", "B", "_a", "\u{FF01}", "\u{1F600}") }))
  end)

  it("leaves out what makes an object, and what Lua and a reload call", function()
    local none = { "new", "constructor", "migrate", "__check", "__index", "__tostring", "__gc" }
    assert.same({ "a.h.__own 1", "a.h.enter 2" },
      (numbered { ["a/h"] = functions("enter", "__own", unpack(none)) }))
  end)

  it("has what a class gives its objects, made by a factory", function()
    assert.same({ "a.h._help 1", "a.h.enter 2" }, (numbered { ["a/h"] = [[
      local Handler = {}
      Handler.__index = Handler
      function Handler.new(app) return setmetatable({ app = app, n = 1 }, Handler) end
      function Handler:enter() end
      function Handler:_help() end
      return function(app) return Handler.new(app) end
    ]] }))
  end)

  it("has the modules of every type, right in their folders, and of no other file", function()
    local list = numbered({ ["a/one"] = functions "f", ["b/two"] = functions "f" }, {
      ["app/servers/a/handler/deep/three.lua"] = functions "f",
      ["app/servers/a/handler/.hidden.lua"] = functions "f",
      ["app/servers/a/handler/readme.txt"] = "nothing",
      ["app/servers/a/handler/four.LUA"] = functions "f",
      ["app/servers/a/handler/five.lua"] = "return false",
      ["app/servers/a/remote/six.lua"] = functions "f",
      ["app/servers/unused/handler/seven.lua"] = functions "f",
    })
    assert.same({ "a.four.f 1", "a.one.f 2", "b.two.f 3" }, list)
  end)

  describe("config/dictionary.json", function()
    local handlers = { ["a/h"] = functions "f" }

    it("may be missing, empty, or Pomelo's {}", function()
      for _, text in ipairs { "[]", "{}" } do
        assert.same({ "a.h.f 1" }, (numbered(handlers, { ["config/dictionary.json"] = text })))
        tree.remove(base)
      end
      assert.same({ "a.h.f 1" }, (numbered(handlers)))
    end)

    it("lies in the environment's folder when it is not in config", function()
      assert.same({ "a.h.f 1", "onX 2" },
        (numbered(handlers, { ["config/development/dictionary.json"] = '["onX"]' })))
    end)

    it("may be another file by dictionaryConfig, absolute or from the app's folder", function()
      local more = { ["config/dictionary.json"] = '["no"]', ["my/routes.json"] = '["onY"]' }
      assert.same({ "a.h.f 1", "onY 2" }, (numbered(handlers, more, "my/routes.json")))
      local other = tree.new { ["routes.json"] = '["onZ"]' }
      local found = assert(config.routes(base, "development", { "a" }, base .. "/my/routes.json"))
      assert.same({ "a.h.f", "onY" }, found.routes)
      found = assert(config.routes(base, "development", { "a" }, other .. "/routes.json"))
      assert.same({ "a.h.f", "onZ" }, found.routes)
      tree.remove(other)
      local _, message = config.routes(base, "development", { "a" }, "my/none.json")
      assert.equal("dictionaryConfig.dict: there is no file my/none.json", message)
    end)

    it("is refused with the file and the place", function()
      local function why(text) return refused(handlers, { ["config/dictionary.json"] = text }) end
      assert.equal('config/dictionary.json: must be a list of routes, [ "onChat", "onAdd" ]',
        why '{"onChat":1}')
      assert.matches("^config/dictionary.json: %[1%]: must be a route.*got 7$", why '["onX",7]')
      assert.matches("^config/dictionary.json: %[0%]: must be a route", why '[""]')
      assert.matches("^config/dictionary.json: %[0%]: must be a route", why '[null]')
      assert.matches("^config/dictionary.json: %[0%]: must be a route",
        why('["' .. ("r"):rep(256) .. '"]'))
      assert.matches("^config/dictionary.json: must be a list", why '"onChat"')
      assert.matches("^config/dictionary.json:2: the comma before %]", why '["onX",\n]')
    end)

    it("has room for 65,535 routes with those of the handlers", function()
      local list = {}
      for i = 1, 65534 do list[i] = "r" .. i end
      local more = { ["config/dictionary.json"] = json.encode(list) }
      local _, found = numbered(handlers, more)
      assert.equal(65535, found.codes[65535])
      list[65535] = "one more"
      more["config/dictionary.json"] = json.encode(list)
      tree.remove(base)
      assert.matches("has 65536 routes, and a message has room for 65535 numbers",
        refused(handlers, more))
    end)
  end)

  describe("config/dictionary.lock.json", function()
    local handlers = { ["a/h"] = functions("f", "g") }
    local function with(lock, own)
      return { ["config/dictionary.lock.json"] = lock, ["config/dictionary.json"] = own }
    end

    it("keeps numbers; what is new gets one above all of them", function()
      local list, found = numbered(handlers,
        with('{"1":"a.h.gone","3":"a.h.g","7":"onX"}', '["onX","onY"]'))
      assert.same({ "a.h.f 8", "a.h.g 3", "onX 7", "onY 9" }, list)
      assert.same({ "a.h.f", "onY" }, found.new)
      assert.is_true(found.locked)
      local text, gone = config.lock_text(found)
      assert.equal([[
{
  "1": "a.h.gone",
  "3": "a.h.g",
  "7": "onX",
  "8": "a.h.f",
  "9": "onY"
}
]], text)
      assert.equal(1, gone)
    end)

    it("is stable: what it holds comes out again, a route that stands twice, too", function()
      local _, found = numbered(handlers, { ["config/dictionary.json"] = '["a.h.f","onX"]' })
      assert.is_false(found.locked)
      assert.is_true(config.write_lock(base, (config.lock_text(found))))
      local again = assert(config.routes(base, "development", { "a" }))
      assert.same(found.codes, again.codes)
      assert.same({}, again.new)
      assert.equal((config.lock_text(found)), (config.lock_text(again)))
    end)

    it("is refused with the file and the key", function()
      local function why(lock) return refused(handlers, with(lock)) end
      local file = "^config/dictionary%.lock%.json: "
      assert.matches(file .. "must be an object", why '["a.h.f"]')
      assert.matches(file .. "0: must be a number from 1 to 65535", why '{"0":"a"}')
      assert.matches(file .. "x: must be a number from 1 to 65535", why '{"x":"a"}')
      assert.matches(file .. "65536: must be a number from 1 to 65535", why '{"65536":"a"}')
      assert.matches(file .. "1: must be a route.*got 7", why '{"1":7}')
      assert.matches('"1" occurs twice', why '{"1":"a","1":"b"}')
    end)

    it("says what to do when its numbers are used up", function()
      local message = refused(handlers, with '{"65534":"gone"}')
      assert.matches("config/dictionary.lock.json: its numbers go up to 65536", message, 1, true)
      assert.matches("remove the file and run `pomelua dict`", message, 1, true)
    end)
  end)

  describe("runs each handler module once, in a state of its own, where", function()
    local function routes(text, more)
      local list = numbered({ ["a/h"] = text }, more)
      return list
    end
    local ends = "\nreturn { f = function() end }"

    it("the app is there and does nothing, however it is used", function()
      assert.same({ "a.h.f 1" }, routes([[
        local pomelua = require "pomelua"
        local app = pomelua.createApp()
        assert(type(app.get) == "function" and type(app.getServers) == "function")
        pomelua.log.info("loaded %s", app:get("x"))
        app:set("a", 1):enable("b")
        app.event:on("close_session", function() end)
        app.rpc.chat.chatRemote.add("1", function() error("never called") end)
        local n = app:get("n") + 1 - #app:getServers() * -app:get("x")
        local text = "server " .. app.serverId .. app:getServerId()
        for _ in pairs(app:getServers()) do error "none" end
        for _ in ipairs(app:getServersByType("chat")) do error "none" end
        if app:get("x") < app:get("y") or app.a == "x" then error "no" end
        app:get("channelService"):getChannel("x", true):add("a", "b")
        app.own = 1
        pomelua.every(10, function() error("never called") end)
        app:setTimeout(10, function() error("never called") end)
        for _ in pairs(app.settings) do error "none" end
        for _ in ipairs(app.list) do error "none" end
        assert(#app.list == 0 and next(app.list) == nil)
        pomelua.data("config/none.json").list = 1
        local ids = {}
        for _, item in ipairs(pomelua.data("config/items.json")) do ids[item.id] = item end
        assert(ids.sword)
        local state = pomelua.state()
        state.n = (state.n or 0) + 1
        pomelua.declare("RATE", 3)
        assert(RATE == 3 and n and text)
        assert(pomelua.json.encode { 1 } == "[1]" and pomelua.md5("x"))
        return function(given, kept)
          given.x, kept.y = 1, 1
          return { app = given, channels = given:get("channelService"), f = function() end }
        end]], { ["config/items.json"] = '[{"id":"sword"}]' }))
    end)

    it("modules of the app are loaded as a server does it", function()
      assert.same({ "a.h.f 1" }, routes([[
        local util = require "app.util"
        assert(util.n == 1 and require("app.util") == util and require "./app/util")
        assert(require("app.part").x)]] .. ends, {
          ["app/util.lua"] = "return { n = 1 }",
          ["app/part/init.lua"] = "return { x = true }",
        }))
    end)

    it("nothing opens, writes or connects", function()
      local marker = os.tmpname()
      os.remove(marker)
      assert.same({ "a.h.f 1" }, routes(([[
        local path = %q
        assert(not io.open(path, "w") and not io.popen("touch " .. path) and not io.tmpfile())
        assert(not os.execute("touch " .. path) and not os.rename(path, path))
        assert(not pcall(dofile, path) and not loadfile(path) and not pcall(io.lines, path))
        assert(not pcall(os.exit, 3))
        io.write("nothing") io.stdout:write("nothing") print("nothing")
        io.stderr:write("nothing")
        local socket = require "socket"
        local tcp = assert(socket.tcp())
        tcp:connect("127.0.0.1", 9)
        require("socket.http").request("http://127.0.0.1:9/")
        require("lfs").mkdir(path)
        local ffi = require "ffi"
        ffi.C.open(path, 65)
        ffi.load("c").open(path, 65)
        assert(ffi.new("int[3]", 7)[0] == 7)
        assert(require("pomelua.client").connect { port = 9 })
        package.loadlib("libc.so.6", "*")
        ]]):format(marker) .. ends))
      assert.is_nil(io.open(marker))
    end)

    it("globals are the app's own, and gone afterwards", function()
      assert.matches("undeclared global 'x' is written", refused { ["a/h"] = "x = 1" .. ends }, 1,
        true)
      assert.is_nil(rawget(_G, "x"))
    end)

    it("a library that is not there is named", function()
      assert.matches("^app/servers/a/handler/h.lua:2: module 'no.such' not found",
        refused { ["a/h"] = "\nrequire 'no.such'" .. ends })
    end)

    it("what raises refuses the start, with file, line and the cure", function()
      for text, place in pairs {
        ["\n\nerror('no database')"] = "h.lua:3: no database",
        ["local x = nil\nreturn x.y"] = "h.lua:2: attempt to index local 'x'",
        ["return function()\n error { code = 1, message = 'text' } end"] = "h.lua: text",
        ["return ("] = "h.lua:1: ",
        ["\nif x != y then"] = "unequal is ~= in Lua",
        ["\nassert(io.open('words.txt'))"] = "words",
      } do
        local message = refused { ["a/h"] = text }
        assert.matches("^app/servers/a/handler/h.lua", message)
        if place ~= "words" then assert.matches(place, message, 1, true) end
        assert.matches("connectorConfig.useDict", message, 1, true)
        assert.matches("in a handler or in lifecycle.lua", message, 1, true)
        assert.is_nil(message:find("\n"))
        tree.remove(base)
      end
    end)

    it("an error in a module that it requires names that file", function()
      local message = refused({ ["a/h"] = "require 'app.util'" }, {
        ["app/util.lua"] = "\nerror 'no'" })
      assert.matches("^app/util.lua:2: no; ", message)
      tree.remove(base)
      assert.matches("it is required in a circle", refused({ ["a/h"] = "require 'app.util'" }, {
        ["app/util.lua"] = "return require 'app.util'" }), 1, true)
    end)

    it("a loop without an end is stopped, and so is what fills the memory", function()
      local message = refused({ ["a/h"] = "\nwhile true do pcall(function() end) end" }, nil, nil,
        { ms = 50, mib = 0 })
      assert.matches("^app/servers/a/handler/h.lua:2: stopped: over its budget of 50 ms; ", message)
      tree.remove(base)
      message = refused({ ["a/h"] = "debug.sethook() jit.on()\nlocal t = {} while true do "
        .. "t[#t + 1] = {} end" }, nil, nil, { ms = 5000, mib = 30 })
      assert.matches("h.lua:2: stopped: it holds more than 30 MiB of memory", message, 1, true)
    end)

    it("a route that no message can carry is refused", function()
      assert.matches("cannot be sent: a route has at most 255 bytes",
        refused { ["a/h"] = functions(("f"):rep(255)) }, 1, true)
    end)
  end)
end)
