-- Users on frontends of several processes, over a real nats-server: kick-old, app:kick, app:locate
-- and bans, while logins come at the same time, a process does not run for a while, the broker is
-- gone, and a process is killed and started again.
-- It measures nothing: another one may run beside it.

local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local probe = require "spec.support.probe"
local tree = require "spec.support.tree"

local SETTINGS = [[
  app:set("connectorConfig", { distinctHost = true, rate = false })
  app:set("sessionConfig", { singleSession = "kick-old", frontendTimeout = 500 })
]]

local LOCATE = [[
  local list = {}
  for _, place in ipairs((app:locate(args))) do
    list[#list + 1] = place.frontendId .. ":" .. #place.sids
  end
  table.sort(list)
  return #list > 0 and table.concat(list, " ") or "nowhere"
]]

-- Which servers each process runs.
local PARTS = {
  one = "connector-1,gate-1,chat-1,room-1",
  two = "connector-2,chat-2,room-2",
  three = "connector-3,chat-3",
}

local PATIENCE = 15000 -- ms for what other processes have to hear of

describe("users of several processes", function()
  local one_broker, parts, other

  -- Starts a process of the app, in a folder of its own; with the bans in the folder `dir`.
  local function start(name, dir)
    local bus = ('{"development": {"urls": ["%s"], "cluster": "users", '
      .. '"heartbeat": 0.2, "timeout": 1}}'):format(one_broker.url)
    local part = probe.start(SETTINGS, { ["config/bus.json"] = bus }, {
      args = { "--only", PARTS[name] },
      prepare = dir and function(new)
        tree.write(new, ".pomelua/bans.json", assert(files.read(dir .. "/.pomelua/bans.json")))
      end,
    })
    parts[name] = part
    return part
  end

  local function where(uid) return other:run("chat", LOCATE, uid) end

  local function await(what, check)
    local got
    local ok = net.wait(function()
      got = check()
      return got == true
    end, PATIENCE)
    assert(ok, what .. ": " .. tostring(got))
  end

  local function await_at(uid, text)
    await(uid .. " at " .. text, function()
      local got = where(uid)
      return got == text or got
    end)
  end

  -- Which servers one of a process sees, as text.
  local function seen()
    return table.concat(other:run(nil, [[
      local list = pomelua.array()
      for id in pairs(app:getServers()) do
        if node:alive(id) then list[#list + 1] = id end
      end
      table.sort(list)
      return list
    ]]), " ")
  end

  local function all_meet()
    local want = {}
    for name in pairs(parts) do
      for id in PARTS[name]:gmatch "[^,]+" do want[#want + 1] = id end
    end
    table.sort(want)
    await("all servers", function()
      local got = seen()
      return got == table.concat(want, " ") or got
    end)
  end

  setup(function()
    one_broker, parts = broker.start(), {}
    start "one"
    start "two"
    other = parts.one:client "gate-1"
    all_meet()
  end)

  teardown(function()
    for _, part in pairs(parts) do part.process:kill "sigcont" end
    broker.closeAll()
    net.closeAll()
    for _, part in pairs(parts) do tree.remove(part.dir) end
  end)

  local function tool(part, ...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", part.dir
    local process = net.spawn(net.built "pomelua", args)
    local code = process:waitExit(apps.patience)
    return code, process.out, process.err
  end

  it("have one session: the older one ends in the other process", function()
    local first = parts.one:client("connector-1", { uid = "ann" })
    await_at("ann", "connector-1:1")
    local second = parts.two:client("connector-2")
    assert.are.same({ "nil" }, second:run("chat", "session:bind('ann', tell)"))
    assert.are.equal('{"reason":"kick"}', first:kicked())
    await_at("ann", "connector-2:1")
    local third = parts.one:client("connector-1", { uid = "ann" })
    assert.are.equal('{"reason":"kick"}', second:kicked())
    await_at("ann", "connector-1:1")
    third:close()
    await_at("ann", "nowhere")
  end)

  it("have exactly one session of logins at the same time", function()
    for round = 1, 5 do
      local uid, clients = "racer " .. round, {}
      for i = 1, 6 do
        clients[i] = i % 2 == 0 and parts.one:client "connector-1" or parts.two:client "connector-2"
      end
      for i, one in ipairs(clients) do
        one:askRun(i > 3 and "chat" or nil, "session:bind(args, tell)", uid)
      end
      local kicked = 0
      for _, one in ipairs(clients) do
        one.over = assert(one:nextPackage()).type == pomelo.KICK
        kicked = kicked + (one.over and 1 or 0)
      end
      await(uid, function() return where(uid):find "^connector%-%d:1$" == 1 end)
      for _, one in ipairs(clients) do
        if not one.over then
          one:askRun(nil, "return session.uid")
          kicked = kicked + (assert(one:nextPackage()).type == pomelo.KICK and 1 or 0)
        end
      end
      assert.are.equal(5, kicked)
    end
  end)

  it("are kicked by uid from any server, with the number of sessions", function()
    local bob = parts.two:client("connector-2", { uid = "bob" })
    await_at("bob", "connector-2:1")
    assert.are.same({ "nil", "1", "[]" }, other:run("room", [[
      app:kick("bob", "bye", function(err, n, silent) tell(err, n, pomelua.array(silent)) end)
    ]], nil, { to = "room-1" }))
    assert.are.equal('{"reason":"bye"}', bob:kicked())
    await_at("bob", "nowhere")
  end)

  it("do not wait for a process that does not run, and are found there later", function()
    local old = parts.two:client("connector-2", { uid = "cid" })
    await_at("cid", "connector-2:1")
    parts.two.process:freeze()
    local new = parts.one:client("connector-1", { uid = "cid" })
    assert.are.equal("cid", new:run(nil, "return session.uid"))
    local got = other:run(nil, [[
      local n, silent = app:kick("nobody")
      return { n, unpack(silent) }
    ]])
    parts.two.process:kill "sigcont"
    assert.are.same({ 0, "connector-2" }, got)
    assert.are.equal('{"reason":"kick"}', old:kicked())
    await_at("cid", "connector-1:1")
    assert.are.equal("cid", new:run(nil, "return session.uid"))
  end)

  it("are one again when a process was taken for gone and goes on", function()
    local old = parts.two:client("connector-2", { uid = "hal" })
    await_at("hal", "connector-2:1")
    parts.two.process:freeze()
    await("connector-2 is gone", function()
      local got = seen()
      return not got:find("connector-2", 1, true) or got
    end)
    local new = parts.one:client("connector-1", { uid = "hal" })
    assert.are.same({ 0 }, other:run(nil, [[
      local n, silent = app:kick("nobody")
      return { n, unpack(silent) }
    ]]))
    parts.two.process:kill "sigcont"
    all_meet()
    assert.are.equal('{"reason":"kick"}', old:kicked(PATIENCE))
    await_at("hal", "connector-1:1")
    assert.are.equal("hal", new:run(nil, "return session.uid"))
    local third = parts.two:client("connector-2", { uid = "hal" })
    assert.are.equal('{"reason":"kick"}', new:kicked(PATIENCE))
    await_at("hal", "connector-2:1")
    third:close()
  end)

  it("are one again when the broker was gone while they logged in", function()
    local first = parts.one:client("connector-1", { uid = "dan" })
    await_at("dan", "connector-1:1")
    one_broker:kill()
    local second = parts.two:client("connector-2", { uid = "dan" })
    local both = { parts.one:client("connector-1", { uid = "eve" }),
      parts.two:client("connector-2", { uid = "eve" }) }
    assert.are.equal("dan", first:run(nil, "return session.uid"))
    assert.are.equal("dan", second:run(nil, "return session.uid"))
    one_broker:restart()
    assert.are.equal('{"reason":"kick"}', first:kicked(PATIENCE))
    await_at("dan", "connector-2:1")
    await("eve", function() return where "eve":find "^connector%-%d:1$" == 1 end)
    local at = tonumber(where("eve"):match "%d")
    assert.are.equal("eve", both[at]:run(nil, "return session.uid"))
  end)

  it("are banned in all processes, by a tool and by a script", function()
    local fay = parts.two:client("connector-2", { uid = "fay" })
    local code, out, err = tool(parts.one, "ban", "fay", "--reason", "spam")
    assert.are.equal(0, code, err)
    assert.matches("; 1 session ended\n", out, 1, true)
    assert.are.equal('{"reason":"spam"}', fay:kicked())
    local again = parts.two:client "connector-2"
    again:askRun(nil, "session:bind('fay', tell)")
    assert.are.equal(pomelo.KICK, again:nextPackage().type)
    local gus = parts.one:client("connector-1", { uid = "gus" })
    local asker = parts.two:client "connector-2"
    assert.are.same({ 1 }, asker:run(nil, [[
      local n, silent = app:ban("gus", { time = "1h" })
      return { n, unpack(silent) }
    ]]))
    assert.are.equal('{"reason":"banned"}', gus:kicked())
    code, out = tool(parts.one, "bans")
    assert.are.equal(0, code)
    assert.matches("uid      fay ", out, 1, true)
    assert.matches("uid      gus ", out, 1, true)
  end)

  it("get nothing of others when a process is killed in the middle of logins", function()
    local new, n = {}, 30
    for i = 1, n do parts.two:client("connector-2", { uid = "n " .. i }) end
    for i = 1, n do new[i] = parts.one:client "connector-1" end
    for i = 1, n do
      new[i]:askRun(i % 3 == 0 and "chat" or nil, "session:bind(args, tell)", "n " .. i)
      if i == n / 2 then parts.two.process:kill "sigkill" end
    end
    local bound, failed = {}, 0
    for i = 1, n do -- a bind through a chat server of the process that is gone may fail
      local answer = assert(new[i]:nextMessage(PATIENCE)).msg
      bound[i] = answer[1] == "nil"
      failed = failed + (bound[i] and 0 or 1)
    end
    assert.is_true(failed <= n / 3)
    parts.two.process:waitExit(apps.patience)
    tree.remove(parts.two.dir)
    start "two"
    all_meet()
    local after = {}
    for i = 1, n do after[i] = parts.two:client("connector-2", { uid = "after " .. i }) end
    for i = 1, n do
      if not bound[i] then new[i]:bind("n " .. i) end
      assert.are.equal("n " .. i, new[i]:run(nil, "return session.uid"))
      assert.are.equal("after " .. i, after[i]:run(nil, "return session.uid"))
    end
    for i = 1, n, 5 do
      assert.are.equal("connector-1:1", where("n " .. i))
      assert.are.equal("connector-2:1", where("after " .. i))
    end
  end)

  it("stay banned in a process that comes later, and in one that was killed", function()
    start "three"
    all_meet()
    local function banned(part, id, uid)
      local client = part:client(id)
      local got = client:askRun(nil, "session:bind(args, tell)", uid)
      local package = client:nextPackage()
      client:close()
      return got ~= nil and package ~= nil and package.type == pomelo.KICK
    end
    await("fay at connector-3", function() return banned(parts.three, "connector-3", "fay") end)
    local dir = parts.two.dir
    await("fay in the file of two", function() -- what other programs say is written soon after
      local text = files.read(dir .. "/.pomelua/bans.json")
      return text ~= nil and text:find("fay", 1, true) ~= nil and text:find("gus", 1, true) ~= nil
    end)
    parts.two.process:kill "sigkill"
    parts.two.process:waitExit(apps.patience)
    parts.two = nil
    all_meet()
    assert.are.equal(0, (tool(parts.three, "unban", "gus")))
    start("two", dir)
    tree.remove(dir)
    all_meet()
    assert.is_true(banned(parts.two, "connector-2", "fay")) -- from its file, at once
    await("gus at connector-2", function() return not banned(parts.two, "connector-2", "gus") end)
    parts.two:client("connector-2", { uid = "gus" })
    await_at("gus", where "gus")
  end)
end)
