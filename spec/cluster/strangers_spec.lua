-- What others say on the bus of a cluster: bytes that are not ours are dropped and counted, a
-- process that comes to a cluster of another protocol is refused. What core/bus/discovery.c
-- decides, over a real broker.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local probe = require "spec.support.probe"
local raw_bus = require "spec.support.raw_bus"
local tool = require "spec.support.tool"

local ALL = "pml.spec.all"
local BEAT, REFUSE, SETTLED = 1, 2, 8

-- What a process of that protocol says: the head is the same in all of them.
local function message(protocol, kind, flags, body)
  return "PML" .. string.char(protocol, kind, flags) .. ("\1"):rep(16) .. body
end
local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("on the bus of a cluster,", function()
  local one, game, raw

  before_each(function()
    one = broker.start()
    game = parts.new(probe.files(), { urls = { one.url }, cluster = "spec" })
    raw = raw_bus.connect(one.port)
  end)
  after_each(function()
    game:close()
    broker.closeAll()
    net.closeAll()
  end)

  it("a process that comes to another protocol ends with a sentence", function()
    raw:subscribe(ALL)
    local part = game:launch "chat-1"
    local subject, bytes
    repeat subject, bytes = assert(raw:next(apps.patience)) until bytes:byte(5) == BEAT
    assert.equal(ALL, subject)
    assert.equal("PML\1", bytes:sub(1, 4))
    local process = hex(bytes:sub(7, 22))
    raw:publish(("pml.spec.p.%s.c"):format(process),
      message(2, REFUSE, SETTLED, "\4box7"))
    local status, err = part:ends()
    assert.equal(1, status)
    assert.matches("a process on box7 speaks protocol 2 of the bus, this one speaks 1: ", err, 1,
      true)
  end)

  it("a process of another protocol that comes is told to go, and changes nothing", function()
    local app = probe.of(game:start("connector-1", "chat-1"))
    local other = game:start "chat-2"
    local name = ("01"):rep(16)
    raw:subscribe(("pml.spec.p.%s.c"):format(name))
    raw:publish(ALL, message(2, BEAT, 0, "whatever it says there"))
    local _, bytes = assert(raw:next(apps.patience))
    assert.equal(REFUSE, bytes:byte(5))
    assert.equal(SETTLED, bytes:byte(6))
    assert.equal("PML\1", bytes:sub(1, 4))
    assert.is_nil(app.process.code or other.process.code)
    assert.equal("chat-1", app:client():run("chat", "return app:getServerId()"))
  end)

  it("what is not ours is dropped and counted", function()
    local app = probe.of(game:start("connector-1", "chat-1"))
    raw:subscribe(ALL)
    local bytes
    repeat bytes = select(2, assert(raw:next(apps.patience))) until bytes:byte(5) == BEAT
    local process = hex(bytes:sub(7, 22))
    local junk = 0
    for _, text in ipairs {
      "", "junk", "PML", bytes:sub(1, -2), bytes .. "x", ("\255"):rep(5000),
    } do
      for _, subject in ipairs { ALL, "pml.spec.p." .. process .. ".c",
        "pml.spec.p." .. process .. ".r", "pml.spec.p." .. process .. ".q" } do
        raw:publish(subject, text)
        junk = junk + 1
      end
    end
    local counted
    net.wait(function()
      local _, out = tool.run("list", "--counters", "-d", game.dir)
      counted = tonumber(out:match "strangers%s+(%d+)")
      return counted and counted >= junk
    end, apps.patience)
    assert.equal(junk, counted)
    assert.equal("chat-1", app:client():run("chat", "return app:getServerId()"))
  end)
end)
