-- Who runs a program, and what it may: root is warned, an ordinary user needs no folder that it may
-- write, and hears how it gets a port below 1024. Tests cli/start.lua, core/host/program.c and
-- core/base/port.c in a program.
local app = require "spec.support.app"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local tools = require "spec.support.tool"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
app:set("connectorConfig", { distinctHost = true })
app:set("serverConfig", { reload = false })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": PORT, "frontend": true}]
}]],
  ["app/servers/connector/handler/entryHandler.lua"] = "return {}",
}
local AS_ROOT = "warn  pomelua this program runs as root: "

local function sh(text) assert(os.execute(text) == 0, text) end

describe("a program", function()
  local dir
  local function game(port)
    local list = {}
    for path, text in pairs(FILES) do list[path] = text:gsub("PORT", port) end
    dir = tree.new(list)
    sh("chmod -R a+rX " .. dir)
  end
  after_each(function()
    net.closeAll()
    tree.remove(dir)
  end)

  -- Runs `pomelua start` without any capability: as another user than root where that one can read
  -- the build. Whether it is root, too.
  local function start()
    local program, args = net.built("pomelua"), { "start", dir }
    if core.user() ~= 0 then return tools.start(args), false end
    local drop = { "--bounding-set", "-all" }
    local nobody = "--reuid 65534 --regid 65534 --clear-groups"
    -- By its whole path, as the program looks for its files: root's home may be root's alone.
    local reads = os.execute(("setpriv %s head -c 1 '%s' >/dev/null 2>&1"):format(nobody,
      files.absolute(program)))
    if reads == 0 then
      for word in nobody:gmatch("%S+") do drop[#drop + 1] = word end
    end
    for _, word in ipairs { "--", program, unpack(args) } do drop[#drop + 1] = word end
    return net.spawn("setpriv", drop,
      { env = { STATE_DIRECTORY = "", RUNTIME_DIRECTORY = "" } }), reads ~= 0
  end

  it("says that it runs as root, and does not when another user runs it", function()
    for _, is_root in ipairs { core.user() == 0, false } do
      game(0)
      local program
      if is_root then program = tools.start { "start", dir } else program, is_root = start() end
      assert(program:waitLine("^ready$", app.patience))
      program:kill("sigterm")
      assert.equal(0, (program:waitExit(app.patience)))
      assert.equal(is_root, program.err:find(AS_ROOT, 1, true) ~= nil, program.err)
      tree.remove(dir)
    end
  end)

  it("of an ordinary user serves from a folder that it may not write, and says what it lacks",
    function()
      game(0)
      sh("chmod a-w " .. dir)
      local program = start()
      local port = assert(program:waitLine("connector%-1 listening on [^\n]-:(%d+)$", app.patience))
      assert(program:waitLine("^ready$", app.patience))
      assert.equal(200, tools.hello(tonumber(port)).code)
      program:kill("sigterm")
      assert.equal(0, (program:waitExit(app.patience)))
      assert.matches("no control socket: the folder " .. dir .. "/.pomelua cannot be made: "
        .. "Permission denied; ", program.err, 1, true)
      assert.is_false(files.exists(dir .. "/.pomelua"))
    end)

  it("of an ordinary user hears of three ways to a port below 1024", function()
    local file = io.open("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    local first = file and file:read("*n") or 1024
    if file then file:close() end
    if first < 1024 then pending("this machine has no privileged ports") return end
    game(7)
    local program = start()
    assert.equal(1, (program:waitExit(app.patience)))
    assert.matches("cannot listen on 127.0.0.1:7: permission denied (a port below 1024: ",
      program.err, 1, true)
    for _, way in ipairs { "pomelua@.service", "pomelua@.socket", "cap_net_bind_service" } do
      assert.matches(way, program.err, 1, true)
    end
  end)
end)
