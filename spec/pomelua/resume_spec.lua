-- Resume without sockets: connectorConfig.resume (app/resume_setting.lua) and what the server does
-- at a handshake (session/resume.lua), in virtual time. Over sockets: spec/net/resume_spec.lua.
local core = require "pomelua.core"
local settings = require "pomelua.app.settings"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

describe("connectorConfig.resume", function()
  local function read(value, more)
    local connector = { resume = value }
    for key, one in pairs(more or {}) do connector[key] = one end
    return settings.read({ connectorConfig = connector }, {})
  end

  it("is off, on with the defaults, or a table", function()
    for _, off in ipairs { false, "absent" } do
      local checked = assert(read(off ~= "absent" and off or nil))
      assert.is_nil(checked.resume)
      assert.is_nil(checked.numbers.resumeGrace)
    end
    local numbers = assert(read(true)).numbers
    assert.same({ 30, 65536, 64 },
      { numbers.resumeGrace, numbers.resumeBytes, numbers.resumeTotal })
    local checked = assert(read { grace = 5, bytes = 2048 })
    numbers = checked.numbers
    assert.same({ 5, 2048, 64 }, { numbers.resumeGrace, numbers.resumeBytes, numbers.resumeTotal })
    assert.equal(5, checked.resume.grace)
  end)

  it("says what is wrong, and where", function()
    local function fails(value, text, more)
      local checked, message = read(value, more)
      assert.is_nil(checked)
      assert.equal(text, message)
    end
    fails(30, "connectorConfig.resume: must be true, false or a table, got 30")
    fails({ grase = 3 }, "connectorConfig.resume: grase: there is no such key; did you mean grace?")
    fails({ grace = 0 },
      "connectorConfig.resume: grace: must be a whole number from 1 to 86400, got 0")
    fails({ bytes = "64k" }, 'connectorConfig.resume: bytes: must be a whole number, got "64k"')
    fails({ bytes = 2097152, total = 1 }, "connectorConfig.resume: bytes (2097152) is larger than "
      .. "total (1 MiB), which all sessions have together")
    fails({ bytes = 65536 }, "connectorConfig.resume: bytes (65536) is larger than "
      .. "connectorConfig.queueHard (4096): what a client has missed would not fit into its queue",
      { queueSoft = 2048, queueHard = 4096 })
  end)
end)

