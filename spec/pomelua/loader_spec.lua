-- What files of an app become handlers and remotes, and what is refused.
-- Tests live/loader.lua, live/file_kinds.lua and base/current.lua.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local loader = require "pomelua.live.loader"
local server = require "pomelua.app.server"
local tree = require "spec.support.tree"

local function names(map)
  local list = {}
  for name in pairs(map) do list[#list + 1] = name end
  table.sort(list)
  return list
end

describe("reachable", function()
  local function f() end

  it("are the functions of the module's own table", function()
    assert.same({ "a" }, names(loader.reachable { a = f, n = 1, t = {} }))
  end)

  it("are not private names, nor new, nor constructor", function()
    assert.same({}, names(loader.reachable { _a = f, __index = f, new = f, constructor = f }))
  end)

  it("are not what makes an object of a class, whatever the library calls it", function()
    for _, name in ipairs { "initialize", "init", "ctor", "constructor", "new", "isInstanceOf" } do
      local class = { go = f, [name] = f }
      class.__index = class
      assert.same({ "go" }, names(loader.reachable(setmetatable({}, class))), name)
      assert.same({ "go" }, names(loader.reachable(
        setmetatable({}, { __index = { go = f, [name] = f } }))), name)
    end
    assert.same({ "go", "init" }, names(loader.reachable { init = f, go = f }))
  end)

  it("are those of the metatable's __index, one table up and no further", function()
    local top = { top = f }
    local class = setmetatable({ method = f, _private = f }, { __index = top })
    class.__index = class
    assert.same({ "method", "own" }, names(loader.reachable(setmetatable({ own = f }, class))))
  end)

  it("never comes from an __index function", function()
    local module = setmetatable({}, { __index = function() return f end })
    assert.same({}, names(loader.reachable(module)))
  end)

  it("prefers the module's own", function()
    local own = function() end
    assert.equal(own, loader.reachable(setmetatable({ a = own }, { __index = { a = f } })).a)
  end)
end)

describe("load", function()
  local base
  after_each(function() tree.remove(base) end)

  local function load(files)
    base = tree.new(files)
    local node = core.node { id = "chat-1", type = "chat" }
    local one = server.new(node, { base = base, info = { id = "chat-1", serverType = "chat" } })
    one.app.name = "the app"
    local set, message
    one:run("spec", function() set, message = loader.load(one.generation) end)
    node:close()
    current.only = nil
    return set, message
  end

  it("makes routes of tables and of factories, which get the app", function()
    local set = assert(load {
      ["app/servers/chat/handler/a.lua"] = "return { m = function() end }",
      ["app/servers/chat/handler/b.lua"] =
        "return function(app) return { m = function() return app.name end } end",
      ["app/servers/chat/remote/r.lua"] = "return { go = function() end }",
      ["app/servers/chat/handler/notes.txt"] = "not Lua",
      ["app/servers/chat/handler/sub/c.lua"] = "error 'not recursive'",
      ["app/servers/other/handler/d.lua"] = "error 'another type'",
    })
    assert.same({ "chat.a.m", "chat.b.m" }, names(set.handlers))
    local framework = { "_channelRemote.ended", "_channelRemote.forgot" }
    assert.same({ framework[1], framework[2], "r.go" }, names(set.remotes))
    assert.equal("the app", set.handlers["chat.b.m"].fn())
  end)

  it("takes the module's name when it has one", function()
    local set = assert(load {
      ["app/servers/chat/handler/a.lua"] = "return { name = 'other', m = function() end }",
    })
    assert.same({ "chat.other.m" }, names(set.handlers))
  end)

  it("loads a file once, however require writes its name", function()
    local set = assert(load {
      ["app/servers/chat/handler/a.lua"] = "local a, b = require 'app.u', require 'app/u'\n"
        .. "return { m = function() return a == b and b == require './app/u' end }",
      ["app/u.lua"] = "return {}",
    })
    assert.is_true(set.handlers["chat.a.m"].fn())
  end)

  it("skips a file that gives false, and warns of an empty one", function()
    local set = assert(load {
      ["app/servers/chat/handler/a.lua"] = "return false",
      ["app/servers/chat/handler/b.lua"] = "\n",
    })
    assert.same({}, set.handlers)
    assert.same({ "app/servers/chat/handler/b.lua: the file is empty",
      "app/servers/chat/handler: there is no module in it" }, set.warnings)
  end)

  for what, text in pairs {
    ["table without return"] = "local H = {}\nfunction H:go() end",
    ["a comment alone"] = "-- to be written",
    ["a factory without return before it"] = "local function make(app) return {} end",
  } do
    for _, folder in ipairs { "handler", "remote" } do
      it("refuses a " .. folder .. " of " .. what, function()
        local path = "app/servers/chat/" .. folder .. "/a.lua"
        local set, message = load { [path] = text }
        assert.is_nil(set)
        assert.matches("^" .. path:gsub("%p", "%%%0") .. ": the file returns nothing; it must end",
          message)
      end)
    end
  end

  it("refuses a factory that returns nothing, with its line", function()
    local set, message = load {
      ["app/servers/chat/remote/a.lua"] = "\nreturn function(app)\n local R = {}\nend",
    }
    assert.is_nil(set)
    assert.matches("^app/servers/chat/remote/a%.lua:2: the file's function returns nothing",
      message)
  end)

  it("refuses a lifecycle without return", function()
    local set, message = load { ["app/servers/chat/lifecycle.lua"] = "local L = {}" }
    assert.is_nil(set)
    assert.matches("^app/servers/chat/lifecycle%.lua: the file returns nothing", message)
  end)

  it("warns of a function whose name is that of a constructor", function()
    local set = assert(load {
      ["app/servers/chat/handler/a.lua"] = "return { initialize = print, go = print }",
    })
    assert.same({ "chat.a.go" }, names(set.handlers))
    assert.matches("a%.lua: initialize cannot be called from outside", set.warnings[1])
  end)

  it("is empty without a folder", function()
    local set = assert(load {})
    assert.same({}, set.handlers)
    assert.same({}, set.warnings)
  end)

  for what, row in pairs {
    ["does not parse"] = { "return function(", "a.lua:1:" },
    ["raises"] = { "\nerror 'no'", "a.lua:2: no" },
    ["raises while it is built"] = { "return function()\n error 'no' end", "a.lua:2: no" },
    ["raises a table"] = { "error { message = 'no' }", "a.lua: no" },
    ["returns a string"] = { "return 'x'", "must return a table" },
    ["has a dot in its name"] = { "return { name = 'a.b' }", "cannot be the name of a module" },
    ["has a private name"] = { "return { name = '_session' }", "cannot be the name of a module" },
  } do
    it("fails with the file's name when one " .. what, function()
      local set, message = load { ["app/servers/chat/handler/a.lua"] = row[1] }
      assert.is_nil(set)
      assert.truthy(message:find("app/servers/chat/handler/a.lua", 1, true))
      assert.truthy(message:find(row[2], 1, true))
    end)
  end
end)
