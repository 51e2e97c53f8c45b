-- TLS handshakes by the thousands that nobody wants to finish, against one process; meanwhile one
-- client asks for echoes over wss. POMELUA_SEED repeats what they send. Tests core/net/secure,
-- core/net/tls_queue and core/wire/tls_hello.
local certs = require "spec.support.certs"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local slowness = require "spec.support.slowness"
local talk = require "spec.support.talk"
local tls = require "spec.support.tls"
local uv = require "luv"

local HANDSHAKES, AT_ONCE = 5000, 400
local ROUNDS = 4 -- at most; two as a rule
local DEADLINE_MS = 1500
local MIB = 1024 * 1024

local seed = tonumber(os.getenv("POMELUA_SEED")) or os.time()
local random = math.random

local function noise(n)
  local out = {}
  for i = 1, n do out[i] = string.char(random(0, 255)) end
  return table.concat(out)
end

local function damaged(bytes)
  for _ = 1, random(1, 4) do
    local at = random(1, #bytes)
    bytes = bytes:sub(1, at - 1) .. string.char(random(0, 255)) .. bytes:sub(at + 1)
  end
  return bytes
end

local function hello() return tls.hello { old = random(2) == 1 } end

-- What is said; each of them is silent afterwards.
local words = {
  one_byte = function() return "\22" end,
  cut = function()
    local bytes = hello()
    return bytes:sub(1, random(2, #bytes - 1))
  end,
  silence = hello,
  random = function() return "\22" .. noise(random(1, 300)) end,
  random_record = function() return "\22\3\1" .. noise(random(1, 300)) end,
  damaged = function() return damaged(hello()) end,
  garbage = function() return hello() .. noise(random(1, 600)) end,
}
local kinds = { "renegotiation" }
for kind in pairs(words) do kinds[#kinds + 1] = kind end
table.sort(kinds)

-- One connection. `done` is called once it is gone: the server has closed it, or it leaves after a
-- while, which is often longer than the server waits.
local function attack(port, done)
  local kind = kinds[random(#kinds)]
  local tcp, timer = uv.new_tcp(), uv.new_timer()
  if kind == "renegotiation" then tcp = tls.wrap(tcp, { old = true }) end
  local function finish()
    if tcp:is_closing() then return end
    timer:close()
    tcp:close(done)
  end
  tcp:connect("127.0.0.1", port, function(err)
    if err then return finish() end
    tcp:read_start(function(_, some) if not some then finish() end end)
    if kind == "renegotiation" then
      tcp:write(pomelo.package(pomelo.HANDSHAKE, pomelo.hello), function()
        if not tcp:is_closing() then tcp:renegotiate() end
      end)
    else
      tcp:write(words[kind]())
    end
    timer:start(random(3) == 1 and 2 * DEADLINE_MS or random(1, 400), 0, finish)
  end)
end

describe("hostile TLS handshakes", function()
  local server, control, times

  setup(function()
    print("hostile handshakes: POMELUA_SEED=" .. seed)
    math.randomseed(seed)
    server = talk.start {
      files = certs.files(),
      -- The client asks for echoes as fast as they come.
      config = 'ssl = { cert = "config/tls/game.crt", key = "config/tls/game.key" }, '
        .. "handshakeTimeout = " .. DEADLINE_MS,
      env = { ASAN_OPTIONS = (os.getenv("ASAN_OPTIONS") or "")
        .. ":quarantine_size_mb=1:malloc_context_size=2:allocator_release_to_os_interval_ms=0" },
    }
    control = pomelo.connect(server.port, "wss")
  end)

  teardown(function() server:stop() end)

  local function resident()
    local file = assert(io.open("/proc/" .. server.process.pid .. "/statm"))
    local pages = tonumber(file:read("*a"):match("^%d+ (%d+)"))
    file:close()
    return pages * 4096
  end

  local function ask(route)
    return assert(control:request("connector.entryHandler." .. route, {}))
  end

  -- All of them once, and echoes until the last one is gone.
  local function round()
    local open, started, gone = 0, 0, 0
    local timer = uv.new_timer()
    timer:start(2, 2, function()
      while open < AT_ONCE and started < HANDSHAKES do
        open, started = open + 1, started + 1
        attack(server.port, function() open, gone = open - 1, gone + 1 end)
      end
    end)
    times = {}
    local late = uv.now() + 120000
    while gone < HANDSHAKES and uv.now() < late do
      local from = uv.hrtime()
      assert.are.equal(200, ask("echo").code)
      times[#times + 1] = (uv.hrtime() - from) / 1e6
    end
    timer:close()
    assert.are.equal(HANDSHAKES, gone)
    assert(net.wait(function() return ask("counts").connections == 1 end, 20000))
  end

  local function p99()
    table.sort(times)
    return times[math.ceil(#times * 0.99)]
  end

  it("leave memory as it was, echoes in time, and are all counted", function()
    local before = resident()
    local after, tells, best = {}, {}, math.huge
    local function more() return after[#after] - after[#after - 1] end
    repeat -- a leak grows with every round, what an allocator holds does not
      local i = #after + 1
      round()
      local slowest = p99()
      assert.is_true(#times > 100, #times .. " echoes")
      best = math.min(best, slowest) -- of the rounds, for a busy machine
      net.wait(function() end, 5000) -- until what waits for a collection is gone
      after[i] = resident()
      tells[i] = ("round %d: echo p99 %.1f ms of %d, memory %.1f -> %.1f MiB")
        :format(i, slowest, #times, before / MIB, after[i] / MIB)
      print("hostile handshakes: " .. tells[i])
    until i >= 2 and more() < MIB or i == ROUNDS
    local said = table.concat(tells, "\n")
    assert.is_true(best < 1000 * slowness, said)
    assert.is_true(after[#after] - before < 20 * MIB, said)
    assert.is_true(more() < MIB, said)

    local n = ask "counts"
    assert.are.equal(0, n.tlsUnderWay + n.tlsWaiting)
    assert.are.equal(n.tlsHandshakes, n.tlsDone + n.tlsFailed + n.tlsLate + n.tlsLeft)
    for _, name in ipairs { "Failed", "Late", "Left", "BadHello", "Renegotiations" } do
      assert.is_true(n["tls" .. name] > 100, name .. " " .. require("cjson").encode(n))
    end
  end)
end)
