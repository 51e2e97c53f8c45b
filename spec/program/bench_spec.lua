-- `pomelua bench`: the load generator against the least of servers (core/tools/floor.c).
-- Tests cli/bench.lua.
local certs = require "spec.support.certs"
local once_of = require "spec.support.once_of"
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
    once_of(3, function()
      local status, text = bench("--mode echo --clients 5 --rate 500 --duration 1 --json")
      assert.equal(0, status, text)
      local rate = tonumber(text:match('"what":"echo".-"rate":([%d%.]+)'))
      assert.is_true(rate > 300 and rate < 700, text)
      assert.is_truthy(text:find('"p99":%d+%.%d'), text)
    end)
  end)

  it("has every speaker heard by the whole room", function()
    local status, text = bench("--clients 10 --senders 10 --rate 200 --count 50 --tcp")
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 500 of 500", 1, true), text)
  end)

  it("sends no more than --count, also when more is due at once", function()
    local status, text = bench("--clients 10 --senders 10 --rate 1000000 --count 53 --tcp")
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 530 of 530", 1, true), text)
  end)

  it("connects every second client of a room to a second port", function()
    local status, text = bench("--clients 8 --rooms 2 --count 10 --second-port " .. port)
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 40 of 40", 1, true), text)
    status, text = bench("--mode idle --clients 4 --stay 00 --second-port 1")
    assert.equal(1, status)
    assert.is_truthy(text:find("2 of 4", 1, true), text)
  end)

  it("has slow readers, whose pushes are counted apart", function()
    local status, text = bench("--clients 10 --slow 2 --latest --rate 200 --count 40")
    assert.equal(0, status, text)
    assert.is_truthy(text:find("fan: 320 of 320", 1, true), text)
    assert.is_truthy(text:find("slow clients got 80, at most %d+ after"), text)
    status, text = bench("--clients 4 --slow 1 --tcp --rate 200 --count 10")
    assert.equal(0, status, text)
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
    assert.is_true(os.time() - begun < 60) -- not the 60 s of --seconds, three times
  end)

  it("says what it takes, and refuses what it does not know", function()
    local status, text = bench("--help")
    assert.equal(0, status)
    assert.is_truthy(text:find("--duration S", 1, true))
    assert.is_truthy(text:find("--slow N", 1, true))
    assert.equal(2, (bench("--frobnicate")))
    assert.equal(2, (bench("--insecure")))
    assert.equal(2, (bench("--tls --ca /nowhere.pem")))
  end)
end)

describe("pomelua bench against servers whose clients have other forms", function()
  local app = require "spec.support.app"
  local json = require "cjson"
  local read = require("spec.support.files").read

  -- The benchmark's app.
  local function start(env)
    local files = { ["config/servers.json"] =
      (read("bench/app/config/servers.json"):gsub('"clientPort": %d+', '"clientPort": 0')) }
    for _, path in ipairs { "app.lua", "app/measure.lua", "config/serverProtos.json",
      "config/dictionary.json", "app/servers/connector/handler/entryHandler.lua",
      "app/servers/chat/handler/chatHandler.lua", "app/servers/chat/remote/chatRemote.lua" } do
      files[path] = read("bench/app/" .. path)
    end
    return app.start(files, { env = env })
  end

  -- What the generator says of it.
  local function bench(server, options)
    local p = io.popen(("%s/pomelua bench --port %d --quiet --json --clients 10 --count 20 %s 2>&1")
      :format(build, server.ports["connector-1"], options))
    local text = p:read("*a")
    p:close()
    return text
  end

  -- The bytes of a delivery in that.
  local function bytes_in(text)
    for line in text:gmatch("{[^\n]*}") do
      local result = json.decode(line)
      if result.what == "fan" then
        assert.equal(200, result.done, text)
        assert.is_true(result.p50 > 0, text) -- the time of sending was found in the body
        return result.bytes
      end
    end
    error(text)
  end

  local function bytes_of(form)
    local server = start { BENCH_FORM = form }
    local text = bench(server, "")
    server:stop()
    return bytes_in(text)
  end

  it("reads numbers for routes and protobuf, which are fewer bytes", function()
    local plain = bytes_of("")
    assert.is_true(bytes_of("dictionary") < plain)
    assert.is_true(bytes_of("protobuf") < plain)
  end)

  it("has sessions that outlive their lines, where the server keeps them", function()
    local server = start { BENCH_RESUME = "1" }
    assert.is_true(bytes_in(bench(server, "--resume")) > 0)
    assert.is_true(bytes_in(bench(server, "")) > 0)
    server:stop()
    server = start()
    assert.matches("only 0 of 10 clients got in", bench(server, "--resume"))
    server:stop()
  end)

  it("counts deliveries by TLS, from a server that it believes", function()
    local dir = tree.new {}
    certs.make(dir, "bench")
    local ca, server = "--ca " .. dir .. "/bench.crt", start { BENCH_TLS = dir }
    for _, options in ipairs { ca, "--tcp --insecure", "--name localhost " .. ca } do
      assert.is_true(bytes_in(bench(server, "--tls " .. options)) > 0)
    end
    assert.matches("only 0 of 10 clients got in", bench(server, "--tls"))
    assert.matches("certificate is not believed: hostname mismatch",
      bench(server, "--tls --name other.org " .. ca))
    server:stop()
    tree.remove(dir)
  end)
end)
