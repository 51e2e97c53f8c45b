-- What the program inherits, and what it hands on: standard files, signals, children.
local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local FILES = {
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
  ["app/servers/chat/handler/chatHandler.lua"] = [[
local function read(file)
  local text = file:read("*a")
  file:close()
  return { code = 200, text = text }
end
return function()
  local Handler = {}
  function Handler:popen() return read(io.popen("cat /proc/self/status; ls -l /proc/self/fd")) end
  function Handler:execute()
    local name = os.tmpname()
    os.execute("cat /proc/self/status > " .. name .. "; ls -l /proc/self/fd >> " .. name)
    local answer = read(io.open(name))
    os.remove(name)
    return answer
  end
  return Handler
end
]],
}

local SIGPIPE, SIGTERM, SIGHUP, SIGXFSZ = 13, 15, 1, 25

-- Whether a set of signals of /proc/PID/status has one.
local function has(text, set, signal)
  local low = tonumber(text:match(set .. ":%s*%x*(%x%x%x%x%x%x%x%x)"), 16)
  return math.floor(low / 2 ^ (signal - 1)) % 2 == 1
end

describe("the program", function()
  local server

  after_each(function()
    if server then server:stop() end
    server = nil
  end)

  it("starts the programs of scripts with clean signals and without its sockets", function()
    server = app.start(FILES)
    local client = pomelo.connect(server.ports["connector-1"])
    for _, how in ipairs { "popen", "execute" } do
      local text = client:request("chat.chatHandler." .. how, {}).text
      for _, signal in ipairs { SIGPIPE, SIGTERM, SIGHUP, SIGXFSZ } do
        assert.is_false(has(text, "SigBlk", signal), how .. " blocks " .. signal)
        assert.is_false(has(text, "SigIgn", signal), how .. " ignores " .. signal)
      end
      for fd, what in text:gmatch(" (%d+) %-> (%S+)") do -- the first three are its own
        local good = tonumber(fd) < 3 or not (what:find("^socket") or what:find("^anon"))
        assert.is_true(good, what)
      end
    end
    client:close()
  end)

  it("goes on after signals that mean nothing to it, with a line for those of people", function()
    server = app.start(FILES)
    for _, name in ipairs { "sigpipe", "sigxfsz", "sigusr1", "sigusr2" } do
      server.process:kill(name)
    end
    assert(server.process:waitLine(" info  pomelua SIGUSR1: nothing to do", app.patience, "err"))
    assert(server.process:waitLine(" info  pomelua SIGUSR2: nothing to do", app.patience, "err"))
    local client = pomelo.connect(server.ports["connector-1"])
    assert.equal(200, client:request("chat.chatHandler.popen", {}).code)
    client:close()
  end)

  for _, closed in ipairs { "0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-" } do
    it("gives no connection the place of a standard file: " .. closed, function()
      local dir = tree.new(FILES)
      local program = net.spawn("/bin/sh", { "-c",
        ("exec %s start %s %s"):format(net.built("pomelua"), dir, closed) })
      local first = os.time()
      repeat
        local tool = net.spawn(net.built("pomelua"), { "list", "-d", dir })
        tool:waitExit(app.patience)
        local up = tool.out:find("connector-1 ", 1, true)
        assert.is_true(os.time() - first < app.patience / 1000, tool.err)
      until up
      for fd = 0, 2 do
        local link = net.spawn("/bin/readlink", { ("/proc/%d/fd/%d"):format(program.pid, fd) })
        assert.equal(0, (link:waitExit()))
        if closed:find(fd, 1, true) then
          assert.equal("/dev/null\n", link.out)
        else
          assert.is_nil(link.out:find("anon_inode", 1, true))
        end
      end
      program:kill("sigterm")
      local code = program:waitExit(app.patience)
      net.closeAll()
      tree.remove(dir)
      assert.equal(0, code)
    end)
  end
end)
