-- The nats-server that specs start: spec/support/broker.
local broker = require "spec.support.broker"
local net = require "spec.support.net"

local function hello(port)
  local client = assert(net.connect(port))
  assert(client:receiveUntil("\r\n"):find('^INFO {'))
  client:send('CONNECT {"verbose":false}\r\nPING\r\n')
  return client
end

describe("a broker for specs", function()
  after_each(function()
    broker.closeAll()
    net.closeAll()
  end)

  it("takes connections, stops answering while it is frozen, and comes back on its port", function()
    local one = broker.start()
    local port = one.port
    local client = hello(port)
    assert(client:receiveUntil("PONG\r\n"))
    one:freeze()
    client:send("PING\r\n")
    assert.is_nil(client:receiveUntil("PONG\r\n", 50))
    one:thaw()
    assert(client:receiveUntil("PONG\r\n"))
    one:kill()
    assert.is_true(client:waitClosed())
    assert.is_false(one:runs())
    one:restart()
    assert.equal(port, one.port)
    assert(hello(port):receiveUntil("PONG\r\n"))
    assert.equal(1, one:facts("varz").connections)
  end)

  it("is ended also while it is frozen", function()
    local one = broker.start()
    one:freeze()
    local process = one.process
    broker.closeAll()
    assert.is_truthy(process.code or process.signal)
  end)

  it("is one of three, each of which knows the others", function()
    local three = broker.cluster(3)
    local listener, speaker = hello(three[3].port), hello(three[1].port)
    listener:send("SUB news 1\r\nPING\r\n")
    assert(listener:receiveUntil("PONG\r\nPONG\r\n"))
    assert(speaker:receiveUntil("PONG\r\n"))
    -- The interest reaches the first broker by the route.
    assert(net.wait(function()
      speaker:send("PUB news 2\r\nhi\r\n")
      return listener:receiveUntil("hi\r\n", 50)
    end))
    three[2]:kill()
    three[2]:restart()
    assert.equal(three.urls[2], three[2].url)
  end)

  it("takes more lines of configuration", function()
    local one = broker.start { config = "max_payload: 4096" }
    assert.equal(4096, one:facts("varz").max_payload)
  end)
end)