describe("a server of the kit with resume", function()
  local server
  local APP = [[
    local pomelua = require "pomelua"
    local app = pomelua.createApp()
    app:set("connectorConfig", { resume = { grace = 30 }, @more@ })
    app:set("channelConfig", { autoLeave = true })
    app:set("told", {})
    for _, name in ipairs { "session_lost", "session_resumed", "close_session" } do
      app.event:on(name, function(session)
        local list = app:get("told")
        list[#list + 1] = name .. " " .. tostring(session.uid)
      end)
    end
    app:start()
  ]]
  local HANDLER = [[
    return function(app)
      local h = {}
      local room = app:get("channelService"):getChannel("room", true)
      function h:join(_, session)
        room:add(session.uid, app:getServerId())
        session:on("closed", function(_, reason)
          local list = app:get("told")
          list[#list + 1] = "closed " .. tostring(reason)
        end)
        return { code = 200 }
      end
      function h:slow(_, _, next)
        app:set("answer", next)
      end
      function h:runs() app:set("runs", (app:get("runs") or 0) + 1) end
      return h
    end
  ]]

  local function start(more)
    server = test.server { type = "connector", base = tree.new {
      ["app.lua"] = (APP:gsub("@more@", function() return more or "" end)),
      ["config/servers.json"] = [[{"connector": [{"id": "c-1", "clientPort": 0,
        "frontend": true}]}]],
      ["app/servers/connector/handler/h.lua"] = HANDLER,
    } }
  end
  local base
  after_each(function()
    if server then
      base = server.base
      server:close()
      tree.remove(base)
      server = nil
    end
  end)

  local function told()
    local list = server.app:get("told")
    server.app:set("told", {})
    return list
  end

  local function push(text)
    server.app:get("channelService"):getChannel("room"):pushMessage("onChat", { text = text })
    server:settle()
  end

  local function texts()
    local list = {}
    for _, one in ipairs(server:pushed()) do list[#list + 1] = one.msg.text end
    return list
  end

  local function joined(more)
    start(more)
    local ann = { uid = "ann", resume = true }
    assert.equal(200, server:connect(ann))
    assert.is_false(ann.recovered)
    assert.answers(server, { code = 200 }, "connector.h.join", {}, ann)
    return ann
  end

  it("gives a client that comes back what it has missed", function()
    local ann = joined()
    local id = ann.id
    push("before")
    assert.same({ "before" }, texts())
    assert.is_true(server:cut(ann))
    assert.same({ "session_lost ann" }, told())
    push("one")
    server:tick(29000)
    push("two")
    assert.same({}, texts())
    assert.equal(200, server:connect(ann))
    assert.is_true(ann.recovered)
    assert.equal(id, ann.id)
    assert.equal("ann", ann.uid)
    assert.same({ "one", "two" }, texts())
    assert.same({ "session_resumed ann" }, told())
    push("three")
    assert.same({ "three" }, texts())
    assert.equal(1, server.node:counts().sessions)
  end)

  it("ends the session at the end of the grace, and not before", function()
    local ann = joined()
    server:cut(ann)
    told()
    server:tick(29999)
    assert.same({}, told())
    server:tick(1)
    assert.same({ "close_session ann", "closed true" }, told())
    assert.equal(200, server:connect(ann))
    assert.is_false(ann.recovered)
    assert.equal(1, server.node:counts().resumeRefused)
  end)

  it("keeps open requests, and sends their answers", function()
    local ann = joined()
    local _, pending = server:request("connector.h.slow", {}, ann)
    server:cut(ann)
    server.app:get("answer")(nil, { late = true })
    server:settle()
    assert.is_false(pending.done)
    server:connect(ann)
    assert.is_true(ann.recovered)
    assert.is_true(pending.done)
    assert.same({ late = true }, pending.value)
  end)

  it("ends a kicked session at once, and gives it no grace", function()
    local ann = joined()
    server:cut(ann)
    told()
    server.app:get("sessionService"):kick("ann", "out", function() end)
    server:settle()
    assert.same({ "close_session ann", "closed out" }, told())
    server:connect(ann)
    assert.is_false(ann.recovered)
  end)

  it("does not wait for who has not asked, or has said sys.leave", function()
    local ann = joined()
    local bob = { uid = "bob" }
    server:connect(bob)
    assert.is_false(server:cut(bob))
    assert.equal(1, server.node:counts().sessions)
    local bytes = core.write_message { type = 1, route = "sys.leave", body = "" }
    assert(server.node:clientData(ann.id, bytes))
    server:settle()
    assert.same({ "close_session ann" }, { told()[1] })
    assert.equal(0, server.node:counts().resumeWaiting)
  end)

  -- The handshake function decides in a later turn.
  local LATER = [[handshake = function(msg, cb, session)
    app:set("uid", session.uid)
    if msg.user and msg.user.bad then return cb(true) end
    cb(nil, { hello = "you", resume = "mine" })
  end]]

  it("runs the handshake function with the session that the client will have", function()
    local ann = joined(LATER)
    server:cut(ann)
    local answer = server:handshake({ user = { resume = {} } }, {})
    assert.equal("you", answer.user.hello)
    assert.equal(32, #answer.user.resume.token)
    assert.is_nil(server.app:get("uid"))
    ann.user = { bad = true }
    assert.equal(500, (server:connect(ann)))
    assert.equal("ann", server.app:get("uid"))
    ann.user = nil
    assert.equal(200, (server:connect(ann)))
    assert.is_true(ann.recovered) -- the refusal has touched nothing
  end)

  it("touches nothing when the new line is cut while the app decides", function()
    local ann = joined [[handshake = function(msg, cb)
      if msg.user.later then app:set("decide", cb) else cb(nil, {}) end
    end]]
    local token = server.sessions.lines[ann].token
    server:cut(ann)
    local bob = {}
    assert.is_nil(server:handshake({ user = { later = true,
      resume = { token = token, received = 1 } } }, bob))
    server:disconnect(bob)
    server.app:get("decide")(nil, {})
    server:settle()
    local counts = server.node:counts()
    assert.same({ 1, 0 }, { counts.resumeWaiting, counts.resumeRefused })
    -- The same for a client that has nothing to come back to: nobody is told of an error.
    server:handshake({ user = { later = true, resume = {} } }, bob)
    server:disconnect(bob)
    server.app:get("decide")(nil, {})
    server:settle()
    assert.equal(200, (server:connect(ann)))
    assert.is_true(ann.recovered)
  end)

  it("leaves out resume beside an answer of the app that has no names", function()
    local ann = joined [[handshake = function(_, cb) cb(nil, app:get("say")) end]]
    local token = server.sessions.lines[ann].token
    server:cut(ann)
    for _, say in ipairs { "text", 7, true, { 1, 2 } } do
      server.app:set("say", say)
      local answer = server:handshake({ user = { resume = {} } }, {})
      assert.equal(200, answer.code)
      assert.same(say, answer.user)
    end
    assert.equal(1, server.node:counts().resumeWaiting)
    local answer = server:handshake({ user = { resume = { token = token, received = 1 } } }, {})
    assert.same({ 1, 2 }, answer.user)
    assert.equal(0, server.node:counts().resumeWaiting) -- its client cannot go on with it
    server.app:set("say", function() end)
    assert.equal(500, (server:handshake({ user = { resume = {} } }, {})).code)
  end)

  it("answers false to tokens and numbers that are none", function()
    joined()
    for _, asked in ipairs { { token = 7, received = 0 }, { token = {}, received = 0 },
      { token = ("0"):rep(32), received = 0 }, { token = ("z"):rep(32) }, { token = "" } } do
      local answer = server:handshake({ user = { resume = asked } }, {})
      assert.equal(200, answer.code)
      assert.is_false(answer.user.resume.recovered)
      assert.equal(0, answer.user.resume.received)
    end
    assert.equal(5, server.node:counts().resumeRefused)
    assert.is_nil(server:handshake({ user = { resume = true } }, {}).user)
    assert.is_nil(server:handshake({ user = "resume" }, {}).user)
  end)
end)

describe("a server of the kit with resume and auth", function()
  it("takes only a token of the same user back to a session", function()
    local server = test.server { type = "connector", base = tree.new {
      ["app.lua"] = [[
        local pomelua = require "pomelua"
        local app = pomelua.createApp()
        app:set("connectorConfig", { resume = true,
          auth = { keys = { { alg = "HS256", key = ("k"):rep(32) } } } })
        app:start()
      ]],
      ["config/servers.json"] = [[{"connector": [{"id": "c-1", "clientPort": 0,
        "frontend": true}]}]],
    } }
    local ann = { resume = true, user = { token = server:sign { sub = "ann", exp = nil } } }
    assert.equal(200, (server:connect(ann)))
    assert.equal("ann", ann.uid)
    assert.is_true(server:cut(ann))
    ann.user = { token = server:sign { sub = "bob" } }
    assert.equal(401, (server:connect(ann)))
    ann.user = {}
    assert.equal(401, (server:connect(ann)))
    assert.equal(1, server.node:counts().resumeWaiting)
    ann.user = { token = server:sign { sub = "ann" } }
    assert.equal(200, (server:connect(ann)))
    assert.is_true(ann.recovered)
    assert.equal("ann", ann.uid)
    local base = server.base
    server:close()
    tree.remove(base)
  end)
end)

describe("docs/resume.md", function()
  it("has blocks that run", function()
    local text = require("spec.support.files").read "docs/resume.md"
    local servers, n = [[{"connector": [{"id": "c-1", "clientPort": 0, "frontend": true}]}]], 0
    local app
    for code in text:gmatch("\n```lua\n(.-)```\n") do
      n = n + 1
      if code:find("createApp", 1, true) then
        app = code
        local base = tree.new { ["app.lua"] = code, ["config/servers.json"] = servers }
        local server = test.server { base = base, type = "connector" }
        assert.equal(30, server.inner.checked.resume.grace)
        server:close()
        tree.remove(base)
      else
        local base = tree.new { ["app.lua"] = app, ["config/servers.json"] = servers }
        local function now(_, fn) fn() end
        local own = { server = function(options)
          return test.server { base = base, type = options.type }
        end }
        local env = { describe = now, it = now, assert = assert,
          require = function() return own end }
        setfenv(assert(loadstring(code)), env)()
        tree.remove(base)
      end
    end
    assert.equal(3, n)
  end)
end)

-- Pushes with numbers to clients whose lines are cut at random: each gets each number once.
describe("a game whose clients lose their lines again and again", function()
  it("tells each of them everything, once and in order", function()
    local server = test.server { type = "connector", base = tree.new {
      ["app.lua"] = [[
        local app = require("pomelua").createApp()
        app:set("connectorConfig", { resume = true })
        app:start()
      ]],
      ["config/servers.json"] = [[{"connector": [{"id": "c-1", "clientPort": 0,
        "frontend": true}]}]],
      ["app/servers/connector/handler/h.lua"] = [[
        return function(app)
          local h = {}
          local room = app:get("channelService"):getChannel("room", true)
          function h:join(_, session) room:add(session.uid, app:getServerId()) return {} end
          function h:double(msg) return { n = 2 * msg.n } end
          return h
        end
      ]],
    } }
    local all, sent, cuts = {}, 0, 0
    for i = 1, 6 do
      all[i] = { uid = "u" .. i, resume = true, got = 0 }
      all["u" .. i] = all[i]
      server:connect(all[i])
      server:request("connector.h.join", {}, all[i])
    end
    local function look()
      for _, push in ipairs(server:pushed()) do
        for _, uid in ipairs(push.to) do
          all[uid].got = all[uid].got + 1
          assert.equal(all[uid].got, push.msg.n)
        end
      end
    end
    local function back(one)
      server:connect(one)
      assert.is_true(one.recovered)
      one.cut = nil
    end
    math.randomseed(15)
    for i = 1, 4000 do
      local one, what = all[math.random(6)], math.random(10)
      if what <= 5 then
        sent = sent + 1
        server.app:get("channelService"):getChannel("room"):pushMessage("onNumber", { n = sent })
        server:settle()
      elseif what <= 7 and one.cut then
        back(one)
      elseif what <= 7 then
        assert.is_true(server:cut(one))
        one.cut, cuts = true, cuts + 1
      elseif not one.cut then
        assert.equal(2 * i, server:request("connector.h.double", { n = i }, one).n)
      end
      look()
    end
    for i = 1, 6 do
      if all[i].cut then back(all[i]) end
    end
    look()
    assert.is_true(cuts > 300)
    for i = 1, 6 do assert.equal(sent, all[i].got) end
    local base = server.base
    server:close()
    tree.remove(base)
  end)
end)
