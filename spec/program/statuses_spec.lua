-- The exit status of each command: all that the table of commands tells of is reached. Those that
-- take longer are reached in other specs, which are named here.
local app = require "spec.support.app"
local commands = require "pomelua.cli.commands"
local read = require("spec.support.files").read
local tool = require "spec.support.tool"
local tree = require "spec.support.tree"

local GAME = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:set("serverConfig", { reload = false, console = true })
    app:configure("all", "gate", function()
      app:set("connectorConfig", { distinctHost = true, auth = { keys = {
        { kid = "a", alg = "HS256", key = ("0123456789abcdef"):rep(4) } } } })
    end)
    app:registerAdmin("online", { monitorHandler = function() return { n = 0 } end })
    app:registerAdmin("broken", { monitorHandler = function() error("no") end })
    app:start()
  ]],
  ["config/servers.json"] = [[{
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "gate": [{"id": "gate-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "chat": [{"id": "chat-1"}]
  }]],
  ["config/databases.json"] = '{"main": {"kind": "sqlite", "file": "main.db"}}',
  ["app/migrations/main/001_users.sql"] = "create table users (id integer primary key);",
  ["app/servers/chat/handler/h.lua"] = "return { send = function() return {} end }",
  ["bots/good.lua"] = "", ["bots/bad.lua"] = "error 'no'", ["bots/seven.lua"] = "return 7",
  ["spec/good_spec.lua"] = "it('is true', function() end)",
  ["bad/bad_spec.lua"] = "it('is no', function() error 'a' end)"
    .. "it('is not', function() error 'b' end)",
}
local BAD = { ["app.lua"] = "x = ", ["config/servers.json"] = "{", ["config/databases.json"] = "[" }

-- How each status is reached, by command: words; GAME is a program that runs, IDLE the same files
-- without one, BAD an app with faults, NEW a folder that is not there. A text: a spec that does it,
-- and what it looks for there. Status 2 is reached by an option that nobody has.
local WAYS = {
  init = { [0] = { "NEW" }, { "IDLE" } },
  check = { [0] = { "IDLE" }, { "BAD" } },
  test = { [0] = { "IDLE/spec/good_spec.lua" }, { "IDLE/bad/bad_spec.lua" } },
  dict = { [0] = { "IDLE" }, { "BAD" } },
  token = { [0] = { "IDLE", "--sub", "ann" }, { "IDLE", "--sub", "ann", "--kid", "b" } },
  start = {
    [0] = "spec/support/app.lua: (cut and 1 or 0)",
    [1] = "spec/program/start_spec.lua: local line = mishap(app { [\"config/servers.json\"] =",
    [78] = { "BAD" },
    [70] = "spec/program/budget_spec.lua: assert.equal(70, ",
    [130] = "spec/program/start_spec.lua: SIGINT = 130",
    [143] = "spec/program/start_spec.lua: SIGTERM = 143",
    other = "spec/program/start_spec.lua: os.exit(3)",
  },
  run = {
    [0] = { "IDLE/bots/good.lua" }, { "IDLE/bots/bad.lua" },
    other = { "IDLE/bots/seven.lua", status = 7 },
  },
  bench = {
    [0] = { "--port", "PORT", "--mode", "idle", "--clients", "1", "--stay", "0", "--enter", "" },
    { "--port", "1", "--mode", "idle", "--clients", "1", "--stay", "0", "--seconds", "1" },
  },
  migrate = { [0] = { "IDLE" }, { "BAD" } },
  list = { [0] = { "GAME" }, { "IDLE" } },
  add = { [0] = { "GAME", "id=chat-9", "serverType=chat" }, { "IDLE", "id=x", "serverType=chat" } },
  reload = { [0] = { "GAME" }, { "IDLE" } },
  restart = { [0] = { "GAME", "chat-1" }, { "GAME", "chat-77" } },
  kill = { [0] = { "GAME", "chat-1" }, { "GAME", "chat-1" } },
  console = { [0] = { "GAME", "connector-1" }, { "GAME", "chat-77" } },
  kick = { [0] = { "GAME", "ann" }, { "IDLE", "ann" } },
  ban = { [0] = { "GAME", "ann" }, { "EMPTY", "ann" } },
  unban = { [0] = { "GAME", "ann" }, { "GAME", "bob" } },
  bans = { [0] = { "GAME" }, { "EMPTY" } },
  backup = { [0] = { "main", "NEW.db", "-d", "IDLE" }, { "other", "NEW.db", "-d", "IDLE" } },
  online = { [0] = { "-d", "GAME" } },
  broken = { { "-d", "GAME" } },
  stop = { [0] = { "GAME" }, { "IDLE" } }, -- the last one
}
local ORDER = {}
for _, entry in ipairs(commands.list) do
  if entry.name ~= "stop" then ORDER[#ORDER + 1] = entry.name end
end
for _, name in ipairs { "online", "broken", "stop" } do ORDER[#ORDER + 1] = name end

describe("the exit status", function()
  local server, places

  setup(function()
    server = app.start(GAME, { env = { STATE_DIRECTORY = "", RUNTIME_DIRECTORY = "" } })
    local new = tree.new {}
    places = { GAME = server.dir, IDLE = tree.new(GAME), BAD = tree.new(BAD), EMPTY = tree.new {},
      NEW = new .. "/new", PORT = tostring(server.ports["connector-1"]) }
  end)
  teardown(function()
    server.terminated = true -- `pomelua stop` was the last command
    server:stop { "kill", "no" }
    for _, name in ipairs { "IDLE", "BAD", "EMPTY", "NEW" } do tree.remove(places[name]) end
  end)

  local function run(name, way)
    local words = { name }
    for _, word in ipairs(way) do words[#words + 1] = (word:gsub("^%u+", places)) end
    local process = tool.start(words)
    process:write(nil)
    return assert(process:waitExit(app.patience)), process.out .. process.err
  end

  for _, name in ipairs(ORDER) do
    local told = commands.by_name[name] and commands.by_name[name].statuses or WAYS[name]
    it("of " .. name .. " is what its help tells", function()
      local ways = WAYS[name]
      local list = {} -- 0 before 1: what is ended is not there any more
      for status in pairs(told) do list[#list + 1] = status end
      table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
      for _, status in ipairs(list) do
        local way = ways[status]
        if status == 2 then way = { "--nonsense" } end
        if type(way) == "string" then
          local path, text = way:match("^(%S+): (.*)$")
          assert(read(path):find(text, 1, true), way)
        else
          assert(way, ("%s: no way to the status %s"):format(name, status))
          local code, said = run(name, way)
          assert.equal(way.status or status, code, name .. ": " .. said)
        end
      end
      for status in pairs(ways) do assert(told[status], name .. ": not told: " .. status) end
    end)
  end

  it("is 2 and one line for a command that nobody knows", function()
    local process = tool.start { "chexk" }
    assert.equal(2, (process:waitExit(app.patience)))
    assert.equal("pomelua: unknown command chexk; did you mean check? (see: pomelua --help)\n",
      process.err)
  end)

  it("stands in the documents", function()
    local text = read("docs/configuration.md")
    for status in pairs(commands.statuses) do
      assert(text:find(("\n| %s |"):format(status), 1, true)
        or text:find("| 143, 130 |", 1, true) and status > 128, status)
    end
    for _, entry in ipairs(commands.list) do
      for status in pairs(entry.statuses) do
        assert(commands.statuses[status] or status == "other", entry.name .. " " .. status)
      end
    end
  end)
end)
