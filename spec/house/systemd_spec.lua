-- The units of systemd/, as systemd's own tools judge them, and as docs/systemd.md needs them.
local files = require("pomelua.base.files")
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local tree = require "spec.support.tree"

local SERVICE, SOCKET = "systemd/pomelua@.service", "systemd/pomelua@.socket"
local ANALYZE = "/usr/bin/systemd-analyze"
local ABSENT = "there is no systemd-analyze: tools/deps.sh test installs it"
local IO_URING = { "io_uring_setup", "io_uring_enter", "io_uring_register" }

local function values(text, key)
  local list = {}
  for value in text:gmatch("\n" .. key .. "=([^\n]*)") do list[#list + 1] = value end
  return list
end

local function run(args)
  local p = net.spawn(ANALYZE, args, { env = { SYSTEMD_LOG_LEVEL = "warning" } })
  local code = assert(p:waitExit(20000))
  return code, p.out .. p.err
end

describe("pomelua@.service", function()
  local text, dir, absent = read(SERVICE), nil, nil

  setup(function()
    absent = needed(not files.exists(ANALYZE) and ABSENT or nil)
    -- The program under test in the place of the one that is installed.
    local program = files.absolute(net.built("pomelua"))
    dir = tree.new {
      ["pomelua@.service"] = (text:gsub("(\nExec%w+=%-?)pomelua ", "%1" .. program .. " ")),
      ["pomelua@.socket"] = read(SOCKET),
    }
  end)
  teardown(function()
    net.closeAll()
    tree.remove(dir)
  end)

  it("is one that systemd takes, with its socket, and without a word", function()
    if absent then return pending(absent) end
    for _, name in ipairs { "pomelua@chat.service", "pomelua@chat.socket" } do
      local code, said = run { "verify", "--man=no", dir .. "/" .. name }
      assert.same({ 0, "" }, { code, said })
    end
  end)

  it("exposes little, by systemd's own list", function()
    if absent then return pending(absent) end
    local code, said = run { "security", "--offline=true", "--no-pager", "--threshold=25",
      dir .. "/pomelua@.service" }
    if said:find("unrecognized option", 1, true) then return pending("an older systemd") end
    assert(code == 0, said)
  end)

  it("lets io_uring through, which no set of every systemd names", function()
    local filter = values(text, "SystemCallFilter")[1]
    for _, call in ipairs(IO_URING) do assert.is_truthy(filter:find(call, 1, true), call) end
    if absent then return pending(absent) end
    local code, known = run { "syscall-filter", "@known" }
    if code ~= 0 then return pending("an older systemd") end
    for _, call in ipairs(IO_URING) do
      assert.is_truthy(known:find("\n    " .. call .. "\n", 1, true), call)
    end
  end)

  it("does not start again what cannot start", function()
    local prevented = " " .. values(text, "RestartPreventExitStatus")[1] .. " "
    assert.is_truthy(prevented:find(" 2 ", 1, true))
    assert.is_truthy(prevented:find(" 78 ", 1, true))
    assert.is_truthy(tonumber(values(text, "StartLimitBurst")[1]) > 0)
  end)

  it("runs commands that there are", function()
    for _, key in ipairs { "ExecStartPre", "ExecStart", "ExecReload" } do
      local words = values(text, key)[1]
      local p = net.spawn(net.built("pomelua"), { words:match("^%-?pomelua (%l+) "), "--help" })
      assert.equal(0, (p:waitExit(20000)), key .. ": " .. p.err)
    end
  end)
end)
