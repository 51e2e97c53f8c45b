-- Filters of a game's files in the test kit: they end and begin with their files, in virtual time.
-- Tests message/filters.lua with live/.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local FILES = {
  ["config/servers.json"] = [[{"development": {
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]],
  ["app/servers/connector/handler/h.lua"] = [[
    local Handler = {}
    function Handler:say(msg) return { who = msg.who } end
    function Handler:slow(msg) require("pomelua").sleep(100) return { who = msg.who } end
    return Handler]],
  ["app/filters/who.lua"] = [[
    local Filter = {}
    function Filter:before(msg) msg.who = "one" end
    return Filter]],
  ["app/add.lua"] = [[
    local app = require("pomelua").createApp()
    app:before(function(msg) msg.who = msg.who .. " added" end)]],
  ["app.lua"] = [[
    local pomelua = require "pomelua"
    local app = pomelua.createApp()
    app:filter(require "app.filters.who")
    require "app.add"
    app:before(function(msg) msg.who = msg.who .. " last" end)
    app:after(function(_, _, _, resp) resp.who = resp.who .. " after" end)
    app:filter(pomelua.timeout(1000))
    app:set("errorHandler", function() return { code = 1 } end)
    app:start()]],
}

describe("filters of files", function()
  local base, server

  before_each(function()
    base = tree.new(FILES)
    server = test.server { base = base, type = "connector" }
  end)
  after_each(function()
    server:close()
    tree.remove(base)
  end)

  local function who(method) return (server:request("connector.h." .. (method or "say"), {})) end
  local function write(path, text) tree.write(base, path, text) end
  local function change(path, from, to)
    local text, n = FILES[path]:gsub(from, to)
    assert.equal(1, n)
    write(path, text)
  end

  it("come with the files that they stand in, in the order of before", function()
    assert.same({ who = "one added last after" }, who())
    change("app/add.lua", "added", "anew")
    assert(server:reload())
    assert.same({ who = "one anew last after" }, who())
    change("app/filters/who.lua", "one", "two")
    assert(server:reload())
    assert.same({ who = "two anew last after" }, who())
  end)

  it("leave the messages that run with what they began with", function()
    local _, pending = server:request("connector.h.slow", {})
    change("app.lua", " after", " new")
    assert(server:reload())
    assert.same({ who = "one added last new" }, who())
    server:tick(100)
    assert.same({ who = "one added last after" }, pending.value)
  end)

  it("stay when a reload fails, and leave nothing of it", function()
    write("app.lua", FILES["app.lua"]:gsub("app:start%(%)", 'app:before(1)'))
    local _, err = server:reload()
    assert.truthy(err.message:find("app.lua:9: app:before(f): a filter is a function", 1, true),
      err.message)
    assert.same({ who = "one added last after" }, who())
  end)

  it("and error handlers end with them", function()
    write("app/servers/connector/handler/h.lua", "return { say = function() error 'x' end }")
    assert(server:reload())
    assert.same(1, who().code)
    change("app.lua", "code = 1", "code = 2")
    assert(server:reload())
    assert.same(2, who().code)
    write("app.lua", FILES["app.lua"]:gsub("app:set[^\n]*\n", "")
      :gsub("app:after[^\n]*\n", ""))
    assert(server:reload())
    assert.same({ code = 500 }, who())
    assert.is_nil(server.app:get("errorHandler"))
  end)

  it("keep to the virtual time", function()
    write("app/servers/connector/handler/h.lua", "return { slow = function() end }")
    assert(server:reload())
    local answer, pending = server:request("connector.h.slow", {})
    assert.is_nil(answer)
    server:tick(999)
    assert.is_false(pending.done)
    server:tick(1)
    assert.same(1, pending.value.code)
  end)
end)
