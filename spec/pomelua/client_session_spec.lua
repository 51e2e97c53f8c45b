-- What the scripted client counts and keeps of a session that may be resumed, and what comes in on
-- its lines. Tests client/session.lua, client/stream.lua, client/pushes.lua and client/frames.lua.
local core = require "pomelua.core"
local frames = require "pomelua.client.frames"
local pushes = require "pomelua.client.pushes"
local session = require "pomelua.client.session"
local stream = require "pomelua.client.stream"

local function add(one, ...)
  for _, bytes in ipairs { ... } do assert(one:add(bytes)) end
end

describe("a session of the scripted client", function()
  local one

  before_each(function() one = session.new { token = "t1", grace = 30 } end)

  local function back(received)
    return one:resumed { token = "t2", grace = 30, received = received }
  end

  it("sends again what the server has not taken, and then what waited", function()
    add(one, "a", "b", "c")
    one.away = true
    add(one, "d")
    assert.same({ "c", "d" }, back(2))
    assert.equal("t2", one.token)
    assert.is_false(one.away)
    one.away = true
    assert.same({}, back(4))
  end)

  it("keeps nothing before what the server has answered", function()
    add(one, "a", "b", "c")
    one:arrived(2)
    assert.is_nil(back(1))
    assert.same({ "c" }, back(2))
  end)

  it("refuses a number that cannot be", function()
    add(one, "a")
    one.away = true
    add(one, "b")
    for _, number in ipairs { -1, 2, 1 / 0, 0 / 0, "x" } do assert.is_nil(back(number)) end
    assert.same({ "a", "b" }, back(0))
  end)

  it("keeps 64 KiB, and gives up when the server misses more", function()
    local text = ("x"):rep(1024)
    for _ = 1, 65 do add(one, text) end
    assert.equal(65536, one.size)
    one.away = true
    assert.is_nil(back(0))
    assert.equal(64, #back(1))
    add(one, ("y"):rep(70000)) -- goes out, and is not kept
    one.away = true
    assert.is_nil(back(65))
    assert.same({}, back(66))
  end)

  it("lets 64 KiB wait", function()
    one.away = true
    for _ = 1, 64 do add(one, ("x"):rep(1024)) end
    local kept, message = one:add "y"
    assert.is_nil(kept)
    assert.equal("more than 65536 bytes wait for the connection", message)
    assert.equal(64, #back(0))
    add(one, "y")
  end)

  it("takes back what has not gone out", function()
    add(one, "a")
    local gone = assert(one:add "b")
    one.away = true
    add(one, "c")
    local waits = assert(one:add "d")
    add(one, "e")
    one:take_back(gone)
    one:take_back(waits)
    one:take_back(waits)
    assert.same({ "a", "b", "c", "e" }, back(0))
    assert.equal(0, one.waiting)
    assert.equal(4, one.size)
    one:arrived(4)
    assert.equal(0, one.size)
  end)

  it("agrees with a server over lines that are lost anywhere", function()
    math.randomseed(7)
    local taken, n = {}, 0
    for _ = 1, 500 do
      for _ = 1, math.random(0, 6) do
        n = n + 1
        local kept = assert(one:add(tostring(n)))
        if not one.away and not one.deaf then
          taken[#taken + 1] = tostring(n)
          if math.random() < 0.3 then one:arrived(kept.number) end
        end
        if math.random() < 0.2 then one.deaf = true end
      end
      if math.random() < 0.4 then
        one.away = true
      elseif one.away then
        local rest = assert(back(#taken))
        for i = 1, math.random(0, #rest) do taken[#taken + 1] = rest[i] end
        one.deaf = taken[#taken] ~= tostring(n) and n > 0
      elseif one.deaf then
        one.away = true
      end
    end
    one.away = true
    for _, bytes in ipairs(assert(back(#taken))) do taken[#taken + 1] = bytes end
    assert.equal(n, #taken)
    for i, bytes in ipairs(taken) do assert.equal(tostring(i), bytes) end
  end)
end)

describe("what comes in on a line", function()
  local DATA = 4
  local one, two = core.write_package(DATA, "one"), core.write_package(DATA, ("2"):rep(300))

  local function bodies(line, bytes, size)
    local list, last = {}, nil
    for at = 1, #bytes, size do
      last = line:feed(bytes:sub(at, at + size - 1))
      for _, package in ipairs(last.packages) do list[#list + 1] = package.body end
    end
    return list, last
  end

  it("is packages, in any pieces", function()
    for _, size in ipairs { 1, 7, 1000 } do
      assert.same({ "one", ("2"):rep(300) }, (bodies(stream.new(false), one .. two, size)))
    end
  end)

  it("is packages in frames behind the answer to the upgrade, and pings, and an end", function()
    local function frame(op, payload)
      return string.char(0x80 + op, #payload) .. payload
    end
    local bytes = "HTTP/1.1 101 Switching Protocols\r\n\r\n" .. frame(2, one) .. frame(9, "ping")
      .. frame(2, two:sub(1, 100)) .. frame(0, two:sub(101, 200)) .. frame(0, two:sub(201))
      .. frame(8, "\3\233move")
    assert.same({ "one", ("2"):rep(300) }, (bodies(stream.new(true), bytes, 1)))
    local list, got = bodies(stream.new(true), bytes .. frame(2, one), 1000)
    assert.equal(2, #list)
    assert.same({ "ping" }, got.pings)
    assert.same({ code = 1001, reason = "move" }, got.closed)
  end)

  it("is told when it is something else", function()
    local _, got = bodies(stream.new(false), one .. "\9\0\0\0", 100)
    assert.matches("^the server sends no packages: ", got.wrong)
    _, got = bodies(stream.new(true), "HTTP/1.1 404 Not Found\r\n\r\n", 100)
    assert.equal("no WebSocket there: HTTP/1.1 404 Not Found", got.wrong)
  end)

  it("is asked for by the upgrade of a WebSocket", function()
    assert.matches("^GET / HTTP/1.1\r\nHost: h:7\r\n.*\r\n\r\n$", frames.upgrade("h", 7))
  end)
end)

describe("the pushes of a scripted client", function()
  it("are kept until they are taken, the newest ten thousand", function()
    local one = { pushes = {} }
    assert.equal("nothing else came", pushes.came(one))
    for i = 1, 10001 do pushes.keep(one, "onLine", { n = i }) end
    assert.equal(10000, #one.pushes)
    assert.is_nil(pushes.take(one, "onLine", { n = 1 }))
    assert.same({ n = 7 }, pushes.take(one, "onLine", { n = 7 }).msg)
    assert.is_nil(pushes.take(one, "onLine", { n = 7 }))
    assert.matches("^came:\n  onLine { n = 9992 }\n.*\n  onLine { n = 10001 }$", pushes.came(one))
  end)
end)
