-- 60 servers in 12 processes: what their directory costs is what the table of docs/cluster.md says.
local both = require "spec.support.both"
local net = require "spec.support.net"
local raw_bus = require "spec.support.raw_bus"

local APP = [[
local app = require("pomelua").createApp()
require "app.settings" (app)
app:start()
]]

local PROCESSES, EACH = 12, 5
local SECONDS, HEARTBEAT, BEAT = 5, 0.5, 34

describe("60 servers in 12 processes", function()
  local app

  after_each(function() if app then app:stop() end end)

  it("cost as much as the table says, and see each other within a second", function()
    local entries, spread = {}, {}
    for i = 1, PROCESSES do
      spread[i] = {}
      for k = 1, EACH do
        local id = "room-" .. (i - 1) * EACH + k
        entries[#entries + 1] = ('{"id": "%s", "host": "127.0.0.1"}'):format(id)
        spread[i][k] = id
      end
    end
    app = both.spread({
      ["app.lua"] = APP,
      ["app/settings.lua"] = "return function(app)" .. both.TELL .. "end\n",
      ["config/servers.json"] = ('{"development": {"room": [%s]}}'):format(
        table.concat(entries, ", ")),
    }, spread, { heartbeat = HEARTBEAT, timeout = 5 })
    assert.equal(PROCESSES, app.broker:facts("connz").num_connections)

    -- What is said to all, as one that is subscribed to it hears it.
    local raw = raw_bus.connect(app.broker.port)
    raw:subscribe("pml.*.all")
    local begun, beats = net.ms(), 0
    repeat
      local _, bytes = assert(raw:next())
      assert.equal(BEAT, #bytes)
      beats = beats + 1
    until net.ms() - begun > SECONDS * 1000
    local expected = PROCESSES * (net.ms() - begun) / 1000 / HEARTBEAT
    assert(beats >= 0.6 * expected and beats <= 1.2 * expected,
      ("%d heartbeats and not %d"):format(beats, expected))

    local part = app:again("room-1")
    assert(part.seen_after < 4000, ("the others saw it after %d ms"):format(part.seen_after))
  end)
end)
