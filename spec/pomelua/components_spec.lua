-- Components and plugins: app:load, app:use, their order, their errors, and reloads.
-- Tests app/components.lua, app/plugins.lua and app/step.lua.
local lines = require "spec.support.lines"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{"chat": [{"id": "chat-1", "host": "127.0.0.1"}]}]]

-- A component that notes what is done to it, in the order in which it is done.
local NOTES = [[
  local pomelua = require "pomelua"
  local app = pomelua.createApp()
  local function note(text)
    local list = app:get("notes") or {}
    list[#list + 1] = text
    app:set("notes", list)
  end
  local function noting(name)
    return {
      name = name,
      start = function(self, cb) note("start " .. self.name) cb() end,
      afterStart = function(self, cb) note("afterStart " .. self.name) cb() end,
      stop = function(self, force, cb) note(("stop %s %s"):format(self.name, force)) cb() end,
    }
  end
]]

local LIFECYCLE = [[
  local function note(app, text) table.insert(app:get("notes"), text) end
  return {
    beforeStartup = function(app) app:set("notes", { "beforeStartup" }) end,
    afterStartup = function(app) note(app, "afterStartup") end,
    afterStartAll = function(app) note(app, "afterStartAll") end,
    beforeShutdown = function(app) note(app, "beforeShutdown") end,
  }
]]

describe("app:load", function()
  local base, server

  local function start(app, files, before)
    local all = { ["config/servers.json"] = CONFIG, ["app.lua"] = (before or NOTES) .. app }
    for path, text in pairs(files or {}) do all[path] = text end
    base = tree.new(all)
    server = test.server { base = base, type = "chat" }
    return server
  end

  local function fails(app, files)
    local ok, message = pcall(start, app, files)
    assert.is_false(ok)
    return message
  end

  local function logged(text) return lines.count(server, text) > 0 end

  local function notes() return table.concat(server.app:get("notes") or {}, ", ") end
  local function forget() server.app:set("notes", {}) end

  after_each(function()
    test.closeAll()
    if base then tree.remove(base) end
    base = nil
  end)

  it("starts in the order of loading, between the steps of lifecycle.lua, and stops in reverse",
    function()
    start([[
      app.event:on("start_server", function() note("start_server") end)
      app.event:on("start_all", function() note("start_all") end)
      app:load(noting("a"))
      app:load(noting("b"))
      app:start()
    ]], { ["app/servers/chat/lifecycle.lua"] = LIFECYCLE })
    assert.equal("beforeStartup, start a, start b, afterStart a, afterStart b, afterStartup, "
      .. "start_server, afterStartAll, start_all", notes())
    forget()
    assert.is_true(server:stop())
    assert.equal("beforeShutdown, stop b true, stop a true", notes())
  end)

  it("calls a factory with app and options, and gives the component by its name", function()
    start [[
      app:load("db", function(given, opts)
        return { given = given, url = opts.url }
      end, { url = "x" })
      assert(app:load({ name = "plain" }) == app)
      app:start()
    ]]
    assert.equal("x", server.app.components.db.url)
    assert.equal(server.app, server.app.components.db.given)
    assert.equal("plain", server.app.components.plain.name)
  end)

  it("waits for a component that waits, or calls back later", function()
    start [[
      app:load({ name = "waits", start = function() pomelua.sleep(20) note("waited") end })
      app:load({ name = "calls", start = function(self, cb) app:setTimeout(20, cb) end })
      app:load(noting("last"))
      app:load({ afterStart = function() pomelua.sleep(5) note("all") return true end })
      app:start()
    ]]
    assert.equal("waited, start last, afterStart last, all", notes())
  end)

  it("ignores a second one of the same name, with a warning, and goes on", function()
    start [[
      app:load(noting("a")):load("a", function() error("it is not called") end)
        :load("b", noting("a"))
      app:start()
    ]]
    assert.equal("start a, start a, afterStart a, afterStart a", notes())
    assert.is_true(logged('there is a component "a" already, this one is ignored'))
  end)

  for what, row in pairs {
    ["an error that is called back"] = { 'start = function(self, cb) cb("no") end',
      'component "db": start (app.lua:16): no' },
    ["nil, err"] = { 'start = function() return nil, "no" end',
      'component "db": start (app.lua:16): no' },
    ["an error that is raised"] = { 'start = function() error("no") end',
      'component "db": start (app.lua:16): app.lua:16: no' },
    ["afterStart"] = { 'afterStart = function(self, cb) cb("late") end',
      'component "db": afterStart (app.lua:16): late' },
    ["a start that does not end"] = { 'start = function(self, cb) end',
      'component "db": start (app.lua:16): start did not end within 30000 ms' },
  } do
    it("ends the start with the component's name and line for " .. what, function()
      local message = fails(([[
        app:load({ name = "db", %s })
        app:load(noting("never"))
        app:start()
      ]]):format(row[1]))
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end

  for what, row in pairs {
    ["a text"] = { 'app:load("db", "x")', "app.lua:16: app:load: a component is a table with "
      .. "start, afterStart or stop, or a function that returns one; got a string" },
    ["a start that is none"] = { 'app:load({ start = 5 })',
      "app.lua:16: app:load: start must be a function, got a number" },
    ["a factory that returns nothing"] = { 'app:load(function() end)',
      "app:load: the function at app.lua:16: a component is a table" },
  } do
    it("refuses " .. what, function()
      local message = fails(row[1])
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end

  it("refuses a component once they have been started", function()
    start([[ app:start() ]], { ["app/servers/chat/remote/r.lua"] = [[
      return function(app)
        return { load = function(self, cb) cb(pcall(app.load, app, {})) end }
      end
    ]] })
    local ok, message = server:rpc("r.load")
    assert.is_false(ok)
    assert.equal("app/servers/chat/remote/r.lua:2: app:load: the components of this server have "
      .. "been started; load this one in app.lua, or in beforeStartup of lifecycle.lua", message)
  end)

  it("stops the others when one cannot be stopped", function()
    start [[
      app:load(noting("a"))
      app:load({ name = "hangs", stop = function(self, force, cb) end })
      app:load({ name = "raises", stop = function() error("no") end })
      app:start()
    ]]
    forget()
    assert.is_false(server:stop())
    server:tick(30000)
    assert.equal("stop a true", notes())
    assert.is_true(logged('component "raises": stop (app.lua:18): app.lua:18: no'))
    assert.is_true(logged('component "hangs": stop (app.lua:17): stop did not end within'))
  end)

  it("ends what a factory has made with its component", function()
    start [[
      app:load("ticks", function() app:setInterval(10, function() note("tick") end) return {} end)
      app:start()
    ]]
    server:tick(20)
    assert.equal("tick, tick", notes())
    forget()
    server:stop()
    server:tick(20)
    assert.equal("", notes())
  end)

  describe("when its file is reloaded", function()
    local APP = [[
      app:load(noting("a"))
      app:load(require "app.db", { url = "one" })
      app:load(function(app) return { name = "inline", start = function() note("inline") end } end)
      app:start()
    ]]
    local DB = [[
      local pomelua = require "pomelua"
      return function(app, opts)
        local function note(text) table.insert(app:get("notes"), text) end
        app:setInterval(1000, function() note("WORD") end)
        return {
          name = "db",
          start = function(self, cb) app:setTimeout(10, function() note("start WORD") cb() end) end,
          stop = function(self, force, cb)
            app:setTimeout(10, function() note("stop WORD " .. tostring(force)) cb() end)
          end,
        }
      end
    ]]
    local function db(word) return (DB:gsub("WORD", word)) end

    before_each(function()
      start(APP, { ["app/db.lua"] = db "one" })
      server:tick(100)
      forget()
    end)

    it("stays as it is when nothing about it has changed", function()
      local before = server.app.components
      local one = before.db
      tree.write(base, "app.lua", NOTES .. "\n" .. APP)
      local result, err = server:reload()
      assert.same({ "app.lua" }, result and result.modules or err)
      server:tick(1000)
      assert.equal("one", notes())
      assert.equal(one, server.app.components.db)
    end)

    it("is stopped, and its successor is started when that has ended", function()
      tree.write(base, "app/db.lua", db "two")
      assert(server:reload())
      assert.equal("", notes())
      server:tick(20)
      assert.equal("stop one false, start two", notes())
      server:tick(1000)
      assert.equal("stop one false, start two, two", notes())
      forget()
      server:stop()
      server:tick(10)
      assert.equal("stop two true, stop a true", notes())
    end)

    it("is replaced when its options are others", function()
      tree.write(base, "app.lua", NOTES .. APP:gsub('url = "one"', 'url = "two"'))
      assert(server:reload())
      server:tick(20)
      assert.equal("stop one false, start one", notes())
    end)

    it("is stopped when it is not loaded any more, and a new one is started", function()
      tree.write(base, "app.lua", NOTES .. [[
        app:load(noting("a"))
        app:load(noting("b"))
        app:start()
      ]])
      assert(server:reload())
      server:tick(20)
      assert.equal("stop one false, start b, afterStart b", notes())
      assert.is_nil(server.app.components.db)
    end)

    it("stays when the reload is refused", function()
      tree.write(base, "app/db.lua", db "two")
      tree.write(base, "app.lua", NOTES .. APP .. "error('no')")
      assert.is_nil((server:reload()))
      server:tick(1000)
      assert.equal("one", notes())
    end)

    it("has an error of its start in the log, and the server goes on", function()
      tree.write(base, "app.lua", NOTES .. [[
        app:load({ name = "bad", start = function(self, cb) cb("no") end })
        app:start()
      ]])
      assert(server:reload())
      server:tick(20)
      assert.is_true(logged('component "bad": start (app.lua:16): no'))
    end)
  end)
end)

describe("app:use", function()
  local base, server

  local function start(plugin, opts)
    base = tree.new {
      ["config/servers.json"] = CONFIG,
      ["app/plugin.lua"] = plugin,
      ["app.lua"] = NOTES .. ([[
        app:set("notes", {})
        app:use(require "app.plugin", %s)
        app:start()
      ]]):format(opts or "nil"),
    }
    server = test.server { base = base, type = "chat" }
  end

  after_each(function()
    test.closeAll()
    if base then tree.remove(base) end
    base = nil
  end)

  it("loads the components with their options, and listens", function()
    start([[
      local function component(name)
        return function(app, opts)
          return { start = function() table.insert(app:get("notes"), name .. (opts or "")) end }
        end
      end
      return {
        components = { status = component "status", online = component "online" },
        events = function(app)
          local Events = {}
          function Events:start_server(id) table.insert(app:get("notes"), id) end
          function Events.start_all() table.insert(app:get("notes"), "all") end
          return Events
        end,
      }
    ]], '{ status = " every 5 s" }')
    assert.same({ "online", "status every 5 s", "chat-1", "all" }, server.app:get("notes"))
    assert.truthy(server.app.components.status)
  end)

  it("listens as long as its file is in force", function()
    local plugin = [[
      local app = require("pomelua").createApp()
      return { events = { hello = function() table.insert(app:get("notes"), "WORD") end } }
    ]]
    start((plugin:gsub("WORD", "one")))
    server.app.event:emit("hello")
    tree.write(base, "app/plugin.lua", (plugin:gsub("WORD", "two")))
    assert(server:reload())
    server.app.event:emit("hello")
    assert.same({ "one", "two" }, server.app:get("notes"))
  end)

  it("says which event may be meant", function()
    start [[return { events = { start_al = function() end } }]]
    local found = false
    for _, line in ipairs(server:log()) do
      found = found or line.text:find("there is no event start_al, but of scripts; did you mean "
        .. "start_all?", 1, true)
    end
    assert.truthy(found)
  end)

  for what, row in pairs {
    ["what is no table"] = { "return 5", "a plugin is a table with components, events or both" },
    ["a plugin of Pomelo's, with folders"] = { [[return { components = "/x/components" }]],
      "no folder is scanned" },
    ["nothing in it"] = { "return { component = {} }", "neither components nor events" },
  } do
    it("refuses " .. what, function()
      local ok, message = pcall(start, row[1])
      assert.is_false(ok)
      assert.truthy(message:find(row[2], 1, true), message)
      assert.truthy(message:find("app.lua:17: ", 1, true), message)
    end)
  end
end)
