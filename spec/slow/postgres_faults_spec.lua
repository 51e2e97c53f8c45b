-- What handlers see of a PostgreSQL that is not there, is killed, or stands still; and that all
-- else goes on as before.
-- It measures nothing: another one may run beside it.
local game = require "spec.support.postgres_game"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local pomelo = require "spec.support.pomelo"
local support = require "spec.support.postgres"

if support.missing() then
  describe("a PostgreSQL with faults", function() pending(support.missing()) end)
  return
end

describe("a PostgreSQL with faults", function()
  local pg, server, client, other

  local function ask(name, body, ms) return assert(client:request("connector.dbHandler." .. name,
    body, ms)) end

  -- The slowest of n requests that ask no database, in ms.
  local function slowest(n)
    local most = 0
    for i = 1, n do
      local begun = net.ms()
      assert.equal(i, assert(other:request("connector.dbHandler.echo", { n = i })).n)
      most = math.max(most, net.ms() - begun)
    end
    return most
  end

  local function works()
    return net.wait(function()
      local answer = ask("query", { sql = "select 1 as a" }).value
      return answer and answer[1].a == 1
    end, 100)
  end

  -- Asks until it works; how many ms that took.
  local function works_again(ms)
    local begun = net.ms()
    repeat
      if works() then return net.ms() - begun end
    until net.ms() - begun > ms
    error "it does not come back"
  end

  local function start()
    server = game.start(pg, "timeout = 1000")
    client, other = pomelo.connect(server.port), pomelo.connect(server.port)
  end

  setup(function() pg = support.start() end)
  teardown(function()
    support.closeAll()
    net.closeAll()
  end)
  after_each(function()
    pomelo.closeAll()
    server:stop()
    if not pg:runs() then pg:restart() end
  end)

  it("does not hinder the start; calls say why, and work when it is there", function()
    pg:kill()
    start()
    local begun = net.ms()
    local err = ask("query", { sql = "select 1" }).err
    assert.equal("CLOSED", err.code)
    assert.matches("^the database cannot be reached: .*Connection refused", err.message)
    for _ = 1, 20 do ask("query", { sql = "select 1" }) end
    assert.is_true(net.ms() - begun < 15000)
    -- Between the attempts to connect a call is answered at once.
    begun = net.ms()
    local codes = ask("many", { n = 500, sql = "select 1" })
    assert.same({ CLOSED = 500 }, codes)
    assert.is_true(net.ms() - begun < 3000)
    once_of(3, function() assert.is_true(slowest(50) < 500) end)
    pg:restart()
    assert.is_true(works_again(15000) < 8000)
  end)

  it("that is killed ends the calls that run, and works when it is there again", function()
    start()
    assert.is_truthy(works())
    local id = client:ask("connector.dbHandler.many", { n = 8, sql = "select 'k', pg_sleep(30)" })
    assert.is_truthy(net.wait(function()
      return pg:sql("select count(*) from pg_stat_activity where query like '%''k''%' "
        .. "and application_name = 'pomelua'")[1] == "4"
    end))
    pg:kill()
    local codes = assert(client:answer(id))
    assert.equal(8, codes.CLOSED)
    pg:restart()
    assert.is_true(works_again(15000) < 8000)
    local stats = ask("stats")
    assert.equal(0, stats.waiting)
    assert.is_true(stats.open >= 1)
  end)

  it("that stands still lets calls end in time and nothing else wait", function()
    start()
    assert.is_truthy(works())
    pg:freeze()
    local begun = net.ms()
    local id = client:ask("connector.dbHandler.many", { n = 8, sql = "select 1" })
    once_of(3, function() assert.is_true(slowest(300) < 500) end)
    local codes = assert(client:answer(id))
    local took = net.ms() - begun
    assert.is_true(took >= 1000 and took < 15000, ("took %d ms"):format(took))
    -- Those that run, and those that wait for their connections.
    assert.equal(8, (codes.TIMEOUT or 0) + (codes.BUSY or 0))
    assert.is_true(codes.TIMEOUT >= 1)
    -- It stays so: connections that do not come back are closed, new ones do not come up.
    for _ = 1, 5 do
      begun = net.ms()
      assert.is_truthy(ask("query", { sql = "select 1" }).err.code)
      assert.is_true(net.ms() - begun < 15000)
    end
    once_of(3, function() assert.is_true(slowest(300) < 500) end)
    pg:thaw()
    assert.is_true(works_again(15000) < 9000)
    assert.same({ "0" }, pg:sql("select count(*) from pg_stat_activity where state = 'active' "
      .. "and application_name = 'pomelua'"))
  end)

  it("that ends in order is the same to calls as one that is killed", function()
    start()
    local id = client:ask("connector.dbHandler.query", { sql = "select 'ordered', pg_sleep(30)" })
    assert.is_truthy(net.wait(function()
      return pg:sql("select count(*) from pg_stat_activity where query like '%ordered%' "
        .. "and application_name = 'pomelua'")[1] == "1"
    end))
    pg:stop()
    local err = assert(client:answer(id)).err
    assert.equal("CLOSED", err.code)
    assert.matches("administrator command", err.message)
    pg:restart()
    assert.is_true(works_again(15000) < 8000)
  end)

  it("does not hold up a server that stops", function()
    start()
    assert.is_truthy(works())
    pg:freeze()
    client:ask("connector.dbHandler.query", { sql = "select 1" })
    once_of(3, function() assert.is_true(slowest(10) < 500) end)
    pomelo.closeAll()
    local begun = net.ms()
    server:stop()
    assert.is_true(net.ms() - begun < 5000)
    pg:thaw()
  end)
end)
