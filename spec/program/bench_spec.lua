-- `pomelua bench`: the load generator against the least of servers (core/tools/floor.c).
-- Tests cli/bench.lua.
local tree = require "spec.support.tree"

local build = os.getenv("POMELUA_BUILD") or "build"

describe("pomelua bench", function()
  local pid, port

  setup(function()
    local log = os.tmpname()
    local p = io.popen(("%s/floor 0 10 >%s 2>&1 & echo $!"):format(build, log))
    pid = p:read("*n")
    p:close()
    while not port do
      local f = io.open(log)
      port = f:read("*a"):match(":(%d+)\n")
      f:close()
    end
    os.remove(log)
  end)

  teardown(function() os.execute("kill " .. pid) end)

  local function bench(options)
    local p = io.popen(("%s/pomelua bench --port %d --quiet %s 2>&1; echo $?")
      :format(build, port, options))
    local text = p:read("*a")
    p:close()
    local status = tonumber(text:match("(%d+)%s*$"))
    return status, text
  end

  it("counts the deliveries of a room at its members", function()
    local status, text = bench("--clients 20 --rooms 2 --count 40 --pid " .. pid)
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 400 of 400", 1, true), text)
    assert.is_truthy(text:find("server CPU", 1, true), text)
  end)

  it("keeps a rate for a time, and says how late answers were", function()
    local status, text = bench("--mode echo --clients 5 --rate 500 --duration 1 --json")
    assert.equal(0, status, text)
    local rate = tonumber(text:match('"what":"echo".-"rate":([%d%.]+)'))
    assert.is_true(rate > 300 and rate < 700, text)
    assert.is_truthy(text:find('"p99":0%.%d'), text)
  end)

  it("has every speaker heard by the whole room", function()
    local status, text = bench("--clients 10 --senders 10 --rate 200 --count 50 --tcp")
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 500 of 500", 1, true), text)
  end)

  it("writes numbers that JSON knows, also of no time at all", function()
    local json = require("cjson").new()
    json.decode_invalid_numbers(false)
    local status, text = bench("--clients 3 --mode idle --stay 0 --json")
    assert.equal(0, status, text)
    local seen = {}
    for line in text:gmatch("{[^\n]*}") do
      local object = json.decode(line)
      seen[object.what] = object.done
    end
    assert.same({ connect = 3, idle = 3 }, seen)
  end)

  it("ends with status 1 when nobody gets in", function()
    local status, text = bench("--host 127.0.0.2 --clients 2 --seconds 1")
    assert.equal(1, status, text)
    assert.is_truthy(text:find("2 connections were lost", 1, true), text)
  end)

  it("says at once that another game does not know its requests", function()
    local dir = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("connectorConfig", { distinctHost = true })
        app:start()
      ]],
      ["config/servers.json"] = [[{"connector": [
        {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}]],
      ["app/servers/connector/handler/h.lua"] = "return { m = function() return {} end }",
    }
    local out = dir .. "/out"
    local p = io.popen(("%s/pomelua start %s >%s 2>&1 & echo $!"):format(build, dir, out))
    local other, at = p:read("*n"), nil
    p:close()
    local deadline = os.time() + 20
    while not at and os.time() < deadline do
      local f = io.open(out) -- the shell makes it, sooner or later
      at = f and f:read("*a"):match("listening on 127.0.0.1:(%d+)\n")
      if f then f:close() end
    end
    assert.is_truthy(at)
    local begun = os.time()
    for _, options in ipairs { "", "--enter '' --mode fan", "--enter '' --mode echo" } do
      local status, text = bench(options .. " --clients 3 --port " .. at)
      assert.equal(1, status, text)
      assert.is_truthy(text:find("name your game's with --enter, --route", 1, true), text)
    end
    os.execute("kill " .. other)
    tree.remove(dir)
    assert.is_true(os.time() - begun < 15)
  end)

  it("says what it takes, and refuses what it does not know", function()
    local status, text = bench("--help")
    assert.equal(0, status)
    assert.is_truthy(text:find("--duration S", 1, true))
    assert.equal(2, (bench("--frobnicate")))
  end)
end)
