-- Crons: config/crons.json, app:addCrons, app:cron, their files, and reloads.
-- Tests app/crons.lua and config/crons.lua.
local cron_file = require "pomelua.config.crons"
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local zone = require "spec.support.zone"

local SERVERS = [[{"development": {"chat": [{"id": "chat-1"}, {"id": "chat-2"}],
  "gate": [{"id": "gate-1"}]}}]]
local CRON = [[
return function(app)
  local Cron = { count = 0 }
  function Cron:sendMoney()
    local list = app:get("runs") or {}
    list[#list + 1] = "money " .. os.date("%d %H:%M:%S")
    app:set("runs", list)
  end
  function Cron:slow()
    app:set("slow", (app:get("slow") or 0) + 1)
    require("pomelua").sleep(90000)
  end
  function Cron.fails() error("no money") end
  return Cron
end
]]
local FIRST = 1772359200 -- 2026-03-01 10:00:00 UTC

describe("crons", function()
  local base, server

  local function start(crons, app, opts)
    opts = opts or {}
    local files = {
      ["config/servers.json"] = SERVERS, ["app/servers/chat/cron/chatCron.lua"] = CRON,
      ["app.lua"] = [[
        local pomelua = require "pomelua"
        local app = pomelua.createApp()
        local function note(text)
          local list = app:get("runs") or {}
          list[#list + 1] = text .. os.date(" %d %H:%M:%S")
          app:set("runs", list)
        end
      ]] .. (app or "") .. "\napp:start()\n",
    }
    if crons then files[opts.path or "config/crons.json"] = crons end
    for path, text in pairs(opts.files or {}) do files[path] = text end
    base = tree.new(files)
    server = test.server { base = base, type = "chat", id = opts.id, time = opts.time or FIRST }
  end

  local function runs()
    local list = server.app:get("runs") or {}
    server.app:set("runs", {})
    return list
  end

  local function logged(text)
    for _, line in ipairs(server:log()) do
      if line.text:find(text, 1, true) then return true end
    end
    return false
  end

  before_each(function() zone "UTC" end)
  after_each(function()
    test.closeAll()
    if base then tree.remove(base) end
    base = nil
    zone()
  end)

  for what, row in pairs {
    ["with environments"] = { [[{"development": {"chat": [ENTRY]}}]] },
    ["without environments"] = { [[{"chat": [ENTRY], "gate": []}]] },
    ["of an environment's folder"] = { [[{"chat": [ENTRY]}]], "config/development/crons.json" },
  } do
    it("run at their times, from a file " .. what, function()
      local entry = '{"id": 1, "time": "0 30 10,12 * * *", "action": "chatCron.sendMoney"}'
      start((row[1]:gsub("ENTRY", entry)), nil, { path = row[2] })
      server:tick(86400000)
      assert.same({ "money 01 10:30:00", "money 01 12:30:00" }, runs())
      server:tick(86400000)
      assert.same({ "money 02 10:30:00", "money 02 12:30:00" }, runs())
    end)
  end

  it("run in the virtual time of a spec: a year in no time", function()
    start '{"chat": [{"id": 1, "time": "0 0 5 1 * *", "action": "chatCron.sendMoney"}]}'
    -- Under a collector that never rests (spec/helper) a month has to do.
    local days, times = 365, 12
    if os.getenv "POMELUA_GC" == "on" then days, times = 31, 1 end
    for _ = 1, days do server:tick(86400000) end
    assert.equal(times, #runs())
  end)

  it("are none when the file has none for the type or the environment", function()
    start [[{"production": {"chat": [{"id": 1, "time": "* * * * * *", "action": "x.y"}]}}]]
    server:tick(5000)
    assert.same({}, server.app:getCrons())
  end)

  it("run on every server of the type, or on the one that serverId names", function()
    start([[{"chat": [
      {"id": 1, "time": "0/30 * * * * *", "action": "chatCron.sendMoney", "serverId": "chat-1"},
      {"id": 2, "time": "15 * * * * *", "action": "chatCron.sendMoney"}]}]], nil, { id = "chat-2" })
    server:tick(60000)
    assert.same({ "money 01 10:00:15" }, runs())
  end)

  it("run at the next second that exists where the clock is set forward, and once where it is "
    .. "set back", function()
    zone "Europe/Berlin"
    local entry = '{"chat": [{"id": 1, "time": "0 30 2 * * *", "action": "chatCron.sendMoney"}]}'
    start(entry, nil, { time = 1774652400 }) -- 2026-03-28 00:00 CET
    server:tick(3 * 86400000)
    assert.same({ "money 28 02:30:00", "money 29 03:00:00", "money 30 02:30:00" }, runs())
    test.closeAll()
    tree.remove(base)
    start(entry, nil, { time = 1792792800 }) -- 2026-10-24 00:00 CEST
    server:tick(3 * 86400000)
    assert.same({ "money 24 02:30:00", "money 25 02:30:00", "money 26 02:30:00" }, runs())
  end)

  it("that are late run once", function()
    start '{"chat": [{"id": 1, "time": "*/10 * * * * *", "action": "chatCron.sendMoney"}]}'
    server:tick(10000)
    assert.equal(1, #runs())
    local wall, jump = server.inner.wall, 0
    server.inner.wall = function() return wall() + jump end
    jump = 3600 -- the machine has slept
    server:tick(60000)
    assert.equal(6, #runs()) -- one for the hour and five of the minute
    assert.is_true(logged('cron "1": 36'))
  end)

  it("do not run twice when the clock is set back", function()
    start '{"chat": [{"id": 1, "time": "0 1 10 * * *", "action": "chatCron.sendMoney"}]}'
    server:tick(61000)
    assert.equal(1, #runs())
    local wall = server.inner.wall
    server.inner.wall = function() return wall() - 3600 end
    server:tick(7200000)
    assert.equal(0, #runs())
  end)

  it("that still run when they are due again leave that time out", function()
    start '{"chat": [{"id": "s", "time": "0 * * * * *", "action": "chatCron.slow"}]}'
    server:tick(245000)
    assert.equal(2, server.app:get("slow"))
    assert.is_true(logged('cron "s": it is due, and still runs; this time is left out'))
  end)

  it("that raise an error are in the log with its line, and run again", function()
    start '{"chat": [{"id": "f", "time": "0 * * * * *", "action": "chatCron.fails"}]}'
    server:tick(125000)
    assert.is_true(logged('cron "f": app/servers/chat/cron/chatCron.lua:12: no money'))
  end)

  it("do not begin while the server stops", function()
    start '{"chat": [{"id": 1, "time": "* * * * * *", "action": "chatCron.sendMoney"}]}'
    assert.is_true(server:stop())
    server:tick(5000)
    assert.same({}, runs())
  end)

  it("cost nothing when there are none: no timer runs", function()
    start()
    assert.is_nil(server.inner.crons.timer)
  end)

  for entry, message in pairs {
    ['{"id": 1, "time": "* * * * *", "action": "chatCron.sendMoney"}'] =
      'config/crons.json:2: chat[0].time: "* * * * *": must have six fields',
    ['{"id": 1, "action": "chatCron.sendMoney"}'] = "chat[0].time: must be a text of six fields",
    ['{"time": "* * * * * *", "action": "chatCron.sendMoney"}'] =
      "chat[0].id: must be a number or a text, got nil",
    ['{"id": 1, "time": "* * * * * *"}'] = 'chat[0].action: must be "file.method"',
    ['{"id": 1, "time": "* * * * * *", "action": "chatCron.sendMony"}'] =
      'chat[0].action: there is no cron "chatCron.sendMony": no such file in the type\'s folder '
      .. "cron, or no such function in it; did you mean chatCron.sendMoney?",
    ['{"id": 1, "time": "* * * * * *", "action": "chatCron.sendMoney", "serverId": "chat-3"}'] =
      'chat[0].serverId: "chat-3" is no server of this type; did you mean chat-1?',
    ['{"id": 1, "tiem": "* * * * * *", "action": "chatCron.sendMoney"}'] =
      "chat[0].tiem: no such key; did you mean time?",
    ["5"] = "chat[0]: must be an object with id, time and action, got 5",
  } do
    it("that are wrong end the start: " .. entry, function()
      local ok, text = pcall(start, '{"chat": [\n' .. entry .. "]}")
      assert.is_false(ok)
      assert.truthy(text:find("config/crons.json:2: ", 1, true), text)
      assert.truthy(text:find(message, 1, true), text)
    end)
  end

  it("whose id occurs twice: the second is ignored, with a warning", function()
    start [[{"chat": [{"id": "7", "time": "30 * * * * *", "action": "chatCron.sendMoney"},
      {"id": 7, "time": "* * * * * *", "action": "chatCron.slow"}]}]]
    server:tick(60000)
    assert.equal(1, #runs())
    assert.is_true(logged('config/crons.json:2: chat[1].id: "7" is also that of chat[0]'))
  end)

  describe("of a reload", function()
    local ENTRY = '{"chat": [{"id": 1, "time": "30 * * * * *", "action": "chatCron.sendMoney"}]}'

    it("run the new function", function()
      start(ENTRY)
      tree.write(base, "app/servers/chat/cron/chatCron.lua", (CRON:gsub('"money ', '"gold ')))
      assert(server:reload())
      server:tick(60000)
      assert.same({ "gold 01 10:00:30" }, runs())
    end)

    it("follow the file config/crons.json", function()
      start(ENTRY)
      tree.write(base, "config/crons.json", (ENTRY:gsub("30", "45")))
      local result = assert(server:reload())
      assert.same({ "config/crons.json" }, result.modules)
      server:tick(60000)
      assert.same({ "money 01 10:00:45" }, runs())
      tree.write(base, "config/crons.json", "{}")
      assert(server:reload())
      server:tick(60000)
      assert.same({}, runs())
    end)

    it("may be those of a server that is down, or of one that nobody has heard of", function()
      local entry = (ENTRY:gsub('"id": 1', '"id": 1, "serverId": "chat-2"'))
      start(entry)
      server.inner:index { server.inner.info } -- chat-2 has stopped
      tree.write(base, "config/crons.json", (entry:gsub("30", "45")))
      assert.same({}, assert(server:reload()).warnings)
      server.app:addCrons { { id = 2, time = "* * * * * *", action = "chatCron.sendMoney",
        serverId = "chat-2" } }
      server.app:cron("* * * * * *", print, { serverId = "chat-2" })
      assert.is_false(logged "no server of this type")

      tree.write(base, "config/crons.json", (entry:gsub("chat%-2", "chat-9")))
      assert.same({ 'config/crons.json:1: chat[0].serverId: "chat-9" is no server of this type; '
        .. "did you mean chat-1?" }, assert(server:reload()).warnings)
      server.app:addCrons { { id = 2, time = "* * * * * *", action = "chatCron.sendMoney",
        serverId = "chat-8" } }
      server.app:cron("* * * * * *", print, { serverId = "chat-7" })
      assert.is_true(logged 'app:addCrons: [1].serverId: "chat-8" is no server of this type')
      assert.is_true(logged "app:cron: chat-7 is no server of this type")
      server:tick(60000)
      assert.same({}, runs())
      assert.has_error(function()
        server.app:cron("* * * * * *", print, { serverId = 7 })
      end)
    end)

    it("are as before when it is refused: the file, and a function that is gone", function()
      start(ENTRY)
      tree.write(base, "config/crons.json", (ENTRY:gsub("30", "99")))
      local _, err = server:reload()
      assert.matches("config/crons.json:1: chat[0].time: ", err.message, 1, true)
      tree.write(base, "config/crons.json", ENTRY)
      tree.write(base, "app/servers/chat/cron/chatCron.lua", "return { other = print }")
      _, err = server:reload()
      assert.matches('chat[0].action: there is no cron "chatCron.sendMoney"', err.message, 1, true)
      server:tick(60000)
      assert.same({ "money 01 10:00:30" }, runs())
    end)

    it("that files add end with the file", function()
      start(nil, 'app:cron("0 * * * * *", function() note("one") end)')
      server:tick(60000)
      assert.same({ "one 01 10:01:00" }, runs())
      tree.write(base, "app.lua", [[
        local app = require("pomelua").createApp()
        app:cron("30 * * * * *", function() app:set("runs", { "two" }) end)
        app:start()
      ]])
      assert(server:reload())
      server:tick(60000)
      assert.same({ "two" }, runs())
      assert.equal(1, #server.app:getCrons())
    end)
  end)

  describe("at run time", function()
    it("are added and removed, also by an id that is a text, and added again", function()
      start(nil, [[
        app.event:on("add_crons", function(list) note("added " .. #list) end)
        app.event:on("remove_crons", function(list) note("removed " .. #list) end)
      ]])
      local entry = { id = "x", time = "30 * * * * *", action = "chatCron.sendMoney" }
      server.app:addCrons({ entry })
      server:tick(60000)
      assert.equal(1, server.app:removeCrons({ "x" }))
      server:tick(60000)
      server.app:addCrons({ entry })
      server:tick(60000)
      assert.equal(1, server.app:removeCrons({ entry }))
      assert.same({ "added 1 01 10:00:00", "money 01 10:00:30", "removed 1 01 10:01:00",
        "added 1 01 10:02:00", "money 01 10:02:30", "removed 1 01 10:03:00" }, runs())
    end)

    it("are removed all or none", function()
      start '{"chat": [{"id": 5, "time": "30 * * * * *", "action": "chatCron.sendMoney"}]}'
      assert.is_false(pcall(server.app.removeCrons, server.app, { 5, true }))
      server:tick(60000)
      assert.equal(1, #runs())
    end)

    it("of an id that is there are not added, with a warning", function()
      start '{"chat": [{"id": 5, "time": "30 * * * * *", "action": "chatCron.sendMoney"}]}'
      server.app:addCrons({ { id = "5", time = "* * * * * *", action = "chatCron.slow" } })
      server:tick(60000)
      assert.equal(1, #runs())
      assert.is_true(logged('there is a cron "5" already, this one is ignored'))
    end)

    it("are known by id, with the time of the next run", function()
      start '{"chat": [{"id": 5, "time": "30 * * * * *", "action": "chatCron.sendMoney"}]}'
      assert.same({ { id = "5", time = "30 * * * * *", action = "chatCron.sendMoney",
        next = FIRST + 30 } }, server.app:getCrons())
    end)

    it("of the file stay away when they were removed, over reloads as well", function()
      start '{"chat": [{"id": 5, "time": "30 * * * * *", "action": "chatCron.sendMoney"}]}'
      server.app:removeCrons({ 5 })
      tree.write(base, "app/servers/chat/cron/chatCron.lua", CRON .. "\n")
      assert(server:reload())
      server:tick(60000)
      assert.same({}, runs())
    end)

    for call, message in pairs {
      ["app:addCrons(5)"] = "app:addCrons(list): list must be an array",
      ["app:addCrons({ { id = 1, time = 'x', action = 'a.b' } })"] = 'app:addCrons: [1].time: "x"',
      ["app:addCrons({ {} })"] = "app:addCrons: [1].id: must be a number or a text, got nil",
      ["app:removeCrons('x')"] = "app:removeCrons(list): list must be an array",
      ["app:removeCrons({ true })"] = "app:removeCrons: [1]: the id must be",
      ["app:cron('* * * * * 8', print)"] = "app:cron: \"* * * * * 8\": day of week must be 0 to 6",
      ["app:cron('* * * * * *')"] = "app:cron(time, fn, opts): fn must be a function",
      ["app:cron('* * * * * *', print, { serverId = 'x' })"] = "app:cron: x is no server",
      ["app:cron('* * * * * *', print, { id = {} })"] = "app:cron: opts.id must be a number or a",
    } do
      it("are refused at the game's line: " .. call, function()
        local ok, text = pcall(start, nil, call)
        assert.is_false(ok)
        assert.truthy(text:find("app.lua:8: " .. message, 1, true), text)
      end)
    end

    it("with an action that is not there are an error of the log at the start", function()
      start(nil, "app:addCrons({ { id = 1, time = '* * * * * *', action = 'chatCron.no' } })")
      assert.is_true(logged('app:addCrons: "1": there is no cron "chatCron.no"'))
    end)
  end)
end)

describe("the check of crons.json", function()
  local base
  after_each(function() tree.remove(base) end)

  local function check(text, path)
    base = tree.new {
      [path or "config/crons.json"] = text, ["app/servers/chat/cron/chatCron.lua"] = CRON,
    }
    local lines = {}
    local faults, warnings = cron_file.check(base, "development", { chat = { { id = "chat-1" } } })
    for _, one in ipairs(faults) do lines[#lines + 1] = cron_file.told(one) end
    for _, one in ipairs(warnings) do lines[#lines + 1] = "warning " .. cron_file.told(one) end
    return lines
  end

  it("finds every fault of every type, with its line", function()
    local lines = check [[{"development": {
      "chat": [
        {"id": 1, "time": "0 0 5 * * *", "action": "chatCron.sendMoney"},
        {"id": 2, "time": "0 0 5 * * 9", "action": "chatCron.sendMoney"},
        {"id": 3, "time": "0 0 5 * * *", "action": "chatCorn.sendMoney", "serverId": 7}],
      "chatt": []
    }}]]
    assert.equal('config/crons.json:4: development.chat[1].time: "0 0 5 * * 9": day of week must '
      .. "be 0 to 6; Sunday is 0, got 9", lines[1])
    assert.equal("config/crons.json:5: development.chat[2].serverId: 7 is no server of this type",
      lines[2])
    assert.equal("warning config/crons.json:5: development.chat[2].action: there is no file "
      .. "app/servers/chat/cron/chatCorn.lua; did you mean chatCron?", lines[3])
    assert.equal("warning config/crons.json:6: development.chatt: there is no server type chatt; "
      .. "did you mean chat?", lines[4])
  end)

  for text, message in pairs {
    ['{"chat": 5}'] = "config/crons.json:1: chat: must be an array of crons, got 5",
    ['{"chat": {"id": 1}}'] = "config/crons.json:1: chat: must be an array of crons, got a table",
    ["[1]"] = "config/crons.json:1: must be an object, got a table",
    ['{\n"chat": [,]}'] = "config/crons.json:2: ",
    ['{"develpment": {}}'] = "warning config/crons.json:1: develpment: the environment is "
      .. "development: are these its crons?",
  } do
    it("says what is wrong with " .. text:gsub("\n", " "), function()
      local lines = check(text)
      assert.truthy(lines[1] and lines[1]:find(message, 1, true), lines[1])
    end)
  end

  it("reads the file of the environment's folder, and is silent without a file", function()
    assert.truthy(check('{"chat": 5}', "config/development/crons.json")[1])
    tree.remove(base)
    assert.same({}, check("x", "config/other.json"))
  end)
end)
