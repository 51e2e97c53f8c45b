-- What a script can do to its program: recurse through C, wait in C, never end while it is
-- loaded, fill the memory, break the process.
-- Tests run/guards.lua.

local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("serverConfig", { %s })
%s
app:start()
]]
local SERVERS = [[
{"development": {
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
}}
]]
local HANDLER = [[
local pomelua = require "pomelua"
return function(app)
  local Handler = {}
  function Handler:echo(msg) return { code = 200, n = msg.n } end
  %s
  return Handler
end
]]

local function files(method, config, more)
  return {
    ["app.lua"] = APP:format(config or "", more or ""),
    ["config/servers.json"] = SERVERS,
    ["app/servers/connector/handler/entryHandler.lua"] = HANDLER:gsub("%%s", function()
      return method or ""
    end),
  }
end

local RECURSIONS = {
  gsub = [[local function f(s) return (s:gsub(".", f)) end f("a")]],
  table_gsub = [[local mt = { __index = function(t) return (("a"):gsub(".", t)) end }
    ;("a"):gsub(".", setmetatable({}, mt))]],
  wrap = [[local function f() return coroutine.wrap(f)() end f()]],
  resume = [[local function f() assert(coroutine.resume(coroutine.create(f))) end f()]],
  chain = [[local list = {}
    for i = 1, 1e5 do list[i] = coroutine.create(function()
      if list[i + 1] then assert(coroutine.resume(list[i + 1])) end
    end) end
    assert(coroutine.resume(list[1]))]],
  emits = [[local done
    app.event:on("e", function() local ok = pcall(app.event.emit, app.event, "e") done = ok end)
    app.event:emit("e")
    app.event:off("e")
    error("ended")]],
  sort = [[local function f() table.sort({ 1, 2, 3 }, f) return false end f()]],
  reader = [[local function f() return assert(load(f)) end assert(load(f))]],
  format = [[local t t = setmetatable({}, { __tostring = function() return ("%s"):format(t) end })
    ;("%s"):format(t)]],
  concat = [[local t t = setmetatable({}, { __concat = function(a, b) return a .. b end })
    return t .. "x"]],
  mixed = [[local function f(s) return coroutine.wrap(function() return (s:gsub(".", f)) end)() end
    f("a")]],
}

describe("a script that recurses through C", function()
  local server, client

  setup(function()
    local methods = {}
    for name, code in pairs(RECURSIONS) do
      methods[#methods + 1] = ("function Handler:%s() do %s end end"):format(name, code)
    end
    server = app.start(files(table.concat(methods, "\n")))
    client = pomelo.connect(server.ports["connector-1"], "tcp")
  end)
  teardown(function()
    server:stop { "stack overflow", "never ends", "emit", "ended", "deep" }
    net.closeAll()
  end)

  for name in pairs(RECURSIONS) do
    it("gets an error and everybody else goes on: " .. name, function()
      assert.equal(500, assert(client:request("connector.entryHandler." .. name, {})).code)
      assert.same({ code = 200, n = 7 }, client:request("connector.entryHandler.echo", { n = 7 }))
      local said = assert(server.process:waitErr("connector%.entryHandler%." .. name
        .. ": ([^\n]*)\n"))
      assert.matches("^app/servers/connector/handler/entryHandler%.lua:%d+: ", said)
    end)
  end
end)

describe("a program", function()
  local base, process
  after_each(function()
    net.closeAll()
    tree.remove(base)
  end)

  local function spawn(given, ...)
    base = tree.new(given)
    process = net.spawn(net.built("pomelua"), { "start", base, ... })
  end

  local function start(given, ...)
    spawn(given, ...)
    assert(process:waitLine("^ready$", app.patience))
    return pomelo.connect(tonumber(process.out:match("listening on [^\n]-:(%d+)\n")), "tcp")
  end

  it("whose script waits in C says so, and goes on", function()
    local client = start(files([[function Handler:wait()
      os.execute("exec sleep 2")
      return { code = 200 }
    end]], "budget = 100"))
    assert.equal(200, assert(client:request("connector.entryHandler.wait", {})).code)
    assert.equal(200, assert(client:request("connector.entryHandler.echo", {})).code)
    assert(process:waitErr("warn  connector%-1 message connector%.entryHandler%.wait is blocked"
      .. " in C[^\n]*generation 1"))
    assert(process:waitErr("message connector%.entryHandler%.wait is no longer blocked\n"))
  end)

  it("that a fault ends says where", function()
    local client = start(files([[function Handler:fault()
      local ffi = require "ffi"
      return { n = ffi.cast("int *", 8)[0] }
    end]]))
    client:notify("connector.entryHandler.fault", {})
    process:waitExit(app.patience)
    assert.matches("error connector%-1 SIGSEGV in message connector%.entryHandler%.fault"
      .. " %(generation 1%): the process ends\n", process.err)
  end)

  it("that a fault ends says where in JSON, too", function()
    local client = start(files([[function Handler:fault()
      local ffi = require "ffi"
      return { n = ffi.cast("int *", 8)[0] }
    end]]), "--log-json")
    client:notify("connector.entryHandler.fault", {})
    process:waitExit(app.patience)
    assert.matches('"level":"error","server":"connector%-1","msg":"SIGSEGV in message', process.err)
  end)

  it("holds memoryHard without a budget of time", function()
    local client = start(files([[function Handler:all()
      local t = {}
      while true do t[#t + 1] = { #t } end
    end]], "budget = 0, memorySoft = 50, memoryHard = 100"))
    client:notify("connector.entryHandler.all", {})
    assert.equal(70, (process:waitExit(app.patience)))
    assert.matches("message connector%.entryHandler%.all holds over memoryHard of 100 MiB:"
      .. " the process ends\n$", process.err)
  end)

  local SPIN = "while true do end"
  local load = {
    ["app/rules.lua"] = files(nil, nil, 'require "app.rules"'),
    ["app/servers/connector/lifecycle.lua"] = files(nil, "startBudget = 1000"),
  }
  load["app/rules.lua"]["app/rules.lua"] = "local t = {}\n" .. SPIN .. "\nreturn t\n"
  load["app/servers/connector/lifecycle.lua"]["app/servers/connector/lifecycle.lua"] =
    "return { beforeStartup = function(_, cb)\n" .. SPIN .. "\ncb() end }\n"

  for name, given in pairs(load) do
    it("whose " .. name .. " never ends while it starts says the line and has a status", function()
      spawn(given)
      -- seconds of processor time
      local code = assert(process:waitExit(2 * app.patience))
      assert.equal(name == "app/rules.lua" and 78 or 1, code)
      assert.matches(name:gsub("%p", "%%%0") .. ":%d+: handler stopped: over its budget of %d+ ms",
        process.err)
    end)
  end
end)
