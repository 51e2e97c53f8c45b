-- core.run (core/bind/l_program.c): servers as threads, each with a Lua state of its own
-- (script/server_state.c) that pomelua.boot gets; and what require "pomelua.core" gives
-- (core/bind/open.c).
local core = require "pomelua.core"
local tree = require "spec.support.tree"

-- A core.so with a sanitizer needs it in the process from the beginning.
local function sanitizer()
  for line in io.lines("/proc/self/maps") do
    local path = line:match("(/%S*/libasan%S*)")
    if path then return "ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=" .. path end
  end
  return ""
end

-- Runs a boot.lua for servers of these boot texts in a process of its own.
local function run(boot, texts, more)
  local build = os.getenv("POMELUA_BUILD") or "build"
  local base = tree.new { ["pomelua/boot.lua"] = boot }
  local servers = {}
  for i, text in ipairs(texts) do
    servers[i] = ("{id = 's%d', type = 't', frontend = true, boot = %q}"):format(i, text)
  end
  tree.write(base, "main.lua", ([[
    package.path = %q
    package.cpath = %q
    os.exit(require("pomelua.core").run { servers = { %s }, level = "error", %s })
  ]]):format(base .. "/?.lua;lua/?.lua;" .. package.path, build .. "/lib/?.so;" .. package.cpath,
    table.concat(servers, ", "), more or ""))
  local pipe = io.popen(sanitizer() .. " luajit " .. base .. "/main.lua 2>&1; echo status=$?")
  local out = pipe:read("*a")
  pipe:close()
  tree.remove(base)
  local text, status = out:match("^(.-)status=(%d+)%s*$")
  return tonumber(status), text
end

describe("core.run", function()
  it("answers a question that no script answers", function()
    local control = [[control = {
      path = os.tmpname() .. ".sock",
      server = function(program, id) assert(program:tell(id, 1, "{}")) end,
      told = function(program, call, text) print(text) program:stop() end,
    }]]
    for entry, said in pairs {
      [""] = "take no questions", ['control = function() error "oops" end,'] = "see the log",
    } do
      local status, text = run(([[
        return function(node)
          node:entries {
            %s
            start = function() node:listening("") end, stop = function() node:stopped() end,
          }
          node:loaded()
        end
      ]]):format(entry), { "" }, control)
      assert.equal(0, status)
      assert.matches('{"ok":false,"message":"[^\n]*' .. said, text)
    end
  end)

  it("gives each server a state and a node of its own", function()
    local status, text = run([[
      return function(node, text)
        assert(shared == nil)
        shared = node:id()
        local up = { start = function() node:listening(node:id() .. " has " .. text) end }
        function up.started() if node:id() == "s2" then node:shutdown(5) end end
        local steps = {}
        function up.stop(step, number)
          steps[#steps + 1] = step
          assert(shared == node:id())
          if step == "shutdown" then
            assert(table.concat(steps, " ") == "draining closing telling shutdown")
          end
          node:stopped(number)
        end
        node:entries(up)
        node:loaded()
      end
    ]], { "one", "two", "three" })
    assert.equal(5, status)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal("ready", table.remove(lines))
    table.sort(lines)
    assert.same({ "s1 has one", "s2 has two", "s3 has three" }, lines)
  end)

  it("ends with one line when a server does not load", function()
    local status, text = run([[return function(_, text) error(text, 0) end]], { "no\tgo" })
    assert.equal(78, status)
    assert.equal("pomelua: s1: no\tgo\n", text)
    status, text = run([[return nothing.here]], { "" })
    assert.equal(78, status)
    assert.matches("^pomelua: s1: .*nothing.*\n$", text)
    status, text = run([[return function(node) node:failed("on purpose") end]], { "" })
    assert.equal(1, status)
    assert.equal("pomelua: s1: on purpose\n", text)
  end)

  it("goes on without entries for start and stop", function()
    local status, text = run([[
      return function(node)
        node:entries { started = function() node:shutdown(0) end }
        node:loaded()
        node:loaded()
      end
    ]], { "", "" })
    assert.equal(0, status)
    assert.equal("ready\n", text)
  end)

  it("ends when start or stop raise", function()
    local status, text = run([[
      return function(node)
        node:entries { start = function() error("oops") end }
        node:loaded()
      end
    ]], { "" })
    assert.equal(1, status)
    assert.matches("start: .*oops", text)
    assert.matches("pomelua: s1: cannot start", text)
    status, text = run([[
      return function(node)
        node:entries {
          start = function() node:listening() node:shutdown(3) end,
          stop = function() error("oops") end,
        }
        node:loaded()
      end
    ]], { "" })
    assert.equal(3, status)
    assert.matches("stop: .*oops", text)
  end)

  it("carries calls and pushes between servers", function()
    local status, text = run([[
      local entries = {}
      return function(node)
        function entries.start()
          if node:id() ~= "s1" then return node:listening() end
          assert(node:alive("s2") and node:alive("s1") and not node:alive("s3"))
          assert(node:call("s2", "echo.say", 5000, 3, "a", nil, { 1 }))
        end
        function entries.call(call, from, name, args) node:reply(call, 3, from, name, args) end
        function entries.answered(_, status, text)
          node:onPush(function(_, _, push) assert(push) end)
          node:channelService():pushMessageByUids("onX", {}, { { uid = 7, sid = "s2" } },
            function() end)
          entries.text = status .. " " .. text
        end
        function entries.pushed(_, message, fails)
          node:listening(entries.text .. " " .. tostring(message) .. " " .. #fails .. fails[1])
        end
        function entries.started() node:shutdown(0) end
        local text = entries.text
        entries.text = nil
        node:entries(entries)
        entries.text = text
        node:loaded()
      end
    ]], { "", "" })
    assert.equal(0, status)
    assert.equal('OK ["s1","echo.say","[\\"a\\",null,[1]]"] nil 17\nready\n', text)
  end)

  it("raises on wrong arguments", function()
    local good = { id = "a", type = "t", boot = "{}" }
    local function bad(given) assert.error(function() core.run(given) end) end
    bad()
    bad {}
    bad { servers = "a" }
    bad { servers = { 1 } }
    for _, name in ipairs { "id", "type", "boot" } do
      for _, value in ipairs { false, 7, {} } do
        local one = { id = good.id, type = good.type, boot = good.boot }
        one[name] = value or nil
        bad { servers = { one } }
      end
    end
    bad { servers = { good }, level = "loud" }
    bad { servers = { good }, level = 7 }
    bad { servers = { good }, web = { root = 7, port = 1 } }
    bad { servers = { good }, web = { port = 1 } }
    bad { servers = { good }, web = { root = "x" } }
  end)
end)

describe("the module", function()
  it("is the same however often it is opened", function()
    local open = package.loadlib((os.getenv("POMELUA_BUILD") or "build") .. "/lib/pomelua/core.so",
      "luaopen_pomelua_core")
    local again = open()
    assert.equal(core.version, again.version)
    assert.equal(core.null, again.null)
    assert.equal(core.array_mt, again.array_mt)
    assert.equal(core.channel_methods, again.channel_methods)
    local a = core.node { id = "a", type = "t" }
    local b = again.node { id = "b", type = "t" }
    assert.equal("b", a.id(b))
    assert.is_true(a:channelService():createChannel("x") == a:channelService():getChannel("x"))
    a:close()
    b:close()
  end)
end)
