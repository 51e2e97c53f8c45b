-- Two machines, each with a broker and a part of the servers, and the cable between them: network
-- namespaces. As cluster_partition_spec, where the cut is in a proxy, but with the system's own
-- network. The servers call each other all the time, and say when that begins or ceases to work.
-- It measures nothing: another one may run beside it.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local fault = require "spec.support.fault"
local machines = require "spec.support.machines"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local tree = require "spec.support.tree"

local missing = machines.missing()

local CALLS = [[
  if app:getServerType() == "connector" then
    local state = {}
    app.event:on("start_all", function()
      app:setInterval(50, function()
        for _, id in ipairs { "chat-1", "chat-2" } do
          app.rpc.chat.probe.run.toServer(id, "cb()", function(err)
            local now = err and "bad" or "good"
            if state[id] ~= now then print(("calls to %s are %s"):format(id, now)) end
            state[id] = now
          end)
        end
      end)
    end)
  end
]]

local CONFIG = [[
listen: "%s:4222"
server_name: %s
cluster { name: spec, listen: "%s:6222", routes: [ "nats://%s:6222" ] }
]]

describe("two machines whose cable is cut", function()
  local network, game, dir, running

  after_each(function()
    for _, process in ipairs(running or {}) do process:kill "sigint" end
    for _, process in ipairs(running or {}) do process:waitExit(apps.patience) end
    net.closeAll()
    if game then game:close() end
    if network then network:close() end
    if dir then tree.remove(dir) end
  end)

  it("serve on by themselves, and are one app again within 3 s", function()
    if missing then pending(missing) end
    running = {}
    network = machines.new { near = "10.93.0.11", far = "10.93.0.12" }
    game = parts.new(fault.files(CALLS), { urls = {}, heartbeat = 0.2, timeout = 1 })
    dir = tree.new {}
    local process = {}
    local function run(machine, id, path, args)
      process[id] = machine:spawn(path, args)
      running[#running + 1] = process[id]
    end
    for _, pair in ipairs { { network.near, network.far }, { network.far, network.near } } do
      local machine, other = pair[1], pair[2]
      local conf = machine.name .. ".conf"
      tree.write(dir, conf, CONFIG:format(machine.address, machine.name, machine.address,
        other.address))
      run(machine, machine.name, broker.path, { "-c", dir .. "/" .. conf })
      assert(process[machine.name]:waitErr("Server is ready", apps.patience))
    end
    for _, one in ipairs {
      { network.near, "connector-1" }, { network.near, "chat-1" },
      { network.far, "connector-2" }, { network.far, "chat-2" },
    } do
      run(one[1], one[2], net.built "pomelua", {
        "start", game.dir, "--only", one[2], "--bus", ("nats://%s:4222"):format(one[1].address),
      })
    end
    -- What a server says from a place in its log on.
    local from = {}
    local function says(id, text)
      local at
      assert(net.wait(function()
        at = select(2, process[id].err:find(text, from[id] or 1, true))
        return at
      end, apps.patience), ("%s does not say %q:\n%s"):format(id, text, process[id].err))
      from[id] = at
    end
    for _, id in ipairs { "connector-1", "connector-2" } do
      says(id, "it has seen all servers")
      local begun = from[id]
      for _, other in ipairs { "chat-1", "chat-2" } do
        from[id] = begun
        says(id, ("calls to %s are good"):format(other))
      end
      from[id] = #process[id].err
    end
    network.near:cut()
    says("connector-1", "calls to chat-2 are bad")
    says("connector-2", "calls to chat-1 are bad")
    says("chat-1", "gone: connector-2")
    says("chat-2", "gone: connector-1")
    -- Inside of a machine nothing has ceased to work.
    assert.is_nil(process["connector-1"].err:find("calls to chat-1 are bad", 1, true))
    assert.is_nil(process["connector-2"].err:find("calls to chat-2 are bad", 1, true))
    network.near:mend()
    says("connector-1", "calls to chat-2 are good")
    says("connector-2", "calls to chat-1 are good")
    says("chat-1", "it sees connector-2")
    says("chat-2", "it sees connector-1")
  end)
end)
