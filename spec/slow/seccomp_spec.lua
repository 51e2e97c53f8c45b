-- The program under filters of system calls: that of systemd/pomelua@.service, and one that refuses
-- io_uring, as containers do by default.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local files = require "pomelua.base.files"
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local read = require("spec.support.files").read
local tree = require "spec.support.tree"

local ANALYZE = "/usr/bin/systemd-analyze"
local ABSENT = "there is no systemd-analyze: tools/deps.sh test installs it"
local EPERM, ENOSYS = 1, 38

local GAME = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]],
  ["config/databases.json"] = '{"game": {"kind": "sqlite", "file": "game.db"}}',
  ["config/web.json"] = '{"host": "127.0.0.1", "port": 0}',
  ["web/index.html"] = "the page",
  ["app/migrations/game/001_lines.sql"] = "CREATE TABLE lines (text TEXT NOT NULL);\n",
  ["app/servers/connector/handler/entryHandler.lua"] = [[
return function(app)
  return {
    enter = function(self, msg, session)
      session:bind(msg.name)
      app.rpc.chat.chatRemote.add(session, msg.name, app:get("serverId"))
      return { code = 200 }
    end,
  }
end
]],
  ["app/servers/chat/remote/chatRemote.lua"] = [[
return function(app)
  return {
    add = function(self, name, sid)
      app:get("channelService"):getChannel("hall", true):add(name, sid)
      return true
    end,
  }
end
]],
  ["app/servers/chat/handler/chatHandler.lua"] = [[
local password = require "pomelua.password"
return function(app)
  return {
    send = function(self, msg)
      local db = app:get("databases").game
      assert(db:exec("INSERT INTO lines (text) VALUES ($1)", msg.text))
      local rows = db:query("SELECT count(*) AS n FROM lines")
      local hash = password.hash(msg.text)
      app:get("channelService"):getChannel("hall"):pushMessage("onChat", { text = msg.text })
      return { code = 200, n = rows[1].n, good = password.verify(msg.text, hash) }
    end,
  }
end
]],
}

-- The numbers of system calls by their names, as the C library has them.
local function numbers()
  local pipe = io.popen("echo '#include <sys/syscall.h>' | cc -E -dM -", "r")
  local known = {}
  for name, number in pipe:read("*a"):gmatch("#define __NR_(%S+) (%d+)\n") do
    known[name] = number
  end
  pipe:close()
  return known
end

-- The calls of a set of systemd's, those of the sets in it included.
local function add_set(set, calls)
  local pipe = io.popen(ANALYZE .. " syscall-filter " .. set)
  for word in pipe:read("*a"):gmatch("\n    ([%w_@-]+)") do
    if word:sub(1, 1) == "@" then add_set(word, calls) else calls[#calls + 1] = word end
  end
  pipe:close()
end

local function list(calls)
  local known, out = numbers(), {}
  for _, name in ipairs(calls) do out[#out + 1] = known[name] end
  assert(#out > 2)
  return table.concat(out, ",")
end

local function uses_io_uring(pid)
  local pipe = io.popen(("ls -l /proc/%d/fd"):format(pid))
  local text = pipe:read("*a")
  pipe:close()
  return text:find("io_uring", 1, true) ~= nil
end

describe("under a filter of system calls", function()
  local dir

  -- Two clients chat; what they say goes through a database, a password and a channel.
  local function play(how, errno, calls)
    dir = tree.new(GAME)
    local one = net.spawn(net.built("confined"),
      { how, tostring(errno), list(calls), net.built("pomelua"), "start", dir })
    assert(one:waitLine("^ready$", app.patience))
    local port = one.out:match("connector%-1 listening on [^\n]-:(%d+)\n")
    local ann, bob = pomelo.connect(port), pomelo.connect(port, "ws")
    assert.equal(200, ann:request("connector.entryHandler.enter", { name = "ann" }).code)
    assert.equal(200, bob:request("connector.entryHandler.enter", { name = "bob" }).code)
    local answer = ann:request("chat.chatHandler.send", { text = "hello" })
    assert.same({ code = 200, n = 1, good = true }, answer)
    assert.matches("hello", assert(bob:push()).body)
    local ring = uses_io_uring(one.pid)
    one:kill("sigterm")
    ann:close()
    bob:close()
    assert.equal(0, (one:waitExit(app.patience)), one.err)
    local said = one.err:gsub("[^\n]* the open%-file limit is [^\n]*\n", "")
    said = said:gsub("[^\n]* this program runs as root[^\n]*\n", "")
    assert.equal("", (said:gsub("[^\n]* info  [^\n]*\n", "")))
    return ring
  end

  after_each(function()
    net.closeAll()
    if dir then tree.remove(dir) end
  end)

  it("of the unit a game is played, with databases and io_uring", function()
    local absent = needed(not files.exists(ANALYZE) and ABSENT or nil)
    if absent then return pending(absent) end
    local filter = read("systemd/pomelua@.service"):match("\nSystemCallFilter=([^\n]+)\n")
    local calls = {}
    for word in filter:gmatch("%S+") do
      if word:sub(1, 1) == "@" then add_set(word, calls) else calls[#calls + 1] = word end
    end
    local free = play("refuse", EPERM, { "kexec_load", "reboot", "acct" })
    assert.equal(free, play("allow", EPERM, calls))
  end)

  it("that refuses io_uring a game is played without it, and without a word", function()
    local calls = { "io_uring_setup", "io_uring_enter", "io_uring_register" }
    for _, errno in ipairs { EPERM, ENOSYS } do
      assert.is_false(play("refuse", errno, calls))
    end
  end)
end)
