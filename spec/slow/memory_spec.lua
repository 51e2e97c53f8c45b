-- 2,000 clients that ask for megabytes and never read: what waits for them stays below
-- clientMemory, the others are served meanwhile, and afterwards the memory goes back to the system.
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local talk = require "spec.support.talk"
local uv = require "luv"

local DEAF, ANSWERS = 2000, 40 -- of 60 KB: 2.4 MB for each of them
local CAP = 64 -- MiB
local MIB = 1024 * 1024
local entry = "connector.entryHandler."

local handler = [[
local text = ("0123456789"):rep(6000)
return function()
  local Handler = {}
  function Handler:get() return { text = text } end
  return Handler
end
]]

local function now() return uv.hrtime() / 1e6 end

describe("clients that never read", function()
  local server, polite

  setup(function()
    server = talk.start {
      config = "clientMemory = " .. CAP,
      files = { ["app/servers/connector/handler/boardHandler.lua"] = handler },
    }
    polite = pomelo.connect(server.port, "ws")
  end)
  teardown(function() server:stop { "clientMemory" } end)

  local function resident()
    local file = assert(io.open("/proc/" .. server.process.pid .. "/statm"))
    local pages = tonumber(file:read("*a"):match("^%d+ (%d+)"))
    file:close()
    return pages * 4096 / MIB
  end

  local function counts() return assert(polite:request(entry .. "counts")) end

  -- The requests of one of them, as they stand on a raw connection.
  local requests = {}
  for id = 1, ANSWERS do
    requests[id] = pomelo.package(pomelo.DATA, pomelo.message {
      type = pomelo.REQUEST, id = id, route = "connector.boardHandler.get", body = "{}",
    })
  end
  requests = pomelo.package(pomelo.HANDSHAKE, pomelo.hello) .. pomelo.package(pomelo.ACK)
    .. table.concat(requests)

  local function deaf_one()
    local tcp = uv.new_tcp()
    tcp:connect("127.0.0.1", server.port, function(err)
      if err then return end
      tcp:recv_buffer_size(4096)
      tcp:write(requests)
    end)
    return tcp
  end

  it("hold no more than clientMemory, harm nobody, and leave no memory behind", function()
    for _ = 1, 20 do counts() end
    local before, most, late = resident(), 0, {}
    local held, deaf = 0, {}

    -- One request of the polite client, and what the others hold meanwhile.
    local function look()
      local from = now()
      local told = counts()
      late[#late + 1] = now() - from
      most = math.max(most, resident())
      held = math.max(held, told.clientBytes)
      return told
    end

    for i = 1, DEAF do
      deaf[i] = deaf_one()
      if i % 10 == 0 then look() end
    end
    local told
    assert(net.wait(function()
      told = look()
      return told.accepted > DEAF and told.clientBytes == 0
    end, 60000), "what waits for them does not go")
    table.sort(late)
    local p99 = late[math.ceil(#late * 0.99)]
    for _, tcp in ipairs(deaf) do tcp:close() end
    assert(net.wait(function() return counts().connections == 1 end, 20000))
    net.wait(function() return resident() - before < 10 end, 20000)

    local said = ("before %.1f MiB, at most %.1f, then %.1f; they held up to %.1f MiB; closed: %d "
      .. "memory, %d slow; p99 of %d: %.1f ms"):format(before, most, resident(), held / MIB,
      told.closedMemory, told.closedSlow, #late, p99)
    print("clients that never read: " .. said)
    assert.is_true(held / MIB < CAP + 1, said)
    assert.is_true(most - before < CAP + 32, said)
    assert.is_true(resident() - before < 10, said)
    assert.is_true(told.closedMemory > 0, said)
    assert.is_true(counts().trims > 0, said)
    assert.is_true(p99 < 1000, said)
  end)
end)
