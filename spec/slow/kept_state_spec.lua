-- States that outlive a real process (store/state_file.lua): stopped, killed with -9, restarted one
-- by one, in the state folder.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local files = require "spec.support.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:set("connectorConfig", { distinctHost = true })
    app:set("stateConfig", { saveInterval = 100 })
    app:start()
  ]],
  ["config/servers.json"] = [[{"development": {
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]
  }}]],
  ["app/servers/connector/handler/sumHandler.lua"] = [[
    return function(app, state)
      if state.__keep == nil then state.__keep = os.getenv("KEEP") ~= "no" end
      state.sum = state.sum or 0
      local Handler = {}
      function Handler:add(msg)
        state.sum = state.sum + msg.n
        if msg.n ~= 0 then state.changes = (state.changes or 0) + 1 end
        return { sum = state.sum, saves = app:getCounters().stateSaves }
      end
      function Handler:bad() state.bad = print return {} end
      return Handler
    end
  ]],
}

describe("a state that is kept, of a program", function()
  local dir, process, client

  before_each(function() dir = tree.new(FILES) end)
  after_each(function()
    net.closeAll()
    tree.remove(dir)
  end)

  local function connect()
    local port = tonumber(process.out:match("listening on [^\n]-:(%d+)\n"))
    client = pomelo.connect(port, "tcp")
  end

  local function launch(args, env)
    process = net.spawn(net.built("pomelua"), { "start", dir, unpack(args or {}) }, { env = env })
    return process
  end

  local function start(args, env)
    launch(args, env)
    assert(process:waitLine("^ready$", app.patience), process.err)
    connect()
  end

  local function ends(signal, status)
    process:kill(signal)
    local code = assert(process:waitExit(app.patience))
    if status then assert.equal(status, code, process.err) end
  end

  local function add(n) return client:request("connector.sumHandler.add", { n = n }) end

  -- Adds, and waits until that is on the disk: the first save after it may have begun before it,
  -- the second has it.
  local function add_and_save(n)
    for _, part in ipairs { n - 1, 1 } do
      local before, last = add(part).saves, net.ms() + app.patience
      while add(0).saves == before do assert(net.ms() < last, "it is not saved") end
    end
  end

  it("is there after a stop, with what came last", function()
    start()
    add(3)
    ends("sigterm", 0)
    start()
    assert.equal(3, add(0).sum)
    assert.is_true(files.exists(dir .. "/.pomelua/state.db"))
  end)

  it("is there after kill -9, as often as that happens", function()
    for i = 1, 3 do
      start()
      assert.equal((i - 1) * 2, add(0).sum)
      add_and_save(2)
      ends "sigkill"
    end
  end)

  it("lies in the folder of --state", function()
    tree.write(dir, "elsewhere/empty", "")
    start { "--state", dir .. "/elsewhere" }
    add(4)
    ends("sigterm", 0)
    assert.is_true(files.exists(dir .. "/elsewhere/state.db"))
    start()
    assert.equal(0, add(0).sum)
    ends("sigterm", 0)
    start { "--state", dir .. "/elsewhere" }
    assert.equal(4, add(0).sum)
  end)

  it("is there after a restart of its server alone", function()
    start()
    add(5)
    process.out = ""
    assert.equal(0, (tool.run("restart", dir, "connector-1")))
    assert(process:waitLine("listening on", app.patience))
    connect()
    assert.equal(5, add(0).sum)
  end)

  it("makes no file when nobody asks for it", function()
    start({}, { KEEP = "no" })
    add(1)
    ends("sigterm", 0)
    assert.is_false(files.exists(dir .. "/.pomelua/state.db"))
  end)

  it("is an error with its path at once, not at the restart", function()
    start()
    client:request("connector.sumHandler.bad", {})
    assert(process:waitErr("sumHandler.lua: state.bad: (a function cannot be kept)", app.patience))
  end)

  it("keeps the program from starting when its file is no database", function()
    tree.write(dir, ".pomelua/state.db", ("this is no database\n"):rep(200))
    launch()
    assert.not_equal(0, assert(process:waitExit(app.patience)))
    assert.matches("state%.db: ", process.err)
  end)
end)
